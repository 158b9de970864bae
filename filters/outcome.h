/* SPDX-License-Identifier: ISC
 * What a mail server told of its session with a mail host, whichever server it is. */
#ifndef MTASTS_FILTERS_OUTCOME_H
#define MTASTS_FILTERS_OUTCOME_H

#include "base/log.h"
#include "mtasts.h"

/* The policy in force as published, whatever the operator's rules say of it; from the cache only. An owned reference; NULL: none, or mode
 * none. */
struct mts_policy *outcome_policy(struct mts *m, const char *domain);
/* A warning for mail that waits (enforce), else at level info. name: what to call a host whose name is not known. */
void outcome_log(struct mts_log *log, const struct mts_session *session, const char *name);

#endif
