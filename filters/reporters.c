/* SPDX-License-Identifier: ISC */
#include "reporters.h"

#include <string.h>
#include <strings.h>

bool reporters_have(const char *senders, struct mts_span address) {
  static const char between[] = ", \t";
  for (const char *at = senders; at && *at;) {
    at += strspn(at, between);
    size_t n = strcspn(at, between);
    if (n && n == address.n && strncasecmp(at, address.p, n) == 0) return true;
    at += n;
  }
  return false;
}
