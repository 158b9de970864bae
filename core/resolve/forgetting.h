/* SPDX-License-Identifier: ISC
 * Forgets what is known of domains, here and in the shared store; counters for reports and the reports' states are none of that. */
#ifndef MTASTS_RESOLVE_FORGETTING_H
#define MTASTS_RESOLVE_FORGETTING_H

#include "resolve/context.h"

/* MTS_OK, also without a shared store; STORE_SHARED, with what the server said or nothing; NET_MODULE; NO_MEMORY. */
typedef void (*forgetting_fn)(void *arg, enum mts_err err, const char *detail);

/* In the shared store: one domain, or all with NULL, some hundreds at a time, while the loop runs. done, which may be NULL, comes once, perhaps
 * before this returns; not at all when the context ends first. What machines keep in their own stores stays there. */
void forgetting_start(struct mts *m, const char *domain, forgetting_fn done, void *arg);
/* The same in memory and in the machine's own store, at once. Errors: STORE_*. */
enum mts_err forgetting_here(struct mts *m, const char *domain, size_t *removed);

#endif
