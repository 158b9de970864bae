/* SPDX-License-Identifier: ISC
 * A misbehaving server (misbehaver.py) and a world that asks it, for the tests of DNS. */
#ifndef MTASTS_TESTS_DNS_HARNESS_H
#define MTASTS_TESTS_DNS_HARNESS_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/name.h"
#include "net.h"

struct misbehaver {
  pid_t pid;
  int in; /* it ends when this is closed */
};

static char server[32];
static struct misbehaver misbehaver;

/* false: it cannot listen there. The text becomes what the setting nameservers takes. */
static inline bool misbehaver_start(const char *address, const char *port, struct misbehaver *one, char text[32]) {
  int in[2], out[2];
  char got_port[16];
  if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) return false;
  one->pid = fork();
  if (one->pid == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    execlp("python3", "python3", "net/misbehaver.py", address, port, (char *)NULL);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  one->in = in[1];
  FILE *from = fdopen(out[0], "r"); /* the line may come in pieces */
  bool said = from && fgets(got_port, sizeof got_port, from);
  if (from) fclose(from);
  if (!said) return false;
  got_port[strcspn(got_port, "\n")] = '\0';
  snprintf(text, 32, strchr(address, ':') ? "[%s]:%s" : "%s:%s", address, got_port);
  return true;
}

static inline bool misbehaver_stop(struct misbehaver *one) {
  close(one->in);
  return waitpid(one->pid, NULL, 0) == one->pid;
}

static inline int start_server(void **state) {
  (void)state;
  return misbehaver_start("127.0.0.1", "0", &misbehaver, server) ? 0 : -1;
}

static inline int stop_server(void **state) {
  (void)state;
  return misbehaver_stop(&misbehaver) ? 0 : -1;
}

struct got {
  int calls;
  struct mts_dns_answer answer;
  char txt[2][64];
  struct mts_rr_mx mx[3];
  struct mts_address address;
  struct mts_rr_tlsa tlsa;
  size_t n0;
};

static enum mts_rrtype asked;

static inline void take(void *arg, const struct mts_dns_answer *answer) {
  struct got *got = arg;
  got->calls++;
  got->answer = *answer;
  for (size_t i = 0; i < answer->count; i++) {
    const struct mts_rr *rr = &answer->records[i];
    if (asked == MTS_RR_TXT && i < 2) snprintf(got->txt[i], 64, "%.*s", (int)rr->u.txt.n, rr->u.txt.p);
    if (asked == MTS_RR_MX && i < 3) got->mx[i] = rr->u.mx;
    if (asked == MTS_RR_A || asked == MTS_RR_AAAA) got->address = rr->u.address;
    if (asked == MTS_RR_TLSA) {
      got->tlsa = rr->u.tlsa;
      got->n0 = rr->u.tlsa.data.n;
    }
  }
}

static inline struct mts_net *open_world(const char *servers, int dnssec) {
  struct mts_net_config config = {.nameservers = servers, .trust_anchors = ""};
  struct mts_net *net = NULL;
  config.dnssec = (unsigned)dnssec;
  assert_int_equal(mts_net_open_4(&config, &mts_clock_real, &net), MTS_OK);
  return net;
}

static inline struct got ask_in(struct mts_net *net, const char *name, enum mts_rrtype type, uint32_t deadline_ms) {
  struct got got = {0};
  struct mts_job *job = NULL;
  asked = type;
  assert_int_equal(net->ops->dns(net, name, type, deadline_ms, take, &got, &job), MTS_OK);
  assert_int_equal(got.calls, 0);
  while (net->ops->turn(net, 1000)) continue;
  assert_int_equal(got.calls, 1);
  return got;
}

static inline struct got ask(const char *name, enum mts_rrtype type, uint32_t deadline_ms) {
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  struct got got = ask_in(net, name, type, deadline_ms);
  net->ops->free(net);
  return got;
}

#endif
