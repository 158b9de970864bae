/* SPDX-License-Identifier: ISC
 * The program mtasts: a Lua host whose commands are Lua. Its own Lua files are found beside it; LUA_PATH and LUA_INIT play no part. */
#include <fcntl.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "env.h"

#define EXIT_INTERNAL 70 /* EX_SOFTWARE */

/* The folder of this program. */
static bool own_folder(char *folder, size_t size) {
  ssize_t length = readlink("/proc/self/exe", folder, size - 1);
  if (length <= 0 || (size_t)length >= size - 1) return false;
  folder[length] = 0;
  char *slash = strrchr(folder, '/');
  if (!slash) return false;
  *slash = 0;
  return true;
}

static bool set_path(lua_State *L) {
  char folder[4096];
  if (!own_folder(folder, sizeof folder)) return false;
  /* As built: FOLDER/share. As installed: FOLDER/../share. */
  const char *up = access(lua_pushfstring(L, "%s/share/lua/5.4/mtasts.lua", folder), R_OK) == 0 ? "" : "/..";
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "path");
  const char *path = lua_tostring(L, -1);
  lua_pushfstring(L, "%s%s/share/lua/5.4/?.lua;%s", folder, up, path);
  lua_setfield(L, -3, "path");
  lua_pop(L, 3);
  return true;
}

/* mtasts.place: where this program lies, whether as built, and where the programs for OpenSMTPD lie (absolute, or from here). */
static int open_place(lua_State *L) {
  char folder[4096];
  if (!own_folder(folder, sizeof folder)) return luaL_error(L, "cannot find out where this program lies");
  lua_newtable(L);
  lua_pushstring(L, folder);
  lua_setfield(L, -2, "folder");
  lua_pushstring(L, MTASTS_OPENSMTPD_PLACE);
  lua_setfield(L, -2, "opensmtpd");
  lua_pushboolean(L, access(lua_pushfstring(L, "%s/share/lua/5.4/mtasts.lua", folder), R_OK) == 0);
  lua_setfield(L, -3, "built");
  lua_pop(L, 1);
  return 1;
}

static int trace(lua_State *L) {
  const char *message = lua_tostring(L, 1);
  luaL_traceback(L, L, message ? message : "error without a text", 1);
  return 1;
}

/* main(argc, argv), protected */
static int run(lua_State *L) {
  int argc = (int)lua_tointeger(L, 1);
  char **argv = lua_touserdata(L, 2);
  /* LUA_NOENV: what the environment says about Lua paths is for scripts' own hosts, not for this one. */
  lua_pushboolean(L, 1);
  lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  lua_gc(L, LUA_GCSTOP); /* until the command begins; there is little to collect in what is loaded */
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_mtasts_core);
  lua_setfield(L, -2, "mtasts.core");
  lua_pushcfunction(L, open_place);
  lua_setfield(L, -2, "mtasts.place");
  lua_pop(L, 1);
  if (!set_path(L)) return luaL_error(L, "cannot find out where this program lies (is /proc there?)");
  lua_getglobal(L, "require");
  lua_pushliteral(L, "mtasts.cli");
  lua_call(L, 1, 1);
  lua_createtable(L, argc, 0);
  for (int i = 1; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i);
  }
  lua_call(L, 1, 1);
  return 1;
}

/* Where the caller closed one of 0 to 2, no file of ours may take its place. Writing there fails, as it should. */
static void fill_standard_files(void) {
  int fd;
  do fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) close(fd);
}

/* Beyond this a script gets "not enough memory" instead of the machine getting into trouble. */
#define MEMORY_MOST ((size_t)512 << 20)

static void *limited(void *arg, void *p, size_t old_n, size_t n) {
  size_t *used = arg;
  if (!p) old_n = 0; /* it tells the kind of the new object then */
  if (n == 0) {
    free(p);
    *used -= old_n;
    return NULL;
  }
  if (n > old_n && n - old_n > MEMORY_MOST - *used) return NULL;
  void *moved = realloc(p, n);
  if (moved) *used = *used - old_n + n;
  return moved;
}

int main(int argc, char **argv) {
  fill_standard_files();
  /* A reader of our output that goes away ends us quietly, as other programs end. */
  struct sigaction quiet = {.sa_handler = SIG_DFL};
  sigaction(SIGPIPE, &quiet, NULL);
  lua_State *L = luaL_newstate();
  if (!L) {
    fputs("mtasts: out of memory\n", stderr);
    return EXIT_INTERNAL;
  }
  size_t used = (size_t)lua_gc(L, LUA_GCCOUNT) * 1024 + (size_t)lua_gc(L, LUA_GCCOUNTB);
  lua_setallocf(L, limited, &used);
  lua_pushcfunction(L, trace);
  lua_pushcfunction(L, run);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  int status = EXIT_INTERNAL;
  if (lua_pcall(L, 2, 1, 1) == LUA_OK) {
    status = (int)lua_tointeger(L, -1);
  } else {
    fprintf(stderr, "mtasts: internal error, please report it:\n%s\n", lua_tostring(L, -1));
  }
  lua_close(L);
  if (fflush(stdout) != 0 || ferror(stdout)) {
    fputs("mtasts: the output cannot be written\n", stderr);
    return EXIT_INTERNAL;
  }
  return status;
}
