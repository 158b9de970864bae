/* SPDX-License-Identifier: ISC
 * What worlds are told of hosts: from tables to C. Tables are read raw: what their strings point to stays as long as the table does. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/nearest.h"
#include "env.h"

/* ---- fields ---- */

struct teller {
  struct env *env;
  const char *part, *host; /* for errors: "https", "mta-sts.a.test" */
};

static void wrong(lua_State *L, const struct teller *teller, const char *key, const char *what) __attribute__((noreturn));
static void wrong(lua_State *L, const struct teller *teller, const char *key, const char *what) {
  luaL_error(L, "fake %s '%s': '%s' is %s", teller->part, teller->host, key, what);
}

static void check_keys(lua_State *L, int index, const struct teller *teller, const char *where, const char *const *known,
                       size_t n) {
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    const char *key = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    size_t i = 0;
    while (key && i < n && strcmp(known[i], key) != 0) i++;
    if (key && i < n) continue;
    const char *near = key ? mts_nearest(key, known, n) : NULL;
    luaL_error(L, "fake %s '%s': unknown field '%s'%s%s%s%s", teller->part, teller->host, key ? key : luaL_typename(L, -1),
               where[0] ? " in " : "", where, near ? "; did you mean " : "", near ? lua_pushfstring(L, "'%s'?", near) : "");
  }
}

static int get(lua_State *L, int index, const char *key) {
  lua_pushstring(L, key);
  return lua_rawget(L, index);
}

/* Empty with p NULL: it is not there. */
static struct mts_span text_field(lua_State *L, int index, const struct teller *teller, const char *key) {
  struct mts_span text = {0};
  int type = get(L, index, key);
  if (type != LUA_TNIL && type != LUA_TSTRING) wrong(L, teller, key, "a text");
  if (type == LUA_TSTRING) text.p = lua_tolstring(L, -1, &text.n);
  lua_pop(L, 1);
  return text;
}

static void copy_field(lua_State *L, int index, const struct teller *teller, const char *key, char *to, size_t size) {
  struct mts_span text = text_field(L, index, teller, key);
  if (text.n >= size) wrong(L, teller, key, "too long");
  if (text.p && strlen(text.p) != text.n) wrong(L, teller, key, "a text without a zero byte");
  if (text.p) memcpy(to, text.p, text.n + 1);
}

static int64_t number_field(lua_State *L, int index, const struct teller *teller, const char *key, int64_t max) {
  int type = get(L, index, key), is_number = 1;
  lua_Integer number = type == LUA_TNIL ? 0 : lua_tointegerx(L, -1, &is_number);
  if (!is_number || number < 0 || number > max) wrong(L, teller, key, "a number that fits");
  lua_pop(L, 1);
  return number;
}

static bool flag_field(lua_State *L, int index, const struct teller *teller, const char *key) {
  int type = get(L, index, key);
  if (type != LUA_TNIL && type != LUA_TBOOLEAN) wrong(L, teller, key, "true or false");
  bool flag = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return flag;
}

/* The table, left on the stack; false: it is not there, and nothing is. */
static bool table_field(lua_State *L, int index, const struct teller *teller, const char *key) {
  int type = get(L, index, key);
  if (type == LUA_TTABLE) return true;
  if (type != LUA_TNIL) wrong(L, teller, key, "a table");
  lua_pop(L, 1);
  return false;
}

static enum mts_err error_field(lua_State *L, int index, const struct teller *teller, const char *key, const char *prefix) {
  struct mts_span name = text_field(L, index, teller, key);
  if (!name.p) return MTS_OK;
  enum mts_err err = error_named(name.p);
  if (!err || strncmp(name.p, prefix, strlen(prefix)) != 0)
    luaL_error(L, "fake %s '%s': no error is named '%s'", teller->part, teller->host, name.p);
  return err;
}

/* ---- certificates ---- */

static void read_names(lua_State *L, int index, const struct teller *teller, struct mts_cert *cert) {
  size_t used = 0;
  if (!table_field(L, index, teller, "names")) return;
  int list = lua_gettop(L);
  for (lua_Integer i = 1, count = (lua_Integer)lua_rawlen(L, list); i <= count; i++) {
    size_t n;
    if (lua_rawgeti(L, list, i) != LUA_TSTRING) wrong(L, teller, "names", "a list of names");
    const char *name = lua_tolstring(L, -1, &n);
    if (n == 0 || strcspn(name, " ") != n) wrong(L, teller, "names", "a list of names");
    if (used + n + 2 > sizeof cert->names) wrong(L, teller, "names", "too long");
    if (used) cert->names[used++] = ' ';
    memcpy(cert->names + used, name, n + 1);
    used += n;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static void read_cert(lua_State *L, int index, const struct teller *teller, struct mts_cert *cert) {
  static const char *const known[] = {"subject",  "issuer", "names",     "not_before",  "not_after",   "key",
                                      "key_bits", "curve",  "signature", "self_issued", "fingerprint", "spki"};
  check_keys(L, index, teller, "a certificate", known, sizeof known / sizeof *known);
  copy_field(L, index, teller, "subject", cert->subject, sizeof cert->subject);
  copy_field(L, index, teller, "issuer", cert->issuer, sizeof cert->issuer);
  read_names(L, index, teller, cert);
  cert->not_before = number_field(L, index, teller, "not_before", INT64_C(1) << 40);
  cert->not_after = number_field(L, index, teller, "not_after", INT64_C(1) << 40);
  copy_field(L, index, teller, "key", cert->key, sizeof cert->key);
  cert->key_bits = (unsigned)number_field(L, index, teller, "key_bits", 65536);
  copy_field(L, index, teller, "curve", cert->curve, sizeof cert->curve);
  copy_field(L, index, teller, "signature", cert->signature, sizeof cert->signature);
  cert->self_issued = flag_field(L, index, teller, "self_issued");
  copy_field(L, index, teller, "fingerprint", cert->fingerprint, sizeof cert->fingerprint);
  copy_field(L, index, teller, "spki", cert->spki, sizeof cert->spki);
}

static void read_tls(lua_State *L, int index, const struct teller *teller, struct mts_fake_tls *tls) {
  static const char *const known[] = {"protocol", "cipher", "error", "chain"};
  if (!table_field(L, index, teller, "tls")) return;
  int top = lua_gettop(L);
  check_keys(L, top, teller, "tls", known, sizeof known / sizeof *known);
  copy_field(L, top, teller, "protocol", tls->protocol, sizeof tls->protocol);
  copy_field(L, top, teller, "cipher", tls->cipher, sizeof tls->cipher);
  tls->err = error_field(L, top, teller, "error", "cert-");
  if (table_field(L, top, teller, "chain")) {
    size_t count = lua_rawlen(L, -1);
    if (count > MTS_SEEN_CERTS) wrong(L, teller, "chain", "too long");
    for (; tls->count < count; tls->count++) {
      if (lua_rawgeti(L, -1, (lua_Integer)tls->count + 1) != LUA_TTABLE) wrong(L, teller, "chain", "a list of tables");
      read_cert(L, lua_gettop(L), teller, &tls->chain[tls->count]);
      lua_pop(L, 1);
    }
  }
  lua_settop(L, top - 1);
}

static enum mts_err no_sni_field(lua_State *L, int index, const struct teller *teller) {
  struct mts_span name = text_field(L, index, teller, "no_sni");
  return error_field(L, index, teller, "no_sni", name.p && strcmp(name.p, "tls-handshake") == 0 ? "tls-" : "cert-");
}

/* Others get another answer: {[key] = value, ...} of the field, each told by tell, with the key and the value on the stack. */
static void each_other(lua_State *L, int index, const struct teller *teller, const char *field, enum mts_fake_only only,
                       void (*tell)(lua_State *L, const struct teller *teller, enum mts_fake_only only, const char *key)) {
  if (!table_field(L, index, teller, field)) return;
  int table = lua_gettop(L);
  lua_pushnil(L);
  while (lua_next(L, table)) {
    if (lua_type(L, -2) != LUA_TSTRING) wrong(L, teller, field, "a table by texts");
    tell(L, teller, only, lua_tostring(L, -2));
    lua_settop(L, table + 1);
  }
  lua_settop(L, table - 1);
}

/* ---- policy hosts ---- */

static bool is_header(struct mts_span name, struct mts_span value) {
  bool whole = strlen(name.p) == name.n && strlen(value.p) == value.n;
  return whole && name.n && name.n + value.n <= MTS_SEEN_HEADER_BYTES;
}

/* The bytes lie in a value that is left on the stack. */
static struct mts_span read_headers(lua_State *L, int index, const struct teller *teller) {
  if (!table_field(L, index, teller, "headers")) return mts_span(NULL, 0);
  int table = lua_gettop(L);
  size_t used = 0, room = (size_t)MTS_SEEN_HEADERS * (MTS_SEEN_HEADER_BYTES + 2);
  char *bytes = lua_newuserdatauv(L, room, 0);
  lua_insert(L, table++);
  lua_pushnil(L);
  while (lua_next(L, table)) {
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING) wrong(L, teller, "headers", "a table of texts");
    struct mts_span name, value;
    name.p = lua_tolstring(L, -2, &name.n);
    value.p = lua_tolstring(L, -1, &value.n);
    if (!is_header(name, value) || used + name.n + value.n + 2 > room)
      wrong(L, teller, "headers", "no table of headers that can be sent");
    for (size_t i = 0; i < name.n; i++) {
      char c = name.p[i];
      bytes[used++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    bytes[used++] = '\0';
    memcpy(bytes + used, value.p, value.n + 1);
    used += value.n + 1;
    lua_pop(L, 1);
  }
  lua_settop(L, table - 1);
  return mts_span(bytes, used);
}

/* Big, and raising must not lose it: it lives on Lua's stack. */
static void *zeroed(lua_State *L, size_t n) {
  void *p = lua_newuserdatauv(L, n, 0);
  memset(p, 0, n);
  return p;
}

static void read_site(lua_State *L, int index, const struct teller *teller, bool for_all, struct mts_fake_site *site) {
  static const char *const known[] = {"status", "type",   "body",       "delay_ms", "error",   "headers",
                                      "tls",    "no_sni", "by_address", "by_path",  "by_agent"};
  check_keys(L, index, teller, "", known, sizeof known / sizeof *known - (for_all ? 0 : 3));
  site->err = error_field(L, index, teller, "error", "https-");
  bool has_status = get(L, index, "status") != LUA_TNIL;
  lua_pop(L, 1);
  if (has_status || !site->err) site->status = has_status ? (unsigned)number_field(L, index, teller, "status", 999) : 200;
  struct mts_span type = text_field(L, index, teller, "type");
  site->content_type = type.p ? type.p : site->err ? NULL : "text/plain";
  site->body = text_field(L, index, teller, "body");
  site->delay_ms = (uint32_t)number_field(L, index, teller, "delay_ms", INT32_MAX);
  site->headers = read_headers(L, index, teller);
  read_tls(L, index, teller, &site->tls);
  site->tls.no_sni = no_sni_field(L, index, teller);
}

/* A body, or the name of an error. */
static void take_site_text(lua_State *L, int index, const struct teller *teller, struct mts_fake_site *site) {
  size_t n;
  if (lua_type(L, index) != LUA_TSTRING)
    luaL_error(L, "fake https '%s': a text or a table, not a %s", teller->host, luaL_typename(L, index));
  const char *text = lua_tolstring(L, index, &n);
  if (strncmp(text, "https-", 6) == 0 && strspn(text, "abcdefghijklmnopqrstuvwxyz-") == n) {
    site->err = error_named(text);
    if (!site->err) luaL_error(L, "fake https '%s': no error is named '%s'", teller->host, text);
    return;
  }
  site->status = 200;
  site->content_type = "text/plain";
  site->body = mts_span(text, n);
}

/* The value on top. */
static void tell_site(lua_State *L, const struct teller *teller, enum mts_fake_only only, const char *key) {
  int value = lua_gettop(L);
  luaL_checkstack(L, 32, NULL);
  struct mts_fake_site *site = zeroed(L, sizeof *site);
  bool table = lua_istable(L, value);
  if (table)
    read_site(L, value, teller, only == MTS_FAKE_ALL, site);
  else
    take_site_text(L, value, teller, site);
  if (mts_fake_site(teller->env->fake, teller->host, only, key, site)) {
    luaL_error(L,
               only == MTS_FAKE_ALL ? "fake https '%s': the name or the status cannot be read"
                                    : "fake https '%s': '%s' is no address or path, or its status cannot be read",
               teller->host, key);
  }
  if (!table || only != MTS_FAKE_ALL) return;
  each_other(L, value, teller, "by_address", MTS_FAKE_ADDRESS, tell_site);
  each_other(L, value, teller, "by_path", MTS_FAKE_PATH, tell_site);
  each_other(L, value, teller, "by_agent", MTS_FAKE_AGENT, tell_site);
}

/* ---- mail hosts ---- */

/* The bytes lie in a value that is left on the stack. */
static void read_ehlo(lua_State *L, int index, const struct teller *teller, struct mts_fake_mailer *mailer) {
  if (!table_field(L, index, teller, "ehlo")) return;
  int list = lua_gettop(L);
  size_t count = lua_rawlen(L, list), used = 0;
  if (count > MTS_SEEN_LINES) wrong(L, teller, "ehlo", "too long");
  char *bytes = lua_newuserdatauv(L, MTS_SEEN_LINES * MTS_SEEN_LINE_BYTES, 0);
  for (size_t i = 0; i < count; i++) {
    size_t n;
    if (lua_rawgeti(L, list, (lua_Integer)i + 1) != LUA_TSTRING) wrong(L, teller, "ehlo", "a list of lines");
    const char *line = lua_tolstring(L, -1, &n);
    if (strlen(line) != n || n >= MTS_SEEN_LINE_BYTES)
      wrong(L, teller, "ehlo", "a list of lines, none of them long or with a zero byte");
    memcpy(bytes + used, line, n + 1);
    used += n + 1;
    lua_pop(L, 1);
  }
  mailer->has_ehlo = true;
  mailer->ehlo = mts_span(bytes, used);
}

static void read_mailer(lua_State *L, int index, const struct teller *teller, bool for_all, struct mts_fake_mailer *mailer) {
  static const char *const known[] = {"error",         "delay_ms", "banner",  "banner_code", "ehlo",   "ehlo_code",
                                      "starttls_code", "tls",      "old_tls", "inject",      "no_sni", "by_address"};
  check_keys(L, index, teller, "", known, sizeof known / sizeof *known - (for_all ? 0 : 1));
  struct mts_span error = text_field(L, index, teller, "error");
  if (error.p && !mts_span_equals(error, "ok")) mailer->err = error_field(L, index, teller, "error", "");
  mailer->delay_ms = (uint32_t)number_field(L, index, teller, "delay_ms", INT32_MAX);
  copy_field(L, index, teller, "banner", mailer->banner, sizeof mailer->banner);
  mailer->banner_code = (unsigned)number_field(L, index, teller, "banner_code", 999);
  mailer->ehlo_code = (unsigned)number_field(L, index, teller, "ehlo_code", 999);
  mailer->starttls_code = (unsigned)number_field(L, index, teller, "starttls_code", 999);
  mailer->old_tls = flag_field(L, index, teller, "old_tls");
  mailer->injectable = flag_field(L, index, teller, "inject");
  read_tls(L, index, teller, &mailer->tls);
  mailer->tls.no_sni = no_sni_field(L, index, teller);
  read_ehlo(L, index, teller, mailer);
}

/* The value on top. */
static void tell_mailer(lua_State *L, const struct teller *teller, enum mts_fake_only only, const char *key) {
  int value = lua_gettop(L);
  luaL_checkstack(L, 32, NULL);
  struct mts_fake_mailer *mailer = zeroed(L, sizeof *mailer);
  bool table = lua_istable(L, value);
  if (table) {
    read_mailer(L, value, teller, only == MTS_FAKE_ALL, mailer);
  } else {
    const char *word = lua_type(L, value) == LUA_TSTRING ? lua_tostring(L, value) : luaL_typename(L, value);
    mailer->err = error_named(word);
    if (!mailer->err && strcmp(word, "ok") != 0)
      luaL_error(L, "fake smtp '%s': 'ok' or the name of an error, not '%s'", teller->host, word);
  }
  if (mts_fake_mailer(teller->env->fake, teller->host, only, key, mailer))
    luaL_error(L,
               only == MTS_FAKE_ALL ? "fake smtp '%s': the name, the error or a code does not fit"
                                    : "fake smtp '%s': '%s' is no address, or the error or a code does not fit",
               teller->host, key);
  if (table && only == MTS_FAKE_ALL) each_other(L, value, teller, "by_address", MTS_FAKE_ADDRESS, tell_mailer);
}

/* ---- functions ---- */

/* fake_https(world, host, body, error name or table) */
static int l_fake_https(lua_State *L) {
  struct teller teller = {.env = check_world(L), .part = "https", .host = luaL_checkstring(L, 2)};
  lua_settop(L, 3);
  tell_site(L, &teller, MTS_FAKE_ALL, "");
  return 0;
}

/* fake_smtp(world, host, 'ok', error name or table) */
static int l_fake_smtp(lua_State *L) {
  struct teller teller = {.env = check_world(L), .part = "smtp", .host = luaL_checkstring(L, 2)};
  lua_settop(L, 3);
  tell_mailer(L, &teller, MTS_FAKE_ALL, "");
  return 0;
}

const luaL_Reg told_functions[] = {{"fake_https", l_fake_https}, {"fake_smtp", l_fake_smtp}, {NULL, NULL}};
