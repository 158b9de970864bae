/* SPDX-License-Identifier: ISC
 * What one policy fetch and one STARTTLS probe cost this process, beside the least that OpenSSL asks for such a connection: a loop
 * with blocking sockets, a shared context and nothing else. A fetch costs more because curl makes a context for each connection. The
 * servers are another process and do not count. */
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "../net/harness.h"

#define ROUNDS 9
#define EACH 60

static double cpu_ms(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

static double wall_ms(void) { return (double)mts_clock_mono_ms(&mts_clock_real); }

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void measure(const char *what, void (*one)(void)) {
  double cpu[ROUNDS], wall[ROUNDS];
  one();
  for (int round = 0; round < ROUNDS; round++) {
    double cpu_began = cpu_ms(), wall_began = wall_ms();
    for (int i = 0; i < EACH; i++) one();
    cpu[round] = (cpu_ms() - cpu_began) / EACH;
    wall[round] = (wall_ms() - wall_began) / EACH;
  }
  qsort(cpu, ROUNDS, sizeof *cpu, compare);
  qsort(wall, ROUNDS, sizeof *wall, compare);
  printf("%-48s %5.2f ms of CPU, %5.2f ms until it is done\n", what, cpu[ROUNDS / 2], wall[ROUNDS / 2]);
}

/* ---- the least ---- */

static SSL_CTX *bare;

static int dial(const char *server) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port_of(server)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
  return fd;
}

static void hear(int fd) {
  char bytes[1024];
  assert_true(recv(fd, bytes, sizeof bytes, 0) > 0);
}

static void say(int fd, const char *text) { assert_true(send(fd, text, strlen(text), MSG_NOSIGNAL) > 0); }

static SSL *handshake(int fd) {
  SSL *ssl = SSL_new(bare);
  char host[] = "good.example.com";
  assert_true(ssl && SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1 && SSL_set_fd(ssl, fd) == 1);
  assert_int_equal(SSL_connect(ssl), 1);
  assert_int_equal(SSL_get_verify_result(ssl), X509_V_OK);
  return ssl;
}

static void bare_fetch(void) {
  static const char get[] = "GET / HTTP/1.1\r\nHost: good.example.com\r\n\r\n";
  char bytes[4096];
  int fd = dial("https");
  SSL *ssl = handshake(fd);
  assert_true(SSL_write(ssl, get, (int)sizeof get - 1) > 0 && SSL_read(ssl, bytes, sizeof bytes) > 0);
  SSL_free(ssl);
  close(fd);
}

static void bare_probe(void) {
  char bytes[512];
  int fd = dial("smtp");
  hear(fd), say(fd, "EHLO test.example\r\n"), hear(fd), say(fd, "STARTTLS\r\n"), hear(fd);
  SSL *ssl = handshake(fd);
  assert_true(SSL_write(ssl, "QUIT\r\n", 6) > 0 && SSL_read(ssl, bytes, sizeof bytes) > 0);
  SSL_free(ssl);
  close(fd);
}

/* ---- ours ---- */

static struct mts_net *net;
static enum mts_err result;

static void fetched(void *arg, const struct mts_https_answer *answer) {
  (void)arg;
  result = answer->err;
}

static void fetch(void) {
  struct mts_https_request request = {.host = "good.example.com",
                                      .path = "/.well-known/mta-sts.txt",
                                      .address_count = 1,
                                      .addresses = &loopback,
                                      .deadline_ms = 10000,
                                      .max_bytes = 65536};
  struct mts_job *job = NULL;
  assert_int_equal(net->ops->https(net, &request, fetched, NULL, &job), MTS_OK);
  while (net->ops->turn(net, -1)) {
  }
  assert_int_equal(result, MTS_OK);
}

static void probed(void *arg, const struct mts_tls *tls) {
  (void)arg;
  result = tls->err;
}

static void probe(void) {
  struct mts_probe_request request = {
      .host = "good.example.com", .port = port_of("smtp"), .address_count = 1, .addresses = &loopback, .deadline_ms = 10000};
  struct mts_job *job = NULL;
  assert_int_equal(net->ops->probe(net, &request, probed, NULL, &job), MTS_OK);
  while (net->ops->turn(net, -1)) {
  }
  assert_int_equal(result, MTS_OK);
}

int main(void) {
  char path[128];
  start_servers(NULL);
  in_folder(path, "ca");
  bare = SSL_CTX_new(TLS_client_method());
  assert_true(bare && SSL_CTX_load_verify_locations(bare, path, NULL) == 1);
  measure("HTTPS, bare OpenSSL", bare_fetch);
  net = open_world("https", "");
  measure("HTTPS, a policy fetch", fetch);
  measure("STARTTLS, bare OpenSSL", bare_probe);
  measure("STARTTLS, a probe", probe);
  close_world(net);
  SSL_CTX_free(bare);
  return stop_servers(NULL);
}
