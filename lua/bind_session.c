/* SPDX-License-Identifier: ISC
 * Sessions for TLS reporting (RFC 8460): counting one, and reading the counters. */
#include <string.h>

#include "env.h"
#include "resolve/cache.h"

/* ---- recording ---- */

/* The field as text, NULL when it is nil; its value stays on the stack, and with it the text. */
static const char *field(lua_State *L, const char *key) {
  int type = lua_getfield(L, 1, key);
  if (type == LUA_TNIL) return NULL;
  if (type != LUA_TSTRING) luaL_argerror(L, 1, lua_pushfstring(L, "'%s' is a %s, not a string", key, lua_typename(L, type)));
  return lua_tostring(L, -1);
}

static enum mts_policy_type check_type(lua_State *L, const char *name) {
  for (int i = MTS_POLICY_TYPE_NONE; name && i <= MTS_POLICY_TYPE_TLSA; i++)
    if (strcmp(name, mts_policy_type_name((enum mts_policy_type)i)) == 0) return (enum mts_policy_type)i;
  if (name) luaL_argerror(L, 1, lua_pushfstring(L, "'type' is one of 'sts', 'tlsa', 'no-policy-found', not '%s'", name));
  return MTS_POLICY_TYPE_NONE;
}

static enum mts_err check_result(lua_State *L, const char *code) {
  for (int i = MTS_OK + 1; code && i < MTS_ERR_COUNT; i++)
    if (strcmp(code, mts_err_name((enum mts_err)i)) == 0) return (enum mts_err)i;
  if (code) luaL_argerror(L, 1, lua_pushfstring(L, "'result' is the code of an error, not '%s'", code));
  return MTS_OK;
}

/* With the policy that is known of the domain; raises nothing. */
static enum mts_err record(struct env *env, struct mts_session *session, const char *domain) {
  struct mts *m = env->m;
  struct mts_entry entry = {0};
  enum mts_from from = MTS_FROM_NOTHING;
  if (session->type == MTS_POLICY_TYPE_STS && cache_get(m, domain, false, &entry, &from) == MTS_OK) session->policy = entry.policy;
  enum mts_err err = mts_session_record(m, session);
  session->domain = domain;
  if (!err) env_session_counted(env, session);
  session->policy = NULL;
  mts_entry_clear(&entry);
  return err;
}

static int recorded(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  lua_pushboolean(L, true);
  return 1;
}

/* record_session{domain, type, mx, address, source, helo, result, reason} -> true | nil, err */
static int l_record_session(lua_State *L) {
  static const char *const known[] = {"domain", "type", "mx", "address", "source", "helo", "result", "reason"};
  struct env *env = env_get(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  check_options(L, 1, known, sizeof known / sizeof *known);
  lua_settop(L, 1);
  struct mts_session session = {.domain = field(L, "domain")};
  size_t length = lua_rawlen(L, -1);
  if (!session.domain) luaL_argerror(L, 1, "'domain' is missing");
  session.type = check_type(L, field(L, "type"));
  session.err = check_result(L, field(L, "result"));
  session.mx = field(L, "mx");
  session.address = field(L, "address");
  session.source = field(L, "source");
  session.helo = field(L, "helo");
  session.reason = field(L, "reason");
  struct mts_destination destination;
  enum mts_err err = mts_destination_parse((struct mts_span){session.domain, length}, &destination);
  if (!err && destination.kind == MTS_DEST_LITERAL) err = MTS_ERR_NAME_LITERAL;
  if (err) return fail(L, err, strlen(session.domain) == length ? session.domain : NULL, NULL);
  if (session.err && !mts_err_result_type(session.err))
    return fail(L, MTS_ERR_ARGUMENT, destination.domain, "this error has no result type (RFC 8460 4.3)");
  env_outside(L, env);
  env_context(L, env);
  err = record(env, &session, destination.domain);
  if (err) return fail(L, err, destination.domain, NULL);
  /* There is nothing to wait for, but a short script may never wait again: its hook runs now. */
  struct waitable nothing = {.done = true};
  return wait_for(L, env, &nothing, recorded);
}

/* ---- reading ---- */

struct collection {
  lua_State *L;
  int failed;
  const struct mts_session_row *row;
};

static void push_session(lua_State *L, const struct mts_session_row *row) {
  lua_createtable(L, 0, 13);
  set_number(L, "day", row->day);
  set_text(L, "domain", row->domain);
  set_text(L, "policy_type", mts_policy_type_name(row->type));
  set_text(L, "policy", row->policy);
  set_text(L, "result", row->result);
  set_text(L, "mx", row->mx);
  set_text(L, "address", row->address);
  set_text(L, "source", row->source);
  set_text(L, "helo", row->helo);
  set_text(L, "reason", row->reason);
  set_number(L, "count", (int64_t)row->count);
  set_time(L, "first_at", row->first_at);
  set_time(L, "last_at", row->last_at);
}

static int append(lua_State *L) {
  const struct collection *collection = lua_touserdata(L, 2);
  push_session(L, collection->row);
  lua_rawseti(L, 1, (lua_Integer)lua_rawlen(L, 1) + 1);
  return 0;
}

/* Within the store's loop: nothing may be raised. */
static bool collect(void *arg, const struct mts_session_row *row) {
  struct collection *collection = arg;
  lua_State *L = collection->L;
  collection->row = row;
  lua_pushcfunction(L, append);
  lua_pushvalue(L, -2);
  lua_pushlightuserdata(L, collection);
  collection->failed = lua_pcall(L, 2, 0, 0);
  if (collection->failed) lua_pop(L, 1);
  return !collection->failed;
}

/* store_sessions{first = day, last = day, domain = normalised or nil for all} -> {counters} | nil, err; days from 1970-01-01 = 0 */
static int l_sessions(lua_State *L) {
  static const char *const known[] = {"first", "last", "domain"};
  struct env *env = env_get(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  check_options(L, 1, known, sizeof known / sizeof *known);
  lua_settop(L, 1);
  const char *domain = field(L, "domain");
  lua_getfield(L, 1, "first");
  lua_getfield(L, 1, "last");
  lua_Integer first = luaL_checkinteger(L, -2), last = luaL_checkinteger(L, -1);
  struct mts_store *store = NULL;
  enum mts_err err = open_store(L, env, &store);
  struct collection collection = {.L = L};
  luaL_checkstack(L, 8, NULL);
  lua_newtable(L);
  if (!err) err = mts_store_sessions(store, first, last, domain, collect, &collection);
  if (collection.failed) return luaL_error(L, "out of memory");
  return err ? fail(L, err, domain, NULL) : 1;
}

const luaL_Reg session_functions[] = {{"record_session", l_record_session}, {"store_sessions", l_sessions}, {NULL, NULL}};
