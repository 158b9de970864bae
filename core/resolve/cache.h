/* SPDX-License-Identifier: ISC
 * What is known of a domain: memory first, then the store. A broken store is said in the log and mail goes on without it. */
#ifndef MTASTS_RESOLVE_CACHE_H
#define MTASTS_RESOLVE_CACHE_H

#include "resolve/context.h"

/* entry must be zero or cleared; on MTS_ERR_STORE_NONE its domain is set and nothing else. bypass_memory: another process may know
 * more. */
enum mts_err cache_get(struct mts *m, const char *domain, bool bypass_memory, struct mts_entry *entry, enum mts_from *from);
/* The same for who knows what time it is on the monotonic clock. */
enum mts_err cache_get_at(struct mts *m, int64_t mono_ms, const char *domain, bool bypass_memory, struct mts_entry *entry,
                          enum mts_from *from);
/* Does memory know the domain, and may it be believed without a look into the store? entry needs not be zero; it owns nothing if not.
 * until_ms: so long it may be believed, on the monotonic clock. */
bool cache_has(struct mts *m, const char *domain, struct mts_entry *entry, struct memory_mark *mark, int64_t *until_ms);
/* A policy that another process fetched later stays, and comes into the entry. */
void cache_put(struct mts *m, struct mts_entry *entry);
/* The right to ask the network, over all processes. true also when there is no store to agree through. */
bool cache_lease(struct mts *m, const char *domain, const char *owner, uint32_t ms);
void cache_unlease(struct mts *m, const char *domain, const char *owner);
/* NULL when there is none or it cannot be opened now. */
struct mts_store *cache_store(struct mts *m);

#endif
