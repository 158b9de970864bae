/* SPDX-License-Identifier: ISC */
#include "net/cert_seen.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/buf.h"
#include "net/certificate.h"

/* NIST's names are those that people know ("P-256"); other curves have only OpenSSL's. */
static void take_curve(const EVP_PKEY *key, struct mts_cert *cert) {
  char group[sizeof cert->curve];
  size_t n = 0;
  if (EVP_PKEY_get_group_name(key, group, sizeof group, &n) != 1) return;
  const char *nist = EC_curve_nid2nist(OBJ_txt2nid(group));
  mts_text_format(cert->curve, sizeof cert->curve, "%s", nist ? nist : group);
}

static void take_key(const X509 *certificate, struct mts_cert *cert) {
  const EVP_PKEY *key = X509_get0_pubkey(certificate);
  if (!key) return; /* of a kind that OpenSSL does not know */
  const char *name = EVP_PKEY_get0_type_name(key);
  mts_text_format(cert->key, sizeof cert->key, "%s", name ? name : "");
  int bits = EVP_PKEY_get_bits(key);
  cert->key_bits = bits > 0 ? (unsigned)bits : 0;
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) take_curve(key, cert);
}

static void take_cert(const X509 *certificate, struct mts_cert *cert) {
  struct mts_tls facts = {0};
  certificate_facts(certificate, &facts);
  memcpy(cert->subject, facts.subject, sizeof cert->subject);
  memcpy(cert->issuer, facts.issuer, sizeof cert->issuer);
  memcpy(cert->fingerprint, facts.fingerprint, sizeof cert->fingerprint);
  cert->not_before = facts.not_before;
  cert->not_after = facts.not_after;
  certificate_names(certificate, cert->names, sizeof cert->names);
  take_key(certificate, cert);
  certificate_spki(certificate, cert->spki);
  const char *signature = OBJ_nid2ln(X509_get_signature_nid(certificate));
  mts_text_format(cert->signature, sizeof cert->signature, "%s", signature ? signature : "");
  cert->self_issued = X509_NAME_cmp(X509_get_subject_name(certificate), X509_get_issuer_name(certificate)) == 0;
}

bool cert_seen(const SSL *ssl, struct mts_tls_seen *seen) {
  STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
  *seen = (struct mts_tls_seen){.err = MTS_OK};
  mts_text_format(seen->protocol, sizeof seen->protocol, "%s", SSL_get_version(ssl));
  mts_text_format(seen->cipher, sizeof seen->cipher, "%s", SSL_get_cipher_name(ssl));
  for (int i = 0; i < sk_X509_num(chain) && seen->count < MTS_SEEN_CERTS; i++)
    take_cert(sk_X509_value(chain, i), &seen->chain[seen->count++]);
  long verify = SSL_get_verify_result(ssl);
  seen->err = certificate_error(verify);
  if (seen->err) mts_text_format(seen->detail, sizeof seen->detail, "%s", X509_verify_cert_error_string(verify));
  ERR_clear_error();
  return seen->count > 0;
}
