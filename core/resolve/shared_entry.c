/* SPDX-License-Identifier: ISC */
#include "resolve/shared_entry.h"

#include <inttypes.h>
#include <string.h>

#include "resolve/life.h"
#include "tlsrpt/session.h"

#define TIME_MOST (INT64_C(1) << 40)
#define NUMBERS 7

/* ---- writing ---- */

static enum mts_err add_number(struct mts_buf *bytes, int64_t number) { return mts_buf_addf(bytes, "%" PRId64, number); }

/* Beyond the limit of policies it could not be read back, and stays with us. */
static enum mts_err add_policy(struct mts_buf *bytes, const struct mts_policy *policy) {
  struct mts_buf text = {.limit = 4 * MTS_POLICY_MAX_BYTES};
  enum mts_err err = tlsrpt_policy_text(policy, &text);
  if (!err && text.n <= MTS_POLICY_MAX_BYTES) err = mts_buf_add(bytes, text.p, text.n);
  mts_buf_free(&text);
  return err;
}

/* That a policy host has no address may be the word of a name server that fails. */
static bool is_own_trouble(enum mts_err err) {
  return err == MTS_ERR_HTTPS_ADDRESS || (err >= MTS_ERR_DNS_SERVFAIL && err <= MTS_ERR_DNS_NETWORK) ||
         (err && err < MTS_ERR_NAME_EMPTY);
}

/* Seven numbers, the error's name, the id that failed; behind a line feed the detail. */
static enum mts_err add_attempt(struct mts_buf *bytes, const struct mts_entry *entry) {
  if (is_own_trouble(entry->err)) return MTS_OK;
  return mts_buf_addf(bytes, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRIu32 " %" PRId64 " %s %s\n%s",
                      entry->checked_at, entry->check_at, entry->failed_at, entry->failing_since, entry->retry_at, entry->tries,
                      entry->alarmed_at, mts_err_name(entry->err), entry->failed_id[0] ? entry->failed_id : "-", entry->detail);
}

static enum mts_err add_field(struct mts_buf *bytes, const struct mts_entry *entry, int field) {
  switch (field) {
    case SHARED_POLICY:
      return add_policy(bytes, entry->policy);
    case SHARED_ID:
      return mts_buf_add(bytes, entry->id, strlen(entry->id));
    case SHARED_FETCHED:
      return add_number(bytes, entry->fetched_at);
    case SHARED_REFRESH:
      return add_number(bytes, entry->refresh_at);
    default:
      return add_attempt(bytes, entry);
  }
}

enum mts_err shared_entry_write(const struct mts_entry *entry, struct mts_buf *bytes, struct mts_span fields[SHARED_FIELDS]) {
  size_t ends[SHARED_FIELDS];
  enum mts_err err = MTS_OK;
  for (int i = 0; !err && i < SHARED_FIELDS; i++) {
    if (i == SHARED_ATTEMPT || entry->policy) err = add_field(bytes, entry, i);
    if (!err) err = mts_buf_add(bytes, "", 1);
    ends[i] = bytes->n;
  }
  if (err) return err;
  for (size_t i = 0, at = 0; i < SHARED_FIELDS; at = ends[i++]) fields[i] = mts_span(bytes->p + at, ends[i] - at - 1);
  return MTS_OK;
}

/* ---- reading ---- */

static bool read_time(struct mts_span text, int64_t most, int64_t *time) {
  uint64_t number = 0;
  if (!mts_number_parse(text, (uint64_t)TIME_MOST, &number) || (int64_t)number > most) return false;
  *time = (int64_t)number;
  return true;
}

/* What has happened by a clock a little before ours happens now. */
static bool read_past(struct mts_span text, int64_t now_s, int64_t *time) {
  if (!read_time(text, now_s + SHARED_CLOCKS_S, time)) return false;
  if (*time > now_s) *time = now_s;
  return true;
}

static bool read_id(struct mts_span text, char id[MTS_ID_SIZE]) {
  if (text.n >= MTS_ID_SIZE) return false;
  for (size_t i = 0; i < text.n; i++) {
    char c = text.p[i];
    if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) return false;
  }
  memcpy(id, text.p, text.n);
  id[text.n] = '\0';
  return true;
}

static enum mts_err read_policy(const struct mts_span fields[SHARED_FIELDS], enum mts_profile profile, int64_t now_s,
                                struct mts_entry *entry) {
  struct mts_entry found = {0};
  bool sound = read_past(fields[SHARED_FETCHED], now_s, &found.fetched_at) && found.fetched_at > 0 &&
               read_time(fields[SHARED_REFRESH], TIME_MOST, &found.refresh_at) && read_id(fields[SHARED_ID], found.id);
  if (!sound) return MTS_ERR_STORE_NONE;
  enum mts_err err = mts_policy_parse(fields[SHARED_POLICY], profile, &found.policy, NULL);
  if (err) return err == MTS_ERR_NO_MEMORY ? err : MTS_ERR_STORE_NONE;
  found.expires_at = found.fetched_at + found.policy->max_age_s;
  if (found.refresh_at < found.fetched_at || found.refresh_at > found.fetched_at + LIFE_FAR_S) found.refresh_at = found.fetched_at;
  entry->policy = found.policy; /* the reference moves */
  memcpy(entry->id, found.id, sizeof entry->id);
  entry->fetched_at = found.fetched_at;
  entry->expires_at = found.expires_at;
  entry->refresh_at = found.refresh_at;
  return MTS_OK;
}

static struct mts_span next_word(struct mts_span *rest) {
  const char *blank = memchr(rest->p, ' ', rest->n);
  struct mts_span word = {rest->p, blank ? (size_t)(blank - rest->p) : rest->n};
  size_t used = word.n + (blank ? 1 : 0);
  *rest = mts_span(rest->p + used, rest->n - used);
  return word;
}

static bool read_err(struct mts_span name, enum mts_err *err) {
  for (int i = 0; i < MTS_ERR_COUNT; i++) {
    if (!mts_span_equals(name, mts_err_name((enum mts_err)i))) continue;
    *err = (enum mts_err)i;
    return i == MTS_OK || (i >= MTS_ERR_RECORD_NONE && i <= MTS_ERR_POLICY_SIZE);
  }
  return false;
}

static bool read_attempt(struct mts_span text, int64_t now_s, struct mts_entry *entry) {
  const char *feed = memchr(text.p, '\n', text.n);
  if (!feed) return false;
  struct mts_span line = {text.p, (size_t)(feed - text.p)}, detail = {feed + 1, text.n - line.n - 1}, words[NUMBERS];
  struct mts_entry found = {0};
  for (int i = 0; i < NUMBERS; i++) words[i] = next_word(&line);
  struct mts_span name = next_word(&line), failed_id = line;
  if (mts_span_equals(failed_id, "-")) failed_id.n = 0;
  uint64_t tries = 0;
  int64_t check_most = now_s + (entry->policy ? LIFE_FAR_S : LIFE_ABSENT_MOST_S + SHARED_CLOCKS_S);
  bool sound = read_past(words[0], now_s, &found.checked_at) && read_time(words[1], check_most, &found.check_at) &&
               read_past(words[2], now_s, &found.failed_at) && read_past(words[3], now_s, &found.failing_since) &&
               read_time(words[4], now_s + LIFE_RETRY_MOST_S + LIFE_RETRY_MOST_S / 4 + SHARED_CLOCKS_S, &found.retry_at) &&
               mts_number_parse(words[5], UINT16_MAX, &tries) && read_past(words[6], now_s, &found.alarmed_at) &&
               read_err(name, &found.err) && read_id(failed_id, found.failed_id);
  if (!sound) return false;
  entry->checked_at = found.checked_at;
  entry->check_at = found.check_at;
  entry->err = found.err;
  mts_text_clean(entry->detail, sizeof entry->detail, detail);
  entry->failed_at = found.failed_at;
  entry->failing_since = found.failing_since;
  memcpy(entry->failed_id, found.failed_id, sizeof entry->failed_id);
  entry->retry_at = found.retry_at;
  entry->tries = (uint32_t)tries;
  entry->alarmed_at = found.alarmed_at;
  return true;
}

enum mts_err shared_entry_read(const struct mts_span fields[SHARED_FIELDS], enum mts_profile profile, int64_t now_s,
                               struct mts_entry *entry) {
  enum mts_err err = fields[SHARED_POLICY].n ? read_policy(fields, profile, now_s, entry) : MTS_ERR_STORE_NONE;
  if (err == MTS_ERR_NO_MEMORY) return err;
  bool attempt = fields[SHARED_ATTEMPT].n && read_attempt(fields[SHARED_ATTEMPT], now_s, entry);
  return err && !attempt ? MTS_ERR_STORE_NONE : MTS_OK;
}
