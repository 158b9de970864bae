/* SPDX-License-Identifier: ISC */
#include "net/certificate.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "net/trust.h"

/* ---- before the handshake ---- */

/* RFC 7672 3.1.3: PKIX-TA(0) and PKIX-EE(1) are not for SMTP. */
static bool is_for_smtp(const struct mts_rr_tlsa *tlsa) { return tlsa->usage == 2 || tlsa->usage == 3; }

static bool any_for_smtp(const struct mts_probe_request *request) {
  for (size_t i = 0; i < request->tlsa_count; i++) {
    if (is_for_smtp(&request->tlsa[i])) return true;
  }
  return false;
}

static enum mts_err add_tlsa(SSL *ssl, const struct mts_probe_request *request, size_t *usable) {
  if (SSL_dane_enable(ssl, request->host) != 1) return MTS_ERR_NO_MEMORY;
  /* RFC 7672 3.1.1: with DANE-EE(3) the name and the dates of the certificate do not matter. */
  SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  *usable = 0;
  for (size_t i = 0; i < request->tlsa_count; i++) {
    const struct mts_rr_tlsa *tlsa = &request->tlsa[i];
    if (!is_for_smtp(tlsa)) continue;
    /* 0: a malformed record or an unknown selector or digest, which does not count (RFC 7671 10.3); less: out of memory */
    int added =
        SSL_dane_tlsa_add(ssl, tlsa->usage, tlsa->selector, tlsa->matching, (const unsigned char *)tlsa->data.p, tlsa->data.n);
    if (added < 0) {
      ERR_clear_error();
      return MTS_ERR_NO_MEMORY;
    }
    if (added > 0) ++*usable;
  }
  ERR_clear_error();
  return MTS_OK;
}

enum mts_err certificate_expect(SSL *ssl, const struct mts_probe_request *request, bool *dane) {
  size_t usable = 0;
  if (any_for_smtp(request)) {
    enum mts_err err = add_tlsa(ssl, request, &usable);
    if (err != MTS_OK) return err;
  }
  /* RFC 8461 4.2 and RFC 7672 8.1 want SNI. */
  char host[MTS_NAME_SIZE]; /* the macro drops a const */
  mts_text_format(host, sizeof host, "%s", request->host);
  if (SSL_set_tlsext_host_name(ssl, host) != 1) return MTS_ERR_NO_MEMORY;
  *dane = usable > 0;
  enum mts_err err = trust_expect_host(ssl, request->host);
  if (err != MTS_OK || !*dane) return err;
  /* RFC 7672 3.2.2: the next-hop domain is a reference identifier too; RFC 8461 4.2 wants the MX host's name alone. */
  if (request->next_hop && SSL_add1_host(ssl, request->next_hop) != 1) return MTS_ERR_NO_MEMORY;
  /* RFC 7672 3.2.3: the CN counts where there is no DNS-ID. RFC 8461 4.2 knows DNS-IDs only. */
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return MTS_OK;
}

/* ---- after it ---- */

static void take_name(const X509_NAME *name, char *text, size_t size) {
  BIO *bio = BIO_new(BIO_s_mem());
  if (!bio) return;
  char *bytes = NULL;
  X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
  long n = BIO_get_mem_data(bio, &bytes);
  if (n > 0) mts_text_clean(text, size, mts_span(bytes, (size_t)n));
  BIO_free(bio);
}

static int64_t seconds_of(const ASN1_TIME *time) {
  struct tm tm;
  memset(&tm, 0, sizeof tm);
  return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

void certificate_names(const X509 *certificate, char *text, size_t size) {
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  size_t at = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS) continue;
    char clean[MTS_NAME_SIZE];
    const char *bytes = (const char *)ASN1_STRING_get0_data(name->d.dNSName);
    mts_text_clean(clean, sizeof clean, mts_span(bytes, (size_t)ASN1_STRING_length(name->d.dNSName)));
    for (char *p = clean; *p; p++) *p = *p == ' ' ? '_' : *p;
    if (at + strlen(clean) + sizeof "  ..." > size) {
      mts_text_format(text + at, size - at, "%s...", at ? " " : "");
      break;
    }
    mts_text_format(text + at, size - at, "%s%s", at ? " " : "", clean);
    at += strlen(text + at);
  }
  GENERAL_NAMES_free(names);
}

static void write_hex(const unsigned char digest[32], char text[65]) {
  for (unsigned i = 0; i < 32; i++) {
    text[2 * i] = "0123456789abcdef"[digest[i] >> 4];
    text[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
  }
  text[64] = '\0';
}

static void take_fingerprint(const X509 *certificate, char text[65]) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned n = 0;
  if (X509_digest(certificate, EVP_sha256(), digest, &n) == 1 && n == 32) write_hex(digest, text);
}

void certificate_spki(const X509 *certificate, char text[65]) {
  unsigned char digest[EVP_MAX_MD_SIZE], *der = NULL;
  unsigned n = 0;
  int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
  if (length > 0 && EVP_Digest(der, (size_t)length, digest, &n, EVP_sha256(), NULL) == 1 && n == 32) write_hex(digest, text);
  OPENSSL_free(der);
}

void certificate_facts(const X509 *certificate, struct mts_tls *tls) {
  take_name(X509_get_subject_name(certificate), tls->subject, sizeof tls->subject);
  take_name(X509_get_issuer_name(certificate), tls->issuer, sizeof tls->issuer);
  certificate_names(certificate, tls->names, sizeof tls->names);
  take_fingerprint(certificate, tls->fingerprint);
  tls->not_before = seconds_of(X509_get0_notBefore(certificate));
  tls->not_after = seconds_of(X509_get0_notAfter(certificate));
}

/* RFC 8460 4.3: what the report calls it. */
enum mts_err certificate_error(long verify) {
  switch (verify) {
    case X509_V_OK:
      return MTS_OK;
    case X509_V_ERR_HOSTNAME_MISMATCH:
      return MTS_ERR_CERT_NAME;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return MTS_ERR_CERT_EXPIRED;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return MTS_ERR_CERT_UNTRUSTED;
    default:
      return MTS_ERR_CERT_INVALID;
  }
}

void certificate_judge(SSL *ssl, bool dane, struct mts_tls *tls) {
  X509 *certificate = SSL_get0_peer_certificate(ssl);
  mts_text_format(tls->protocol, sizeof tls->protocol, "%s", SSL_get_version(ssl));
  mts_text_format(tls->cipher, sizeof tls->cipher, "%s", SSL_get_cipher_name(ssl));
  if (!certificate) { /* an anonymous cipher: the verify result would be "ok" */
    tls->err = MTS_ERR_TLS_HANDSHAKE;
    mts_text_format(tls->detail, sizeof tls->detail, "no certificate came");
    return;
  }
  certificate_facts(certificate, tls);
  long verify = SSL_get_verify_result(ssl);
  if (dane) {
    bool matched = verify == X509_V_OK && SSL_get0_dane_authority(ssl, NULL, NULL) >= 0;
    tls->err = matched ? MTS_OK : MTS_ERR_TLSA_INVALID;
  } else {
    tls->err = certificate_error(verify);
  }
  if (tls->err != MTS_OK) mts_text_format(tls->detail, sizeof tls->detail, "%s", X509_verify_cert_error_string(verify));
  ERR_clear_error();
}
