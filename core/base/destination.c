/* SPDX-License-Identifier: ISC
 * A destination as mail servers write it -> the policy domain (RFC 8461 3.4). */
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/name.h"

/* "" or ":25" */
static bool parse_port(struct mts_span text, uint16_t *port) {
  uint64_t value = 0;
  if (text.n == 0) return true;
  if (text.p[0] != ':' || !mts_number_parse(mts_span(text.p + 1, text.n - 1), 65535, &value) || value == 0) return false;
  *port = (uint16_t)value;
  return true;
}

/* What stands in brackets: a literal of RFC 5321 4.1.3, or the name of a smart host. */
static enum mts_err parse_bracketed(struct mts_span text, struct mts_destination *d) {
  struct mts_address address;
  bool tagged = text.n >= 5 && strncasecmp(text.p, "IPv6:", 5) == 0;
  struct mts_span inner = tagged ? mts_span(text.p + 5, text.n - 5) : text;
  if (mts_address_parse(inner, &address) && (!tagged || memchr(inner.p, ':', inner.n))) {
    d->kind = MTS_DEST_LITERAL;
    return MTS_OK;
  }
  if (tagged) return MTS_ERR_NAME_SYNTAX;
  d->kind = MTS_DEST_SMARTHOST;
  return mts_name_normalise(text, d->domain);
}

static enum mts_err parse_bare(struct mts_span text, struct mts_destination *d) {
  struct mts_address address;
  if (mts_address_parse(text, &address)) {
    d->kind = MTS_DEST_LITERAL;
    return MTS_OK;
  }
  const char *colon = memchr(text.p, ':', text.n);
  size_t n = colon ? (size_t)(colon - text.p) : text.n;
  if (!parse_port(mts_span(text.p + n, text.n - n), &d->port)) return MTS_ERR_NAME_SYNTAX;
  text.n = n;
  if (colon && mts_address_parse(text, &address)) {
    d->kind = MTS_DEST_LITERAL;
    return MTS_OK;
  }
  d->kind = MTS_DEST_DOMAIN;
  return mts_name_normalise(text, d->domain);
}

enum mts_err mts_destination_parse(struct mts_span text, struct mts_destination *destination) {
  unsigned control = 0;
  for (size_t i = 0; i < text.n; i++) control |= ((unsigned char)text.p[i] < 0x20) | (text.p[i] == 0x7f);
  if (control) return MTS_ERR_NAME_SYNTAX;
  /* The last one: a quoted local part may hold others. */
  const char *at = text.n ? memrchr(text.p, '@', text.n) : NULL;
  if (at) text = mts_span(at + 1, text.n - (size_t)(at + 1 - text.p));
  if (text.n == 0) return MTS_ERR_NAME_EMPTY;
  struct mts_destination d;
  d.domain[0] = '\0';
  d.port = 0;
  enum mts_err err;
  if (text.p[0] == '[') {
    const char *end = memchr(text.p, ']', text.n);
    if (!end) return MTS_ERR_NAME_SYNTAX;
    size_t n = (size_t)(end - text.p);
    if (!parse_port(mts_span(end + 1, text.n - n - 1), &d.port)) return MTS_ERR_NAME_SYNTAX;
    err = parse_bracketed(mts_span(text.p + 1, n - 1), &d);
  } else {
    err = parse_bare(text, &d);
  }
  if (err) return err;
  destination->kind = d.kind;
  destination->port = d.port;
  memccpy(destination->domain, d.domain, 0, sizeof d.domain);
  return MTS_OK;
}
