/* SPDX-License-Identifier: ISC
 * What one call of a rule may use: a rule that loops or fills the memory must not stop mail. */
#include "env.h"

#define STEP 10000                /* instructions between two looks */
#define MOST_STEPS 5000           /* fifty million instructions: about a second */
#define MOST_MEMORY_KB (64 << 10) /* more than there was when the rule began */

/* From now on every instruction fails, so that a pcall of the rule's own cannot go on either. */
static void stop(lua_State *L, struct task *task, const char *why) {
  task->stopped = why;
  lua_Hook hook = lua_gethook(L);
  lua_sethook(L, hook, LUA_MASKCOUNT, 1);
  luaL_error(L, "a rule was stopped: %s", why);
}

static void look(lua_State *L, lua_Debug *unused) {
  (void)unused;
  struct task *task = env_get(L)->current;
  if (!task || !task->limited) return;
  if (task->stopped) stop(L, task, task->stopped);
  if (++task->spent > MOST_STEPS) stop(L, task, "it ran more than 50 million instructions");
  int now_kb = lua_gc(L, LUA_GCCOUNT);
  if (!task->began_kb) task->began_kb = now_kb;
  if (now_kb - task->began_kb <= MOST_MEMORY_KB) return;
  lua_gc(L, LUA_GCCOLLECT);
  if (lua_gc(L, LUA_GCCOUNT) - task->began_kb > MOST_MEMORY_KB) stop(L, task, "it took more than 64 MB of memory");
}

void budget_begin(struct task *task) {
  task->limited = true;
  lua_sethook(task->co, look, LUA_MASKCOUNT, STEP);
}
