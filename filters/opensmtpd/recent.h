/* SPDX-License-Identifier: ISC
 * Which domains were asked for lately. Forgets what it has no room for, which costs a question or a guess, never an answer. */
#ifndef MTASTS_FILTERS_RECENT_H
#define MTASTS_FILTERS_RECENT_H

#include "mtasts.h"

#define RECENT_SETS 512
#define RECENT_WAYS 4 /* of a set the domain goes that was not asked for longest */

struct recent_domain {
  char domain[MTS_NAME_SIZE];
  int64_t asked_ms;       /* the last time a recipient of it was named */
  int64_t hosts_until_ms; /* until then its MX hosts need not be asked for again */
};
struct recent {
  struct recent_domain sets[RECENT_SETS][RECENT_WAYS];
};
/* Its place, which may have been another domain's before. */
struct recent_domain *recent_note(struct recent *recent, const char *domain, int64_t now_ms);
int64_t recent_asked_ms(const struct recent *recent, const char *domain); /* 0: not lately */

#endif
