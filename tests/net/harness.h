/* SPDX-License-Identifier: ISC
 * Certificates, servers.py and a world for the tests of fetches and probes. */
#ifndef MTASTS_TESTS_HARNESS_H
#define MTASTS_TESTS_HARNESS_H

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "net.h"

/* ---- certificates ---- */

struct leaf {
  const char *name, *cn, *san; /* san NULL: none */
  int from_days, to_days;
  bool self_signed;
  unsigned rsa_bits; /* 0: EC P-256 */
};

static char folder[] = "/tmp/mtasts-test-XXXXXX";
static EVP_PKEY *ca_key;
static X509 *ca;

static void in_folder(char path[128], const char *name) { snprintf(path, 128, "%s/%s.pem", folder, name); }

static X509 *make_certificate(const struct leaf *leaf, EVP_PKEY *key, bool is_ca) {
  static long serial = 1;
  X509 *x = X509_new();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
  X509_time_adj_ex(X509_getm_notBefore(x), leaf->from_days, 0, NULL);
  X509_time_adj_ex(X509_getm_notAfter(x), leaf->to_days, 0, NULL);
  X509_NAME *subject = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)leaf->cn, -1, -1, 0);
  bool own = is_ca || leaf->self_signed;
  X509_set_issuer_name(x, own ? subject : X509_get_subject_name(ca));
  X509_set_pubkey(x, key);
  X509V3_CTX context;
  X509V3_set_ctx(&context, own ? x : ca, x, NULL, NULL, 0);
  const char *values[] = {is_ca ? "critical,CA:TRUE" : "CA:FALSE", leaf->san};
  int kinds[] = {NID_basic_constraints, NID_subject_alt_name};
  for (int i = 0; i < 2; i++) {
    if (!values[i]) continue;
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kinds[i], values[i]);
    assert_non_null(extension);
    X509_add_ext(x, extension, -1);
    X509_EXTENSION_free(extension);
  }
  assert_true(X509_sign(x, own ? key : ca_key, EVP_sha256()) > 0);
  return x;
}

static void write_leaf(const struct leaf *leaf) {
  char path[128];
  in_folder(path, leaf->name);
  EVP_PKEY *key = leaf->rsa_bits ? EVP_RSA_gen(leaf->rsa_bits) : EVP_EC_gen("P-256");
  X509 *x = make_certificate(leaf, key, false);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
  PEM_write_X509(file, x);
  PEM_write_X509(file, ca); /* so that DANE-TA(2) finds it */
  fclose(file);
  X509_free(x);
  EVP_PKEY_free(key);
}

/* The first label of the host asked chooses the certificate. */
static const struct leaf leaves[] = {
    {"good", "good", "DNS:good.example.com, DNS:127.example.com", -1, 30, false, 0},
    {"expired", "expired", "DNS:expired.example.com", -30, -1, false, 0},
    {"future", "future", "DNS:future.example.com", 1, 30, false, 0},
    {"selfsigned", "selfsigned", "DNS:selfsigned.example.com", -1, 30, true, 0},
    {"other", "other.example.com", "DNS:elsewhere.example.com", -1, 30, false, 0},
    {"cnonly", "cnonly.example.com", NULL, -1, 30, false, 0},
#ifdef WITH_RSA /* such a key takes its time */
    {"rsa", "rsa", "DNS:rsa.example.com", -1, 30, false, 2048},
#endif
    {"wild", "wild", "DNS:*.example.com", -1, 30, false, 0},
    {"partial", "partial", "DNS:part*.example.com", -1, 30, false, 0},
    {"provider", "provider", "DNS:mta-sts.provider.example", -1, 30, false, 0},
    {"expiredother", "x", "DNS:elsewhere.example.com", -30, -1, false, 0},
    {"many", "many",
     "DNS:many.example.com, DNS:a234567890123456789012345678901234567890.example.com, "
     "DNS:b234567890123456789012345678901234567890123456789012345678901."
     "b234567890123456789012345678901234567890123456789012345678901.com, "
     "DNS:c234567890123456789012345678901234567890123456789012345678901."
     "b234567890123456789012345678901234567890123456789012345678901.com, "
     "DNS:d234567890123456789012345678901234567890123456789012345678901."
     "b234567890123456789012345678901234567890123456789012345678901.com, "
     "DNS:e234567890123456789012345678901234567890123456789012345678901."
     "b234567890123456789012345678901234567890123456789012345678901.com",
     -1, 30, false, 0},
};

static void make_certificates(void) {
  assert_non_null(mkdtemp(folder));
  ca_key = EVP_EC_gen("P-256");
  ca = make_certificate(&(struct leaf){.cn = "Test CA", .from_days = -100, .to_days = 100}, ca_key, true);
  char path[128];
  in_folder(path, "ca");
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  PEM_write_X509(file, ca);
  fclose(file);
  for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) write_leaf(&leaves[i]);
}

static inline X509 *read_leaf(const char *name) {
  char path[128];
  in_folder(path, name);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  X509 *x = PEM_read_X509(file, NULL, NULL, NULL);
  fclose(file);
  assert_non_null(x);
  return x;
}

/* ---- servers ---- */

static struct {
  char name[32];
  uint16_t port;
} ports[64];
static size_t port_count;
static pid_t servers_pid;
static int servers_stdin;

static inline uint16_t port_of(const char *name) {
  for (size_t i = 0; i < port_count; i++) {
    if (strcmp(ports[i].name, name) == 0) return ports[i].port;
  }
  fail_msg("no server %s", name);
  return 0;
}

static inline int start_servers(void **state) {
  (void)state;
  make_certificates();
  int in[2], out[2];
  assert_int_equal(pipe(in), 0);
  assert_int_equal(pipe(out), 0);
  servers_pid = fork();
  if (servers_pid == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    close(in[0]), close(in[1]), close(out[0]), close(out[1]);
    execlp("python3", "python3", "-W", "ignore", MTASTS_TEST_SERVERS, folder, (char *)NULL);
    _exit(127);
  }
  close(in[0]), close(out[1]);
  servers_stdin = in[1];
  FILE *list = fdopen(out[0], "r");
  char text[64];
  bool complete = false;
  while (!complete && fgets(text, sizeof text, list)) {
    char *blank = strchr(text, ' ');
    complete = strcmp(text, "ready\n") == 0;
    if (!blank) continue;
    *blank = '\0';
    snprintf(ports[port_count].name, sizeof ports[port_count].name, "%.31s", text);
    ports[port_count++].port = (uint16_t)strtoul(blank + 1, NULL, 10);
  }
  fclose(list);
  assert_true(complete);
  return 0;
}

static inline int stop_servers(void **state) {
  (void)state;
  close(servers_stdin);
  waitpid(servers_pid, NULL, 0);
  assert_int_not_equal(access(folder, F_OK), 0); /* servers.py removes it, so that it goes even when this process is killed */
  X509_free(ca);
  EVP_PKEY_free(ca_key);
  return 0;
}

/* ---- the world ---- */

static inline struct mts_net *open_trusting(const char *https_server, const char *proxy, const char *ca_file, const char *ca_path) {
  struct mts_net_config config = {
      .nameservers = "", .trust_anchors = "", .ca_file = ca_file, .ca_path = ca_path, .https_proxy = proxy, .helo = "test.example"};
  config.https_port = https_server ? port_of(https_server) : 443;
  struct mts_net *net = NULL;
  assert_int_equal(mts_net_open_4(&config, &mts_clock_real, &net), MTS_OK);
  return net;
}

static inline struct mts_net *open_world(const char *https_server, const char *proxy) {
  char path[128];
  in_folder(path, "ca");
  return open_trusting(https_server, proxy, path, "");
}

static inline void close_world(struct mts_net *net) { net->ops->free(net); }

/* Of a job that has just begun: its callback comes once, and never before the start function has returned. */
static inline void run_job(struct mts_net *net, const int *calls) {
  assert_int_equal(*calls, 0);
  while (net->ops->turn(net, -1)) continue;
  assert_int_equal(*calls, 1);
}

static const struct mts_address loopback = {AF_INET, {127, 0, 0, 1}};
static const struct mts_address nobody = {AF_INET, {127, 9, 9, 9}}; /* nothing listens there */

/* ---- fetches and probes where only the result matters ---- */

struct outcome {
  int calls;
  enum mts_err err;
  char detail[160], address[64];
};

static inline void keep_outcome(struct outcome *outcome, enum mts_err err, const char *detail, const char *address) {
  outcome->calls++;
  outcome->err = err;
  snprintf(outcome->detail, sizeof outcome->detail, "%s", detail);
  snprintf(outcome->address, sizeof outcome->address, "%s", address);
}
static inline void keep_fetched(void *arg, const struct mts_https_answer *answer) {
  keep_outcome(arg, answer->err, answer->detail, answer->address);
}
static inline void keep_probed(void *arg, const struct mts_tls *tls) { keep_outcome(arg, tls->err, tls->detail, tls->address); }

/* server NULL: a fetch of the path from the host of the world; else a probe of the server. host NULL: good.example.com */
struct errand {
  const char *server, *path, *host;
  size_t address_count;
  const struct mts_address *addresses; /* NULL: loopback */
  uint32_t deadline_ms;
};

static inline enum mts_err start_errand(struct mts_net *net, const struct errand *errand, struct outcome *outcome,
                                        struct mts_job **job) {
  *outcome = (struct outcome){.calls = 0};
  const struct mts_address *addresses = errand->addresses ? errand->addresses : &loopback;
  size_t count = errand->addresses ? errand->address_count : 1;
  uint32_t deadline_ms = errand->deadline_ms ? errand->deadline_ms : 5000;
  const char *host = errand->host ? errand->host : "good.example.com";
  if (errand->server) {
    struct mts_probe_request request = {
        .host = host, .port = port_of(errand->server), .address_count = count, .addresses = addresses, .deadline_ms = deadline_ms};
    return net->ops->probe(net, &request, keep_probed, outcome, job);
  }
  struct mts_https_request request = {.host = host,
                                      .path = errand->path ? errand->path : "/",
                                      .address_count = count,
                                      .addresses = addresses,
                                      .deadline_ms = deadline_ms,
                                      .max_bytes = 65536};
  return net->ops->https(net, &request, keep_fetched, outcome, job);
}

static inline struct outcome run_errand(struct mts_net *net, const struct errand *errand) {
  struct outcome outcome;
  struct mts_job *job = NULL;
  assert_int_equal(start_errand(net, errand, &outcome, &job), MTS_OK);
  run_job(net, &outcome.calls);
  return outcome;
}

static inline int64_t mono_ms(void) { return mts_clock_mono_ms(&mts_clock_real); }

/* ---- an address that swallows connections ---- */

static const struct mts_address hole_address = {AF_INET, {127, 0, 0, 2}};

struct hole {
  int fds[8];
};

/* A listener whose queue is full: Linux drops further attempts, so that they seem to fall into a black hole. */
static inline void dig_hole(struct hole *hole, uint16_t port) {
  struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(port)};
  memcpy(&there.sin_addr, hole_address.bytes, 4);
  for (int i = 0; i < 8; i++) {
    hole->fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(hole->fds[i] >= 0);
  }
  int one = 1;
  setsockopt(hole->fds[0], SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  assert_int_equal(bind(hole->fds[0], (struct sockaddr *)&there, sizeof there), 0);
  assert_int_equal(listen(hole->fds[0], 0), 0);
  for (int i = 1; i < 8; i++) {
    connect(hole->fds[i], (struct sockaddr *)&there, sizeof there);
    usleep(2000);
  }
}

static inline void fill_hole(struct hole *hole) {
  for (int i = 0; i < 8; i++) close(hole->fds[i]);
}

#endif
