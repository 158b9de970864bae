/* SPDX-License-Identifier: ISC
 * The answer's memory, its parts that come of what is known, and the words for them. */
#include <stdlib.h>
#include <string.h>

#include "resolve/answer.h"
#include "resolve/hosts.h"
#include "resolve/life.h"
#include "sts/verdict.h"

void answer_take_policy(struct mts_answer *answer, const struct mts_entry *entry, enum mts_from from, int64_t now_s) {
  struct mts_policy *held = (struct mts_policy *)(uintptr_t)answer->policy;
  mts_policy_free(&held);
  bool holds = life_policy_holds(entry, now_s);
  answer->policy = holds ? mts_policy_ref(entry->policy) : NULL;
  answer->mode = holds ? entry->policy->mode : MTS_MODE_NONE;
  answer->from = holds ? from : MTS_FROM_NOTHING;
  answer->fetched_at = holds ? entry->fetched_at : 0;
  answer->expires_at = holds ? entry->expires_at : 0;
  answer->checked_at = entry->checked_at;
  answer->id[0] = 0;
  if (holds) memccpy(answer->id, entry->id, 0, sizeof answer->id);
  answer->refresh_error.err = entry->err;
  answer->refresh_error.at = entry->failed_at;
  memccpy(answer->refresh_error.detail, entry->detail, 0, sizeof answer->refresh_error.detail);
}

static bool is_dns_trouble(enum mts_err err) {
  return (err >= MTS_ERR_DNS_SERVFAIL && err <= MTS_ERR_DNS_NETWORK) || err == MTS_ERR_NET_MODULE;
}

enum mts_action answer_action(const struct mts *m, const struct mts_answer *answer, bool applies, enum mts_err err) {
  if (!applies && m->defer_on_dns_failure && is_dns_trouble(err)) return MTS_ACTION_DEFER;
  return mts_verdict(answer->mode, answer->hosts, answer->host_count, answer->hosts_known);
}

const char *mts_action_name(enum mts_action action) {
  switch (action) {
    case MTS_ACTION_DELIVER:
      return "deliver";
    case MTS_ACTION_RECORD:
      return "record";
    case MTS_ACTION_REQUIRE:
      return "require";
    case MTS_ACTION_DEFER:
      return "defer";
  }
  return "unknown";
}

const char *answer_guard_name(enum mts_guard guard) {
  static const char *const names[] = {
      [MTS_GUARD_NONE] = "none", [MTS_GUARD_STS] = "sts", [MTS_GUARD_DANE] = "dane", [MTS_GUARD_UNKNOWN] = "unknown"};
  return names[guard];
}

const char *answer_dnssec_name(enum mts_dnssec dnssec) {
  static const char *const names[] = {
      [MTS_DNSSEC_UNKNOWN] = "unknown", [MTS_DNSSEC_INSECURE] = "insecure", [MTS_DNSSEC_SECURE] = "secure"};
  return names[dnssec];
}

const char *answer_from_name(enum mts_from from) {
  static const char *const names[] = {[MTS_FROM_NOTHING] = "nothing",
                                      [MTS_FROM_MEMORY] = "memory",
                                      [MTS_FROM_STORE] = "store",
                                      [MTS_FROM_NETWORK] = "network",
                                      [MTS_FROM_RULE] = "rule"};
  return names[from];
}

const char *answer_dane(const struct mts_answer *answer) {
  size_t guarded = 0;
  if (!answer->hosts_known) return "unknown";
  for (size_t i = 0; i < answer->host_count; i++) {
    if (answer->hosts[i].guard == MTS_GUARD_UNKNOWN) return "unknown";
    if (answer->hosts[i].guard == MTS_GUARD_DANE) guarded++;
  }
  return guarded == 0 ? "none" : guarded == answer->host_count ? "all" : "some";
}

static void discard(const void *memory) { free((void *)(uintptr_t)memory); }

static void free_host(struct mts_host *host) {
  for (size_t i = 0; i < host->address_count; i++) discard(host->addresses[i]);
  discard(host->addresses);
  discard(host->name);
  discard(host->tls);
}

void answer_drop_hosts(struct mts_answer *answer) {
  for (size_t i = 0; i < answer->host_count; i++) free_host(&answer->hosts[i]);
  free(answer->hosts);
  answer->hosts = NULL;
  answer->host_count = 0;
  answer->hosts_known = false;
}

struct mts_answer *answer_ref(struct mts_answer *answer) {
  answer->references++;
  return answer;
}

void mts_answer_free(struct mts_answer **answer) {
  struct mts_answer *it = *answer;
  *answer = NULL;
  if (!it || it->references-- > 0) return;
  struct mts_policy *policy = (struct mts_policy *)(uintptr_t)it->policy;
  mts_policy_free(&policy);
  answer_drop_hosts(it);
  for (size_t i = 0; i < it->step_count; i++) discard(it->trace[i].outcome);
  discard(it->trace);
  free(it);
}
