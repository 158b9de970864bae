/* SPDX-License-Identifier: ISC
 * DNSSEC with a real unbound that serves zones signed a moment ago. */
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
    if (ask("txt.nsec.test", MTS_NET_DNSSEC_OFF, "").err == MTS_OK) return 0;
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

static struct mts_dns_answer validate(const char *name) { return ask(name, MTS_NET_DNSSEC_VALIDATE, "anchor"); }

static void is(struct mts_dns_answer answer, enum mts_err err, enum mts_dnssec dnssec) {
  if (answer.err != err) print_error("%s\n", answer.detail);
  assert_int_equal(answer.err, err);
  assert_int_equal(answer.dnssec, dnssec);
}

static void a_validating_server_is_believed(void **state) {
  (void)state;
  is(ask("txt.nsec.test", MTS_NET_DNSSEC_AD, ""), MTS_OK, MTS_DNSSEC_SECURE);
  is(ask("zzz.nsec.test", MTS_NET_DNSSEC_AD, ""), MTS_ERR_DNS_NXDOMAIN, MTS_DNSSEC_SECURE);
  is(ask("txt.plain.test", MTS_NET_DNSSEC_AD, ""), MTS_OK, MTS_DNSSEC_INSECURE);
  is(ask("txt.broken.test", MTS_NET_DNSSEC_AD, ""), MTS_ERR_DNS_SERVFAIL, MTS_DNSSEC_UNKNOWN);
  is(ask("txt.nsec.test", MTS_NET_DNSSEC_OFF, ""), MTS_OK, MTS_DNSSEC_UNKNOWN);
}

static void own_validation_with_an_own_anchor(void **state) {
  (void)state;
  for (int i = 0; i < 8; i++) is(validate("txt.nsec.test"), MTS_OK, MTS_DNSSEC_SECURE);
  is(validate("txt.nsec3.test"), MTS_OK, MTS_DNSSEC_SECURE);
  is(validate("any.wild.nsec.test"), MTS_OK, MTS_DNSSEC_SECURE);
  is(validate("any.wild.nsec3.test"), MTS_OK, MTS_DNSSEC_SECURE);
}

static void an_answer_too_long_for_a_datagram_is_validated_over_tcp(void **state) {
  (void)state;
  is(validate("big.nsec.test"), MTS_OK, MTS_DNSSEC_SECURE);
  is(validate("big.plain.test"), MTS_OK, MTS_DNSSEC_INSECURE);
  is(validate("big.broken.test"), MTS_ERR_DNS_BOGUS, MTS_DNSSEC_UNKNOWN);
}

static void absence_is_proved_and_has_its_ttl(void **state) {
  (void)state;
  static const char *const names[] = {"zzz.nsec.test",  "a.b.nsec.test",  "lost.nsec.test",
                                      "zzz.nsec3.test", "a.b.nsec3.test", "zzz.test"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct mts_dns_answer answer = validate(names[i]);
    is(answer, MTS_ERR_DNS_NXDOMAIN, MTS_DNSSEC_SECURE);
    assert_in_range(answer.ttl_s, 1, 50); /* unbound counts down */
  }
  is(validate("ns.nsec.test"), MTS_ERR_DNS_NODATA, MTS_DNSSEC_SECURE);
  is(validate("ns.nsec3.test"), MTS_ERR_DNS_NODATA, MTS_DNSSEC_SECURE);
}

static void an_unsigned_zone_is_insecure_because_its_parent_says_so(void **state) {
  (void)state;
  is(validate("txt.plain.test"), MTS_OK, MTS_DNSSEC_INSECURE);
  is(validate("alias.plain.test"), MTS_OK, MTS_DNSSEC_INSECURE);
  is(validate("zzz.plain.test"), MTS_ERR_DNS_NXDOMAIN, MTS_DNSSEC_INSECURE);
  is(validate("ns.plain.test"), MTS_ERR_DNS_NODATA, MTS_DNSSEC_INSECURE);
}

static void a_chain_is_as_secure_as_its_weakest_link(void **state) {
  (void)state;
  is(validate("alias.nsec.test"), MTS_OK, MTS_DNSSEC_SECURE);
  is(validate("alias.nsec3.test"), MTS_OK, MTS_DNSSEC_SECURE);
  is(validate("outside.nsec.test"), MTS_OK, MTS_DNSSEC_INSECURE);
  is(validate("into-broken.nsec.test"), MTS_ERR_DNS_BOGUS, MTS_DNSSEC_UNKNOWN);
}

static void another_key_makes_the_zone_bogus(void **state) {
  (void)state;
  static const char *const names[] = {"txt.broken.test", "zzz.broken.test", "alias.broken.test", "ns.broken.test"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) is(validate(names[i]), MTS_ERR_DNS_BOGUS, MTS_DNSSEC_UNKNOWN);
  is(ask("txt.nsec.test", MTS_NET_DNSSEC_VALIDATE, "wrong-anchor"), MTS_ERR_DNS_BOGUS, MTS_DNSSEC_UNKNOWN);
  is(ask("zzz.nsec.test", MTS_NET_DNSSEC_VALIDATE, "wrong-anchor"), MTS_ERR_DNS_BOGUS, MTS_DNSSEC_UNKNOWN);
  is(ask("txt.plain.test", MTS_NET_DNSSEC_VALIDATE, "wrong-anchor"), MTS_ERR_DNS_BOGUS, MTS_DNSSEC_UNKNOWN);
}

static void outside_of_an_island_of_trust_nothing_is_known(void **state) {
  (void)state;
  is(ask("txt.nsec.test", MTS_NET_DNSSEC_VALIDATE, "island"), MTS_OK, MTS_DNSSEC_SECURE);
  is(ask("txt.nsec3.test", MTS_NET_DNSSEC_VALIDATE, "island"), MTS_OK, MTS_DNSSEC_UNKNOWN);
}

static void without_anchors_nothing_is_validated_and_nothing_is_written(void **state) {
  (void)state;
  char home[128];
  struct stat status;
  assert_int_equal(setenv("HOME", directory, 1), 0);
  is(ask("txt.nsec.test", MTS_NET_DNSSEC_VALIDATE, "/nonexistent/anchor"), MTS_OK, MTS_DNSSEC_UNKNOWN);
  is(validate("txt.nsec.test"), MTS_OK, MTS_DNSSEC_SECURE);
  snprintf(home, sizeof home, "%s/.getdns", directory);
  assert_int_not_equal(stat(home, &status), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_validating_server_is_believed),
      cmocka_unit_test(own_validation_with_an_own_anchor),
      cmocka_unit_test(an_answer_too_long_for_a_datagram_is_validated_over_tcp),
      cmocka_unit_test(absence_is_proved_and_has_its_ttl),
      cmocka_unit_test(an_unsigned_zone_is_insecure_because_its_parent_says_so),
      cmocka_unit_test(a_chain_is_as_secure_as_its_weakest_link),
      cmocka_unit_test(another_key_makes_the_zone_bogus),
      cmocka_unit_test(outside_of_an_island_of_trust_nothing_is_known),
      cmocka_unit_test(without_anchors_nothing_is_validated_and_nothing_is_written),
  };
  return cmocka_run_group_tests(tests, start, stop);
}
