/* SPDX-License-Identifier: ISC
 * Counters of sessions for TLS reporting (RFC 8460): one row for all sessions of a day that ended alike. */
#include <string.h>

#include "base/buf.h"
#include "base/name.h"
#include "store/internal.h"

#define DAY_S 86400

enum { DAY, DOMAIN, TYPE, POLICY, RESULT, MX, ADDRESS, SOURCE, HELO, REASON, COUNT, FIRST, LAST };
#define RESULT_MAX 64 /* the longest of RFC 8460 4.3 has 25 */

/* ---- counting ---- */

struct job {
  struct mts_session_row row; /* a copy: its texts may be dropped */
  int64_t now_s;
};

static void bind(sqlite3_stmt *statement, const struct job *job) {
  const struct mts_session_row *row = &job->row;
  const char *const texts[] = {
      row->domain, mts_policy_type_name(row->type), row->policy, row->result, row->mx, row->address, row->source, row->helo,
      row->reason};
  sqlite3_bind_int64(statement, 1, row->day);
  for (int i = 0; i < (int)(sizeof texts / sizeof texts[0]); i++) store_bind_text(statement, 2 + i, texts[i]);
  sqlite3_bind_int64(statement, 11, job->now_s);
}

/* Adds to the row of just this key; *added false: there is none yet. */
static enum mts_err add(struct mts_store *store, const struct job *job, bool *added) {
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, STORE_SQL_SESSION_ADD, &statement);
  if (err) return err;
  bind(statement, job);
  err = store_run(store, statement, "counting a session");
  if (!err) *added = sqlite3_changes(store->db) > 0;
  return err;
}

static enum mts_err rows_of_day(struct mts_store *store, const struct job *job, int64_t *rows) {
  sqlite3_stmt *statement = NULL;
  bool row = false;
  enum mts_err err = store_statement(store, STORE_SQL_SESSION_COUNT, &statement);
  if (err) return err;
  sqlite3_bind_int64(statement, 1, job->row.day);
  store_bind_text(statement, 2, job->row.domain);
  err = store_step(store, statement, "counting a session", &row);
  if (err || !row) return err ? err : MTS_ERR_INTERNAL;
  *rows = sqlite3_column_int64(statement, 0);
  return store_run(store, statement, "counting a session");
}

static enum mts_err begin_row(struct mts_store *store, const struct job *job) {
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, STORE_SQL_SESSION_NEW, &statement);
  if (err) return err;
  bind(statement, job);
  return store_run(store, statement, "counting a session");
}

/* What is too old goes with the first session of a day and domain: the table stays bounded though nobody sweeps the store. */
static enum mts_err forget_old(struct mts_store *store, const struct job *job) {
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, STORE_SQL_SWEEP_SESSION, &statement);
  if (err) return err;
  sqlite3_bind_int64(statement, 1, job->row.day - STORE_KEEP_S / DAY_S);
  return store_run(store, statement, "counting a session");
}

/* Within BEGIN IMMEDIATE: nobody else counts between these steps. */
static enum mts_err count(struct mts_store *store, void *arg) {
  struct job *job = arg;
  struct mts_session_row *row = &job->row;
  int64_t rows = 0;
  bool added = false;
  enum mts_err err = add(store, job, &added);
  if (err || added) return err;
  err = rows_of_day(store, job, &rows);
  if (!err && rows == 0) err = forget_old(store, job);
  if (!err && rows >= MTS_SESSION_ROWS_MAX) {
    row->address = row->source = row->helo = row->reason = "";
    if (rows >= INT64_C(2) * MTS_SESSION_ROWS_MAX) row->mx = row->policy = "";
    err = add(store, job, &added);
  }
  return err || added ? err : begin_row(store, job);
}

static bool is_printable(const char *text, size_t max, bool lines) {
  size_t n = text ? strnlen(text, max + 1) : max + 1;
  for (size_t i = 0; i < n && n <= max; i++)
    if ((text[i] < 0x20 || text[i] > 0x7e) && !(lines && text[i] == '\n')) return false;
  return n <= max;
}

static bool is_type(enum mts_policy_type type) { return (unsigned)type <= MTS_POLICY_TYPE_TLSA; }

bool mts_session_row_is_sound(const struct mts_session_row *row) {
  return row->domain && mts_name_is_normal(mts_span_of(row->domain)) && is_type(row->type) &&
         is_printable(row->policy, MTS_SESSION_POLICY_MAX, true) && is_printable(row->result, RESULT_MAX, false) &&
         is_printable(row->mx, MTS_NAME_SIZE - 1, false) && is_printable(row->address, MTS_ADDRESS_SIZE - 1, false) &&
         is_printable(row->source, MTS_ADDRESS_SIZE - 1, false) && is_printable(row->helo, MTS_SESSION_HELO_SIZE - 1, false) &&
         is_printable(row->reason, MTS_SESSION_REASON_SIZE - 1, false);
}

enum mts_err mts_store_session_add(struct mts_store *store, const struct mts_session_row *session, int64_t now_s) {
  if (!mts_session_row_is_sound(session) || now_s < 0) return MTS_ERR_ARGUMENT;
  struct job job = {.row = *session, .now_s = now_s};
  job.row.day = now_s / DAY_S;
  return store_write(store, count, &job, "counting a session");
}

/* ---- reading ---- */

static bool read_type(sqlite3_stmt *statement, enum mts_policy_type *type) {
  struct mts_span name;
  if (!store_text_at(statement, TYPE, RESULT_MAX, &name)) return false;
  for (int i = 0; is_type((enum mts_policy_type)i); i++) {
    if (!mts_span_equals(name, mts_policy_type_name((enum mts_policy_type)i))) continue;
    *type = (enum mts_policy_type)i;
    return true;
  }
  return false;
}

static bool read_texts(sqlite3_stmt *statement, struct mts_session_row *row) {
  const struct {
    const char **to;
    size_t max;
  } texts[] = {[RESULT] = {&row->result, RESULT_MAX},
               [MX] = {&row->mx, MTS_NAME_SIZE - 1},
               [ADDRESS] = {&row->address, MTS_ADDRESS_SIZE - 1},
               [SOURCE] = {&row->source, MTS_ADDRESS_SIZE - 1},
               [HELO] = {&row->helo, MTS_SESSION_HELO_SIZE - 1},
               [REASON] = {&row->reason, MTS_SESSION_REASON_SIZE - 1}};
  struct mts_span text;
  for (int i = RESULT; i <= REASON; i++) {
    if (!store_text_at(statement, i, texts[i].max, &text)) return false;
    *texts[i].to = text.p;
  }
  if (!store_lines_at(statement, POLICY, MTS_SESSION_POLICY_MAX, &text)) return false;
  row->policy = text.p;
  return true;
}

bool store_session_read(sqlite3_stmt *statement, struct mts_session_row *row) {
  struct mts_span domain;
  int64_t number = 0;
  if (!store_text_at(statement, DOMAIN, MTS_NAME_SIZE - 1, &domain) || !mts_name_is_normal(domain)) return false;
  row->domain = domain.p;
  bool sound = store_number_at(statement, DAY, &row->day) && read_type(statement, &row->type) && read_texts(statement, row) &&
               store_number_at(statement, COUNT, &number) && number > 0 && store_number_at(statement, FIRST, &row->first_at) &&
               store_number_at(statement, LAST, &row->last_at) && row->first_at >= 0 && row->last_at >= row->first_at;
  row->count = (uint64_t)number;
  return sound;
}

enum mts_err mts_store_sessions(struct mts_store *store, int64_t first_day, int64_t last_day, const char *domain,
                                bool (*each)(void *arg, const struct mts_session_row *session), void *arg) {
  sqlite3_stmt *statement = NULL;
  if (domain && !mts_name_is_normal(mts_span_of(domain))) return MTS_ERR_ARGUMENT;
  enum mts_err err = store_ready(store);
  if (!err) err = store_statement(store, domain ? STORE_SQL_SESSION_OF : STORE_SQL_SESSION_EACH, &statement);
  if (err) return err;
  sqlite3_bind_int64(statement, 1, first_day);
  sqlite3_bind_int64(statement, 2, last_day);
  if (domain) store_bind_text(statement, 3, domain);
  for (bool more = true; more;) {
    struct mts_session_row session = {0};
    bool row = false;
    err = store_step(store, statement, "reading sessions", &row);
    if (err || !row) return err;
    if (store_session_read(statement, &session))
      more = each(arg, &session);
    else
      store_row_report(store, session.domain, "session");
  }
  store_reset(store, statement);
  sqlite3_clear_bindings(statement);
  return MTS_OK;
}
