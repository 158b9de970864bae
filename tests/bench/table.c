/* SPDX-License-Identifier: ISC
 * table-mtasts, with this program in the place of smtpd 7.6: how long smtpd, which looks nothing else up meanwhile, waits for one answer.
 * Policies are in the store; MX records come from a responder on loopback that answers at once. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "osmtpd/peer.h"

#define DOMAINS 2000
#define RELAYS 400 /* fewer than the table remembers, and all asked for again within 10 s: nothing is probed */
#define AGAIN 20000

static const char hello[] = "config|smtpd-version|7.9.0-portable\nconfig|protocol|0.1\nconfig|tablename|stsdom\nconfig|ready\n";

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

static pid_t start_responder(char *address, size_t size) {
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof own;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) != 0 || getsockname(fd, (struct sockaddr *)&own, &length) != 0)
    bench_fail("the responder", NULL);
  snprintf(address, size, "[127.0.0.1]:%d", ntohs(own.sin_port));
  pid_t pid = fork();
  if (pid < 0) bench_fail("fork", NULL);
  if (pid == 0) respond(fd);
  close(fd);
  return pid;
}

static struct peer table;

/* Seconds until its answer. */
static double question(const char *what, int domain, int id) {
  char text[256], expected[128];
  int n = snprintf(text, sizeof text, "table|0.1|1795502638.263995|stsdom|%s|%08x|domain-%d.bench.test\n", what, id, domain);
  if (what[0] == 'c')
    snprintf(expected, sizeof expected, "check-result|%08x|found", id);
  else
    snprintf(expected, sizeof expected, "lookup-result|%08x|found|smtp+tls://mx1.domain-%d.bench.test", id, domain);
  double from = bench_seconds();
  peer_say(&table, text, (size_t)n);
  const char *line = peer_hear(&table);
  double took = bench_seconds() - from;
  if (!line || strcmp(line, expected) != 0) bench_fail("not the answer that was expected", line ? line : "it ended");
  return took;
}

static void measure(const char *name, const char *what, int domains, int count) {
  double *took = malloc((size_t)count * sizeof *took);
  if (!took) bench_fail(name, NULL);
  double from = bench_seconds();
  for (int i = 0; i < count; i++) took[i] = question(what, i % domains, i + 1);
  double all = bench_seconds() - from;
  double middle = bench_median(took, (size_t)count); /* sorts */
  printf("%-54s %7.0f/s   median %6.3f ms   99 of 100 within %6.3f ms   (aim: 5 ms)\n", name, count / all, middle * 1e3,
         took[(size_t)count * 99 / 100] * 1e3);
  fflush(stdout);
  free(took);
}

int main(void) {
  static const char *const none[] = {NULL};
  char nameserver[64];
  const char *folder = bench_folder(DOMAINS);
  pid_t responder = start_responder(nameserver, sizeof nameserver);
  peer_start(&table, folder, MTASTS_BENCH_BUILD "/table-mtasts", bench_settings("table.conf", nameserver, none));
  if (!peer_greet(&table, hello)) bench_fail("table-mtasts", "does not start");
  measure("check|domain, each domain for the first time: store", "check|domain", DOMAINS, DOMAINS);
  measure("check|domain, again: memory", "check|domain", DOMAINS, AGAIN);
  question("lookup|relayhost", DOMAINS - 1, 1); /* loads the network module */
  measure("lookup|relayhost, first time: store, MX on loopback", "lookup|relayhost", RELAYS, RELAYS);
  measure("lookup|relayhost, again: memory", "lookup|relayhost", RELAYS, AGAIN);
  peer_end(&table);
  kill(responder, SIGKILL);
  waitpid(responder, NULL, 0);
  bench_remove();
  return 0;
}
