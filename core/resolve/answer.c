/* SPDX-License-Identifier: ISC
 * The answer's memory, and the words for its parts. */
#include <stdlib.h>

#include "resolve/answer.h"
#include "resolve/hosts.h"

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

void mts_answer_free(struct mts_answer **answer) {
  struct mts_answer *it = *answer;
  if (!it) return;
  struct mts_policy *policy = (struct mts_policy *)(uintptr_t)it->policy;
  mts_policy_free(&policy);
  answer_drop_hosts(it);
  for (size_t i = 0; i < it->step_count; i++) discard(it->trace[i].outcome);
  discard(it->trace);
  free(it);
  *answer = NULL;
}
