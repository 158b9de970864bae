/* SPDX-License-Identifier: ISC
 * Entries: one domain each, read and written whole. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/name.h"
#include "store/internal.h"

void mts_entry_clear(struct mts_entry *entry) {
  mts_policy_free(&entry->policy);
  memset(entry, 0, sizeof *entry);
}

enum mts_err mts_entry_copy(const struct mts_entry *from, struct mts_entry *to) {
  struct mts_entry copy = *from;
  if (copy.policy) copy.policy = mts_policy_ref(copy.policy); /* before clearing: from may be to */
  mts_entry_clear(to);
  *to = copy;
  return MTS_OK;
}

void mts_entry_take_newer_policy(struct mts_entry *to, const struct mts_entry *from, int64_t now_s) {
  int64_t ours = to->fetched_at > now_s ? INT64_MIN : to->fetched_at;
  int64_t theirs = from->fetched_at > now_s ? INT64_MIN : from->fetched_at;
  if (!from->policy || (to->policy && theirs <= ours)) return;
  struct mts_policy *policy = mts_policy_ref(from->policy);
  mts_policy_free(&to->policy);
  to->policy = policy;
  memcpy(to->id, from->id, sizeof to->id);
  to->fetched_at = from->fetched_at;
  to->expires_at = from->expires_at;
  to->refresh_at = from->refresh_at;
}

static bool is_domain(const char *domain) { return domain && mts_name_is_normal(mts_span_of(domain)); }

/* ---- get ---- */

static enum mts_err get(struct mts_store *store, const char *domain, struct mts_entry *entry) {
  sqlite3_stmt *statement = NULL;
  bool row = false;
  enum mts_err err = store_statement(store, STORE_SQL_GET, &statement);
  if (err) return err;
  store_bind_text(statement, 1, domain);
  err = store_step(store, statement, "reading", &row);
  if (err) return err;
  struct mts_entry found = {0};
  err = row ? store_row_read(store, statement, &found) : MTS_ERR_STORE_NONE;
  enum mts_err end = store_run(store, statement, "reading");
  if (!err) err = end;
  if (err) {
    mts_entry_clear(&found);
    return err;
  }
  *entry = found;
  return MTS_OK;
}

enum mts_err mts_store_get(struct mts_store *store, const char *domain, struct mts_entry *entry) {
  if (!is_domain(domain)) return MTS_ERR_ARGUMENT;
  enum mts_err err = store_ready(store);
  return err ? err : get(store, domain, entry);
}

/* ---- put ---- */

static enum mts_err put(struct mts_store *store, void *arg) {
  const struct mts_entry *entry = arg;
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, entry->policy ? STORE_SQL_PUT_POLICY : STORE_SQL_DROP_POLICY, &statement);
  if (err) return err;
  if (!entry->policy) {
    store_bind_text(statement, 1, entry->domain);
  } else {
    err = store_row_bind_policy(statement, entry);
    if (err) return err;
  }
  err = store_run(store, statement, "writing");
  if (!err) err = store_statement(store, STORE_SQL_PUT_ATTEMPT, &statement);
  if (err) return err;
  store_row_bind_attempt(statement, entry);
  return store_run(store, statement, "writing");
}

enum mts_err mts_store_put(struct mts_store *store, const struct mts_entry *entry) {
  if (!store_entry_is_sound(entry)) return MTS_ERR_ARGUMENT;
  struct mts_entry lent = *entry;
  return store_write(store, put, &lent, "writing");
}

static enum mts_err learn(struct mts_store *store, void *arg) {
  struct mts_entry *entry = arg, stored = {0};
  enum mts_err err = get(store, entry->domain, &stored);
  if (!err) mts_entry_take_newer_policy(entry, &stored, mts_clock_now_s(store->clock));
  mts_entry_clear(&stored);
  return err && err != MTS_ERR_STORE_NONE ? err : put(store, entry);
}

enum mts_err mts_store_learn(struct mts_store *store, struct mts_entry *entry) {
  if (!store_entry_is_sound(entry)) return MTS_ERR_ARGUMENT;
  return store_write(store, learn, entry, "writing");
}

/* ---- delete ---- */

struct delete {
  const char *domain;
  int64_t removed;
};

static enum mts_err delete_one(struct mts_store *store, enum store_sql which, const char *domain, int64_t *count) {
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, which, &statement);
  if (err) return err;
  if (domain) store_bind_text(statement, 1, domain);
  bool row = true;
  while (!err && row) {
    err = store_step(store, statement, "deleting", &row);
    if (!err && row && count) *count = sqlite3_column_int64(statement, 0);
  }
  return err;
}

static enum mts_err delete_entries(struct mts_store *store, void *arg) {
  struct delete *job = arg;
  enum mts_err err = delete_one(store, job->domain ? STORE_SQL_COUNT_ONE : STORE_SQL_COUNT_ALL, job->domain, &job->removed);
  if (!err) err = delete_one(store, STORE_SQL_DELETE_POLICY, job->domain, NULL);
  if (!err) err = delete_one(store, STORE_SQL_DELETE_ATTEMPT, job->domain, NULL);
  if (!err) err = delete_one(store, STORE_SQL_HOSTS_DELETE, job->domain, NULL);
  return err;
}

enum mts_err mts_store_delete(struct mts_store *store, const char *domain, size_t *removed) {
  if (domain && !is_domain(domain)) return MTS_ERR_ARGUMENT;
  struct delete job = {.domain = domain};
  enum mts_err err = store_write(store, delete_entries, &job, "deleting");
  if (!err && removed) *removed = (size_t)job.removed;
  return err;
}

/* ---- all ---- */

enum mts_err mts_store_each(struct mts_store *store, bool (*each)(void *arg, const struct mts_entry *entry), void *arg) {
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_ready(store);
  if (!err) err = store_statement(store, STORE_SQL_EACH, &statement);
  bool more = true;
  while (!err && more) {
    bool row = false;
    err = store_step(store, statement, "reading", &row);
    if (err || !row) return err;
    struct mts_entry entry = {0};
    err = store_row_read(store, statement, &entry);
    if (!err) more = each(arg, &entry);
    mts_entry_clear(&entry);
    if (err == MTS_ERR_STORE_NONE) err = MTS_OK;
  }
  store_reset(store, statement);
  return err;
}

/* ---- due ---- */

static enum mts_err collect(struct mts_store *store, sqlite3_stmt *statement, struct mts_buf *names) {
  bool row = true;
  enum mts_err err = MTS_OK;
  while (!err && row) {
    err = store_step(store, statement, "reading", &row);
    if (err || !row) return err;
    const char *p = (const char *)sqlite3_column_text(statement, 0);
    struct mts_span name = mts_span(p, (size_t)sqlite3_column_bytes(statement, 0));
    if (p && mts_name_is_normal(name)) err = mts_buf_add(names, name.p, name.n + 1); /* with its NUL */
  }
  store_reset(store, statement);
  return err;
}

enum mts_err mts_store_due(struct mts_store *store, int64_t now_s, size_t limit, void (*each)(void *arg, const char *domain),
                           void *arg) {
  sqlite3_stmt *statement = NULL;
  if (limit > 100000) limit = 100000;
  enum mts_err err = store_ready(store);
  if (!err) err = store_statement(store, STORE_SQL_DUE, &statement);
  if (err) return err;
  sqlite3_bind_int64(statement, 1, now_s);
  sqlite3_bind_int64(statement, 2, (int64_t)limit);
  /* All names first, then the calls: each may use the store. */
  struct mts_buf names = {.limit = limit * MTS_NAME_SIZE + 1};
  err = collect(store, statement, &names);
  for (size_t at = 0; !err && at < names.n; at += strlen(names.p + at) + 1) each(arg, names.p + at);
  mts_buf_free(&names);
  return err;
}
