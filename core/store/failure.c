/* SPDX-License-Identifier: ISC
 * What an error of SQLite means for the store, and what the log says of it. */
#include <errno.h>

#include "store/internal.h"

void store_disconnect(struct mts_store *store, bool quietly) {
  if (!store->db) return;
  store_owner_enter(store); /* it worked when the files were opened */
  if (quietly) sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
  for (size_t i = 0; i < STORE_SQL_TOTAL; i++) {
    sqlite3_finalize(store->statements[i]);
    store->statements[i] = NULL;
  }
  sqlite3_close(store->db);
  store->db = NULL;
  store_owner_leave(store);
}

static enum mts_err err_of(struct mts_store *store, int code) {
  int number = store->db ? sqlite3_system_errno(store->db) : 0;
  bool full = number == ENOSPC || number == EDQUOT;
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return MTS_ERR_STORE_DAMAGED;
    case SQLITE_FULL:
      return MTS_ERR_STORE_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return MTS_ERR_STORE_BUSY;
    case SQLITE_NOMEM:
      return MTS_ERR_NO_MEMORY;
    case SQLITE_IOERR:
      return code == SQLITE_IOERR_NOMEM ? MTS_ERR_NO_MEMORY : full ? MTS_ERR_STORE_FULL : MTS_ERR_STORE_IO;
    case SQLITE_CANTOPEN:
      return full ? MTS_ERR_STORE_FULL : MTS_ERR_STORE_IO;
    default:
      return MTS_ERR_STORE_IO;
  }
}

static const char *advice(enum mts_err err) {
  if (err == MTS_ERR_STORE_FULL) return "make room on its disk; mail goes on without";
  if (err == MTS_ERR_STORE_BUSY) return "another process holds its lock; mail goes on without";
  return "see to the rights of the file, of its -wal and -shm and of its folder; mail goes on without";
}

enum mts_err store_fail(struct mts_store *store, int code, const char *doing) {
  enum mts_err err = err_of(store, code);
  const char *text = sqlite3_errstr(code);
  if (err == MTS_ERR_STORE_DAMAGED) {
    store->damaged = true;
    mts_log_write(
        store->log, MTS_LOG_ERROR, NULL,
        "store %s is damaged (%s: %s, code %d) and is left alone from now on; move it away together with its -wal and -shm, a "
        "new one is made at once; mail goes on without",
        store->path, doing, text, code);
    store_disconnect(store, true);
    return err;
  }
  mts_log_seldom(store->log, MTS_LOG_ERROR, mts_err_name(err), NULL, "store %s: %s: %s (code %d); %s", store->path, doing, text,
                 code, advice(err));
  /* What is none of the usual troubles may pass with a new connection: a newer mtasts changed the schema, the file was moved. */
  int kind = code & 0xff;
  if (kind == SQLITE_ERROR || kind == SQLITE_SCHEMA || kind == SQLITE_MISUSE || code == SQLITE_READONLY_DBMOVED ||
      kind == SQLITE_IOERR)
    store_disconnect(store, true);
  return err;
}
