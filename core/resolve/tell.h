/* SPDX-License-Identifier: ISC
 * What people are told of a look at the live policy. */
#ifndef MTASTS_RESOLVE_TELL_H
#define MTASTS_RESOLVE_TELL_H

#include "resolve/context.h"

/* The log, and the alarm where it is due (which the entry notes). fetched: a new policy came just now. */
void tell_learned(struct mts *m, struct mts_entry *entry, bool fetched);

#endif
