/* SPDX-License-Identifier: ISC
 * The least that a policy costs its client on this machine: one loop, one SSL_CTX, and nothing but TCP, TLS 1.3, the GET and its answer; no
 * DNS, and nothing is parsed. Fetches from mta-sts.d0.bench.test, mta-sts.d1.bench.test ... at one address, so many at once, and prints as
 * JSON what it took: fetch CA_FILE ADDRESS NUMBER CONCURRENCY. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MOST 8192

struct fetch {
  int fd;
  SSL *ssl;
  char host[64], answer[ANSWER_MOST];
  size_t read, whole; /* whole: bytes of the answer, once its headers are there */
};

struct bare {
  int poll;
  SSL_CTX *context;
  struct sockaddr_in to;
  size_t started, done;
};

static void fail(const char *what) {
  fprintf(stderr, "bench: bare client: %s: %s\n", what, strerror(errno));
  ERR_print_errors_fp(stderr);
  exit(70);
}

static double clock_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double cpu_ms(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static SSL_CTX *new_context(const char *ca_file) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (!context || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1) fail("context");
  if (SSL_CTX_load_verify_file(context, ca_file) != 1) fail(ca_file);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return context;
}

/* Edge-triggered, so that a connection is told to the kernel once. */
static void start(struct bare *bare, struct fetch *fetch) {
  *fetch = (struct fetch){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  snprintf(fetch->host, sizeof fetch->host, "mta-sts.d%zu.bench.test", bare->started++);
  if (fetch->fd < 0) fail("socket");
  setsockopt(fetch->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  if (connect(fetch->fd, (const struct sockaddr *)&bare->to, sizeof bare->to) != 0 && errno != EINPROGRESS) fail("connect");
  fetch->ssl = SSL_new(bare->context);
  if (!fetch->ssl || SSL_set_tlsext_host_name(fetch->ssl, fetch->host) != 1 || SSL_set1_host(fetch->ssl, fetch->host) != 1 ||
      SSL_set_fd(fetch->ssl, fetch->fd) != 1) {
    fail("connection");
  }
  SSL_set_hostflags(fetch->ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  SSL_set_connect_state(fetch->ssl);
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = fetch};
  if (epoll_ctl(bare->poll, EPOLL_CTL_ADD, fetch->fd, &event)) fail("epoll");
}

/* false: it waits for the network. */
static bool goes_on(const struct fetch *fetch, int result, const char *what) {
  if (result > 0) return true;
  int why = SSL_get_error(fetch->ssl, result);
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return false;
  fail(what);
  return false;
}

static void ask(struct fetch *fetch) {
  char text[256];
  int n =
      snprintf(text, sizeof text, "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: %s\r\nAccept: text/plain\r\n\r\n", fetch->host);
  if (SSL_write(fetch->ssl, text, n) != n) fail("write"); /* far less than a socket takes */
}

static void measure_answer(struct fetch *fetch) {
  const char *end = strstr(fetch->answer, "\r\n\r\n"), *length = strstr(fetch->answer, "Content-Length: ");
  if (!end) return;
  if (strncmp(fetch->answer, "HTTP/1.1 200 ", 13) != 0 || !length || length > end) fail(fetch->answer);
  fetch->whole = (size_t)(end + 4 - fetch->answer) + strtoul(length + 16, NULL, 10);
  if (fetch->whole >= ANSWER_MOST) fail("too long an answer");
}

/* true: all of the answer is there. */
static bool proceed(struct fetch *fetch) {
  if (!SSL_is_init_finished(fetch->ssl)) {
    if (!goes_on(fetch, SSL_do_handshake(fetch->ssl), "handshake")) return false;
    ask(fetch);
  }
  do {
    int n = SSL_read(fetch->ssl, fetch->answer + fetch->read, (int)(ANSWER_MOST - 1 - fetch->read));
    if (!goes_on(fetch, n, "read")) return false;
    fetch->read += (size_t)n;
    fetch->answer[fetch->read] = '\0';
    if (!fetch->whole) measure_answer(fetch);
  } while (!fetch->whole || fetch->read < fetch->whole);
  return true;
}

static void end(struct fetch *fetch) {
  if (SSL_get_verify_result(fetch->ssl) != X509_V_OK || SSL_version(fetch->ssl) != TLS1_3_VERSION) fail("unexpected TLS");
  SSL_shutdown(fetch->ssl);
  SSL_free(fetch->ssl);
  close(fetch->fd);
}

static void loop(struct bare *bare, struct fetch *fetches, size_t number, size_t concurrency) {
  struct epoll_event ready[64];
  while (bare->started < number && bare->started < concurrency) start(bare, &fetches[bare->started]);
  while (bare->done < number) {
    int count = epoll_wait(bare->poll, ready, 64, 30000);
    if (count <= 0) fail("no answers");
    for (int i = 0; i < count; i++) {
      struct fetch *fetch = ready[i].data.ptr;
      if (ready[i].events & EPOLLERR) fail("connect");
      if (!proceed(fetch)) continue;
      end(fetch);
      bare->done++;
      if (bare->started < number) start(bare, fetch);
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 5) return 64;
  size_t number = strtoul(argv[3], NULL, 10), concurrency = strtoul(argv[4], NULL, 10);
  struct bare bare = {
      .poll = epoll_create1(EPOLL_CLOEXEC), .context = new_context(argv[1]), .to = {.sin_family = AF_INET, .sin_port = htons(443)}};
  struct fetch *fetches = calloc(concurrency, sizeof *fetches);
  if (bare.poll < 0 || !fetches || inet_pton(AF_INET, argv[2], &bare.to.sin_addr) != 1) fail("start");
  double wall = clock_ms(), cpu = cpu_ms();
  loop(&bare, fetches, number, concurrency);
  wall = clock_ms() - wall;
  cpu = cpu_ms() - cpu;
  printf("{\"lookups\": %zu, \"wall_ms\": %.1f, \"cpu_ms\": %.1f}\n", bare.done, wall, cpu);
  SSL_CTX_free(bare.context);
  close(bare.poll);
  free(fetches);
  return 0;
}
