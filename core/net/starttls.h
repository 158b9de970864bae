/* SPDX-License-Identifier: ISC
 * A mail host as an MTA-STS sender sees it: STARTTLS and its certificate (RFC 8461 4.2, RFC 7672). */
#ifndef MTASTS_NET_STARTTLS_H
#define MTASTS_NET_STARTTLS_H

#include "net/world.h"

enum mts_err starttls_start(struct world *world, const struct mts_probe_request *request, mts_tls_fn done, void *arg,
                            struct mts_job **job);

#endif
