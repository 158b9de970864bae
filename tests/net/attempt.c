/* SPDX-License-Identifier: ISC
 * Bad weather between us and several addresses: black holes, no IPv4, no descriptors left, peers that reset. */
#include "harness.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

static const struct errand fetch, probe = {.server = "smtp"};

static void a_black_hole_costs_its_share_of_the_deadline(void **state) {
  (void)state;
  struct mts_address both[] = {hole_address, loopback};
  struct errand errands[] = {fetch, probe};
  struct hole hole;
  for (size_t i = 0; i < 2; i++) {
    struct mts_net *net = open_world("https", "");
    run_errand(net, &errands[i]); /* what is loaded once does not count */
    dig_hole(&hole, port_of(errands[i].server ? "smtp" : "https"));
    errands[i].addresses = both;
    errands[i].address_count = 2;
    errands[i].deadline_ms = 1600;
    int64_t began = mono_ms();
    struct outcome outcome = run_errand(net, &errands[i]);
    int64_t took = mono_ms() - began;
    assert_int_equal(outcome.err, MTS_OK);
    assert_string_equal(outcome.address, "127.0.0.1");
    assert_in_range(took, 750, 2500); /* half of the deadline went into the hole */
    fill_hole(&hole);
    close_world(net);
  }
}

static void no_answer_while_connecting_is_a_timeout(void **state) {
  (void)state;
  struct errand errands[] = {fetch, probe};
  enum mts_err errs[] = {MTS_ERR_HTTPS_DEADLINE, MTS_ERR_SMTP_TIMEOUT};
  struct hole hole;
  for (size_t i = 0; i < 2; i++) {
    struct mts_net *net = open_world("https", "");
    run_errand(net, &errands[i]);
    dig_hole(&hole, port_of(errands[i].server ? "smtp" : "https"));
    errands[i].addresses = &hole_address;
    errands[i].address_count = 1;
    errands[i].deadline_ms = 300;
    int64_t began = mono_ms();
    struct outcome outcome = run_errand(net, &errands[i]);
    int64_t took = mono_ms() - began;
    assert_int_equal(outcome.err, errs[i]);
    assert_string_equal(outcome.address, "127.0.0.2");
    assert_true(outcome.detail[0] != '\0');
    assert_in_range(took, 280, 1500);
    fill_hole(&hole);
    close_world(net);
  }
}

static void a_proxy_that_hangs_ends_with_the_deadline(void **state) {
  (void)state;
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%u", port_of("mute"));
  struct mts_net *net = open_world("https", url);
  struct errand errand = {.deadline_ms = 300};
  int64_t began = mono_ms();
  assert_int_equal(run_errand(net, &errand).err, MTS_ERR_HTTPS_DEADLINE);
  assert_in_range(mono_ms() - began, 280, 1500);
  close_world(net);
}

static void ipv6_is_as_good_as_ipv4(void **state) {
  (void)state;
  const struct mts_address six = {AF_INET6, {[15] = 1}};
  struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool six_here = fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0;
  if (fd >= 0) close(fd);
  if (!six_here) skip();
  struct mts_net *net = open_world("https", "");
  struct errand errands[] = {fetch, probe};
  for (size_t i = 0; i < 2; i++) {
    errands[i].addresses = &six;
    errands[i].address_count = 1;
    struct outcome outcome = run_errand(net, &errands[i]);
    assert_int_equal(outcome.err, MTS_OK);
    assert_string_equal(outcome.address, "::1");
  }
  close_world(net);
}

static void without_descriptors_there_is_an_error_and_later_all_is_well(void **state) {
  (void)state;
  struct mts_net *net = open_world("https", "");
  assert_int_equal(run_errand(net, &fetch).err, MTS_OK);
  assert_int_equal(run_errand(net, &probe).err, MTS_OK);
  struct rlimit before, none;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  int lowest_free = fcntl(0, F_DUPFD_CLOEXEC, 0);
  assert_true(lowest_free > 0);
  close(lowest_free);
  none = before;
  none.rlim_cur = (rlim_t)lowest_free;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  struct outcome fetched = run_errand(net, &fetch), probed = run_errand(net, &probe);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_int_equal(fetched.err, MTS_ERR_HTTPS_CONNECT);
  assert_int_equal(probed.err, MTS_ERR_SMTP_CONNECT);
  assert_non_null(strstr(probed.detail, "Too many open files"));
  assert_int_equal(run_errand(net, &fetch).err, MTS_OK);
  assert_int_equal(run_errand(net, &probe).err, MTS_OK);
  close_world(net);
}

/* Each turn comes late, so that the reset is there before we write. */
static struct outcome run_slowly(struct mts_net *net, const struct errand *errand) {
  struct outcome outcome;
  struct mts_job *job = NULL;
  assert_int_equal(start_errand(net, errand, &outcome, &job), MTS_OK);
  do usleep(20000);
  while (net->ops->turn(net, -1));
  assert_int_equal(outcome.calls, 1);
  return outcome;
}

static void writing_to_a_connection_that_was_reset_raises_no_signal(void **state) {
  (void)state;
  signal(SIGPIPE, SIG_DFL);
  struct mts_net *net = open_world("reset-late", "");
  struct errand late = {.server = "smtp-reset-go"}, tls = {.server = "smtp-reset-tls"}, quit = {.server = "smtp-reset-quit"};
  assert_int_equal(run_slowly(net, &late).err, MTS_ERR_TLS_HANDSHAKE);
  assert_int_equal(run_slowly(net, &tls).err, MTS_ERR_TLS_HANDSHAKE);
  assert_int_equal(run_slowly(net, &quit).err, MTS_OK); /* the verdict was there before */
  assert_int_equal(run_slowly(net, &fetch).err, MTS_ERR_HTTPS_PROTOCOL);
  close_world(net);
  sigset_t pending;
  assert_int_equal(sigpending(&pending), 0);
  assert_false(sigismember(&pending, SIGPIPE));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_black_hole_costs_its_share_of_the_deadline),
      cmocka_unit_test(no_answer_while_connecting_is_a_timeout),
      cmocka_unit_test(a_proxy_that_hangs_ends_with_the_deadline),
      cmocka_unit_test(ipv6_is_as_good_as_ipv4),
      cmocka_unit_test(without_descriptors_there_is_an_error_and_later_all_is_well),
      cmocka_unit_test(writing_to_a_connection_that_was_reset_raises_no_signal),
  };
  return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
