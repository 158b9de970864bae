/* SPDX-License-Identifier: ISC
 * JSON through jansson: one line, keys sorted, ASCII only, so that a terminal that shows it obeys nobody else. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "env.h"

#define JSON_NAME "mtasts.json"
#define ARRAY_NAME "mtasts.array"
#define DEPTH_MAX 32

/* Owns the value while Lua, which may raise, is worked with; everything else hangs on it. */
static json_t **hold(lua_State *L) {
  json_t **held = lua_newuserdatauv(L, sizeof(json_t *), 0);
  *held = NULL;
  luaL_setmetatable(L, JSON_NAME);
  return held;
}

static int held_gc(lua_State *L) {
  json_t **held = luaL_checkudata(L, 1, JSON_NAME);
  json_decref(*held);
  *held = NULL;
  return 0;
}

static bool is_array(lua_State *L, int index) {
  if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING) {
    lua_pushliteral(L, ARRAY_NAME);
    bool marked = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    if (marked) return true;
  } else {
    lua_settop(L, index); /* a metafield of another type, or nothing */
  }
  return luaL_len(L, index) > 0;
}

/* Text that is not UTF-8 keeps its ASCII; every other byte becomes '?'. */
static json_t *text_value(lua_State *L, int index) {
  size_t length;
  const char *text = lua_tolstring(L, index, &length);
  json_t *value = json_stringn(text, length);
  if (value) return value;
  luaL_Buffer buffer;
  luaL_buffinit(L, &buffer);
  for (size_t i = 0; i < length; i++) luaL_addchar(&buffer, (unsigned char)text[i] < 128 ? text[i] : '?');
  luaL_pushresult(&buffer);
  text = lua_tolstring(L, -1, &length);
  value = json_stringn(text, length);
  lua_pop(L, 1);
  return value;
}

static json_t *scalar(lua_State *L, int index) {
  switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
      return json_boolean(lua_toboolean(L, index));
    case LUA_TNUMBER:
      if (lua_isinteger(L, index)) return json_integer(lua_tointeger(L, index));
      if (!isfinite(lua_tonumber(L, index))) luaL_error(L, "JSON has no such number");
      return json_real(lua_tonumber(L, index));
    case LUA_TSTRING:
      return text_value(L, index);
    case LUA_TLIGHTUSERDATA:
      if (!lua_touserdata(L, index)) return json_null();
      break;
    default:
      break;
  }
  luaL_error(L, "a %s has no form in JSON", luaL_typename(L, index));
  return NULL;
}

static json_t *attach(lua_State *L, json_t *parent, const char *key, json_t *value) {
  int failed = !value || (key ? json_object_set_new(parent, key, value) : json_array_append_new(parent, value));
  if (failed) luaL_error(L, "JSON: out of memory, or a key that is not UTF-8");
  return value;
}

/* Fills container with the table on top. */
static void fill(lua_State *L, json_t *container, int depth) {
  int table = lua_gettop(L);
  if (depth > DEPTH_MAX) luaL_error(L, "JSON: nested too deep");
  luaL_checkstack(L, 12, NULL);
  if (json_is_array(container)) {
    lua_Integer count = luaL_len(L, table);
    for (lua_Integer i = 1; i <= count; i++) {
      bool nested = lua_geti(L, table, i) == LUA_TTABLE;
      json_t *value = nested ? (is_array(L, lua_gettop(L)) ? json_array() : json_object()) : scalar(L, -1);
      attach(L, container, NULL, value);
      if (nested) fill(L, value, depth + 1);
      lua_settop(L, table);
    }
    return;
  }
  /* pairs, so that read-only views show what they hold */
  lua_getglobal(L, "pairs");
  lua_pushvalue(L, table);
  lua_call(L, 1, 3);
  for (;;) {
    lua_pushvalue(L, table + 1);
    lua_pushvalue(L, table + 2);
    lua_pushvalue(L, table + 3);
    lua_call(L, 2, 2);
    if (lua_isnil(L, -2)) break;
    if (lua_type(L, -2) != LUA_TSTRING) luaL_error(L, "JSON: the keys of an object are strings");
    size_t key_length;
    const char *key = lua_tolstring(L, -2, &key_length);
    if (strlen(key) != key_length) luaL_error(L, "JSON: a zero byte has no place in a key");
    bool nested = lua_istable(L, -1);
    json_t *value = nested ? (is_array(L, lua_gettop(L)) ? json_array() : json_object()) : scalar(L, -1);
    attach(L, container, key, value);
    if (nested) fill(L, value, depth + 1);
    lua_settop(L, table + 5 - 1);
    lua_replace(L, table + 3);
  }
  lua_settop(L, table);
}

/* json_encode(table) -> text */
static int l_encode(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  json_t **held = hold(L);
  lua_pushvalue(L, 1);
  *held = is_array(L, 3) ? json_array() : json_object();
  if (!*held) return luaL_error(L, "out of memory");
  fill(L, *held, 0);
  size_t size = json_dumpb(*held, NULL, 0, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
  luaL_Buffer buffer;
  char *to = luaL_buffinitsize(L, &buffer, size);
  size_t written = json_dumpb(*held, to, size, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII);
  if (size == 0 || written != size) return luaL_error(L, "JSON: out of memory");
  luaL_pushresultsize(&buffer, size);
  /* DEL, which only a string may hold, is the one control character that jansson lets through. */
  luaL_gsub(L, lua_tostring(L, -1), "\x7f", "\\u007F");
  return 1;
}

static void push_value(lua_State *L, json_t *value) {
  luaL_checkstack(L, 6, NULL);
  switch (json_typeof(value)) {
    case JSON_OBJECT: {
      const char *key;
      json_t *member;
      lua_newtable(L);
      json_object_foreach(value, key, member) {
        push_value(L, member);
        lua_setfield(L, -2, key);
      }
      break;
    }
    case JSON_ARRAY:
      lua_createtable(L, (int)json_array_size(value), 0);
      luaL_setmetatable(L, ARRAY_NAME);
      for (size_t i = 0; i < json_array_size(value); i++) {
        push_value(L, json_array_get(value, i));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
      }
      break;
    case JSON_STRING:
      lua_pushlstring(L, json_string_value(value), json_string_length(value));
      break;
    case JSON_INTEGER:
      lua_pushinteger(L, json_integer_value(value));
      break;
    case JSON_REAL:
      lua_pushnumber(L, json_real_value(value));
      break;
    case JSON_TRUE:
    case JSON_FALSE:
      lua_pushboolean(L, json_is_true(value));
      break;
    case JSON_NULL:
      lua_pushlightuserdata(L, NULL);
      break;
  }
}

/* json_decode(text) -> value | nil, message, line, column. null is a light userdata; arrays bear a mark */
static int l_decode(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  json_error_t error;
  json_t **held = hold(L);
  *held = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
  if (!*held) {
    lua_pushnil(L);
    lua_pushstring(L, error.text);
    lua_pushinteger(L, error.line);
    lua_pushinteger(L, error.column);
    return 4;
  }
  push_value(L, *held);
  return 1;
}

/* array(table) -> the table, which is an array in JSON even when it is empty */
static int l_array(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  luaL_setmetatable(L, ARRAY_NAME);
  return 1;
}

static int prepared(lua_State *L, lua_CFunction function) {
  if (luaL_newmetatable(L, JSON_NAME)) {
    lua_pushcfunction(L, held_gc);
    lua_setfield(L, -2, "__gc");
  }
  luaL_newmetatable(L, ARRAY_NAME); /* its name is the mark */
  lua_pop(L, 2);
  return function(L);
}
static int l_json_encode(lua_State *L) { return prepared(L, l_encode); }
static int l_json_decode(lua_State *L) { return prepared(L, l_decode); }
static int l_json_array(lua_State *L) { return prepared(L, l_array); }

const luaL_Reg json_functions[] = {
    {"json_encode", l_json_encode}, {"json_decode", l_json_decode}, {"json_array", l_json_array}, {NULL, NULL}};
