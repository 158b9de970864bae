/* SPDX-License-Identifier: ISC
 * Equal questions that are under way at the same time are one on the wire. What has been answered is not kept. */
#ifndef MTASTS_NET_DNS_JOIN_H
#define MTASTS_NET_DNS_JOIN_H

#include "net/world.h"

/* The work of mts_net_ops.dns. Each asker has its own deadline and may be cancelled alone; the question goes on until the last of them. */
enum mts_err dns_join_start(struct world *world, const char *name, enum mts_rrtype type, uint32_t deadline_ms, mts_dns_fn done,
                            void *arg, struct mts_job **job);
/* After fork, in the child: frees what waits, sending nothing. Before dns_forget. */
void dns_join_forget(struct world *world);

#endif
