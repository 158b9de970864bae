/* SPDX-License-Identifier: ISC
 * The told world, for tests of rules. mtasts.lua reads the tables; here are the single steps, and what is told of hosts in bind_told.c. */
#include <string.h>

#include "base/buf.h"
#include "env.h"

#define WORLD_NAME "mtasts.world"
#define RECORDS_MAX 64

struct world {
  struct env *env;
  unsigned number;
};

struct env *check_world(lua_State *L) {
  struct world *world = luaL_checkudata(L, 1, WORLD_NAME);
  if (!world->env->fake || world->env->world != world->number) luaL_error(L, "this world is closed");
  return world->env;
}

static int l_close(lua_State *L) {
  struct world *world = luaL_checkudata(L, 1, WORLD_NAME);
  struct env *env = world->env;
  if (!env->fake || env->world != world->number) return 0;
  if (env->in_core || env->settled) return 0; /* a finalizer at a bad moment; the environment's own frees it */
  env_drop_context(env);
  mts_fake_free(&env->fake);
  mts_settings_free(&env->settings);
  env->settings = env->saved;
  env->saved = NULL;
  return 0;
}

static int l_open(lua_State *L) {
  struct env *env = env_get(L);
  lua_Integer now_s = luaL_checkinteger(L, 1);
  luaL_argcheck(L, now_s >= 0 && now_s < (lua_Integer)1 << 40, 1, "'now' is out of range");
  env_outside(L, env);
  env_unsettled(L, env);
  if (env->fake) return luaL_error(L, "a world is open already; close it first");
  struct world *world = lua_newuserdatauv(L, sizeof *world, 0);
  world->env = env;
  world->number = env->world + 1;
  luaL_setmetatable(L, WORLD_NAME);
  struct mts_settings *copy = NULL;
  struct mts_fake *fake = NULL;
  enum mts_err err = env_copy_settings(env->settings, &copy);
  if (!err) err = mts_settings_set(copy, "store", "none");
  if (!err) err = mts_fake_new(now_s * 1000, &fake);
  if (err) {
    mts_settings_free(&copy);
    return luaL_error(L, "the world cannot be made: %s", mts_err_message(err));
  }
  env_drop_context(env);
  env->saved = env->settings;
  env->settings = copy;
  env->fake = fake;
  env->world++;
  return 1;
}

static uint32_t check_u32(lua_State *L, int index, const char *what) {
  lua_Integer value = luaL_optinteger(L, index, 0);
  if (value < 0 || value > INT32_MAX) luaL_argerror(L, index, lua_pushfstring(L, "%s is out of range", what));
  return (uint32_t)value;
}

enum mts_err error_named(const char *name) {
  for (int i = 1; i < MTS_ERR_COUNT; i++) {
    if (strcmp(mts_err_name((enum mts_err)i), name) == 0) return (enum mts_err)i;
  }
  return MTS_OK;
}

static enum mts_rrtype check_type(lua_State *L, int index) {
  static const char *const names[] = {"A", "AAAA", "MX", "TXT", "TLSA", NULL};
  static const enum mts_rrtype types[] = {MTS_RR_A, MTS_RR_AAAA, MTS_RR_MX, MTS_RR_TXT, MTS_RR_TLSA};
  return types[luaL_checkoption(L, index, NULL, names)];
}

/* dns(world, name, type, {records} or error name, ttl, dnssec, delay_ms) */
static int l_dns(lua_State *L) {
  static const char *const dnssecs[] = {"unknown", "insecure", "secure", NULL};
  struct env *env = check_world(L);
  lua_settop(L, 7); /* what is pushed below is no argument */
  const char *name = luaL_checkstring(L, 2);
  enum mts_rrtype type = check_type(L, 3);
  enum mts_err told = MTS_OK;
  struct mts_span records[RECORDS_MAX];
  size_t count = 0;
  if (lua_istable(L, 4)) {
    lua_Integer length = luaL_len(L, 4);
    luaL_argcheck(L, length <= RECORDS_MAX, 4, "too many records");
    for (; (lua_Integer)count < length; count++) {
      if (lua_geti(L, 4, (lua_Integer)count + 1) != LUA_TSTRING) return luaL_argerror(L, 4, "records are strings");
      records[count].p = lua_tolstring(L, -1, &records[count].n);
      lua_pop(L, 1);
    }
    if (count == 0) told = MTS_ERR_DNS_NODATA;
  } else {
    const char *word = luaL_checkstring(L, 4);
    told = error_named(strncmp(word, "dns-", 4) == 0 ? word : lua_pushfstring(L, "dns-%s", word));
    if (!told) return luaL_error(L, "fake dns '%s': no error is named '%s'", name, word);
  }
  uint32_t ttl = check_u32(L, 5, "ttl"), delay = check_u32(L, 7, "delay_ms");
  enum mts_dnssec dnssec = (enum mts_dnssec)luaL_checkoption(L, 6, "insecure", dnssecs);
  if (mts_fake_dns(env->fake, name, type, told, records, count, ttl, dnssec, delay)) {
    return luaL_error(L, "fake dns '%s': the name or a record cannot be read", name);
  }
  return 0;
}

static int l_cname(lua_State *L) {
  struct env *env = check_world(L);
  const char *name = luaL_checkstring(L, 2), *target = luaL_checkstring(L, 3);
  if (mts_fake_cname(env->fake, name, target))
    return luaL_error(L, "fake dns '%s CNAME': the name or '%s' cannot be read", name, target);
  return 0;
}

static int l_advance(lua_State *L) {
  struct env *env = check_world(L);
  lua_Number seconds = luaL_checknumber(L, 2);
  luaL_argcheck(L, seconds >= 0 && seconds < 1e11, 2, "time only goes forward");
  mts_fake_advance(env->fake, (int64_t)(seconds * 1000));
  return 0;
}

static int l_world_now(lua_State *L) {
  struct env *env = check_world(L);
  lua_pushinteger(L, mts_clock_now_s(&mts_fake_net(env->fake)->clock));
  return 1;
}

/* count(world, 'GET' | 'SMTP' | type, name or nil) */
static int l_count(lua_State *L) {
  struct env *env = check_world(L);
  const char *what = luaL_checkstring(L, 2), *name = luaL_optstring(L, 3, NULL);
  size_t count;
  if (strcmp(what, "GET") == 0)
    count = mts_fake_count_https(env->fake, name);
  else if (strcmp(what, "SMTP") == 0)
    count = mts_fake_count_smtp(env->fake, name);
  else
    count = mts_fake_count_dns(env->fake, name, check_type(L, 2));
  lua_pushinteger(L, (lua_Integer)count);
  return 1;
}

static int l_fake(lua_State *L) {
  if (luaL_newmetatable(L, WORLD_NAME)) {
    lua_pushcfunction(L, l_close);
    lua_setfield(L, -2, "__gc");
  }
  lua_pop(L, 1);
  return l_open(L);
}

const luaL_Reg fake_functions[] = {
    {"fake_open", l_fake},       {"fake_close", l_close},   {"fake_dns", l_dns},     {"fake_cname", l_cname},
    {"fake_advance", l_advance}, {"fake_now", l_world_now}, {"fake_count", l_count}, {NULL, NULL}};
