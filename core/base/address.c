/* SPDX-License-Identifier: ISC
 * IP addresses: text, and which are public. */
#include <arpa/inet.h>
#include <string.h>

#include "base/buf.h"
#include "base/name.h"

static bool may_be_in_address(char c) {
  return (c >= '0' && c <= '9') || c == '.' || c == ':' || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool mts_address_parse(struct mts_span text, struct mts_address *address) {
  char copy[MTS_ADDRESS_SIZE];
  if (text.n == 0 || text.n >= sizeof copy) return false;
  for (size_t i = 0; i < text.n; i++) /* most texts are names: they end here */
    if (!may_be_in_address(text.p[i])) return false;
  memcpy(copy, text.p, text.n);
  copy[text.n] = '\0';
  struct mts_address a = {.family = strchr(copy, ':') ? AF_INET6 : AF_INET};
  if (inet_pton(a.family, copy, a.bytes) != 1) return false;
  *address = a;
  return true;
}

void mts_address_format(const struct mts_address *address, char text[MTS_ADDRESS_SIZE]) {
  text[0] = '\0';
  if (address->family == AF_INET || address->family == AF_INET6) inet_ntop(address->family, address->bytes, text, MTS_ADDRESS_SIZE);
}

bool mts_endpoint_parse(struct mts_span text, struct mts_address *address, uint16_t *port) {
  struct mts_span host = text;
  struct mts_span digits = {NULL, 0};
  bool named = false;
  if (text.n && text.p[0] == '[') {
    const char *close = memchr(text.p, ']', text.n);
    if (!close) return false;
    host = (struct mts_span){text.p + 1, (size_t)(close - text.p) - 1};
    size_t rest = text.n - host.n - 2;
    if (rest && close[1] != ':') return false;
    named = rest > 0;
    if (named) digits = (struct mts_span){close + 2, rest - 1};
  } else {
    const char *colon = memchr(text.p, ':', text.n);
    named = colon && !memchr(colon + 1, ':', text.n - (size_t)(colon - text.p) - 1);
    if (named) {
      host.n = (size_t)(colon - text.p);
      digits = (struct mts_span){colon + 1, text.n - host.n - 1};
    }
  }
  struct mts_address parsed;
  uint64_t number = 0;
  if (!mts_address_parse(host, &parsed)) return false;
  if (named && (!mts_number_parse(digits, UINT16_MAX, &number) || number == 0)) return false;
  *address = parsed;
  if (named) *port = (uint16_t)number;
  return true;
}

struct prefix {
  unsigned char bytes[16];
  unsigned bits;
};

static bool in_prefix(const unsigned char *bytes, const struct prefix *prefix) {
  unsigned whole = prefix->bits / 8, rest = prefix->bits % 8;
  if (memcmp(bytes, prefix->bytes, whole) != 0) return false;
  return rest == 0 || ((bytes[whole] ^ prefix->bytes[whole]) >> (8 - rest)) == 0;
}

/* The IANA special-purpose registries (RFC 6890) and multicast. Not the blocks for documentation: they are routed nowhere, so nothing
 * inside is reached through them, and worlds for tests live there. */
static bool is_public_4(const unsigned char *bytes) {
  static const struct prefix closed[] = {
      {{0}, 8},          {{10}, 8},           {{100, 64}, 10},  {{127}, 8},      {{169, 254}, 16}, {{172, 16}, 12},
      {{192, 0, 0}, 24}, {{192, 88, 99}, 24}, {{192, 168}, 16}, {{198, 18}, 15}, {{224}, 4},       {{240}, 4},
  };
  for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
    if (in_prefix(bytes, &closed[i])) return false;
  return true;
}

static bool is_public_6(const unsigned char *bytes) {
  static const struct prefix global = {{0x20}, 3};
  static const struct prefix closed[] = {
      {{0x20, 0x01, 0x00}, 23}, /* IETF protocols, Teredo, ORCHID */
  };
  static const struct prefix mapped = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96};
  static const struct prefix nat64 = {{0x00, 0x64, 0xff, 0x9b}, 96}; /* RFC 6052 */
  static const struct prefix six_to_four = {{0x20, 0x02}, 16};       /* RFC 3056 */
  if (in_prefix(bytes, &mapped) || in_prefix(bytes, &nat64)) return is_public_4(bytes + 12);
  if (in_prefix(bytes, &six_to_four)) return is_public_4(bytes + 2);
  if (!in_prefix(bytes, &global)) return false;
  for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
    if (in_prefix(bytes, &closed[i])) return false;
  return true;
}

bool mts_address_is_public(const struct mts_address *address) {
  if (address->family == AF_INET) return is_public_4(address->bytes);
  return address->family == AF_INET6 && is_public_6(address->bytes);
}
