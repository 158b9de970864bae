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
#include <sys/resource.h>
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
static bool looks;

static void take(void *arg, const struct mts_dns_answer *answer) { *(struct mts_dns_answer *)arg = *answer; }

static struct mts_dns_answer ask_within(const char *name, int dnssec, const char *anchor, uint32_t deadline_ms) {
  char path[128] = "";
  if (*anchor) snprintf(path, sizeof path, *anchor == '/' ? "%s%s" : "%s/%s", *anchor == '/' ? "" : directory, anchor);
  struct mts_net_config config = {.nameservers = server, .trust_anchors = path};
  struct mts_net *net = NULL;
  struct mts_job *job = NULL;
  struct mts_dns_answer answer = {.err = MTS_ERR_INTERNAL};
  config.dnssec = (unsigned)dnssec;
  assert_int_equal(mts_net_open_4(&config, &mts_clock_real, &net), MTS_OK);
  enum mts_err err = (looks ? net->ops->look_dns : net->ops->dns)(net, name, MTS_RR_TXT, deadline_ms, take, &answer, &job);
  assert_int_equal(err, MTS_OK);
  while (net->ops->turn(net, 1000)) continue;
  net->ops->free(net);
  return answer;
}

static struct mts_dns_answer ask(const char *name, int dnssec, const char *anchor) {
  return ask_within(name, dnssec, anchor, 5000);
}

/* One that is free for both UDP and TCP. */
static uint16_t free_port(void) {
  for (int i = 0; i < 20; i++) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof at;
    int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool both = bind(udp, (struct sockaddr *)&at, n) == 0 && getsockname(udp, (struct sockaddr *)&at, &n) == 0 &&
                bind(tcp, (struct sockaddr *)&at, n) == 0;
    close(udp);
    close(tcp);
    if (both) return ntohs(at.sin_port);
  }
  return 0;
}

static bool start_at(uint16_t number) {
  char port[8];
  snprintf(port, sizeof port, "%u", (unsigned)number);
  snprintf(server, sizeof server, "127.0.0.1:%s", port);
  child = fork();
  if (child == 0) {
    if (!freopen("/dev/null", "w", stdout)) _exit(126);
    execlp("sh", "sh", "net/signed-zone.sh", directory, port, (char *)NULL);
    _exit(127);
  }
  for (int i = 0; i < 100; i++) {
    if (waitpid(child, NULL, WNOHANG) == child) return false; /* somebody was faster with the port */
    if (ask_within("txt.nsec.test", MTS_NET_DNSSEC_OFF, "", 300).err == MTS_OK) return true;
  }
  kill(child, SIGTERM);
  waitpid(child, NULL, 0);
  return false;
}

static int start(void **state) {
  (void)state;
  if (!mkdtemp(directory)) return -1;
  for (int i = 0; i < 3; i++) {
    if (start_at(free_port())) return 0;
  }
  print_error("unbound does not start; see %s/log\n", directory);
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

static struct mts_dns_answer look(const char *name, int dnssec, const char *anchor) {
  looks = true;
  struct mts_dns_answer answer = ask(name, dnssec, anchor);
  looks = false;
  return answer;
}

static void a_look_tells_bogus_from_broken_whoever_validates(void **state) {
  (void)state;
  is(look("txt.nsec.test", MTS_NET_DNSSEC_AD, ""), MTS_OK, MTS_DNSSEC_SECURE);
  is(look("txt.plain.test", MTS_NET_DNSSEC_AD, ""), MTS_OK, MTS_DNSSEC_INSECURE);
  is(look("txt.broken.test", MTS_NET_DNSSEC_AD, ""), MTS_ERR_DNS_BOGUS, MTS_DNSSEC_UNKNOWN);
  is(look("txt.broken.test", MTS_NET_DNSSEC_OFF, ""), MTS_ERR_DNS_BOGUS, MTS_DNSSEC_UNKNOWN);
  is(look("txt.broken.test", MTS_NET_DNSSEC_VALIDATE, "anchor"), MTS_ERR_DNS_BOGUS, MTS_DNSSEC_UNKNOWN);
  is(look("txt.nsec.test", MTS_NET_DNSSEC_VALIDATE, "anchor"), MTS_OK, MTS_DNSSEC_SECURE);
}

static void a_loop_that_a_resolver_calls_servfail_is_found(void **state) {
  (void)state;
  is(ask("round.plain.test", MTS_NET_DNSSEC_AD, ""), MTS_ERR_DNS_SERVFAIL, MTS_DNSSEC_UNKNOWN);
  struct mts_dns_answer answer = look("round.plain.test", MTS_NET_DNSSEC_AD, "");
  is(answer, MTS_ERR_DNS_LIMIT, MTS_DNSSEC_UNKNOWN);
  assert_true(answer.loops);
  assert_int_equal(answer.hop_count, 1);
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

static struct {
  unsigned calls;
  unsigned secure;
} sum;

static void add_up(void *arg, const struct mts_dns_answer *answer) {
  (void)arg;
  sum.calls++;
  sum.secure += answer->err == MTS_OK && answer->dnssec == MTS_DNSSEC_SECURE;
  /* Never worse than not known. */
  if (answer->err != MTS_OK) assert_true(answer->err == MTS_ERR_DNS_NETWORK || answer->err == MTS_ERR_DNS_TIMEOUT);
}

static void many_at_once_with_few_file_descriptors(void **state) {
  (void)state;
  char path[128];
  snprintf(path, sizeof path, "%s/anchor", directory);
  struct mts_net_config config = {.nameservers = server, .trust_anchors = path, .dnssec = MTS_NET_DNSSEC_VALIDATE};
  struct mts_net *net = NULL;
  struct mts_job *job = NULL;
  struct rlimit before, few;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  few = before;
  assert_int_equal(mts_net_open_4(&config, &mts_clock_real, &net), MTS_OK);
  for (int round = 0; round < 3; round++) {
    static const rlim_t limits[] = {24, 64, 256};
    few.rlim_cur = limits[round];
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    memset(&sum, 0, sizeof sum);
    for (int i = 0; i < 100; i++)
      assert_int_equal(net->ops->dns(net, "txt.nsec.test", MTS_RR_TXT, 40000, add_up, NULL, &job), MTS_OK);
    while (net->ops->turn(net, 1000)) continue;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(sum.calls, 100);
    if (round > 0) assert_int_equal(sum.secure, 100);
  }
  net->ops->free(net);
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
      cmocka_unit_test(a_look_tells_bogus_from_broken_whoever_validates),
      cmocka_unit_test(a_loop_that_a_resolver_calls_servfail_is_found),
      cmocka_unit_test(own_validation_with_an_own_anchor),
      cmocka_unit_test(an_answer_too_long_for_a_datagram_is_validated_over_tcp),
      cmocka_unit_test(absence_is_proved_and_has_its_ttl),
      cmocka_unit_test(an_unsigned_zone_is_insecure_because_its_parent_says_so),
      cmocka_unit_test(a_chain_is_as_secure_as_its_weakest_link),
      cmocka_unit_test(another_key_makes_the_zone_bogus),
      cmocka_unit_test(outside_of_an_island_of_trust_nothing_is_known),
      cmocka_unit_test(many_at_once_with_few_file_descriptors),
      cmocka_unit_test(without_anchors_nothing_is_validated_and_nothing_is_written),
  };
  return cmocka_run_group_tests(tests, start, stop);
}
