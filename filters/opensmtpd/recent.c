/* SPDX-License-Identifier: ISC */
#include "recent.h"

#include <string.h>

#include "base/buf.h"

static size_t set_of(const char *domain) { return mts_span_hash(mts_span_of(domain)) % RECENT_SETS; }

static struct recent_domain *find(struct recent_domain *set, const char *domain) {
  for (size_t i = 0; i < RECENT_WAYS; i++)
    if (strcmp(set[i].domain, domain) == 0) return &set[i];
  return NULL;
}

static struct recent_domain *longest_ago(struct recent_domain *set) {
  struct recent_domain *at = set;
  for (size_t i = 1; i < RECENT_WAYS; i++)
    if (set[i].asked_ms < at->asked_ms) at = &set[i];
  return at;
}

struct recent_domain *recent_note(struct recent *recent, const char *domain, int64_t now_ms) {
  struct recent_domain *set = recent->sets[set_of(domain)], *at = find(set, domain);
  if (!at) {
    at = longest_ago(set);
    *at = (struct recent_domain){0};
    memccpy(at->domain, domain, 0, sizeof at->domain - 1);
  }
  at->asked_ms = now_ms;
  return at;
}

int64_t recent_asked_ms(struct recent *recent, const char *domain) {
  const struct recent_domain *at = find(recent->sets[set_of(domain)], domain);
  return at ? at->asked_ms : 0;
}
