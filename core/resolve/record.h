/* SPDX-License-Identifier: ISC
 * What TLS reporting (RFC 8460) is told of lookups. */
#ifndef MTASTS_RESOLVE_RECORD_H
#define MTASTS_RESOLVE_RECORD_H

#include "resolve/context.h"

/* One attempt to fetch the domain's policy has failed: counted once, unless the error is of another kind. entry: what was known before it. */
void record_fetch_failure(struct mts *m, const struct mts_entry *entry, enum mts_err err, const char *detail);

#endif
