/* SPDX-License-Identifier: ISC
 * Leases: who may ask the network about a domain. */
#include <string.h>

#include "base/buf.h"
#include "base/name.h"
#include "store/internal.h"

#define OWNER_MAX 128

struct lease {
  const char *domain, *owner;
  int64_t now_ms, until_ms;
  bool taken;
  int64_t held_until_ms;
};

static bool is_sound(const char *domain, const char *owner) {
  return domain && owner && *owner && strlen(owner) <= OWNER_MAX && mts_name_is_normal(mts_span_of(domain));
}

/* Another's lease that still runs. One that ends too far away was taken by a clock that was wrong, and does not count. */
static enum mts_err look(struct mts_store *store, struct lease *lease) {
  sqlite3_stmt *statement = NULL;
  bool row = false;
  enum mts_err err = store_statement(store, STORE_SQL_LEASE_READ, &statement);
  if (err) return err;
  store_bind_text(statement, 1, lease->domain);
  store_bind_text(statement, 2, lease->owner);
  sqlite3_bind_int64(statement, 3, lease->now_ms);
  sqlite3_bind_int64(statement, 4, lease->now_ms + STORE_LEASE_MAX_MS);
  err = store_step(store, statement, "reading a lease", &row);
  lease->taken = !row;
  if (err || !row) return err;
  lease->held_until_ms = sqlite3_column_int64(statement, 0);
  return store_run(store, statement, "reading a lease");
}

static enum mts_err take(struct mts_store *store, void *arg) {
  struct lease *lease = arg;
  enum mts_err err = look(store, lease); /* again: now nobody else can write */
  if (err || !lease->taken) return err;
  sqlite3_stmt *statement = NULL;
  err = store_statement(store, STORE_SQL_LEASE_TAKE, &statement);
  if (err) return err;
  store_bind_text(statement, 1, lease->domain);
  store_bind_text(statement, 2, lease->owner);
  sqlite3_bind_int64(statement, 3, lease->until_ms);
  return store_run(store, statement, "taking a lease");
}

enum mts_err mts_store_lease(struct mts_store *store, const char *domain, const char *owner, int64_t now_ms, int64_t until_ms,
                             bool *taken, int64_t *held_until_ms) {
  if (!is_sound(domain, owner) || until_ms <= now_ms || until_ms > now_ms + STORE_LEASE_MAX_MS) return MTS_ERR_ARGUMENT;
  struct lease lease = {.domain = domain, .owner = owner, .now_ms = now_ms, .until_ms = until_ms};
  enum mts_err err = store_ready(store);
  if (!err) err = look(store, &lease); /* those who wait ask often: no write lock for them */
  if (!err && lease.taken) err = store_write(store, take, &lease, "taking a lease");
  if (err) return err;
  *taken = lease.taken;
  if (!lease.taken) *held_until_ms = lease.held_until_ms;
  return MTS_OK;
}

static enum mts_err drop(struct mts_store *store, void *arg) {
  const struct lease *lease = arg;
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, STORE_SQL_LEASE_DROP, &statement);
  if (err) return err;
  store_bind_text(statement, 1, lease->domain);
  store_bind_text(statement, 2, lease->owner);
  return store_run(store, statement, "giving back a lease");
}

enum mts_err mts_store_unlease(struct mts_store *store, const char *domain, const char *owner) {
  if (!is_sound(domain, owner)) return MTS_ERR_ARGUMENT;
  struct lease lease = {.domain = domain, .owner = owner};
  return store_write(store, drop, &lease, "giving back a lease");
}
