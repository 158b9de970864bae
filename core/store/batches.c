/* SPDX-License-Identifier: ISC
 * Counters of sessions on their way to a shared store, each exactly once. What is sent is a batch: rows under an id of their own, put together
 * in one transaction with the mark that they are no longer to be sent otherwise. It stays until the shared store has said that it has it, and
 * is sent again under the same id until then, by whichever process; the shared store remembers the ids. A generation names one life of the
 * shared store's data: with another one all that was sent is gone. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/name.h"
#include "store/internal.h"

#define DAY_S 86400
#define ADOPT_DAYS \
  2 /* before today, what was counted before there was a shared store still goes there; reports on days before are out */

static const char *const doing = "sharing sessions";

enum mts_err mts_store_random(char text[MTS_BATCH_ID_SIZE]) {
  unsigned char bytes[(MTS_BATCH_ID_SIZE - 1) / 2];
  if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) return MTS_ERR_INTERNAL;
  for (size_t i = 0; i < sizeof bytes; i++) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
  return MTS_OK;
}

static bool is_id(const char *text) {
  size_t n = text ? strnlen(text, MTS_BATCH_ID_SIZE) : 0;
  return n == MTS_BATCH_ID_SIZE - 1 && strspn(text, "0123456789abcdef") == n;
}

static bool copy_id(sqlite3_stmt *statement, char id[MTS_BATCH_ID_SIZE]) {
  struct mts_span text;
  if (!store_text_at(statement, 0, MTS_BATCH_ID_SIZE - 1, &text)) return false;
  memcpy(id, text.p, text.n);
  id[text.n] = '\0';
  return is_id(id);
}

/* generation: "" when there is none yet, or it was edited to nonsense. */
static enum mts_err get_shared(struct mts_store *store, char generation[MTS_BATCH_ID_SIZE], int64_t *moved_at) {
  sqlite3_stmt *statement = NULL;
  bool row = false;
  enum mts_err err = store_statement(store, STORE_SQL_SHARED_GET, &statement);
  if (!err) err = store_step(store, statement, doing, &row);
  if (err) return err;
  generation[0] = '\0';
  *moved_at = 0;
  if (!row) return MTS_OK;
  if (!copy_id(statement, generation)) generation[0] = '\0';
  *moved_at = sqlite3_column_int64(statement, 1);
  return store_run(store, statement, doing);
}

static enum mts_err run_text(struct mts_store *store, enum store_sql which, const char *text) {
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, which, &statement);
  if (err) return err;
  store_bind_text(statement, 1, text);
  return store_run(store, statement, doing);
}

static enum mts_err run_number(struct mts_store *store, enum store_sql which, int64_t number) {
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, which, &statement);
  if (err) return err;
  sqlite3_bind_int64(statement, 1, number);
  return store_run(store, statement, doing);
}

/* ---- the next batch ---- */

struct next {
  struct mts_batch *batch;
  bool (*each)(void *arg, const struct mts_session_row *row);
  void *arg;
};

static enum mts_err oldest(struct mts_store *store, char id[MTS_BATCH_ID_SIZE]) {
  sqlite3_stmt *statement = NULL;
  bool row = false;
  enum mts_err err = store_statement(store, STORE_SQL_BATCH_OLDEST, &statement);
  if (!err) err = store_step(store, statement, doing, &row);
  if (err || !row) return err ? err : MTS_ERR_STORE_NONE;
  bool sound = copy_id(statement, id);
  err = store_run(store, statement, doing);
  return err || sound ? err : MTS_ERR_STORE_DAMAGED;
}

static enum mts_err fill(struct mts_store *store, char id[MTS_BATCH_ID_SIZE]) {
  sqlite3_stmt *statement = NULL;
  enum mts_err err = mts_store_random(id);
  if (!err) err = store_statement(store, STORE_SQL_BATCH_FILL, &statement);
  if (err) return err;
  store_bind_text(statement, 1, id);
  sqlite3_bind_int64(statement, 2, MTS_BATCH_ROWS_MAX);
  err = store_run(store, statement, doing);
  if (err) return err;
  return sqlite3_changes(store->db) > 0 ? run_text(store, STORE_SQL_BATCH_MARK, id) : MTS_ERR_STORE_NONE;
}

static enum mts_err read_rows(struct mts_store *store, const struct next *next) {
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, STORE_SQL_BATCH_EACH, &statement);
  if (err) return err;
  store_bind_text(statement, 1, next->batch->id);
  for (;;) {
    struct mts_session_row session = {0};
    bool row = false;
    err = store_step(store, statement, doing, &row);
    if (err || !row) return err;
    if (!store_session_read(statement, &session)) {
      store_row_report(store, session.domain, "batch");
    } else if (!next->each(next->arg, &session)) {
      store_reset(store, statement);
      return MTS_ERR_NO_MEMORY;
    }
  }
}

static enum mts_err take_next(struct mts_store *store, void *arg) {
  struct next *next = arg;
  struct mts_batch *batch = next->batch;
  int64_t moved_at = 0;
  enum mts_err err = get_shared(store, batch->generation, &moved_at);
  if (err || !batch->generation[0]) return err ? err : mts_store_random(batch->id);
  err = oldest(store, batch->id);
  if (err == MTS_ERR_STORE_NONE) err = fill(store, batch->id);
  return err ? err : read_rows(store, next);
}

enum mts_err mts_store_batch_next(struct mts_store *store, struct mts_batch *batch,
                                  bool (*each)(void *arg, const struct mts_session_row *row), void *arg) {
  struct mts_batch found = {{0}, {0}};
  struct next next = {&found, each, arg};
  enum mts_err err = store_write(store, take_next, &next, doing);
  if (!err) *batch = found;
  return err;
}

/* ---- what the shared store said ---- */

struct done {
  const char *id;
  const struct mts_batch_refused *refused;
  size_t count;
};

static enum mts_err give_back(struct mts_store *store, const char *id, const struct mts_batch_refused *refused) {
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, STORE_SQL_BATCH_RETURN, &statement);
  if (err) return err;
  store_bind_text(statement, 1, id);
  sqlite3_bind_int64(statement, 2, refused->day);
  store_bind_text(statement, 3, refused->domain);
  return store_run(store, statement, doing);
}

/* Of a batch that another process has seen through there are no rows left, and nothing is given back twice. */
static enum mts_err finish(struct mts_store *store, void *arg) {
  const struct done *done = arg;
  enum mts_err err = MTS_OK;
  for (size_t i = 0; !err && i < done->count; i++)
    if (!done->refused[i].too_late) err = give_back(store, done->id, &done->refused[i]);
  return err ? err : run_text(store, STORE_SQL_BATCH_DROP, done->id);
}

enum mts_err mts_store_batch_done(struct mts_store *store, const char *id, const struct mts_batch_refused *refused, size_t count) {
  struct done done = {id, refused, count};
  return is_id(id) ? store_write(store, finish, &done, doing) : MTS_ERR_ARGUMENT;
}

struct generation {
  const char *text;
  int64_t now_s;
  bool lost;
};

static enum mts_err settle(struct mts_store *store, void *arg) {
  struct generation *generation = arg;
  char before[MTS_BATCH_ID_SIZE];
  int64_t moved_at = 0, today = generation->now_s / DAY_S;
  enum mts_err err = get_shared(store, before, &moved_at);
  if (err || strcmp(before, generation->text) == 0) return err;
  generation->lost = before[0] != 0;
  if (generation->lost) {
    err = run_number(store, STORE_SQL_BATCH_DROP_SINCE, today);
    if (!err) err = run_number(store, STORE_SQL_BATCH_UNMOVE, today);
  } else {
    err = run_number(store, STORE_SQL_BATCH_ADOPT, today - ADOPT_DAYS);
  }
  return err ? err : run_text(store, STORE_SQL_SHARED_GENERATION, generation->text);
}

enum mts_err mts_store_batch_settle(struct mts_store *store, const char *generation, int64_t now_s, bool *lost) {
  struct generation it = {.text = generation, .now_s = now_s};
  if (!is_id(generation) || now_s < 0) return MTS_ERR_ARGUMENT;
  enum mts_err err = store_write(store, settle, &it, doing);
  if (!err) *lost = it.lost;
  return err;
}

/* ---- when ---- */

struct due {
  int64_t now_s, every_s;
  bool due;
};

static enum mts_err is_due(struct mts_store *store, struct due *due) {
  char generation[MTS_BATCH_ID_SIZE];
  int64_t moved_at = 0;
  enum mts_err err = get_shared(store, generation, &moved_at);
  due->due = !err && (moved_at > due->now_s || due->now_s - moved_at >= due->every_s);
  return err;
}

static enum mts_err take_turn(struct mts_store *store, void *arg) {
  struct due *due = arg;
  enum mts_err err = is_due(store, due); /* again: nobody else can write now */
  return err || !due->due ? err : run_number(store, STORE_SQL_SHARED_MOVED, due->now_s);
}

enum mts_err mts_store_batch_turn(struct mts_store *store, int64_t now_s, int64_t every_s, bool *ours) {
  struct due due = {.now_s = now_s, .every_s = every_s};
  enum mts_err err = store_ready(store);
  if (!err) err = is_due(store, &due);
  if (!err && due.due) err = store_write(store, take_turn, &due, doing);
  if (!err) *ours = due.due;
  return err;
}
