/* SPDX-License-Identifier: ISC
 * What a sender does, from a mode and the hosts (RFC 8461 5; RFC 7672 for DANE). Pure. */
#ifndef MTASTS_STS_VERDICT_H
#define MTASTS_STS_VERDICT_H

#include "mtasts.h"

/* Says of one host whether anything speaks against it: a probe, DANE, the policy. Sets host->err. applies: a policy or a rule's
 * opinion is in force; its mode is mode. */
void mts_verdict_host(struct mts_host *host, bool applies, enum mts_mode mode);
/* hosts_known false: DNS did not say which hosts there are. */
enum mts_action mts_verdict(enum mts_mode mode, const struct mts_host *hosts, size_t count, bool hosts_known);

#endif
