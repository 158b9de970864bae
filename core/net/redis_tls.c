/* SPDX-License-Identifier: ISC */
#include "net/redis_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/name.h"
#include "net/trust.h"

struct redis_tls {
  SSL *ssl;
  BIO *in, *out; /* the connection's */
};

static enum mts_err refuse(char *why, size_t size, const char *what, const char *which) {
  unsigned long code = ERR_peek_last_error();
  const char *reason = code ? ERR_reason_error_string(code) : NULL;
  mts_text_format(why, size, "%s %s: %s", what, which, reason ? reason : "cannot be used");
  ERR_clear_error();
  return MTS_ERR_STORE_SHARED;
}

static enum mts_err trust(struct world *world, SSL_CTX *context, char *why, size_t size) {
  const char *file = world->config.shared_ca_file;
  X509_STORE *store = NULL;
  if (!file[0]) {
    enum mts_err err = trust_store(world, &store);
    if (err == MTS_OK)
      SSL_CTX_set1_cert_store(context, store);
    else
      mts_text_format(why, size, "no trusted certificates");
    return err == MTS_ERR_SETTING ? MTS_ERR_STORE_SHARED : err;
  }
  return SSL_CTX_load_verify_file(context, file) == 1 ? MTS_OK : refuse(why, size, "shared_ca_file", file);
}

static enum mts_err show(struct world *world, SSL_CTX *context, char *why, size_t size) {
  const char *file = world->config.shared_cert_file;
  if (!file[0]) return MTS_OK;
  bool good =
      SSL_CTX_use_certificate_chain_file(context, file) == 1 && SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) == 1;
  return good ? MTS_OK : refuse(why, size, "shared_cert_file", file);
}

static bool expect(SSL *ssl, const struct mts_shared_url *url) {
  struct mts_address address;
  char host[MTS_NAME_SIZE]; /* the macro drops a const */
  mts_text_format(host, sizeof host, "%s", url->host);
  if (mts_address_parse(mts_span_of(host), &address)) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
  return SSL_set_tlsext_host_name(ssl, host) == 1 && trust_expect_host(ssl, host) == MTS_OK;
}

enum mts_err redis_tls_new(struct world *world, const struct mts_shared_url *url, char *why, size_t why_size,
                           struct redis_tls **tls) {
  ERR_clear_error();
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  struct redis_tls *made = context ? calloc(1, sizeof *made) : NULL;
  enum mts_err err = made && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 ? MTS_OK : MTS_ERR_NO_MEMORY;
  if (!err) err = trust(world, context, why, why_size);
  if (!err) err = show(world, context, why, why_size);
  if (!err) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    made->ssl = SSL_new(context);
    made->in = made->ssl ? BIO_new(BIO_s_mem()) : NULL;
    made->out = made->in ? BIO_new(BIO_s_mem()) : NULL;
    if (made->out) {
      SSL_set_bio(made->ssl, made->in, made->out);
      SSL_set_connect_state(made->ssl);
    } else {
      BIO_free(made->in);
    }
    if (!made->out || !expect(made->ssl, url)) err = MTS_ERR_NO_MEMORY;
  }
  SSL_CTX_free(context);
  ERR_clear_error();
  if (err && made) redis_tls_free(&made);
  if (!err) *tls = made;
  return err;
}

void redis_tls_free(struct redis_tls **tls) {
  if (!*tls) return;
  SSL_free((*tls)->ssl); /* with its BIOs */
  free(*tls);
  *tls = NULL;
}

bool redis_tls_is_up(const struct redis_tls *tls) { return SSL_is_init_finished(tls->ssl); }

static bool drain(struct redis_tls *tls, struct mts_buf *out) {
  char *p = NULL;
  long n = BIO_get_mem_data(tls->out, &p);
  bool good = n <= 0 || mts_buf_add(out, p, (size_t)n) == MTS_OK;
  (void)BIO_reset(tls->out);
  return good;
}

static void say(const struct redis_tls *tls, char *why, size_t size) {
  long verify = SSL_get_verify_result(tls->ssl);
  unsigned long code = ERR_peek_last_error();
  const char *reason = code ? ERR_reason_error_string(code) : NULL;
  if (verify != X509_V_OK)
    mts_text_format(why, size, "its certificate: %s", X509_verify_cert_error_string(verify));
  else
    mts_text_format(why, size, "TLS: %s", reason ? reason : "the server ended it");
}

/* Whether a result below 1 only means that more must come. */
static bool waits(const struct redis_tls *tls, int result) {
  int error = SSL_get_error(tls->ssl, result);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static bool read_all(struct redis_tls *tls, struct mts_buf *plain, int *result) {
  char bytes[16384];
  while ((*result = SSL_read(tls->ssl, bytes, sizeof bytes)) > 0)
    if (mts_buf_add(plain, bytes, (size_t)*result)) return false;
  return true;
}

bool redis_tls_take(struct redis_tls *tls, const char *bytes, size_t n, struct mts_buf *out, struct mts_buf *plain, char *why,
                    size_t why_size) {
  ERR_clear_error();
  mts_text_format(why, why_size, "out of memory");
  if (n && BIO_write(tls->in, bytes, (int)n) != (int)n) return false;
  int result = redis_tls_is_up(tls) ? 1 : SSL_do_handshake(tls->ssl);
  if (result == 1 && !read_all(tls, plain, &result)) return false;
  bool good = waits(tls, result);
  if (!good) say(tls, why, why_size);
  ERR_clear_error();
  return drain(tls, out) && good; /* an alert tells the server, too */
}

bool redis_tls_send(struct redis_tls *tls, const char *bytes, size_t n, struct mts_buf *out) {
  ERR_clear_error();
  bool good = n == 0 || SSL_write(tls->ssl, bytes, (int)n) == (int)n;
  ERR_clear_error();
  return drain(tls, out) && good;
}
