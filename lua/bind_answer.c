/* SPDX-License-Identifier: ISC
 * Lookups and their answers. */
#include <stdlib.h>
#include <string.h>

#include "env.h"
#include "net.h"
#include "resolve/answer.h"

static void push_host(lua_State *L, const struct mts_host *host) {
  lua_createtable(L, 0, 8);
  set_text(L, "name", host->name);
  set_number(L, "preference", host->preference);
  set_flag(L, "permitted", host->permitted);
  set_text(L, "guard", answer_guard_name(host->guard));
  set_text(L, "dnssec", answer_dnssec_name(host->dnssec));
  lua_createtable(L, (int)host->address_count, 0);
  for (size_t i = 0; i < host->address_count; i++) {
    lua_pushstring(L, host->addresses[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  read_only(L, "mtasts.addresses");
  lua_setfield(L, -2, "addresses");
  if (host->err) {
    push_error(L, host->err, host->name, host->tls && host->tls->err == host->err ? host->tls->detail : NULL);
    read_only(L, "mtasts.error");
    lua_setfield(L, -2, "error");
  }
  if (host->tls) {
    push_tls(L, host->tls);
    lua_setfield(L, -2, "tls");
  }
  read_only(L, "mtasts.host");
}

static void push_trace(lua_State *L, const struct mts_answer *answer) {
  if (answer->step_count == 0) {
    push_empty_list(L, "mtasts.trace");
    return;
  }
  lua_createtable(L, (int)answer->step_count, 0);
  for (size_t i = 0; i < answer->step_count; i++) {
    const struct mts_step *step = &answer->trace[i];
    lua_createtable(L, 0, 5);
    set_text(L, "what", step->what);
    set_text(L, "outcome", step->outcome);
    if (step->err) set_text(L, "code", mts_err_name(step->err));
    set_number(L, "at_ms", step->at_ms);
    set_number(L, "ms", step->ms);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  read_only(L, "mtasts.trace");
}

static void push_hosts(lua_State *L, const struct mts_answer *answer) {
  if (answer->host_count == 0) {
    push_empty_list(L, "mtasts.hosts");
    return;
  }
  lua_createtable(L, (int)answer->host_count, 0);
  for (size_t i = 0; i < answer->host_count; i++) {
    push_host(L, &answer->hosts[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  read_only(L, "mtasts.hosts");
}

void push_answer(lua_State *L, const struct mts_answer *answer) {
  luaL_checkstack(L, 16, NULL);
  lua_createtable(L, 0, 24);
  set_text(L, "domain", answer->domain);
  set_flag(L, "smarthost", answer->smarthost);
  set_text(L, "action", mts_action_name(answer->action));
  if (answer->policy || answer->from == MTS_FROM_RULE) set_text(L, "mode", mts_mode_name(answer->mode));
  set_text(L, "id", answer->id);
  set_text(L, "from", answer_from_name(answer->from));
  if (answer->policy) {
    push_policy_fields(L, answer->policy);
    read_only(L, "mtasts.patterns");
  } else {
    push_empty_list(L, "mtasts.patterns");
  }
  lua_setfield(L, -2, "patterns");
  set_time(L, "fetched_at", answer->fetched_at);
  set_time(L, "expires_at", answer->expires_at);
  set_time(L, "checked_at", answer->checked_at);
  if (answer->refresh_error.err) {
    push_error(L, answer->refresh_error.err, answer->domain, answer->refresh_error.detail);
    set_time(L, "at", answer->refresh_error.at);
    read_only(L, "mtasts.error");
    lua_setfield(L, -2, "refresh_error");
  }
  set_text(L, "reason", answer->reason);
  set_time(L, "exception_until", answer->exception_until);
  set_text(L, "dnssec", answer_dnssec_name(answer->dnssec));
  set_text(L, "dane", answer_dane(answer));
  set_flag(L, "hosts_known", answer->hosts_known);
  if (answer->hosts_err) {
    push_error(L, answer->hosts_err, answer->domain, NULL);
    read_only(L, "mtasts.error");
    lua_setfield(L, -2, "hosts_error");
  }
  push_hosts(L, answer);
  lua_setfield(L, -2, "hosts");
  push_trace(L, answer);
  lua_setfield(L, -2, "trace");
  read_only(L, "mtasts.answer");
}

/* ---- lookup ---- */

/* Where on the stack of who waits for a lookup its operation lies. */
#define WAITING 2

static void looked_up(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct op *op = arg;
  op->err = err;
  op->answer = answer;
  op_done(op);
}

enum { DEPTH, FRESHNESS, TIMEOUT, RULES, TRACE, OPTIONS };

static const char *const options[OPTIONS] = {"depth", "freshness", "timeout", "rules", "trace"};
#define DEPTHS 3
static const char *const depths[DEPTHS] = {"policy", "hosts", "tls"};
#define FRESHNESSES 4
static const char *const freshnesses[FRESHNESSES] = {"cached", "due", "always", "cache-only"};

/* The upvalue of lookup. Most answers lie in memory: what would wait for the others is there already, and serves again. */
struct lookups {
  struct env *env;
  struct op *quick; /* NULL: somebody waits with it. A user value */
  /* Lua has each short text just once, so that its place tells which one it is. What holds them is the list, the other user value. */
  const void *option[OPTIONS], *depth[DEPTHS], *freshness[FRESHNESSES];
};
#define LOOKUPS lua_upvalueindex(1)
enum { QUICK = 1, WORDS, USER_VALUES = WORDS };

/* Who waited has its answer. */
static void be_quick_again(lua_State *L, struct op *op) {
  struct lookups *lookups = lua_touserdata(L, LOOKUPS);
  if (lookups->quick) return;
  lua_pushvalue(L, WAITING);
  lua_setiuservalue(L, LOOKUPS, QUICK);
  lookups->quick = op;
}

static int lookup_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct op *op = (struct op *)context; /* the waitable is its first member */
  if (!op->wait.done) return wait_for(L, op->env, &op->wait, lookup_k);
  if (op->err) return fail(L, op->err, op->subject, NULL);
  push_shared_answer(L, op->env, &op->answer);
  be_quick_again(L, op);
  return 1;
}

/* It is not free while its answer is made a value: that may run a finalizer, and the finalizer this. */
static struct op *quick(lua_State *L, struct lookups *lookups) {
  if (!lookups->quick) {
    struct op *made;
    op_new(L, lookups->env, OP_LOOKUP, NULL, &made);
    lua_setiuservalue(L, LOOKUPS, QUICK);
    lookups->quick = made;
  }
  struct op *op = lookups->quick;
  if (op->answer) op_new(L, lookups->env, OP_LOOKUP, NULL, &op); /* stays on the stack */
  op->wait.done = false;
  op->err = MTS_OK;
  return op;
}

/* It has to be waited for: from now on it lives on the stack of who waits, behind the domain. */
static void keep_waiting(lua_State *L, struct lookups *lookups, struct op *op, const char *domain) {
  if (op == lookups->quick) {
    lua_getiuservalue(L, LOOKUPS, QUICK);
    lua_pushnil(L);
    lua_setiuservalue(L, LOOKUPS, QUICK);
    lookups->quick = NULL;
  }
  if (lua_gettop(L) > WAITING) lua_replace(L, WAITING);
  lua_settop(L, WAITING);
  op_link(op, domain);
}

/* The value on top as milliseconds. */
static uint32_t option_ms(lua_State *L, int index, const char *key) {
  lua_Number seconds = lua_tonumber(L, -1);
  if (!lua_isnumber(L, -1) || !(seconds > 0 && seconds <= 3600)) {
    luaL_argerror(L, index, lua_pushfstring(L, "'%s' is a number of seconds, more than 0 and at most 3600", key));
  }
  uint32_t ms = (uint32_t)(seconds * 1000);
  return ms ? ms : 1;
}

/* Which of the words the value on the stack is; count: none. */
static size_t which_of(lua_State *L, int index, const void *const *words, size_t count) {
  const void *word = lua_topointer(L, index);
  size_t which = 0;
  while (which < count && words[which] != word) which++;
  return which;
}

static _Noreturn void refuse_choice(lua_State *L, int index, const char *key, const char *const *words) {
  luaL_argerror(L, index, lua_pushfstring(L, "'%s' is one of '%s', '%s', '%s' …", key, words[0], words[1], words[2]));
}

static bool option_off(lua_State *L) { return lua_isboolean(L, -1) && !lua_toboolean(L, -1); }

/* The value on top. */
static void take_option(lua_State *L, int index, size_t option, const struct lookups *lookups, struct mts_lookup_opts *opts) {
  size_t which;
  switch (option) {
    case DEPTH:
      which = which_of(L, -1, lookups->depth, DEPTHS);
      if (which == DEPTHS) refuse_choice(L, index, options[option], depths);
      opts->depth = (enum mts_depth)which;
      break;
    case FRESHNESS:
      which = which_of(L, -1, lookups->freshness, FRESHNESSES);
      if (which == FRESHNESSES) refuse_choice(L, index, options[option], freshnesses);
      opts->freshness = (enum mts_freshness)which;
      break;
    case TIMEOUT:
      opts->deadline_ms = option_ms(L, index, options[option]);
      break;
    case RULES:
      opts->no_rules = option_off(L);
      break;
    case TRACE:
      opts->no_trace = option_off(L);
      break;
    default:
      refuse_option(L, index, options, OPTIONS);
  }
}

static void read_options(lua_State *L, int index, const struct lookups *lookups, struct mts_lookup_opts *opts) {
  if (lua_isnoneornil(L, index)) return;
  luaL_checktype(L, index, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
    take_option(L, index, which_of(L, -2, lookups->option, OPTIONS), lookups, opts);
  if (!lua_getmetatable(L, index)) return;
  for (size_t option = 0; option < OPTIONS; option++) { /* it may inherit some */
    if (lua_getfield(L, index, options[option]) != LUA_TNIL) take_option(L, index, option, lookups, opts);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* lookup(domain[, {depth, freshness, timeout, rules, trace}]) */
static int l_lookup(lua_State *L) {
  struct lookups *lookups = lua_touserdata(L, LOOKUPS);
  struct env *env = lookups->env;
  size_t length;
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *domain = lua_tolstring(L, 1, &length);
  struct mts_lookup_opts opts = {.depth = MTS_DEPTH_HOSTS, .freshness = MTS_USE_CACHED};
  read_options(L, 2, lookups, &opts);
  if (env->current && env->current->in_rule) opts.no_rules = true;
  if (strlen(domain) != length) return fail(L, MTS_ERR_NAME_SYNTAX, NULL, "a zero byte has no place in a name");
  env_outside(L, env);
  struct mts *m = env_context(L, env);
  struct op *op = quick(L, lookups);
  struct mts_lookup *lookup = NULL;
  env->in_core++;
  enum mts_err err = mts_lookup_start(m, domain, &opts, looked_up, op, &lookup);
  env->in_core--;
  if (err || (op->wait.done && op->err)) return fail(L, err ? err : op->err, domain, NULL);
  if (op->wait.done) {
    push_shared_answer(L, env, &op->answer);
    return 1;
  }
  op->lookup = lookup;
  keep_waiting(L, lookups, op, domain);
  return wait_for(L, env, &op->wait, lookup_k);
}

/* The list on top holds them. */
static void hold_words(lua_State *L, const char *const *words, size_t count, const void **places) {
  for (size_t i = 0; i < count; i++) {
    lua_pushstring(L, words[i]);
    places[i] = lua_topointer(L, -1);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
}

void lookup_open(lua_State *L) {
  struct lookups *lookups = lua_newuserdatauv(L, sizeof *lookups, USER_VALUES);
  *lookups = (struct lookups){.env = env_get(L)};
  lua_newtable(L);
  hold_words(L, options, OPTIONS, lookups->option);
  hold_words(L, depths, DEPTHS, lookups->depth);
  hold_words(L, freshnesses, FRESHNESSES, lookups->freshness);
  lua_setiuservalue(L, -2, WORDS);
  lua_pushcclosure(L, l_lookup, 1);
  lua_setfield(L, -2, "lookup");
}
