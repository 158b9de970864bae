/* SPDX-License-Identifier: ISC
 * A mail host as it shows itself to who looks: every reply, the chain of certificates, and what comes after a problem. */
#ifndef MTASTS_NET_STARTTLS_LOOK_H
#define MTASTS_NET_STARTTLS_LOOK_H

#include "net/world.h"

enum mts_err starttls_look_start(struct world *world, const struct mts_smtp_look *look, mts_smtp_seen_fn done, void *arg,
                                 struct mts_job **job);

#endif
