/* SPDX-License-Identifier: ISC
 * exim-mtasts.so: what Exim calls by ${dlfunc{FILE}{NAME}{ARGUMENT}...}. No header of Exim's: one file fits all its versions. */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "functions.h"
#include "policy_text.h"
#include "process.h"
#include "session.h"

#define ARGUMENTS_MOST 7 /* with more, Exim's count of them is garbage */
#define ENTRY __attribute__((visibility("default")))

typedef unsigned char uschar;
ENTRY int mtasts_policy(uschar **yield, int argc, uschar *argv[]);
ENTRY int mtasts_event(uschar **yield, int argc, uschar *argv[]);
ENTRY int mtasts_cert(uschar **yield, int argc, uschar *argv[]);
ENTRY int mtasts_call(uschar **yield, int argc, uschar *argv[]);
/* For mtasts exim: function(settings file or nil, name, argument...) -> whether it succeeds, text */
ENTRY int mtasts_lua(lua_State *L);

/* Exim's, where it has it: a copy in memory that is tainted if like points to tainted memory. */
uschar *string_copy_taint_function(const uschar *text, const void *like, const char *function, int line) __attribute__((weak));

/* This process's; a transport's process sees its sessions one after the other. */
static struct exim_session the_session, the_chain;
/* The last text: Exim copies it, but not before we have returned. */
static struct mts_buf the_text = {.limit = POLICY_TEXT_MAX + 4096};

static const char *const *plain(uschar *argv[]) { return (const char *const *)argv; }

/* With its memory given back: a process of Exim's is forked many times. */
static void fresh_text(void) { mts_buf_free(&the_text); }

static int give(enum exim_result result, uschar **yield) {
  *yield = the_text.p ? (uschar *)the_text.p : NULL; /* NULL is the empty text */
  return (int)result;
}

int mtasts_policy(uschar **yield, int argc, uschar *argv[]) {
  fresh_text();
  return give(function_policy(argc, plain(argv), &the_text), yield);
}

int mtasts_event(uschar **yield, int argc, uschar *argv[]) {
  *yield = NULL; /* anything else would change the delivery */
  return (int)function_event(argc, plain(argv), &the_session);
}

int mtasts_cert(uschar **yield, int argc, uschar *argv[]) {
  fresh_text();
  return give(function_cert(argc, plain(argv), &the_chain, &the_text), yield);
}

int mtasts_call(uschar **yield, int argc, uschar *argv[]) {
  int repeats = REPEATS_NONE;
  fresh_text();
  enum exim_result result = function_call(argc, plain(argv), &the_text, &repeats);
  int code = give(result, yield);
  if (result != EXIM_OK || repeats == REPEATS_NONE || !string_copy_taint_function) return code;
  /* One of several may be a constant; which is not told, so the text is tainted: Exim's GET_TAINTED, and TRUE up to 4.95. */
  const void *like = repeats == REPEATS_SEVERAL ? (const void *)1 : argv[repeats];
  *yield = string_copy_taint_function(*yield, like, __func__, __LINE__);
  return code;
}

/* ---- the command line ---- */

struct function {
  const char *name;
  enum exim_result (*call)(int argc, const char *const *argv, struct mts_buf *text);
};

static enum exim_result event(int argc, const char *const *argv, struct mts_buf *text) {
  (void)text;
  return function_event_alone(argc, argv, getppid());
}

static enum exim_result cert(int argc, const char *const *argv, struct mts_buf *text) {
  return function_cert(argc, argv, &the_chain, text);
}

static enum exim_result call(int argc, const char *const *argv, struct mts_buf *text) {
  int repeats;
  return function_call(argc, argv, text, &repeats);
}

static int let_go(lua_State *L) {
  (void)L;
  exim_session_clear(&the_chain);
  mts_buf_free(&the_text);
  process_end();
  return 0;
}

/* Before this module is unloaded with the Lua state; Exim keeps it. */
static void at_the_end(lua_State *L) {
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, let_go);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  lua_setfield(L, LUA_REGISTRYINDEX, "mtasts.exim-module");
}

int mtasts_lua(lua_State *L) {
  static const struct function functions[] = {{"policy", function_policy}, {"event", event}, {"cert", cert}, {"call", call}};
  const char *file = luaL_optstring(L, 1, NULL), *name = luaL_checkstring(L, 2);
  const char *argv[ARGUMENTS_MOST + 1] = {NULL};
  int argc = lua_gettop(L) - 2;
  if (argc > ARGUMENTS_MOST) return luaL_error(L, "too many arguments");
  for (int i = 0; i < argc; i++) argv[i] = luaL_checkstring(L, i + 3);
  at_the_end(L);
  fresh_text();
  if (file) process_use_file(file);
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    if (strcmp(functions[i].name, name) != 0) continue;
    lua_pushboolean(L, functions[i].call(argc, argv, &the_text) == EXIM_OK);
    lua_pushlstring(L, the_text.p ? the_text.p : "", the_text.n);
    return 2;
  }
  return luaL_error(L, "no function '%s'", name);
}
