/* SPDX-License-Identifier: ISC
 * The TXT record _smtp._tls (RFC 8460 3). */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/fields.h"
#include "base/name.h"

#define VERSION "v=TLSRPTv1"

static bool is_hex(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); }

/* Length of "scheme:" (RFC 3986 3.1), 0 if there is none. */
static size_t scheme_length(struct mts_span uri) {
  if (uri.n == 0 || !mts_is_alnum(uri.p[0]) || (uri.p[0] >= '0' && uri.p[0] <= '9')) return 0;
  for (size_t i = 1; i < uri.n; i++) {
    if (uri.p[i] == ':') return i + 1;
    if (!mts_is_alnum(uri.p[i]) && !strchr("+-.", uri.p[i])) return 0;
  }
  return 0;
}

/* RFC 3986 2: the characters of a URI; "," ";" and "!" must be encoded here (RFC 8460 3). Returns the first wrong byte, n if none.
 */
static size_t wrong_byte(struct mts_span uri) {
  size_t fragments = 0;
  for (size_t i = 0; i < uri.n; i++) {
    char c = uri.p[i];
    if (c == '%') {
      if (uri.n - i < 3 || !is_hex(uri.p[i + 1]) || !is_hex(uri.p[i + 2])) return i;
      i += 2;
      continue;
    }
    if (c == '#' && fragments++ == 0) continue;
    if (c == '\0' || (!mts_is_alnum(c) && !strchr("-._~:/?[]@$&'()*+=", c))) return i;
  }
  return uri.n;
}

/* host [":" port] of an https URI; no user. */
static bool authority_fits(struct mts_span a) {
  struct mts_address address;
  char name[MTS_NAME_SIZE];
  uint64_t port = 0;
  size_t n = 0;
  if (a.n && a.p[0] == '[') {
    const char *end = memchr(a.p, ']', a.n);
    if (!end) return false;
    n = (size_t)(end - a.p) + 1;
    if (!mts_address_parse(mts_span(a.p + 1, n - 2), &address)) return false;
  } else {
    const char *colon = memchr(a.p, ':', a.n);
    n = colon ? (size_t)(colon - a.p) : a.n;
    if (!mts_address_parse(mts_span(a.p, n), &address) && mts_name_normalise_host(mts_span(a.p, n), name) != MTS_OK) return false;
  }
  if (n == a.n) return true;
  if (a.p[n] != ':') return false;
  return n + 1 == a.n || (mts_number_parse(mts_span(a.p + n + 1, a.n - n - 1), 65535, &port) && port > 0);
}

static bool usable_https(struct mts_span rest) {
  if (!mts_span_begins(rest, "//")) return false;
  size_t n = 2;
  while (n < rest.n && !strchr("/?#", rest.p[n])) n++;
  return n > 2 && authority_fits(mts_span(rest.p + 2, n - 2));
}

/* One address (RFC 6068): LOCAL@DOMAIN; header fields behind "?" are not looked at. */
static bool usable_mailto(struct mts_span rest) {
  char name[MTS_NAME_SIZE];
  struct mts_address address;
  const char *query = rest.n ? memchr(rest.p, '?', rest.n) : NULL;
  size_t n = query ? (size_t)(query - rest.p) : rest.n;
  const char *at = n ? memchr(rest.p, '@', n) : NULL;
  if (!at || at == rest.p) return false;
  struct mts_span domain = mts_span(at + 1, n - (size_t)(at + 1 - rest.p));
  return !mts_address_parse(domain, &address) && mts_name_normalise(domain, name) == MTS_OK;
}

static bool is_usable(struct mts_span uri) {
  size_t scheme = scheme_length(uri);
  struct mts_span rest = mts_span(uri.p + scheme, uri.n - scheme);
  if (scheme == 7 && strncasecmp(uri.p, "mailto:", 7) == 0) return usable_mailto(rest);
  return scheme == 6 && strncasecmp(uri.p, "https:", 6) == 0 && usable_https(rest);
}

/* One URI of rua, noted if it is none. */
static bool check_uri(struct mts_notes *notes, struct mts_span uri, size_t column) {
  char quote[MTS_QUOTE_SIZE];
  size_t wrong = wrong_byte(uri);
  if (wrong < uri.n) {
    mts_note(notes, "tlsrpt-uri", true, 1, column + wrong, "byte 0x%02x is not allowed in a URI here: write it as %%XX",
             (unsigned)(unsigned char)uri.p[wrong]);
    return false;
  }
  if (scheme_length(uri) == 0) {
    mts_note(notes, "tlsrpt-uri", true, 1, column, "\"%s\" is no URI: begin it with mailto: or https:", mts_quote(quote, uri));
    return false;
  }
  if (!is_usable(uri))
    mts_note(notes, "tlsrpt-uri-unusable", false, 1, column, "\"%s\" is neither mailto:USER@DOMAIN nor https://HOST",
             mts_quote(quote, uri));
  return true;
}

/* The next of tlsrpt-uri *(*WSP "," *WSP tlsrpt-uri); false at the end. */
static bool next_uri(struct mts_span list, size_t *at, struct mts_span *uri) {
  if (*at > list.n) return false;
  size_t begin = *at, end = begin;
  while (end < list.n && list.p[end] != ',') end++;
  bool first = begin == 0, last = end == list.n;
  *at = end + 1;
  while (!first && begin < end && mts_is_wsp(list.p[begin])) begin++;
  while (!last && end > begin && mts_is_wsp(list.p[end - 1])) end--;
  *uri = mts_span(list.p + begin, end - begin);
  return true;
}

static enum mts_err keep(struct mts_span rua, size_t count, size_t bytes, struct mts_tlsrpt **tlsrpt) {
  struct mts_tlsrpt *t = calloc(1, sizeof *t + count * (sizeof(char *) + sizeof(bool)) + bytes);
  if (!t) return MTS_ERR_NO_MEMORY;
  t->rua = (char **)(void *)(t + 1);
  t->usable = (bool *)(void *)(t->rua + count);
  char *to = (char *)(void *)(t->usable + count);
  struct mts_span uri;
  size_t at = 0;
  while (t->rua_count < count && next_uri(rua, &at, &uri)) {
    memcpy(to, uri.p, uri.n);
    t->rua[t->rua_count] = to;
    t->usable[t->rua_count++] = is_usable(uri);
    to += uri.n + 1;
  }
  *tlsrpt = t;
  return MTS_OK;
}

static enum mts_err parse(struct mts_span text, struct mts_tlsrpt **tlsrpt, struct mts_notes *notes) {
  struct mts_fields f;
  struct mts_span rua = {0}, uri;
  size_t count = 0, bytes = 0;
  if (!mts_fields_begin(&f, text, VERSION, "tlsrpt-syntax", notes)) return MTS_ERR_TLSRPT_SYNTAX;
  while (mts_fields_next(&f)) {
    if (!mts_span_equals(f.name, "rua")) {
      if (!mts_fields_ext_value(&f)) return MTS_ERR_TLSRPT_SYNTAX;
      continue;
    }
    size_t at = 0, column = f.column + f.name.n + 1;
    while (next_uri(f.value, &at, &uri)) {
      if (!check_uri(notes, uri, column + (size_t)(uri.p - f.value.p))) return MTS_ERR_TLSRPT_SYNTAX;
      if (rua.p) continue;
      if (++count <= MTS_TLSRPT_RUA_MAX) bytes += uri.n + 1;
    }
    if (rua.p)
      mts_note(notes, "tlsrpt-repeated-field", false, 1, f.column, "a second rua: only the first one counts");
    else
      rua = f.value;
  }
  if (!notes->strict) return MTS_ERR_TLSRPT_SYNTAX;
  if (!rua.p) {
    mts_note(notes, "tlsrpt-rua-missing", true, 1, text.n + 1, "no rua: add e.g. \"rua=mailto:tlsrpt@DOMAIN\"");
    return MTS_ERR_TLSRPT_SYNTAX;
  }
  if (count > MTS_TLSRPT_RUA_MAX) {
    mts_note(notes, "tlsrpt-rua-many", false, 1, 1, "%zu URIs: only the first %d are used", count, MTS_TLSRPT_RUA_MAX);
    count = MTS_TLSRPT_RUA_MAX;
  }
  return keep(rua, count, bytes, tlsrpt);
}

enum mts_err mts_tlsrpt_parse(struct mts_span text, struct mts_tlsrpt **tlsrpt, struct mts_findings *findings) {
  struct mts_notes notes;
  mts_notes_begin(&notes, findings);
  enum mts_err err = parse(text, tlsrpt, &notes);
  mts_notes_end(&notes);
  return err;
}

enum mts_err mts_tlsrpt_select(const struct mts_span *texts, size_t count, struct mts_tlsrpt **tlsrpt,
                               struct mts_findings *findings) {
  struct mts_span only = {0};
  size_t left = mts_fields_pick(texts, count, VERSION ";", &only);
  if (left == 1 && !(count == 1 && !mts_span_begins(only, VERSION))) return mts_tlsrpt_parse(only, tlsrpt, findings);
  struct mts_notes notes;
  mts_notes_begin(&notes, findings);
  if (left > 1) mts_note(&notes, "tlsrpt-several", true, 1, 1, "%zu records begin with \"v=TLSRPTv1;\": keep one", left);
  if (left <= 1) mts_note(&notes, "tlsrpt-none", true, 1, 1, "no record begins with \"v=TLSRPTv1;\"");
  mts_notes_end(&notes);
  return left > 1 ? MTS_ERR_RECORD_SEVERAL : MTS_ERR_RECORD_NONE;
}

void mts_tlsrpt_free(struct mts_tlsrpt **tlsrpt) {
  if (!tlsrpt) return;
  free(*tlsrpt);
  *tlsrpt = NULL;
}
