/* SPDX-License-Identifier: ISC
 * What a handshake showed, for looks: the whole chain as sent, and what verification made of it. */
#ifndef MTASTS_NET_CERT_SEEN_H
#define MTASTS_NET_CERT_SEEN_H

#include <openssl/ssl.h>

#include "net.h"

/* After a handshake that succeeded without verifying. false: no certificate came. */
bool cert_seen(const SSL *ssl, struct mts_tls_seen *seen);

#endif
