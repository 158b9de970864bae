/* SPDX-License-Identifier: ISC
 * Waiting: coroutines of ours yield, everybody else drives the loop. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "env.h"
#include "overtime.h"
#include "seen.h"

#define OP_NAME "mtasts.operation"
#define TASK_NAME "mtasts.task"
static const char tasks_key; /* registry: coroutine -> task, until it is done */

static int op_gc(lua_State *L) {
  struct op *op = luaL_checkudata(L, 1, OP_NAME);
  op_end(op);
  mts_answer_free(&op->answer);
  seen_free(&op->seen);
  /* Its coroutine was closed by somebody else: who waits for the coroutine is told. */
  waitable_done(&op->wait);
  return 0;
}

void op_new(lua_State *L, struct env *env, enum op_kind kind, const char *subject, struct op **op) {
  struct op *made = lua_newuserdatauv(L, sizeof *made, 0);
  *made = (struct op){.env = env, .kind = kind};
  luaL_setmetatable(L, OP_NAME);
  if (subject) op_link(made, subject);
  *op = made;
}

/* ---- tasks ---- */

/* What is begun by a task counts as a part of it. */
static void inherit(struct task *task) {
  const struct task *from = task->env->current;
  if (!from) return;
  task->in_rule = from->in_rule;
  task->in_session = from->in_session;
  task->budget.limited = from->budget.limited;
  task->budget.co = task->co;
}

enum { COROUTINE = 1, FAMILY }; /* user values of a task */

/* A rule that begins others has no more for all of them than for itself. The task is on top. */
static void share_budget(lua_State *L, struct task *task) {
  struct task *from = task->env->current;
  if (!from || !from->budget.limited) return;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key);
  lua_pushthread(from->co);
  lua_xmove(from->co, L, 1);
  lua_rawget(L, -2);
  if (!from->budget.of_family) {
    uint64_t *spent = lua_newuserdatauv(L, sizeof *spent, 0);
    *spent = from->budget.spent;
    lua_setiuservalue(L, -2, FAMILY);
    from->budget.of_family = spent;
  }
  lua_getiuservalue(L, -1, FAMILY);
  lua_setiuservalue(L, -4, FAMILY);
  task->budget.of_family = from->budget.of_family;
  lua_pop(L, 2);
}

struct task *task_new(lua_State *L, struct env *env, int n) {
  luaL_checkstack(L, 8, NULL);
  struct task *task = lua_newuserdatauv(L, sizeof *task, FAMILY);
  *task = (struct task){.env = env};
  luaL_setmetatable(L, TASK_NAME);
  share_budget(L, task);
  task->co = lua_newthread(L);
  inherit(task);
  if (task->budget.limited) budget_count(task->co); /* who begins it may not be counted yet */
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, -3, COROUTINE);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key);
  lua_pushvalue(L, -2);
  lua_pushvalue(L, -4);
  lua_rawset(L, -3);
  lua_pop(L, 2);
  /* fn, arguments, task: the task goes below and the rest moves to the coroutine */
  lua_insert(L, -(n + 2));
  if (!lua_checkstack(task->co, n + 8)) luaL_error(L, "too many arguments");
  lua_xmove(L, task->co, n + 1);
  task_ready(task);
  return task;
}

static struct task *task_of(lua_State *L, const struct env *env) {
  if (env->current && env->current->co == L) return env->current; /* nearly always */
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key);
  lua_pushthread(L);
  lua_rawget(L, -2);
  struct task *task = lua_touserdata(L, -1);
  lua_pop(L, 2);
  return task;
}

#define SPARE_MOST 64

/* What is called again and again serves again. Raises nothing. false: it ends for good. */
static bool put_by(struct task *task) {
  struct env *env = task->env;
  if (!task->serves_again || !task->ok || env->spare_count >= SPARE_MOST) return false;
  task->wait.done = true;
  waitable_done(&task->wait);
  if (task->ended) task->ended(task);
  lua_settop(task->co, 0);
  task->next = env->spare;
  env->spare = task;
  env->spare_count++;
  return true;
}

static void task_end(lua_State *L, struct task *task, bool ok) {
  task->ok = ok;
  if (put_by(task)) return;
  task->wait.done = true;
  waitable_done(&task->wait);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key);
  lua_pushthread(task->co);
  lua_xmove(task->co, L, 1);
  lua_pushvalue(L, -1); /* holds the coroutine while its results are read */
  lua_pushnil(L);
  lua_rawset(L, -4);
  if (task->ended) task->ended(task);
  lua_pop(L, 2);
}

/* What it left to be closed runs now. */
static void close_on_its_budget(struct task *task) {
  struct task *outer = task->env->current;
  task->env->current = task;
  lua_resetthread(task->co);
  task->env->current = outer;
}

void task_kill(lua_State *L, struct task *task, const char *why) {
  if (task->wait.done) return;
  task_unready(task);
  if (task->waits_for) task->waits_for->waiter = NULL;
  task->waits_for = NULL;
  close_on_its_budget(task);
  lua_settop(task->co, 0);
  lua_pushstring(task->co, why);
  task_end(L, task, false);
}

/* Code in Lua can keep a coroutine of ours (coroutine.running), and later close or resume it. */
static bool is_as_left(const struct task *task) {
  int status = lua_status(task->co);
  return task->started ? status == LUA_YIELD : status == LUA_OK && lua_gettop(task->co) > 0;
}

/* Raises nothing. */
static int resume(lua_State *L, struct task *task, int count) {
  task->started = true;
  task->waits_for = NULL;
  task->budget.looked_ms = 0;
  struct task *outer = task->env->current;
  task->env->current = task;
  int status = lua_resume(task->co, L, count, &count);
  task->env->current = outer;
  if (status == LUA_YIELD) lua_pop(task->co, count);
  return status;
}

static void resumed(lua_State *L, struct task *task, int status) {
  lua_State *co = task->co;
  if (status == LUA_YIELD) {
    if (!task->waits_for) task_kill(L, task, "coroutine.yield has nobody to yield to here: only mtasts functions may wait");
  } else if (status == LUA_OK) {
    task_end(L, task, true);
  } else {
    const char *message = lua_type(co, -1) == LUA_TSTRING ? lua_tostring(co, -1) : NULL;
    if (message) {
      luaL_traceback(L, co, message, 0);
      /* Who was stopped has no hooks any more, and what it left to be closed could run for ever. */
      if (!task->budget.stopped) {
        close_on_its_budget(task);
        lua_settop(co, 0);
      }
      if (!lua_checkstack(co, 1)) luaL_error(L, "out of memory");
      lua_xmove(L, co, 1);
    }
    task_end(L, task, false);
  }
}

static void task_run(lua_State *L, struct task *task) {
  if (task->wait.done) return;
  if (is_as_left(task))
    resumed(L, task, resume(L, task, task->started ? 0 : lua_gettop(task->co) - 1));
  else
    task_kill(L, task, "the coroutine was closed or resumed by somebody else");
}

static bool run_first(lua_State *L, struct env *env) {
  struct task *task = env->first;
  if (!task) return false;
  env->first = task->next;
  if (!env->first) env->last = NULL;
  task->queued = false;
  luaL_checkstack(L, 16, NULL);
  /* Tasks in line are anchored by the registry; once done, by this. */
  lua_pushthread(task->co);
  lua_xmove(task->co, L, 1);
  task_run(L, task);
  lua_pop(L, 1);
  return true;
}

/* ---- tasks that serve again ---- */

static void add_spare(lua_State *L, struct env *env) {
  lua_pushnil(L);
  struct task *task = task_new(L, env, 0);
  task_unready(task);
  lua_settop(task->co, 0);
  task->serves_again = task->ok = true;
  task->ended = NULL;
  put_by(task);
  lua_pop(L, 1);
}

/* There is one. */
static struct task *take_spare(struct env *env) {
  struct task *task = env->spare;
  lua_State *co = task->co;
  env->spare = task->next;
  env->spare_count--;
  mts_bytes_clear(task, sizeof *task);
  task->env = env;
  task->co = co;
  task->serves_again = true;
  return task;
}

struct task *task_again(lua_State *L, struct env *env, int n) {
  luaL_checkstack(L, 8, NULL);
  if (!env->spare) add_spare(L, env);
  if (!lua_checkstack(env->spare->co, n + 8)) luaL_error(L, "too many arguments");
  struct task *task = take_spare(env);
  inherit(task);
  lua_xmove(L, task->co, n + 1);
  task_ready(task);
  return task;
}

/* ---- calls from outside of Lua ---- */

struct call {
  struct env *env;
  struct task *task;
  int status;
};

static int make_spare(lua_State *L) {
  const struct call *call = lua_touserdata(L, 1);
  add_spare(L, call->env);
  return 0;
}

static int end_call(lua_State *L) {
  const struct call *call = lua_touserdata(L, 1);
  luaL_checkstack(L, 16, NULL);
  lua_pushthread(call->task->co); /* anchors it */
  lua_xmove(call->task->co, L, 1);
  resumed(L, call->task, call->status);
  return 0;
}

/* function(call as light userdata). false: the error is on the stack. */
static bool protected(lua_State *L, lua_CFunction function, struct call *call) {
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, call);
  return lua_pcall(L, 1, 0, 0) == LUA_OK;
}

bool task_call(lua_State *L, struct env *env, const struct task_call *what) {
  struct call call = {.env = env};
  if (!env->spare && !protected(L, make_spare, &call)) return false;
  struct task *task = take_spare(env);
  lua_State *co = task->co;
  task->ended = what->ended;
  task->ended_arg = what->ended_arg;
  *what->task = task;
  lua_rawgeti(co, LUA_REGISTRYINDEX, what->function);
  lua_pushlightuserdata(co, what->argument);
  call.task = task;
  struct overtime outer;
  bool late = budget_begin_late(task, &outer);
  call.status = resume(L, task, 1);
  if (late) {
    overtime_end(&outer);
    if (call.status != LUA_OK) budget_count(co); /* it goes on, or what it left to be closed runs */
  }
  task->ok = call.status == LUA_OK;
  /* Nearly all end here. A coroutine is a protected call itself; only what follows an error could raise another one. */
  bool over = task->ok ? put_by(task) : call.status == LUA_YIELD && task->waits_for;
  return over || protected(L, end_call, &call);
}

void env_run(lua_State *L, struct env *env) {
  env_outside(L, env);
  while (run_first(L, env)) continue;
}

#define HEED_MS 50 /* the longest a person who presses Ctrl-C waits */

/* One step: a task in line, or a turn of the core. false: nothing is under way. */
static bool drive(lua_State *L, struct env *env) {
  env_outside(L, env);
  if (run_first(L, env)) return true;
  if (!env->m) return false;
  env->in_core++;
  bool more = mts_turn(env->m, env->heed ? HEED_MS : -1);
  env->in_core--;
  if (env->heed) env->heed(L, env);
  return more || env->first;
}

void env_drive(lua_State *L, struct env *env) {
  while (drive(L, env)) continue;
}

int wait_for(lua_State *L, struct env *env, struct waitable *w, lua_KFunction k) {
  struct task *task = lua_isyieldable(L) ? task_of(L, env) : NULL;
  while (!w->done) {
    if (task) {
      if (w->waiter && w->waiter != task) return luaL_error(L, "another coroutine waits for this already");
      w->waiter = task;
      task->waits_for = w;
      return lua_yieldk(L, 0, (lua_KContext)w, k);
    }
    if (env->settled)
      return luaL_error(
          L,
          "nothing can wait here: only the rule itself may, not a coroutine it made, nor a function that Lua calls back "
          "(of table.sort, string.gsub, a finalizer)");
    if (!drive(L, env) && !w->done) return luaL_error(L, "nothing is under way that could end this wait");
  }
  /* An alarm that came with the result is told now: a short script may never wait again. */
  while (!task && !env->current && env->first) drive(L, env);
  return k(L, LUA_OK, (lua_KContext)w);
}

/* ---- functions ---- */

/* spawn(fn, ...) -> task: runs as soon as somebody waits */
static int l_spawn(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  task_new(L, env_get(L), lua_gettop(L) - 1);
  return 1;
}

static int await_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct task *task = (struct task *)context; /* the waitable is its first member */
  if (!task->wait.done) return wait_for(L, task->env, &task->wait, await_k);
  int all = lua_gettop(task->co), count = task->ok ? all : 1; /* of one that failed only what stands on top is a result */
  luaL_checkstack(L, count + 2, "too many results");
  if (!lua_checkstack(task->co, count)) return luaL_error(L, "out of memory");
  lua_pushboolean(L, task->ok);
  for (int i = all - count + 1; i <= all; i++) lua_pushvalue(task->co, i);
  lua_xmove(task->co, L, count);
  return count + 1;
}

/* await(task) -> true, results... or false, error */
static int l_await(lua_State *L) {
  struct task *task = luaL_checkudata(L, 1, TASK_NAME);
  return wait_for(L, task->env, &task->wait, await_k);
}

void wait_open(lua_State *L) {
  if (luaL_newmetatable(L, OP_NAME)) {
    lua_pushcfunction(L, op_gc);
    lua_setfield(L, -2, "__gc");
  }
  luaL_newmetatable(L, TASK_NAME);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &tasks_key) == LUA_TNIL) {
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &tasks_key);
  }
  lua_pop(L, 3);
}

const luaL_Reg wait_functions[] = {{"spawn", l_spawn}, {"await", l_await}, {NULL, NULL}};
