/* SPDX-License-Identifier: ISC
 * Inside the store: one connection, its prepared statements, and how SQLite's errors become ours. */
#ifndef MTASTS_STORE_INTERNAL_H
#define MTASTS_STORE_INTERNAL_H

#include <limits.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "store/store.h"

#define STORE_BUSY_MS 2000
#define STORE_LOOK_MS 1000               /* how often the file's identity is looked at */
#define STORE_KEEP_S (30 * 86400)        /* what is over is kept this long for those who look after trouble */
#define STORE_LEASE_MAX_MS (3600 * 1000) /* a lease that ends later than this was taken by a wrong clock */
#define STORE_APPLICATION_ID 0x6d535453  /* "mSTS", at offset 68 of the file: file(1) can tell */

/* All statements, prepared on first use; their text is in statement.c. */
enum store_sql {
  STORE_SQL_BEGIN,
  STORE_SQL_COMMIT,
  STORE_SQL_GET,
  STORE_SQL_EACH,
  STORE_SQL_PUT_POLICY,
  STORE_SQL_DROP_POLICY,
  STORE_SQL_PUT_ATTEMPT,
  STORE_SQL_COUNT_ALL,
  STORE_SQL_COUNT_ONE,
  STORE_SQL_DELETE_POLICY,
  STORE_SQL_DELETE_ATTEMPT,
  STORE_SQL_DUE,
  STORE_SQL_LEASE_READ,
  STORE_SQL_LEASE_TAKE,
  STORE_SQL_LEASE_DROP,
  STORE_SQL_HOSTS_GET,
  STORE_SQL_HOSTS_PUT,
  STORE_SQL_HOSTS_DELETE,
  STORE_SQL_HOSTS_OF_ADDRESS,
  STORE_SQL_SESSION_ADD,
  STORE_SQL_SESSION_COUNT,
  STORE_SQL_SESSION_NEW,
  STORE_SQL_SESSION_EACH,
  STORE_SQL_SESSION_OF,
  STORE_SQL_DELIVERY_GET,
  STORE_SQL_DELIVERY_PUT,
  STORE_SQL_DELIVERY_EACH,
  STORE_SQL_DELIVERY_OF,
  STORE_SQL_BATCH_OLDEST,
  STORE_SQL_BATCH_FILL,
  STORE_SQL_BATCH_MARK,
  STORE_SQL_BATCH_EACH,
  STORE_SQL_BATCH_RETURN,
  STORE_SQL_BATCH_DROP,
  STORE_SQL_BATCH_DROP_SINCE,
  STORE_SQL_BATCH_UNMOVE,
  STORE_SQL_BATCH_ADOPT,
  STORE_SQL_SHARED_GET,
  STORE_SQL_SHARED_GENERATION,
  STORE_SQL_SHARED_MOVED,
  STORE_SQL_SILENCE_GET,
  STORE_SQL_SILENCE_PUT,
  STORE_SQL_STATS,
  STORE_SQL_SWEEP_COUNT,
  STORE_SQL_SWEEP_ATTEMPT,
  STORE_SQL_SWEEP_POLICY,
  STORE_SQL_SWEEP_LEASE,
  STORE_SQL_SWEEP_HOSTS,
  STORE_SQL_SWEEP_SESSION,
  STORE_SQL_SWEEP_DELIVERY,
  STORE_SQL_SWEEP_BATCH,
  STORE_SQL_TOTAL
};

/* Whose rights its files are used with, where not this process's own. */
struct store_owner {
  bool is_other;
  uid_t user;
  gid_t group;
};

struct mts_store {
  char *path;
  struct store_owner owner;
  const struct mts_clock *clock;
  struct mts_log *log;
  sqlite3 *db; /* NULL: opened by the next call */
  sqlite3_stmt *statements[STORE_SQL_TOTAL];
  pid_t pid;    /* who opened db: SQLite's locks do not survive a fork */
  bool damaged; /* this very file (device, inode) is left alone */
  dev_t device;
  ino_t inode;
  int64_t looked_ms;
};

/* ---- files.c ---- */

/* The default place. system_folder is /var/lib/mtasts but in tests. */
enum mts_err store_default_path(const char *system_folder, struct mts_log *log, char **path);
/* Where a file is, without symbolic links. */
struct store_place {
  char folder[PATH_MAX], file[PATH_MAX];
  const char *name; /* in the store's path */
};
enum mts_err store_file_find(struct mts_store *store, struct store_place *place);
/* Sees to it that there is a regular file. */
enum mts_err store_file_ensure(struct mts_store *store, const struct store_place *place);
/* false: gone, or another file than the one that is open. */
bool store_file_is_same(const struct mts_store *store);
void store_file_remember(struct mts_store *store);

/* ---- owner.c ---- */

enum mts_err store_owner_find(struct mts_store *store, const char *real_folder);
/* Around all that touches files. What is between may be long, but must not call out. */
enum mts_err store_owner_enter(struct mts_store *store);
void store_owner_leave(const struct mts_store *store);

/* ---- schema.c ---- */

/* Step i leads from version i to version i + 1. */
enum mts_err store_schema_ensure(struct mts_store *store, const char *const *steps, int count);
extern const char *const store_schema_steps[];
extern const int store_schema_version;

/* ---- open.c ---- */

/* Connected to the file that is there now, in this process. */
enum mts_err store_ready(struct mts_store *store);
/* Lets go of the connection. quietly: without a checkpoint, so the file and its -wal stay as they are. */
void store_disconnect(struct mts_store *store, bool quietly);
/* An error of SQLite (extended code) while doing something -> ours, logged. May disconnect: no statement is valid afterwards. */
enum mts_err store_fail(struct mts_store *store, int code, const char *doing);

/* ---- statement.c ---- */

/* Reset and without bindings. */
enum mts_err store_statement(struct mts_store *store, enum store_sql which, sqlite3_stmt **statement);
/* Steps once and keeps the row: true in *row when there is one; else the statement is reset. */
enum mts_err store_step(struct mts_store *store, sqlite3_stmt *statement, const char *doing, bool *row);
/* Runs to the end, rows are not looked at. */
enum mts_err store_run(struct mts_store *store, sqlite3_stmt *statement, const char *doing);
/* Ends the reading of rows of which there may be more. */
void store_reset(struct mts_store *store, sqlite3_stmt *statement);
/* work within BEGIN IMMEDIATE and COMMIT; all or nothing. */
enum mts_err store_write(struct mts_store *store, enum mts_err (*work)(struct mts_store *store, void *arg), void *arg,
                         const char *doing);
void store_bind_text(sqlite3_stmt *statement, int column, const char *text);

/* ---- column.c ---- */

/* The sum that guards a row: over what is fed to it, from STORE_SUM_START on. */
#define STORE_SUM_START UINT64_C(14695981039346656037)
uint64_t store_sum_number(uint64_t sum, int64_t number);
uint64_t store_sum_text(uint64_t sum, struct mts_span text);
/* A column as printable ASCII of at most max bytes, ended by a NUL that does not count and lent until the next step; lines: or line feed.
 * false: it is something else. */
bool store_text_at(sqlite3_stmt *statement, int column, size_t max, struct mts_span *text);
bool store_lines_at(sqlite3_stmt *statement, int column, size_t max, struct mts_span *text);
bool store_number_at(sqlite3_stmt *statement, int column, int64_t *number);
/* Says that a row of this table does not count. domain may be NULL. */
void store_row_report(struct mts_store *store, const char *domain, const char *what);

/* ---- sessions.c ---- */

/* The columns of SESSION_KEY, count, first_at, last_at; texts are lent until the next step. false: edited to nonsense. */
bool store_session_read(sqlite3_stmt *statement, struct mts_session_row *row);

/* ---- row.c ---- */

/* The columns of STORE_SQL_GET and STORE_SQL_EACH -> entry (cleared before). STORE_NONE: nothing usable in the row. */
enum mts_err store_row_read(struct mts_store *store, sqlite3_stmt *statement, struct mts_entry *entry);
enum mts_err store_row_bind_policy(sqlite3_stmt *statement, const struct mts_entry *entry);
void store_row_bind_attempt(sqlite3_stmt *statement, const struct mts_entry *entry);
/* Can it be stored, and read back the same? */
bool store_entry_is_sound(const struct mts_entry *entry);

#endif
