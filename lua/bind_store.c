/* SPDX-License-Identifier: ISC
 * The store, for the command line. Reads need no network. */
#include <string.h>

#include "base/buf.h"
#include "env.h"
#include "resolve/forgetting.h"
#include "store/store.h"

#define STORE_NAME "mtasts.store"

struct holder {
  struct mts_store *store;
};

static int holder_gc(lua_State *L) {
  mts_store_close(&((struct holder *)luaL_checkudata(L, 1, STORE_NAME))->store);
  return 0;
}

enum mts_err open_store(lua_State *L, struct env *env, struct mts_store **store) {
  struct mts *m = env_context(L, env);
  struct holder *holder = lua_newuserdatauv(L, sizeof *holder, 0);
  holder->store = NULL;
  if (luaL_newmetatable(L, STORE_NAME)) {
    lua_pushcfunction(L, holder_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  const char *path = settings_store(env->settings);
  if (strcmp(path, "none") == 0) return MTS_ERR_STORE_NONE;
  enum mts_err err = mts_store_open(path, &m->clock, m->log, &holder->store);
  *store = holder->store;
  return err;
}

static void push_entry(lua_State *L, const struct mts_entry *entry) {
  lua_createtable(L, 0, 12);
  set_text(L, "domain", entry->domain);
  if (entry->policy) {
    set_text(L, "mode", mts_mode_name(entry->policy->mode));
    push_policy_fields(L, entry->policy);
    lua_setfield(L, -2, "patterns");
  }
  set_text(L, "id", entry->id);
  set_time(L, "fetched_at", entry->fetched_at);
  set_time(L, "expires_at", entry->expires_at);
  set_time(L, "refresh_at", entry->refresh_at);
  set_time(L, "checked_at", entry->checked_at);
  set_time(L, "check_at", entry->check_at);
  set_time(L, "retry_at", entry->retry_at);
  set_time(L, "failing_since", entry->failing_since);
  if (entry->err) {
    push_error(L, entry->err, entry->domain, entry->detail);
    set_time(L, "at", entry->failed_at);
    lua_setfield(L, -2, "refresh_error");
  }
}

struct collection {
  lua_State *L;
  int failed;
  const struct mts_entry *entry;
};

static int append_entry(lua_State *L) {
  const struct collection *collection = lua_touserdata(L, 2);
  push_entry(L, collection->entry);
  lua_rawseti(L, 1, (lua_Integer)lua_rawlen(L, 1) + 1);
  return 0;
}

/* Within the store's loop: nothing may be raised. */
static bool collect(void *arg, const struct mts_entry *entry) {
  struct collection *collection = arg;
  lua_State *L = collection->L;
  collection->entry = entry;
  lua_pushcfunction(L, append_entry);
  lua_pushvalue(L, -2);
  lua_pushlightuserdata(L, collection);
  collection->failed = lua_pcall(L, 2, 0, 0);
  if (collection->failed) lua_pop(L, 1);
  return !collection->failed;
}

/* store_list() -> {entries} | nil, err */
static int l_list(lua_State *L) {
  struct env *env = env_get(L);
  struct mts_store *store = NULL;
  enum mts_err err = open_store(L, env, &store);
  struct collection collection = {.L = L};
  luaL_checkstack(L, 8, NULL);
  lua_newtable(L);
  if (!err) err = mts_store_each(store, collect, &collection);
  if (collection.failed) return luaL_error(L, "out of memory");
  return err ? fail(L, err, NULL, settings_store(env->settings)) : 1;
}

/* store_get(domain) -> entry | nil, err */
static int l_get(lua_State *L) {
  struct env *env = env_get(L);
  const char *domain = luaL_checkstring(L, 1);
  struct mts_store *store = NULL;
  enum mts_err err = open_store(L, env, &store);
  struct mts_entry entry = {0};
  if (!err) err = mts_store_get(store, domain, &entry);
  if (err) return fail(L, err, domain, NULL);
  lua_newtable(L);
  struct collection collection = {.L = L};
  luaL_checkstack(L, 8, NULL);
  collect(&collection, &entry);
  mts_entry_clear(&entry);
  if (collection.failed) return luaL_error(L, "out of memory");
  lua_rawgeti(L, -1, 1);
  return 1;
}

/* store_stats() -> numbers | nil, err */
static int l_stats(lua_State *L) {
  struct env *env = env_get(L);
  struct mts_store *store = NULL;
  struct mts_store_stats stats = {0};
  enum mts_err err = open_store(L, env, &store);
  if (!err) err = mts_store_stats(store, mts_now(env->m), &stats);
  if (err) return fail(L, err, NULL, settings_store(env->settings));
  lua_createtable(L, 0, 14);
  set_text(L, "file", mts_store_path(store));
#define FIELD(name) set_number(L, #name, (int64_t)stats.name)
  FIELD(domains);
  FIELD(policies);
  FIELD(enforce);
  FIELD(testing);
  FIELD(none);
  FIELD(expired);
  FIELD(failing);
  FIELD(absent);
  FIELD(leases);
  FIELD(hosts);
  FIELD(bytes);
#undef FIELD
  set_time(L, "oldest_fetch", stats.oldest_fetch);
  set_time(L, "next_expiry", stats.next_expiry);
  return 1;
}

struct forgotten {
  bool over;
  enum mts_err err;
  char detail[160];
};

static void forgot(void *arg, enum mts_err err, const char *detail) {
  struct forgotten *forgotten = arg;
  mts_text_format(forgotten->detail, sizeof forgotten->detail, "%s", detail);
  forgotten->err = err;
  forgotten->over = true;
}

/* store_flush(domain or nil for all) -> number | nil, err, and an error of the shared store, with which only this machine forgot */
static int l_flush(lua_State *L) {
  struct env *env = env_get(L);
  const char *domain = luaL_optstring(L, 1, NULL);
  size_t removed = 0;
  struct forgotten forgotten = {0};
  env_outside(L, env);
  if (env->event_base) return luaL_error(L, "a program that lends its loop cannot wait here");
  struct mts *m = env_context(L, env);
  /* That first: what is forgotten here would be learned from there again. */
  env->in_core++;
  forgetting_start(m, domain, forgot, &forgotten);
  while (!forgotten.over && mts_turn(m, -1)) continue;
  env->in_core--;
  enum mts_err err = forgetting_here(m, domain, &removed);
  if (err) return fail(L, err, domain, NULL);
  lua_pushinteger(L, (lua_Integer)removed);
  lua_pushnil(L);
  if (!forgotten.err) return 2;
  push_error(L, forgotten.err, domain, forgotten.detail[0] ? forgotten.detail : NULL);
  return 3;
}

/* store_refresh(limit) -> number started | nil, err; waits until all is done */
static int l_refresh(lua_State *L) {
  struct env *env = env_get(L);
  lua_Integer limit = luaL_optinteger(L, 1, 0);
  luaL_argcheck(L, limit >= 0 && limit <= 256, 1, "from 0 to 256");
  env_outside(L, env);
  struct mts *m = env_context(L, env);
  size_t started = 0;
  env->in_core++;
  enum mts_err err = mts_refresh_due(m, (size_t)limit, &started);
  env->in_core--;
  if (!err) env_drive(L, env); /* alarms too */
  if (err) return fail(L, err, NULL, NULL);
  lua_pushinteger(L, (lua_Integer)started);
  return 1;
}

const luaL_Reg store_functions[] = {{"store_list", l_list},   {"store_get", l_get},         {"store_stats", l_stats},
                                    {"store_flush", l_flush}, {"store_refresh", l_refresh}, {NULL, NULL}};
