/* SPDX-License-Identifier: ISC
 * What is known of a domain, as it stands in the shared store: pure, texts in and out. */
#ifndef MTASTS_RESOLVE_SHARED_ENTRY_H
#define MTASTS_RESOLVE_SHARED_ENTRY_H

#include "base/buf.h"
#include "store/store.h"

/* In this order, both ways. */
enum { SHARED_POLICY, SHARED_ID, SHARED_FETCHED, SHARED_REFRESH, SHARED_ATTEMPT, SHARED_FIELDS };
#define SHARED_CLOCKS_S 60 /* by which the clocks of two machines may differ */

/* Texts of the entry's fields, each followed by a NUL in bytes; empty where there is nothing to share: what went wrong with our own name
 * servers is no news for others. Errors: NO_MEMORY. bytes has a limit already. */
enum mts_err shared_entry_write(const struct mts_entry *entry, struct mts_buf *bytes, struct mts_span fields[SHARED_FIELDS]);
/* Fills an entry, zero but for its domain, as far as the fields make sense: they may be anything. The policy is parsed as a live one, and
 * holds for its own max_age; no time is further away than our own rules set it. Errors: STORE_NONE when nothing is left, NO_MEMORY. */
enum mts_err shared_entry_read(const struct mts_span fields[SHARED_FIELDS], enum mts_profile profile, int64_t now_s,
                               struct mts_entry *entry);

#endif
