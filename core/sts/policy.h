/* SPDX-License-Identifier: ISC
 * Building policies inside this room. */
#ifndef MTASTS_STS_POLICY_H
#define MTASTS_STS_POLICY_H

#include "mtasts.h"

/* strings: mx_count normalised patterns, each with its NUL, bytes in all. One allocation. NULL: out of memory. */
struct mts_policy *mts_policy_build(enum mts_mode mode, uint64_t max_age_s, const char *strings, size_t bytes, size_t mx_count);

#endif
