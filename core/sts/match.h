/* SPDX-License-Identifier: ISC
 * Patterns of mail hosts (RFC 8461 3.2 and 4.1). */
#ifndef MTASTS_STS_MATCH_H
#define MTASTS_STS_MATCH_H

#include "mtasts.h"

/* ["*."] Domain (RFC 5321 4.1.2) -> lower case. MTS_ERR_POLICY_MX: not a pattern; MTS_ERR_NO_MEMORY. */
enum mts_err mts_pattern_normalise(struct mts_span text, char pattern[MTS_NAME_SIZE]);
/* Both normalised. */
bool mts_pattern_matches(const char *pattern, const char *host);

#endif
