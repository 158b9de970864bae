/* SPDX-License-Identifier: ISC
 * The C module mtasts.files: files that are written whole or not at all. Only "mtasts publish" loads it. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER_NAME "mtasts.folder"
#define READ_MOST (1 << 20)
#define CHUNK 16384

/* Lua's header cannot say that these never return; compilers and checkers shall know. */
LUALIB_API int luaL_error(lua_State *L, const char *fmt, ...) __attribute__((noreturn));

/* Owns what is open, whatever Lua raises. */
struct folder {
  int fd, inner, file;
};

static void close_fd(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static int folder_gc(lua_State *L) {
  struct folder *folder = luaL_checkudata(L, 1, FOLDER_NAME);
  close_fd(&folder->file);
  close_fd(&folder->inner);
  close_fd(&folder->fd);
  return 0;
}

static struct folder *check_folder(lua_State *L) {
  struct folder *folder = luaL_checkudata(L, 1, FOLDER_NAME);
  if (folder->fd < 0) luaL_error(L, "this folder is closed");
  close_fd(&folder->file);
  close_fd(&folder->inner);
  return folder;
}

static int refused(lua_State *L, const char *name, const char *why) {
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", name, why);
  return 2;
}

/* Who serves the files is another user, whatever our umask. */
static int make_folder(int at, const char *name) {
  if (mkdirat(at, name, 0755)) return errno == EEXIST ? 0 : -1;
  return fchmodat(at, name, 0755, 0);
}

/* folder(path) -> folder, made if it is not there, and nobody else's until it is closed | nil, why */
static int l_folder(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct folder *folder = lua_newuserdatauv(L, sizeof *folder, 0);
  folder->fd = folder->inner = folder->file = -1;
  luaL_setmetatable(L, FOLDER_NAME);
  if (make_folder(AT_FDCWD, path)) return refused(L, path, strerror(errno));
  folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder->fd < 0) return refused(L, path, strerror(errno));
  /* Some file systems know no locks: there it goes without. */
  if (flock(folder->fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) return refused(L, path, "another mtasts is writing there now");
  return 1;
}

/* The folder that name lies in, one level below at most; *leaf is its last part. -1: errno says why. */
static int enter(struct folder *folder, const char *name, bool make, const char **leaf) {
  const char *slash = strchr(name, '/');
  *leaf = name;
  if (!slash) return folder->fd;
  char inner[NAME_MAX + 1];
  size_t length = (size_t)(slash - name);
  if (length >= sizeof inner) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(inner, name, length);
  inner[length] = 0;
  *leaf = slash + 1;
  if (make && make_folder(folder->fd, inner)) return -1;
  folder->inner = openat(folder->fd, inner, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  return folder->inner;
}

/* folder:read(name) -> content | nil, why, kind: "missing", or "other" for what is no readable file, a symbolic link among it */
static int l_read(lua_State *L) {
  struct folder *folder = check_folder(L);
  const char *name = luaL_checkstring(L, 2), *leaf;
  int in = enter(folder, name, false, &leaf);
  if (in >= 0) folder->file = openat(in, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (folder->file < 0) {
    bool missing = errno == ENOENT;
    const char *why = errno == ELOOP || errno == ENOTDIR ? "a symbolic link, or something else, is in the way" : strerror(errno);
    refused(L, name, why);
    lua_pushstring(L, missing ? "missing" : "other");
    return 3;
  }
  struct stat status;
  if (fstat(folder->file, &status) || !S_ISREG(status.st_mode) || status.st_size > READ_MOST) {
    refused(L, name, "no file, or a large one, is in the way");
    lua_pushliteral(L, "other");
    return 3;
  }
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  ssize_t count;
  for (size_t all = 0; (count = read(folder->file, luaL_prepbuffsize(&buffer, CHUNK), CHUNK)) != 0 && all <= READ_MOST;) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return luaL_error(L, "%s: %s", name, strerror(errno));
    luaL_addsize(&buffer, (size_t)count);
    all += (size_t)count;
  }
  luaL_pushresult(&buffer);
  close_fd(&folder->file);
  return 1;
}

static bool write_all(int fd, const char *content, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t count = write(fd, content + done, length - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    done += (size_t)count;
  }
  return true;
}

/* Beside the file, then in its place: who reads sees the old one or the new one. */
static bool replace(struct folder *folder, int in, const char *leaf, const char *content, size_t length) {
  char fresh[NAME_MAX + 1];
  int size = snprintf(fresh, sizeof fresh, ".%s.new", leaf);
  if (size < 0 || (size_t)size >= sizeof fresh) {
    errno = ENAMETOOLONG;
    return false;
  }
  unlinkat(in, fresh, 0); /* of one that was killed */
  folder->file = openat(in, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (folder->file < 0) return false;
  bool good = write_all(folder->file, content, length) && !fchmod(folder->file, 0644) && !fsync(folder->file) &&
              !renameat(in, fresh, in, leaf);
  int why = errno;
  if (!good) unlinkat(in, fresh, 0);
  close_fd(&folder->file);
  if (good) fsync(in); /* not every file system can, and the file is there */
  errno = why;
  return good;
}

/* folder:write(name, content) -> true | nil, why */
static int l_write(lua_State *L) {
  struct folder *folder = check_folder(L);
  size_t length;
  const char *name = luaL_checkstring(L, 2), *content = luaL_checklstring(L, 3, &length), *leaf;
  int in = enter(folder, name, true, &leaf);
  if (in < 0 || !replace(folder, in, leaf, content, length)) return refused(L, name, strerror(errno));
  lua_pushboolean(L, true);
  return 1;
}

/* whole(path) -> the path from '/' on, without links | nil */
static int l_whole(lua_State *L) {
  char whole[PATH_MAX];
  lua_pushstring(L, realpath(luaL_checkstring(L, 1), whole));
  return 1;
}

/* microseconds() -> those of this second */
static int l_microseconds(lua_State *L) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  lua_pushinteger(L, now.tv_nsec / 1000);
  return 1;
}

static void make_type(lua_State *L, const char *name, lua_CFunction gc) {
  luaL_newmetatable(L, name);
  lua_pushcfunction(L, gc);
  lua_setfield(L, -2, "__gc");
}

__attribute__((visibility("default"))) int luaopen_mtasts_files(lua_State *L);

int luaopen_mtasts_files(lua_State *L) {
  static const luaL_Reg functions[] = {{"folder", l_folder}, {"whole", l_whole}, {"microseconds", l_microseconds}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"read", l_read}, {"write", l_write}, {"close", folder_gc}, {NULL, NULL}};
  luaL_checkversion(L);
  make_type(L, FOLDER_NAME, folder_gc);
  luaL_setfuncs(L, methods, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
