/* SPDX-License-Identifier: ISC
 * What one call of a rule may use: a rule that loops or fills the memory must not stop mail. */
#include <time.h>

#include "base/buf.h"
#include "env.h"
#include "overtime.h"

#define STEP 1000                 /* instructions between two looks */
#define FINE_STEP 50              /* the same where they are slow */
#define MOST 50000000             /* instructions: about a second */
#define MOST_MEMORY_KB (64 << 10) /* more than there was when the rule began */
#define WINDOW_MS 20              /* in which time is compared with instructions */
#define MOST_MS 5000              /* of processor time */

static uint64_t *spent_of(struct task *task) { return task->of_family ? task->of_family : &task->spent; }

static void look(lua_State *L, lua_Debug *unused);

/* FILE:LINE: of the innermost function in Lua. */
static void note_place(lua_State *L, struct task *task) {
  lua_Debug at;
  for (int level = 0; level < 10 && lua_getstack(L, level, &at) != 0; level++) {
    lua_getinfo(L, "Sl", &at);
    if (at.currentline <= 0) continue;
    mts_text_format(task->place, sizeof task->place, "%s:%d: ", at.short_src, at.currentline);
    return;
  }
}

/* From now on every instruction fails, so that a pcall of the rule's own cannot go on either. */
static void stop(lua_State *L, struct task *task, const char *why) {
  if (!task->stopped) note_place(L, task);
  task->stopped = why;
  lua_sethook(L, look, LUA_MASKCOUNT, 1);
  budget_count(task->co); /* if L is a coroutine of its own */
  lua_pushfstring(L, "%sa rule was stopped: %s", task->place, why);
  lua_error(L);
}

static int64_t clock_ms(clockid_t which) {
  struct timespec now = {0};
  clock_gettime(which, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* An instruction that takes long is a call of a function in C: time of the processor counts where it is more than the instructions would
 * have taken. Asked is a clock that costs nearly nothing; how busy the machine is beside is no fault of the rule's. */
static void count_time(lua_State *L, struct task *task) {
  int64_t now = clock_ms(CLOCK_MONOTONIC_COARSE), passed = now - task->looked_ms;
  if (task->looked_ms && passed < WINDOW_MS) return;
  bool slow = false;
  uint64_t *spent = spent_of(task);
  if (task->looked_ms) {
    int64_t cpu = clock_ms(CLOCK_THREAD_CPUTIME_ID), used = cpu - task->cpu_ms;
    if (used > passed) used = passed;
    uint64_t counted = *spent - task->looked_spent, worth = used > 0 ? (uint64_t)used * (MOST / MOST_MS) : 0;
    slow = worth > counted;
    if (slow && task->cpu_ms) *spent += worth - counted;
    task->cpu_ms = cpu;
  }
  task->looked_ms = now;
  task->looked_spent = *spent;
  lua_sethook(L, look, LUA_MASKCOUNT, slow ? FINE_STEP : STEP);
}

static void look(lua_State *L, lua_Debug *unused) {
  (void)unused;
  struct task *task = env_get(L)->current;
  if (!task || !task->limited) return;
  if (task->stopped) stop(L, task, task->stopped);
  uint64_t *spent = spent_of(task);
  *spent += (uint64_t)lua_gethookcount(L);
  if (*spent > MOST) stop(L, task, "it ran more than 50 million instructions");
  count_time(L, task);
  if (*spent > MOST) stop(L, task, "it took too long: five seconds of the processor count as 50 million instructions");
  int now_kb = lua_gc(L, LUA_GCCOUNT);
  if (!task->began_kb) task->began_kb = now_kb;
  if (now_kb - task->began_kb <= MOST_MEMORY_KB) return;
  lua_gc(L, LUA_GCCOLLECT);
  if (lua_gc(L, LUA_GCCOUNT) - task->began_kb > MOST_MEMORY_KB) stop(L, task, "it took more than 64 MB of memory");
}

void budget_count(lua_State *co) {
  if (lua_gethook(co) != look) lua_sethook(co, look, LUA_MASKCOUNT, STEP);
}

void budget_begin(struct task *task) {
  task->limited = true;
  lua_sethook(task->co, look, LUA_MASKCOUNT, STEP);
}

bool budget_begin_late(struct task *task, struct overtime *outer) {
  if (lua_gethook(task->co)) lua_sethook(task->co, NULL, 0, 0); /* what it served before ran long */
  if (task->env->counts_all || !overtime_begin(task->co, look, outer)) {
    budget_begin(task);
    return false;
  }
  task->limited = true;
  task->began_kb = lua_gc(task->co, LUA_GCCOUNT);
  return true;
}

uint64_t budget_left(lua_State *L) {
  struct task *task = env_get(L)->current;
  if (!task || !task->limited) return UINT64_MAX;
  uint64_t spent = *spent_of(task);
  return task->stopped || spent >= MOST ? 0 : MOST - spent;
}

void budget_spend(lua_State *L, uint64_t instructions, const char *why) {
  struct task *task = env_get(L)->current;
  if (!task || !task->limited) return;
  uint64_t *spent = spent_of(task);
  *spent = instructions < MOST ? *spent + instructions : (uint64_t)MOST + 1;
  if (*spent > MOST) stop(L, task, task->stopped ? task->stopped : why);
}
