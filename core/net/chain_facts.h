/* SPDX-License-Identifier: ISC
 * What a handshake showed, for looks: the whole chain as sent, and what verification made of it. */
#ifndef MTASTS_NET_CHAIN_FACTS_H
#define MTASTS_NET_CHAIN_FACTS_H

#include <openssl/ssl.h>

#include "net.h"

/* After a handshake that succeeded without verifying. false: no certificate came. */
bool chain_facts(const SSL *ssl, struct mts_tls_seen *seen);

#endif
