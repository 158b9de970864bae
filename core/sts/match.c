/* SPDX-License-Identifier: ISC
 * Patterns of mail hosts (RFC 8461 3.2 and 4.1). */
#include "sts/match.h"

#include <string.h>

#include "base/buf.h"
#include "base/name.h"

enum mts_err mts_pattern_normalise(struct mts_span text, char pattern[MTS_NAME_SIZE]) {
  struct mts_span domain = text;
  size_t star = mts_span_begins(text, "*.") ? 2 : 0;
  domain.p += star;
  domain.n -= star;
  /* No trailing dot and no U-label here: Domain knows neither. */
  if (domain.n == 0 || text.n >= MTS_NAME_SIZE || domain.p[domain.n - 1] == '.') return MTS_ERR_POLICY_MX;
  for (size_t i = 0; i < domain.n; i++)
    if ((unsigned char)domain.p[i] >= 0x80 || domain.p[i] == '_') return MTS_ERR_POLICY_MX;
  char name[MTS_NAME_SIZE];
  /* As a host: an A-label is compared as it stands, whether or not IDNA knows its characters. */
  enum mts_err err = mts_name_normalise_host(domain, name);
  if (err) return err == MTS_ERR_NO_MEMORY ? err : MTS_ERR_POLICY_MX;
  memcpy(pattern, text.p, star);
  memcpy(pattern + star, name, strlen(name) + 1);
  return MTS_OK;
}

bool mts_pattern_matches(const char *pattern, const char *host) {
  if (pattern[0] != '*') return strcmp(pattern, host) == 0;
  /* RFC 8461 4.1: the star is exactly the whole left-most label. */
  const char *dot = strchr(host, '.');
  return dot && strcmp(pattern + 1, dot) == 0;
}

bool mts_mx_matches(const char *pattern, const char *host) {
  char p[MTS_NAME_SIZE], h[MTS_NAME_SIZE];
  if (!pattern || !host) return false;
  return mts_pattern_normalise(mts_span_of(pattern), p) == MTS_OK && mts_name_normalise_host(mts_span_of(host), h) == MTS_OK &&
         mts_pattern_matches(p, h);
}

bool mts_policy_permits(const struct mts_policy *policy, const char *host) {
  char h[MTS_NAME_SIZE];
  if (!policy || !host || mts_name_normalise_host(mts_span_of(host), h) != MTS_OK) return false;
  for (size_t i = 0; i < policy->mx_count; i++)
    if (mts_pattern_matches(policy->mx[i], h)) return true;
  return false;
}
