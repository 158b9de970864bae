/* SPDX-License-Identifier: ISC */
#include "resolve/tell.h"

#include <string.h>

#include "resolve/life.h"

static void tell_log(struct mts_log *log, const struct mts_entry *entry, bool fetched, int64_t now_s) {
  if (fetched) {
    mts_log_write(log, MTS_LOG_INFO, entry->domain, "policy %s fetched: %s, %zu mx, max_age %u s", entry->id,
                  mts_mode_name(entry->policy->mode), entry->policy->mx_count, entry->policy->max_age_s);
  }
  if (entry->failed_at != now_s) return;
  bool guarded = life_policy_holds(entry, now_s) && entry->policy->mode != MTS_MODE_NONE;
  if (entry->err == MTS_ERR_RECORD_NONE && !guarded) return; /* most domains have none */
  if (!guarded && entry->err >= MTS_ERR_DNS_SERVFAIL && entry->err <= MTS_ERR_DNS_NETWORK) {
    /* One domain's name servers, or our own resolver: seen without drowning the log. */
    mts_log_seldom(log, MTS_LOG_WARNING, "dns", entry->domain, "%s: %s (%s); whether it has a policy is not known",
                   mts_err_name(entry->err), mts_err_message(entry->err), entry->detail);
    return;
  }
  mts_log_write(log, guarded ? MTS_LOG_WARNING : MTS_LOG_INFO, entry->domain, "%s: %s%s%s%s", mts_err_name(entry->err),
                mts_err_message(entry->err), entry->detail[0] ? " (" : "", entry->detail, entry->detail[0] ? ")" : "");
}

static void raise_alarm(struct mts *m, struct mts_entry *entry, int64_t now_s) {
  if (!life_alarm_due(entry, now_s)) return;
  m->counted.alarms++;
  struct mts_failure last = {.err = entry->err, .at = entry->failed_at};
  memccpy(last.detail, entry->detail, 0, sizeof last.detail);
  mts_log_write(
      m->log, MTS_LOG_WARNING, entry->domain,
      "the policy could not be refreshed for %lld h and expires in %lld h: %s; after that its mail is no longer protected",
      (long long)(now_s - entry->failing_since) / 3600, (long long)(entry->expires_at - now_s) / 3600, mts_err_message(entry->err));
  if (m->alarm) m->alarm(m->hook_arg, entry->domain, entry->expires_at, entry->failing_since, &last);
}

void tell_learned(struct mts *m, struct mts_entry *entry, bool fetched) {
  int64_t now_s = mts_clock_now_s(&m->clock);
  tell_log(m->log, entry, fetched, now_s);
  raise_alarm(m, entry, now_s);
}
