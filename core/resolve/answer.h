/* SPDX-License-Identifier: ISC
 * The words for the parts of an answer, as Lua, JSON and metrics have them. Static. */
#ifndef MTASTS_RESOLVE_ANSWER_H
#define MTASTS_RESOLVE_ANSWER_H

#include "mtasts.h"

const char *answer_guard_name(enum mts_guard guard);
const char *answer_dnssec_name(enum mts_dnssec dnssec);
const char *answer_from_name(enum mts_from from);
/* Whether DANE guards all its hosts, some, none; unknown as long as one is. */
const char *answer_dane(const struct mts_answer *answer);

#endif
