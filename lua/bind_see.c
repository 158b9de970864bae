/* SPDX-License-Identifier: ISC
 * Looks: everything one question of DNS, one policy host, one mail host shows, as tables. They raise for wrong arguments alone; whatever goes
 * wrong outside stands in the table. */
#include <string.h>

#include "base/buf.h"
#include "env.h"
#include "resolve/look.h"
#include "seen.h"

#define MAX_BYTES_DEFAULT 65537 /* one more than a policy may have */
#define MAX_BYTES_MOST (1 << 20)

static const char *const types[] = {"A", "AAAA", "MX", "TXT", "TLSA", NULL};
static const enum mts_rrtype rrtypes[] = {MTS_RR_A, MTS_RR_AAAA, MTS_RR_MX, MTS_RR_TXT, MTS_RR_TLSA};

/* ---- from C to Lua ---- */

static void set_error(lua_State *L, enum mts_err err, const char *subject, const char *detail) {
  if (!err) return;
  push_error(L, err, subject, detail);
  lua_setfield(L, -2, "error");
}

static void set_bytes(lua_State *L, const char *key, struct mts_span bytes) {
  lua_pushlstring(L, bytes.p ? bytes.p : "", bytes.n);
  lua_setfield(L, -2, key);
}

/* Words separated by blanks, as a list. */
static void push_words(lua_State *L, const char *text) {
  lua_newtable(L);
  for (lua_Integer i = 1;; i++) {
    text += strspn(text, " ");
    size_t n = strcspn(text, " ");
    if (n == 0) return;
    lua_pushlstring(L, text, n);
    lua_rawseti(L, -2, i);
    text += n;
  }
}

static void push_cert(lua_State *L, const struct mts_cert *cert) {
  lua_createtable(L, 0, 12);
  set_text(L, "subject", cert->subject);
  set_text(L, "issuer", cert->issuer);
  push_words(L, cert->names);
  lua_setfield(L, -2, "names");
  set_time(L, "not_before", cert->not_before);
  set_time(L, "not_after", cert->not_after);
  set_text(L, "key", cert->key);
  if (cert->key_bits) set_number(L, "key_bits", cert->key_bits);
  set_text(L, "curve", cert->curve);
  set_text(L, "signature", cert->signature);
  set_flag(L, "self_issued", cert->self_issued);
  set_text(L, "fingerprint", cert->fingerprint);
  set_text(L, "spki", cert->spki);
}

/* Certificates have one set of codes; only the words must name the right host. */
static const char *https_message(enum mts_err err) {
  return mts_err_message((enum mts_err)(MTS_ERR_HTTPS_CERT_NAME + (int)err - (int)MTS_ERR_CERT_NAME));
}

static void set_tls(lua_State *L, const char *host, bool https, const struct mts_tls_seen *tls) {
  if (!tls) return;
  lua_createtable(L, 0, 5);
  set_text(L, "protocol", tls->protocol);
  set_text(L, "cipher", tls->cipher);
  set_flag(L, "verified", tls->err == MTS_OK);
  if (tls->err) {
    push_error(L, tls->err, host, tls->detail);
    if (https) set_text(L, "message", https_message(tls->err));
    lua_setfield(L, -2, "error");
  }
  lua_createtable(L, (int)tls->count, 0);
  for (size_t i = 0; i < tls->count; i++) {
    push_cert(L, &tls->chain[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "chain");
  lua_setfield(L, -2, "tls");
}

static void push_tlsa(lua_State *L, const struct mts_rr_tlsa *tlsa) {
  set_number(L, "usage", tlsa->usage);
  set_number(L, "selector", tlsa->selector);
  set_number(L, "matching", tlsa->matching);
  luaL_Buffer hex;
  luaL_buffinit(L, &hex);
  for (size_t i = 0; i < tlsa->data.n; i++) {
    luaL_addchar(&hex, "0123456789abcdef"[(unsigned char)tlsa->data.p[i] >> 4]);
    luaL_addchar(&hex, "0123456789abcdef"[tlsa->data.p[i] & 15]);
  }
  luaL_pushresult(&hex);
  lua_setfield(L, -2, "data");
}

static void push_record(lua_State *L, enum mts_rrtype type, const struct mts_rr *record) {
  char address[MTS_ADDRESS_SIZE];
  lua_createtable(L, 0, 4);
  switch (type) {
    case MTS_RR_A:
    case MTS_RR_AAAA:
      mts_address_format(&record->u.address, address);
      set_text(L, "address", address);
      return;
    case MTS_RR_MX:
      set_number(L, "preference", record->u.mx.preference);
      set_text(L, "host", record->u.mx.host);
      if (!record->u.mx.host[0]) set_bytes(L, "raw", record->u.mx.raw);
      return;
    case MTS_RR_TXT:
      set_bytes(L, "text", record->u.txt);
      set_number(L, "strings", record->strings);
      return;
    case MTS_RR_TLSA:
      push_tlsa(L, &record->u.tlsa);
      return;
  }
}

static bool is_known(enum mts_err err) { return !err || err == MTS_ERR_DNS_NODATA || err == MTS_ERR_DNS_NXDOMAIN; }

static const char *dnssec_of(const struct mts_dns_answer *dns) {
  static const char *const words[] = {
      [MTS_DNSSEC_UNKNOWN] = "unknown", [MTS_DNSSEC_INSECURE] = "insecure", [MTS_DNSSEC_SECURE] = "secure"};
  if (dns->err == MTS_ERR_DNS_BOGUS) return "bogus";
  return words[is_known(dns->err) ? dns->dnssec : MTS_DNSSEC_UNKNOWN];
}

static void push_dns(lua_State *L, const char *name, int type, const struct mts_dns_answer *dns) {
  lua_createtable(L, 0, 10);
  set_text(L, "name", name);
  set_text(L, "type", types[type]);
  set_error(L, dns->err, name, dns->detail);
  if (is_known(dns->err)) set_number(L, "ttl", dns->ttl_s);
  set_text(L, "dnssec", dnssec_of(dns));
  set_text(L, "canonical", dns->canonical[0] ? dns->canonical : name);
  if (dns->loops) set_flag(L, "loop", true);
  lua_createtable(L, (int)dns->hop_count, 0);
  for (size_t i = 0; i < dns->hop_count; i++) {
    lua_pushstring(L, dns->hops[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "cnames");
  lua_createtable(L, (int)dns->count, 0);
  for (size_t i = 0; i < dns->count; i++) {
    push_record(L, rrtypes[type], &dns->records[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  lua_setfield(L, -2, "records");
}

static void push_headers(lua_State *L, const struct mts_https_seen *https) {
  lua_createtable(L, 0, (int)https->header_count);
  for (size_t at = 0; at < https->headers.n;) {
    const char *name = https->headers.p + at, *value = name + strlen(name) + 1;
    at += strlen(name) + strlen(value) + 2;
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
  }
}

static void push_https(lua_State *L, const char *host, const struct seen *seen) {
  const struct mts_https_seen *https = &seen->u.https;
  lua_createtable(L, 0, 16);
  set_text(L, "host", host);
  set_text(L, "address", seen->address);
  if (seen->port) set_number(L, "port", seen->port);
  set_error(L, https->err, host, https->detail);
  if (https->status) set_number(L, "status", https->status);
  if (https->posted) set_flag(L, "posted", true);
  push_headers(L, https);
  lua_setfield(L, -2, "headers");
  set_bytes(L, "body", https->body);
  set_number(L, "size", (int64_t)https->body_bytes);
  if (https->truncated) set_flag(L, "truncated", true);
  if (https->connected) set_number(L, "connect_ms", https->connect_ms);
  if (https->tls) set_number(L, "tls_ms", https->tls_ms);
  if (https->status) set_number(L, "first_byte_ms", https->first_byte_ms);
  set_number(L, "ms", https->ms);
  set_tls(L, host, true, https->tls);
}

static void push_smtp(lua_State *L, const char *host, const struct seen *seen) {
  const struct mts_smtp_seen *smtp = &seen->u.smtp;
  lua_createtable(L, 0, 14);
  set_text(L, "host", host);
  set_text(L, "address", seen->address);
  if (seen->port) set_number(L, "port", seen->port);
  set_error(L, smtp->err, host, smtp->detail);
  set_text(L, "banner", smtp->banner);
  if (smtp->banner_code) set_number(L, "banner_code", smtp->banner_code);
  lua_createtable(L, (int)smtp->ehlo_count, 0);
  lua_Integer line = 0;
  for (size_t at = 0; at < smtp->ehlo.n; at += strlen(smtp->ehlo.p + at) + 1) {
    lua_pushstring(L, smtp->ehlo.p + at);
    lua_rawseti(L, -2, ++line);
  }
  lua_setfield(L, -2, "ehlo");
  if (smtp->ehlo_code) set_number(L, "ehlo_code", smtp->ehlo_code);
  if (smtp->starttls_code) set_number(L, "starttls_code", smtp->starttls_code);
  set_text(L, "starttls_reply", smtp->starttls_reply);
  if (smtp->connected) set_number(L, "connect_ms", smtp->connect_ms);
  set_number(L, "ms", smtp->ms);
  if (smtp->tried_injection) set_flag(L, "injected", smtp->injected);
  set_tls(L, host, false, smtp->tls);
}

/* ---- waiting ---- */

static void dns_seen(void *arg, uint32_t ms, const struct mts_dns_answer *answer) {
  struct op *op = arg;
  op->seen = seen_dns(rrtypes[op->dns_type], ms, answer);
  if (!op->seen) op->err = MTS_ERR_NO_MEMORY;
  op_done(op);
}

static void https_seen(void *arg, const char *address, uint16_t port, const struct mts_https_seen *https) {
  struct op *op = arg;
  op->seen = seen_https(address, port, https);
  if (!op->seen) op->err = MTS_ERR_NO_MEMORY;
  op_done(op);
}

static void smtp_seen(void *arg, const char *address, uint16_t port, const struct mts_smtp_seen *smtp) {
  struct op *op = arg;
  op->seen = seen_smtp(address, port, smtp);
  if (!op->seen) op->err = MTS_ERR_NO_MEMORY;
  op_done(op);
}

static int dns_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct op *op = (struct op *)context; /* the waitable is its first member */
  if (!op->wait.done) return wait_for(L, op->env, &op->wait, dns_k);
  struct mts_dns_answer failed = {.err = op->err};
  push_dns(L, op->subject, op->dns_type, op->seen ? &op->seen->u.dns : &failed);
  set_number(L, "ms", op->seen ? op->seen->ms : 0);
  seen_free(&op->seen);
  return 1;
}

static int https_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct op *op = (struct op *)context;
  if (!op->wait.done) return wait_for(L, op->env, &op->wait, https_k);
  struct seen failed = {.u.https = {.err = op->err}};
  push_https(L, op->subject, op->seen ? op->seen : &failed);
  seen_free(&op->seen);
  return 1;
}

static int smtp_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  struct op *op = (struct op *)context;
  if (!op->wait.done) return wait_for(L, op->env, &op->wait, smtp_k);
  struct seen failed = {.u.smtp = {.err = op->err}};
  push_smtp(L, op->subject, op->seen ? op->seen : &failed);
  seen_free(&op->seen);
  return 1;
}

/* Started, or failed at once; either way the result is a table. */
static int wait_or_fail(lua_State *L, struct op *op, enum mts_err err, struct look *look, lua_KFunction k) {
  if (err) {
    op_end(op);
    op->err = err;
    op->wait.done = true;
  } else if (!op->wait.done) {
    op->look = look;
  }
  return wait_for(L, op->env, &op->wait, k);
}

/* ---- arguments ---- */

/* The option as text, left on the stack so that it lives; NULL: not there. */
static const char *text_option(lua_State *L, int index, const char *key, size_t max) {
  int type = lua_getfield(L, index, key);
  if (type == LUA_TNIL) return NULL;
  size_t n = 0;
  const char *text = type == LUA_TSTRING ? lua_tolstring(L, -1, &n) : NULL;
  bool good = text && n > 0 && n <= max;
  for (size_t i = 0; good && i < n; i++) good = text[i] >= ' ' && text[i] < 127; /* never a second line of a request */
  if (!good) luaL_argerror(L, index, lua_pushfstring(L, "'%s' is a text of printable characters, at most %d", key, (int)max));
  return text;
}

static lua_Integer number_option(lua_State *L, int index, const char *key, lua_Integer max) {
  int type = lua_getfield(L, index, key), is_number = 1;
  lua_Integer number = type == LUA_TNIL ? 0 : lua_tointegerx(L, -1, &is_number);
  if (type != LUA_TNIL && (!is_number || number < 1 || number > max))
    luaL_argerror(L, index, lua_pushfstring(L, "'%s' is a number from 1 to %d", key, (int)max));
  lua_pop(L, 1);
  return number;
}

static uint32_t timeout_option(lua_State *L, int index) {
  uint32_t ms = 0;
  if (lua_getfield(L, index, "timeout") != LUA_TNIL) {
    lua_Number seconds = lua_tonumber(L, -1);
    luaL_argcheck(L, seconds > 0 && seconds <= 3600, index, "'timeout' is a number of seconds, more than 0 and at most 3600");
    ms = (uint32_t)(seconds * 1000) + 1;
  }
  lua_pop(L, 1);
  return ms;
}

static bool flag_option(lua_State *L, int index, const char *key, bool usual) {
  int type = lua_getfield(L, index, key);
  if (type != LUA_TNIL && type != LUA_TBOOLEAN) luaL_argerror(L, index, lua_pushfstring(L, "'%s' is true or false", key));
  bool flag = type == LUA_TNIL ? usual : lua_toboolean(L, -1);
  lua_pop(L, 1);
  return flag;
}

static size_t word_option(lua_State *L, int index, const char *key, const char *const *words, const char *what) {
  size_t found = 0;
  if (lua_getfield(L, index, key) != LUA_TNIL) {
    const char *word = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
    while (words[found] && strcmp(words[found], word) != 0) found++;
    if (!words[found]) luaL_argerror(L, index, lua_pushfstring(L, "'%s' is %s", key, what));
  }
  lua_pop(L, 1);
  return found;
}

static void address_option(lua_State *L, int index, struct mts_address *address) {
  const char *text = text_option(L, index, "address", MTS_ADDRESS_SIZE);
  if (text && !mts_address_parse(mts_span_of(text), address)) luaL_argerror(L, index, "'address' is none of IPv4 or IPv6");
}

/* NULL: no name, for it has a zero byte. Left on the stack. */
static const char *host_option(lua_State *L, int index) {
  size_t length;
  if (lua_getfield(L, index, "host") != LUA_TSTRING) luaL_argerror(L, index, "'host' is a name");
  const char *host = lua_tolstring(L, -1, &length);
  return strlen(host) == length ? host : NULL;
}

/* see_dns(name, type[, {timeout}]) */
static int l_see_dns(lua_State *L) {
  static const char *const known[] = {"timeout"};
  struct env *env = env_get(L);
  size_t length;
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *name = lua_tolstring(L, 1, &length);
  int type = luaL_checkoption(L, 2, NULL, types);
  uint32_t timeout_ms = check_options(L, 3, known, 1) ? timeout_option(L, 3) : 0;
  lua_settop(L, 1);
  env_outside(L, env);
  struct mts *m = env_context(L, env);
  struct op *op;
  op_new(L, env, OP_LOOK, name, &op);
  op->dns_type = type;
  struct look *look = NULL;
  env->in_core++;
  enum mts_err err =
      strlen(name) != length ? MTS_ERR_NAME_SYNTAX : look_dns_start(m, name, rrtypes[type], timeout_ms, dns_seen, op, &look);
  env->in_core--;
  return wait_or_fail(L, op, err, look, dns_k);
}

/* What is sent with POST. It stays on the stack. */
static void post_option(lua_State *L, int index, struct look_opts *opts) {
  opts->media_type = text_option(L, index, "media_type", LOOK_TEXT_BYTES);
  if (lua_getfield(L, index, "post") == LUA_TNIL) return;
  luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING && opts->media_type, index, "'post' is a string and goes with 'media_type'");
  opts->post.p = lua_tolstring(L, -1, &opts->post.n);
}

/* see_https{host, path, address, port, method, user_agent, sni, max_bytes, timeout, post, media_type} */
static int l_see_https(lua_State *L) {
  static const char *const known[] = {"host", "path",      "address", "port", "method",    "user_agent",
                                      "sni",  "max_bytes", "timeout", "post", "media_type"};
  static const char *const methods[] = {"GET", "HEAD", NULL};
  struct env *env = env_get(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  check_options(L, 1, known, sizeof known / sizeof *known);
  struct look_opts opts = {.port = (uint16_t)number_option(L, 1, "port", UINT16_MAX)};
  lua_Integer max_bytes = number_option(L, 1, "max_bytes", MAX_BYTES_MOST);
  opts.max_bytes = max_bytes ? (size_t)max_bytes : MAX_BYTES_DEFAULT;
  opts.deadline_ms = timeout_option(L, 1);
  opts.head = word_option(L, 1, "method", methods, "'GET' or 'HEAD'") == 1;
  opts.no_sni = !flag_option(L, 1, "sni", true);
  address_option(L, 1, &opts.address);
  opts.path = text_option(L, 1, "path", LOOK_TEXT_BYTES);
  luaL_argcheck(L, !opts.path || (opts.path[0] == '/' && !strpbrk(opts.path, " #")), 1,
                "'path' begins with '/' and has neither blanks nor '#'");
  opts.user_agent = text_option(L, 1, "user_agent", LOOK_TEXT_BYTES);
  post_option(L, 1, &opts);
  luaL_argcheck(L, !opts.post.p || !opts.head, 1, "'post' does not go with 'HEAD'");
  const char *host = host_option(L, 1);
  env_outside(L, env);
  struct mts *m = env_context(L, env);
  struct op *op;
  op_new(L, env, OP_LOOK, host ? host : lua_tostring(L, -1), &op);
  struct look *look = NULL;
  env->in_core++;
  enum mts_err err = host ? look_https_start(m, host, &opts, https_seen, op, &look) : MTS_ERR_NAME_SYNTAX;
  env->in_core--;
  return wait_or_fail(L, op, err, look, https_k);
}

/* see_smtp{host, address, port, sni, tls, inject, timeout} */
static int l_see_smtp(lua_State *L) {
  static const char *const known[] = {"host", "address", "port", "sni", "tls", "inject", "timeout"};
  static const char *const versions[] = {"1.3", "1.0", "1.1", "1.2", NULL}; /* in the order of enum mts_newest_tls */
  struct env *env = env_get(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  check_options(L, 1, known, sizeof known / sizeof *known);
  struct look_opts opts = {.port = (uint16_t)number_option(L, 1, "port", UINT16_MAX)};
  opts.deadline_ms = timeout_option(L, 1);
  opts.no_sni = !flag_option(L, 1, "sni", true);
  opts.inject = flag_option(L, 1, "inject", false);
  opts.newest_tls = (enum mts_newest_tls)word_option(L, 1, "tls", versions, "'1.0', '1.1', '1.2' or '1.3'");
  address_option(L, 1, &opts.address);
  const char *host = host_option(L, 1);
  env_outside(L, env);
  struct mts *m = env_context(L, env);
  struct op *op;
  op_new(L, env, OP_LOOK, host ? host : lua_tostring(L, -1), &op);
  struct look *look = NULL;
  env->in_core++;
  enum mts_err err = host ? look_smtp_start(m, host, &opts, smtp_seen, op, &look) : MTS_ERR_NAME_SYNTAX;
  env->in_core--;
  return wait_or_fail(L, op, err, look, smtp_k);
}

const luaL_Reg see_functions[] = {{"see_dns", l_see_dns}, {"see_https", l_see_https}, {"see_smtp", l_see_smtp}, {NULL, NULL}};
