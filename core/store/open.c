/* SPDX-License-Identifier: ISC
 * The connection: opening, noticing that the file was replaced, letting go. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/internal.h"

static int configure(sqlite3 *db) {
  int keep = 1;
  sqlite3_busy_timeout(db, STORE_BUSY_MS);
  /* -wal and -shm stay after the last close: a user who may only read can then still open the store, and opening is faster. */
  sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
  /* The file may have been edited by others: nothing in it runs. */
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, (int *)NULL);
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, (int *)NULL);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
  return sqlite3_exec(db, "PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=4194304", NULL, NULL, NULL);
}

static enum mts_err open_file(struct mts_store *store, const char *real) {
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE;
  int code = sqlite3_open_v2(real, &store->db, flags, NULL);
  if (!store->db) return MTS_ERR_NO_MEMORY;
  store->pid = getpid();
  store_file_remember(store);
  if (code == SQLITE_OK) code = configure(store->db);
  return code == SQLITE_OK ? store_schema_ensure(store, store_schema_steps, store_schema_version)
                           : store_fail(store, sqlite3_extended_errcode(store->db), "opening");
}

static enum mts_err connect(struct mts_store *store) {
  struct store_place place;
  enum mts_err err = store_file_find(store, &place);
  if (!err) err = store_owner_find(store, place.folder);
  if (!err) err = store_owner_enter(store);
  if (err) return err;
  err = store_file_ensure(store, &place);
  if (!err) err = open_file(store, place.file);
  store_owner_leave(store);
  if (err) store_disconnect(store, true);
  return err;
}

enum mts_err store_ready(struct mts_store *store) {
  if (store->db && store->pid != getpid()) store_disconnect(store, true); /* see mts_store_forget */
  if (store->db || store->damaged) {
    int64_t now = mts_clock_mono_ms(store->clock);
    if (now - store->looked_ms >= STORE_LOOK_MS) {
      store->looked_ms = now;
      if (!store_file_is_same(store)) {
        mts_log_seldom(store->log, MTS_LOG_WARNING, "store-replaced", NULL, "store %s was removed or replaced; opening it anew",
                       store->path);
        store->damaged = false;
        store_disconnect(store, true); /* the names -wal and -shm may belong to the new file by now */
      }
    }
  }
  if (store->damaged) return MTS_ERR_STORE_DAMAGED;
  return store->db ? MTS_OK : connect(store);
}

enum mts_err mts_store_open(const char *path, const struct mts_clock *clock, struct mts_log *log, struct mts_store **store) {
  struct mts_store *new = calloc(1, sizeof *new);
  if (!new) return MTS_ERR_NO_MEMORY;
  new->clock = clock;
  new->log = log;
  enum mts_err err = MTS_OK;
  if (path && *path) {
    new->path = strdup(path);
    if (!new->path) err = MTS_ERR_NO_MEMORY;
  } else {
    err = store_default_path(MTS_STORE_SYSTEM_FOLDER, log, &new->path);
  }
  if (!err) err = connect(new);
  if (err)
    mts_store_close(&new);
  else
    *store = new;
  return err;
}

static void release(struct mts_store **store, bool quietly) {
  if (!*store) return;
  store_disconnect(*store, quietly);
  free((*store)->path);
  free(*store);
  *store = NULL;
}

void mts_store_close(struct mts_store **store) { release(store, *store && (*store)->pid != getpid()); }

/* SQLite keeps one list of open files per process and takes no second lock for a file it believes locked. A handle leaked into a
 * forked child would therefore leave every later connection of that child without locks: once the parent ends, others could rebuild
 * -shm and cut -wal under its feet. So the handle is closed, but quietly: no checkpoint (which also means: no lock is tried,
 * nothing is written or removed), and as POSIX locks belong to the process that took them, closing descriptors here gives up none
 * of the parent's. */
void mts_store_forget(struct mts_store **store) { release(store, true); }

const char *mts_store_path(const struct mts_store *store) { return store->path; }
