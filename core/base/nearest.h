/* SPDX-License-Identifier: ISC
 * "Did you mean …?" */
#ifndef MTASTS_BASE_NEAREST_H
#define MTASTS_BASE_NEAREST_H

#include <stddef.h>

/* The candidate with the fewest edits away from word, or NULL when none is near (at most a third of its letters). */
const char *mts_nearest(const char *word, const char *const *candidates, size_t count);

#endif
