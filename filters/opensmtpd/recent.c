/* SPDX-License-Identifier: ISC */
#include "recent.h"

#include <string.h>

#include "base/buf.h"

static size_t place(const char *domain) { return mts_span_hash(mts_span_of(domain)) % RECENT_DOMAINS; }

struct recent_domain *recent_note(struct recent *recent, const char *domain, int64_t now_ms) {
  struct recent_domain *at = &recent->at[place(domain)];
  if (strcmp(at->domain, domain) != 0) {
    *at = (struct recent_domain){0};
    memccpy(at->domain, domain, 0, sizeof at->domain - 1);
  }
  at->asked_ms = now_ms;
  return at;
}

int64_t recent_asked_ms(const struct recent *recent, const char *domain) {
  const struct recent_domain *at = &recent->at[place(domain)];
  return strcmp(at->domain, domain) == 0 ? at->asked_ms : 0;
}
