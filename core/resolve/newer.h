/* SPDX-License-Identifier: ISC
 * What two places know of one domain: the newer of both, in each part. */
#ifndef MTASTS_RESOLVE_NEWER_H
#define MTASTS_RESOLVE_NEWER_H

#include "resolve/context.h"

/* The last time at which it was learned; a time in the future was set by a clock that was wrong, and counts for nothing. */
int64_t newer_latest(const struct mts_entry *entry, int64_t now_s);
/* other's policy where it was fetched later, other's last attempt where it came later; the longer back-off stays. true: entry has changed. */
bool newer_take(struct mts_entry *entry, const struct mts_entry *other, int64_t now_s);

#endif
