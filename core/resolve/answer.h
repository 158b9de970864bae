/* SPDX-License-Identifier: ISC
 * The parts of an answer that come of what is known, who holds it, and the words for its parts. */
#ifndef MTASTS_RESOLVE_ANSWER_H
#define MTASTS_RESOLVE_ANSWER_H

#include "resolve/context.h"

/* The policy of entry, if it holds, and how the last look at the live one went. */
void answer_take_policy(struct mts_answer *answer, const struct mts_entry *entry, enum mts_from from, int64_t now_s);
/* What to do with mail, by the mode and the hosts of answer. applies: there is a policy, or a rule that stands for one; err: of the last look. */
enum mts_action answer_action(const struct mts *m, const struct mts_answer *answer, bool applies, enum mts_err err);

/* The same answer for one more, to be freed by each; nobody may change it any more. */
struct mts_answer *answer_ref(struct mts_answer *answer);

/* As Lua, JSON and metrics have them. Static. */
const char *answer_guard_name(enum mts_guard guard);
const char *answer_dnssec_name(enum mts_dnssec dnssec);
const char *answer_from_name(enum mts_from from);
/* Whether DANE guards all its hosts, some, none; unknown as long as one is. */
const char *answer_dane(const struct mts_answer *answer);

#endif
