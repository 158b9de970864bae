/* SPDX-License-Identifier: ISC */
#include "peer.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mtasts.h"
#include "resolve/cache.h"

#define SILENCE_S 30 /* a program that says nothing for so long counts as ended */

static char folder_path[512];
static pid_t responder;

void bench_fail(const char *what, const char *why) {
  fprintf(stderr, "bench: %s: %s\n", what, why ? why : strerror(errno));
  bench_remove();
  exit(70);
}

double bench_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int bench_compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double bench_median(double *values, size_t count) {
  qsort(values, count, sizeof *values, bench_compare);
  return values[count / 2];
}

/* ---- the program on the other side ---- */

/* We on the first processor, the other side on the last one: who shares one with whom is otherwise the scheduler's luck, and matters more than
 * what is measured. With one processor nothing changes. */
static void settle_on(bool last) {
  static cpu_set_t all;
  cpu_set_t one;
  size_t which = CPU_SETSIZE;
  if (!CPU_COUNT(&all) && sched_getaffinity(0, sizeof all, &all) != 0) return;
  for (size_t cpu = 0; cpu < CPU_SETSIZE && (last || which == CPU_SETSIZE); cpu++)
    if (CPU_ISSET(cpu, &all)) which = cpu;
  CPU_ZERO(&one);
  CPU_SET(which, &one);
  sched_setaffinity(0, sizeof one, &one);
}

void peer_start(struct peer *peer, const char *folder, const char *program, const char *argument) {
  int ends[2];
  char errors[600];
  snprintf(errors, sizeof errors, "%s/stderr", folder);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) bench_fail("socketpair", NULL);
  peer->begin = peer->end = 0;
  peer->fd = ends[0];
  settle_on(false);
  peer->pid = fork();
  if (peer->pid < 0) bench_fail("fork", NULL);
  if (peer->pid == 0) {
    settle_on(true);
    int fd = open(errors, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (fd < 0 || dup2(ends[1], 0) < 0 || dup2(ends[1], 1) < 0 || dup2(fd, 2) < 0) _exit(70);
    execl(program, program, argument, (char *)NULL);
    _exit(70);
  }
  close(ends[1]);
  const struct timeval patience = {.tv_sec = SILENCE_S};
  setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

void peer_say(struct peer *peer, const char *text, size_t n) {
  while (n > 0) {
    ssize_t done = send(peer->fd, text, n, MSG_NOSIGNAL);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) bench_fail("the program reads no more", NULL);
    text += done;
    n -= (size_t)done;
  }
}

bool peer_has_line(const struct peer *peer) {
  return peer->end > peer->begin && memchr(peer->input + peer->begin, '\n', peer->end - peer->begin);
}

char *peer_hear(struct peer *peer) {
  while (!peer_has_line(peer)) {
    if (peer->begin > 0) memmove(peer->input, peer->input + peer->begin, peer->end - peer->begin);
    peer->end -= peer->begin;
    peer->begin = 0;
    ssize_t n = recv(peer->fd, peer->input + peer->end, sizeof peer->input - peer->end, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return NULL;
    peer->end += (size_t)n;
  }
  char *line = peer->input + peer->begin, *lf = memchr(line, '\n', peer->end - peer->begin);
  *lf = 0;
  peer->begin += (size_t)(lf + 1 - line);
  return line;
}

bool peer_greet(struct peer *peer, const char *hello) {
  const char *line;
  if (send(peer->fd, hello, strlen(hello), MSG_NOSIGNAL) < 0) return false;
  while ((line = peer_hear(peer))) {
    if (strcmp(line, "register|ready") == 0) return true;
  }
  return false;
}

double peer_end(struct peer *peer) {
  struct rusage used;
  int status;
  close(peer->fd);
  if (wait4(peer->pid, &status, 0, &used) != peer->pid) bench_fail("wait", NULL);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

/* ---- name server ---- */

/* Each name has one MX host, mx1 below it, at 127.0.0.1; nothing else is there. */
static void respond(int fd) {
  static const unsigned char mx[] = "\xc0\x0c\0\x0f\0\1\0\0\1\x2c\0\x08\0\x0a\3mx1\xc0\x0c",
                             a[] = "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\x7f\0\0\1";
  unsigned char packet[1500];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) {
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    ssize_t n = recvfrom(fd, packet, 1024, 0, (struct sockaddr *)&peer, &length);
    if (n < 17) continue;
    size_t end = 12;
    while (end + 5 < (size_t)n && packet[end]) end += packet[end] + 1u;
    unsigned type = packet[end + 2];
    end += 5;
    const unsigned char *record = type == 15 ? mx : type == 1 ? a : NULL;
    size_t size = type == 15 ? sizeof mx - 1 : type == 1 ? sizeof a - 1 : 0;
    packet[2] |= 0x80;
    packet[3] = 0x80;
    packet[7] = record != NULL;
    packet[11] = 0;
    if (record) memcpy(packet + end, record, size);
    sendto(fd, packet, end + size, 0, (struct sockaddr *)&peer, length);
  }
}

const char *bench_nameserver(void) {
  static char address[64];
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof own;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) != 0 || getsockname(fd, (struct sockaddr *)&own, &length) != 0)
    bench_fail("the responder", NULL);
  snprintf(address, sizeof address, "[127.0.0.1]:%d", ntohs(own.sin_port));
  responder = fork();
  if (responder < 0) bench_fail("fork", NULL);
  if (responder == 0) respond(fd);
  close(fd);
  return address;
}

/* ---- its folder ---- */

const char *bench_path(const char *name) {
  static char paths[4][800];
  static size_t next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", folder_path, name);
  return path;
}

static void fill(const char *store, int domains) {
  struct mts_settings *settings = NULL;
  struct mts *m = NULL;
  if (mts_settings_new(&settings) || mts_settings_set(settings, "store", store) || mts_new(settings, &m))
    bench_fail("store", "no context");
  mts_settings_free(&settings);
  int64_t now = mts_now(m);
  for (int i = 0; i < domains; i++) {
    struct mts_entry entry = {.id = "20260101000000Z", .fetched_at = now, .expires_at = now + 604800, .refresh_at = now + 80000};
    char pattern[MTS_NAME_SIZE + 2];
    const char *const mx[] = {pattern};
    entry.checked_at = now;
    entry.check_at = now + 3600;
    snprintf(entry.domain, sizeof entry.domain, "domain-%d.bench.test", i);
    snprintf(pattern, sizeof pattern, "*.%s", entry.domain);
    if (mts_policy_new(MTS_MODE_ENFORCE, 604800, mx, 1, &entry.policy)) bench_fail("store", "no memory");
    cache_put(m, &entry);
    mts_entry_clear(&entry);
  }
  mts_free(&m);
}

const char *bench_folder(int domains) {
  const char *above = getenv("TMPDIR");
  snprintf(folder_path, sizeof folder_path, "%.400s/mtasts-bench-XXXXXX", above && *above ? above : "/tmp");
  if (!mkdtemp(folder_path)) {
    folder_path[0] = 0;
    bench_fail("a folder for the store", NULL);
  }
  fill(bench_path("store.db"), domains);
  return folder_path;
}

const char *bench_settings(const char *name, const char *nameserver, const char *const *lines) {
  const char *path = bench_path(name);
  FILE *file = fopen(path, "we");
  if (!file) bench_fail(path, NULL);
  fprintf(file, "store = %s/store.db\nnameservers = %s\nlog = stderr\n", folder_path, nameserver);
  for (; *lines; lines++) fprintf(file, "%s\n", *lines);
  if (fclose(file) != 0) bench_fail(path, NULL);
  return path;
}

void bench_remove(void) {
  if (responder > 0) {
    kill(responder, SIGKILL);
    waitpid(responder, NULL, 0);
    responder = 0;
  }
  DIR *folder = folder_path[0] ? opendir(folder_path) : NULL;
  if (!folder) return;
  const struct dirent *entry;
  while ((entry = readdir(folder))) {
    if (entry->d_name[0] != '.') unlink(bench_path(entry->d_name));
  }
  closedir(folder);
  rmdir(folder_path);
}
