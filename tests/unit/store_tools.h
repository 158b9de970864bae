/* SPDX-License-Identifier: ISC
 * For the tests of the store: a folder of one's own, a clock that is set by hand, a log that counts, an entry with every field set.
 */
#ifndef MTASTS_TESTS_STORE_TOOLS_H
#define MTASTS_TESTS_STORE_TOOLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.h"

#define NOW 1800000000

struct tools {
  char folder[64], path[80];
  int64_t now_ms, mono_ms;
  struct mts_clock clock;
  struct mts_log *log;
  int lines;
  char last[2048];
};

static int64_t tools_now(void *arg) { return ((struct tools *)arg)->now_ms; }
static int64_t tools_mono(void *arg) { return ((struct tools *)arg)->mono_ms; }
static void tools_line(void *arg, enum mts_log_level level, const char *line) {
  struct tools *t = arg;
  (void)level;
  t->lines++;
  snprintf(t->last, sizeof t->last, "%s", line);
}

static inline int tools_setup(void **state) {
  struct tools *t = calloc(1, sizeof *t);
  if (!t) return -1;
  snprintf(t->folder, sizeof t->folder, "/tmp/mtasts-store-XXXXXX");
  if (!mkdtemp(t->folder)) return -1;
  snprintf(t->path, sizeof t->path, "%s/mtasts.db", t->folder);
  t->now_ms = INT64_C(1000) * NOW;
  t->mono_ms = 1000000;
  t->clock = (struct mts_clock){tools_now, tools_mono, t};
  if (mts_log_new(MTS_LOG_TO_NONE, MTS_LOG_DEBUG, &t->clock, &t->log)) return -1;
  mts_log_redirect(t->log, tools_line, t);
  *state = t;
  return 0;
}

static int tools_remove(const char *path, const struct stat *st, int kind, struct FTW *where) {
  (void)st;
  (void)kind;
  (void)where;
  return remove(path);
}

static inline int tools_teardown(void **state) {
  struct tools *t = *state;
  chmod(t->folder, 0700);
  nftw(t->folder, tools_remove, 16, FTW_DEPTH | FTW_PHYS);
  mts_log_free(&t->log);
  free(t);
  return 0;
}

static inline struct mts_store *tools_open(struct tools *t) {
  struct mts_store *store = NULL;
  assert_int_equal(mts_store_open(t->path, &t->clock, t->log, &store), MTS_OK);
  assert_non_null(store);
  return store;
}

/* Opens it and closes it again. */
static inline enum mts_err tools_try_open(struct tools *t, const char *path) {
  struct mts_store *store = NULL;
  enum mts_err err = mts_store_open(path, &t->clock, t->log, &store);
  assert_true((err == MTS_OK) == (store != NULL));
  mts_store_close(&store);
  return err;
}

/* Every field set; number makes it distinct. */
static inline void tools_entry(struct mts_entry *entry, const char *domain, int number) {
  static const char *const mx[] = {"mx1.example.net", "*.mail.example.net", "mx2.example.net"};
  memset(entry, 0, sizeof *entry);
  snprintf(entry->domain, sizeof entry->domain, "%s", domain);
  assert_int_equal(mts_policy_new(MTS_MODE_ENFORCE, (uint32_t)(86400 + number), mx, 3, &entry->policy), MTS_OK);
  snprintf(entry->id, sizeof entry->id, "2026%d", number);
  entry->fetched_at = NOW + number;
  entry->expires_at = NOW + 86400 + 2 * number;
  entry->refresh_at = NOW + 40000 + number;
  entry->checked_at = NOW + 10 + number;
  entry->check_at = NOW + 310 + number;
  entry->err = MTS_ERR_HTTPS_CERT_NAME;
  snprintf(entry->detail, sizeof entry->detail, "the certificate is for other.example, try %d", number);
  entry->failed_at = NOW + 20 + number;
  entry->failing_since = NOW + 5 + number;
  snprintf(entry->failed_id, sizeof entry->failed_id, "failed%d", number);
  entry->retry_at = NOW + 600 + number;
  entry->tries = 3000000000u + (uint32_t)number;
  entry->alarmed_at = NOW + 30 + number;
}

static inline bool tools_policy_equal(const struct mts_policy *a, const struct mts_policy *b) {
  if (!a || !b) return a == b;
  if (a->mode != b->mode || a->max_age_s != b->max_age_s || a->mx_count != b->mx_count) return false;
  for (size_t i = 0; i < a->mx_count; i++)
    if (strcmp(a->mx[i], b->mx[i]) != 0) return false;
  return true;
}

static inline bool tools_equal(const struct mts_entry *a, const struct mts_entry *b) {
  return tools_policy_equal(a->policy, b->policy) && strcmp(a->domain, b->domain) == 0 && strcmp(a->id, b->id) == 0 &&
         a->fetched_at == b->fetched_at && a->expires_at == b->expires_at && a->refresh_at == b->refresh_at &&
         a->checked_at == b->checked_at && a->check_at == b->check_at && a->err == b->err && strcmp(a->detail, b->detail) == 0 &&
         a->failed_at == b->failed_at && a->failing_since == b->failing_since && strcmp(a->failed_id, b->failed_id) == 0 &&
         a->retry_at == b->retry_at && a->tries == b->tries && a->alarmed_at == b->alarmed_at;
}

static inline enum mts_err tools_try_put(struct mts_store *store, const char *domain, int number) {
  struct mts_entry entry;
  tools_entry(&entry, domain, number);
  enum mts_err err = mts_store_put(store, &entry);
  mts_entry_clear(&entry);
  return err;
}

static inline void tools_put(struct mts_store *store, const char *domain, int number) {
  assert_int_equal(tools_try_put(store, domain, number), MTS_OK);
}

/* Is exactly tools_entry(domain, number) there? */
static inline bool tools_has(struct mts_store *store, const char *domain, int number) {
  struct mts_entry want, have = {0};
  tools_entry(&want, domain, number);
  bool same = mts_store_get(store, domain, &have) == MTS_OK && tools_equal(&want, &have);
  mts_entry_clear(&want);
  mts_entry_clear(&have);
  return same;
}

/* Runs SQL on the file from outside; the first column of the last row as a number. */
static inline int64_t tools_sql(const char *path, const char *sql) {
  sqlite3 *db = NULL;
  sqlite3_stmt *statement = NULL;
  int64_t value = 0;
  const char *rest = sql;
  assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
  sqlite3_busy_timeout(db, 5000);
  while (rest && *rest) {
    if (sqlite3_prepare_v2(db, rest, -1, &statement, &rest) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(statement) == SQLITE_ROW) value = sqlite3_column_int64(statement, 0);
    if (sqlite3_finalize(statement) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
  }
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
  return value;
}

static inline bool tools_is_sound(const char *path) {
  return tools_sql(path, "SELECT count(*) = 1 AND max(integrity_check) = 'ok' FROM pragma_integrity_check") == 1;
}

/* FNV-1a of a file; 0 when it is not there. */
static inline uint64_t tools_hash(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) return 0;
  uint64_t hash = UINT64_C(14695981039346656037);
  for (int c; (c = getc(file)) != EOF;) hash = (hash ^ (uint64_t)c) * UINT64_C(1099511628211);
  fclose(file);
  return hash;
}

#endif
