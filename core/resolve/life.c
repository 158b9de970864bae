/* SPDX-License-Identifier: ISC */
#include "resolve/life.h"

#include <string.h>
#include <sys/random.h>

#include "base/buf.h"

/* 0 … range - 1, so that many domains and many senders don't fall into step. */
static uint32_t spread(uint32_t range) {
  uint32_t value = 0;
  if (range == 0 || getrandom(&value, sizeof value, GRND_NONBLOCK) < 0) return 0;
  return value % range;
}

bool life_policy_holds(const struct mts_entry *entry, int64_t now_s) {
  /* RFC 8461 5.1: the time since fetch has not exceeded max_age. */
  return entry->policy && now_s <= entry->expires_at;
}

/* A time that no rule of ours can set was set by a clock that went wrong. */
static bool due_at(int64_t at, int64_t now_s) { return now_s >= at || at > now_s + LIFE_FAR_S; }

bool life_is_due(const struct mts_entry *entry, int64_t now_s) {
  if (life_policy_holds(entry, now_s)) return due_at(entry->check_at, now_s) || due_at(entry->refresh_at, now_s);
  return entry->err == MTS_OK || due_at(entry->check_at, now_s);
}

int64_t life_quiet_until(const struct mts_entry *entry, int64_t now_s) {
  int64_t until = entry->check_at;
  if (!life_policy_holds(entry, now_s)) return until;
  if (entry->refresh_at < until) until = entry->refresh_at;
  return entry->expires_at < until ? entry->expires_at + 1 : until;
}

bool life_refresh_is_due(const struct mts_entry *entry, int64_t now_s) { return due_at(entry->refresh_at, now_s); }

bool life_is_held(const struct mts_entry *entry, const char *id, int64_t now_s) {
  bool by_wrong_clock = entry->retry_at > now_s + LIFE_RETRY_MOST_S + LIFE_RETRY_MOST_S / 4;
  return strcmp(entry->failed_id, id) == 0 && now_s < entry->retry_at && !by_wrong_clock;
}

static int64_t bounded(int64_t value, int64_t least, int64_t most) { return value < least ? least : value > most ? most : value; }

static void note_failure(struct mts_entry *entry, int64_t now_s, enum mts_err err, const char *detail) {
  entry->err = err;
  mts_text_clean(entry->detail, sizeof entry->detail, mts_span_of(detail));
  entry->failed_at = now_s;
  if (!entry->failing_since || entry->failing_since > now_s) entry->failing_since = now_s;
}

/* RFC 8461 3.3 counts per id: what is well with this one shortens the wait for no other, while records flap. */
static void forget_back_off(struct mts_entry *entry, int64_t now_s) {
  if (strcmp(entry->failed_id, entry->id) != 0 && life_is_held(entry, entry->failed_id, now_s)) return;
  entry->failed_id[0] = 0;
  entry->retry_at = 0;
  entry->tries = 0;
}

static void forget_failure(struct mts_entry *entry, int64_t now_s) {
  entry->err = MTS_OK;
  entry->detail[0] = 0;
  entry->failed_at = entry->failing_since = entry->alarmed_at = 0;
  forget_back_off(entry, now_s);
}

void life_record(struct mts_entry *entry, int64_t now_s, uint32_t ttl_s) {
  entry->checked_at = now_s;
  /* Where the last GET failed, a new id is looked for soon: it is tried at once. */
  entry->check_at = now_s + bounded(ttl_s, LIFE_CHECK_LEAST_S, entry->failed_id[0] ? LIFE_CHECK_LEAST_S : LIFE_CHECK_MOST_S);
}

void life_no_record(struct mts_entry *entry, int64_t now_s, enum mts_err err, uint32_t ttl_s, const char *detail) {
  bool known = err == MTS_ERR_RECORD_NONE || err == MTS_ERR_RECORD_SEVERAL || err == MTS_ERR_RECORD_SYNTAX;
  if (known) {
    entry->checked_at = now_s;
    entry->check_at = now_s + bounded(ttl_s, LIFE_CHECK_LEAST_S, LIFE_ABSENT_MOST_S);
  } else {
    entry->check_at = now_s + (entry->policy ? LIFE_CHECK_LEAST_S : LIFE_DNS_RETRY_S);
  }
  note_failure(entry, now_s, err, detail);
}

void life_fetch_failed(struct mts_entry *entry, int64_t now_s, const char *id, enum mts_err err, const char *detail,
                       uint32_t retry_s) {
  entry->tries = strcmp(entry->failed_id, id) == 0 ? entry->tries + 1 : 1;
  mts_text_clean(entry->failed_id, sizeof entry->failed_id, mts_span_of(id));
  /* RFC 8461 3.3: five minutes or longer for the same id. Doubles with each try, and only ever jitters upwards. */
  uint32_t doublings = entry->tries > 9 ? 8 : entry->tries - 1;
  int64_t wait = bounded((int64_t)retry_s << doublings, retry_s, LIFE_RETRY_MOST_S);
  entry->retry_at = now_s + wait + spread((uint32_t)wait / 4);
  bool due_before = entry->refresh_at < entry->retry_at || due_at(entry->refresh_at, now_s);
  if (entry->policy && due_before) entry->refresh_at = entry->retry_at;
  if (entry->check_at > now_s + LIFE_CHECK_LEAST_S) entry->check_at = now_s + LIFE_CHECK_LEAST_S;
  note_failure(entry, now_s, err, detail);
}

void life_fetched(struct mts_entry *entry, int64_t now_s, const char *id, struct mts_policy *policy, uint32_t refresh_s) {
  struct mts_policy *kept = mts_policy_ref(policy);
  mts_policy_free(&entry->policy);
  entry->policy = kept;
  entry->fetched_at = now_s;
  entry->expires_at = now_s + policy->max_age_s;
  /* At least daily (10.2), and while three quarters of a short life have passed; spread over the last quarter of that time. */
  uint32_t life = policy->max_age_s - policy->max_age_s / 4;
  uint32_t within = refresh_s < life ? refresh_s : life;
  entry->refresh_at = now_s + within - spread(within / 4);
  bool record_known = id[0] != 0;
  if (record_known) {
    memccpy(entry->id, id, 0, sizeof entry->id);
    forget_failure(entry, now_s);
  } else {
    /* The policy is fresh; that the record cannot be read stays to be seen, but nothing has failed for long. */
    entry->failing_since = entry->alarmed_at = 0;
    forget_back_off(entry, now_s);
  }
}

void life_held(struct mts_entry *entry, int64_t now_s) {
  bool told = entry->err > MTS_ERR_HTTPS_HELD; /* why the last GET failed says more; but DNS is well again */
  if (!told) note_failure(entry, now_s, MTS_ERR_HTTPS_HELD, "");
}

void life_confirmed(struct mts_entry *entry, int64_t now_s) { forget_failure(entry, now_s); }

bool life_alarm_due(struct mts_entry *entry, int64_t now_s) {
  if (!entry->policy || entry->policy->mode == MTS_MODE_NONE || now_s > entry->expires_at || !entry->failing_since) return false;
  bool long_failing = now_s - entry->failing_since >= LIFE_ALARM_S;
  bool past_half = entry->tries >= 2 && entry->expires_at - now_s < (int64_t)(entry->policy->max_age_s / 2);
  if (!long_failing && !past_half) return false;
  if (entry->alarmed_at && entry->alarmed_at <= now_s && now_s - entry->alarmed_at < LIFE_ALARM_S) return false;
  entry->alarmed_at = now_s;
  return true;
}
