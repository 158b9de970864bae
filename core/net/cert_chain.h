/* SPDX-License-Identifier: ISC
 * A chain of certificates that another program was shown. */
#ifndef MTASTS_NET_CERT_CHAIN_H
#define MTASTS_NET_CERT_CHAIN_H

#include "net/world.h"

/* The work of mts_net_ops.certificate. */
enum mts_err cert_chain_judge(struct world *world, const char *host, const struct mts_span *chain, size_t count,
                              struct mts_tls *tls);

#endif
