/* SPDX-License-Identifier: ISC
 * One file of rules, loaded: a Lua state. When the file has changed another one takes its place, and this one ends what it began. */
#ifndef MTASTS_FILTERS_RULESET_H
#define MTASTS_FILTERS_RULESET_H

#include "base/log.h"
#include "env.h"
#include "rules.h"

struct ruleset {
  struct ruleset *older; /* that still have something under way */
  lua_State *L;
  size_t used;
  struct env *env;
  struct mts_log *log;
  const struct rules_kind *kind;
  int ask; /* reference of the function that is called */
  bool wanted[RULES_WANTED_MOST];
  size_t calls;    /* of that function, whose end was not handed on */
  int64_t left_ms; /* since when newer rules count */
};

struct ruleset_config {
  const struct mts_settings *settings;
  const struct rules_kind *kind;
  const char *file;
  struct mts_log *log;
  struct event_base *base; /* NULL: within its callbacks, so who waits while the file is loaded has a loop of its own */
  bool may_tell;
  void (*wake)(void *arg);
  void *arg;
};
/* On failure why tells, in lines. */
enum mts_err ruleset_new(const struct ruleset_config *config, char why[RULES_WHY_SIZE], struct ruleset **set);
/* What goes on moves to another set, unless that is NULL. */
void ruleset_free(struct ruleset **set, struct ruleset *heir);
/* function(argument as light userdata), protected; an error is logged. */
bool ruleset_enter(struct ruleset *set, lua_CFunction function, void *argument);
void ruleset_say_error(struct ruleset *set); /* what lies on the stack */
void ruleset_run(struct ruleset *set, bool *well);
bool ruleset_is_idle(const struct ruleset *set);

#endif
