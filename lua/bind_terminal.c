/* SPDX-License-Identifier: ISC
 * A person at a terminal: Ctrl-C stops what is under way and not the program, how wide the terminal is, how long something took. */
#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "env.h"

#define STEP 1000 /* instructions between two looks */
#define GRACE 10
#define STOPPED "stopped"

static volatile sig_atomic_t pressed; /* how often, since the guarded call began */
static volatile sig_atomic_t depth;   /* of guarded calls; outside of them Ctrl-C means nothing */
static bool noticed;                  /* what waited was cancelled already */
static unsigned grace;                /* so many looks later, so that the error "cancelled" comes to where it is shown */

/* ---- Ctrl-C ---- */

static void press(int number) {
  static const char busy[] = "\n(still busy; Ctrl-C once more ends mtasts)\n";
  int saved = errno;
  if (depth > 0) pressed = pressed + 1;
  if (pressed == 2 && write(STDERR_FILENO, busy, sizeof busy - 1) < 0) pressed = 2; /* told or not */
  if (pressed > 2) {
    struct sigaction end = {.sa_handler = SIG_DFL};
    sigaction(number, &end, NULL);
    raise(number);
  }
  errno = saved;
}

/* Until the guarded call is over every instruction fails, so that a pcall in a loop cannot go on either. */
static void look(lua_State *L, lua_Debug *unused) {
  (void)unused;
  if (!pressed || grace > 0) {
    if (grace > 0) grace--;
    if (lua_gethookcount(L) != STEP) lua_sethook(L, look, LUA_MASKCOUNT, STEP);
    return;
  }
  lua_sethook(L, look, LUA_MASKCOUNT, 1);
  luaL_error(L, STOPPED);
}

/* What waits ends as cancelled; who waits again is stopped. */
static void heed(lua_State *L, struct env *env) {
  if (!pressed) return;
  if (noticed) {
    grace = 0;
    lua_sethook(L, look, LUA_MASKCOUNT, 1);
    luaL_error(L, STOPPED);
  }
  noticed = true;
  grace = GRACE;
  env_cancel_all(env);
}

/* heed_interrupts(): from now on Ctrl-C stops guarded calls, not the program */
static int l_heed_interrupts(lua_State *L) {
  /* Not restarted: what reads a line shall notice. */
  struct sigaction action = {.sa_handler = press};
  sigaction(SIGINT, &action, NULL);
  struct env *env = env_get(L);
  env->heed = heed;
  lua_sethook(env->main, look, LUA_MASKCOUNT, STEP); /* coroutines made from now on inherit it */
  return 0;
}

/* The message handler of a guarded call (upvalue 1), which could not run after Ctrl-C. */
static int handle(lua_State *L) {
  if (pressed) return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

/* guarded(fn, handler, ...) -> did Ctrl-C come?, true, results... or false, error */
static int l_guarded(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, handle, 1);
  lua_pushvalue(L, 1);
  lua_replace(L, 2);
  lua_replace(L, 1); /* handler, fn, arguments */
  if (depth == 0) {
    pressed = 0;
    noticed = false;
    grace = 0;
  }
  depth++;
  int status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 1);
  depth--;
  bool stopped = pressed > 0;
  if (depth == 0) pressed = 0;
  luaL_checkstack(L, 1, "too many results");
  lua_pushboolean(L, stopped);
  lua_replace(L, 1);
  lua_pushboolean(L, status == LUA_OK);
  lua_insert(L, 2);
  return lua_gettop(L);
}

/* ---- the terminal ---- */

/* is_terminal(0 | 1 | 2) */
static int l_is_terminal(lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* terminal_width() -> columns, or nil when standard output is no terminal or does not tell */
static int l_terminal_width(lua_State *L) {
  struct winsize size = {0};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_col) return 0;
  lua_pushinteger(L, size.ws_col);
  return 1;
}

/* elapsed() -> milliseconds of the real world since some moment */
static int l_elapsed(lua_State *L) {
  lua_pushinteger(L, mts_clock_mono_ms(&mts_clock_real));
  return 1;
}

const luaL_Reg terminal_functions[] = {
    {"heed_interrupts", l_heed_interrupts}, {"guarded", l_guarded}, {"is_terminal", l_is_terminal},
    {"terminal_width", l_terminal_width},   {"elapsed", l_elapsed}, {NULL, NULL}};
