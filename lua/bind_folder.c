/* SPDX-License-Identifier: ISC
 * What lies in a folder. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "env.h"

#define FOLDER_NAME "mtasts.folder"
#define ENTRIES_MAX 1000000

static int folder_gc(lua_State *L) {
  DIR **folder = luaL_checkudata(L, 1, FOLDER_NAME);
  if (*folder) closedir(*folder);
  *folder = NULL;
  return 0;
}

/* folder_files(path) -> names of the regular files in it, in no order | nil: it is no folder | nil, why */
static int l_folder_files(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  DIR **folder = lua_newuserdatauv(L, sizeof *folder, 0);
  *folder = NULL;
  if (luaL_newmetatable(L, FOLDER_NAME)) {
    lua_pushcfunction(L, folder_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  *folder = opendir(path);
  lua_pushnil(L);
  if (!*folder && errno == ENOTDIR) return 1;
  if (!*folder) {
    lua_pushfstring(L, "%s: %s", path, strerror(errno));
    return 2;
  }
  lua_newtable(L);
  lua_Integer count = 0, looked = 0;
  for (const struct dirent *entry; (entry = readdir(*folder)) && looked < ENTRIES_MAX; looked++) {
    struct stat status;
    if (fstatat(dirfd(*folder), entry->d_name, &status, 0) || !S_ISREG(status.st_mode)) continue;
    lua_pushstring(L, entry->d_name);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

const luaL_Reg folder_functions[] = {{"folder_files", l_folder_files}, {NULL, NULL}};
