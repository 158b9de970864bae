/* SPDX-License-Identifier: ISC
 * The context of a program that lives on a loop, and the operator's rules in Lua that its lookups, and whatever else it calls them for, ask.
 * When their file changes it is loaded anew while the program goes on. */
#ifndef MTASTS_FILTERS_RULES_H
#define MTASTS_FILTERS_RULES_H

#include <lua.h>

#include "mtasts.h"

struct event_base;
struct mts_log;
struct rules;
struct ruleset;
struct task;

#define RULES_WHY_SIZE 2048
#define RULES_WANTED_MOST 32

/* What a program asks of its rules besides the hooks of lookups. Each may be NULL, and raises errors. Static. */
struct rules_kind {
  void (*open)(lua_State *L); /* before the file is loaded */
  /* After it: a reference (in the registry) of the function that is called. wanted is told for which kinds of questions there is something to
   * ask; the program numbers them. */
  int (*ask)(lua_State *L, bool wanted[RULES_WANTED_MOST]);
  void (*inherit)(lua_State *from, lua_State *to); /* what goes on when the newer rules count alone */
  size_t call_size;                                /* of a call, which begins with a struct rules_call; 0: there are none */
};

/* Loads the file that the setting "rules" names, or the system's; without one there is no Lua. log and base are lent and outlive the rules, as
 * does kind. may_tell: the file may open a told world (mtasts.fake), which is no place for mail; then rules_step drives it. On failure why
 * tells, in lines. */
enum mts_err rules_new(const struct mts_settings *settings, const struct rules_kind *kind, struct event_base *base,
                       struct mts_log *log, bool may_tell, char why[RULES_WHY_SIZE], struct rules **rules);
/* Would they load, and the settings serve? Says so; the exit code. */
int rules_check(const char *program, const struct rules_kind *kind, const struct mts_settings *settings);
void rules_free(struct rules **rules);
/* The context whose lookups ask the rules "policy" and "verdict"; lent. */
struct mts *rules_context(struct rules *rules);
/* Are there rules at all? */
bool rules_there(const struct rules *rules);
/* Is there a rule "verdict", which may judge the MX hosts of each lookup anew? */
bool rules_judge(const struct rules *rules);
/* Is there something to ask of this kind? */
bool rules_want(const struct rules *rules, unsigned kind);
/* Has the file changed? Then it is loaded anew, in a Lua state of its own; hooks that wait go on in theirs. What does not load is logged, and
 * the old rules stay. Looks about once a second, however often it is called. at_once: loads it whether it changed or not. true: new rules
 * count from now on. Not from within a callback of the rules. */
bool rules_look(struct rules *rules, bool at_once);
/* Runs what can go on, once. false: nothing could. Only for who has no loop: a told world has none. */
bool rules_step(struct rules *rules);
/* A session with a mail host was counted: the hook "session" is told. */
void rules_session_counted(struct rules *rules, const struct mts_session *session);

/* One call of the function that the kind's ask gave: the first member of what rules_call_new gave. */
struct rules_call {
  /* Takes the results from the task's stack (task->ok, or an error on top). Must call nothing of ours, nor raise. */
  void (*results)(struct rules_call *call, struct task *task);
  void (*done)(struct rules_call *call);   /* Lua has been left. NULL: nobody waits any more */
  void (*forget)(struct rules_call *call); /* before it is gone: what it owns. NULL: nothing */
  /* Not for the caller. */
  struct rules *rules;
  struct ruleset *set;
  struct task *task; /* NULL: it has ended, or not begun */
  bool ended;
  struct rules_call *next; /* ended, not yet handed on */
};
/* Of call_size, zeroed, for rules_call alone. NULL: no memory. */
struct rules_call *rules_call_new(struct rules *rules);
/* There must be rules. argument: what the function gets, as a light userdata, lent until its first wait. With results and done set. Runs as far
 * as it goes; done comes later, from rules_hand_on or the loop, and then the call is gone. NO_MEMORY: there is no callback, and it is gone now. */
enum mts_err rules_call(struct rules *rules, struct rules_call *call, void *argument);
/* Runs what else is in line, and done of all calls that have ended. To be called after one call or several: what is alike runs best in a row.
 * From within a callback of the rules it does nothing, for who called that one goes on. */
void rules_hand_on(struct rules *rules);
void rules_cancel(struct rules_call **call); /* its done is not called */
/* function(argument as light userdata), protected, in each set of rules until it says true; an error is logged. */
typedef bool (*rules_choose_fn)(lua_State *L, const void *arg);
void rules_enter_first(struct rules *rules, rules_choose_fn choose, const void *arg, lua_CFunction function, void *argument);

#endif
