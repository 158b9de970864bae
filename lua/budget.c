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

static uint64_t *spent_of(struct budget *budget) { return budget->of_family ? budget->of_family : &budget->spent; }

/* The one from which what runs now takes; NULL: none. */
static struct budget *budget_of(struct env *env) {
  if (env->current && env->current->budget.limited) return &env->current->budget;
  return env->apart.limited ? &env->apart : NULL;
}

static void look(lua_State *L, lua_Debug *unused);

/* FILE:LINE: of the innermost function in Lua. */
static void note_place(lua_State *L, struct budget *budget) {
  lua_Debug at;
  for (int level = 0; level < 10 && lua_getstack(L, level, &at) != 0; level++) {
    lua_getinfo(L, "Sl", &at);
    if (at.currentline <= 0) continue;
    mts_text_format(budget->place, sizeof budget->place, "%s:%d: ", at.short_src, at.currentline);
    return;
  }
}

/* From now on every instruction fails, so that a pcall of the rule's own cannot go on either. */
static void stop(lua_State *L, struct budget *budget, const char *why) {
  if (!budget->stopped) note_place(L, budget);
  budget->stopped = why;
  lua_sethook(L, look, LUA_MASKCOUNT, 1);
  budget_count(budget->co); /* if L is a coroutine of its own */
  lua_pushfstring(L, "%s%s was stopped: %s", budget->place, budget->of ? budget->of : "a rule", why);
  lua_error(L);
}

static int64_t clock_ms(clockid_t which) {
  struct timespec now = {0};
  clock_gettime(which, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* An instruction that takes long is a call of a function in C: time of the processor counts where it is more than the instructions would
 * have taken. Asked is a clock that costs nearly nothing; how busy the machine is beside is no fault of the rule's. */
static void count_time(lua_State *L, struct budget *budget) {
  int64_t now = clock_ms(CLOCK_MONOTONIC_COARSE), passed = now - budget->looked_ms;
  if (budget->looked_ms && passed < WINDOW_MS) return;
  bool slow = false;
  uint64_t *spent = spent_of(budget);
  if (budget->looked_ms) {
    int64_t cpu = clock_ms(CLOCK_THREAD_CPUTIME_ID), used = cpu - budget->cpu_ms;
    if (used > passed) used = passed;
    uint64_t counted = *spent - budget->looked_spent, worth = used > 0 ? (uint64_t)used * (MOST / MOST_MS) : 0;
    slow = worth > counted;
    if (slow && budget->cpu_ms) *spent += worth - counted;
    budget->cpu_ms = cpu;
  }
  budget->looked_ms = now;
  budget->looked_spent = *spent;
  lua_sethook(L, look, LUA_MASKCOUNT, slow ? FINE_STEP : STEP);
}

/* Of a rule's; what else is counted may fill what the program's Lua may have. */
static void count_memory(lua_State *L, struct budget *budget) {
  if (budget->of) return;
  int now_kb = lua_gc(L, LUA_GCCOUNT);
  if (!budget->began_kb) budget->began_kb = now_kb;
  if (now_kb - budget->began_kb <= MOST_MEMORY_KB) return;
  lua_gc(L, LUA_GCCOLLECT);
  if (lua_gc(L, LUA_GCCOUNT) - budget->began_kb > MOST_MEMORY_KB) stop(L, budget, "it took more than 64 MB of memory");
}

static void look(lua_State *L, lua_Debug *unused) {
  (void)unused;
  struct budget *budget = budget_of(env_get(L));
  if (!budget) return;
  if (budget->stopped) stop(L, budget, budget->stopped);
  uint64_t *spent = spent_of(budget);
  *spent += (uint64_t)lua_gethookcount(L);
  if (*spent > MOST) stop(L, budget, "it ran more than 50 million instructions");
  count_time(L, budget);
  if (*spent > MOST) stop(L, budget, "it took too long: five seconds of the processor count as 50 million instructions");
  count_memory(L, budget);
}

void budget_count(lua_State *co) {
  if (lua_gethook(co) != look) lua_sethook(co, look, LUA_MASKCOUNT, STEP);
}

static void begin(struct budget *budget, lua_State *co) {
  budget->limited = true;
  budget->co = co;
}

void budget_begin(struct task *task) {
  begin(&task->budget, task->co);
  lua_sethook(task->co, look, LUA_MASKCOUNT, STEP);
}

bool budget_begin_late(struct task *task, struct overtime *outer) {
  if (lua_gethook(task->co)) lua_sethook(task->co, NULL, 0, 0); /* what it served before ran long */
  if (task->env->counts_all || !overtime_begin(task->co, look, outer)) {
    budget_begin(task);
    return false;
  }
  begin(&task->budget, task->co);
  task->budget.began_kb = lua_gc(task->co, LUA_GCCOUNT);
  return true;
}

bool budget_begin_apart(lua_State *L, struct env *env, const char *of) {
  bool begins = !budget_of(env);
  if (begins) {
    env->apart = (struct budget){.of = of};
    begin(&env->apart, L);
  }
  lua_sethook(L, look, LUA_MASKCOUNT, STEP);
  return begins;
}

void budget_end_apart(lua_State *L, struct env *env) {
  env->apart.limited = false;
  lua_sethook(L, NULL, 0, 0);
}

uint64_t budget_left(lua_State *L) {
  struct budget *budget = budget_of(env_get(L));
  if (!budget) return UINT64_MAX;
  uint64_t spent = *spent_of(budget);
  return budget->stopped || spent >= MOST ? 0 : MOST - spent;
}

void budget_spend(lua_State *L, uint64_t instructions, const char *why) {
  struct budget *budget = budget_of(env_get(L));
  if (!budget) return;
  uint64_t *spent = spent_of(budget);
  *spent = instructions < MOST ? *spent + instructions : (uint64_t)MOST + 1;
  if (*spent > MOST) stop(L, budget, budget->stopped ? budget->stopped : why);
}
