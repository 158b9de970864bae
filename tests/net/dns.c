/* SPDX-License-Identifier: ISC
 * DNS against a server that misbehaves on demand: the first label of a name says how (misbehaver.py). */
#include "dns_harness.h"

static enum mts_err verdict(const char *name) { return ask(name, MTS_RR_TXT, 1200).answer.err; }

static void strings_of_txt_are_joined_and_the_least_ttl_counts(void **state) {
  (void)state;
  struct got got = ask("txt.test", MTS_RR_TXT, 3000);
  assert_int_equal(got.answer.err, MTS_OK);
  assert_int_equal(got.answer.count, 2);
  assert_string_equal(got.txt[0], "v=STSv1; id=1;");
  assert_string_equal(got.txt[1], "other");
  assert_int_equal(got.answer.ttl_s, 100);
  assert_string_equal(got.answer.canonical, "txt.test");
}

static void mx_are_normalised_root_is_a_dot_odd_names_are_empty(void **state) {
  (void)state;
  struct got got = ask("mx.test", MTS_RR_MX, 3000);
  assert_int_equal(got.answer.count, 3);
  assert_string_equal(got.mx[0].host, "mx.example.test");
  assert_int_equal(got.mx[0].preference, 10);
  assert_string_equal(got.mx[1].host, ".");
  assert_string_equal(got.mx[2].host, "");
}

static void addresses_and_tlsa_are_read(void **state) {
  (void)state;
  struct got got = ask("a.test", MTS_RR_A, 3000);
  assert_int_equal(got.address.family, AF_INET);
  assert_memory_equal(got.address.bytes, "\xc0\0\2\7", 4);
  got = ask("aaaa.test", MTS_RR_AAAA, 3000);
  assert_int_equal(got.address.family, AF_INET6);
  assert_int_equal(got.address.bytes[15], 1);
  got = ask("tlsa.test", MTS_RR_TLSA, 3000);
  assert_int_equal(got.tlsa.usage, 3);
  assert_int_equal(got.tlsa.matching, 1);
  assert_int_equal(got.n0, 32);
}

static void a_cname_chain_is_followed_and_its_least_ttl_counts(void **state) {
  (void)state;
  struct got got = ask("chain.test", MTS_RR_TXT, 3000);
  assert_int_equal(got.answer.err, MTS_OK);
  assert_string_equal(got.answer.canonical, "c.test");
  assert_int_equal(got.answer.cname_count, 2);
  assert_int_equal(got.answer.ttl_s, 7);
  assert_string_equal(got.txt[0], "end");
}

static void no_name_and_no_record_differ_and_have_the_ttl_of_rfc_2308(void **state) {
  (void)state;
  struct got got = ask("nxdomain.test", MTS_RR_TXT, 3000);
  assert_int_equal(got.answer.err, MTS_ERR_DNS_NXDOMAIN);
  assert_int_equal(got.answer.ttl_s, 77);
  got = ask("nodata.test", MTS_RR_TXT, 3000);
  assert_int_equal(got.answer.err, MTS_ERR_DNS_NODATA);
  assert_int_equal(got.answer.ttl_s, 33);
  got = ask("nosoa.test", MTS_RR_TXT, 3000);
  assert_int_equal(got.answer.err, MTS_ERR_DNS_NODATA);
  assert_int_equal(got.answer.ttl_s, 0);
}

static void refusals_keep_their_names(void **state) {
  (void)state;
  assert_int_equal(verdict("servfail.test"), MTS_ERR_DNS_SERVFAIL);
  assert_int_equal(verdict("refused.test"), MTS_ERR_DNS_REFUSED);
}

static void silence_ends_at_the_deadline(void **state) {
  (void)state;
  int64_t begin = mts_clock_mono_ms(&mts_clock_real);
  assert_int_equal(verdict("silent.test"), MTS_ERR_DNS_TIMEOUT);
  int64_t took = mts_clock_mono_ms(&mts_clock_real) - begin;
  assert_true(took >= 1100 && took < 1500);
}

static void a_dead_first_server_costs_little_and_is_remembered(void **state) {
  (void)state;
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0); /* bound and mute */
  char list[96];
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t n = sizeof at;
  assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
  snprintf(list, sizeof list, "127.0.0.1:%u, %s", (unsigned)ntohs(at.sin_port), server);
  struct mts_net *net = open_world(list, MTS_NET_DNSSEC_OFF);
  int64_t begin = mts_clock_mono_ms(&mts_clock_real);
  assert_int_equal(ask_in(net, "txt.test", MTS_RR_TXT, 6000).answer.err, MTS_OK);
  int64_t first = mts_clock_mono_ms(&mts_clock_real) - begin;
  assert_int_equal(ask_in(net, "txt.test", MTS_RR_TXT, 6000).answer.err, MTS_OK);
  int64_t second = mts_clock_mono_ms(&mts_clock_real) - begin - first;
  assert_true(first >= 900 && first < 1600);
  assert_true(second < 500);
  net->ops->free(net);
  close(fd);
}

static void a_lost_datagram_is_sent_again(void **state) {
  (void)state;
  assert_int_equal(ask("lost.test", MTS_RR_TXT, 3000).answer.err, MTS_OK);
}

static void truncation_leads_to_tcp(void **state) {
  (void)state;
  assert_int_equal(verdict("tc.test"), MTS_OK);
}

static void a_hanging_tcp_times_out_and_harms_no_other_file(void **state) {
  (void)state;
  int p[2];
  char c = 0;
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  assert_int_equal(pipe(p), 0);
  assert_int_equal(ask_in(net, "tchang.test", MTS_RR_TXT, 600).answer.err, MTS_ERR_DNS_TIMEOUT);
  int later[2];
  assert_int_equal(pipe(later), 0);
  for (int i = 0; i < 5; i++) assert_int_equal(ask_in(net, "txt.test", MTS_RR_TXT, 2000).answer.err, MTS_OK);
  net->ops->free(net);
  assert_int_equal(write(p[1], "x", 1) + write(later[1], "y", 1), 2);
  assert_int_equal(read(p[0], &c, 1), 1);
  assert_int_equal(read(later[0], &c, 1), 1);
  for (int i = 0; i < 2; i++) assert_int_equal(close(p[i]) | close(later[i]), 0);
}

static void wrong_replies_are_never_answers(void **state) {
  (void)state;
  assert_int_equal(verdict("wrongid.test"), MTS_ERR_DNS_TIMEOUT);
  assert_int_equal(verdict("wrongquestion.test"), MTS_ERR_DNS_MALFORMED);
  assert_int_equal(verdict("twoquestions.test"), MTS_ERR_DNS_MALFORMED);
  assert_int_equal(verdict("qr0.test"), MTS_ERR_DNS_MALFORMED);
  assert_int_equal(verdict("garbage.test"), MTS_ERR_DNS_MALFORMED);
  assert_int_equal(verdict("lies.test"), MTS_ERR_DNS_MALFORMED);
  assert_int_equal(verdict("emptylies.test"), MTS_ERR_DNS_MALFORMED);
}

static void a_forged_datagram_is_overruled_by_tcp(void **state) {
  (void)state;
  assert_int_equal(verdict("forged.test"), MTS_OK);
}

static void limits_have_a_name(void **state) {
  (void)state;
  assert_int_equal(verdict("loop.test"), MTS_ERR_DNS_LIMIT);
  assert_int_equal(verdict("records.test"), MTS_ERR_DNS_LIMIT);
  assert_int_equal(verdict("huge.test"), MTS_ERR_DNS_LIMIT);
}

static void the_ad_bit_counts_only_when_it_is_trusted(void **state) {
  (void)state;
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_AUTO);
  assert_int_equal(ask_in(net, "ad.test", MTS_RR_TXT, 2000).answer.dnssec, MTS_DNSSEC_SECURE);
  assert_int_equal(ask_in(net, "txt.test", MTS_RR_TXT, 2000).answer.dnssec, MTS_DNSSEC_INSECURE);
  net->ops->free(net);
  assert_int_equal(ask("ad.test", MTS_RR_TXT, 2000).answer.dnssec, MTS_DNSSEC_UNKNOWN);
}

static void a_bad_server_is_a_wrong_setting(void **state) {
  (void)state;
  struct mts_net *net = open_world("127.0.0.1:0", MTS_NET_DNSSEC_OFF);
  struct mts_job *job = NULL;
  struct got got = {0};
  assert_int_equal(net->ops->dns(net, "a.test", MTS_RR_A, 100, take, &got, &job), MTS_ERR_SETTING);
  net->ops->free(net);
}

struct pair {
  struct mts_net *net;
  struct mts_job *jobs[2];
  int calls;
};

static void cancel_the_others(void *arg, const struct mts_dns_answer *answer) {
  struct pair *pair = arg;
  (void)answer;
  pair->calls++;
  pair->net->ops->cancel(pair->net, &pair->jobs[1]);
}

static void a_callback_may_cancel_another_job(void **state) {
  (void)state;
  struct pair pair = {.net = open_world(server, MTS_NET_DNSSEC_OFF)};
  asked = MTS_RR_TXT;
  for (int i = 0; i < 2; i++)
    assert_int_equal(
        pair.net->ops->dns(pair.net, i ? "silent.test" : "txt.test", MTS_RR_TXT, 3000, cancel_the_others, &pair, &pair.jobs[i]),
        MTS_OK);
  while (pair.net->ops->turn(pair.net, 1000)) continue;
  assert_int_equal(pair.calls, 1);
  assert_null(pair.jobs[1]);
  pair.net->ops->free(pair.net);
}

static void many_at_once_and_free_with_queries_pending(void **state) {
  (void)state;
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  static struct got got[200];
  struct mts_job *job = NULL;
  asked = MTS_RR_TXT;
  memset(got, 0, sizeof got);
  char name[32];
  for (int i = 0; i < 200; i++) {
    snprintf(name, sizeof name, "txt.%d.test", i);
    assert_int_equal(net->ops->dns(net, name, MTS_RR_TXT, 6000, take, &got[i], &job), MTS_OK);
  }
  while (net->ops->turn(net, 1000)) continue;
  for (int i = 0; i < 200; i++) assert_true(got[i].calls == 1 && got[i].answer.err == MTS_OK);
  for (int i = 0; i < 200; i++) {
    snprintf(name, sizeof name, "%s.%d.test", i % 2 ? "silent" : "tchang", i);
    assert_int_equal(net->ops->dns(net, name, MTS_RR_TXT, 6000, take, &got[i], &job), MTS_OK);
  }
  for (int i = 0; i < 20; i++) net->ops->turn(net, 5);
  net->ops->free(net);
  for (int i = 0; i < 200; i++) assert_int_equal(got[i].calls, 1);
}

static unsigned open_files(void) {
  unsigned count = 0;
  for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

/* In the child: what was asked before the fork is the parent's; ask something else. */
static int child_asks(struct mts_net *net, const struct got *got, unsigned files) {
  net->ops->forget(net);
  if (open_files() > files) return 1;
  struct mts_net_config config = {.nameservers = server, .trust_anchors = ""};
  struct got mine = {0};
  struct mts_job *job = NULL;
  asked = MTS_RR_A;
  if (mts_net_open_4(&config, &mts_clock_real, &net) != MTS_OK) return 2;
  if (net->ops->dns(net, "a.test", MTS_RR_A, 2000, take, &mine, &job) != MTS_OK) return 3;
  while (net->ops->turn(net, 1000)) continue;
  if (mine.calls != 1 || mine.answer.err != MTS_OK || memcmp(mine.address.bytes, "\xc0\0\2\7", 4) != 0) return 4;
  net->ops->free(net);
  usleep(500000); /* longer than the parent's answers take */
  return got[0].calls || got[1].calls || open_files() > files ? 5 : 0;
}

static void a_forked_child_forgets_and_the_parent_does_not_notice(void **state) {
  (void)state;
  unsigned files = open_files();
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  struct got got[3] = {{0}};
  struct mts_job *job = NULL;
  int status = -1;
  asked = MTS_RR_TXT;
  assert_int_equal(net->ops->dns(net, "slow.test", MTS_RR_TXT, 3000, take, &got[0], &job), MTS_OK);
  assert_int_equal(net->ops->dns(net, "tcslow.test", MTS_RR_TXT, 3000, take, &got[1], &job), MTS_OK);
  int64_t begin = mts_clock_mono_ms(&mts_clock_real);
  while (mts_clock_mono_ms(&mts_clock_real) - begin < 150) net->ops->turn(net, 10); /* tcslow goes on over TCP */
  assert_true(got[0].calls == 0 && got[1].calls == 0);
  pid_t pid = fork();
  if (pid == 0) _exit(child_asks(net, got, files));
  usleep(100000); /* the child is at work */
  while (net->ops->turn(net, 1000)) continue;
  int64_t took = mts_clock_mono_ms(&mts_clock_real) - begin;
  for (int i = 0; i < 2; i++) {
    assert_true(got[i].calls == 1 && got[i].answer.err == MTS_OK);
    assert_string_equal(got[i].txt[0], "v=STSv1; id=1;");
  }
  assert_true(took < 900); /* nothing had to be asked again */
  assert_int_equal(ask_in(net, "txt.test", MTS_RR_TXT, 2000).answer.err, MTS_OK);
  net->ops->free(net);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(strings_of_txt_are_joined_and_the_least_ttl_counts),
      cmocka_unit_test(mx_are_normalised_root_is_a_dot_odd_names_are_empty),
      cmocka_unit_test(addresses_and_tlsa_are_read),
      cmocka_unit_test(a_cname_chain_is_followed_and_its_least_ttl_counts),
      cmocka_unit_test(no_name_and_no_record_differ_and_have_the_ttl_of_rfc_2308),
      cmocka_unit_test(refusals_keep_their_names),
      cmocka_unit_test(silence_ends_at_the_deadline),
      cmocka_unit_test(a_dead_first_server_costs_little_and_is_remembered),
      cmocka_unit_test(a_lost_datagram_is_sent_again),
      cmocka_unit_test(truncation_leads_to_tcp),
      cmocka_unit_test(a_hanging_tcp_times_out_and_harms_no_other_file),
      cmocka_unit_test(wrong_replies_are_never_answers),
      cmocka_unit_test(a_forged_datagram_is_overruled_by_tcp),
      cmocka_unit_test(limits_have_a_name),
      cmocka_unit_test(the_ad_bit_counts_only_when_it_is_trusted),
      cmocka_unit_test(a_bad_server_is_a_wrong_setting),
      cmocka_unit_test(a_callback_may_cancel_another_job),
      cmocka_unit_test(a_forked_child_forgets_and_the_parent_does_not_notice),
      cmocka_unit_test(many_at_once_and_free_with_queries_pending),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
