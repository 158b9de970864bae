/* SPDX-License-Identifier: ISC */
#include "host.h"

#include <lualib.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/place.h"

#define OWN_FILES "share/lua/5.4"

static void *limited(void *arg, void *p, size_t old_n, size_t n) {
  size_t *used = arg;
  if (!p) old_n = 0; /* it tells the kind of the new object then */
  if (n == 0) {
    free(p);
    *used -= old_n;
    return NULL;
  }
  if (n > old_n && n - old_n > HOST_MEMORY_MOST - *used) return NULL;
  void *moved = realloc(p, n);
  if (moved) *used = *used - old_n + n;
  return moved;
}

lua_State *host_state(size_t *used) {
  *used = 0;
  return lua_newstate(limited, used);
}

/* Pushes the folder of our Lua files: beside the program or module as built, or above it as installed in bin/, libexec/… */
static void push_own_files(lua_State *L) {
  static const char *const up[] = {"", "../", "../../", "../../../"};
  char folder[PATH_MAX];
  for (size_t i = 0; mts_own_folder(folder) && i < sizeof up / sizeof *up; i++) {
    const char *files = lua_pushfstring(L, "%s%s" OWN_FILES, folder, up[i]);
    if (access(lua_pushfstring(L, "%s/mtasts.lua", files), R_OK) == 0) {
      lua_pop(L, 1);
      return;
    }
    lua_pop(L, 2);
  }
  lua_pushliteral(L, MTASTS_LUA_DIR);
}

static void set_path(lua_State *L) {
  lua_getglobal(L, "package");
  push_own_files(L);
  lua_getfield(L, -2, "path");
  lua_pushfstring(L, "%s/?.lua;%s", lua_tostring(L, -2), lua_tostring(L, -1));
  lua_setfield(L, -4, "path");
  lua_pop(L, 3);
}

/* Lua makes what it needs for long texts with the first of them. Were memory to end in the midst of that, no long text could be made in this state
 * any more: it stays half made. So it is made now, when a failure ends the start. */
static void make_long_text(lua_State *L) {
  luaL_Buffer buffer;
  luaL_buffinitsize(L, &buffer, 4 * (size_t)LUAL_BUFFERSIZE);
  luaL_pushresultsize(&buffer, 0);
  lua_pop(L, 1);
}

void host_open(lua_State *L) {
  /* LUA_NOENV: what the environment says about Lua paths is for scripts' own hosts, not for this one. */
  lua_pushboolean(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  luaL_openlibs(L);
  make_long_text(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_mtasts_core);
  lua_setfield(L, -2, "mtasts.core");
  lua_pop(L, 1);
  set_path(L);
}

static int no_exit(lua_State *L) { return luaL_error(L, "os.exit is off here: a rule must not end a program of the mail server"); }

void host_take_exit(lua_State *L) {
  lua_getglobal(L, "os");
  lua_pushcfunction(L, no_exit);
  lua_setfield(L, -2, "exit");
  lua_pop(L, 1);
}

void host_leave_folder(lua_State *L) {
  static const char *const fields[] = {"path", "cpath"}, *const here[] = {";./?.lua", ";./?/init.lua", ";./?.so"};
  lua_getglobal(L, "package");
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    lua_getfield(L, -1, fields[i]);
    for (size_t j = 0; j < sizeof here / sizeof *here; j++) {
      luaL_gsub(L, lua_tostring(L, -1), here[j], "");
      lua_remove(L, -2);
    }
    lua_setfield(L, -2, fields[i]);
  }
  lua_pop(L, 1);
}
