/* SPDX-License-Identifier: ISC */
#include "ruleset.h"

#include <stdlib.h>
#include <string.h>

#include "host.h"

/* ---- entering Lua ---- */

void ruleset_say_error(struct ruleset *set) {
  const char *text = lua_tostring(set->L, -1);
  env_complain(set->log, NULL, "rules", text ? text : "Lua failed without a text");
  lua_pop(set->L, 1);
}

bool ruleset_enter(struct ruleset *set, lua_CFunction function, void *argument) {
  lua_State *L = set->L;
  if (!lua_checkstack(L, 4)) return false;
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, argument);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return true;
  ruleset_say_error(set);
  return false;
}

static int run_tasks(lua_State *L) {
  const struct ruleset *set = lua_touserdata(L, 1);
  env_run(L, set->env);
  return 0;
}

void ruleset_run(struct ruleset *set, bool *well) {
  if (set->env->first && !ruleset_enter(set, run_tasks, set)) *well = false;
}

bool ruleset_is_idle(const struct ruleset *set) {
  const struct env *env = set->env;
  return set->calls == 0 && !env->first && !env->ops && !env->rule_waits;
}

/* ---- loading ---- */

struct loading {
  struct ruleset *set;
  const struct ruleset_config *config;
};

static int load(lua_State *L) {
  const struct loading *loading = lua_touserdata(L, 1);
  const struct ruleset_config *config = loading->config;
  struct ruleset *set = loading->set;
  host_open(L);
  host_take_exit(L); /* a mail server ends with its filter, or waits for its server */
  if (config->kind->open) config->kind->open(L);
  set->env = env_get(L);
  set->env->event_base = config->base;
  set->env->wake = config->wake;
  set->env->wake_arg = config->arg;
  mts_settings_free(&set->env->settings);
  if (env_copy_settings(config->settings, &set->env->settings)) return luaL_error(L, "out of memory");
  budget_begin_apart(L, set->env, "loading the rules"); /* mail waits for it */
  lua_getglobal(L, "require");
  lua_pushliteral(L, "mtasts.rules");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "load");
  lua_pushstring(L, config->file);
  lua_call(L, 1, 2);
  budget_end_apart(L, set->env);
  if (!lua_toboolean(L, -2)) return lua_error(L);
  if (set->env->fake && !config->may_tell)
    return luaL_error(L, "the rules open a told world (mtasts.fake): mail is not for that; try them with mtasts replay");
  if (config->kind->ask) set->ask = config->kind->ask(L, set->wanted);
  set->env->settled = true;
  return 0;
}

enum mts_err ruleset_new(const struct ruleset_config *config, char why[RULES_WHY_SIZE], struct ruleset **set) {
  struct ruleset *made = calloc(1, sizeof *made);
  memccpy(why, "out of memory", 0, RULES_WHY_SIZE);
  if (!made) return MTS_ERR_NO_MEMORY;
  made->log = config->log;
  made->kind = config->kind;
  made->L = host_state(&made->used);
  if (!made->L) {
    free(made);
    return MTS_ERR_NO_MEMORY;
  }
  struct loading loading = {.set = made, .config = config};
  lua_pushcfunction(made->L, load);
  lua_pushlightuserdata(made->L, &loading);
  if (lua_pcall(made->L, 1, 0, 0) != LUA_OK) {
    const char *text = lua_tostring(made->L, -1);
    memccpy(why, text ? text : "error without a text", 0, RULES_WHY_SIZE - 1);
    why[RULES_WHY_SIZE - 1] = 0;
    ruleset_free(&made, NULL);
    return MTS_ERR_SETTING;
  }
  *set = made;
  return MTS_OK;
}

/* ---- its end ---- */

static int inherit(lua_State *L) {
  const struct ruleset *from = lua_touserdata(L, 1);
  from->kind->inherit(from->L, L);
  return 0;
}

void ruleset_free(struct ruleset **set, struct ruleset *heir) {
  struct ruleset *it = *set;
  if (!it) return;
  *set = NULL;
  if (heir && it->kind->inherit) ruleset_enter(heir, inherit, it);
  if (it->env) env_let_lookups_go(it->env);
  lua_close(it->L);
  free(it);
}
