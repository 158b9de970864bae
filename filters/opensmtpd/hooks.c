/* SPDX-License-Identifier: ISC
 * In C, for it runs with each request: what its own steps cost is not counted as the rule's, either. */
#include "hooks.h"

#include <lauxlib.h>
#include <string.h>

#include "env.h"
#include "session_object.h"

/* Upvalues of ask, as mtasts.osmtpd gives them; and its frame. */
enum { HOOKS = 1, DECISIONS, TRACE, COMPLAIN, UPVALUES = COMPLAIN };
enum { SESSION = 1, VALUE, LIST, HANDLER };

/* Which hook was asked, and what was before: it must outlive a wait. */
#define FAILED 1
#define PHASE_AT 1
#define NUMBER_AT 8
static lua_KContext context(enum filter_phase phase, lua_Integer number, bool failed) {
  return (lua_KContext)number << NUMBER_AT | (lua_KContext)phase << PHASE_AT | (failed ? FAILED : 0);
}
static enum filter_phase phase_of(lua_KContext context) { return (enum filter_phase)((context >> PHASE_AT) & 0x7f); }
static lua_Integer number_of(lua_KContext context) { return (lua_Integer)(context >> NUMBER_AT); }

/* The result or the error on top counts as no opinion. */
static void complain(lua_State *L, lua_KContext at, bool ok) {
  const struct task *task = env_get(L)->current;
  const char *phase = filter_phase_name(phase_of(at));
  /* From now on nothing in Lua runs any more. */
  if (task && task->budget.stopped) {
    const char *why = luaL_tolstring(L, -1, NULL);
    lua_getfield(L, SESSION, "id");
    luaL_error(L, "session %s: hook '%s' number %I: %s", lua_tostring(L, -1), phase, number_of(at), why);
  }
  lua_pushvalue(L, lua_upvalueindex(COMPLAIN));
  lua_insert(L, -2);
  lua_pushstring(L, phase);
  lua_pushinteger(L, number_of(at));
  lua_pushvalue(L, SESSION);
  lua_pushboolean(L, ok);
  lua_rotate(L, -5, 4);
  lua_call(L, 5, 0);
}

static int decided(lua_State *L, lua_KContext at) {
  lua_rawgeti(L, -1, 1);
  lua_rawgeti(L, -2, 2);
  lua_pushinteger(L, number_of(at));
  lua_pushboolean(L, at & FAILED);
  return HOOKS_RESULTS;
}

static int asked(lua_State *L, int status, lua_KContext at);

/* Asks those after the one of context. */
static int ask_on(lua_State *L, lua_KContext at) {
  lua_Integer count = (lua_Integer)lua_rawlen(L, LIST);
  while (number_of(at) < count) {
    at = context(phase_of(at), number_of(at) + 1, at & FAILED);
    lua_rawgeti(L, LIST, number_of(at));
    lua_pushvalue(L, SESSION);
    lua_pushvalue(L, VALUE);
    int status = lua_pcallk(L, 2, 1, HANDLER, at, asked);
    if (status == LUA_OK && lua_isnil(L, -1))
      lua_pop(L, 1);
    else
      return asked(L, status, at);
  }
  if (!(at & FAILED)) return 0;
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushnil(L);
  lua_pushboolean(L, true);
  return HOOKS_RESULTS;
}

static int asked(lua_State *L, int status, lua_KContext at) {
  bool ok = status == LUA_OK || status == LUA_YIELD;
  if (ok && !lua_isnil(L, -1)) {
    lua_pushvalue(L, -1);
    if (lua_rawget(L, lua_upvalueindex(DECISIONS)) == LUA_TTABLE) return decided(L, at);
    lua_pop(L, 1);
  }
  if (!ok || !lua_isnil(L, -1)) {
    complain(L, at, ok);
    at |= FAILED;
  }
  lua_settop(L, HANDLER);
  return ask_on(L, at);
}

static int ask(lua_State *L) {
  const struct hooks_question *question = lua_touserdata(L, 1);
  enum filter_phase phase = question->phase;
  lua_settop(L, 0);
  session_object_push(L, question->session, question->id);
  if (question->value.p)
    lua_pushlstring(L, question->value.p, question->value.n);
  else
    lua_pushnil(L);
  lua_rawgeti(L, lua_upvalueindex(HOOKS), phase);
  lua_pushvalue(L, lua_upvalueindex(TRACE));
  return ask_on(L, context(phase, 0, false));
}

int hooks_open(lua_State *L, bool wanted[RULES_WANTED_MOST]) {
  lua_newtable(L); /* the lists of hooks, by phase */
  int lists = lua_gettop(L);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "mtasts.osmtpd");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "_hooks");
  lua_remove(L, -2);
  lua_call(L, 0, UPVALUES);
  for (int i = FILTER_PHASE_UNKNOWN + 1; i <= FILTER_PHASE_COMMIT; i++) {
    if (lua_getfield(L, lists + 1, filter_phase_name((enum filter_phase)i)) == LUA_TTABLE) {
      wanted[i] = luaL_len(L, -1) > 0;
      lua_rawseti(L, lists, i);
    } else {
      lua_pop(L, 1);
    }
  }
  lua_remove(L, lists + 1); /* those by name */
  lua_pushcclosure(L, ask, UPVALUES);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}
