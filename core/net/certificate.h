/* SPDX-License-Identifier: ISC
 * The facts of a mail host's certificate, and the verdict on it. */
#ifndef MTASTS_NET_CERTIFICATE_H
#define MTASTS_NET_CERTIFICATE_H

#include <openssl/ssl.h>

#include "net.h"

/* Prepares a connection before its handshake: SNI, the name expected and, if any of the TLSA records can be used for SMTP (RFC
 * 7672 3.1), DANE. *dane says so; without a usable record the trusted certificates decide. */
enum mts_err certificate_expect(SSL *ssl, const struct mts_probe_request *request, bool *dane);
/* After a handshake that succeeded: fills protocol, cipher and the certificate's facts, err and detail. */
void certificate_judge(SSL *ssl, bool dane, struct mts_tls *tls);
/* Subject, issuer, names, dates, fingerprint. */
void certificate_facts(const X509 *certificate, struct mts_tls *tls);
/* The DNS names of the SAN, separated by blanks. Whole names only; "..." says that there are more. */
void certificate_names(const X509 *certificate, char *text, size_t size);
/* SHA-256 of the SubjectPublicKeyInfo, as TLSA records have it; untouched if there is none. */
void certificate_spki(const X509 *certificate, char text[65]);
/* Of a result of X509_verify_cert. */
enum mts_err certificate_error(long verify);

#endif
