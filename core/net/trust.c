/* SPDX-License-Identifier: ISC */
#include "net/trust.h"

#include <ctype.h>
#include <dirent.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct trust {
  X509_STORE *store;
  SSL_CTX *context;
};

/* Where most systems keep single certificates under the hash of their subject: OpenSSL then reads only the one it needs,
 * microseconds instead of 20 ms for a bundle. */
static const char system_path[] = "/etc/ssl/certs";

static bool is_hashed_name(const char *name) {
  return strspn(name, "0123456789abcdef") == 8 && name[8] == '.' && isdigit((unsigned char)name[9]);
}

static bool has_hashed_certificates(const char *path) {
  DIR *folder = opendir(path);
  if (!folder) return false;
  bool found = false;
  struct dirent *entry;
  while (!found && (entry = readdir(folder))) found = is_hashed_name(entry->d_name);
  closedir(folder);
  return found;
}

static bool is_folder(const char *path) {
  DIR *folder = opendir(path);
  if (folder) closedir(folder);
  return folder != NULL;
}

/* What the settings name replaces the system's certificates, it does not add to them. */
static bool load_configured(struct world *world, X509_STORE *store) {
  const struct mts_net_config *config = &world->config;
  if (config->ca_file[0] && X509_STORE_load_file(store, config->ca_file) != 1) {
    mts_log_seldom(config->log, MTS_LOG_ERROR, "ca_file", NULL, "ca_file %s holds no certificate in PEM that can be read: %s",
                   config->ca_file,
                   access(config->ca_file, R_OK) == 0 ? "check its content" : "check that it exists and its rights");
    return false;
  }
  /* X509_STORE_load_path takes any text. */
  if (config->ca_path[0] && (!is_folder(config->ca_path) || X509_STORE_load_path(store, config->ca_path) != 1)) {
    mts_log_seldom(config->log, MTS_LOG_ERROR, "ca_path", NULL, "ca_path %s is no folder that can be read", config->ca_path);
    return false;
  }
  return true;
}

/* OpenSSL is content with default places that are empty. */
static bool has_default_certificates(void) {
  return access(X509_get_default_cert_file(), R_OK) == 0 || has_hashed_certificates(X509_get_default_cert_dir());
}

static bool load_system(struct world *world, X509_STORE *store) {
  bool loaded = has_hashed_certificates(system_path) ? X509_STORE_load_path(store, system_path) == 1
                                                     : has_default_certificates() && X509_STORE_set_default_paths(store) == 1;
  if (!loaded) {
    mts_log_seldom(world->config.log, MTS_LOG_ERROR, "ca", NULL,
                   "no trusted certificates found in %s: no policy can be fetched, and new domains go unprotected; install "
                   "ca-certificates or set ca_file or ca_path",
                   system_path);
  }
  return loaded;
}

static struct trust *opened(struct world *world) {
  if (!world->trust) world->trust = calloc(1, sizeof *world->trust);
  return world->trust;
}

enum mts_err trust_store(struct world *world, X509_STORE **store) {
  struct trust *trust = opened(world);
  if (!trust) return MTS_ERR_NO_MEMORY;
  if (!trust->store) {
    X509_STORE *fresh = X509_STORE_new();
    if (!fresh) return MTS_ERR_NO_MEMORY;
    bool configured = world->config.ca_file[0] || world->config.ca_path[0];
    bool loaded = configured ? load_configured(world, fresh) : load_system(world, fresh);
    ERR_clear_error();
    if (!loaded) {
      X509_STORE_free(fresh);
      return MTS_ERR_SETTING;
    }
    trust->store = fresh;
  }
  *store = trust->store;
  return MTS_OK;
}

static SSL_CTX *new_context(X509_STORE *store) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (!context) return NULL;
  /* RFC 8461 7.2; RFC 8996. The certificate is judged after the handshake, so that its facts can be shown whatever the verdict. */
  bool good = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 && SSL_CTX_dane_enable(context) > 0;
  if (!good) {
    SSL_CTX_free(context);
    return NULL;
  }
  SSL_CTX_set1_cert_store(context, store);
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return context;
}

enum mts_err trust_context(struct world *world, SSL_CTX **context) {
  X509_STORE *store;
  enum mts_err err = trust_store(world, &store);
  if (err != MTS_OK) return err;
  if (!world->trust->context) world->trust->context = new_context(store);
  ERR_clear_error();
  if (!world->trust->context) return MTS_ERR_NO_MEMORY;
  *context = world->trust->context;
  return MTS_OK;
}

enum mts_err trust_expect(X509_VERIFY_PARAM *param, const char *host) {
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 ? MTS_OK : MTS_ERR_NO_MEMORY;
}

enum mts_err trust_expect_host(SSL *ssl, const char *host) { return trust_expect(SSL_get0_param(ssl), host); }

enum mts_err trust_expect_host_of(SSL_CTX *context, const char *host) { return trust_expect(SSL_CTX_get0_param(context), host); }

bool trust_limit_version(SSL *ssl, enum mts_newest_tls newest) {
  switch (newest) {
    case MTS_TLS_ANY:
      return true;
    case MTS_TLS_1_2:
      return SSL_set_max_proto_version(ssl, TLS1_2_VERSION) == 1;
    case MTS_TLS_1_0:
    case MTS_TLS_1_1:
      SSL_set_security_level(ssl, 0);
      return SSL_set_cipher_list(ssl, "ALL:@SECLEVEL=0") == 1 && SSL_set_min_proto_version(ssl, TLS1_VERSION) == 1 &&
             SSL_set_max_proto_version(ssl, newest == MTS_TLS_1_0 ? TLS1_VERSION : TLS1_1_VERSION) == 1;
  }
  return false;
}

void trust_close(struct trust **trust) {
  if (!*trust) return;
  SSL_CTX_free((*trust)->context);
  X509_STORE_free((*trust)->store);
  free(*trust);
  *trust = NULL;
}
