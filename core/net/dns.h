/* SPDX-License-Identifier: ISC
 * DNS through getdns, hardened: own retransmits and server rotation, TCP on truncation, checks of what comes back. */
#ifndef MTASTS_NET_DNS_H
#define MTASTS_NET_DNS_H

#include "net/world.h"

/* looks: for a look, which wants the hops of a chain, and to know what SERVFAIL means. */
enum mts_err dns_start(struct world *world, const char *name, enum mts_rrtype type, uint32_t deadline_ms, bool looks,
                       mts_dns_fn done, void *arg, struct mts_job **job);
/* What it has learned so far, as if its time were over. */
void dns_so_far(const struct mts_job *job, struct mts_dns_answer *answer);
/* Its deadline becomes this one on the monotonic clock, which is later. */
void dns_extend(struct mts_job *job, int64_t ends_ms);
/* dns_look.c: the work of mts_net_ops.look_dns. */
enum mts_err dns_look_start(struct world *world, const char *name, enum mts_rrtype type, uint32_t deadline_ms, mts_dns_fn done,
                            void *arg, struct mts_job **job);
void dns_close(struct dns **dns);
/* After fork, in the child, sending nothing: end the jobs and close; or, on a lent base, only never act again. */
void dns_forget(struct world *world);
void dns_mute(struct world *world);

#endif
