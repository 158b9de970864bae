/* SPDX-License-Identifier: ISC
 * The server beside a server that only echoes messages of the same size, the limit of what sockets allow on this machine; both in processes of
 * their own, asked by this one. serve.py runs it again in a world with cold domains: serve CA_FILE NUMBER CONCURRENCY. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"

#define DOMAINS 10000
#define ROUNDS 7
#define ROUND_MS 700
#define CLIENTS_MOST 64
#define PIPELINE_MOST 64
#define MESSAGE_MOST 256

static char folder[] = "/tmp/mtasts-bench-XXXXXX";

static void fail(const char *what) {
  fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
  exit(70);
}

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Of another process, so far. */
static double cpu_ms(pid_t pid) {
  clockid_t clock;
  struct timespec used;
  if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used)) fail("clock");
  return (double)used.tv_sec * 1e3 + (double)used.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
  qsort(values, count, sizeof *values, compare);
  return values[count / 2];
}

/* ---- sockets ---- */

static void path_of(char path[100], const char *name) { snprintf(path, 100, "%s/%s", folder, name); }

static struct sockaddr_un place(const char *name) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  path_of(to.sun_path, name);
  return to;
}

/* -1: nobody listens yet. */
static int dial(const char *name) {
  struct sockaddr_un to = place(name);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (connect(fd, (const struct sockaddr *)&to, sizeof to) == 0) return fd;
  close(fd);
  return -1;
}

static int dial_soon(const char *name) {
  const struct timespec little = {.tv_nsec = 200000};
  for (double end = now_ms() + 20000; now_ms() < end; nanosleep(&little, NULL)) {
    int fd = dial(name);
    if (fd >= 0) return fd;
  }
  fail("nobody listens");
  return -1;
}

/* ---- messages ---- */

/* What one client sends to both servers, made before anything is measured: requests for all domains in turn, all of one size, so that any of
 * them and those behind it can be sent as they lie here. */
struct messages {
  size_t request_n, reply_n;
  char *requests;
};

/* kind 'p': domains with a policy; 'n': without. */
static struct messages messages_of(char kind) {
  static const char found[] = "56:OK secure match=mx.p00000.bench.test servername=hostname,", none[] = "9:NOTFOUND ,";
  struct messages made = {.request_n = sizeof "24:policy p00000.bench.test," - 1,
                          .reply_n = kind == 'p' ? sizeof found - 1 : sizeof none - 1};
  made.requests = malloc((DOMAINS + PIPELINE_MOST) * made.request_n + 1);
  if (!made.requests) fail("memory");
  for (unsigned i = 0; i < DOMAINS + PIPELINE_MOST; i++)
    snprintf(made.requests + i * made.request_n, made.request_n + 1, "24:policy %c%05u.bench.test,", kind, i % DOMAINS);
  return made;
}

/* ---- the server that only echoes ---- */

/* Where a reply is longer or shorter than its request, an echo of either would move other bytes than ours. So the echo moves the same ones: it
 * takes requests of the size of ours and gives for each as many bytes as our reply has. It knows their sizes by a page that both share. */
static struct messages *echoed;

static void echo(int listener) {
  static char bytes[65536], replies[65536];
  static size_t rest[1024]; /* of a request, by connection */
  int poll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[64];
  if (poll < 0 || epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event)) fail("epoll");
  for (;;) {
    int count = epoll_wait(poll, ready, 64, -1);
    for (int i = 0; i < count; i++) {
      int fd = ready[i].data.fd;
      if (fd == listener) {
        event.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (event.data.fd < 0) continue;
        rest[event.data.fd] = 0;
        epoll_ctl(poll, EPOLL_CTL_ADD, event.data.fd, &event);
        continue;
      }
      ssize_t n = recv(fd, bytes, 16384, 0);
      size_t came = rest[fd] + (n > 0 ? (size_t)n : 0), reply = came / echoed->request_n * echoed->reply_n;
      rest[fd] = came % echoed->request_n;
      if (n <= 0 || (reply && send(fd, replies, reply, MSG_NOSIGNAL) != (ssize_t)reply)) close(fd);
    }
  }
}

static pid_t start_echo(void) {
  struct sockaddr_un at = place("echo");
  echoed = mmap(NULL, sizeof *echoed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (echoed == MAP_FAILED) fail("memory");
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (const struct sockaddr *)&at, sizeof at) || listen(listener, 128)) fail("echo");
  pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with who measures, however that ends */
    echo(listener);
  }
  close(listener);
  return pid;
}

/* ---- ours ---- */

static pid_t start_server(const char *store, const char *more, const char *value) {
  char program[] = MTASTS_BENCH_BUILD "/mtasts-serve", where[160], file[160], last[200];
  snprintf(where, sizeof where, "serve_socketmap=unix:%s/socketmap", folder);
  snprintf(file, sizeof file, "store=%s", store);
  snprintf(last, sizeof last, "%s=%s", more, value);
  char *words[] = {
      program, (char[]){"-s"},        where, (char[]){"-s"}, file, (char[]){"-s"}, (char[]){"rules=none"}, (char[]){"-s"},
      last,    (char[]){"/dev/null"}, NULL};
  pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execv(program, words);
    fail(program);
  }
  return pid;
}

static void stop(pid_t pid) {
  kill(pid, SIGTERM);
  if (waitpid(pid, NULL, 0) != pid) fail("wait");
}

static long resident_kib(pid_t pid) {
  char path[64], line[200];
  long kib = 0;
  snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file)) sscanf(line, "VmRSS: %ld", &kib);
  if (file) fclose(file);
  return kib;
}

/* Policies for p00000.bench.test …, and nothing at n00000.bench.test …, all of it fresh. */
static void fill(const char *path) {
  struct mts_store *store = NULL;
  if (mts_store_open(path, &mts_clock_real, NULL, &store)) fail("store");
  int64_t now = mts_clock_now_s(&mts_clock_real);
  for (unsigned i = 0; i < 2 * DOMAINS; i++) {
    struct mts_entry entry = {.checked_at = now, .check_at = now + 86000};
    char mx[MTS_NAME_SIZE + 3];
    const char *patterns[] = {mx};
    if (i < DOMAINS) {
      snprintf(entry.domain, sizeof entry.domain, "p%05u.bench.test", i);
      snprintf(mx, sizeof mx, "mx.%s", entry.domain);
      snprintf(entry.id, sizeof entry.id, "1");
      entry.fetched_at = now;
      entry.expires_at = now + 604800;
      entry.refresh_at = now + 86000;
      if (mts_policy_new(MTS_MODE_ENFORCE, 604800, patterns, 1, &entry.policy)) fail("policy");
    } else {
      snprintf(entry.domain, sizeof entry.domain, "n%05u.bench.test", i - DOMAINS);
      entry.err = MTS_ERR_RECORD_NONE;
      entry.failed_at = now;
    }
    if (mts_store_put(store, &entry)) fail("store");
    mts_entry_clear(&entry);
  }
  mts_store_close(&store);
}

/* ---- asking ---- */

struct round {
  double per_s, cpu_us; /* answers in a second; of the server's processor for each */
};

struct client {
  int fd;
  size_t read; /* of the reply under way */
};

static void ask(int fd, const struct messages *messages, unsigned *number, size_t count) {
  size_t n = count * messages->request_n;
  if (send(fd, messages->requests + *number * messages->request_n, n, MSG_NOSIGNAL) != (ssize_t)n) fail("send");
  *number = (*number + (unsigned)count) % DOMAINS;
}

/* clients connections with so many requests under way on each, for a time. */
static struct round run(const char *name, pid_t pid, const struct messages *messages, size_t clients, size_t under_way, double ms) {
  struct client each[CLIENTS_MOST];
  struct epoll_event event = {.events = EPOLLIN}, ready[CLIENTS_MOST];
  static char bytes[65536];
  unsigned number = 0;
  size_t answers = 0;
  int poll = epoll_create1(EPOLL_CLOEXEC);
  for (size_t i = 0; i < clients; i++) {
    each[i] = (struct client){.fd = dial_soon(name)};
    event.data.ptr = &each[i];
    if (epoll_ctl(poll, EPOLL_CTL_ADD, each[i].fd, &event)) fail("epoll");
    ask(each[i].fd, messages, &number, under_way);
  }
  double began = now_ms(), began_cpu = cpu_ms(pid), took;
  while ((took = now_ms() - began) < ms) {
    int count = epoll_wait(poll, ready, CLIENTS_MOST, 1000);
    if (count <= 0) fail("no answers");
    for (int i = 0; i < count; i++) {
      struct client *client = ready[i].data.ptr;
      ssize_t n = recv(client->fd, bytes, sizeof bytes, 0);
      if (n <= 0) fail("recv");
      client->read += (size_t)n;
      size_t whole = client->read / messages->reply_n;
      client->read %= messages->reply_n;
      answers += whole;
      if (whole) ask(client->fd, messages, &number, whole);
    }
  }
  struct round round = {.per_s = (double)answers / took * 1e3, .cpu_us = (cpu_ms(pid) - began_cpu) / (double)answers * 1e3};
  for (size_t i = 0; i < clients; i++) close(each[i].fd);
  close(poll);
  return round;
}

static void compare_rates(pid_t server, pid_t other, char kind, size_t clients, size_t under_way, int aim_percent, double aim_us) {
  double rates[ROUNDS], others[ROUNDS], shares[ROUNDS], cpu[ROUNDS], others_cpu[ROUNDS];
  struct messages messages = messages_of(kind);
  *echoed = messages;
  run("socketmap", server, &messages, clients, under_way, 300); /* what is asked for lies in memory from now on */
  for (size_t i = 0; i < ROUNDS; i++) {
    struct round plain = run("echo", other, &messages, clients, under_way, ROUND_MS);
    struct round ours = run("socketmap", server, &messages, clients, under_way, ROUND_MS);
    rates[i] = ours.per_s;
    others[i] = plain.per_s;
    shares[i] = 100 * ours.per_s / plain.per_s;
    cpu[i] = ours.cpu_us;
    others_cpu[i] = plain.cpu_us;
  }
  free(messages.requests);
  double share = median(shares, ROUNDS), us = median(cpu, ROUNDS);
  printf(
      "%s, %zu connections with %zu under way: %.0f/s, %.0f %% of the echo's %.0f/s, %.2f us of CPU each, the echo %.2f   "
      "(aim: %d %%",
      kind == 'p' ? "policies" : "absences", clients, under_way, median(rates, ROUNDS), share, median(others, ROUNDS), us,
      median(others_cpu, ROUNDS), aim_percent);
  if (aim_us > 0) printf(", %.0f us", aim_us);
  printf(")%s\n", share >= aim_percent && (aim_us <= 0 || us <= aim_us) ? "" : "   MISSED");
}

/* One after the other over all domains with a policy. */
static void ask_all(const struct messages *messages) {
  int fd = dial_soon("socketmap");
  char reply[MESSAGE_MOST], expected[MESSAGE_MOST];
  unsigned number = 0;
  for (unsigned i = 0; i < DOMAINS; i++) {
    ask(fd, messages, &number, 1);
    snprintf(expected, sizeof expected, "56:OK secure match=mx.p%05u.bench.test servername=hostname,", i);
    if (recv(fd, reply, messages->reply_n, MSG_WAITALL) != (ssize_t)messages->reply_n) fail("recv");
    if (memcmp(reply, expected, messages->reply_n) != 0) fail("not the answer that was expected");
  }
  close(fd);
}

static void start_and_size(const char *store) {
  double took[15];
  struct messages messages = messages_of('p');
  for (size_t i = 0; i < 15; i++) {
    double began = now_ms();
    pid_t server = start_server(store, "dnssec", "off");
    int fd = dial_soon("socketmap");
    char bytes[MESSAGE_MOST];
    unsigned number = (unsigned)i * 37;
    ask(fd, &messages, &number, 1);
    if (recv(fd, bytes, sizeof bytes, 0) <= 0) fail("recv");
    took[i] = now_ms() - began;
    close(fd);
    stop(server);
  }
  double ms = median(took, 15);
  printf("start to the first answer, %d policies in the store: %.1f ms   (aim: 20 ms)%s\n", DOMAINS, ms,
         ms <= 20 ? "" : "   MISSED");
  pid_t server = start_server(store, "dnssec", "off");
  close(dial_soon("socketmap"));
  long idle = resident_kib(server);
  ask_all(&messages);
  long full = resident_kib(server);
  printf("resident: %.1f MB idle, %.1f MB after %d policies   (aim: 7 MB, 15 MB)%s\n", (double)idle / 1024, (double)full / 1024,
         DOMAINS, idle <= 7 * 1024 && full <= 15 * 1024 ? "" : "   MISSED");
  stop(server);
  free(messages.requests);
}

/* ---- cold domains ---- */

/* Prints the server's milliseconds of CPU for each of number domains, so many at once, as JSON. */
static int cold(const char *ca_file, unsigned number, size_t concurrency) {
  pid_t server = start_server("none", "ca_file", ca_file);
  int fd = dial_soon("socketmap");
  char bytes[65536], text[MESSAGE_MOST];
  unsigned asked = 0, answered = 0, found = 0;
  double began = now_ms(), began_cpu = cpu_ms(server);
  while (answered < number) {
    for (; asked < number && asked - answered < concurrency; asked++) {
      char request[100];
      int n = snprintf(request, sizeof request, "policy d%u.bench.test", asked);
      n = snprintf(text, sizeof text, "%d:%s,", n, request);
      if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n) fail("send");
    }
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n <= 0) fail("recv");
    for (ssize_t i = 0; i < n; i++) {
      answered += bytes[i] == ',';
      found += bytes[i] == 'O' && i + 1 < n && bytes[i + 1] == 'K';
    }
  }
  printf("{\"lookups\": %u, \"found\": %u, \"wall_ms\": %.3f, \"cpu_ms\": %.3f}\n", number, found, now_ms() - began,
         cpu_ms(server) - began_cpu);
  close(fd);
  stop(server);
  rmdir(folder);
  return 0;
}

int main(int argc, char **argv) {
  char store[100];
  if (!mkdtemp(folder)) fail("folder");
  if (argc == 4) return cold(argv[1], (unsigned)atoi(argv[2]), (size_t)atoi(argv[3]));
  path_of(store, "store.db");
  printf("filling a store with %d policies and as many absences ...\n", DOMAINS);
  fflush(stdout);
  fill(store);
  pid_t other = start_echo(), server = start_server(store, "dnssec", "off");
  compare_rates(server, other, 'p', 64, 1, 60, 8);
  compare_rates(server, other, 'p', 16, 16, 50, 0);
  compare_rates(server, other, 'n', 64, 1, 60, 8);
  compare_rates(server, other, 'n', 16, 16, 50, 0);
  fflush(stdout);
  stop(server);
  kill(other, SIGKILL);
  waitpid(other, NULL, 0);
  start_and_size(store);
  fflush(stdout);
  for (const char *const *name = (const char *const[]){"store.db", "store.db-wal", "store.db-shm", "echo", NULL}; *name; name++) {
    path_of(store, *name);
    unlink(store);
  }
  rmdir(folder);
  execlp("python3", "python3", MTASTS_BENCH_FOLDER "/serve.py", argv[0], MTASTS_BENCH_BUILD "/tests/bare_fetch", (char *)NULL);
  fail("python3");
}
