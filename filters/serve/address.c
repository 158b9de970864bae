/* SPDX-License-Identifier: ISC */
#include "address.h"

#include <netinet/in.h>
#include <string.h>

#include "base/buf.h"
#include "base/name.h"

static bool parse_path(struct mts_span path, struct address *address) {
  struct sockaddr_un *to = (struct sockaddr_un *)&address->to;
  if (path.n < 2 || path.p[0] != '/' || path.n >= sizeof to->sun_path || memchr(path.p, 0, path.n)) return false;
  to->sun_family = AF_UNIX;
  memcpy(to->sun_path, path.p, path.n);
  address->n = (socklen_t)(sizeof *to);
  return true;
}

static bool parse_endpoint(struct mts_span text, struct address *address) {
  static const char localhost[] = "localhost:";
  struct mts_address parsed;
  uint16_t port = 0;
  if (mts_span_begins(text, localhost)) {
    uint64_t number;
    const size_t n = sizeof localhost - 1;
    if (!mts_number_parse(mts_span(text.p + n, text.n - n), UINT16_MAX, &number)) return false;
    port = (uint16_t)number;
    if (!mts_address_parse(mts_span_of("127.0.0.1"), &parsed)) return false;
  } else if (!mts_endpoint_parse(text, &parsed, &port)) {
    return false;
  }
  if (port == 0) return false;
  if (parsed.family == AF_INET) {
    struct sockaddr_in *to = (struct sockaddr_in *)&address->to;
    to->sin_family = AF_INET;
    to->sin_port = htons(port);
    memcpy(&to->sin_addr, parsed.bytes, sizeof to->sin_addr);
    address->n = sizeof *to;
  } else {
    struct sockaddr_in6 *to = (struct sockaddr_in6 *)&address->to;
    to->sin6_family = AF_INET6;
    to->sin6_port = htons(port);
    memcpy(&to->sin6_addr, parsed.bytes, sizeof to->sin6_addr);
    address->n = sizeof *to;
  }
  return true;
}

bool address_parse(struct mts_span text, struct address *address) {
  struct address made = {0};
  bool well = false;
  if (mts_span_begins(text, "unix:")) well = parse_path(mts_span(text.p + 5, text.n - 5), &made);
  if (mts_span_begins(text, "inet:")) well = parse_endpoint(mts_span(text.p + 5, text.n - 5), &made);
  if (well) *address = made;
  return well;
}

const char *address_path(const struct address *address) {
  return address->to.ss_family == AF_UNIX ? ((const struct sockaddr_un *)&address->to)->sun_path : NULL;
}

bool address_is_local(const struct address *address) {
  if (address->to.ss_family == AF_INET) return ntohl(((const struct sockaddr_in *)&address->to)->sin_addr.s_addr) >> 24 == 127;
  if (address->to.ss_family == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&address->to)->sin6_addr);
  return true;
}
