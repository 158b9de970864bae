/* SPDX-License-Identifier: ISC
 * Between struct mts_entry and the rows of policy and attempt. What is read is checked as if it came from the wire: the file may
 * have been damaged or edited. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/name.h"
#include "store/internal.h"

#define MX_TEXT_MAX MTS_POLICY_MAX_BYTES /* no policy of allowed size has more */

enum { COLUMN_DOMAIN = 0, COLUMN_POLICY = 1, COLUMN_ATTEMPT = 9 };

/* ---- reading columns ---- */

static void copy_text(char *to, struct mts_span from) {
  memcpy(to, from.p, from.n);
  to[from.n] = '\0';
}

static bool is_id(struct mts_span text) {
  for (size_t i = 0; i < text.n; i++) {
    char c = text.p[i];
    if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) return false;
  }
  return text.n < MTS_ID_SIZE;
}

/* ---- mx patterns: one text, separated by single blanks ---- */

static enum mts_err read_mx(enum mts_mode mode, uint32_t max_age_s, struct mts_span text, struct mts_policy **policy) {
  size_t count = text.n > 0;
  for (size_t i = 0; i < text.n; i++) count += text.p[i] == ' ';
  const char **mx = calloc(count + 1, sizeof *mx);
  char *copy = malloc(text.n + 1);
  enum mts_err err = mx && copy ? MTS_OK : MTS_ERR_NO_MEMORY;
  if (!err) {
    copy_text(copy, text);
    char *p = copy;
    for (size_t i = 0; i < count; i++) {
      mx[i] = p;
      p += strcspn(p, " ");
      *p++ = '\0';
    }
    err = mts_policy_new(mode, max_age_s, mx, count, policy);
  }
  free(copy);
  free((void *)mx);
  return err;
}

static bool policy_is_sound(const struct mts_policy *policy) {
  size_t size = 0;
  for (size_t i = 0; i < policy->mx_count; i++) {
    size_t n = strlen(policy->mx[i]);
    for (size_t k = 0; k < n; k++)
      if (policy->mx[i][k] <= 0x20 || policy->mx[i][k] > 0x7e) return false;
    if (n == 0) return false;
    size += n + 1;
  }
  return size <= MX_TEXT_MAX && policy->max_age_s <= MTS_POLICY_MAX_AGE_S;
}

static char *join_mx(const struct mts_policy *policy) {
  size_t size = 1, at = 0;
  for (size_t i = 0; i < policy->mx_count; i++) size += strlen(policy->mx[i]) + 1;
  char *text = malloc(size);
  if (!text) return NULL;
  for (size_t i = 0; i < policy->mx_count; i++) {
    size_t n = strlen(policy->mx[i]);
    if (i > 0) text[at++] = ' ';
    memcpy(text + at, policy->mx[i], n);
    at += n;
  }
  text[at] = '\0';
  return text;
}

/* ---- policy ---- */

static uint64_t sum_policy(const char *domain, const char *mode, int64_t max_age_s, struct mts_span mx, struct mts_span id,
                           const int64_t times[3]) {
  uint64_t sum = store_sum_text(STORE_SUM_START, mts_span_of(domain));
  sum = store_sum_text(sum, mts_span_of(mode));
  sum = store_sum_number(sum, max_age_s);
  sum = store_sum_text(sum, mx);
  sum = store_sum_text(sum, id);
  for (size_t i = 0; i < 3; i++) sum = store_sum_number(sum, times[i]);
  return sum;
}

/* Of the row's own making are only errors of memory; everything else is a row that does not count. */
static enum mts_err read_policy(sqlite3_stmt *statement, struct mts_entry *entry, bool *sound) {
  struct mts_span mode_text, mx, id;
  int64_t max_age_s, sum, times[3];
  enum mts_mode mode;
  int column = COLUMN_POLICY;
  *sound = store_text_at(statement, column, 16, &mode_text) && store_number_at(statement, column + 1, &max_age_s) &&
           store_text_at(statement, column + 2, MX_TEXT_MAX, &mx) && store_text_at(statement, column + 3, MTS_ID_SIZE - 1, &id) &&
           store_number_at(statement, column + 4, &times[0]) && store_number_at(statement, column + 5, &times[1]) &&
           store_number_at(statement, column + 6, &times[2]) && store_number_at(statement, column + 7, &sum);
  if (!*sound) return MTS_OK;
  char mode_name[17];
  copy_text(mode_name, mode_text);
  *sound = mts_mode_from_name(mode_name, &mode) && max_age_s >= 0 && max_age_s <= (int64_t)MTS_POLICY_MAX_AGE_S && is_id(id) &&
           (uint64_t)sum == sum_policy(entry->domain, mode_name, max_age_s, mx, id, times);
  if (!*sound) return MTS_OK;
  enum mts_err err = read_mx(mode, (uint32_t)max_age_s, mx, &entry->policy);
  if (err) {
    *sound = false;
    return err == MTS_ERR_NO_MEMORY ? err : MTS_OK;
  }
  copy_text(entry->id, id);
  entry->fetched_at = times[0];
  entry->expires_at = times[1];
  entry->refresh_at = times[2];
  return MTS_OK;
}

enum mts_err store_row_bind_policy(sqlite3_stmt *statement, const struct mts_entry *entry) {
  const struct mts_policy *policy = entry->policy;
  char *mx = join_mx(policy);
  if (!mx) return MTS_ERR_NO_MEMORY;
  const int64_t times[3] = {entry->fetched_at, entry->expires_at, entry->refresh_at};
  const char *mode = mts_mode_name(policy->mode);
  uint64_t sum = sum_policy(entry->domain, mode, policy->max_age_s, mts_span_of(mx), mts_span_of(entry->id), times);
  store_bind_text(statement, 1, entry->domain);
  store_bind_text(statement, 2, mode);
  sqlite3_bind_int64(statement, 3, policy->max_age_s);
  sqlite3_bind_text(statement, 4, mx, -1, free); /* free also when binding fails */
  store_bind_text(statement, 5, entry->id);
  for (int i = 0; i < 3; i++) sqlite3_bind_int64(statement, 6 + i, times[i]);
  sqlite3_bind_int64(statement, 9, (int64_t)sum);
  return MTS_OK;
}

/* ---- attempt ---- */

struct attempt {
  int64_t numbers[8]; /* in the order of the columns */
  struct mts_span err, detail, failed_id;
};

static uint64_t sum_attempt(const char *domain, const struct attempt *attempt) {
  uint64_t sum = store_sum_text(STORE_SUM_START, mts_span_of(domain));
  for (size_t i = 0; i < sizeof attempt->numbers / sizeof attempt->numbers[0]; i++)
    sum = store_sum_number(sum, attempt->numbers[i]);
  sum = store_sum_text(sum, attempt->err);
  sum = store_sum_text(sum, attempt->detail);
  return store_sum_text(sum, attempt->failed_id);
}

/* A name we do not know comes from a newer mtasts: it failed, we cannot say how. */
static enum mts_err err_from_name(struct mts_span name) {
  for (int i = 0; i < MTS_ERR_COUNT; i++)
    if (mts_span_equals(name, mts_err_name((enum mts_err)i))) return (enum mts_err)i;
  return MTS_ERR_INTERNAL;
}

static bool read_attempt(sqlite3_stmt *statement, struct mts_entry *entry) {
  struct attempt attempt;
  int64_t sum;
  int column = COLUMN_ATTEMPT;
  int64_t *n = attempt.numbers;
  bool sound = store_number_at(statement, column, &n[0]) && store_number_at(statement, column + 1, &n[1]) &&
               store_text_at(statement, column + 2, 64, &attempt.err) &&
               store_text_at(statement, column + 3, sizeof entry->detail - 1, &attempt.detail) &&
               store_number_at(statement, column + 4, &n[2]) && store_number_at(statement, column + 5, &n[3]) &&
               store_text_at(statement, column + 6, MTS_ID_SIZE - 1, &attempt.failed_id) &&
               store_number_at(statement, column + 7, &n[4]) && store_number_at(statement, column + 8, &n[5]) &&
               store_number_at(statement, column + 9, &n[6]) && store_number_at(statement, column + 10, &sum);
  n[7] = 0;
  if (!sound || !is_id(attempt.failed_id) || n[5] < 0 || n[5] > (int64_t)UINT32_MAX ||
      (uint64_t)sum != sum_attempt(entry->domain, &attempt))
    return false;
  entry->checked_at = n[0];
  entry->check_at = n[1];
  entry->err = err_from_name(attempt.err);
  copy_text(entry->detail, attempt.detail);
  entry->failed_at = n[2];
  entry->failing_since = n[3];
  copy_text(entry->failed_id, attempt.failed_id);
  entry->retry_at = n[4];
  entry->tries = (uint32_t)n[5];
  entry->alarmed_at = n[6];
  return true;
}

void store_row_bind_attempt(sqlite3_stmt *statement, const struct mts_entry *entry) {
  const char *err = mts_err_name(entry->err);
  const struct attempt attempt = {
      .numbers = {entry->checked_at, entry->check_at, entry->failed_at, entry->failing_since, entry->retry_at, entry->tries,
                  entry->alarmed_at, 0},
      .err = mts_span_of(err),
      .detail = mts_span_of(entry->detail),
      .failed_id = mts_span_of(entry->failed_id),
  };
  store_bind_text(statement, 1, entry->domain);
  sqlite3_bind_int64(statement, 2, entry->checked_at);
  sqlite3_bind_int64(statement, 3, entry->check_at);
  store_bind_text(statement, 4, err);
  store_bind_text(statement, 5, entry->detail);
  sqlite3_bind_int64(statement, 6, entry->failed_at);
  sqlite3_bind_int64(statement, 7, entry->failing_since);
  store_bind_text(statement, 8, entry->failed_id);
  sqlite3_bind_int64(statement, 9, entry->retry_at);
  sqlite3_bind_int64(statement, 10, entry->tries);
  sqlite3_bind_int64(statement, 11, entry->alarmed_at);
  sqlite3_bind_int64(statement, 12, (int64_t)sum_attempt(entry->domain, &attempt));
}

/* ---- both ---- */

static bool is_printable(const char *text, size_t size) {
  size_t n = strnlen(text, size);
  for (size_t i = 0; i < n; i++)
    if (text[i] < 0x20 || text[i] > 0x7e) return false;
  return n < size;
}

bool store_entry_is_sound(const struct mts_entry *entry) {
  return strnlen(entry->domain, sizeof entry->domain) < sizeof entry->domain && mts_name_is_normal(mts_span_of(entry->domain)) &&
         strnlen(entry->id, sizeof entry->id) < sizeof entry->id && is_id(mts_span_of(entry->id)) &&
         strnlen(entry->failed_id, sizeof entry->failed_id) < sizeof entry->failed_id && is_id(mts_span_of(entry->failed_id)) &&
         is_printable(entry->detail, sizeof entry->detail) && (unsigned)entry->err < (unsigned)MTS_ERR_COUNT &&
         (!entry->policy || policy_is_sound(entry->policy));
}

enum mts_err store_row_read(struct mts_store *store, sqlite3_stmt *statement, struct mts_entry *entry) {
  struct mts_entry row = {0};
  struct mts_span domain;
  if (!store_text_at(statement, COLUMN_DOMAIN, MTS_NAME_SIZE - 1, &domain) || !mts_name_is_normal(domain)) {
    store_row_report(store, NULL, "policy or attempt");
    return MTS_ERR_STORE_NONE;
  }
  copy_text(row.domain, domain);
  bool has_policy = sqlite3_column_type(statement, COLUMN_POLICY) != SQLITE_NULL;
  bool has_attempt = sqlite3_column_type(statement, COLUMN_ATTEMPT) != SQLITE_NULL;
  bool policy = false, attempt = false;
  if (has_policy) {
    enum mts_err err = read_policy(statement, &row, &policy);
    if (err) return err;
    if (!policy) store_row_report(store, row.domain, "policy");
  }
  if (has_attempt) {
    attempt = read_attempt(statement, &row);
    if (!attempt) store_row_report(store, row.domain, "attempt");
  }
  if (!policy && !attempt) return MTS_ERR_STORE_NONE;
  *entry = row;
  return MTS_OK;
}
