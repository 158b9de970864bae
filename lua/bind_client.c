/* SPDX-License-Identifier: ISC
 * The C module mtasts.client: a connection to a server of ours. Only "mtasts query" loads it. */
#include <errno.h>
#include <lauxlib.h>
#include <lua.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENT_NAME "mtasts.client"
#define CHUNK 16384

/* Lua's header cannot say that these never return; compilers and checkers shall know. */
LUALIB_API int luaL_argerror(lua_State *L, int arg, const char *extramsg) __attribute__((noreturn));
LUALIB_API int luaL_error(lua_State *L, const char *fmt, ...) __attribute__((noreturn));

/* Owns what is open, whatever Lua raises. */
struct client {
  int fd;
};

static int l_close(lua_State *L) {
  struct client *client = luaL_checkudata(L, 1, CLIENT_NAME);
  if (client->fd >= 0) close(client->fd);
  client->fd = -1;
  return 0;
}

static int failed(lua_State *L, const char *why) {
  lua_pushnil(L);
  lua_pushstring(L, why);
  return 2;
}

static struct client *new_client(lua_State *L) {
  struct client *client = lua_newuserdatauv(L, sizeof *client, 0);
  client->fd = -1;
  luaL_setmetatable(L, CLIENT_NAME);
  return client;
}

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* unix(path) -> client | nil, why */
static int l_unix(lua_State *L) {
  size_t n;
  const char *path = luaL_checklstring(L, 1, &n);
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  if (n == 0 || n >= sizeof to.sun_path) return failed(L, "the path of the socket is empty or too long");
  memcpy(to.sun_path, path, n);
  struct client *client = new_client(L);
  client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (client->fd < 0 || connect(client->fd, (const struct sockaddr *)&to, sizeof to) != 0) return failed(L, strerror(errno));
  return 1;
}

/* inet(address, port) -> client | nil, why */
static int l_inet(lua_State *L) {
  const char *host = luaL_checkstring(L, 1), *port = luaL_checkstring(L, 2);
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
  struct addrinfo *found = NULL;
  struct client *client = new_client(L);
  int error = getaddrinfo(host, port, &hints, &found);
  if (error) return failed(L, gai_strerror(error));
  client->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool connected = client->fd >= 0 && connect(client->fd, found->ai_addr, found->ai_addrlen) == 0;
  error = errno;
  freeaddrinfo(found);
  return connected ? 1 : failed(L, strerror(error));
}

/* client:send(text) -> true | nil, why */
static int l_send(lua_State *L) {
  const struct client *client = luaL_checkudata(L, 1, CLIENT_NAME);
  size_t n, sent = 0;
  const char *text = luaL_checklstring(L, 2, &n);
  while (sent < n) {
    ssize_t some = send(client->fd, text + sent, n - sent, MSG_NOSIGNAL);
    if (some < 0 && errno != EINTR) return failed(L, strerror(errno));
    if (some > 0) sent += (size_t)some;
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* client:receive(seconds) -> some bytes, empty at the end | nil, why */
static int l_receive(lua_State *L) {
  const struct client *client = luaL_checkudata(L, 1, CLIENT_NAME);
  lua_Number seconds = luaL_checknumber(L, 2);
  luaL_argcheck(L, seconds >= 0 && seconds <= 86400, 2, "seconds, at most a day");
  int64_t end_ms = now_ms() + (int64_t)(seconds * 1000);
  char bytes[CHUNK];
  for (;;) {
    int64_t left = end_ms - now_ms();
    struct pollfd readable = {.fd = client->fd, .events = POLLIN};
    int ready = poll(&readable, 1, left > 0 ? (int)left : 0);
    if (ready == 0) return failed(L, "no answer came in time");
    ssize_t n = ready < 0 ? -1 : recv(client->fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(L, strerror(errno));
    lua_pushlstring(L, bytes, (size_t)n);
    return 1;
  }
}

int luaopen_mtasts_client(lua_State *L);
__attribute__((visibility("default"))) int luaopen_mtasts_client(lua_State *L) {
  static const luaL_Reg methods[] = {{"send", l_send}, {"receive", l_receive}, {"close", l_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"unix", l_unix}, {"inet", l_inet}, {NULL, NULL}};
  luaL_newmetatable(L, CLIENT_NAME);
  lua_pushcfunction(L, l_close);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
