/* SPDX-License-Identifier: ISC
 * Functions of Lua in whose place stand ours, which call them; who has no budget notices nothing. Those that loop in C, where no instruction is
 * counted: a rule's budget pays for them before they run. And those that run coroutines or finalizers, which are to be counted. */
#include <lualib.h>

#include "env.h"
#include "pattern.h"
#include "resolve/context.h"

#define IN_PATTERN "it took more than 50 million steps, most of them in a pattern of string.find, match, gmatch or gsub"
#define IN_TABLE "it took more than 50 million steps, most of them in a function of table or string"

static int original(lua_State *L) { return lua_tocfunction(L, lua_upvalueindex(1))(L); }

/* ---- patterns ---- */

/* An argument that tells a place in a text, as an offset; past its end: false. */
static bool offset(lua_State *L, int index, size_t n, size_t *at) {
  lua_Integer i = lua_tointeger(L, index); /* not there, no number: 0 */
  if (i < 0) i = (lua_Integer)n + i < 0 ? 1 : (lua_Integer)n + i + 1;
  *at = i > 0 ? (size_t)i - 1 : 0;
  return *at <= n;
}

/* The arguments of the call; false: Lua's own function will complain, or has nothing to do. */
static bool job_of(lua_State *L, bool from_init, struct pattern_job *job) {
  if (!lua_isstring(L, 1) || !lua_isstring(L, 2)) return false;
  *job = (struct pattern_job){.matches = UINT64_MAX};
  job->subject = lua_tolstring(L, 1, &job->subject_n);
  job->pattern = lua_tolstring(L, 2, &job->pattern_n);
  return !from_init || offset(L, 3, job->subject_n, &job->from);
}

static int pay(lua_State *L, uint64_t cost) {
  budget_spend(L, cost, IN_PATTERN);
  return original(L);
}

static int l_find(lua_State *L) {
  uint64_t left = budget_left(L);
  struct pattern_job job;
  if (left == UINT64_MAX || !job_of(L, true, &job)) return original(L);
  if (lua_toboolean(L, 4) || pattern_is_plain(job.pattern, job.pattern_n)) return pay(L, plain_cost(&job, left));
  job.once = job.anchors = true;
  return pay(L, pattern_cost(&job, left));
}

static int l_match(lua_State *L) {
  uint64_t left = budget_left(L);
  struct pattern_job job;
  if (left == UINT64_MAX || !job_of(L, true, &job)) return original(L);
  job.once = job.anchors = true;
  return pay(L, pattern_cost(&job, left));
}

/* All of it is paid for at once; a loop that ends early could have had it cheaper. */
static int l_gmatch(lua_State *L) {
  uint64_t left = budget_left(L);
  struct pattern_job job;
  if (left == UINT64_MAX || !job_of(L, true, &job)) return original(L);
  return pay(L, pattern_cost(&job, left));
}

static int l_gsub(lua_State *L) {
  uint64_t left = budget_left(L);
  struct pattern_job job;
  if (left == UINT64_MAX || !job_of(L, false, &job)) return original(L);
  job.anchors = true;
  if (lua_isinteger(L, 4)) job.matches = lua_tointeger(L, 4) > 0 ? (uint64_t)lua_tointeger(L, 4) : 0;
  return pay(L, pattern_cost(&job, left));
}

/* ---- loops over numbers ---- */

static void elements(lua_State *L, lua_Integer first, lua_Integer last) {
  if (last >= first) budget_spend(L, (uint64_t)last - (uint64_t)first + 1, IN_TABLE);
}

/* Its length as Lua's functions see it. */
static lua_Integer length(lua_State *L, int index) { return lua_istable(L, index) ? luaL_len(L, index) : 0; }

/* Of two empty texts Lua would go through all rounds for nothing. */
static int l_rep(lua_State *L) {
  if (budget_left(L) == UINT64_MAX || !lua_isstring(L, 1) || !lua_isinteger(L, 2) || lua_tointeger(L, 2) <= 0) return original(L);
  lua_Integer rounds = lua_tointeger(L, 2);
  if (luaL_len(L, 1) == 0 && (lua_isnoneornil(L, 3) || (lua_isstring(L, 3) && luaL_len(L, 3) == 0))) {
    lua_pushliteral(L, "");
    return 1;
  }
  /* What does not fit the memory is refused by Lua, at once. */
  elements(L, 1, rounds < (lua_Integer)1 << 30 ? rounds / 8 : 0);
  return original(L);
}

/* concat(list, sep, i, j) */
static int l_concat(lua_State *L) {
  if (budget_left(L) != UINT64_MAX && lua_istable(L, 1))
    elements(L, luaL_optinteger(L, 3, 1), lua_isnoneornil(L, 4) ? length(L, 1) : luaL_checkinteger(L, 4));
  return original(L);
}

/* move(from, first, last, to, into) */
static int l_move(lua_State *L) {
  if (budget_left(L) != UINT64_MAX && lua_isinteger(L, 2) && lua_isinteger(L, 3))
    elements(L, lua_tointeger(L, 2), lua_tointeger(L, 3));
  return original(L);
}

/* insert(list, at, value), remove(list, at) */
static int l_shift(lua_State *L) {
  bool pays = budget_left(L) != UINT64_MAX && lua_gettop(L) >= 2 && lua_isinteger(L, 2);
  if (pays) elements(L, lua_tointeger(L, 2), length(L, 1));
  return original(L);
}

static int l_sort(lua_State *L) {
  if (budget_left(L) == UINT64_MAX) return original(L);
  lua_Integer n = length(L, 1), rounds = 1;
  while (rounds < 32 && n >> rounds) rounds++;
  elements(L, 1, n < INT32_MAX ? n * rounds : 0); /* longer ones Lua refuses */
  return original(L);
}

/* ---- coroutines ---- */

/* They may be older than their task, or than its being counted. */
static void count(lua_State *L, int index) {
  lua_State *co = budget_left(L) == UINT64_MAX ? NULL : lua_tothread(L, index);
  if (co) budget_count(co);
}

/* resume(co, ...), close(co) */
static int l_enter(lua_State *L) {
  count(L, 1);
  return original(L);
}

/* Has the coroutine where the function of Lua's own has it, which is another upvalue. */
static int wrapped(lua_State *L) {
  count(L, lua_upvalueindex(1));
  return lua_tocfunction(L, lua_upvalueindex(2))(L);
}

static int l_wrap(lua_State *L) {
  int results = original(L);
  lua_CFunction resumes = lua_tocfunction(L, -1);
  if (!resumes || !lua_getupvalue(L, -1, 1)) return results;
  lua_pushcfunction(L, resumes);
  lua_pushcclosure(L, wrapped, 2);
  return 1;
}

/* ---- finalizers ---- */

/* run_finalizer(finalizer, object) -> nothing, or its error. Protected, for what it leaves to be closed is to have hooks as well. */
static int run_finalizer(lua_State *L) { return lua_pcall(L, 1, 0, 0) == LUA_OK ? 0 : 1; }

/* finalizer(object), with that of the rules as an upvalue. Lua runs finalizers without hooks; but a coroutine has hooks of its own. */
static int finalize(lua_State *L) {
  struct env *env = env_get(L);
  lua_State *co = lua_newthread(L);
  lua_pushcfunction(co, run_finalizer);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 2);
  bool apart = budget_begin_apart(co, env, "a finalizer");
  int results = 0, status = lua_resume(co, L, 2, &results);
  if (apart) budget_end_apart(co, env);
  if (status == LUA_OK && results == 0) return 0;
  const char *why = lua_type(co, -1) == LUA_TSTRING ? lua_tostring(co, -1) : "a finalizer failed without a text";
  if (env->m && budget_left(L) > 0) env_complain(env->m->log, NULL, why, why); /* else its task says why it was stopped */
  lua_xmove(co, L, 1);
  return lua_error(L);
}

/* setmetatable(object, metatable) of rules */
static int l_setmetatable(lua_State *L) {
  if (lua_type(L, 2) == LUA_TTABLE) {
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, 2) == LUA_TFUNCTION && !lua_iscfunction(L, -1)) {
      lua_pushliteral(L, "__gc");
      lua_insert(L, -2);
      lua_pushcclosure(L, finalize, 1);
      lua_rawset(L, 2);
    } else {
      lua_pop(L, 1);
    }
  }
  return original(L);
}

/* setmetatable_of(setmetatable) -> the one for rules */
static int l_setmetatable_of(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_pushcclosure(L, l_setmetatable, 1);
  return 1;
}

/* ---- putting them in place ---- */

static const luaL_Reg in_string[] = {{"find", l_find}, {"match", l_match}, {"gmatch", l_gmatch},
                                     {"gsub", l_gsub}, {"rep", l_rep},     {NULL, NULL}};
static const luaL_Reg in_table[] = {{"concat", l_concat}, {"move", l_move}, {"insert", l_shift},
                                    {"remove", l_shift},  {"sort", l_sort}, {NULL, NULL}};
static const luaL_Reg in_coroutine[] = {{"close", l_enter}, {"resume", l_enter}, {"wrap", l_wrap}, {NULL, NULL}};

/* What somebody has put in the place of Lua's own is in Lua, and counted. */
static void guard(lua_State *L, const char *library, const luaL_Reg *functions) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, library) == LUA_TTABLE) {
    for (; functions->name; functions++) {
      lua_CFunction now = lua_getfield(L, -1, functions->name) == LUA_TFUNCTION ? lua_tocfunction(L, -1) : NULL;
      if (now && now != functions->func) {
        lua_pushcclosure(L, functions->func, 1);
        lua_setfield(L, -2, functions->name);
      } else {
        lua_pop(L, 1);
      }
    }
  }
  lua_pop(L, 2);
}

/* guard(): from now on; once more does nothing */
static int l_guard(lua_State *L) {
  guard(L, LUA_STRLIBNAME, in_string);
  guard(L, LUA_TABLIBNAME, in_table);
  guard(L, LUA_COLIBNAME, in_coroutine);
  return 0;
}

/* spend(instructions) */
static int l_spend(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1);
  if (n > 0) budget_spend(L, (uint64_t)n, "it ran more than 50 million instructions, most of them to compile what it loads");
  return 0;
}

/* count_all(): from now on rules are counted from their first instruction, who calls this included: code in C that they loaded may make
 * coroutines, too */
static int l_count_all(lua_State *L) {
  struct env *env = env_get(L);
  env->counts_all = true;
  if (!env->current || !env->current->budget.limited) return 0;
  budget_count(env->current->co);
  budget_count(L);
  return 0;
}

const luaL_Reg guard_functions[] = {
    {"guard", l_guard}, {"spend", l_spend}, {"count_all", l_count_all}, {"setmetatable_of", l_setmetatable_of}, {NULL, NULL}};
