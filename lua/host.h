/* SPDX-License-Identifier: ISC
 * A Lua state as programs of ours keep one. A program with a loop of its own lends it: env->event_base, env->wake. It calls env_run
 * whenever wake was called, and env->settled is set once its rules are loaded; before that, who waits drives the loop. One that loads rules
 * anew keeps its context (env_give_context) and has a new state take it over (env_take_context). */
#ifndef MTASTS_LUA_HOST_H
#define MTASTS_LUA_HOST_H

#include "env.h"

/* Beyond this, code in Lua gets "not enough memory" instead of the machine getting into trouble. */
#define HOST_MEMORY_MOST ((size_t)512 << 20)

/* NULL: out of memory. used counts the memory and outlives the state. */
lua_State *host_state(size_t *used);
/* Lua's libraries, and ours from beside the program or where they were installed; the environment's LUA_PATH plays no part. Raises. */
void host_open(lua_State *L);
/* Takes os.exit away, for programs that must not end because of a rule. */
void host_take_exit(lua_State *L);
/* No modules out of the working directory, for programs that others start, or that stand where others write. */
void host_leave_folder(lua_State *L);

#endif
