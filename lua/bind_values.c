/* SPDX-License-Identifier: ISC
 * Errors, read-only views, and what several bindings need to make tables. */
#include <string.h>

#include "env.h"

#define ERROR_NAME "mtasts.error"

void set_text(lua_State *L, const char *key, const char *text) {
  if (!text || !*text) return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, key);
}

void set_number(lua_State *L, const char *key, int64_t number) {
  lua_pushinteger(L, number);
  lua_setfield(L, -2, key);
}

void set_time(lua_State *L, const char *key, int64_t at) {
  if (at) set_number(L, key, at);
}

void set_flag(lua_State *L, const char *key, bool flag) {
  lua_pushboolean(L, flag);
  lua_setfield(L, -2, key);
}

/* ---- errors ---- */

static int error_tostring(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  static const struct {
    const char *field, *before, *after;
  } parts[] = {{"domain", "", ": "}, {"message", "", ""}, {"detail", " (", ")"}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    lua_getfield(L, 1, parts[i].field);
    const char *text = lua_tostring(L, -1);
    if (text) lua_pushfstring(L, "%s%s%s", parts[i].before, text, parts[i].after);
    lua_remove(L, text ? -2 : -1);
    if (text) luaL_addvalue(&buffer);
  }
  luaL_pushresult(&buffer);
  return 1;
}

/* At which station of a lookup an error arises: the first word of its name tells. */
static const char *stage_of(const char *code) {
  static const struct {
    const char *prefix, *stage;
  } stages[] = {{"name-", "name"},     {"dns-", "dns"},  {"record-", "record"}, {"https-", "https"},  {"policy-", "policy"},
                {"tlsrpt-", "tlsrpt"}, {"mx-", "mx"},    {"smtp-", "smtp"},     {"starttls-", "tls"}, {"tls-", "tls"},
                {"cert-", "tls"},      {"tlsa-", "tls"}, {"store-", "store"},   {"net-", "net"},      {"report-", "report"}};
  for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
    if (strncmp(code, stages[i].prefix, strlen(stages[i].prefix)) == 0) return stages[i].stage;
  }
  return "mtasts";
}

void push_error(lua_State *L, enum mts_err err, const char *subject, const char *detail) {
  lua_createtable(L, 0, 6);
  set_text(L, "code", mts_err_name(err));
  set_text(L, "message", mts_err_message(err));
  set_flag(L, "temporary", mts_err_temporary(err));
  set_text(L, "stage", stage_of(mts_err_name(err)));
  set_text(L, "domain", subject);
  set_text(L, "detail", detail);
  set_text(L, "result_type", mts_err_result_type(err));
  if (luaL_newmetatable(L, ERROR_NAME)) {
    lua_pushcfunction(L, error_tostring);
    lua_setfield(L, -2, "__tostring");
  }
  lua_setmetatable(L, -2);
}

int fail(lua_State *L, enum mts_err err, const char *subject, const char *detail) {
  lua_pushnil(L);
  push_error(L, err, subject, detail);
  return 2;
}

/* ---- read-only views: an empty table in front of the real one ----
 * The metatable of each view holds the real table; the functions in it are shared, for answers are made often. */

static int view_newindex(lua_State *L) {
  const char *name = luaL_getmetafield(L, 1, "__name") == LUA_TSTRING ? lua_tostring(L, -1) : "this table";
  return luaL_error(L, "%s is read-only", name);
}

/* Pushes the real table of the view at 1. */
static void push_data(lua_State *L) {
  if (luaL_getmetafield(L, 1, "__index") != LUA_TTABLE) luaL_error(L, "not a view");
}

static int view_next(lua_State *L) {
  lua_settop(L, 2);
  push_data(L);
  lua_insert(L, 2);
  if (lua_next(L, 2)) return 2;
  lua_pushnil(L);
  return 1;
}

static int view_pairs(lua_State *L) {
  lua_pushcfunction(L, view_next);
  lua_pushvalue(L, 1);
  return 2;
}

static int view_len(lua_State *L) {
  push_data(L);
  lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
  return 1;
}

void read_only(lua_State *L, const char *name) {
  static const luaL_Reg shared[] = {{"__newindex", view_newindex}, {"__pairs", view_pairs}, {"__len", view_len}};
  luaL_checkstack(L, 7, NULL);
  int data = lua_gettop(L);
  lua_newtable(L);
  lua_createtable(L, 0, 6);
  lua_pushvalue(L, data);
  lua_setfield(L, -2, "__index");
  for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
    lua_pushcfunction(L, shared[i].func);
    lua_setfield(L, -2, shared[i].name);
  }
  lua_pushstring(L, name);
  lua_setfield(L, -2, "__name");
  set_flag(L, "__metatable", false);
  if (luaL_getmetafield(L, data, "__tostring") != LUA_TNIL) lua_setfield(L, -2, "__tostring"); /* an error is a line */
  lua_setmetatable(L, -2);
  lua_replace(L, data);
}

void push_empty_list(lua_State *L, const char *name) {
  static const char empty_key;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &empty_key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &empty_key);
  }
  if (lua_getfield(L, -1, name) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_newtable(L);
    read_only(L, name);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, name);
  }
  lua_remove(L, -2);
}
