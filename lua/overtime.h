/* SPDX-License-Identifier: ISC
 * Notices when a call of Lua takes long, so that all the others need not be counted: Lua checks before each instruction whether it is to be
 * counted, and that alone makes short rules a tenth slower.
 *
 * A thread looks every OVERTIME_LOOK_MS whether the same call still runs, and only then sends this one a signal (SIGURG), whose handler sets
 * the hook, as lua(1) does for Ctrl-C. While nothing is called it sleeps.
 */
#ifndef MTASTS_LUA_OVERTIME_H
#define MTASTS_LUA_OVERTIME_H

#include <lua.h>
#include <stdbool.h>

#define OVERTIME_LOOK_MS 10

/* A program that owns its process says so, from its main thread, which alone may then call Lua so. Nobody else may have a signal sent. */
void overtime_allow(void);

/* The call that runs, to be handed to overtime_end: calls may be nested. */
struct overtime {
  lua_State *co;
  unsigned number;
};
/* co is about to run. When it has run for two looks, hook is set for each of its instructions (LUA_MASKCOUNT, 1). false: nobody will look. */
bool overtime_begin(lua_State *co, lua_Hook hook, struct overtime *outer);
void overtime_end(const struct overtime *outer);

#endif
