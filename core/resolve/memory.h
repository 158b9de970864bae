/* SPDX-License-Identifier: ISC
 * The bounded first level of a long-lived program: what is known of each domain, in memory. Those go first that were not used lately. */
#ifndef MTASTS_RESOLVE_MEMORY_H
#define MTASTS_RESOLVE_MEMORY_H

#include "store/store.h"

struct memory;
/* Which entry it is, as it was put; the next memory_put of the same domain makes another. */
struct memory_mark {
  uint64_t number; /* never given twice by one memory; 0: none */
  uint32_t slot;
};

enum mts_err memory_new(size_t max_entries, struct memory **memory);
void memory_free(struct memory **memory);
/* entry, which owns nothing, is written whole. put_ms: when it was put, on the monotonic clock. STORE_NONE: not in memory. */
enum mts_err memory_get(struct memory *memory, const char *domain, struct mts_entry *entry, int64_t *put_ms,
                        struct memory_mark *mark);
/* Is it still there, and as it was put? Counts as a use of it, as memory_get does. Much quicker. */
bool memory_has(struct memory *memory, const struct memory_mark *mark);
enum mts_err memory_put(struct memory *memory, const struct mts_entry *entry, int64_t now_ms);
/* The store does not have it: it could not be written. memory_put takes the mark away. */
void memory_mark_unsaved(struct memory *memory, const char *domain);
bool memory_is_unsaved(struct memory *memory, const char *domain);
size_t memory_delete(struct memory *memory, const char *domain); /* NULL: all; how many went */
void memory_each(struct memory *memory, bool (*each)(void *arg, const struct mts_entry *entry), void *arg);

#endif
