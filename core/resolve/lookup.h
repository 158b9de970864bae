/* SPDX-License-Identifier: ISC
 * The walk of one lookup: destination, cache, live policy, rule, hosts, verdict, rule, one callback. */
#ifndef MTASTS_RESOLVE_LOOKUP_H
#define MTASTS_RESOLVE_LOOKUP_H

#include "resolve/context.h"

void lookup_cancel_all(struct mts *m);

#endif
