/* SPDX-License-Identifier: ISC
 * Columns, read as if they came from the wire: the file may have been damaged or edited. A sum over each row finds what SQLite's own
 * structure does not: a flipped byte within a value. */
#include "base/buf.h"
#include "store/internal.h"

/* FNV-1a over lengths and bytes */
static uint64_t sum_bytes(uint64_t sum, const void *bytes, size_t n) {
  const unsigned char *p = bytes;
  for (size_t i = 0; i < n; i++) sum = (sum ^ p[i]) * UINT64_C(1099511628211);
  return sum;
}

uint64_t store_sum_number(uint64_t sum, int64_t number) { return sum_bytes(sum, &number, sizeof number); }

uint64_t store_sum_text(uint64_t sum, struct mts_span text) {
  return sum_bytes(store_sum_number(sum, (int64_t)text.n), text.p, text.n);
}

static bool printable_at(sqlite3_stmt *statement, int column, size_t max, bool lines, struct mts_span *text) {
  if (sqlite3_column_type(statement, column) != SQLITE_TEXT) return false;
  const char *p = (const char *)sqlite3_column_text(statement, column);
  size_t n = (size_t)sqlite3_column_bytes(statement, column);
  if (!p || n > max) return false;
  for (size_t i = 0; i < n; i++)
    if ((p[i] < 0x20 || p[i] > 0x7e) && !(lines && p[i] == '\n')) return false;
  *text = mts_span(p, n);
  return true;
}

bool store_text_at(sqlite3_stmt *statement, int column, size_t max, struct mts_span *text) {
  return printable_at(statement, column, max, false, text);
}

bool store_lines_at(sqlite3_stmt *statement, int column, size_t max, struct mts_span *text) {
  return printable_at(statement, column, max, true, text);
}

bool store_number_at(sqlite3_stmt *statement, int column, int64_t *number) {
  if (sqlite3_column_type(statement, column) != SQLITE_INTEGER) return false;
  *number = sqlite3_column_int64(statement, column);
  return true;
}

void store_row_report(struct mts_store *store, const char *domain, const char *what) {
  mts_log_seldom(
      store->log, MTS_LOG_WARNING, "store-row", domain,
      "store %s: the row of this domain in table %s is damaged or was edited by hand; it counts as absent and is learnt anew",
      store->path, what);
}
