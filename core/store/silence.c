/* SPDX-License-Identifier: ISC
 * That the shared store did not answer, for processes that begin just then: each would wait for it anew. */
#include "store/internal.h"

static const char doing[] = "noting that the shared store is silent";

struct silence {
  int64_t now_ms;
  bool silent;
};

static enum mts_err get(struct mts_store *store, struct silence *silence) {
  sqlite3_stmt *statement = NULL;
  bool row = false;
  enum mts_err err = store_statement(store, STORE_SQL_SILENCE_GET, &statement);
  if (!err) err = store_step(store, statement, doing, &row);
  if (err || !row) return err;
  int64_t at_ms = sqlite3_column_int64(statement, 0);
  silence->silent = at_ms <= silence->now_ms && silence->now_ms - MTS_SILENCE_MS < at_ms;
  return store_run(store, statement, doing);
}

enum mts_err mts_store_silence_get(struct mts_store *store, int64_t now_ms, bool *silent) {
  struct silence silence = {.now_ms = now_ms};
  enum mts_err err = store_ready(store);
  if (!err) err = get(store, &silence);
  if (!err) *silent = silence.silent;
  return err;
}

static enum mts_err put(struct mts_store *store, void *arg) {
  const struct silence *silence = arg;
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, STORE_SQL_SILENCE_PUT, &statement);
  if (err) return err;
  sqlite3_bind_int64(statement, 1, silence->now_ms);
  return store_run(store, statement, doing);
}

enum mts_err mts_store_silence_put(struct mts_store *store, int64_t now_ms) {
  struct silence silence = {.now_ms = now_ms};
  enum mts_err err = store_ready(store);
  if (!err) err = get(store, &silence); /* several find it at the same time: one writes */
  return err || silence.silent ? err : store_write(store, put, &silence, doing);
}
