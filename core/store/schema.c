/* SPDX-License-Identifier: ISC
 * The tables, their version, and the way from an older version to this one.
 *
 * Public for every program that can read SQLite: the view sts_domain(domain, mode, expires), one row per domain that has a policy,
 * expired or not; mode is none, testing or enforce, expires in Unix seconds. A reader must compare expires with the time itself.
 * The tables are ours and may change with the version; sum guards each row of policy, attempt and hosts, so one edited by hand counts as
 * absent. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "store/internal.h"

const char *const store_schema_steps[] = {
    /* 0 -> 1 */
    "CREATE TABLE policy("
    " domain TEXT NOT NULL PRIMARY KEY,"
    " mode TEXT NOT NULL,"
    " max_age INTEGER NOT NULL,"
    " mx TEXT NOT NULL," /* separated by one blank */
    " id TEXT NOT NULL,"
    " fetched_at INTEGER NOT NULL,"
    " expires_at INTEGER NOT NULL,"
    " refresh_at INTEGER NOT NULL,"
    " sum INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE TABLE attempt("
    " domain TEXT NOT NULL PRIMARY KEY,"
    " checked_at INTEGER NOT NULL,"
    " check_at INTEGER NOT NULL,"
    " err TEXT NOT NULL," /* the stable name */
    " detail TEXT NOT NULL,"
    " failed_at INTEGER NOT NULL,"
    " failing_since INTEGER NOT NULL,"
    " failed_id TEXT NOT NULL,"
    " retry_at INTEGER NOT NULL,"
    " tries INTEGER NOT NULL,"
    " alarmed_at INTEGER NOT NULL,"
    " sum INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE TABLE lease("
    " domain TEXT NOT NULL PRIMARY KEY,"
    " owner TEXT NOT NULL,"
    " until_ms INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE VIEW sts_domain(domain, mode, expires) AS SELECT domain, mode, expires_at FROM policy;",
    /* 1 -> 2 */
    "CREATE TABLE hosts("
    " domain TEXT NOT NULL PRIMARY KEY,"
    " hosts TEXT NOT NULL," /* see hosts.c */
    " learned_at INTEGER NOT NULL,"
    " expires_at INTEGER NOT NULL,"
    " sum INTEGER NOT NULL"
    ") WITHOUT ROWID;"
    "CREATE TABLE session("
    " day INTEGER NOT NULL," /* of UTC, from 1970-01-01 = 0 */
    " domain TEXT NOT NULL,"
    " type TEXT NOT NULL,"   /* RFC 8460 4.4 policy-type */
    " policy TEXT NOT NULL," /* the lines of RFC 8460 4.4 policy-string */
    " result TEXT NOT NULL," /* RFC 8460 4.3; empty: it went well */
    " mx TEXT NOT NULL,"     /* empty here and below: not known */
    " address TEXT NOT NULL,"
    " source TEXT NOT NULL,"
    " helo TEXT NOT NULL,"
    " reason TEXT NOT NULL,"
    " count INTEGER NOT NULL,"
    " first_at INTEGER NOT NULL,"
    " last_at INTEGER NOT NULL,"
    " PRIMARY KEY(day, domain, type, policy, result, mx, address, source, helo, reason)"
    ") WITHOUT ROWID;",
    /* 2 -> 3 */
    "CREATE TABLE delivery("
    " day INTEGER NOT NULL," /* as in session */
    " domain TEXT NOT NULL,"
    " id TEXT NOT NULL,"    /* RFC 8460 4.4 report-id */
    " state TEXT NOT NULL," /* see deliveries.c */
    " owner TEXT NOT NULL,"
    " until_ms INTEGER NOT NULL,"
    " tries INTEGER NOT NULL,"
    " first_at INTEGER NOT NULL,"
    " next_at INTEGER NOT NULL,"
    " changed_at INTEGER NOT NULL,"
    " uri TEXT NOT NULL,"
    " detail TEXT NOT NULL,"
    " PRIMARY KEY(day, domain)"
    ") WITHOUT ROWID;",
    /* 3 -> 4 */
    /* How much of count is in a batch or beyond. Not NOT NULL: SQLite would check every page, while other processes wait. */
    "ALTER TABLE session ADD COLUMN moved INTEGER DEFAULT 0;"
    "CREATE TABLE batch("
    " id TEXT NOT NULL," /* see batches.c */
    " day INTEGER NOT NULL,"
    " domain TEXT NOT NULL,"
    " type TEXT NOT NULL,"
    " policy TEXT NOT NULL,"
    " result TEXT NOT NULL,"
    " mx TEXT NOT NULL,"
    " address TEXT NOT NULL,"
    " source TEXT NOT NULL,"
    " helo TEXT NOT NULL,"
    " reason TEXT NOT NULL,"
    " count INTEGER NOT NULL,"
    " first_at INTEGER NOT NULL,"
    " last_at INTEGER NOT NULL,"
    " PRIMARY KEY(id, day, domain, type, policy, result, mx, address, source, helo, reason)"
    ") WITHOUT ROWID;"
    "CREATE TABLE shared(generation TEXT NOT NULL, moved_at INTEGER NOT NULL);"
    "INSERT INTO shared VALUES('', 0);",
    /* 4 -> 5 */
    "ALTER TABLE shared ADD COLUMN silent_at_ms INTEGER DEFAULT 0;", /* see silence.c */
};
const int store_schema_version = (int)(sizeof store_schema_steps / sizeof store_schema_steps[0]);

static int read_number(sqlite3 *db, const char *sql, int *value) {
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
  if (code != SQLITE_OK) return code;
  code = sqlite3_step(statement);
  if (code == SQLITE_ROW) {
    *value = sqlite3_column_int(statement, 0);
    code = SQLITE_OK;
  }
  sqlite3_finalize(statement);
  return code;
}

/* SQLite does not wait here when two processes want it at the same time. done: another process was faster with all of it. */
static int use_wal(sqlite3 *db, int count, bool *done) {
  const struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
  int code = SQLITE_BUSY, version = 0;
  for (int i = 0; i < STORE_BUSY_MS / 5; i++) {
    code = sqlite3_exec(db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
    if ((code & 0xff) != SQLITE_BUSY) break;
    *done = read_number(db, "PRAGMA user_version", &version) == SQLITE_OK && version == count;
    if (*done) return SQLITE_OK;
    nanosleep(&pause, NULL);
  }
  return code;
}

static int run_steps(sqlite3 *db, const char *const *steps, int count) {
  int version = 0;
  int code = read_number(db, "PRAGMA user_version", &version); /* another process may have done it while we waited for the lock */
  for (int i = version; code == SQLITE_OK && i < count; i++) code = sqlite3_exec(db, steps[i], NULL, NULL, NULL);
  if (code != SQLITE_OK || version >= count) return code;
  char mark[96];
  snprintf(mark, sizeof mark, "PRAGMA user_version=%d; PRAGMA application_id=%d", count, STORE_APPLICATION_ID);
  return sqlite3_exec(db, mark, NULL, NULL, NULL);
}

static enum mts_err migrate(struct mts_store *store, const char *const *steps, int count) {
  bool done = false;
  int code = use_wal(store->db, count, &done);
  if (done) return MTS_OK;
  if (code == SQLITE_OK) code = sqlite3_exec(store->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
  if (code == SQLITE_OK) code = run_steps(store->db, steps, count);
  if (code == SQLITE_OK) code = sqlite3_exec(store->db, "COMMIT", NULL, NULL, NULL);
  if (code == SQLITE_OK) return MTS_OK;
  if (!sqlite3_get_autocommit(store->db)) sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
  return store_fail(store, code, "bringing its tables up to date");
}

enum mts_err store_schema_ensure(struct mts_store *store, const char *const *steps, int count) {
  int id = 0, version = 0, tables = 0;
  /* One snapshot: another process may be making the tables right now. */
  int code = sqlite3_exec(store->db, "BEGIN", NULL, NULL, NULL);
  if (code == SQLITE_OK) code = read_number(store->db, "PRAGMA application_id", &id);
  if (code == SQLITE_OK) code = read_number(store->db, "PRAGMA user_version", &version);
  if (code == SQLITE_OK && id == 0) code = read_number(store->db, "SELECT count(*) FROM sqlite_schema", &tables);
  if (!sqlite3_get_autocommit(store->db)) sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
  if (code == SQLITE_OK && id == STORE_APPLICATION_ID && version == count) return MTS_OK;
  if (code != SQLITE_OK) return store_fail(store, code, "opening");
  if (id != STORE_APPLICATION_ID && (id != 0 || version != 0 || tables != 0)) {
    mts_log_seldom(store->log, MTS_LOG_ERROR, "store-foreign", NULL,
                   "store %s is a database of another program and is left alone; give another file in the setting \"store\"",
                   store->path);
    return MTS_ERR_STORE_OPEN;
  }
  if (version > count) {
    mts_log_seldom(
        store->log, MTS_LOG_ERROR, "store-version", NULL,
        "store %s was written by a newer mtasts (version %d of its tables, this program knows %d) and is left alone; use the "
        "newer program or another file",
        store->path, version, count);
    return MTS_ERR_STORE_VERSION;
  }
  if (version < 0) return store_fail(store, SQLITE_CORRUPT, "reading its version");
  return migrate(store, steps, count);
}
