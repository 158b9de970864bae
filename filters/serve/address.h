/* SPDX-License-Identifier: ISC
 * Where the server listens, as settings tell it. Pure. */
#ifndef MTASTS_SERVE_ADDRESS_H
#define MTASTS_SERVE_ADDRESS_H

#include <sys/socket.h>
#include <sys/un.h>

#include "mtasts.h"

#define ADDRESS_TEXT_SIZE 128

struct address {
  struct sockaddr_storage to;
  socklen_t n;
};
/* "unix:/PATH", "inet:ADDRESS:PORT" with an IPv4 address, one of IPv6 in brackets, or "localhost" (127.0.0.1). false: none of these. */
bool address_parse(struct mts_span text, struct address *address);
/* The path of a Unix socket; NULL: it is of another family. */
const char *address_path(const struct address *address);
/* Only this machine reaches it. */
bool address_is_local(const struct address *address);

#endif
