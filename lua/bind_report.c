/* SPDX-License-Identifier: ISC
 * Reports that are sent (RFC 8460): writing one of what the store has counted, and how each fares. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/buf.h"
#include "env.h"
#include "resolve/cache.h"
#include "resolve/shared_reports.h"
#include "sendmail.h"

#define MAIL_WORDS_MOST 32
#define WRITTEN_NAME "mtasts.report.written"
#define DAY_S 86400

/* ---- options; their texts stay on the stack ---- */

/* A text without NUL; raises for anything else. */
static const char *text_field(lua_State *L, int index, const char *key) {
  size_t n = 0;
  const char *text = lua_getfield(L, index, key) == LUA_TSTRING ? lua_tolstring(L, -1, &n) : NULL;
  if (!text || strlen(text) != n) luaL_argerror(L, index, lua_pushfstring(L, "'%s' is a text without zero bytes", key));
  return text;
}

static int64_t number_field(lua_State *L, int index, const char *key, int64_t most) {
  int is_number = 0;
  lua_getfield(L, index, key);
  lua_Integer number = lua_tointegerx(L, -1, &is_number);
  if (!is_number || number < 0 || number > most) luaL_argerror(L, index, lua_pushfstring(L, "'%s' is no fitting number", key));
  lua_pop(L, 1);
  return number;
}

static struct mts_report_terms check_terms(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TTABLE);
  luaL_checkstack(L, 12, NULL);
  return (struct mts_report_terms){.organization = text_field(L, index, "organization"),
                                   .contact = text_field(L, index, "contact"),
                                   .domain = text_field(L, index, "domain"),
                                   .day = number_field(L, index, "day", INT64_MAX / DAY_S)};
}

/* The context's own connection: a new one for each of thousands of reports would stay open until Lua collects it. */
static enum mts_err report_store(lua_State *L, struct env *env, struct mts_store **store) {
  struct mts *m = env_context(L, env);
  if (!m->has_store) return MTS_ERR_STORE_NONE;
  *store = cache_store(m);
  return *store ? MTS_OK : open_store(L, env, store); /* which says why not */
}

/* Where several machines share a store, reports are made there. What asks it waits, so nothing of the core may be on the stack. */
static bool is_shared(lua_State *L, struct env *env) {
  const struct mts *m = env_context(L, env);
  if (m->has_shared) env_outside(L, env);
  return m->has_shared;
}

/* report_move() -> true | nil, err; sends this machine's counters to the shared store, if there is one */
static int l_report_move(lua_State *L) {
  struct env *env = env_get(L);
  enum mts_err err = is_shared(L, env) ? shared_reports_move(env->m) : MTS_OK;
  if (err && err != MTS_ERR_STORE_NONE) return fail(L, err, NULL, NULL);
  lua_pushboolean(L, true);
  return 1;
}

/* ---- writing ---- */

struct writing {
  struct mts_session_row *rows; /* owned, with their texts */
  size_t count, room;
  bool failed;
  struct mts_report_written written;
};

static void drop_rows(struct writing *writing) {
  for (size_t i = 0; i < writing->count; i++) free((void *)(uintptr_t)writing->rows[i].domain);
  free(writing->rows);
  writing->rows = NULL;
  writing->count = writing->room = 0;
}

static int written_gc(lua_State *L) {
  struct writing *writing = luaL_checkudata(L, 1, WRITTEN_NAME);
  drop_rows(writing);
  mts_report_written_free(&writing->written);
  return 0;
}

static struct writing *writing_new(lua_State *L) {
  struct writing *writing = lua_newuserdatauv(L, sizeof *writing, 0);
  memset(writing, 0, sizeof *writing);
  if (luaL_newmetatable(L, WRITTEN_NAME)) {
    lua_pushcfunction(L, written_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return writing;
}

/* All texts in one piece of memory, which begins with the domain. */
static bool copy_row(const struct mts_session_row *from, struct mts_session_row *to) {
  const char *const texts[] = {from->domain,  from->policy, from->result, from->mx,
                               from->address, from->source, from->helo,   from->reason};
  const char **const places[] = {&to->domain, &to->policy, &to->result, &to->mx, &to->address, &to->source, &to->helo, &to->reason};
  enum { TEXTS = sizeof texts / sizeof texts[0] };
  size_t size = 0;
  for (size_t i = 0; i < TEXTS; i++) size += strlen(texts[i]) + 1;
  char *memory = malloc(size);
  if (!memory) return false;
  *to = *from;
  for (size_t i = 0; i < TEXTS; i++) {
    size_t n = strlen(texts[i]) + 1;
    *places[i] = memcpy(memory, texts[i], n);
    memory += n;
  }
  return true;
}

/* Within the store's loop: nothing may be raised. */
static bool keep_row(void *arg, const struct mts_session_row *row) {
  struct writing *writing = arg;
  if (writing->count == writing->room) {
    size_t room = writing->room ? 2 * writing->room : 64;
    struct mts_session_row *rows = realloc(writing->rows, room * sizeof *rows);
    if (!rows) {
      writing->failed = true;
      return false;
    }
    writing->rows = rows;
    writing->room = room;
  }
  writing->failed = !copy_row(row, &writing->rows[writing->count]);
  if (!writing->failed) writing->count++;
  return !writing->failed;
}

static int push_written(lua_State *L, const struct mts_report_written *written) {
  lua_createtable(L, 0, 11);
  set_text(L, "id", written->id);
  set_text(L, "file", written->file);
  set_text(L, "contact", written->contact);
  set_text(L, "submitter", written->submitter);
  if (!written->json.p) return 1;
  lua_pushlstring(L, written->json.p, written->json.n);
  lua_setfield(L, -2, "json");
  lua_pushlstring(L, written->gzip.p, written->gzip.n);
  lua_setfield(L, -2, "gzip");
  set_number(L, "policies", (int64_t)written->policies);
  set_number(L, "details", (int64_t)written->details);
  set_number(L, "folded", (int64_t)written->folded);
  set_number(L, "successful", (int64_t)written->successful);
  set_number(L, "failed", (int64_t)written->failed);
  return 1;
}

/* report_name{organization, contact, domain, day} -> {id, file, contact, submitter} | nil, err */
static int l_report_name(lua_State *L) {
  struct mts_report_terms terms = check_terms(L, 1);
  struct mts_report_written written;
  enum mts_err err = mts_report_name(&terms, &written);
  return err ? fail(L, err, NULL, NULL) : push_written(L, &written);
}

/* report_write{organization, contact, domain, day} -> the same with json, gzip and numbers | nil, err */
static int l_report_write(lua_State *L) {
  struct env *env = env_get(L);
  struct mts_report_terms terms = check_terms(L, 1);
  struct mts_store *store = NULL;
  bool shared = is_shared(L, env);
  enum mts_err err = shared ? MTS_OK : report_store(L, env, &store);
  struct writing *writing = writing_new(L);
  if (!err && shared) err = shared_reports_sessions(env->m, terms.day, terms.domain, keep_row, writing);
  if (!err && !shared) err = mts_store_sessions(store, terms.day, terms.day, terms.domain, keep_row, writing);
  if (!err && writing->failed) err = MTS_ERR_NO_MEMORY;
  if (!err) err = mts_report_write(&terms, writing->rows, writing->count, &writing->written);
  drop_rows(writing);
  return err ? fail(L, err, terms.domain, NULL) : push_written(L, &writing->written);
}

struct domains {
  struct mts_buf names; /* each with its NUL */
  size_t last_at;
  bool failed;
};

static bool keep_domain(void *arg, const char *domain) {
  struct domains *domains = arg;
  if (domains->names.n && strcmp(domains->names.p + domains->last_at, domain) == 0) return true;
  size_t at = domains->names.n;
  domains->failed = mts_buf_add(&domains->names, domain, strlen(domain) + 1) != MTS_OK;
  domains->last_at = at;
  return !domains->failed;
}

static bool keep_domain_of(void *arg, const struct mts_session_row *row) { return keep_domain(arg, row->domain); }

static int push_domains(lua_State *L) {
  const struct domains *domains = lua_touserdata(L, 1);
  lua_newtable(L);
  for (size_t at = 0; at < domains->names.n; at += strlen(domains->names.p + at) + 1) {
    lua_pushstring(L, domains->names.p + at);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  }
  return 1;
}

/* report_domains(day) -> {domains with a counter of this day} | nil, err */
static int l_report_domains(lua_State *L) {
  struct env *env = env_get(L);
  lua_Integer day = luaL_checkinteger(L, 1);
  struct mts_store *store = NULL;
  bool shared = is_shared(L, env);
  enum mts_err err = shared ? MTS_OK : report_store(L, env, &store);
  struct domains domains = {.names = {.limit = (size_t)1 << 30}};
  if (!err && shared) err = shared_reports_domains(env->m, day, keep_domain, &domains);
  if (!err && !shared) err = mts_store_sessions(store, day, day, NULL, keep_domain_of, &domains);
  if (!err && domains.failed) err = MTS_ERR_NO_MEMORY;
  if (err) {
    mts_buf_free(&domains.names);
    return fail(L, err, NULL, shared ? NULL : settings_store(env->settings));
  }
  lua_pushcfunction(L, push_domains);
  lua_pushlightuserdata(L, &domains);
  int status = lua_pcall(L, 1, 1, 0);
  mts_buf_free(&domains.names);
  return status ? lua_error(L) : 1;
}

/* ---- how reports fare ---- */

static void push_delivery(lua_State *L, const struct mts_delivery *delivery) {
  lua_createtable(L, 0, 10);
  set_number(L, "day", delivery->day);
  set_text(L, "domain", delivery->domain);
  set_text(L, "id", delivery->id);
  set_text(L, "state", mts_delivery_state_name(delivery->state));
  set_text(L, "owner", delivery->owner);
  set_number(L, "tries", delivery->tries);
  set_time(L, "first_at", delivery->first_at);
  set_time(L, "next_at", delivery->next_at);
  set_time(L, "changed_at", delivery->changed_at);
  set_text(L, "uri", delivery->uri);
  set_text(L, "detail", delivery->detail);
}

/* report_owner() -> a text that no other process and no other call gives */
static int l_report_owner(lua_State *L) {
  unsigned char bytes[16];
  char text[2 * sizeof bytes + 1];
  if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) return luaL_error(L, "the system has no random numbers");
  for (size_t i = 0; i < sizeof bytes; i++) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
  lua_pushfstring(L, "%d.%s", (int)getpid(), text);
  return 1;
}

/* report_claim{day, domain, id, owner, seconds, delay, at_once} -> delivery, became_unsure | nil, err */
static int l_report_claim(lua_State *L) {
  struct env *env = env_get(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  struct mts_delivery_claim claim = {.day = number_field(L, 1, "day", INT64_MAX / DAY_S),
                                     .domain = text_field(L, 1, "domain"),
                                     .id = text_field(L, 1, "id"),
                                     .owner = text_field(L, 1, "owner"),
                                     .delay_s = (uint32_t)number_field(L, 1, "delay", UINT32_MAX)};
  int64_t seconds = number_field(L, 1, "seconds", DAY_S);
  lua_getfield(L, 1, "at_once");
  claim.at_once = lua_toboolean(L, -1);
  struct mts_store *store = NULL;
  struct mts_delivery delivery;
  bool became_unsure = false;
  bool shared = is_shared(L, env);
  enum mts_err err = shared ? MTS_OK : report_store(L, env, &store);
  if (!err) {
    claim.now_ms = mts_clock_now_ms(&env->m->clock);
    claim.until_ms = claim.now_ms + 1000 * seconds;
    err = shared ? shared_reports_claim(env->m, &claim, &delivery, &became_unsure)
                 : mts_store_delivery_claim(store, &claim, &delivery, &became_unsure);
  }
  if (err) return fail(L, err, claim.domain, NULL);
  push_delivery(L, &delivery);
  lua_pushboolean(L, became_unsure);
  return 2;
}

/* report_hand{day, domain, owner, uri, seconds} -> whether it may be handed over | nil, err */
static int l_report_hand(lua_State *L) {
  struct env *env = env_get(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  int64_t day = number_field(L, 1, "day", INT64_MAX / DAY_S), seconds = number_field(L, 1, "seconds", DAY_S);
  const char *domain = text_field(L, 1, "domain"), *owner = text_field(L, 1, "owner"), *uri = text_field(L, 1, "uri");
  struct mts_store *store = NULL;
  bool ours = false, shared = is_shared(L, env);
  enum mts_err err = shared ? MTS_OK : report_store(L, env, &store);
  int64_t now_ms = mts_clock_now_ms(&env->m->clock), until_ms = now_ms + 1000 * seconds;
  if (!err && shared) {
    const struct mts_delivery_step step = {.day = day,
                                           .domain = domain,
                                           .owner = owner,
                                           .uri = uri,
                                           .state = MTS_DELIVERY_HANDING,
                                           .now_ms = now_ms,
                                           .until_ms = until_ms};
    struct mts_delivery delivery;
    err = shared_reports_step(env->m, &step, &delivery, &ours);
  } else if (!err) {
    err = mts_store_delivery_hand(store, day, domain, owner, uri, now_ms, until_ms, &ours);
  }
  if (err) return fail(L, err, domain, NULL);
  lua_pushboolean(L, ours);
  return 1;
}

/* report_note{day, domain, owner, state = 'sent', 'unwanted' or 'waiting', uri, detail} -> delivery | nil, err */
static int l_report_note(lua_State *L) {
  static const enum mts_delivery_state states[] = {MTS_DELIVERY_SENT, MTS_DELIVERY_UNWANTED, MTS_DELIVERY_WAITING};
  struct env *env = env_get(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  int64_t day = number_field(L, 1, "day", INT64_MAX / DAY_S);
  const char *domain = text_field(L, 1, "domain"), *owner = text_field(L, 1, "owner"), *uri = text_field(L, 1, "uri");
  const char *detail = text_field(L, 1, "detail"), *name = text_field(L, 1, "state");
  size_t which = 0;
  while (which < 3 && strcmp(name, mts_delivery_state_name(states[which])) != 0) which++;
  luaL_argcheck(L, which < 3, 1, "'state' is none of these");
  struct mts_store *store = NULL;
  struct mts_delivery delivery;
  bool ours = true, shared = is_shared(L, env);
  enum mts_err err = shared ? MTS_OK : report_store(L, env, &store);
  int64_t now_ms = mts_clock_now_ms(&env->m->clock);
  const struct mts_delivery_step step = {
      .day = day, .domain = domain, .owner = owner, .state = states[which], .uri = uri, .detail = detail, .now_ms = now_ms};
  if (!err && shared) err = shared_reports_step(env->m, &step, &delivery, &ours);
  if (!err && !ours) err = MTS_ERR_STORE_NONE;
  if (!err && !shared) err = mts_store_delivery_note(store, day, domain, owner, states[which], uri, detail, now_ms, &delivery);
  if (err) return fail(L, err, domain, NULL);
  push_delivery(L, &delivery);
  return 1;
}

/* report_delivery(day, domain) -> delivery or false where there is none yet | nil, err */
static bool keep_delivery(void *arg, const struct mts_delivery *delivery) {
  *(struct mts_delivery *)arg = *delivery;
  return false;
}

static int l_report_delivery(lua_State *L) {
  struct env *env = env_get(L);
  lua_Integer day = luaL_checkinteger(L, 1);
  const char *domain = luaL_checkstring(L, 2);
  struct mts_store *store = NULL;
  struct mts_delivery delivery = {0};
  bool found = false, shared = is_shared(L, env);
  enum mts_err err = shared ? shared_reports_delivery(env->m, day, domain, &delivery, &found) : report_store(L, env, &store);
  if (!err && !shared) err = mts_store_deliveries(store, day, day, domain, keep_delivery, &delivery);
  if (err) return fail(L, err, domain, NULL);
  if (shared ? found : delivery.domain[0])
    push_delivery(L, &delivery);
  else
    lua_pushboolean(L, false);
  return 1;
}

/* ---- mail ---- */

/* report_sendmail({program, argument...}, message, seconds) -> true | nil, why */
static int l_report_sendmail(lua_State *L) {
  const char *words[MAIL_WORDS_MOST + 1] = {NULL};
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_Integer count = luaL_len(L, 1);
  luaL_argcheck(L, count >= 1 && count <= MAIL_WORDS_MOST, 1, "a program and at most 31 arguments");
  size_t n = 0;
  const char *message = luaL_checklstring(L, 2, &n);
  lua_Number seconds = luaL_checknumber(L, 3);
  luaL_argcheck(L, seconds > 0 && seconds <= 3600, 3, "seconds, at most 3600");
  luaL_checkstack(L, MAIL_WORDS_MOST, NULL);
  for (lua_Integer i = 1; i <= count; i++) {
    lua_geti(L, 1, i); /* stays on the stack */
    words[i - 1] = luaL_checkstring(L, -1);
  }
  char why[160];
  if (sendmail_run(words, mts_span(message, n), (uint32_t)(seconds * 1000), why)) {
    lua_pushboolean(L, true);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, why);
  return 2;
}

const luaL_Reg report_functions[] = {{"report_move", l_report_move},
                                     {"report_name", l_report_name},
                                     {"report_write", l_report_write},
                                     {"report_domains", l_report_domains},
                                     {"report_owner", l_report_owner},
                                     {"report_claim", l_report_claim},
                                     {"report_hand", l_report_hand},
                                     {"report_note", l_report_note},
                                     {"report_delivery", l_report_delivery},
                                     {"report_sendmail", l_report_sendmail},
                                     {NULL, NULL}};
