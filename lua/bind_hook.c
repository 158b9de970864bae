/* SPDX-License-Identifier: ISC
 * Rules: each is asked in a task of its own while its lookup waits. Chaining, expiry and failures are handled by mtasts.lua. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "env.h"
#include "resolve/context.h"

static void copy_text(char *to, size_t size, const char *from) { mts_text_clean(to, size, mts_span_of(from)); }

/* ---- rules ---- */

struct question {
  struct rule_wait *wait;
  enum mts_hook hook;
  const struct mts_answer *so_far;
};

#define SPARE_MOST 64

/* Nearly each lookup needs one for a moment. */
static void put_by(struct rule_wait *wait) {
  struct env *env = wait->env;
  if (env->spare_wait_count >= SPARE_MOST) {
    free(wait);
    return;
  }
  wait->next = env->spare_waits;
  env->spare_waits = wait;
  env->spare_wait_count++;
}

static struct rule_wait *take_wait(struct env *env) {
  struct rule_wait *wait = env->spare_waits;
  if (!wait) return malloc(sizeof *wait);
  env->spare_waits = wait->next;
  env->spare_wait_count--;
  return wait;
}

static void forget(struct rule_wait *wait) {
  struct rule_wait **at = &wait->env->rule_waits;
  while (*at && *at != wait) at = &(*at)->next;
  if (*at) *at = wait->next;
  put_by(wait);
}

/* Results of a rule: nothing, or mode, reason, until. */
static void rule_done(struct task *task) {
  struct rule_wait *wait = task->ended_arg;
  struct mts_lookup *lookup = wait->lookup;
  struct env *env = wait->env;
  lua_State *co = task->co;
  struct mts_opinion opinion = {0};
  bool has = false;
  if (!task->ok) {
    char line[ENV_LINE_SIZE];
    env_one_line(task, line);
    if (env->m) env_complain(env->m->log, wait->domain, "rule", line);
  } else if (lua_gettop(co) >= 3 && lua_type(co, 1) == LUA_TSTRING && lua_type(co, 2) == LUA_TSTRING) {
    has = mts_mode_from_name(lua_tostring(co, 1), &opinion.mode);
    copy_text(opinion.reason, sizeof opinion.reason, lua_tostring(co, 2));
    opinion.until = lua_tointeger(co, 3);
  }
  forget(wait);
  env->in_core++;
  mts_lookup_resume(lookup, has ? &opinion : NULL);
  env->in_core--;
}

/* Protected: called by lua_pcall within the core. Runs no rule, only puts one in line. */
static int make_rule(lua_State *L) {
  const struct question *question = lua_touserdata(L, 1);
  struct rule_wait *wait = question->wait;
  lua_rawgeti(L, LUA_REGISTRYINDEX, wait->env->hooks[question->hook == MTS_HOOK_POLICY ? ENV_POLICY : ENV_VERDICT]);
  push_lent_answer(L, wait->env, question->so_far);
  struct task *task = task_again(L, wait->env, 1);
  task->ended = rule_done;
  task->ended_arg = wait;
  task->in_rule = true;
  budget_begin(task);
  wait->task = task;
  return 0;
}

static bool call_protected(struct env *env, lua_CFunction function, void *arg, const char *domain) {
  lua_State *L = env->main;
  if (!lua_checkstack(L, 4)) return false;
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, arg);
  env->in_core++; /* on a loop of the program's own nobody else says so */
  int status = lua_pcall(L, 1, 0, 0);
  env->in_core--;
  if (status == LUA_OK) return true;
  env_log(env, MTS_LOG_ERROR, domain, lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "a rule cannot be asked");
  lua_pop(L, 1);
  return false;
}

static enum mts_hook_result ask(void *arg, enum mts_hook hook, struct mts_lookup *lookup, const struct mts_answer *so_far,
                                struct mts_opinion *opinion) {
  (void)opinion;
  struct env *env = arg;
  if (!env->hooks[hook == MTS_HOOK_POLICY ? ENV_POLICY : ENV_VERDICT]) return MTS_HOOK_NO_OPINION;
  struct rule_wait *wait = take_wait(env);
  if (!wait) return MTS_HOOK_NO_OPINION;
  wait->env = env;
  wait->lookup = lookup;
  wait->task = NULL;
  memccpy(wait->domain, so_far->domain, 0, sizeof wait->domain);
  struct question question = {.wait = wait, .hook = hook, .so_far = so_far};
  if (!call_protected(env, make_rule, &question, so_far->domain)) {
    if (wait->task) wait->task->ended = NULL;
    put_by(wait);
    return MTS_HOOK_NO_OPINION;
  }
  wait->next = env->rule_waits;
  env->rule_waits = wait;
  return MTS_HOOK_WAITS;
}

/* The rule may go on, but nobody waits for what it says. */
static void cancelled(void *arg, struct mts_lookup *lookup) {
  struct rule_wait *wait = NULL;
  for (struct env *env = arg; env && !wait; env = env->previous) {
    wait = env->rule_waits;
    while (wait && wait->lookup != lookup) wait = wait->next;
  }
  if (!wait) return;
  wait->task->ended = NULL;
  forget(wait);
}

/* ---- alarms ---- */

struct alarm {
  struct env *env;
  const char *domain;
  int64_t expires_at, failing_since;
  const struct mts_failure *last;
};

static int make_alarm(lua_State *L) {
  const struct alarm *alarm = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, alarm->env->hooks[ENV_ALARM]);
  lua_pushstring(L, alarm->domain);
  lua_createtable(L, 0, 3);
  set_time(L, "expires_at", alarm->expires_at);
  set_time(L, "failing_since", alarm->failing_since);
  push_error(L, alarm->last->err, alarm->domain, alarm->last->detail);
  lua_setfield(L, -2, "error");
  budget_begin(task_new(L, alarm->env, 2));
  return 0;
}

static void alarmed(void *arg, const char *domain, int64_t expires_at, int64_t failing_since, const struct mts_failure *last) {
  struct alarm alarm = {.env = arg, .domain = domain, .expires_at = expires_at, .failing_since = failing_since, .last = last};
  if (alarm.env->hooks[ENV_ALARM]) call_protected(arg, make_alarm, &alarm, domain);
}

/* ---- sessions that were counted ---- */

static int make_counted(lua_State *L) {
  const struct mts_session *session = lua_touserdata(L, 1);
  struct env *env = env_get(L);
  lua_rawgeti(L, LUA_REGISTRYINDEX, env->hooks[ENV_SESSION]);
  lua_createtable(L, 0, 11);
  set_text(L, "domain", session->domain);
  set_text(L, "policy_type", mts_policy_type_name(session->type));
  if (session->policy) set_text(L, "mode", mts_mode_name(session->policy->mode));
  set_text(L, "mx", session->mx);
  set_text(L, "address", session->address);
  set_text(L, "source", session->source);
  set_text(L, "helo", session->helo);
  set_flag(L, "ok", session->err == MTS_OK);
  set_text(L, "result", session->err ? mts_err_result_type(session->err) : NULL);
  set_text(L, "reason", session->reason);
  set_time(L, "time", mts_now(env->m));
  read_only(L, "mtasts.counted");
  struct task *task = task_new(L, env, 1);
  task->in_session = true;
  budget_begin(task);
  return 0;
}

void env_session_counted(struct env *env, const struct mts_session *session) {
  struct mts_session lent = *session;
  if (env->hooks[ENV_SESSION] && env->m && !(env->current && env->current->in_session))
    call_protected(env, make_counted, &lent, session->domain);
}

static void attach(struct env *env) {
  if (!env->m) return;
  mts_set_hooks(env->m, env->hooks[ENV_POLICY] || env->hooks[ENV_VERDICT] ? ask : NULL, alarmed, env);
  mts_set_hook_cancelled(env->m, cancelled);
}

void env_take_context(struct env *env, struct mts *m, struct env *previous) {
  env_drop_context(env); /* what was needed while the rules were loaded */
  env->m = m;
  env->keeps_context = true;
  env->previous = previous;
  mts_set_hooks(m, NULL, NULL, env);
  mts_set_hook_cancelled(m, cancelled);
  if (env->attach_rules) env->attach_rules(env);
}

void env_let_lookups_go(struct env *env) {
  while (env->rule_waits) {
    struct mts_lookup *lookup = env->rule_waits->lookup;
    env->rule_waits->task->ended = NULL;
    forget(env->rule_waits);
    env->in_core++;
    mts_lookup_resume(lookup, NULL);
    env->in_core--;
  }
}

/* complain(domain or nil, where, text): a line for the log, seldom; see env_complain */
static int l_complain(lua_State *L) {
  struct env *env = env_get(L);
  const char *domain = luaL_optstring(L, 1, NULL), *where = luaL_checkstring(L, 2), *text = luaL_checkstring(L, 3);
  env_complain(env_context(L, env)->log, domain, where, text);
  return 0;
}

/* ---- asking in the order in which they were loaded ---- */

/* In C, for it runs with each lookup: what its own steps cost is not counted as the rule's, either. Upvalues of an asker, and its frame. */
enum { HOOKS_OF = 1, KIND, TRACE, JUDGE, UPVALUES = JUDGE };
enum { ANSWER = 1, LIST, HANDLER };
#define OPINION 3 /* mode, reason, until */

static int asked_one(lua_State *L, int status, lua_KContext number);

static int ask_next(lua_State *L, lua_KContext number) {
  while (lua_rawgeti(L, LIST, ++number) != LUA_TNIL) {
    lua_pushvalue(L, ANSWER);
    int status = lua_pcallk(L, 1, 1, HANDLER, number, asked_one);
    if (status != LUA_OK || !lua_isnil(L, -1)) return asked_one(L, status, number);
    lua_pop(L, 1);
  }
  return 0;
}

static int asked_one(lua_State *L, int status, lua_KContext number) {
  bool ok = status == LUA_OK || status == LUA_YIELD;
  if (!ok || !lua_isnil(L, -1)) {
    lua_pushvalue(L, lua_upvalueindex(JUDGE));
    lua_pushinteger(L, (lua_Integer)number);
    lua_pushboolean(L, ok);
    lua_pushvalue(L, ANSWER);
    lua_pushvalue(L, HANDLER + 1);
    lua_call(L, 4, OPINION);
    if (!lua_isnil(L, -OPINION)) return OPINION;
  }
  lua_settop(L, HANDLER);
  return ask_next(L, number);
}

static int ask_all(lua_State *L) {
  lua_settop(L, 1);
  if (lua_getfield(L, lua_upvalueindex(HOOKS_OF), "hooks") != LUA_TTABLE) return 0;
  lua_pushvalue(L, lua_upvalueindex(KIND));
  if (lua_rawget(L, -2) != LUA_TTABLE) return 0;
  lua_replace(L, LIST);
  lua_pushvalue(L, lua_upvalueindex(TRACE));
  return ask_next(L, 0);
}

/* asker(rules, kind, trace, judge(number, ok, answer, value) -> mode, reason, until or nothing) -> function(answer) -> the first opinion; asks
 * those in rules.hooks[kind], and what one of them returned or raised goes to judge, unless it was nil */
static int l_asker(lua_State *L) {
  luaL_checktype(L, HOOKS_OF, LUA_TTABLE);
  luaL_checktype(L, KIND, LUA_TSTRING);
  luaL_checktype(L, TRACE, LUA_TFUNCTION);
  luaL_checktype(L, JUDGE, LUA_TFUNCTION);
  lua_settop(L, UPVALUES);
  lua_pushcclosure(L, ask_all, UPVALUES);
  return 1;
}

/* set_hook(kind, function): there are hooks of this kind now, which the function asks. For policy and verdict it gets the answer and returns
 * mode, reason, until, or nothing; for alarm domain and details; for session the session. */
static int l_set_hook(lua_State *L) {
  static const char *const kinds[] = {
      [ENV_POLICY] = "policy", [ENV_VERDICT] = "verdict", [ENV_ALARM] = "alarm", [ENV_SESSION] = "session", [ENV_HOOKS] = NULL};
  struct env *env = env_get(L);
  int kind = luaL_checkoption(L, 1, NULL, kinds);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  int before = env->hooks[kind];
  env->hooks[kind] = luaL_ref(L, LUA_REGISTRYINDEX);
  if (before) luaL_unref(L, LUA_REGISTRYINDEX, before);
  env->attach_rules = attach;
  attach(env);
  return 0;
}

const luaL_Reg hook_functions[] = {{"set_hook", l_set_hook}, {"asker", l_asker}, {"complain", l_complain}, {NULL, NULL}};
