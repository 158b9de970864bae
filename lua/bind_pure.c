/* SPDX-License-Identifier: ISC
 * The pure functions: text in, values and findings out. */
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "env.h"

#define HOLDER_NAME "mtasts.holder"
#define TXT_MAX 256

/* Owns what C allocated while Lua, which may raise, makes tables of it. */
struct holder {
  struct mts_findings findings;
  struct mts_policy *policy;
  struct mts_tlsrpt *tlsrpt;
  struct mts_report *report;
};

static int holder_gc(lua_State *L) {
  struct holder *holder = luaL_checkudata(L, 1, HOLDER_NAME);
  mts_findings_free(&holder->findings);
  mts_policy_free(&holder->policy);
  mts_tlsrpt_free(&holder->tlsrpt);
  mts_report_free(&holder->report);
  return 0;
}

static struct holder *hold(lua_State *L) {
  struct holder *holder = lua_newuserdatauv(L, sizeof *holder, 0);
  memset(holder, 0, sizeof *holder);
  if (luaL_newmetatable(L, HOLDER_NAME)) {
    lua_pushcfunction(L, holder_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return holder;
}

static void push_findings(lua_State *L, const struct mts_findings *findings) {
  lua_createtable(L, (int)findings->count, 2);
  for (size_t i = 0; i < findings->count; i++) {
    const struct mts_deviation *deviation = &findings->list[i];
    lua_createtable(L, 0, 7);
    set_text(L, "code", deviation->code);
    set_number(L, "line", deviation->line);
    set_number(L, "column", deviation->column);
    set_text(L, "path", deviation->path);
    set_text(L, "clause", deviation->clause);
    set_flag(L, "strict_refuses", deviation->strict_refuses);
    set_text(L, "message", deviation->message);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  set_flag(L, "strict", findings->strict);
  set_number(L, "dropped", (int64_t)findings->dropped);
}

/* Every parser returns value or nil, nil or err, findings. The value, if any, is on top. */
static int results(lua_State *L, enum mts_err err, const struct holder *holder) {
  if (err) {
    lua_pushnil(L);
    push_error(L, err, NULL, NULL);
  } else {
    lua_pushnil(L);
  }
  push_findings(L, &holder->findings);
  return 3;
}

static struct mts_span check_span(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TSTRING);
  struct mts_span span;
  span.p = lua_tolstring(L, index, &span.n);
  return span;
}

/* The strings of a list of TXT records; they stay in the list. */
static size_t check_texts(lua_State *L, int index, struct mts_span texts[TXT_MAX]) {
  lua_Integer count = luaL_len(L, index);
  if (count < 0 || count > TXT_MAX) luaL_argerror(L, index, "too many records");
  for (lua_Integer i = 1; i <= count; i++) {
    if (lua_geti(L, index, i) != LUA_TSTRING) luaL_argerror(L, index, lua_pushfstring(L, "record %d is not a string", (int)i));
    texts[i - 1].p = lua_tolstring(L, -1, &texts[i - 1].n);
    lua_pop(L, 1);
  }
  return (size_t)count;
}

static int l_parse_record(lua_State *L) {
  struct mts_span texts[TXT_MAX];
  bool set = lua_istable(L, 1);
  size_t count = set ? check_texts(L, 1, texts) : 1;
  if (!set) texts[0] = check_span(L, 1);
  struct holder *holder = hold(L);
  struct mts_record record;
  enum mts_err err =
      set ? mts_record_select(texts, count, &record, &holder->findings) : mts_record_parse(texts[0], &record, &holder->findings);
  if (!err) {
    lua_createtable(L, 0, 1);
    set_text(L, "id", record.id);
  }
  return results(L, err, holder);
}

void push_policy_fields(lua_State *L, const struct mts_policy *policy) {
  set_number(L, "max_age", policy->max_age_s);
  lua_createtable(L, (int)policy->mx_count, 0);
  for (size_t i = 0; i < policy->mx_count; i++) {
    lua_pushstring(L, policy->mx[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* The options at 2, of which there is one. */
static enum mts_profile check_profile(lua_State *L) {
  static const char *const known[] = {"strict"};
  bool strict = false;
  if (check_options(L, 2, known, 1)) {
    lua_getfield(L, 2, "strict");
    strict = lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  return strict ? MTS_PROFILE_STRICT : MTS_PROFILE_DEFAULT;
}

static int l_parse_policy(lua_State *L) {
  struct mts_span body = check_span(L, 1);
  enum mts_profile profile = check_profile(L);
  struct holder *holder = hold(L);
  enum mts_err err = mts_policy_parse(body, profile, &holder->policy, &holder->findings);
  if (!err) {
    lua_createtable(L, 0, 3);
    set_text(L, "mode", mts_mode_name(holder->policy->mode));
    push_policy_fields(L, holder->policy);
    lua_setfield(L, -2, "mx");
  }
  return results(L, err, holder);
}

static int l_parse_tlsrpt(lua_State *L) {
  struct mts_span texts[TXT_MAX];
  bool set = lua_istable(L, 1);
  size_t count = set ? check_texts(L, 1, texts) : 1;
  if (!set) texts[0] = check_span(L, 1);
  struct holder *holder = hold(L);
  enum mts_err err = set ? mts_tlsrpt_select(texts, count, &holder->tlsrpt, &holder->findings)
                         : mts_tlsrpt_parse(texts[0], &holder->tlsrpt, &holder->findings);
  if (!err) {
    lua_createtable(L, 0, 2);
    lua_newtable(L);
    lua_newtable(L);
    for (size_t i = 0; i < holder->tlsrpt->rua_count; i++) {
      lua_pushstring(L, holder->tlsrpt->rua[i]);
      if (holder->tlsrpt->usable[i]) {
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, (lua_Integer)lua_rawlen(L, -3) + 1);
      }
      lua_rawseti(L, -3, (lua_Integer)i + 1);
    }
    lua_setfield(L, -3, "usable");
    lua_setfield(L, -2, "rua");
  }
  return results(L, err, holder);
}

/* ---- reports ---- */

static void set_texts(lua_State *L, const char *key, const char *const *texts, size_t count) {
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    lua_pushstring(L, texts[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, key);
}

static void set_count(lua_State *L, const char *key, int64_t count) {
  if (count >= 0) set_number(L, key, count);
}

static void push_report_failure(lua_State *L, const struct mts_report_failure *failure) {
  lua_createtable(L, 0, 8);
  set_text(L, "result", failure->result);
  set_text(L, "source", failure->source);
  set_text(L, "mx", failure->mx);
  set_text(L, "helo", failure->helo);
  set_text(L, "address", failure->address);
  set_count(L, "count", failure->count);
  set_text(L, "info", failure->info);
  set_text(L, "reason", failure->reason);
}

static void push_report_policy(lua_State *L, const struct mts_report_policy *policy) {
  lua_createtable(L, 0, 7);
  set_text(L, "policy_type", policy->type);
  set_text(L, "domain", policy->domain);
  set_texts(L, "policy", policy->lines, policy->line_count);
  set_texts(L, "patterns", policy->patterns, policy->pattern_count);
  set_count(L, "successful", policy->successful);
  set_count(L, "failed", policy->failed);
  lua_createtable(L, (int)policy->failure_count, 0);
  for (size_t i = 0; i < policy->failure_count; i++) {
    push_report_failure(L, &policy->failures[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "failures");
}

static void push_report(lua_State *L, const struct mts_report *report) {
  lua_createtable(L, 0, 6);
  set_text(L, "organization", report->organization);
  set_text(L, "contact", report->contact);
  set_text(L, "id", report->id);
  set_time(L, "begins_at", report->begins_at);
  set_time(L, "ends_at", report->ends_at);
  lua_createtable(L, (int)report->policy_count, 0);
  for (size_t i = 0; i < report->policy_count; i++) {
    push_report_policy(L, &report->policies[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "policies");
}

static int l_parse_report(lua_State *L) {
  struct mts_span bytes = check_span(L, 1);
  enum mts_profile profile = check_profile(L);
  struct holder *holder = hold(L);
  enum mts_err err = mts_report_parse(bytes, profile, &holder->report, &holder->findings);
  if (!err) push_report(L, holder->report);
  return results(L, err, holder);
}

static int l_parse_destination(lua_State *L) {
  static const char *const kinds[] = {
      [MTS_DEST_DOMAIN] = "domain", [MTS_DEST_SMARTHOST] = "smarthost", [MTS_DEST_LITERAL] = "literal"};
  struct mts_destination destination;
  enum mts_err err = mts_destination_parse(check_span(L, 1), &destination);
  if (err) return fail(L, err, NULL, NULL);
  lua_createtable(L, 0, 3);
  set_text(L, "kind", kinds[destination.kind]);
  set_text(L, "domain", destination.domain);
  if (destination.port) set_number(L, "port", destination.port);
  return 1;
}

static const char *check_text(lua_State *L, int index) {
  struct mts_span span = check_span(L, index);
  luaL_argcheck(L, strlen(span.p) == span.n, index, "a zero byte has no place in a name");
  return span.p;
}

static int l_mx_matches(lua_State *L) {
  const char *pattern = check_text(L, 1), *host = check_text(L, 2);
  lua_pushboolean(L, mts_mx_matches(pattern, host));
  return 1;
}

/* normalise(name) -> A-labels | nil, err: what people type at the command line */
static int l_normalise(lua_State *L) {
  char name[MTS_NAME_SIZE];
  enum mts_err err = mts_name_normalise_host(check_span(L, 1), name);
  if (err) return fail(L, err, NULL, NULL);
  lua_pushstring(L, name);
  return 1;
}

/* errors() -> {error, ...}, in the order of mtasts.h, without "ok": what manual and help are made of */
static int l_errors(lua_State *L) {
  lua_createtable(L, MTS_ERR_COUNT - 1, 0);
  for (int i = MTS_OK + 1; i < MTS_ERR_COUNT; i++) {
    push_error(L, (enum mts_err)i, NULL, NULL);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

const luaL_Reg pure_functions[] = {{"parse_record", l_parse_record},
                                   {"parse_policy", l_parse_policy},
                                   {"parse_tlsrpt", l_parse_tlsrpt},
                                   {"parse_report", l_parse_report},
                                   {"parse_destination", l_parse_destination},
                                   {"mx_matches", l_mx_matches},
                                   {"normalise", l_normalise},
                                   {"errors", l_errors},
                                   {NULL, NULL}};
