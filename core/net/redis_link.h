/* SPDX-License-Identifier: ISC
 * Bytes to and from one address or Unix socket, through TLS or not. What is sent waits in memory, never in a call; nothing raises SIGPIPE. */
#ifndef MTASTS_NET_REDIS_LINK_H
#define MTASTS_NET_REDIS_LINK_H

#include "base/shared_url.h"
#include "net/world.h"

#define REDIS_WHY_SIZE 160

struct redis_link;
/* What the owner is told, in the loop's turn. In each it may close the link. */
struct redis_link_calls {
  void (*up)(void *arg);                             /* connected; with TLS: the server's certificate is valid for its name */
  void (*bytes)(void *arg, const char *p, size_t n); /* lent */
  void (*down)(void *arg, bool early,
               const char *why); /* early: it never was connected; nothing comes after it but the owner's close */
};
/* address NULL: the URL's Unix socket. Errors: STORE_SHARED with a reason in why; NO_MEMORY. */
enum mts_err redis_link_open(struct world *world, const struct mts_shared_url *url, const struct mts_address *address,
                             const struct redis_link_calls *calls, void *arg, char why[REDIS_WHY_SIZE], struct redis_link **link);
/* Of a link that is up. false: no memory, or too much waits to be sent. What is wrong with the connection is told later. */
bool redis_link_send(struct redis_link *link, const char *bytes, size_t n);
void redis_link_close(struct redis_link **link);

#endif
