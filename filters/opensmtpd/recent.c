/* SPDX-License-Identifier: ISC */
#include "recent.h"

#include <string.h>

#include "base/buf.h"

static size_t set_of(const char *domain) { return mts_span_hash(mts_span_of(domain)) % RECENT_SETS; }

/* RECENT_WAYS: nowhere. */
static size_t way_of(const struct recent_domain *set, const char *domain) {
  size_t i = 0;
  while (i < RECENT_WAYS && strcmp(set[i].domain, domain) != 0) i++;
  return i;
}

static struct recent_domain *longest_ago(struct recent_domain *set) {
  struct recent_domain *at = set;
  for (size_t i = 1; i < RECENT_WAYS; i++)
    if (set[i].asked_ms < at->asked_ms) at = &set[i];
  return at;
}

struct recent_domain *recent_note(struct recent *recent, const char *domain, int64_t now_ms) {
  struct recent_domain *set = recent->sets[set_of(domain)];
  size_t way = way_of(set, domain);
  struct recent_domain *at = way < RECENT_WAYS ? &set[way] : longest_ago(set);
  if (way == RECENT_WAYS) {
    *at = (struct recent_domain){0};
    memccpy(at->domain, domain, 0, sizeof at->domain - 1);
  }
  at->asked_ms = now_ms;
  return at;
}

int64_t recent_asked_ms(const struct recent *recent, const char *domain) {
  const struct recent_domain *set = recent->sets[set_of(domain)];
  size_t way = way_of(set, domain);
  return way < RECENT_WAYS ? set[way].asked_ms : 0;
}
