/* SPDX-License-Identifier: ISC
 * DNSSEC with a real unbound that serves a zone signed a moment ago. */
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net.h"

static char directory[] = "/tmp/mtasts-dnssec-XXXXXX";
static char server[32];
static pid_t child;

static void take(void *arg, const struct mts_dns_answer *answer) { *(struct mts_dns_answer *)arg = *answer; }

static struct mts_dns_answer ask(const char *name, int dnssec, const char *anchor) {
  char path[128] = "";
  if (*anchor) snprintf(path, sizeof path, *anchor == '/' ? "%s%s" : "%s/%s", *anchor == '/' ? "" : directory, anchor);
  struct mts_net_config config = {.nameservers = server, .trust_anchors = path};
  struct mts_net *net = NULL;
  struct mts_job *job = NULL;
  struct mts_dns_answer answer = {.err = MTS_ERR_INTERNAL};
  config.dnssec = (unsigned)dnssec;
  assert_int_equal(mts_net_open_1(&config, &mts_clock_real, &net), MTS_OK);
  assert_int_equal(net->ops->dns(net, name, MTS_RR_TXT, 3000, take, &answer, &job), MTS_OK);
  while (net->ops->turn(net, 1000))
    ;
  net->ops->free(net);
  return answer;
}

static int start(void **state) {
  (void)state;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t n = sizeof at;
  char port[8];
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (!mkdtemp(directory) || bind(fd, (struct sockaddr *)&at, n) || getsockname(fd, (struct sockaddr *)&at, &n)) return -1;
  close(fd);
  snprintf(port, sizeof port, "%u", (unsigned)ntohs(at.sin_port));
  snprintf(server, sizeof server, "127.0.0.1:%s", port);
  child = fork();
  if (child == 0) {
    if (!freopen("/dev/null", "w", stdout)) _exit(126);
    execlp("sh", "sh", "net/signed-zone.sh", directory, port, (char *)NULL);
    _exit(127);
  }
  for (int i = 0; i < 50; i++) {
    if (ask("txt.test", MTS_NET_DNSSEC_OFF, "").err == MTS_OK) return 0;
    usleep(100000);
  }
  return -1;
}

static int stop(void **state) {
  (void)state;
  char command[128];
  kill(child, SIGTERM);
  waitpid(child, NULL, 0);
  snprintf(command, sizeof command, "rm -r %s", directory);
  return system(command);
}

static void a_validating_server_is_believed(void **state) {
  (void)state;
  assert_int_equal(ask("txt.test", MTS_NET_DNSSEC_AD, "").dnssec, MTS_DNSSEC_SECURE);
  assert_int_equal(ask("txt.test", MTS_NET_DNSSEC_OFF, "").dnssec, MTS_DNSSEC_UNKNOWN);
}

static void own_validation_with_an_own_anchor(void **state) {
  (void)state;
  struct mts_dns_answer answer = ask("txt.test", MTS_NET_DNSSEC_VALIDATE, "anchor");
  assert_int_equal(answer.err, MTS_OK);
  assert_int_equal(answer.dnssec, MTS_DNSSEC_SECURE);
}

static void absence_is_proved_and_has_its_ttl(void **state) {
  (void)state;
  struct mts_dns_answer answer = ask("zzz", MTS_NET_DNSSEC_VALIDATE, "anchor");
  assert_int_equal(answer.err, MTS_ERR_DNS_NXDOMAIN);
  assert_int_equal(answer.dnssec, MTS_DNSSEC_SECURE);
  assert_int_equal(answer.ttl_s, 50);
}

static void another_key_makes_the_zone_bogus(void **state) {
  (void)state;
  assert_int_equal(ask("txt.test", MTS_NET_DNSSEC_VALIDATE, "wrong-anchor").err, MTS_ERR_DNS_BOGUS);
}

static void without_anchors_nothing_is_validated_and_nothing_is_written(void **state) {
  (void)state;
  char home[128];
  struct stat status;
  assert_int_equal(setenv("HOME", directory, 1), 0);
  struct mts_dns_answer answer = ask("txt.test", MTS_NET_DNSSEC_VALIDATE, "/nonexistent/anchor");
  assert_int_equal(answer.err, MTS_OK);
  assert_int_equal(answer.dnssec, MTS_DNSSEC_UNKNOWN);
  snprintf(home, sizeof home, "%s/.getdns", directory);
  assert_int_not_equal(stat(home, &status), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_validating_server_is_believed),
      cmocka_unit_test(own_validation_with_an_own_anchor),
      cmocka_unit_test(absence_is_proved_and_has_its_ttl),
      cmocka_unit_test(another_key_makes_the_zone_bogus),
      cmocka_unit_test(without_anchors_nothing_is_validated_and_nothing_is_written),
  };
  return cmocka_run_group_tests(tests, start, stop);
}
