/* SPDX-License-Identifier: ISC */
#include "net/cert_chain.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/buf.h"
#include "net/certificate.h"
#include "net/trust.h"

#define CERTIFICATE_MAX ((size_t)1 << 20)

/* Base64, line ends allowed. NULL: it is something else, or there is no memory. */
static unsigned char *decoded(struct mts_span text, size_t *n) {
  EVP_ENCODE_CTX *context = EVP_ENCODE_CTX_new();
  unsigned char *bytes = OPENSSL_malloc(text.n + 1);
  int first = 0, last = 0;
  bool good = context && bytes;
  if (good) {
    EVP_DecodeInit(context);
    good = EVP_DecodeUpdate(context, bytes, &first, (const unsigned char *)text.p, (int)text.n) >= 0 &&
           EVP_DecodeFinal(context, bytes + first, &last) == 1;
  }
  EVP_ENCODE_CTX_free(context);
  if (good) {
    *n = (size_t)first + (size_t)last;
    return bytes;
  }
  OPENSSL_free(bytes);
  return NULL;
}

static X509 *parsed_der(struct mts_span der) {
  const unsigned char *at = (const unsigned char *)der.p;
  X509 *certificate = d2i_X509(NULL, &at, (long)der.n);
  if (certificate && at == (const unsigned char *)der.p + der.n) return certificate;
  X509_free(certificate); /* bytes follow it */
  return NULL;
}

/* NULL: it is no certificate, or there is no memory. */
static X509 *parsed(struct mts_span text) {
  const char sequence = 0x30; /* DER begins with it, and base64 of DER with M */
  if (!text.n || text.n > CERTIFICATE_MAX) return NULL;
  if (text.p[0] == sequence) return parsed_der(text);
  size_t n = 0;
  unsigned char *der = decoded(text, &n);
  X509 *certificate = der && n ? parsed_der(mts_span((const char *)der, n)) : NULL;
  OPENSSL_free(der);
  return certificate;
}

/* What comes with the host's certificate helps to find a way to a trusted one; what of it cannot be read does not. */
static STACK_OF(X509) * companions(const struct mts_span *chain, size_t count) {
  STACK_OF(X509) *all = sk_X509_new_null();
  for (size_t i = 1; all && i < count; i++) {
    X509 *one = parsed(chain[i]);
    if (one && sk_X509_push(all, one) <= 0) X509_free(one);
  }
  return all;
}

/* As in a connection: RFC 8461 4.2, and the key strength that the library asks for in TLS. */
static enum mts_err expect(X509_STORE_CTX *verification, const SSL_CTX *context, const char *host) {
  if (X509_STORE_CTX_set_default(verification, "ssl_server") != 1) return MTS_ERR_NO_MEMORY;
  X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(verification);
  X509_VERIFY_PARAM_set_auth_level(param, SSL_CTX_get_security_level(context));
  return trust_expect(param, host);
}

static enum mts_err judge(SSL_CTX *context, X509_STORE *store, const char *host, X509 *certificate, STACK_OF(X509) * others,
                          struct mts_tls *tls) {
  X509_STORE_CTX *verification = X509_STORE_CTX_new();
  if (!verification) return MTS_ERR_NO_MEMORY;
  enum mts_err err = X509_STORE_CTX_init(verification, store, certificate, others) == 1 ? MTS_OK : MTS_ERR_NO_MEMORY;
  if (!err) err = expect(verification, context, host);
  if (!err) {
    int good = X509_verify_cert(verification);
    int result = X509_STORE_CTX_get_error(verification);
    if (good != 1 && result == X509_V_OK) result = X509_V_ERR_UNSPECIFIED;
    tls->err = certificate_error(result);
    if (tls->err) mts_text_format(tls->detail, sizeof tls->detail, "%s", X509_verify_cert_error_string(result));
  }
  X509_STORE_CTX_free(verification);
  return err;
}

enum mts_err cert_chain_judge(struct world *world, const char *host, const struct mts_span *chain, size_t count,
                              struct mts_tls *tls) {
  SSL_CTX *context = NULL;
  X509_STORE *store = NULL;
  enum mts_err err = trust_context(world, &context);
  if (!err) err = trust_store(world, &store);
  if (err) return err;
  X509 *certificate = count ? parsed(chain[0]) : NULL;
  if (!certificate) {
    ERR_clear_error();
    return MTS_ERR_ARGUMENT;
  }
  STACK_OF(X509) *others = companions(chain, count);
  struct mts_tls judged = {0};
  certificate_facts(certificate, &judged);
  err = others ? judge(context, store, host, certificate, others, &judged) : MTS_ERR_NO_MEMORY;
  if (!err) *tls = judged;
  sk_X509_pop_free(others, X509_free);
  X509_free(certificate);
  ERR_clear_error();
  return err;
}
