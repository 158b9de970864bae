/* SPDX-License-Identifier: ISC
 * The phases of smtpd's sessions that the operator's rules are asked about. */
#ifndef MTASTS_FILTERS_PHASES_H
#define MTASTS_FILTERS_PHASES_H

#include "filter_line.h"
#include "rules.h"
#include "sessions.h"

/* The hooks of mtasts.osmtpd; the kinds of questions are the phases. */
extern const struct rules_kind phases_kind;

/* opinion false: the rules have none, or failed. text: of a refusal, lent. hook: which one decided, from 1. */
struct phase_decision {
  bool opinion;
  enum filter_decision decision;
  const char *text;
  int hook;
  bool failed;
};
typedef void (*phase_fn)(void *arg, const struct phase_decision *decision);
/* Asks the hooks of a phase. session NULL: nothing is known of it but its id. value: what the phase is about; p NULL: nothing. The
 * callback comes from rules_hand_on or the loop; until then rules_cancel ends the call. NO_MEMORY: there is no callback. */
enum mts_err phases_ask(struct rules *rules, const struct filter_line *request, struct session *session, struct mts_span value,
                        phase_fn done, void *arg, struct rules_call **call);
/* The session is over: its object goes when no rule holds it any more. */
void phases_session_ending(struct rules *rules, struct session *session);

#endif
