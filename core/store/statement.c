/* SPDX-License-Identifier: ISC
 * All SQL that runs after opening, and how it is run. */
#include "store/internal.h"

#define COLUMNS                                                                                                                \
  " p.mode, p.max_age, p.mx, p.id, p.fetched_at, p.expires_at, p.refresh_at, p.sum,"                                           \
  " a.checked_at, a.check_at, a.err, a.detail, a.failed_at, a.failing_since, a.failed_id, a.retry_at, a.tries, a.alarmed_at, " \
  "a.sum"
#define NAMES "(SELECT domain FROM policy UNION SELECT domain FROM attempt)"
/* The primary key of session. */
#define SESSION_KEY "day, domain, type, policy, result, mx, address, source, helo, reason"
#define DELIVERY "day, domain, id, state, owner, until_ms, tries, first_at, next_at, changed_at, uri, detail"
/* The days from ?1 to ?2 that a table has, whose key begins with day and domain: of one domain no other's rows are read. */
#define DAYS_OF(table)                                                                                                       \
  "WITH RECURSIVE days(at) AS (SELECT min(day) FROM " table " WHERE day >= ?1 UNION ALL SELECT (SELECT min(day) FROM " table \
  " WHERE day > at) FROM days WHERE at < ?2)"
/* Of batch ?1, for a row of session. */
#define BATCH_COUNT                                                                                              \
  "SELECT b.count FROM batch b WHERE b.id = ?1 AND b.day = session.day AND b.domain = session.domain AND"        \
  " b.type = session.type AND b.policy = session.policy AND b.result = session.result AND b.mx = session.mx AND" \
  " b.address = session.address AND b.source = session.source AND b.helo = session.helo AND b.reason = session.reason"
#define ATTEMPT_END "max(checked_at, check_at, failed_at, retry_at)"

static const char *const texts[STORE_SQL_TOTAL] = {
    [STORE_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_SQL_COMMIT] = "COMMIT",
    [STORE_SQL_GET] = "SELECT d.domain," COLUMNS
                      " FROM (SELECT ?1 AS domain) d"
                      " LEFT JOIN policy p ON p.domain = d.domain LEFT JOIN attempt a ON a.domain = d.domain",
    [STORE_SQL_EACH] = "SELECT d.domain," COLUMNS " FROM " NAMES
                       " d"
                       " LEFT JOIN policy p ON p.domain = d.domain LEFT JOIN attempt a ON a.domain = d.domain ORDER BY d.domain",
    [STORE_SQL_PUT_POLICY] =
        "INSERT OR REPLACE INTO policy(domain, mode, max_age, mx, id, fetched_at, expires_at, refresh_at, sum)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [STORE_SQL_DROP_POLICY] = "DELETE FROM policy WHERE domain = ?1",
    [STORE_SQL_PUT_ATTEMPT] =
        "INSERT OR REPLACE INTO attempt(domain, checked_at, check_at, err, detail, failed_at, failing_since, failed_id, retry_at, "
        "tries,"
        " alarmed_at, sum) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    [STORE_SQL_COUNT_ALL] = "SELECT count(*) FROM " NAMES,
    [STORE_SQL_COUNT_ONE] = "SELECT count(*) FROM " NAMES " WHERE domain = ?1",
    [STORE_SQL_DELETE_POLICY] = "DELETE FROM policy WHERE ?1 IS NULL OR domain = ?1",
    [STORE_SQL_DELETE_ATTEMPT] = "DELETE FROM attempt WHERE ?1 IS NULL OR domain = ?1",
    /* A GET that is held back (RFC 8461 3.3) is not due, the TXT check may be. What expires first is most urgent: after that the
     * domain is unprotected; mode none protects nothing. */
    [STORE_SQL_DUE] =
        "SELECT p.domain FROM policy p LEFT JOIN attempt a ON a.domain = p.domain WHERE p.expires_at > ?1 AND"
        " (coalesce(a.check_at, 0) <= ?1 OR (p.refresh_at <= ?1 AND coalesce(a.retry_at, 0) <= ?1)"
        /* Set by a clock that was wrong: nothing is planned more than eight days ahead. */
        "  OR a.check_at > ?1 + 691200 OR p.refresh_at > ?1 + 691200)"
        " ORDER BY p.mode = 'none', p.expires_at, p.domain LIMIT ?2",
    [STORE_SQL_LEASE_READ] = "SELECT until_ms FROM lease WHERE domain = ?1 AND owner <> ?2 AND until_ms > ?3 AND until_ms <= ?4",
    [STORE_SQL_LEASE_TAKE] = "INSERT OR REPLACE INTO lease(domain, owner, until_ms) VALUES(?1, ?2, ?3)",
    [STORE_SQL_LEASE_DROP] = "DELETE FROM lease WHERE domain = ?1 AND owner = ?2",
    [STORE_SQL_HOSTS_GET] = "SELECT domain, hosts, learned_at, expires_at, sum FROM hosts WHERE domain = ?1",
    [STORE_SQL_HOSTS_PUT] = "INSERT OR REPLACE INTO hosts(domain, hosts, learned_at, expires_at, sum) VALUES(?1, ?2, ?3, ?4, ?5)",
    [STORE_SQL_HOSTS_DELETE] = "DELETE FROM hosts WHERE ?1 IS NULL OR domain = ?1",
    /* instr also finds the address within a longer one: who reads the rows looks again. */
    [STORE_SQL_HOSTS_OF_ADDRESS] =
        "SELECT domain, hosts, learned_at, expires_at, sum FROM hosts WHERE instr(hosts, ?1) > 0"
        " ORDER BY learned_at DESC, domain",
    [STORE_SQL_SESSION_ADD] =
        "UPDATE session SET count = count + 1, last_at = max(last_at, ?11) WHERE day = ?1 AND domain = ?2 AND"
        " type = ?3 AND policy = ?4 AND result = ?5 AND mx = ?6 AND address = ?7 AND source = ?8 AND"
        " helo = ?9 AND reason = ?10",
    [STORE_SQL_SESSION_COUNT] = "SELECT count(*) FROM session WHERE day = ?1 AND domain = ?2",
    [STORE_SQL_SESSION_NEW] = "INSERT INTO session(" SESSION_KEY
                              ", count, first_at, last_at)"
                              " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1, ?11, ?11)",
    [STORE_SQL_SESSION_EACH] =
        "SELECT " SESSION_KEY ", count, first_at, last_at FROM session WHERE day BETWEEN ?1 AND ?2 ORDER BY " SESSION_KEY,
    [STORE_SQL_SESSION_OF] = DAYS_OF("session") " SELECT " SESSION_KEY
                                                ", count, first_at, last_at FROM days CROSS JOIN session"
                                                " WHERE day = at AND at <= ?2 AND domain = ?3 ORDER BY " SESSION_KEY,
    [STORE_SQL_DELIVERY_GET] = "SELECT " DELIVERY " FROM delivery WHERE day = ?1 AND domain = ?2",
    [STORE_SQL_DELIVERY_PUT] =
        "INSERT OR REPLACE INTO delivery(" DELIVERY ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    [STORE_SQL_DELIVERY_EACH] = "SELECT " DELIVERY " FROM delivery WHERE day BETWEEN ?1 AND ?2 ORDER BY day, domain",
    [STORE_SQL_DELIVERY_OF] = DAYS_OF(
        "delivery") " SELECT " DELIVERY " FROM days CROSS JOIN delivery WHERE day = at AND at <= ?2 AND domain = ?3 ORDER BY day",
    [STORE_SQL_BATCH_OLDEST] = "SELECT id FROM batch ORDER BY id LIMIT 1",
    /* What a report of our own has been made of stays ours. */
    [STORE_SQL_BATCH_FILL] = "INSERT INTO batch(id, " SESSION_KEY ", count, first_at, last_at) SELECT ?1, " SESSION_KEY
                             ", count - moved, first_at, last_at FROM session s WHERE count > moved AND NOT EXISTS"
                             " (SELECT 1 FROM delivery d WHERE d.day = s.day AND d.domain = s.domain AND d.state <> 'waiting')"
                             " ORDER BY " SESSION_KEY " LIMIT ?2",
    [STORE_SQL_BATCH_MARK] = "UPDATE session SET moved = moved + (" BATCH_COUNT ") WHERE EXISTS (" BATCH_COUNT ")",
    [STORE_SQL_BATCH_EACH] = "SELECT " SESSION_KEY ", count, first_at, last_at FROM batch WHERE id = ?1 ORDER BY " SESSION_KEY,
    [STORE_SQL_BATCH_RETURN] =
        "UPDATE session SET moved = max(0, moved - (" BATCH_COUNT ")) WHERE day = ?2 AND domain = ?3 AND EXISTS (" BATCH_COUNT ")",
    [STORE_SQL_BATCH_DROP] = "DELETE FROM batch WHERE id = ?1",
    [STORE_SQL_BATCH_DROP_SINCE] = "DELETE FROM batch WHERE day >= ?1",
    [STORE_SQL_BATCH_UNMOVE] = "UPDATE session SET moved = 0 WHERE day >= ?1",
    [STORE_SQL_BATCH_ADOPT] = "UPDATE session SET moved = count WHERE day < ?1",
    [STORE_SQL_SHARED_GET] = "SELECT generation, moved_at FROM shared",
    [STORE_SQL_SHARED_GENERATION] = "UPDATE shared SET generation = ?1",
    [STORE_SQL_SHARED_MOVED] = "UPDATE shared SET moved_at = ?1",
    [STORE_SQL_SILENCE_GET] = "SELECT silent_at_ms FROM shared",
    [STORE_SQL_SILENCE_PUT] = "UPDATE shared SET silent_at_ms = ?1",
    [STORE_SQL_STATS] =
        "SELECT (SELECT count(*) FROM " NAMES
        "), count(*), total(mode = 'enforce'), total(mode = 'testing'), total(mode = 'none'),"
        " total(expires_at <= ?1),"
        " (SELECT count(*) FROM attempt WHERE failed_at <> 0),"
        " (SELECT count(*) FROM attempt a WHERE err IN ('record-none', 'dns-nxdomain', 'dns-nodata') AND"
        "  NOT EXISTS (SELECT 1 FROM policy p WHERE p.domain = a.domain)),"
        " (SELECT count(*) FROM lease WHERE until_ms > ?1 * 1000), (SELECT count(*) FROM hosts),"
        " coalesce(min(fetched_at), 0), coalesce(min(CASE WHEN expires_at > ?1 THEN expires_at END), 0) FROM policy",
    [STORE_SQL_SWEEP_COUNT] =
        "SELECT count(*) FROM (SELECT domain FROM policy WHERE expires_at <= ?1 UNION"
        " SELECT domain FROM attempt a WHERE " ATTEMPT_END
        " <= ?1 AND"
        " NOT EXISTS (SELECT 1 FROM policy p WHERE p.domain = a.domain AND p.expires_at > ?1))",
    [STORE_SQL_SWEEP_ATTEMPT] = "DELETE FROM attempt WHERE " ATTEMPT_END
                                " <= ?1 AND"
                                " NOT EXISTS (SELECT 1 FROM policy p WHERE p.domain = attempt.domain AND p.expires_at > ?1)",
    [STORE_SQL_SWEEP_POLICY] = "DELETE FROM policy WHERE expires_at <= ?1",
    [STORE_SQL_SWEEP_LEASE] = "DELETE FROM lease WHERE until_ms <= ?1",
    [STORE_SQL_SWEEP_HOSTS] = "DELETE FROM hosts WHERE expires_at <= ?1",
    [STORE_SQL_SWEEP_SESSION] = "DELETE FROM session WHERE day < ?1",
    [STORE_SQL_SWEEP_BATCH] = "DELETE FROM batch WHERE day < ?1",
    [STORE_SQL_SWEEP_DELIVERY] = "DELETE FROM delivery WHERE day < ?1",
};

enum mts_err store_statement(struct mts_store *store, enum store_sql which, sqlite3_stmt **statement) {
  sqlite3_stmt *found = store->statements[which];
  if (!found) {
    enum mts_err err = store_owner_enter(store);
    if (err) return err;
    int code = sqlite3_prepare_v3(store->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, &found, NULL);
    store_owner_leave(store);
    /* Our tables are not there although the version says so. */
    if (code == SQLITE_ERROR) code = SQLITE_CORRUPT;
    if (code != SQLITE_OK) return store_fail(store, code, "reading its tables");
    store->statements[which] = found;
  }
  *statement = found;
  return MTS_OK;
}

enum mts_err store_step(struct mts_store *store, sqlite3_stmt *statement, const char *doing, bool *row) {
  enum mts_err err = store_owner_enter(store);
  int code = err ? SQLITE_PERM : sqlite3_step(statement);
  if (code != SQLITE_ROW) sqlite3_reset(statement);
  store_owner_leave(store);
  if (code == SQLITE_ROW) {
    *row = true;
    return MTS_OK;
  }
  sqlite3_clear_bindings(statement);
  if (code != SQLITE_DONE) return store_fail(store, code, doing);
  *row = false;
  return MTS_OK;
}

enum mts_err store_run(struct mts_store *store, sqlite3_stmt *statement, const char *doing) {
  bool row = true;
  enum mts_err err = MTS_OK;
  while (!err && row) err = store_step(store, statement, doing, &row);
  return err;
}

static enum mts_err run_plain(struct mts_store *store, enum store_sql which, const char *doing) {
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, which, &statement);
  return err ? err : store_run(store, statement, doing);
}

enum mts_err store_write(struct mts_store *store, enum mts_err (*work)(struct mts_store *store, void *arg), void *arg,
                         const char *doing) {
  enum mts_err err = store_ready(store);
  if (!err) err = run_plain(store, STORE_SQL_BEGIN, doing);
  if (err) return err;
  err = work(store, arg);
  if (!err) err = run_plain(store, STORE_SQL_COMMIT, doing);
  if (err && store->db && !sqlite3_get_autocommit(store->db)) {
    store_owner_enter(store);
    sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    store_owner_leave(store);
  }
  return err;
}

void store_reset(struct mts_store *store, sqlite3_stmt *statement) {
  if (!statement) return;
  store_owner_enter(store);
  sqlite3_reset(statement);
  store_owner_leave(store);
}

/* The text must live until the statement is reset. */
void store_bind_text(sqlite3_stmt *statement, int column, const char *text) {
  sqlite3_bind_text(statement, column, text, -1, SQLITE_STATIC);
}
