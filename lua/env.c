/* SPDX-License-Identifier: ISC
 * The environment of a Lua state: its settings, its context, what is under way in it. */
#include "env.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/nearest.h"
#include "resolve/context.h"

static const char env_key;

void env_cancel_all(struct env *env) {
  while (env->ops) {
    struct op *op = env->ops;
    op_end(op);
    op->err = MTS_ERR_CANCELLED;
    op_done(op);
  }
}

void env_drop_context(struct env *env) {
  env_cancel_all(env);
  env->in_core++;
  if (env->keeps_context)
    env->m = NULL;
  else
    mts_free(&env->m);
  env->in_core--;
}

static void free_waits(struct rule_wait **list) {
  while (*list) {
    struct rule_wait *wait = *list;
    *list = wait->next;
    free(wait);
  }
}

static int env_gc(lua_State *L) {
  struct env *env = lua_touserdata(L, 1);
  env_drop_context(env);
  free_waits(&env->rule_waits);
  free_waits(&env->spare_waits);
  shared_answers_free(&env->shared);
  mts_fake_free(&env->fake);
  mts_settings_free(&env->settings);
  mts_settings_free(&env->saved);
  return 0;
}

struct env *env_get(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &env_key) == LUA_TUSERDATA) {
    struct env *env = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return env;
  }
  lua_pop(L, 1);
  struct env *env = lua_newuserdatauv(L, sizeof *env, 0);
  memset(env, 0, sizeof *env);
  lua_newtable(L);
  lua_pushcfunction(L, env_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  env->main = lua_tothread(L, -1);
  lua_pop(L, 1);
  /* In the registry before it owns anything: Lua forgets the finalizer of what it collects while it cannot allocate. */
  lua_rawsetp(L, LUA_REGISTRYINDEX, &env_key);
  if (mts_settings_new(&env->settings)) {
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &env_key);
    luaL_error(L, "out of memory");
  }
  return env;
}

void env_outside(lua_State *L, const struct env *env) {
  if (env->in_core) luaL_error(L, "mtasts cannot be used here: it is in the middle of its own work (a finalizer must not call it)");
}

void env_unsettled(lua_State *L, const struct env *env) {
  if (env->settled) luaL_error(L, "too late: the rules are loaded, and this program keeps its settings and its world");
}

struct mts *env_context(lua_State *L, struct env *env) {
  if (env->m) return env->m;
  enum mts_err err = mts_new(env->settings, &env->m);
  if (err) luaL_error(L, "mtasts cannot start: %s", mts_err_message(err));
  if (env->event_base) mts_lend_loop(env->m, env->event_base);
  if (env->fake) mts_lend_net(env->m, mts_fake_net(env->fake));
  if (env->attach_rules) env->attach_rules(env);
  return env->m;
}

struct mts *env_give_context(lua_State *L, struct env *env) {
  struct mts *m = env_context(L, env);
  env->keeps_context = true;
  return m;
}

void env_log(struct env *env, int level, const char *domain, const char *text) {
  if (env->m) mts_log_write(env->m->log, (enum mts_log_level)level, domain, "%s", text);
}

/* The first FILE:LINE: in the text. */
static struct mts_span place_in(const char *text) {
  for (const char *colon = strchr(text, ':'); colon; colon = strchr(colon + 1, ':')) {
    size_t digits = strspn(colon + 1, "0123456789");
    if (digits == 0 || colon[1 + digits] != ':') continue;
    const char *begin = colon;
    while (begin > text && !strchr(" |\t\n", begin[-1])) begin--;
    if (begin < colon) return mts_span(begin, (size_t)(colon - begin) + 1 + digits);
  }
  return mts_span(text, 0);
}

void env_complain(struct mts_log *log, const char *domain, const char *where, const char *text) {
  char key[512];
  struct mts_span place = place_in(text);
  if (place.n >= sizeof key) place = mts_span(place.p + place.n - (sizeof key - 1), sizeof key - 1);
  mts_text_format(key, sizeof key, "%.*s", (int)place.n, place.p);
  mts_log_seldom(log, MTS_LOG_ERROR, place.n ? key : where, domain, "%s", text);
}

void env_one_line(const struct task *task, char line[ENV_LINE_SIZE]) {
  const char *text = lua_type(task->co, -1) == LUA_TSTRING ? lua_tostring(task->co, -1) : "a rule failed without a text";
  size_t n = 0;
  for (; *text && n < ENV_LINE_SIZE - 1; text++) line[n++] = (char)(*text == '\n' ? '|' : *text == '\t' ? ' ' : *text);
  line[n] = 0;
}

/* ---- options ---- */

/* After lua_next. NULL: it has none. */
static const char *option_key(lua_State *L) { return lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : NULL; }

void refuse_option(lua_State *L, int index, const char *const *known, size_t count) {
  const char *key = option_key(L);
  if (!key) luaL_argerror(L, index, lua_pushfstring(L, "options have names, not a %s", luaL_typename(L, -2)));
  const char *near = mts_nearest(key, known, count);
  luaL_argerror(L, index,
                near ? lua_pushfstring(L, "unknown option '%s'; did you mean '%s'?", key, near)
                     : lua_pushfstring(L, "unknown option '%s'", key));
}

bool check_options(lua_State *L, int index, const char *const *known, size_t count) {
  if (lua_isnoneornil(L, index)) return false;
  luaL_checktype(L, index, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    const char *key = option_key(L);
    size_t i = 0;
    while (key && i < count && strcmp(key, known[i]) != 0) i++;
    if (!key || i == count) refuse_option(L, index, known, count);
  }
  return true;
}

enum mts_err env_copy_settings(const struct mts_settings *from, struct mts_settings **to) { return settings_copy(from, to); }
