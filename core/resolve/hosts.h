/* SPDX-License-Identifier: ISC
 * The mail hosts of a domain: MX in the order of DNS, what the policy permits, where DANE applies, and what each answers to
 * STARTTLS. */
#ifndef MTASTS_RESOLVE_HOSTS_H
#define MTASTS_RESOLVE_HOSTS_H

#include "resolve/context.h"
#include "resolve/trace.h"

#define HOSTS_MAX_ASKED 32 /* hosts of one domain whose addresses are asked; no sender tries more */

struct hosts_walk;
/* Fills the hosts of answer, whose domain, smarthost and policy are set. done comes once, later, unless cancelled. */
enum mts_err hosts_start(struct mts *m, struct mts_answer *answer, bool probe, struct trace *trace, int64_t base_ms,
                         void (*done)(void *arg), void *arg, struct hosts_walk **walk);
void hosts_cancel(struct hosts_walk **walk);
/* Cancels because it took too long: a host whose DANE is not settled counts as unreachable for this error. */
void hosts_give_up(struct hosts_walk **walk, enum mts_err err);
/* (Re)computes permitted and err of each host; applies false: neither a policy nor a rule's opinion is in force. */
void hosts_judge(struct mts_answer *answer, bool applies, enum mts_mode mode);

#endif
