/* SPDX-License-Identifier: ISC
 * The promises about one lookup, in a told world: each test's name is the rule. */
#include "told_world.h"

static void a_policy_is_found_and_applies(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  struct mts_answer *answer = ask(&told, "User@A.Test.", MTS_DEPTH_HOSTS, MTS_CHECK_DUE);
  assert_string_equal(answer->domain, "a.test");
  assert_int_equal(answer->action, MTS_ACTION_REQUIRE);
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
  assert_int_equal(answer->from, MTS_FROM_NETWORK);
  assert_string_equal(answer->id, "1");
  assert_int_equal(answer->expires_at - answer->fetched_at, 604800);
  assert_int_equal(answer->host_count, 2);
  assert_string_equal(answer->hosts[0].name, "mx1.a.test");
  assert_true(answer->hosts[0].permitted);
  assert_int_equal(answer->hosts[0].guard, MTS_GUARD_STS);
  assert_false(answer->hosts[1].permitted);
  assert_int_equal(answer->hosts[1].err, MTS_ERR_MX_UNMATCHED);
  assert_true(answer->step_count >= 6);
  mts_answer_free(&answer);
  told_close(&told);
}

static void a_domain_without_record_gets_no_get_and_is_delivered(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  struct mts_answer *answer = ask_policy(&told, "nothing.test");
  assert_int_equal(answer->action, MTS_ACTION_DELIVER);
  assert_int_equal(answer->refresh_error.err, MTS_ERR_RECORD_NONE);
  assert_null(answer->policy);
  assert_int_equal(mts_fake_count_https(told.fake, NULL), 0);
  mts_answer_free(&answer);
  told_close(&told);
}

static void absence_is_remembered_for_the_negative_ttl(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_dns_error(&told, "_mta-sts.a.test", MTS_RR_TXT, MTS_ERR_DNS_NXDOMAIN);
  for (int i = 0; i < 3; i++) {
    struct mts_answer *answer = ask_policy(&told, "a.test");
    mts_answer_free(&answer);
  }
  assert_int_equal(txt_count(&told), 1);
  pass_s(&told, 3601);
  tell_a_test(&told);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
  mts_answer_free(&answer);
  told_close(&told);
}

static void names_that_are_no_domain_need_no_lookup(void **state) {
  (void)state;
  struct told told;
  struct mts_answer *answer = NULL;
  told_open(&told, NULL);
  assert_int_equal(mts_lookup(told.m, "", NULL, &answer), MTS_ERR_NAME_EMPTY);
  assert_int_equal(mts_lookup(told.m, "[192.0.2.1]", NULL, &answer), MTS_ERR_NAME_LITERAL);
  assert_int_equal(mts_lookup(told.m, ".good.loc", NULL, &answer), MTS_ERR_NAME_SYNTAX);
  assert_int_equal(mts_lookup(told.m, "a..b", NULL, &answer), MTS_ERR_NAME_SYNTAX);
  assert_null(answer);
  assert_int_equal(mts_fake_count_dns(told.fake, NULL, MTS_RR_TXT), 0);
  told_close(&told);
}

static void a_smart_host_is_its_own_policy_domain_and_gets_no_mx_lookup(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_txt(&told, "_mta-sts.relay.test", "v=STSv1; id=7", 300);
  tell_policy(&told, "mta-sts.relay.test", "version: STSv1\nmode: enforce\nmx: relay.test\nmax_age: 604800\n");
  assert_int_equal(mts_fake_smtp(told.fake, "relay.test", MTS_OK, 0), MTS_OK);
  struct mts_answer *answer = ask(&told, "[relay.test]:587", MTS_DEPTH_HOSTS, MTS_CHECK_DUE);
  assert_true(answer->smarthost);
  assert_string_equal(answer->domain, "relay.test");
  assert_int_equal(answer->action, MTS_ACTION_REQUIRE);
  assert_int_equal(answer->host_count, 1);
  assert_string_equal(answer->hosts[0].name, "relay.test");
  assert_int_equal(mts_fake_count_dns(told.fake, "relay.test", MTS_RR_MX), 0);
  mts_answer_free(&answer);
  told_close(&told);
}

static void an_unexpired_policy_applies_through_every_live_failure(void **state) {
  (void)state;
  static const enum mts_err failures[] = {MTS_ERR_DNS_NXDOMAIN, MTS_ERR_DNS_SERVFAIL, MTS_ERR_DNS_TIMEOUT};
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  for (size_t i = 0; i < 3; i++) {
    pass_s(&told, 3700);
    tell_dns_error(&told, "_mta-sts.a.test", MTS_RR_TXT, failures[i]);
    answer = ask_policy(&told, "a.test");
    assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
    assert_int_equal(answer->action, MTS_ACTION_REQUIRE);
    assert_int_equal(answer->refresh_error.err, i == 0 ? MTS_ERR_RECORD_NONE : failures[i]);
    mts_answer_free(&answer);
  }
  pass_s(&told, 3700);
  tell_txt(&told, "_mta-sts.a.test", "v=STSv1; broken", 300);
  answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
  assert_int_equal(answer->refresh_error.err, MTS_ERR_RECORD_SYNTAX);
  mts_answer_free(&answer);
  assert_int_equal(get_count(&told), 1);
  told_close(&told);
}

static void a_new_id_whose_get_fails_leaves_the_old_policy_in_force(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  pass_s(&told, 301);
  tell_txt(&told, "_mta-sts.a.test", "v=STSv1; id=2", 300);
  tell_fetch_error(&told, "mta-sts.a.test", MTS_ERR_HTTPS_CONNECT);
  answer = ask_policy(&told, "a.test");
  assert_string_equal(answer->id, "1");
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
  assert_int_equal(answer->refresh_error.err, MTS_ERR_HTTPS_CONNECT);
  mts_answer_free(&answer);
  told_close(&told);
}

static void a_new_id_brings_the_new_policy_and_none_drops_a_stricter_one(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  pass_s(&told, 301);
  tell_txt(&told, "_mta-sts.a.test", "v=STSv1; id=2", 300);
  tell_policy(&told, "mta-sts.a.test", NONE_POLICY);
  answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->mode, MTS_MODE_NONE);
  assert_int_equal(answer->action, MTS_ACTION_DELIVER);
  assert_string_equal(answer->id, "2");
  mts_answer_free(&answer);
  told_close(&told);
}

static void within_the_records_ttl_nothing_is_asked(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  for (int i = 0; i < 10; i++) {
    struct mts_answer *answer = ask_policy(&told, "a.test");
    mts_answer_free(&answer);
    pass_s(&told, 29);
  }
  assert_int_equal(txt_count(&told), 1);
  pass_s(&told, 60);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  assert_int_equal(txt_count(&told), 2);
  assert_int_equal(get_count(&told), 1);
  told_close(&told);
}

static void a_ttl_below_a_minute_counts_as_a_minute(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  tell_txt(&told, "_mta-sts.a.test", "v=STSv1; id=1", 1);
  for (int i = 0; i < 6; i++) {
    struct mts_answer *answer = ask_policy(&told, "a.test");
    mts_answer_free(&answer);
    pass_s(&told, 9);
  }
  assert_int_equal(txt_count(&told), 1);
  told_close(&told);
}

static void expiry_counts_from_the_last_get_and_a_get_happens_daily_with_the_same_id(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  int64_t first_expiry = answer->expires_at;
  mts_answer_free(&answer);
  pass_s(&told, DAY_S / 2);
  answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->expires_at, first_expiry); /* an id check is no fetch */
  assert_int_equal(get_count(&told), 1);
  mts_answer_free(&answer);
  pass_s(&told, DAY_S / 2 + 1);
  answer = ask_policy(&told, "a.test");
  assert_int_equal(get_count(&told), 2);
  assert_int_equal(answer->expires_at, first_expiry + DAY_S + 1);
  mts_answer_free(&answer);
  told_close(&told);
}

static void the_daily_get_happens_though_dns_is_blocked(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  int64_t first_expiry = answer->expires_at;
  mts_answer_free(&answer);
  tell_dns_error(&told, "_mta-sts.a.test", MTS_RR_TXT, MTS_ERR_DNS_TIMEOUT);
  pass_s(&told, DAY_S + 1);
  answer = ask_policy(&told, "a.test");
  assert_int_equal(get_count(&told), 2);
  assert_true(answer->expires_at > first_expiry);
  assert_string_equal(answer->id, "1");
  mts_answer_free(&answer);
  told_close(&told);
}

static void a_policy_expires(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  tell_dns_error(&told, "_mta-sts.a.test", MTS_RR_TXT, MTS_ERR_DNS_NXDOMAIN);
  tell_fetch_error(&told, "mta-sts.a.test", MTS_ERR_HTTPS_CONNECT);
  pass_s(&told, 604800);
  answer = ask(&told, "a.test", MTS_DEPTH_POLICY, MTS_CACHE_ONLY);
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE); /* its age has not exceeded max_age */
  mts_answer_free(&answer);
  pass_s(&told, 1);
  answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->mode, MTS_MODE_NONE);
  assert_int_equal(answer->action, MTS_ACTION_DELIVER);
  assert_null(answer->policy);
  mts_answer_free(&answer);
  told_close(&told);
}

static void a_failed_get_is_not_repeated_for_five_minutes_but_a_new_id_is_tried_at_once(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  tell_fetch_error(&told, "mta-sts.a.test", MTS_ERR_HTTPS_CERT_NAME);
  for (int second = 0; second < 300; second += 20) {
    struct mts_answer *answer = ask_policy(&told, "a.test");
    assert_int_equal(answer->action, MTS_ACTION_DELIVER);
    assert_int_equal(answer->refresh_error.err, MTS_ERR_HTTPS_CERT_NAME);
    mts_answer_free(&answer);
    pass_s(&told, 20);
  }
  assert_int_equal(get_count(&told), 1);
  tell_txt(&told, "_mta-sts.a.test", "v=STSv1; id=2", 300);
  tell_policy(&told, "mta-sts.a.test", ENFORCE_MX1);
  pass_s(&told, 61);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
  assert_int_equal(answer->refresh_error.err, MTS_OK);
  mts_answer_free(&answer);
  told_close(&told);
}

static void the_wait_after_failed_gets_grows(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  tell_fetch_error(&told, "mta-sts.a.test", MTS_ERR_HTTPS_CONNECT);
  for (int minute = 0; minute < 24 * 60; minute++) {
    struct mts_answer *answer = ask_policy(&told, "a.test");
    mts_answer_free(&answer);
    pass_s(&told, 61);
  }
  /* 5, 10, 20, 40, 80, 160, 320, 640 minutes, each up to a quarter longer. */
  assert_in_range(get_count(&told), 6, 10);
  told_close(&told);
}

static void a_temporary_dns_failure_delivers_by_default_and_is_not_kept_as_absence(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  tell_dns_error(&told, "_mta-sts.a.test", MTS_RR_TXT, MTS_ERR_DNS_SERVFAIL);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->action, MTS_ACTION_DELIVER);
  assert_int_equal(answer->refresh_error.err, MTS_ERR_DNS_SERVFAIL);
  mts_answer_free(&answer);
  tell_txt(&told, "_mta-sts.a.test", "v=STSv1; id=1", 300);
  pass_s(&told, 11);
  answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
  mts_answer_free(&answer);
  told_close(&told);
}

static void when_no_name_server_answers_the_wait_is_not_doubled_by_the_mx(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  tell_dns_error(&told, "_mta-sts.a.test", MTS_RR_TXT, MTS_ERR_DNS_TIMEOUT);
  struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_HOSTS, MTS_CHECK_DUE);
  assert_int_equal(answer->action, MTS_ACTION_DELIVER);
  assert_int_equal(answer->hosts_err, MTS_ERR_DNS_TIMEOUT);
  assert_int_equal(mts_fake_count_dns(told.fake, "a.test", MTS_RR_MX), 0);
  mts_answer_free(&answer);
  told_close(&told);
}

static void a_temporary_dns_failure_defers_where_the_operator_says_so(void **state) {
  (void)state;
  struct told told;
  told_open(&told, (const char *[]){"on_dns_failure", "defer", NULL});
  tell_dns_error(&told, "_mta-sts.a.test", MTS_RR_TXT, MTS_ERR_DNS_SERVFAIL);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->action, MTS_ACTION_DEFER);
  mts_answer_free(&answer);
  answer = ask_policy(&told, "other.test");
  assert_int_equal(answer->action, MTS_ACTION_DELIVER); /* surely no record */
  mts_answer_free(&answer);
  told_close(&told);
}

static void a_private_policy_host_is_not_asked(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  tell_records(&told, "mta-sts.a.test", MTS_RR_A, MTS_DNSSEC_INSECURE, (const char *[]){"10.0.0.1", "127.0.0.1", NULL});
  struct mts_answer *answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->refresh_error.err, MTS_ERR_HTTPS_FORBIDDEN);
  assert_int_equal(get_count(&told), 0);
  mts_answer_free(&answer);
  told_close(&told);

  told_open(&told, (const char *[]){"allow_private", "yes", NULL});
  tell_a_test(&told);
  tell_records(&told, "mta-sts.a.test", MTS_RR_A, MTS_DNSSEC_INSECURE, (const char *[]){"10.0.0.1", NULL});
  answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
  mts_answer_free(&answer);
  told_close(&told);
}

struct counted {
  size_t done, enforced;
};

static void count_answer(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct counted *counted = arg;
  assert_int_equal(err, MTS_OK);
  counted->done++;
  counted->enforced += answer->mode == MTS_MODE_ENFORCE;
  mts_answer_free(&answer);
}

static void a_hundred_equal_cold_lookups_make_one_txt_query_and_one_get(void **state) {
  (void)state;
  struct told told;
  struct counted counted = {0};
  told_open(&told, NULL);
  tell_a_test(&told);
  for (int i = 0; i < 100; i++) {
    struct mts_lookup *lookup = NULL;
    assert_int_equal(mts_lookup_start(told.m, "a.test", NULL, count_answer, &counted, &lookup), MTS_OK);
    assert_non_null(lookup);
  }
  run_out(&told);
  assert_int_equal(counted.done, 100);
  assert_int_equal(counted.enforced, 100);
  assert_int_equal(txt_count(&told), 1);
  assert_int_equal(get_count(&told), 1);
  told_close(&told);
}

static void a_hanging_policy_host_delays_no_other_lookup(void **state) {
  (void)state;
  struct told told;
  struct counted counted = {0};
  told_open(&told, NULL);
  tell_a_test(&told);
  tell_txt(&told, "_mta-sts.hang.test", "v=STSv1; id=1", 300);
  assert_int_equal(mts_fake_https(told.fake, "mta-sts.hang.test", MTS_OK, 200, "text/plain", mts_span_of(ENFORCE_MX1), 3600000),
                   MTS_OK);
  struct mts_lookup *hanging = NULL, *quick = NULL;
  assert_int_equal(mts_lookup_start(told.m, "hang.test", NULL, count_answer, &counted, &hanging), MTS_OK);
  assert_int_equal(mts_lookup_start(told.m, "a.test", NULL, count_answer, &counted, &quick), MTS_OK);
  int64_t before = mts_now(told.m);
  while (counted.done == 0) assert_true(mts_turn(told.m, -1));
  assert_int_equal(mts_now(told.m), before);
  assert_int_equal(counted.enforced, 1);
  while (counted.done == 1) assert_true(mts_turn(told.m, -1));
  assert_int_equal(mts_now(told.m), before + 10); /* the deadline while mail waits */
  told_close(&told);
}

static void a_lookup_that_ran_into_its_deadline_is_not_repeated_at_once(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  assert_int_equal(mts_fake_https(told.fake, "mta-sts.a.test", MTS_OK, 200, "text/plain", mts_span_of(ENFORCE_MX1), 3600000),
                   MTS_OK);
  int64_t before = mts_now(told.m);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->action, MTS_ACTION_DELIVER);
  assert_int_equal(answer->refresh_error.err, MTS_ERR_HTTPS_DEADLINE);
  assert_int_equal(mts_now(told.m), before + 10);
  mts_answer_free(&answer);
  answer = ask_policy(&told, "a.test");
  assert_int_equal(mts_now(told.m), before + 10);
  mts_answer_free(&answer);
  assert_int_equal(get_count(&told), 1);
  told_close(&told);
}

static void a_slow_fetch_goes_on_in_the_background_and_is_kept(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  assert_int_equal(mts_fake_https(told.fake, "mta-sts.a.test", MTS_OK, 200, "text/plain", mts_span_of(ENFORCE_MX1), 30000), MTS_OK);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->action, MTS_ACTION_DELIVER);
  mts_answer_free(&answer);
  run_out(&told);
  answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
  assert_int_equal(answer->refresh_error.err, MTS_OK);
  mts_answer_free(&answer);
  assert_int_equal(get_count(&told), 1);
  told_close(&told);
}

static void a_cached_policy_answers_before_the_call_returns(void **state) {
  (void)state;
  struct told told;
  struct counted counted = {0};
  told_open(&told, (const char *[]){"background", "yes", NULL});
  tell_a_test(&told);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  pass_s(&told, 301);
  struct mts_lookup *lookup = NULL;
  assert_int_equal(mts_lookup_start(told.m, "a.test", NULL, count_answer, &counted, &lookup), MTS_OK);
  assert_int_equal(counted.enforced, 1);
  assert_null(lookup);
  assert_int_equal(txt_count(&told), 1);
  run_out(&told);
  assert_int_equal(txt_count(&told), 2); /* the check went on in the background */
  told_close(&told);
}

static void cancelled_lookups_leave_nothing_behind(void **state) {
  (void)state;
  struct told told;
  struct counted counted = {0};
  told_open(&told, NULL);
  tell_a_test(&told);
  for (int turns = 0; turns < 12; turns++) {
    struct mts_lookup *lookup = NULL;
    struct mts_lookup_opts opts = {.depth = MTS_DEPTH_TLS, .freshness = MTS_CHECK_ALWAYS};
    assert_int_equal(mts_lookup_start(told.m, "a.test", &opts, count_answer, &counted, &lookup), MTS_OK);
    for (int i = 0; i < turns && counted.done == 0; i++) mts_turn(told.m, 0);
    if (counted.done == 0) mts_lookup_cancel(&lookup);
    counted = (struct counted){0};
  }
  run_out(&told);
  told_close(&told);
}

static enum mts_hook_result except_a(void *arg, enum mts_hook hook, struct mts_lookup *lookup, const struct mts_answer *so_far,
                                     struct mts_opinion *opinion) {
  (void)lookup;
  unsigned *asked = arg;
  asked[hook]++;
  if (hook != MTS_HOOK_POLICY || strcmp(so_far->domain, "a.test") != 0) return MTS_HOOK_NO_OPINION;
  *opinion = (struct mts_opinion){.mode = MTS_MODE_NONE, .reason = "their new MX is not in the policy yet"};
  return MTS_HOOK_OPINION;
}

static void a_rule_makes_an_exception_with_its_reason(void **state) {
  (void)state;
  struct told told;
  unsigned asked[2] = {0};
  told_open(&told, NULL);
  tell_a_test(&told);
  mts_set_hooks(told.m, except_a, NULL, asked);
  struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_HOSTS, MTS_CHECK_DUE);
  assert_int_equal(answer->action, MTS_ACTION_DELIVER);
  assert_int_equal(answer->from, MTS_FROM_RULE);
  assert_string_equal(answer->reason, "their new MX is not in the policy yet");
  assert_int_equal(asked[MTS_HOOK_POLICY], 1);
  mts_answer_free(&answer);
  struct mts_lookup_opts plain = {.no_rules = true};
  assert_int_equal(mts_lookup(told.m, "a.test", &plain, &answer), MTS_OK);
  assert_int_equal(answer->action, MTS_ACTION_REQUIRE);
  mts_answer_free(&answer);
  told_close(&told);
}

static void after_a_clock_was_set_back_dns_is_not_asked_by_every_mail(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  mts_fake_set_now(told.fake, START_MS + INT64_C(400) * DAY_S * 1000);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  mts_fake_set_now(told.fake, START_MS);
  for (int i = 0; i < 5; i++) {
    answer = ask_policy(&told, "a.test");
    assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
    mts_answer_free(&answer);
  }
  assert_int_equal(txt_count(&told), 2);
  assert_int_equal(get_count(&told), 2);
  told_close(&told);
}

static void a_record_that_flaps_between_two_ids_gets_the_failing_one_fetched_once(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  tell_txt(&told, "_mta-sts.a.test", "v=STSv1; id=1", 60);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  tell_fetch_error(&told, "mta-sts.a.test", MTS_ERR_HTTPS_CONNECT);
  for (int i = 0; i < 4; i++) {
    pass_s(&told, 61);
    tell_txt(&told, "_mta-sts.a.test", i % 2 ? "v=STSv1; id=1" : "v=STSv1; id=2", 60);
    answer = ask_policy(&told, "a.test");
    assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
    mts_answer_free(&answer);
  }
  assert_int_equal(get_count(&told), 2);
  told_close(&told);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_policy_is_found_and_applies),
      cmocka_unit_test(a_domain_without_record_gets_no_get_and_is_delivered),
      cmocka_unit_test(absence_is_remembered_for_the_negative_ttl),
      cmocka_unit_test(names_that_are_no_domain_need_no_lookup),
      cmocka_unit_test(a_smart_host_is_its_own_policy_domain_and_gets_no_mx_lookup),
      cmocka_unit_test(an_unexpired_policy_applies_through_every_live_failure),
      cmocka_unit_test(a_new_id_whose_get_fails_leaves_the_old_policy_in_force),
      cmocka_unit_test(a_new_id_brings_the_new_policy_and_none_drops_a_stricter_one),
      cmocka_unit_test(within_the_records_ttl_nothing_is_asked),
      cmocka_unit_test(a_ttl_below_a_minute_counts_as_a_minute),
      cmocka_unit_test(expiry_counts_from_the_last_get_and_a_get_happens_daily_with_the_same_id),
      cmocka_unit_test(the_daily_get_happens_though_dns_is_blocked),
      cmocka_unit_test(a_policy_expires),
      cmocka_unit_test(a_failed_get_is_not_repeated_for_five_minutes_but_a_new_id_is_tried_at_once),
      cmocka_unit_test(the_wait_after_failed_gets_grows),
      cmocka_unit_test(a_temporary_dns_failure_delivers_by_default_and_is_not_kept_as_absence),
      cmocka_unit_test(when_no_name_server_answers_the_wait_is_not_doubled_by_the_mx),
      cmocka_unit_test(a_temporary_dns_failure_defers_where_the_operator_says_so),
      cmocka_unit_test(a_private_policy_host_is_not_asked),
      cmocka_unit_test(a_hundred_equal_cold_lookups_make_one_txt_query_and_one_get),
      cmocka_unit_test(a_hanging_policy_host_delays_no_other_lookup),
      cmocka_unit_test(a_lookup_that_ran_into_its_deadline_is_not_repeated_at_once),
      cmocka_unit_test(a_slow_fetch_goes_on_in_the_background_and_is_kept),
      cmocka_unit_test(a_cached_policy_answers_before_the_call_returns),
      cmocka_unit_test(cancelled_lookups_leave_nothing_behind),
      cmocka_unit_test(after_a_clock_was_set_back_dns_is_not_asked_by_every_mail),
      cmocka_unit_test(a_record_that_flaps_between_two_ids_gets_the_failing_one_fetched_once),
      cmocka_unit_test(a_rule_makes_an_exception_with_its_reason),
  };
  return cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
}
