/* SPDX-License-Identifier: ISC
 * The name servers and a getdns context for each. */
#ifndef MTASTS_NET_DNS_POOL_H
#define MTASTS_NET_DNS_POOL_H

#include <getdns/getdns.h>

#include "net/getdns_loop.h"
#include "net/world.h"

#define DNS_MAX_SERVERS 8

struct dns_server {
  struct mts_address address;
  uint16_t port;
  char text[64];       /* for people */
  getdns_context *udp; /* made by its first use */
  int64_t failed_ms;   /* monotonic time of the last silence, 0: it answered since */
};

/* Replaced when resolv.conf changes; jobs under way keep theirs. */
struct dns_pool {
  unsigned refs;
  struct getdns_loop *loop;
  size_t count;
  struct dns_server servers[DNS_MAX_SERVERS];
  size_t first;         /* answered last */
  bool ad;              /* believe the AD bit */
  getdns_list *anchors; /* not NULL: getdns validates */
  bool root_anchor;     /* every name is below an anchor */
  getdns_dict *extensions;
  getdns_dict *unchecked; /* the same with CD; NULL: not needed yet */
};

/* Errors: SETTING, said in the log; NO_MEMORY. */
enum mts_err dns_pool_new(struct world *world, struct getdns_loop *loop, struct dns_pool **pool);
void dns_pool_release(struct dns_pool **pool); /* never inside a getdns callback: it aborts there */

/* A context for one server with one transport only: with both, getdns closes a socket twice when TCP hangs. */
enum mts_err dns_pool_context(struct dns_pool *pool, struct dns_server *server, bool tcp, getdns_context **context);

/* NULL: no memory. */
getdns_dict *dns_pool_unchecked(struct dns_pool *pool);

/* The server that answered last comes first, those silent a moment ago come last. */
void dns_pool_order(const struct dns_pool *pool, int64_t now_ms, unsigned char order[DNS_MAX_SERVERS]);

#endif
