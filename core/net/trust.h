/* SPDX-License-Identifier: ISC
 * Trusted certificates, loaded once and shared by policy fetches and probes. */
#ifndef MTASTS_NET_TRUST_H
#define MTASTS_NET_TRUST_H

#include <openssl/ssl.h>

#include "net/world.h"

/* The store is lent; SSL_CTX_set1_cert_store takes a reference of its own. Errors: SETTING (ca_file, ca_path unreadable; said in
 * the log). */
enum mts_err trust_store(struct world *world, X509_STORE **store);
/* The context of all probes, lent: TLS 1.2 or newer, our store, DANE enabled, nothing verified during the handshake. Errors: as
 * above. */
enum mts_err trust_context(struct world *world, SSL_CTX **context);
/* DNS-ID in the SAN only, wildcards only as a whole left-most label, no CN (RFC 8461 3.3, 4.2; RFC 6125). */
enum mts_err trust_expect(X509_VERIFY_PARAM *param, const char *host);
enum mts_err trust_expect_host(SSL *ssl, const char *host);
/* The same for a context that serves one connection. */
enum mts_err trust_expect_host_of(SSL_CTX *context, const char *host);
/* What is too old or too weak for mail may be looked at, in a connection that does nothing else. */
bool trust_limit_version(SSL *ssl, enum mts_newest_tls newest);
void trust_close(struct trust **trust);

#endif
