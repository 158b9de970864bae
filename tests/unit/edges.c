/* SPDX-License-Identifier: ISC
 * Rules of the lookup that a small slip would break without a sound. */
#include "resolve/cache.h"
#include "resolve/life.h"
#include "told_world.h"

static struct told told;

static int open_world(void **state) {
  (void)state;
  told_open(&told, NULL);
  tell_a_test(&told);
  return 0;
}
static int close_world(void **state) {
  (void)state;
  told_close(&told);
  return 0;
}

static void look(enum mts_depth depth, enum mts_freshness freshness, enum mts_action action) {
  struct mts_answer *answer = ask(&told, "a.test", depth, freshness);
  assert_int_equal(answer->action, action);
  mts_answer_free(&answer);
}

static void a_policy_that_expired_within_the_records_ttl_is_fetched_again(void **state) {
  (void)state;
  tell_txt(&told, "_mta-sts.a.test", "v=STSv1; id=1", 86400);
  tell_policy(&told, "mta-sts.a.test", "version: STSv1\nmode: enforce\nmx: mx1.a.test\nmax_age: 600\n");
  look(MTS_DEPTH_POLICY, MTS_CHECK_DUE, MTS_ACTION_REQUIRE);
  pass_s(&told, 601);
  look(MTS_DEPTH_POLICY, MTS_CHECK_DUE, MTS_ACTION_REQUIRE);
  assert_int_equal(get_count(&told), 2);
}

static void after_a_failed_get_a_new_id_is_looked_for_each_minute(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  life_fetch_failed(&entry, 1000, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  life_record(&entry, 1060, 86400);
  assert_int_equal(entry.check_at, 1120);
}

static void times_after_a_missing_record_are_bounded(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  life_no_record(&entry, 1000, MTS_ERR_RECORD_NONE, 86400, "");
  assert_int_equal(entry.check_at, 1000 + 3600);
  life_no_record(&entry, 1000, MTS_ERR_RECORD_NONE, 900, "");
  assert_int_equal(entry.check_at, 1900);
  assert_int_equal(mts_policy_new(MTS_MODE_ENFORCE, 604800, (const char *[]){"mx.a.test"}, 1, &entry.policy), MTS_OK);
  life_no_record(&entry, 1000, MTS_ERR_DNS_SERVFAIL, 0, ""); /* a policy bridges it, so there is no hurry */
  assert_int_equal(entry.check_at, 1060);
  mts_entry_clear(&entry);
}

static void absence_lasts_as_long_as_its_negative_ttl(void **state) {
  (void)state;
  assert_int_equal(mts_fake_dns(told.fake, "_mta-sts.a.test", MTS_RR_TXT, MTS_ERR_DNS_NXDOMAIN, NULL, 0, 900, MTS_DNSSEC_SECURE, 0),
                   MTS_OK);
  look(MTS_DEPTH_POLICY, MTS_CHECK_DUE, MTS_ACTION_DELIVER);
  pass_s(&told, 899);
  look(MTS_DEPTH_POLICY, MTS_CHECK_DUE, MTS_ACTION_DELIVER);
  assert_int_equal(txt_count(&told), 1);
}

static void one_failed_get_late_in_life_is_no_alarm_but_two_are(void **state) {
  (void)state;
  struct mts_entry entry = {.id = "1", .expires_at = 1000 + 86400};
  assert_int_equal(mts_policy_new(MTS_MODE_ENFORCE, 604800, (const char *[]){"mx.a.test"}, 1, &entry.policy), MTS_OK);
  life_fetch_failed(&entry, 1000, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  assert_false(life_alarm_due(&entry, 1000));
  life_fetch_failed(&entry, 1400, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  assert_true(life_alarm_due(&entry, 1400));
  mts_entry_clear(&entry);
}

static void check_always_fetches_whatever_is_known(void **state) {
  (void)state;
  look(MTS_DEPTH_POLICY, MTS_CHECK_DUE, MTS_ACTION_REQUIRE);
  look(MTS_DEPTH_POLICY, MTS_CHECK_ALWAYS, MTS_ACTION_REQUIRE);
  assert_int_equal(txt_count(&told), 2);
  assert_int_equal(get_count(&told), 2);
}

struct ends {
  unsigned count;
  enum mts_mode mode;
  enum mts_action action;
};
static void note(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct ends *ends = arg;
  assert_int_equal(err, MTS_OK);
  ends->count++;
  ends->mode = answer->mode;
  ends->action = answer->action;
  mts_answer_free(&answer);
}

static void who_joins_and_wants_more_gets_more(void **state) {
  (void)state;
  look(MTS_DEPTH_POLICY, MTS_CHECK_DUE, MTS_ACTION_REQUIRE);
  pass_s(&told, 400);
  struct ends ends = {0};
  struct mts_lookup *first = NULL, *second = NULL;
  struct mts_lookup_opts due = {.freshness = MTS_CHECK_DUE}, always = {.freshness = MTS_CHECK_ALWAYS};
  assert_int_equal(mts_lookup_start(told.m, "a.test", &due, note, &ends, &first), MTS_OK);
  assert_int_equal(mts_lookup_start(told.m, "a.test", &always, note, &ends, &second), MTS_OK);
  run_out(&told);
  assert_int_equal(ends.count, 2);
  assert_int_equal(txt_count(&told), 2);
  assert_int_equal(get_count(&told), 2);
}

static void without_background_a_cached_policy_starts_nothing(void **state) {
  (void)state;
  look(MTS_DEPTH_POLICY, MTS_CHECK_DUE, MTS_ACTION_REQUIRE);
  pass_s(&told, 400);
  look(MTS_DEPTH_POLICY, MTS_USE_CACHED, MTS_ACTION_REQUIRE);
  run_out(&told);
  assert_int_equal(txt_count(&told), 1);
}

static void cache_only_asks_nothing_at_any_depth(void **state) {
  (void)state;
  look(MTS_DEPTH_POLICY, MTS_CHECK_DUE, MTS_ACTION_REQUIRE);
  size_t before = mts_fake_count_dns(told.fake, NULL, MTS_RR_MX);
  look(MTS_DEPTH_TLS, MTS_CACHE_ONLY, MTS_ACTION_REQUIRE);
  run_out(&told);
  assert_int_equal(mts_fake_count_dns(told.fake, NULL, MTS_RR_MX), before);
  assert_int_equal(txt_count(&told), 1);
}

static void what_was_fetched_just_now_is_not_checked_again_before_mail_fails(void **state) {
  (void)state;
  tell_records(&told, "a.test", MTS_RR_MX, MTS_DNSSEC_INSECURE, (const char *[]){"10 mx2.a.test", NULL});
  look(MTS_DEPTH_HOSTS, MTS_CHECK_DUE, MTS_ACTION_DEFER);
  assert_int_equal(txt_count(&told), 1);
}

static enum mts_hook_result wait_then(void *arg, enum mts_hook hook, struct mts_lookup *lookup, const struct mts_answer *so_far,
                                      struct mts_opinion *opinion) {
  (void)so_far;
  (void)opinion;
  if (hook != MTS_HOOK_POLICY) return MTS_HOOK_NO_OPINION;
  *(struct mts_lookup **)arg = lookup;
  return MTS_HOOK_WAITS;
}

static void a_rule_that_is_resumed_after_the_deadline_still_counts_once_and_no_more_is_asked(void **state) {
  (void)state;
  struct mts_lookup *waiting = NULL, *lookup = NULL;
  struct ends ends = {0};
  struct mts_lookup_opts opts = {.depth = MTS_DEPTH_HOSTS, .deadline_ms = 500};
  mts_set_hooks(told.m, wait_then, NULL, &waiting);
  assert_int_equal(mts_lookup_start(told.m, "a.test", &opts, note, &ends, &lookup), MTS_OK);
  run_out(&told);
  assert_non_null(waiting);
  assert_int_equal(ends.count, 0); /* the deadline went by */
  mts_lookup_resume(waiting, &(struct mts_opinion){.mode = MTS_MODE_TESTING, .reason = "a test"});
  assert_int_equal(ends.count, 1);
  assert_int_equal(ends.mode, MTS_MODE_TESTING);
  assert_int_equal(mts_fake_count_dns(told.fake, "a.test", MTS_RR_MX), 0);
  mts_set_hooks(told.m, NULL, NULL, NULL);
}

static void a_probe_has_its_own_time_beyond_the_mails(void **state) {
  (void)state;
  assert_int_equal(mts_fake_smtp(told.fake, "mx1.a.test", MTS_OK, 12000), MTS_OK);
  struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_TLS, MTS_CHECK_DUE);
  assert_int_equal(answer->hosts_err, MTS_OK);
  assert_non_null(answer->hosts[0].tls);
  mts_answer_free(&answer);
}

static void dane_needs_a_secure_mx_and_says_nothing_from_insecure_tlsa(void **state) {
  (void)state;
  static const enum mts_dnssec mx[] = {MTS_DNSSEC_INSECURE, MTS_DNSSEC_SECURE}, tlsa[] = {MTS_DNSSEC_SECURE, MTS_DNSSEC_INSECURE};
  for (int i = 0; i < 2; i++) {
    tell_records(&told, "a.test", MTS_RR_MX, mx[i], (const char *[]){"10 mx1.a.test", NULL});
    tell_records(&told, "mx1.a.test", MTS_RR_A, MTS_DNSSEC_SECURE, (const char *[]){"192.0.2.9", NULL});
    tell_records(&told, "_25._tcp.mx1.a.test", MTS_RR_TLSA, tlsa[i],
                 (const char *[]){"3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL});
    struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_HOSTS, MTS_CHECK_DUE);
    assert_int_equal(answer->hosts[0].guard, MTS_GUARD_STS);
    mts_answer_free(&answer);
  }
}

static void under_mode_none_every_host_is_permitted(void **state) {
  (void)state;
  tell_policy(&told, "mta-sts.a.test", "version: STSv1\nmode: none\nmx: other.test\nmax_age: 86400\n");
  struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_HOSTS, MTS_CHECK_DUE);
  for (size_t i = 0; i < answer->host_count; i++) assert_true(answer->hosts[i].permitted && answer->hosts[i].err == MTS_OK);
  assert_int_equal(answer->host_count, 2);
  mts_answer_free(&answer);
}

static enum mts_hook_result treat_as_none(void *arg, enum mts_hook hook, struct mts_lookup *lookup, const struct mts_answer *so_far,
                                          struct mts_opinion *opinion) {
  (void)arg;
  (void)hook;
  (void)lookup;
  (void)so_far;
  *opinion = (struct mts_opinion){.mode = MTS_MODE_NONE, .reason = "a test"};
  return MTS_HOOK_OPINION;
}

static void an_exception_from_enforce_permits_every_host(void **state) {
  (void)state;
  mts_set_hooks(told.m, treat_as_none, NULL, NULL);
  struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_HOSTS, MTS_CHECK_DUE);
  assert_int_equal(answer->host_count, 2);
  assert_true(answer->hosts[1].permitted);
  mts_answer_free(&answer);
}

static void after_the_deadline_nothing_is_checked_again(void **state) {
  (void)state;
  look(MTS_DEPTH_POLICY, MTS_CHECK_DUE, MTS_ACTION_REQUIRE);
  tell_records(&told, "a.test", MTS_RR_MX, MTS_DNSSEC_SECURE, (const char *[]){"10 mx1.a.test", NULL});
  struct mts_span address = mts_span_of("192.0.2.9");
  assert_int_equal(mts_fake_dns(told.fake, "mx1.a.test", MTS_RR_A, MTS_OK, &address, 1, 60, MTS_DNSSEC_SECURE, 3000), MTS_OK);
  struct mts_lookup_opts opts = {.depth = MTS_DEPTH_HOSTS, .deadline_ms = 1000};
  struct mts_answer *answer = NULL;
  assert_int_equal(mts_lookup(told.m, "a.test", &opts, &answer), MTS_OK);
  assert_int_equal(answer->action, MTS_ACTION_DEFER);
  assert_int_equal(txt_count(&told), 1);
  mts_answer_free(&answer);
}

static void a_cached_policy_is_not_deferred_by_on_dns_failure(void **state) {
  (void)state;
  told_close(&told);
  told_open(&told, (const char *[]){"on_dns_failure", "defer", NULL});
  tell_a_test(&told);
  look(MTS_DEPTH_POLICY, MTS_CHECK_DUE, MTS_ACTION_REQUIRE);
  pass_s(&told, 400);
  tell_dns_error(&told, "_mta-sts.a.test", MTS_RR_TXT, MTS_ERR_DNS_SERVFAIL);
  look(MTS_DEPTH_POLICY, MTS_CHECK_DUE, MTS_ACTION_REQUIRE);
}

/* ---- answers that need no walk ---- */

static void same_answer(const struct mts_answer *quick, const struct mts_answer *walked) {
  assert_string_equal(quick->domain, walked->domain);
  assert_string_equal(quick->id, walked->id);
  assert_string_equal(quick->reason, walked->reason);
  assert_string_equal(quick->refresh_error.detail, walked->refresh_error.detail);
  assert_ptr_equal(quick->policy, walked->policy);
  const int64_t parts[][2] = {{quick->smarthost, walked->smarthost},
                              {quick->action, walked->action},
                              {quick->mode, walked->mode},
                              {quick->from, walked->from},
                              {quick->fetched_at, walked->fetched_at},
                              {quick->expires_at, walked->expires_at},
                              {quick->checked_at, walked->checked_at},
                              {quick->refresh_error.err, walked->refresh_error.err},
                              {quick->refresh_error.at, walked->refresh_error.at},
                              {quick->exception_until, walked->exception_until},
                              {quick->dnssec, walked->dnssec},
                              {quick->hosts_known, walked->hosts_known},
                              {quick->hosts_err, walked->hosts_err},
                              {(int64_t)quick->host_count, (int64_t)walked->host_count}};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) assert_int_equal(parts[i][0], parts[i][1]);
}

static void both_ways(const char *destination) {
  struct mts_lookup_opts opts = {.depth = MTS_DEPTH_POLICY, .freshness = MTS_USE_CACHED};
  struct mts_answer *walked = NULL, *quick = NULL;
  assert_int_equal(mts_lookup(told.m, destination, &opts, &walked), MTS_OK);
  opts.no_trace = true;
  assert_int_equal(mts_lookup(told.m, destination, &opts, &quick), MTS_OK);
  assert_int_equal(quick->step_count, 0);
  same_answer(quick, walked);
  mts_answer_free(&walked);
  mts_answer_free(&quick);
}

static void an_answer_without_trace_says_the_same_as_one_with_it(void **state) {
  (void)state;
  static const char *const destinations[] = {"a.test",       "[a.test]:25", "testing.test", "none.test",
                                             "nothing.test", "down.test",   "mute.test"};
  told_open(&told, (const char *[]){"on_dns_failure", "defer", "memory_s", "3600", NULL});
  tell_a_test(&told);
  tell_txt(&told, "_mta-sts.testing.test", "v=STSv1; id=2", 300);
  tell_policy(&told, "mta-sts.testing.test", TESTING_MX1);
  tell_txt(&told, "_mta-sts.none.test", "v=STSv1; id=3", 300);
  tell_policy(&told, "mta-sts.none.test", NONE_POLICY);
  tell_txt(&told, "_mta-sts.down.test", "v=STSv1; id=4", 300);
  tell_fetch_error(&told, "mta-sts.down.test", MTS_ERR_HTTPS_CONNECT);
  tell_dns_error(&told, "_mta-sts.mute.test", MTS_RR_TXT, MTS_ERR_DNS_SERVFAIL);
  /* As fetched; when a check is due; after checks failed; and when the policies have expired. */
  static const int64_t waits_s[] = {0, 10, 400, 86400, 8 * 86400};
  for (size_t wait = 0; wait < sizeof waits_s / sizeof *waits_s; wait++) {
    pass_s(&told, waits_s[wait]);
    for (size_t i = 0; i < sizeof destinations / sizeof *destinations; i++) {
      struct mts_answer *known = ask(&told, destinations[i], MTS_DEPTH_POLICY, MTS_USE_CACHED);
      mts_answer_free(&known);
      run_out(&told);
      both_ways(destinations[i]);
    }
    if (wait == 1) tell_dns_error(&told, "_mta-sts.a.test", MTS_RR_TXT, MTS_ERR_DNS_SERVFAIL);
  }
  told_close(&told);
}

static void an_answer_without_trace_starts_what_is_due_all_the_same(void **state) {
  (void)state;
  const struct mts_lookup_opts opts = {.depth = MTS_DEPTH_POLICY, .freshness = MTS_USE_CACHED, .no_trace = true};
  told_open(&told, (const char *[]){"background", "yes", "memory_s", "3600", NULL});
  tell_a_test(&told);
  look(MTS_DEPTH_POLICY, MTS_CHECK_DUE, MTS_ACTION_REQUIRE);
  for (size_t round = 1; round <= 3; round++) {
    for (int i = 0; i < 2; i++) {
      struct mts_answer *answer = NULL;
      assert_int_equal(mts_lookup(told.m, "a.test", &opts, &answer), MTS_OK);
      assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
      mts_answer_free(&answer);
      run_out(&told);
      assert_int_equal(txt_count(&told), round);
    }
    pass_s(&told, 301);
  }
  told_close(&told);
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_WORLD(a_policy_that_expired_within_the_records_ttl_is_fetched_again),
      IN_WORLD(after_a_failed_get_a_new_id_is_looked_for_each_minute),
      IN_WORLD(times_after_a_missing_record_are_bounded),
      IN_WORLD(absence_lasts_as_long_as_its_negative_ttl),
      IN_WORLD(one_failed_get_late_in_life_is_no_alarm_but_two_are),
      IN_WORLD(check_always_fetches_whatever_is_known),
      IN_WORLD(who_joins_and_wants_more_gets_more),
      IN_WORLD(without_background_a_cached_policy_starts_nothing),
      IN_WORLD(cache_only_asks_nothing_at_any_depth),
      IN_WORLD(what_was_fetched_just_now_is_not_checked_again_before_mail_fails),
      IN_WORLD(a_rule_that_is_resumed_after_the_deadline_still_counts_once_and_no_more_is_asked),
      IN_WORLD(a_probe_has_its_own_time_beyond_the_mails),
      IN_WORLD(dane_needs_a_secure_mx_and_says_nothing_from_insecure_tlsa),
      IN_WORLD(under_mode_none_every_host_is_permitted),
      IN_WORLD(an_exception_from_enforce_permits_every_host),
      IN_WORLD(after_the_deadline_nothing_is_checked_again),
      IN_WORLD(a_cached_policy_is_not_deferred_by_on_dns_failure),
      cmocka_unit_test(an_answer_without_trace_starts_what_is_due_all_the_same),
      cmocka_unit_test(an_answer_without_trace_says_the_same_as_one_with_it),
  };
  return cmocka_run_group_tests_name("edges", tests, NULL, NULL);
}
