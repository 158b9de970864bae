/* SPDX-License-Identifier: ISC
 *
 * Lua is entered here only, and only by lua_pcall and task_call. What tasks leave behind is handed on after Lua has been left, so that no longjmp
 * crosses anything of ours.
 */
#include "rules.h"

#include <event2/event.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "hooks.h"
#include "host.h"
#include "resolve/settings.h"
#include "session_object.h"

struct rule_call {
  struct rules *rules;
  struct task *task; /* NULL: it has ended, or not begun */
  bool ended;
  rule_fn done;
  void *arg;
  struct rule_call *next; /* ended, not yet handed on */
  bool *handed_on;        /* told while it is being asked */
  struct rule_decision decision;
  char text[FILTER_REPLY_MAX / 2]; /* not zeroed */
};

struct rules {
  lua_State *L;
  size_t used;
  struct env *env;
  struct event_base *base;
  struct event *ready;
  struct mts_log *log;
  struct mts *m;
  int ask; /* reference of the function that asks the hooks */
  bool wanted[FILTER_PHASE_COMMIT + 1];
  bool running;
  struct rule_call *first, *last; /* ended */
};

/* ---- entering Lua ---- */

static void say(struct rules *rules, const char *text) {
  env_complain(rules->log, NULL, "rules", text ? text : "Lua failed without a text");
}

/* What lies on the stack. */
static void say_error(struct rules *rules) {
  say(rules, lua_tostring(rules->L, -1));
  lua_pop(rules->L, 1);
}

/* function(argument as light userdata), protected */
static bool enter(struct rules *rules, lua_CFunction function, void *argument) {
  lua_State *L = rules->L;
  if (!lua_checkstack(L, 4)) return false;
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, argument);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return true;
  say_error(rules);
  return false;
}

static int run_tasks(lua_State *L) {
  const struct rules *rules = lua_touserdata(L, 1);
  env_run(L, rules->env);
  return 0;
}

/* Runs what is in line, then hands the decisions on; what that puts in line runs too. */
static void run(struct rules *rules) {
  if (rules->running) return;
  rules->running = true;
  bool well = true;
  do {
    if (rules->env->first) well = enter(rules, run_tasks, rules);
    while (rules->first) {
      struct rule_call *call = rules->first;
      rules->first = call->next;
      if (!rules->first) rules->last = NULL;
      rule_fn done = call->done;
      call->decision.text = call->text;
      if (call->handed_on) *call->handed_on = true;
      if (done) done(call->arg, &call->decision);
      free(call);
    }
  } while (well && rules->env->first);
  rules->running = false;
}

static void can_run(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  run(arg);
}

static void wake(void *arg) {
  struct rules *rules = arg;
  if (!rules->running) event_active(rules->ready, EV_TIMEOUT, 0);
}

bool rules_step(struct rules *rules) {
  if (!rules->L) return false;
  bool had = rules->env->first != NULL;
  run(rules);
  return (rules->env->fake && mts_turn(rules->m, -1)) || had;
}

/* ---- asking ---- */

/* With the results of hooks.h. */
static void ended(struct task *task) {
  struct rule_call *call = task->ended_arg;
  struct rules *rules = call->rules;
  lua_State *co = task->co;
  static const char *const words[] = {
      [FILTER_PROCEED] = "proceed", [FILTER_JUNK] = "junk", [FILTER_REJECT] = "reject", [FILTER_DISCONNECT] = "disconnect"};
  call->task = NULL;
  call->ended = true;
  if (!task->ok) {
    call->decision.failed = true;
    char line[ENV_LINE_SIZE];
    env_one_line(task, line);
    say(rules, line);
  } else {
    call->decision.failed = lua_toboolean(co, 4);
  }
  if (task->ok && lua_type(co, 1) == LUA_TSTRING) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
      if (strcmp(lua_tostring(co, 1), words[i]) != 0) continue;
      call->decision.opinion = true;
      call->decision.decision = (enum filter_decision)i;
      call->decision.hook = (int)lua_tointeger(co, 3);
      if (lua_type(co, 2) == LUA_TSTRING) filter_reply_text(lua_tostring(co, 2), call->text, sizeof call->text);
    }
  }
  if (rules->last)
    rules->last->next = call;
  else
    rules->first = call;
  rules->last = call;
}

enum mts_err rules_ask(struct rules *rules, const struct filter_line *request, struct session *session, struct mts_span value,
                       rule_fn done, void *arg, struct rule_call **call) {
  struct rule_call *made = malloc(sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  bool handed_on = false, nested = rules->running;
  memset(made, 0, offsetof(struct rule_call, text));
  made->text[0] = 0;
  made->rules = rules;
  made->done = done;
  made->arg = arg;
  made->handed_on = &handed_on;
  struct hooks_question question = {.phase = request->phase, .session = session, .id = request->session, .value = value};
  const struct task_call what = {
      .function = rules->ask, .argument = &question, .ended = ended, .ended_arg = made, .task = &made->task};
  rules->running = true; /* no need to be woken: what is in line runs right now, or further out */
  if (lua_checkstack(rules->L, 4) && !task_call(rules->L, rules->env, &what)) say_error(rules);
  rules->running = nested;
  if (!made->task && !made->ended) {
    free(made);
    return MTS_ERR_NO_MEMORY;
  }
  run(rules);
  if (!handed_on) made->handed_on = NULL;
  *call = handed_on ? NULL : made;
  return MTS_OK;
}

struct ending {
  const struct session *session;
};
static int let_go(lua_State *L) {
  const struct ending *ending = lua_touserdata(L, 1);
  session_object_let_go(L, ending->session);
  return 0;
}

void rules_session_ending(struct rules *rules, struct session *session) {
  struct ending ending = {.session = session};
  enter(rules, let_go, &ending);
}

struct killing {
  struct task *task;
};
static int kill_task(lua_State *L) {
  const struct killing *killing = lua_touserdata(L, 1);
  task_kill(L, killing->task, "its time is over");
  return 0;
}

void rules_cancel(struct rule_call **call) {
  struct rule_call *it = *call;
  *call = NULL;
  if (!it) return;
  it->done = NULL;
  if (!it->task) return; /* ended: freed when it is handed on */
  it->task->ended = NULL;
  struct killing killing = {.task = it->task};
  enter(it->rules, kill_task, &killing);
  free(it);
}

/* ---- loading ---- */

struct loading {
  struct rules *rules;
  const struct mts_settings *settings;
  bool may_tell;
};

static int load(lua_State *L) {
  const struct loading *loading = lua_touserdata(L, 1);
  struct rules *rules = loading->rules;
  host_open(L);
  host_take_exit(L); /* smtpd ends when a filter does */
  session_object_open(L);
  rules->env = env_get(L);
  rules->env->event_base = rules->base;
  rules->env->wake = wake;
  rules->env->wake_arg = rules;
  mts_settings_free(&rules->env->settings);
  if (env_copy_settings(loading->settings, &rules->env->settings)) return luaL_error(L, "out of memory");
  lua_getglobal(L, "require");
  lua_pushliteral(L, "mtasts.rules");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "load");
  lua_pushstring(L, settings_text(loading->settings, SETTING_rules));
  lua_call(L, 1, 2);
  if (!lua_toboolean(L, -2)) return lua_error(L);
  if (rules->env->fake && !loading->may_tell)
    return luaL_error(L, "the rules open a told world (mtasts.fake): mail is not for that; try them with mtasts replay");
  rules->ask = hooks_open(L, rules->wanted);
  rules->m = env_context(L, rules->env);
  rules->env->settled = true;
  return 0;
}

static enum mts_err load_file(struct rules *rules, const struct mts_settings *settings, bool may_tell, char why[RULES_WHY_SIZE]) {
  rules->L = host_state(&rules->used);
  rules->ready = event_new(rules->base, -1, 0, can_run, rules);
  if (!rules->L || !rules->ready) return MTS_ERR_NO_MEMORY;
  struct loading loading = {.rules = rules, .settings = settings, .may_tell = may_tell};
  rules->running = true; /* who loads drives */
  lua_pushcfunction(rules->L, load);
  lua_pushlightuserdata(rules->L, &loading);
  int status = lua_pcall(rules->L, 1, 0, 0);
  rules->running = false;
  if (status != LUA_OK) {
    const char *text = lua_tostring(rules->L, -1);
    memccpy(why, text ? text : "error without a text", 0, RULES_WHY_SIZE - 1);
    why[RULES_WHY_SIZE - 1] = 0;
    return MTS_ERR_SETTING;
  }
  if (rules->env->first) wake(rules); /* what the file spawned */
  return MTS_OK;
}

enum mts_err rules_new(const struct mts_settings *settings, struct event_base *base, struct mts_log *log, bool may_tell,
                       char why[RULES_WHY_SIZE], struct rules **rules) {
  struct rules *made = calloc(1, sizeof *made);
  memccpy(why, "out of memory", 0, RULES_WHY_SIZE);
  if (!made) return MTS_ERR_NO_MEMORY;
  made->base = base;
  made->log = log;
  enum mts_err err;
  if (settings_text(settings, SETTING_rules)[0]) {
    err = load_file(made, settings, may_tell, why);
  } else {
    err = mts_new(settings, &made->m);
    if (!err) mts_lend_loop(made->m, base);
  }
  if (err) {
    rules_free(&made);
    return err;
  }
  *rules = made;
  return MTS_OK;
}

void rules_free(struct rules **rules) {
  struct rules *it = *rules;
  if (!it) return;
  it->running = true; /* tasks that end now tell nobody */
  if (it->L)
    lua_close(it->L); /* with its context */
  else
    mts_free(&it->m);
  while (it->first) {
    struct rule_call *call = it->first;
    it->first = call->next;
    free(call);
  }
  if (it->ready) event_free(it->ready);
  free(it);
  *rules = NULL;
}

struct mts *rules_context(struct rules *rules) {
  return rules->m;
}

bool rules_want(const struct rules *rules, enum filter_phase phase) { return rules->wanted[phase]; }

int rules_check(const char *program, const struct mts_settings *settings) {
  char why[RULES_WHY_SIZE] = "out of memory";
  struct rules *rules = NULL;
  struct event_base *base = event_base_new();
  enum mts_err err = base ? rules_new(settings, base, NULL, false, why, &rules) : MTS_ERR_NO_MEMORY;
  if (err)
    fprintf(stderr, "%s: %s\n", program, why);
  else
    printf("the settings are good%s\n", rules->L ? ", and so are the rules" : "");
  rules_free(&rules);
  if (base) event_base_free(base);
  return err ? 1 : 0;
}
