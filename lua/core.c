/* SPDX-License-Identifier: ISC
 * The C module mtasts.core; mtasts.lua makes the public API of it. */
#include "env.h"

static void add(lua_State *L, const luaL_Reg *functions) { luaL_setfuncs(L, functions, 0); }

__attribute__((visibility("default"))) int luaopen_mtasts_core(lua_State *L) {
  luaL_checkversion(L);
  lua_newtable(L);
  env_get(L);
  wait_open(L);
  add(L, pure_functions);
  add(L, context_functions);
  lookup_open(L);
  add(L, probe_functions);
  add(L, see_functions);
  add(L, hook_functions);
  add(L, fake_functions);
  add(L, told_functions);
  add(L, json_functions);
  add(L, store_functions);
  add(L, session_functions);
  add(L, report_functions);
  add(L, terminal_functions);
  add(L, wait_functions);
  add(L, guard_functions);
  add(L, folder_functions);
  lua_pushstring(L, mts_version());
  lua_setfield(L, -2, "version");
  lua_pushinteger(L, mts_api());
  lua_setfield(L, -2, "api");
  lua_pushstring(L, MTASTS_CONF_FILE);
  lua_setfield(L, -2, "conf_file");
  lua_pushstring(L, MTASTS_RULES_FILE);
  lua_setfield(L, -2, "rules_file");
  return 1;
}
