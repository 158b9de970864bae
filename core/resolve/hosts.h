/* SPDX-License-Identifier: ISC
 * The mail hosts of a domain: MX in the order of DNS, what the policy permits, where DANE applies, and what each answers to
 * STARTTLS. */
#ifndef MTASTS_RESOLVE_HOSTS_H
#define MTASTS_RESOLVE_HOSTS_H

#include "resolve/context.h"
#include "resolve/trace.h"

#define HOSTS_MAX_ASKED 32 /* hosts of one domain whose addresses are asked; no sender tries more */

struct hosts_walk;
/* Fills the hosts of answer, whose domain, smarthost and policy are set; what DNS said goes into the store as well. done comes once, later,
 * unless cancelled. port: 0 is the setting smtp_port. */
enum mts_err hosts_start(struct mts *m, struct mts_answer *answer, bool probe, uint16_t port, struct trace *trace, int64_t base_ms,
                         void (*done)(void *arg), void *arg, struct hosts_walk **walk);
void hosts_cancel(struct hosts_walk **walk);
/* Cancels because it took too long: a host whose DANE is not settled counts as unreachable for this error. */
void hosts_give_up(struct hosts_walk **walk, enum mts_err err);
/* (Re)computes permitted and err of each host; applies false: neither a policy nor a rule's opinion is in force. */
void hosts_judge(struct mts_answer *answer, bool applies, enum mts_mode mode);

/* answer.c: the answer has no hosts from here on, and they are not known. */
void answer_drop_hosts(struct mts_answer *answer);

/* ---- stored_hosts.c ---- */

#define STORED_HOSTS_MAX_S 3600 /* hosts are believed at most this long, whatever their TTL */

/* Fills the hosts of answer, which has none, with those in the store; no network. false: none that are within their TTL. */
bool stored_hosts_take(struct mts *m, struct mts_answer *answer, int64_t *age_s);
/* Keeps the hosts of answer, as DNS gave them at learned_at, for ttl_s. What goes wrong only costs the cache. */
void stored_hosts_keep(struct mts *m, const struct mts_answer *answer, int64_t learned_at, uint32_t ttl_s);

#endif
