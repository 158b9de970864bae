/* SPDX-License-Identifier: ISC
 * Looking at DNS: what ordinary questions do not keep, against a misbehaving server. */
#include "dns_harness.h"

static struct {
  int calls;
  struct mts_dns_answer answer;
  char hops[MTS_DNS_MAX_CNAMES][MTS_NAME_SIZE];
  uint16_t strings[4];
  char raw[4][1100];
} seen;

static void keep(void *arg, const struct mts_dns_answer *answer) {
  enum mts_rrtype type = *(const enum mts_rrtype *)arg;
  seen.calls++;
  seen.answer = *answer;
  for (size_t i = 0; i < answer->hop_count; i++) memcpy(seen.hops[i], answer->hops[i], MTS_NAME_SIZE);
  for (size_t i = 0; i < answer->count && i < 4; i++) {
    seen.strings[i] = answer->records[i].strings;
    if (type == MTS_RR_MX) snprintf(seen.raw[i], 1100, "%.*s", (int)answer->records[i].u.mx.raw.n, answer->records[i].u.mx.raw.p);
  }
}

static void look_within(const char *name, enum mts_rrtype type, int dnssec, uint32_t deadline_ms) {
  struct mts_net *net = open_world(server, dnssec);
  struct mts_job *job = NULL;
  memset(&seen, 0, sizeof seen);
  assert_int_equal(net->ops->look_dns(net, name, type, deadline_ms, keep, &type, &job), MTS_OK);
  assert_int_equal(seen.calls, 0);
  while (net->ops->turn(net, 1000)) continue;
  assert_int_equal(seen.calls, 1);
  net->ops->free(net);
}

static void look(const char *name, enum mts_rrtype type) { look_within(name, type, MTS_NET_DNSSEC_OFF, 3000); }

static void each_hop_of_a_chain_in_order(void **state) {
  (void)state;
  look("chain.test", MTS_RR_TXT);
  assert_int_equal(seen.answer.err, MTS_OK);
  assert_int_equal(seen.answer.hop_count, 2);
  assert_string_equal(seen.hops[0], "b.test");
  assert_string_equal(seen.hops[1], "c.test");
  assert_string_equal(seen.answer.canonical, "c.test");
  assert_false(seen.answer.loops);
  look("txt.test", MTS_RR_TXT);
  assert_int_equal(seen.answer.hop_count, 0);
}

static void ordinary_questions_keep_none(void **state) {
  (void)state;
  struct got got = ask("chain.test", MTS_RR_TXT, 3000);
  assert_int_equal(got.answer.err, MTS_OK);
  assert_int_equal(got.answer.cname_count, 2);
  assert_int_equal(got.answer.hop_count, 0);
  assert_null(got.answer.hops);
  assert_int_equal(ask("loop.test", MTS_RR_TXT, 3000).answer.loops, false);
}

static void a_chain_that_never_ends(void **state) {
  (void)state;
  look("loop.test", MTS_RR_TXT);
  assert_int_equal(seen.answer.err, MTS_ERR_DNS_LIMIT);
  assert_true(seen.answer.loops);
  assert_int_equal(seen.answer.hop_count, 1);
  assert_string_equal(seen.hops[0], "b.test");
}

static void a_chain_that_never_ends_and_is_called_servfail(void **state) {
  (void)state;
  look("round.test", MTS_RR_TXT);
  assert_int_equal(seen.answer.err, MTS_ERR_DNS_LIMIT);
  assert_true(seen.answer.loops);
  assert_int_equal(seen.answer.hop_count, 2);
  assert_string_equal(seen.hops[0], "about.test");
  assert_string_equal(seen.hops[1], "again.test");
}

static void a_chain_that_ends_nowhere(void **state) {
  (void)state;
  look("dangling.test", MTS_RR_TXT);
  assert_int_equal(seen.answer.err, MTS_ERR_DNS_NXDOMAIN);
  assert_int_equal(seen.answer.hop_count, 1);
  assert_string_equal(seen.hops[0], "gone.test");
  assert_string_equal(seen.answer.canonical, "gone.test");
}

static void names_that_nobody_can_use_are_shown_escaped(void **state) {
  (void)state;
  look("mx.test", MTS_RR_MX);
  assert_int_equal(seen.answer.count, 3);
  assert_string_equal(seen.raw[0], "");
  assert_string_equal(seen.raw[1], ""); /* the null MX can be used */
  assert_string_equal(seen.raw[2], "a\\.b.c\\000d");
  look("odd.test", MTS_RR_TXT);
  assert_int_equal(seen.answer.err, MTS_ERR_DNS_MALFORMED);
  assert_int_equal(seen.answer.hop_count, 0);
}

static void strings_of_a_record_are_counted(void **state) {
  (void)state;
  look("txt.test", MTS_RR_TXT);
  assert_int_equal(seen.strings[0], 2);
  assert_int_equal(seen.strings[1], 1);
}

static void bogus_is_what_has_an_answer_without_validation(void **state) {
  (void)state;
  static const int settings[] = {MTS_NET_DNSSEC_AD, MTS_NET_DNSSEC_OFF};
  for (size_t i = 0; i < 2; i++) {
    look_within("bogus.test", MTS_RR_TXT, settings[i], 3000);
    assert_int_equal(seen.answer.err, MTS_ERR_DNS_BOGUS);
    assert_int_equal(seen.answer.count, 0);
    look_within("servfail.test", MTS_RR_TXT, settings[i], 3000);
    assert_int_equal(seen.answer.err, MTS_ERR_DNS_SERVFAIL);
    assert_int_equal(seen.answer.hop_count, 0);
  }
  assert_int_equal(ask("bogus.test", MTS_RR_TXT, 3000).answer.err, MTS_ERR_DNS_SERVFAIL); /* as ever */
}

static void a_failure_that_passes_is_not_bogus(void **state) {
  (void)state;
  look("passing.test", MTS_RR_TXT);
  assert_int_equal(seen.answer.err, MTS_OK);
  assert_int_equal(seen.answer.count, 1);
}

static void all_ends_at_the_deadline(void **state) {
  (void)state;
  int64_t began_ms = mts_clock_mono_ms(&mts_clock_real);
  look_within("silent.test", MTS_RR_TXT, MTS_NET_DNSSEC_OFF, 600);
  assert_int_equal(seen.answer.err, MTS_ERR_DNS_TIMEOUT);
  look_within("stuck.test", MTS_RR_TXT, MTS_NET_DNSSEC_OFF, 900); /* its hops are silent */
  assert_int_equal(seen.answer.err, MTS_ERR_DNS_SERVFAIL);
  assert_true(mts_clock_mono_ms(&mts_clock_real) - began_ms < 4000);
}

static void a_look_that_is_cancelled_is_silent(void **state) {
  (void)state;
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  enum mts_rrtype type = MTS_RR_TXT;
  static const char *const names[] = {"silent.test", "stuck.test", "round.test", "bogus.test"};
  memset(&seen, 0, sizeof seen);
  for (size_t i = 0; i < 4; i++) {
    for (int turns = 0; turns < 4; turns++) {
      struct mts_job *job = NULL;
      assert_int_equal(net->ops->look_dns(net, names[i], type, 3000, keep, &type, &job), MTS_OK);
      for (int k = 0; k < turns && !seen.calls; k++) net->ops->turn(net, 1);
      if (!seen.calls) net->ops->cancel(net, &job);
      seen.calls = 0;
    }
  }
  struct mts_job *left = NULL;
  assert_int_equal(net->ops->look_dns(net, "stuck.test", type, 3000, keep, &type, &left), MTS_OK);
  for (int k = 0; k < 3; k++) net->ops->turn(net, 50);
  net->ops->free(net); /* ends what is under way */
  assert_int_equal(seen.calls, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_hop_of_a_chain_in_order),
      cmocka_unit_test(ordinary_questions_keep_none),
      cmocka_unit_test(a_chain_that_never_ends),
      cmocka_unit_test(a_chain_that_never_ends_and_is_called_servfail),
      cmocka_unit_test(a_chain_that_ends_nowhere),
      cmocka_unit_test(names_that_nobody_can_use_are_shown_escaped),
      cmocka_unit_test(strings_of_a_record_are_counted),
      cmocka_unit_test(bogus_is_what_has_an_answer_without_validation),
      cmocka_unit_test(a_failure_that_passes_is_not_bogus),
      cmocka_unit_test(all_ends_at_the_deadline),
      cmocka_unit_test(a_look_that_is_cancelled_is_silent),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
