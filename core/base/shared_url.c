/* SPDX-License-Identifier: ISC */
#include "base/shared_url.h"

#include <string.h>

#include "base/buf.h"
#include "base/name.h"

#define PORT 6379
#define DB_MOST 65535

static const struct {
  const char *scheme;
  bool tls, is_path;
} schemes[] = {{"redis://", false, false}, {"rediss://", true, false}, {"unix://", false, true}};
#define SCHEMES (sizeof schemes / sizeof *schemes)

static size_t scheme_of(const char *text) {
  size_t i = 0;
  while (i < SCHEMES && strncmp(text, schemes[i].scheme, strlen(schemes[i].scheme)) != 0) i++;
  return i;
}

bool mts_shared_url_is(const char *text) { return scheme_of(text) < SCHEMES; }

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 3986 2.1. A NUL is no part of any name here. */
static bool decode(struct mts_span from, char *to, size_t size) {
  size_t n = 0;
  for (size_t i = 0; i < from.n; i++) {
    int c = (unsigned char)from.p[i];
    if (c == '%') {
      if (i + 2 >= from.n || hex(from.p[i + 1]) < 0 || hex(from.p[i + 2]) < 0) return false;
      c = 16 * hex(from.p[i + 1]) + hex(from.p[i + 2]);
      i += 2;
    }
    if (c == 0 || n + 1 >= size) return false;
    to[n++] = (char)c;
  }
  to[n] = '\0';
  return true;
}

/* Where the host begins: behind the last "@" before the first "/". */
static size_t host_at(const char *rest) {
  size_t end = strcspn(rest, "/"), at = 0;
  for (size_t i = 0; i < end; i++)
    if (rest[i] == '@') at = i + 1;
  return at;
}

static const char *read_user(struct mts_span text, struct mts_shared_url *url) {
  const char *colon = memchr(text.p, ':', text.n);
  struct mts_span user = {text.p, colon ? (size_t)(colon - text.p) : text.n};
  struct mts_span password = colon ? mts_span(colon + 1, text.n - user.n - 1) : mts_span("", 0); /* it may stand in a file */
  if (!decode(user, url->user, sizeof url->user)) return "its user is too long or has a % without two hexadecimal digits";
  if (!decode(password, url->password, sizeof url->password))
    return "its password is too long or has a % without two hexadecimal digits";
  return NULL;
}

static const char *read_db(struct mts_span text, struct mts_shared_url *url) {
  uint64_t number = 0;
  if (!mts_number_parse(text, DB_MOST, &number)) return "its database is no number";
  url->db = (unsigned)number;
  return NULL;
}

static const char *read_path(const char *rest, struct mts_shared_url *url) {
  size_t n = strcspn(rest, "?");
  if (rest[0] != '/') return "unix:// wants an absolute path, as in unix:///run/redis/redis.sock";
  if (!decode(mts_span(rest, n), url->path, sizeof url->path))
    return "its path is too long or has a % without two hexadecimal digits";
  if (!rest[n]) return NULL;
  return strncmp(rest + n, "?db=", 4) == 0 ? read_db(mts_span_of(rest + n + 4), url)
                                           : "behind its path nothing but ?db=NUMBER may stand";
}

static const char *read_host(const char *rest, struct mts_shared_url *url) {
  size_t end = strcspn(rest, "/"), n = rest[0] == '[' ? strcspn(rest, "]") + 1 : strcspn(rest, ":/");
  if (n > end) return "its address has no \"]\"";
  bool bracketed = rest[0] == '[';
  struct mts_span host = bracketed ? mts_span(rest + 1, n - 2) : mts_span(rest, n);
  struct mts_address address;
  bool is_address = mts_address_parse(host, &address);
  if (is_address) mts_address_format(&address, url->host);
  if (bracketed && !(is_address && strchr(url->host, ':'))) return "between \"[\" and \"]\" stands no IPv6 address";
  if (!is_address && mts_name_normalise_host(host, url->host)) return "its host is neither a name nor an address";
  uint64_t port = PORT;
  if (rest[n] == ':') {
    bool good = mts_number_parse(mts_span(rest + n + 1, end - n - 1), UINT16_MAX, &port);
    if (!good || port == 0) return "its port is not a number from 1 to 65535";
  } else if (n != end) {
    return "between its host and \"/\" nothing but a port may stand";
  }
  url->port = (uint16_t)port;
  return rest[end] && rest[end + 1] ? read_db(mts_span_of(rest + end + 1), url) : NULL;
}

const char *mts_shared_url_parse(const char *text, struct mts_shared_url *url) {
  size_t which = scheme_of(text);
  struct mts_shared_url found = {0};
  if (which == SCHEMES) return "it begins neither with redis:// nor rediss:// nor unix://";
  const char *rest = text + strlen(schemes[which].scheme);
  size_t at = host_at(rest);
  const char *why = at ? read_user(mts_span(rest, at - 1), &found) : NULL;
  if (!why) why = schemes[which].is_path ? read_path(rest + at, &found) : read_host(rest + at, &found);
  if (why) return why;
  found.tls = schemes[which].tls;
  *url = found;
  return NULL;
}

/* A word that stands alone before "@" is a user, but somebody may take it for the password. */
static size_t shown_user(const char *rest, size_t at) {
  const char *colon = at ? memchr(rest, ':', at - 1) : NULL;
  return colon ? (size_t)(colon - rest) + 1 : 0;
}

bool mts_shared_url_show(const char *text, char *to, size_t size) {
  size_t which = scheme_of(text), start = which < SCHEMES ? strlen(schemes[which].scheme) : 0;
  size_t at = which < SCHEMES ? host_at(text + start) : 0;
  struct mts_buf shown = {.limit = size - 1};
  enum mts_err err = at ? mts_buf_add(&shown, text, start + shown_user(text + start, at)) : MTS_OK;
  if (!err && at) err = mts_buf_add(&shown, "***@", 4);
  const char *rest = at ? text + start + at : text;
  if (!err) err = mts_buf_add(&shown, rest, strlen(rest));
  memcpy(to, shown.p ? shown.p : "", shown.n);
  to[shown.n] = '\0';
  mts_buf_free(&shown);
  return !err;
}
