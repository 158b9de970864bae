/* SPDX-License-Identifier: ISC
 * The hooks that the operator set with mtasts.osmtpd, asked in the order in which they were set. */
#ifndef MTASTS_FILTERS_HOOKS_H
#define MTASTS_FILTERS_HOOKS_H

#include <lua.h>

#include "filter_line.h"
#include "rules.h"
#include "sessions.h"

/* Lent until the first hook is asked. session NULL: nothing is known of it but its id. value: what the phase is about; p NULL: nothing. */
struct hooks_question {
  enum filter_phase phase;
  struct session *session;
  struct mts_span id, value;
};

/* From here on no further hook can be set. wanted is told which phases have some. Returns a reference (in the registry) of a function that
 * takes a question (light userdata), and may wait; its results: "proceed", "junk", "reject", "disconnect", or nil: none has an opinion; a
 * text of a refusal; the number of the hook that decided; whether one failed. Nothing: there is nothing to tell. Raises. */
#define HOOKS_RESULTS 4
int hooks_open(lua_State *L, bool wanted[RULES_WANTED_MOST]);

#endif
