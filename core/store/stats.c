/* SPDX-License-Identifier: ISC
 * Counting and cleaning. */
#include "store/internal.h"

enum mts_err mts_store_stats(struct mts_store *store, int64_t now_s, struct mts_store_stats *stats) {
  sqlite3_stmt *statement = NULL;
  bool row = false;
  enum mts_err err = store_ready(store);
  if (!err) err = store_statement(store, STORE_SQL_STATS, &statement);
  if (err) return err;
  sqlite3_bind_int64(statement, 1, now_s);
  err = store_step(store, statement, "counting", &row);
  if (err || !row) return err ? err : MTS_ERR_INTERNAL;
  struct mts_store_stats found = {0};
  uint64_t *const numbers[] = {&found.domains, &found.policies, &found.enforce, &found.testing, &found.none,
                               &found.expired, &found.failing,  &found.absent,  &found.leases,  &found.hosts};
  int column = 0;
  for (; column < (int)(sizeof numbers / sizeof numbers[0]); column++)
    *numbers[column] = (uint64_t)sqlite3_column_int64(statement, column);
  found.oldest_fetch = sqlite3_column_int64(statement, column);
  found.next_expiry = sqlite3_column_int64(statement, column + 1);
  err = store_run(store, statement, "counting");
  struct stat st;
  if (!err && stat(store->path, &st) == 0) found.bytes = (uint64_t)st.st_size;
  if (!err) *stats = found;
  return err;
}

struct sweep {
  int64_t now_s, removed;
};

static enum mts_err sweep_one(struct mts_store *store, enum store_sql which, int64_t number, int64_t *count) {
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, which, &statement);
  if (err) return err;
  sqlite3_bind_int64(statement, 1, number);
  bool row = true;
  while (!err && row) {
    err = store_step(store, statement, "cleaning", &row);
    if (!err && row && count) *count = sqlite3_column_int64(statement, 0);
  }
  return err;
}

static enum mts_err sweep(struct mts_store *store, void *arg) {
  struct sweep *job = arg;
  int64_t cut = job->now_s - STORE_KEEP_S;
  enum mts_err err = sweep_one(store, STORE_SQL_SWEEP_COUNT, cut, &job->removed);
  if (!err) err = sweep_one(store, STORE_SQL_SWEEP_ATTEMPT, cut, NULL); /* looks at policy, so it comes first */
  if (!err) err = sweep_one(store, STORE_SQL_SWEEP_POLICY, cut, NULL);
  if (!err) err = sweep_one(store, STORE_SQL_SWEEP_LEASE, job->now_s * 1000, NULL);
  if (!err) err = sweep_one(store, STORE_SQL_SWEEP_HOSTS, cut, NULL);
  if (!err) err = sweep_one(store, STORE_SQL_SWEEP_SESSION, cut / 86400, NULL);
  if (!err) err = sweep_one(store, STORE_SQL_SWEEP_BATCH, cut / 86400, NULL);
  if (!err) err = sweep_one(store, STORE_SQL_SWEEP_DELIVERY, cut / 86400, NULL);
  return err;
}

enum mts_err mts_store_sweep(struct mts_store *store, int64_t now_s, size_t *removed) {
  struct sweep job = {.now_s = now_s};
  enum mts_err err = store_write(store, sweep, &job, "cleaning");
  if (!err && removed) *removed = (size_t)job.removed;
  return err;
}
