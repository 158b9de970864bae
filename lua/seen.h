/* SPDX-License-Identifier: ISC
 * What looks have seen, kept from the callback that lent it until Lua goes on. Raises nothing. */
#ifndef MTASTS_LUA_SEEN_H
#define MTASTS_LUA_SEEN_H

#include "net.h"

/* One of the three, in one piece of memory. */
struct seen {
  union {
    struct mts_dns_answer dns;
    struct mts_https_seen https;
    struct mts_smtp_seen smtp;
  } u;
  char address[MTS_ADDRESS_SIZE];
  uint16_t port;
  uint32_t ms; /* of DNS; the others tell it themselves */
};

/* Copies; NULL: out of memory. */
struct seen *seen_dns(enum mts_rrtype type, uint32_t ms, const struct mts_dns_answer *answer);
struct seen *seen_https(const char *address, uint16_t port, const struct mts_https_seen *https);
struct seen *seen_smtp(const char *address, uint16_t port, const struct mts_smtp_seen *smtp);
void seen_free(struct seen **seen);

#endif
