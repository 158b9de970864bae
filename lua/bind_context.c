/* SPDX-License-Identifier: ISC
 * Settings, clock and log, as Lua functions. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/nearest.h"
#include "base/shared_url.h"
#include "env.h"
#include "resolve/context.h"

/* The value at the top as the text of a setting; left on the stack. */
static const char *setting_text(lua_State *L, const char *name) {
  switch (lua_type(L, -1)) {
    case LUA_TBOOLEAN:
      return lua_toboolean(L, -1) ? "yes" : "no";
    case LUA_TNUMBER:
    case LUA_TSTRING: {
      lua_pushvalue(L, -1);
      lua_replace(L, -2);
      size_t length;
      const char *text = lua_tolstring(L, -1, &length);
      if (strlen(text) != length) luaL_error(L, "setting '%s': a zero byte has no place in it", name);
      return text;
    }
    case LUA_TTABLE: {
      luaL_Buffer buffer;
      int list = lua_gettop(L);
      lua_Integer count = luaL_len(L, list);
      luaL_buffinit(L, &buffer);
      for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, list, i);
        if (lua_type(L, -1) != LUA_TSTRING)
          luaL_error(L, "setting '%s': element %d is a %s, not a string", name, (int)i, luaL_typename(L, -1));
        luaL_addvalue(&buffer);
        luaL_addchar(&buffer, ' ');
      }
      luaL_pushresult(&buffer);
      lua_replace(L, list);
      return lua_tostring(L, list);
    }
    default:
      luaL_error(L, "setting '%s': a %s cannot be a value", name, luaL_typename(L, -1));
      return NULL;
  }
}

struct holder {
  struct mts_settings *settings;
};
static int holder_gc(lua_State *L) {
  mts_settings_free(&((struct holder *)lua_touserdata(L, 1))->settings);
  return 0;
}

/* configure{name = value, ...}: all or nothing */
static int l_configure(lua_State *L) {
  struct env *env = env_get(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  env_outside(L, env);
  env_unsettled(L, env);
  struct holder *holder = lua_newuserdatauv(L, sizeof *holder, 0);
  holder->settings = NULL;
  lua_newtable(L);
  lua_pushcfunction(L, holder_gc);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  if (env_copy_settings(env->settings, &holder->settings)) return luaL_error(L, "out of memory");
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) return luaL_error(L, "settings have names, not a %s", luaL_typename(L, -2));
    const char *name = lua_tostring(L, -2);
    const char *value = setting_text(L, name);
    enum mts_err err = mts_settings_set(holder->settings, name, value);
    if (err) return luaL_error(L, "%s", err == MTS_ERR_SETTING ? mts_settings_why(holder->settings) : mts_err_message(err));
    lua_pop(L, 1);
  }
  env_drop_context(env);
  mts_settings_free(&env->settings); /* not left to the holder's finalizer, which Lua forgets when it cannot allocate */
  env->settings = holder->settings;
  holder->settings = NULL;
  return 0;
}

/* As it may be shown: the password in a URL is not. */
static void push_shown(lua_State *L, const char *value) {
  luaL_Buffer buffer;
  size_t size = strlen(value) + 8;
  char *shown = luaL_buffinitsize(L, &buffer, size);
  mts_shared_url_show(value, shown, size);
  luaL_pushresultsize(&buffer, strlen(shown));
}

/* settings() -> {name = {value, type, default, meaning}} */
static int l_settings(lua_State *L) {
  const struct env *env = env_get(L);
  const char *name, *type, *fallback, *meaning;
  lua_newtable(L);
  for (size_t i = 0; mts_settings_describe(i, &name, &type, &fallback, &meaning); i++) {
    lua_newtable(L);
    push_shown(L, mts_settings_get(env->settings, name));
    lua_setfield(L, -2, "value");
    lua_pushstring(L, type);
    lua_setfield(L, -2, "type");
    lua_pushstring(L, fallback);
    lua_setfield(L, -2, "default");
    lua_pushstring(L, meaning);
    lua_setfield(L, -2, "meaning");
    lua_setfield(L, -2, name);
  }
  return 1;
}

/* setting(name) -> its value, without making the whole table */
static int l_setting(lua_State *L) {
  const char *value = mts_settings_get(env_get(L)->settings, luaL_checkstring(L, 1));
  luaL_argcheck(L, value, 1, "no such setting");
  push_shown(L, value);
  return 1;
}

static int l_now(lua_State *L) {
  struct env *env = env_get(L);
  lua_pushinteger(L, env->m || env->fake ? mts_now(env_context(L, env)) : mts_clock_now_s(&mts_clock_real));
  return 1;
}

/* log(level, domain or nil, text) */
static int l_log(lua_State *L) {
  static const char *const levels[] = {"error", "warning", "info", "debug", NULL};
  struct env *env = env_get(L);
  int level = luaL_checkoption(L, 1, NULL, levels);
  const char *domain = luaL_optstring(L, 2, NULL), *text = luaL_checkstring(L, 3);
  env_context(L, env);
  env_log(env, level, domain, text);
  return 0;
}

/* nearest(word, {candidates}) -> string or nil */
static int l_nearest(lua_State *L) {
  const char *word = luaL_checkstring(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  const char *candidates[64] = {NULL};
  lua_settop(L, 2);
  luaL_checkstack(L, 70, NULL);
  size_t count = 0;
  for (lua_Integer i = 1; i <= luaL_len(L, 2) && count < 64; i++) {
    lua_geti(L, 2, i);
    candidates[count++] = luaL_checkstring(L, -1);
  }
  lua_pushstring(L, mts_nearest(word, candidates, count));
  return 1;
}

static int l_stdout_is_terminal(lua_State *L) {
  lua_pushboolean(L, isatty(STDOUT_FILENO));
  return 1;
}

const luaL_Reg context_functions[] = {{"configure", l_configure},
                                      {"settings", l_settings},
                                      {"setting", l_setting},
                                      {"now", l_now},
                                      {"log", l_log},
                                      {"nearest", l_nearest},
                                      {"stdout_is_terminal", l_stdout_is_terminal},
                                      {NULL, NULL}};
