/* SPDX-License-Identifier: ISC
 * The promises about the mail hosts of a lookup, in a told world: their order, the policy's word, DANE. */
#include "told_world.h"

static void the_mx_order_of_dns_is_kept(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  tell_records(&told, "a.test", MTS_RR_MX, MTS_DNSSEC_INSECURE,
               (const char *[]){"20 mx1.a.test", "10 mx2.a.test", "20 mx3.a.test", "10 mx4.a.test", NULL});
  struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_HOSTS, MTS_CHECK_DUE);
  static const char *const expected[] = {"mx2.a.test", "mx4.a.test", "mx1.a.test", "mx3.a.test"};
  assert_int_equal(answer->host_count, 4);
  for (size_t i = 0; i < 4; i++) assert_string_equal(answer->hosts[i].name, expected[i]);
  assert_int_equal(answer->action, MTS_ACTION_REQUIRE);
  mts_answer_free(&answer);
  told_close(&told);
}

static void enforce_that_fails_everywhere_checks_the_id_again_and_defers(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  tell_records(&told, "a.test", MTS_RR_MX, MTS_DNSSEC_INSECURE, (const char *[]){"10 mx2.a.test", NULL});
  answer = ask(&told, "a.test", MTS_DEPTH_HOSTS, MTS_USE_CACHED);
  assert_int_equal(answer->action, MTS_ACTION_DEFER);
  assert_int_equal(txt_count(&told), 2);
  mts_answer_free(&answer);
  /* With a new policy that permits the host, mail flows without waiting for the record's TTL. */
  tell_txt(&told, "_mta-sts.a.test", "v=STSv1; id=2", 300);
  tell_policy(&told, "mta-sts.a.test", "version: STSv1\nmode: enforce\nmx: *.a.test\nmax_age: 604800\n");
  answer = ask(&told, "a.test", MTS_DEPTH_HOSTS, MTS_USE_CACHED);
  assert_int_equal(answer->action, MTS_ACTION_REQUIRE);
  assert_string_equal(answer->id, "2");
  mts_answer_free(&answer);
  told_close(&told);
}

static void testing_records_and_delivers(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  tell_policy(&told, "mta-sts.a.test", TESTING_MX1);
  tell_records(&told, "a.test", MTS_RR_MX, MTS_DNSSEC_INSECURE, (const char *[]){"10 mx2.a.test", NULL});
  struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_HOSTS, MTS_CHECK_DUE);
  assert_int_equal(answer->action, MTS_ACTION_RECORD);
  assert_int_equal(answer->hosts[0].err, MTS_ERR_MX_UNMATCHED);
  mts_answer_free(&answer);
  told_close(&told);
}

static void a_bad_certificate_everywhere_defers_under_enforce(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  assert_int_equal(mts_fake_smtp(told.fake, "mx1.a.test", MTS_ERR_CERT_NAME, 0), MTS_OK);
  struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_TLS, MTS_CHECK_DUE);
  assert_int_equal(answer->hosts[0].err, MTS_ERR_CERT_NAME);
  assert_int_equal(answer->action, MTS_ACTION_DEFER);
  mts_answer_free(&answer);
  told_close(&told);
}

static void usable_secure_tlsa_records_win_over_the_policy(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  tell_records(&told, "a.test", MTS_RR_MX, MTS_DNSSEC_SECURE, (const char *[]){"10 mx9.a.test", NULL});
  tell_records(&told, "mx9.a.test", MTS_RR_A, MTS_DNSSEC_SECURE, (const char *[]){"192.0.2.9", NULL});
  tell_records(&told, "mx9.a.test", MTS_RR_AAAA, MTS_DNSSEC_SECURE, (const char *[]){"2001:db8::9", NULL});
  tell_records(&told, "_25._tcp.mx9.a.test", MTS_RR_TLSA, MTS_DNSSEC_SECURE,
               (const char *[]){"3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL});
  assert_int_equal(mts_fake_smtp(told.fake, "mx9.a.test", MTS_OK, 0), MTS_OK);
  struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_TLS, MTS_CHECK_DUE);
  assert_int_equal(answer->hosts[0].guard, MTS_GUARD_DANE);
  assert_int_equal(answer->hosts[0].err, MTS_OK);
  assert_int_equal(answer->action, MTS_ACTION_REQUIRE);
  mts_answer_free(&answer);
  /* MTA-STS never rescues a DANE failure. */
  assert_int_equal(mts_fake_smtp(told.fake, "mx9.a.test", MTS_ERR_TLSA_INVALID, 0), MTS_OK);
  answer = ask(&told, "a.test", MTS_DEPTH_TLS, MTS_CHECK_DUE);
  assert_int_equal(answer->hosts[0].err, MTS_ERR_TLSA_INVALID);
  assert_int_equal(answer->action, MTS_ACTION_DEFER);
  mts_answer_free(&answer);
  told_close(&told);
}

static void a_failing_tlsa_lookup_makes_a_host_unreachable(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  tell_records(&told, "a.test", MTS_RR_MX, MTS_DNSSEC_SECURE, (const char *[]){"10 mx1.a.test", NULL});
  tell_records(&told, "mx1.a.test", MTS_RR_A, MTS_DNSSEC_SECURE, (const char *[]){"192.0.2.9", NULL});
  tell_records(&told, "mx1.a.test", MTS_RR_AAAA, MTS_DNSSEC_SECURE, (const char *[]){"2001:db8::9", NULL});
  tell_dns_error(&told, "_25._tcp.mx1.a.test", MTS_RR_TLSA, MTS_ERR_DNS_SERVFAIL);
  struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_HOSTS, MTS_CHECK_DUE);
  assert_int_equal(answer->hosts[0].guard, MTS_GUARD_UNKNOWN);
  assert_int_equal(answer->hosts[0].err, MTS_ERR_DNS_SERVFAIL);
  assert_int_equal(answer->action, MTS_ACTION_DEFER);
  mts_answer_free(&answer);
  told_close(&told);
}

static void tlsa_records_without_dnssec_do_not_count(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_a_test(&told);
  tell_records(&told, "_25._tcp.mx1.a.test", MTS_RR_TLSA, MTS_DNSSEC_INSECURE,
               (const char *[]){"3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL});
  struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_HOSTS, MTS_CHECK_DUE);
  assert_int_equal(answer->hosts[0].guard, MTS_GUARD_STS);
  mts_answer_free(&answer);
  told_close(&told);
}

#define A_TLSA "3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* a.test with one host in signed zones, and TLSA records of it. */
static void tell_dane(struct told *told, const char *tlsa) {
  tell_a_test(told);
  tell_records(told, "a.test", MTS_RR_MX, MTS_DNSSEC_SECURE, (const char *[]){"10 mx1.a.test", NULL});
  tell_records(told, "mx1.a.test", MTS_RR_A, MTS_DNSSEC_SECURE, (const char *[]){"192.0.2.9", NULL});
  tell_records(told, "mx1.a.test", MTS_RR_AAAA, MTS_DNSSEC_SECURE, (const char *[]){"2001:db8::9", NULL});
  tell_records(told, "_25._tcp.mx1.a.test", MTS_RR_TLSA, MTS_DNSSEC_SECURE, (const char *[]){tlsa, NULL});
}

static void expect_host(struct told *told, enum mts_guard guard, enum mts_err err, enum mts_action action) {
  struct mts_answer *answer = ask(told, "a.test", MTS_DEPTH_HOSTS, MTS_CHECK_DUE);
  assert_int_equal(answer->host_count, 1);
  assert_int_equal(answer->hosts[0].guard, guard);
  assert_int_equal(answer->hosts[0].err, err);
  assert_int_equal(answer->action, action);
  mts_answer_free(&answer);
}

static void who_blocks_one_of_both_address_questions_does_not_switch_dane_off(void **state) {
  (void)state;
  static const enum mts_rrtype types[] = {MTS_RR_A, MTS_RR_AAAA};
  for (size_t i = 0; i < 2; i++) {
    struct told told;
    told_open(&told, NULL);
    tell_dane(&told, A_TLSA);
    tell_dns_error(&told, "mx1.a.test", types[i], MTS_ERR_DNS_SERVFAIL);
    expect_host(&told, MTS_GUARD_DANE, MTS_OK, MTS_ACTION_REQUIRE);
    told_close(&told);
  }
}

static void a_host_of_a_secure_mx_whose_addresses_cannot_be_learned_is_unreachable(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_dane(&told, A_TLSA);
  tell_dns_error(&told, "mx1.a.test", MTS_RR_A, MTS_ERR_DNS_SERVFAIL);
  tell_dns_error(&told, "mx1.a.test", MTS_RR_AAAA, MTS_ERR_DNS_SERVFAIL);
  expect_host(&told, MTS_GUARD_UNKNOWN, MTS_ERR_DNS_SERVFAIL, MTS_ACTION_DEFER);
  /* An insecure MX has no DANE to hide; whoever delivers asks for the addresses again. */
  tell_records(&told, "a.test", MTS_RR_MX, MTS_DNSSEC_INSECURE, (const char *[]){"10 mx1.a.test", NULL});
  expect_host(&told, MTS_GUARD_STS, MTS_OK, MTS_ACTION_REQUIRE);
  told_close(&told);
}

static void insecure_addresses_of_a_secure_mx_get_no_tlsa_question(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_dane(&told, A_TLSA);
  tell_records(&told, "mx1.a.test", MTS_RR_AAAA, MTS_DNSSEC_INSECURE, (const char *[]){"2001:db8::9", NULL});
  expect_host(&told, MTS_GUARD_STS, MTS_OK, MTS_ACTION_REQUIRE);
  assert_int_equal(mts_fake_count_dns(told.fake, "_25._tcp.mx1.a.test", MTS_RR_TLSA), 0);
  told_close(&told);
}

static void a_slow_tlsa_answer_at_the_deadline_leaves_the_host_unreachable(void **state) {
  (void)state;
  struct told told;
  struct mts_span record = mts_span_of(A_TLSA);
  told_open(&told, NULL);
  tell_dane(&told, A_TLSA);
  assert_int_equal(mts_fake_dns(told.fake, "_25._tcp.mx1.a.test", MTS_RR_TLSA, MTS_OK, &record, 1, 300, MTS_DNSSEC_SECURE, 5000),
                   MTS_OK);
  struct mts_answer *answer = NULL;
  struct mts_lookup_opts opts = {.depth = MTS_DEPTH_HOSTS, .deadline_ms = 3000};
  assert_int_equal(mts_lookup(told.m, "a.test", &opts, &answer), MTS_OK);
  assert_int_equal(answer->hosts_err, MTS_ERR_DEADLINE);
  assert_int_equal(answer->hosts[0].guard, MTS_GUARD_UNKNOWN);
  assert_int_equal(answer->action, MTS_ACTION_DEFER);
  mts_answer_free(&answer);
  told_close(&told);
}

static void tlsa_records_that_smtp_cannot_use_leave_the_host_to_the_policy(void **state) {
  (void)state;
  /* PKIX usages, a selector and a matching type nobody knows, digests cut short (RFC 7672 3.1, RFC 7671 2.1.1) */
  static const char *const unusable[] = {
      "0 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
      "1 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
      "3 2 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
      "3 1 3 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
      "3 1 1 0123456789abcdef",
      "3 1 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
  };
  for (size_t i = 0; i < sizeof unusable / sizeof *unusable; i++) {
    struct told told;
    told_open(&told, NULL);
    tell_dane(&told, unusable[i]);
    expect_host(&told, MTS_GUARD_STS, MTS_OK, MTS_ACTION_REQUIRE);
    told_close(&told);
  }
}

static void the_host_of_a_domain_without_mx_and_a_smart_host_have_dane_too(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  tell_txt(&told, "_mta-sts.b.test", "v=STSv1; id=1", 300);
  tell_policy(&told, "mta-sts.b.test", "version: STSv1\nmode: enforce\nmx: b.test\nmax_age: 604800\n");
  tell_dns_error(&told, "b.test", MTS_RR_MX, MTS_ERR_DNS_NODATA);
  assert_int_equal(mts_fake_dns(told.fake, "b.test", MTS_RR_MX, MTS_ERR_DNS_NODATA, NULL, 0, 60, MTS_DNSSEC_SECURE, 0), MTS_OK);
  tell_records(&told, "b.test", MTS_RR_A, MTS_DNSSEC_SECURE, (const char *[]){"192.0.2.9", NULL});
  tell_records(&told, "_25._tcp.b.test", MTS_RR_TLSA, MTS_DNSSEC_SECURE, (const char *[]){A_TLSA, NULL});
  static const char *const destinations[] = {"b.test", "[b.test]"};
  for (size_t i = 0; i < 2; i++) {
    struct mts_answer *answer = ask(&told, destinations[i], MTS_DEPTH_HOSTS, MTS_CHECK_DUE);
    assert_int_equal(answer->host_count, 1);
    assert_int_equal(answer->hosts[0].guard, MTS_GUARD_DANE);
    mts_answer_free(&answer);
  }
  told_close(&told);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_mx_order_of_dns_is_kept),
      cmocka_unit_test(enforce_that_fails_everywhere_checks_the_id_again_and_defers),
      cmocka_unit_test(testing_records_and_delivers),
      cmocka_unit_test(a_bad_certificate_everywhere_defers_under_enforce),
      cmocka_unit_test(usable_secure_tlsa_records_win_over_the_policy),
      cmocka_unit_test(a_failing_tlsa_lookup_makes_a_host_unreachable),
      cmocka_unit_test(tlsa_records_without_dnssec_do_not_count),
      cmocka_unit_test(who_blocks_one_of_both_address_questions_does_not_switch_dane_off),
      cmocka_unit_test(a_host_of_a_secure_mx_whose_addresses_cannot_be_learned_is_unreachable),
      cmocka_unit_test(insecure_addresses_of_a_secure_mx_get_no_tlsa_question),
      cmocka_unit_test(a_slow_tlsa_answer_at_the_deadline_leaves_the_host_unreachable),
      cmocka_unit_test(tlsa_records_that_smtp_cannot_use_leave_the_host_to_the_policy),
      cmocka_unit_test(the_host_of_a_domain_without_mx_and_a_smart_host_have_dane_too),
  };
  return cmocka_run_group_tests_name("hosts", tests, NULL, NULL);
}
