/* SPDX-License-Identifier: ISC
 * The program mtasts: a Lua host whose commands are Lua. Its own Lua files are found beside it; LUA_PATH and LUA_INIT play no part. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/place.h"
#include "compiled.h"
#include "host.h"

#define EXIT_INTERNAL 70 /* EX_SOFTWARE */

/* exec(program, argument...): becomes another program of ours, so that whoever started this one sees one process. Returns why it cannot. */
static int l_exec(lua_State *L) {
  int count = lua_gettop(L);
  luaL_argcheck(L, count > 0, 1, "a program is wanted");
  char **words = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *words, 0);
  for (int i = 0; i < count; i++) words[i] = (char *)(uintptr_t)luaL_checkstring(L, i + 1);
  words[count] = NULL;
  fflush(stdout);
  execv(words[0], words);
  lua_pushstring(L, strerror(errno));
  return 1;
}

/* mtasts.place: where this program lies, whether as built, and where what mail servers start or load lies (absolute, or
 * from here). */
static int open_place(lua_State *L) {
  char folder[PATH_MAX];
  if (!mts_own_folder(folder)) return luaL_error(L, "cannot find out where this program lies");
  lua_newtable(L);
  lua_pushlstring(L, folder, strlen(folder) - 1);
  lua_setfield(L, -2, "folder");
  lua_pushstring(L, MTASTS_OPENSMTPD_PLACE);
  lua_setfield(L, -2, "opensmtpd");
  lua_pushstring(L, MTASTS_EXIM_PLACE);
  lua_setfield(L, -2, "exim");
  lua_pushstring(L, MTASTS_SERVE_PLACE);
  lua_setfield(L, -2, "serve");
  lua_pushcfunction(L, l_exec);
  lua_setfield(L, -2, "exec");
  lua_pushboolean(L, access(lua_pushfstring(L, "%sshare/lua/5.4/mtasts.lua", folder), R_OK) == 0);
  lua_setfield(L, -3, "built");
  lua_pop(L, 1);
  return 1;
}

/* Compiled Lua files, beside this program as built, or where libraries are installed. */
static void find_compiled(lua_State *L) {
  static const char *const places[] = {"lib/mtasts/compiled/", MTASTS_COMPILED_PLACE "/"};
  char folder[PATH_MAX];
  for (size_t i = 0; mts_own_folder(folder) && i < sizeof places / sizeof *places; i++) {
    const char *compiled = lua_pushfstring(L, "%s%s", folder, places[i]);
    bool there = access(compiled, X_OK) == 0;
    if (there) compiled_open(L, compiled);
    lua_pop(L, 1);
    if (there) return;
  }
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
  lua_gc(L, LUA_GCSTOP); /* until the command begins; there is little to collect in what is loaded */
  host_open(L);
  find_compiled(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open_place);
  lua_setfield(L, -2, "mtasts.place");
  lua_pop(L, 1);
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

int main(int argc, char **argv) {
  fill_standard_files();
  /* A reader of our output that goes away ends us quietly, as other programs end. */
  struct sigaction quiet = {.sa_handler = SIG_DFL};
  sigaction(SIGPIPE, &quiet, NULL);
  size_t used;
  lua_State *L = host_state(&used);
  if (!L) {
    fputs("mtasts: out of memory\n", stderr);
    return EXIT_INTERNAL;
  }
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
