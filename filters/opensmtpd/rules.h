/* SPDX-License-Identifier: ISC
 * The context of a program of smtpd's, on the program's loop, and the operator's rules in Lua that its lookups and sessions ask. */
#ifndef MTASTS_FILTERS_RULES_H
#define MTASTS_FILTERS_RULES_H

#include "filter_line.h"
#include "sessions.h"

struct event_base;
struct mts_log;
struct rules;

#define RULES_WHY_SIZE 2048

/* Loads the file that the setting "rules" names, or the system's; without one there is no Lua. log and base are lent and outlive the rules. may_tell: the
 * file may open a told world (mtasts.fake), which is no place for mail; then rules_step drives it. On failure why tells, in lines. */
enum mts_err rules_new(const struct mts_settings *settings, struct event_base *base, struct mts_log *log, bool may_tell,
                       char why[RULES_WHY_SIZE], struct rules **rules);
/* Would they load, and the settings serve? Says so; the exit code. */
int rules_check(const char *program, const struct mts_settings *settings);
void rules_free(struct rules **rules);
/* The context whose lookups ask the rules "policy" and "verdict"; lent. */
struct mts *rules_context(struct rules *rules);
/* Has this phase of smtpd's sessions a hook? */
bool rules_want(const struct rules *rules, enum filter_phase phase);
/* Has the file changed? Then it is loaded anew, in a Lua state of its own; hooks that wait go on in theirs. What does not load is logged, and
 * the old rules stay. Looks about once a second, however often it is called. at_once: loads it whether it changed or not. true: new rules
 * count from now on. Not from within a callback of the rules. */
bool rules_look(struct rules *rules, bool at_once);
/* Runs what can go on, once. false: nothing could. Only for who has no loop: a told world has none. */
bool rules_step(struct rules *rules);

/* opinion false: the rules have none, or failed. text: of a refusal, lent. hook: which one decided, from 1. */
struct rule_decision {
  bool opinion;
  enum filter_decision decision;
  const char *text;
  int hook;
  bool failed;
};
struct rule_call;
typedef void (*rule_fn)(void *arg, const struct rule_decision *decision);
/* Asks the hooks of a phase. session NULL: nothing is known of it but its id. value: what the phase is about; p NULL: nothing. The
 * callback may come before this returns; then *call is NULL. NO_MEMORY: there is no callback. */
enum mts_err rules_ask(struct rules *rules, const struct filter_line *request, struct session *session, struct mts_span value,
                       rule_fn done, void *arg, struct rule_call **call);
/* A session with a mail host was counted: the hook "session" is told. */
void rules_session_counted(struct rules *rules, const struct mts_session *session);
/* The session is over: its object goes when no rule holds it any more. */
void rules_session_ending(struct rules *rules, struct session *session);
void rules_cancel(struct rule_call **call); /* its callback is not called */

#endif
