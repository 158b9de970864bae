/* SPDX-License-Identifier: ISC
 * What a DNS question costs our process: through the network module, with a responder on loopback that answers at once. */
#include <dlfcn.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "net.h"

#define QUESTIONS 1000
#define ROUNDS 9

static double cpu_seconds(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Turns each question into its answer: one TXT record. */
static void respond(int fd) {
  static const unsigned char record[] = "\xc0\x0c\0\x10\0\1\0\0\1\x2c\0\x15\x14v=STSv1; id=20260101";
  unsigned char packet[1500];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (;;) {
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    ssize_t n = recvfrom(fd, packet, 1024, 0, (struct sockaddr *)&peer, &length);
    if (n < 17) continue;
    size_t end = 12;
    while (end + 5 < (size_t)n && packet[end]) end += packet[end] + 1u;
    end += 5;
    packet[2] |= 0x80;
    packet[3] = 0x80;
    packet[7] = 1;
    packet[11] = 0;
    memcpy(packet + end, record, sizeof record - 1);
    sendto(fd, packet, end + sizeof record - 1, 0, (struct sockaddr *)&peer, length);
  }
}

static struct mts_net *net;
static unsigned started, answered, good;

static void next_question(void);

static void done(void *arg, const struct mts_dns_answer *answer) {
  (void)arg;
  answered++;
  good += answer->err == MTS_OK && answer->count == 1;
  next_question();
}

static void next_question(void) {
  struct mts_job *job = NULL;
  char name[64];
  if (started == QUESTIONS) return;
  snprintf(name, sizeof name, "_mta-sts.domain-%u.example", started++);
  if (net->ops->dns(net, name, MTS_RR_TXT, 6000, done, NULL, &job) != MTS_OK) exit(70);
}

static void bench(unsigned side_by_side) {
  double cpu[ROUNDS], wall[ROUNDS];
  for (int r = 0; r < ROUNDS; r++) {
    double cpu_from = cpu_seconds(), wall_from = seconds();
    started = answered = good = 0;
    for (unsigned i = 0; i < side_by_side; i++) next_question();
    while (net->ops->turn(net, 1000)) continue;
    cpu[r] = (cpu_seconds() - cpu_from) / QUESTIONS * 1e3;
    wall[r] = (seconds() - wall_from) / QUESTIONS * 1e3;
    if (answered != QUESTIONS || good != QUESTIONS) {
      fprintf(stderr, "bench: %u of %d questions answered, %u well\n", answered, QUESTIONS, good);
      exit(1);
    }
  }
  qsort(cpu, ROUNDS, sizeof *cpu, compare);
  qsort(wall, ROUNDS, sizeof *wall, compare);
  printf("question, %4u side by side: processor time      %8.4f ms   (aim: below 0.1)\n", side_by_side, cpu[ROUNDS / 2]);
  printf("question, %4u side by side: time that passed    %8.4f ms\n", side_by_side, wall[ROUNDS / 2]);
}

int main(void) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t length = sizeof at;
  int room = 1 << 20, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  char server[32], module[512];
  const char *build = getenv("MTASTS_BUILD");
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (bind(fd, (struct sockaddr *)&at, length) || getsockname(fd, (struct sockaddr *)&at, &length)) return 70;
  pid_t responder = fork();
  if (responder == 0) respond(fd);
  close(fd);
  snprintf(server, sizeof server, "127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
  snprintf(module, sizeof module, "%s/lib/mtasts-net.so", build ? build : "build");
  void *handle = dlopen(module, RTLD_NOW | RTLD_LOCAL);
  mts_net_open_fn open_net = NULL;
  if (handle) *(void **)&open_net = dlsym(handle, MTS_NET_OPEN_SYMBOL);
  struct mts_net_config config = {.nameservers = server, .trust_anchors = ""};
  if (!open_net || open_net(&config, &mts_clock_real, &net) != MTS_OK) {
    fprintf(stderr, "bench: no network module: %s\n", module);
    kill(responder, SIGKILL);
    return 70;
  }
  bench(1);
  bench(64);
  bench(QUESTIONS);
  net->ops->free(net);
  kill(responder, SIGKILL);
  waitpid(responder, NULL, 0);
  return 0;
}
