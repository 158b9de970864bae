/* SPDX-License-Identifier: ISC */
#include "session_object.h"

#include <lauxlib.h>
#include <string.h>

#include "env.h"

#define OBJECT_NAME "mtasts.session"

/* The registry holds the objects of sessions that go on, so that what a rule keeps in them stays. */
struct object {
  struct session *session;
  bool moved;        /* the session goes on with newer rules */
  lua_State *main;   /* of the state in which it lives */
  const void *state; /* this state, as any of its coroutines can tell it */
};

static const void *state_of(lua_State *L) { return lua_topointer(L, LUA_REGISTRYINDEX); }

/* What a session knows of itself. */
enum { RECIPIENTS = SESSION_FIELD_COUNT, ID, KEYS };
static const char *const names[KEYS] = {
#define X(code, name) [SESSION_##code] = (name),
    SESSION_FIELDS(X)
#undef X
        [RECIPIENTS] = "recipients",
    [ID] = "id"};

/* User values of an object: what rules keep in it, and its fields once they were read. */
enum { KEPT = 1, FIRST_FIELD, USER_VALUES = FIRST_FIELD + SESSION_FIELD_COUNT - 1 };

/* The upvalue of get and set, for they are called often: where the metatable and the names lie tells which ones they are, for Lua has each
 * short text just once. A user value holds these. */
struct known {
  const void *metatable, *name[KEYS];
};
#define KNOWN lua_upvalueindex(1)

static struct session *session_of(lua_State *L) {
  const struct object *object = luaL_checkudata(L, 1, OBJECT_NAME);
  if (object->moved) luaL_error(L, "newer rules have this session now");
  /* Only finalizers come here with an object that was collected before them. */
  if (!object->session) luaL_error(L, "the session is over, and its object was collected");
  return object->session;
}

/* What the text that lies there names; KEYS: nothing of ours. */
static size_t key_of(const struct known *known, const void *name) {
  size_t key = 0;
  while (key < KEYS && known->name[key] != name) key++;
  return key;
}

static void push_recipients(lua_State *L, const struct session *session) {
  lua_createtable(L, (int)session->recipient_count, 0);
  for (size_t i = 0; i < session->recipient_count; i++) {
    lua_pushstring(L, session->recipients[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_field(lua_State *L, struct session *session, size_t field) {
  if (session->shown & 1u << field) {
    lua_getiuservalue(L, 1, FIRST_FIELD + (int)field);
    return;
  }
  lua_pushstring(L, session->field[field]);
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, 1, FIRST_FIELD + (int)field);
  session->shown |= 1u << field;
}

static int get(lua_State *L) {
  const struct known *known = lua_touserdata(L, KNOWN);
  const struct object *object = lua_touserdata(L, 1);
  const void *name = lua_topointer(L, 2);
  bool is_one = object && lua_getmetatable(L, 1) && lua_topointer(L, -1) == known->metatable;
  struct session *session = is_one && object->session ? object->session : session_of(L);
  size_t key = key_of(known, name);
  if (key < SESSION_FIELD_COUNT) {
    push_field(L, session, key);
  } else if (key == RECIPIENTS) {
    push_recipients(L, session);
  } else if (key == ID) {
    lua_pushstring(L, session->by_id.id);
  } else if (lua_getiuservalue(L, 1, KEPT) == LUA_TTABLE) {
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

static int set(lua_State *L) {
  session_of(L);
  size_t key = key_of(lua_touserdata(L, KNOWN), lua_topointer(L, 2));
  if (key < KEYS) return luaL_error(L, "session.%s is what smtpd reported, and cannot be set; choose another name", names[key]);
  luaL_argcheck(L, !lua_isnil(L, 2), 2, "a field has a name");
  if (lua_getiuservalue(L, 1, KEPT) != LUA_TTABLE) {
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, KEPT);
  }
  lua_pushvalue(L, 2);
  lua_pushvalue(L, 3);
  lua_rawset(L, -3);
  return 0;
}

static int text(lua_State *L) {
  const struct session *session = session_of(L);
  const char *address = session->field[SESSION_ADDRESS];
  lua_pushfstring(L, "session %s%s%s", session->by_id.id, address ? " from " : "", address ? address : "");
  return 1;
}

static int collect(lua_State *L) {
  struct object *object = lua_touserdata(L, 1);
  struct session *session = object->session;
  object->session = NULL;
  if (!session) return 0;
  session->object = NULL;
  session_release(session);
  return 0;
}

/* The metatable is on top, and stays. */
static void push_known(lua_State *L) {
  struct known *known = lua_newuserdatauv(L, sizeof *known, 1);
  known->metatable = lua_topointer(L, -2);
  lua_createtable(L, KEYS, 0);
  for (int i = 0; i < KEYS; i++) {
    lua_pushstring(L, names[i]);
    known->name[i] = lua_topointer(L, -1);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setiuservalue(L, -2, 1);
}

void session_object_open(lua_State *L) {
  static const luaL_Reg meta[] = {{"__tostring", text}, {"__gc", collect}, {NULL, NULL}},
                        fields[] = {{"__index", get}, {"__newindex", set}, {NULL, NULL}};
  luaL_newmetatable(L, OBJECT_NAME);
  luaL_setfuncs(L, meta, 0);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  push_known(L);
  luaL_setfuncs(L, fields, 1);
  lua_pop(L, 1);
}

static void make(lua_State *L, struct session *session, struct mts_span id) {
  struct object *object = lua_newuserdatauv(L, sizeof *object, USER_VALUES);
  *object = (struct object){.state = state_of(L)};
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  object->main = lua_tothread(L, -1);
  lua_pop(L, 1);
  luaL_setmetatable(L, OBJECT_NAME);
  if (session) {
    lua_pushvalue(L, -1);
    session->object_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  } else {
    session = session_apart(id);
  }
  if (!session) luaL_error(L, "not enough memory");
  object->session = session;
  session->object = object;
  session->shown = 0;
}

/* ---- from older rules to newer ones ---- */

static bool is_simple(lua_State *L, int index) {
  int type = lua_type(L, index);
  return type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN;
}

static void copy_simple(lua_State *from, int index, lua_State *L) {
  size_t n;
  if (lua_type(from, index) == LUA_TSTRING) {
    const char *text = lua_tolstring(from, index, &n);
    lua_pushlstring(L, text, n);
  } else if (lua_type(from, index) == LUA_TBOOLEAN) {
    lua_pushboolean(L, lua_toboolean(from, index));
  } else if (lua_isinteger(from, index)) {
    lua_pushinteger(L, lua_tointeger(from, index));
  } else {
    lua_pushnumber(L, lua_tonumber(from, index));
  }
}

/* The table on top of from, as far as it is simple; left on L. */
static void copy_fields(lua_State *from, lua_State *L) {
  lua_newtable(L);
  lua_pushnil(from);
  while (lua_next(from, -2)) {
    if (is_simple(from, -2) && is_simple(from, -1)) {
      copy_simple(from, -2, L);
      copy_simple(from, -1, L);
      lua_rawset(L, -3);
    }
    lua_pop(from, 1);
  }
}

/* The object on top of from gives its session away. An error in L leaves the session without an object. */
static void move(lua_State *from, struct object *object, lua_State *L) {
  struct session *session = object->session;
  object->session = NULL;
  object->moved = true;
  session->object = NULL;
  make(L, session, mts_span(NULL, 0));
  if (lua_getiuservalue(from, -1, KEPT) == LUA_TTABLE) {
    copy_fields(from, L);
    lua_setiuservalue(L, -2, KEPT);
  }
  lua_pop(from, 1);
}

void session_object_move_all(lua_State *from, lua_State *L) {
  if (!lua_checkstack(from, 8)) return;
  int top = lua_gettop(from);
  luaL_getmetatable(from, OBJECT_NAME); /* there since session_object_open: makes nothing */
  lua_pushnil(from);
  while (lua_next(from, LUA_REGISTRYINDEX)) {
    bool is_one = lua_type(from, -1) == LUA_TUSERDATA && lua_getmetatable(from, -1);
    if (is_one) {
      is_one = lua_rawequal(from, -1, top + 1);
      lua_pop(from, 1);
    }
    struct object *object = is_one ? lua_touserdata(from, -1) : NULL;
    if (object && object->session && !object->session->ended) {
      move(from, object, L);
      lua_pop(L, 1);
    }
    lua_pop(from, 1);
  }
  lua_settop(from, top);
}

bool session_object_is_of(lua_State *L, const struct session *session) {
  const struct object *object = session->object;
  return object && object->state == state_of(L);
}

void session_object_push(lua_State *L, struct session *session, struct mts_span id) {
  if (!session || !session->object) {
    make(L, session, id);
  } else if (session_object_is_of(L, session)) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, session->object_ref);
  } else {
    lua_State *from = ((const struct object *)session->object)->main;
    if (!lua_checkstack(from, 8)) luaL_error(L, "not enough memory");
    int top = lua_gettop(from);
    lua_rawgeti(from, LUA_REGISTRYINDEX, session->object_ref);
    move(from, session->object, L);
    lua_settop(from, top);
  }
}

#define GROWTH_KB 1024

/* Lua counts what waits for its finalizer as if it lived, and waits ever longer before it collects again: without this, memory grows with
 * the number of sessions. */
static void collect_in_time(lua_State *L) {
  struct env *env = env_get(L);
  if (lua_gc(L, LUA_GCCOUNT) < 2 * env->kept_kb + GROWTH_KB) return;
  for (int twice = 0; twice < 2; twice++) lua_gc(L, LUA_GCCOLLECT); /* the first calls finalizers, the second frees */
  env->kept_kb = lua_gc(L, LUA_GCCOUNT);
}

void session_object_let_go(lua_State *L, const struct session *session) {
  luaL_unref(L, LUA_REGISTRYINDEX, session->object_ref);
  collect_in_time(L);
}
