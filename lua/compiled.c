/* SPDX-License-Identifier: ISC
 * A file of the folder holds the text that was compiled, and behind it what luac made of it: a Lua file that was changed or replaced since then
 * counts as it stands. */
#include "compiled.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MOST (1 << 20)

static bool read_all(int fd, char *bytes, size_t size) {
  for (size_t n = 0; n < size;) {
    ssize_t got = read(fd, bytes + n, size - n);
    if (got <= 0) return false;
    n += (size_t)got;
  }
  return true;
}

/* Pushes a block with what is in the file; NULL: it cannot be read, or is not one of ours. May raise, with no file open. */
static const char *push_file(lua_State *L, const char *path, size_t *size) {
  struct stat status;
  if (stat(path, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0 || status.st_size > FILE_MOST) return NULL;
  *size = (size_t)status.st_size;
  char *bytes = lua_newuserdatauv(L, *size, 0);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  bool whole = fd >= 0 && read_all(fd, bytes, *size);
  if (fd >= 0) close(fd);
  return whole ? bytes : NULL;
}

/* Whether the bytes begin with all that is in the file, and how much that is. */
static bool begins_with_file(const char *bytes, size_t size, const char *path, size_t *length) {
  char part[4096];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got;
  size_t n = 0;
  while ((got = read(fd, part, sizeof part)) > 0 && (size_t)got <= size - n && memcmp(bytes + n, part, (size_t)got) == 0)
    n += (size_t)got;
  close(fd);
  *length = n;
  return got == 0;
}

/* Pushes the path of the Lua file that require would load; NULL: there is none. */
static const char *push_source(lua_State *L, const char *name) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchpath");
  lua_pushstring(L, name);
  lua_getfield(L, -3, "path");
  lua_call(L, 2, 1);
  return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
}

/* A searcher of require: loader and path, or nothing. */
static int l_search(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  if (strchr(name, '/')) return 0;
  size_t size = 0, length = 0;
  const char *made = push_file(L, lua_pushfstring(L, "%s%s.luac", lua_tostring(L, lua_upvalueindex(1)), name), &size);
  const char *source = made ? push_source(L, name) : NULL;
  if (!source || !begins_with_file(made, size, source, &length)) return 0;
  if (luaL_loadbufferx(L, made + length, size - length, source, "b") != LUA_OK) return 0; /* of another release of Lua */
  lua_pushstring(L, source);
  return 2;
}

void compiled_open(lua_State *L, const char *folder) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  for (lua_Integer i = luaL_len(L, -1); i >= 2; i--) { /* behind package.preload */
    lua_rawgeti(L, -1, i);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushstring(L, folder);
  lua_pushcclosure(L, l_search, 1);
  lua_rawseti(L, -2, 2);
  lua_pop(L, 2);
}
