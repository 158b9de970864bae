/* SPDX-License-Identifier: ISC
 * What table-mtasts answers in a told world. */
#include <stdio.h>

#include "told_world.h"

#include "relays.h"
#include "service.h"

struct asked {
  struct told told;
  struct service *service;
  int answers;
  enum table_result result;
  char value[300];
};

static void answered(void *arg, enum table_result result, const char *value) {
  struct asked *asked = arg;
  asked->answers++;
  asked->result = result;
  snprintf(asked->value, sizeof asked->value, "%s", value ? value : "");
}

static void open_asked(struct asked *asked, const char *const *settings) {
  *asked = (struct asked){0};
  told_open(&asked->told, settings);
  assert_int_equal(service_new(asked->told.m, &asked->told.m->clock, 5000, answered, asked, &asked->service), MTS_OK);
}

static void close_asked(struct asked *asked) {
  service_free(&asked->service);
  told_close(&asked->told);
}

static void wait_for(struct asked *asked) {
  while (asked->answers == 0 && mts_turn(asked->told.m, -1)) continue;
  assert_int_equal(asked->answers, 1);
  asked->answers = 0;
}

static enum table_result domain(struct asked *asked, const char *name) {
  service_domain(asked->service, name);
  wait_for(asked);
  return asked->result;
}

static enum table_result relayhost(struct asked *asked, const char *name) {
  service_relayhost(asked->service, name);
  wait_for(asked);
  return asked->result;
}

static void a_domain_is_found_when_an_enforce_policy_applies(void **s) {
  (void)s;
  struct asked asked;
  open_asked(&asked, NULL);
  tell_a_test(&asked.told);
  assert_int_equal(domain(&asked, "a.test"), TABLE_FOUND);
  assert_int_equal(domain(&asked, "A.Test."), TABLE_FOUND);
  assert_int_equal(get_count(&asked.told), 1); /* the second came from memory */
  tell_txt(&asked.told, "_mta-sts.b.test", "v=STSv1; id=1", 300);
  tell_policy(&asked.told, "mta-sts.b.test", TESTING_MX1);
  assert_int_equal(domain(&asked, "b.test"), TABLE_NOT_FOUND);
  tell_txt(&asked.told, "_mta-sts.c.test", "v=STSv1; id=1", 300);
  tell_policy(&asked.told, "mta-sts.c.test", NONE_POLICY);
  assert_int_equal(domain(&asked, "c.test"), TABLE_NOT_FOUND);
  tell_dns_error(&asked.told, "_mta-sts.d.test", MTS_RR_TXT, MTS_ERR_DNS_NXDOMAIN);
  assert_int_equal(domain(&asked, "d.test"), TABLE_NOT_FOUND);
  close_asked(&asked);
}

static void what_is_no_domain_is_not_found(void **s) {
  (void)s;
  struct asked asked;
  open_asked(&asked, NULL);
  static const char *const names[] = {"[192.0.2.1]", "a..b", ".a", "a b", "-"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    service_domain(asked.service, names[i]);
    if (asked.answers == 0) wait_for(&asked);
    asked.answers = 0;
    assert_int_equal(asked.result, TABLE_NOT_FOUND);
  }
  assert_int_equal(relayhost(&asked, "[192.0.2.1]"), TABLE_ERROR);
  close_asked(&asked);
}

static void dns_trouble_is_not_found_or_an_error_as_the_setting_says(void **s) {
  (void)s;
  struct asked asked;
  open_asked(&asked, (const char *[]){"on_dns_failure", "defer", NULL});
  tell_dns_error(&asked.told, "_mta-sts.a.test", MTS_RR_TXT, MTS_ERR_DNS_SERVFAIL);
  assert_int_equal(domain(&asked, "a.test"), TABLE_ERROR);
  assert_string_equal(asked.value, mts_err_message(MTS_ERR_DNS_SERVFAIL));
  close_asked(&asked);
  open_asked(&asked, NULL);
  tell_dns_error(&asked.told, "_mta-sts.a.test", MTS_RR_TXT, MTS_ERR_DNS_SERVFAIL);
  assert_int_equal(domain(&asked, "a.test"), TABLE_NOT_FOUND);
  close_asked(&asked);
}

static void a_cached_policy_outlives_dns_trouble(void **s) {
  (void)s;
  struct asked asked;
  open_asked(&asked, (const char *[]){"on_dns_failure", "defer", NULL});
  tell_a_test(&asked.told);
  assert_int_equal(domain(&asked, "a.test"), TABLE_FOUND);
  tell_dns_error(&asked.told, "_mta-sts.a.test", MTS_RR_TXT, MTS_ERR_DNS_SERVFAIL);
  pass_s(&asked.told, DAY_S);
  assert_int_equal(domain(&asked, "a.test"), TABLE_FOUND);
  close_asked(&asked);
}

static void a_deadline_that_passes_is_an_error_and_the_next_time_there_is_an_answer(void **s) {
  (void)s;
  struct asked asked;
  open_asked(&asked, NULL);
  tell_a_test(&asked.told);
  assert_int_equal(mts_fake_https(asked.told.fake, "mta-sts.a.test", MTS_OK, 200, "text/plain", mts_span_of(ENFORCE_MX1), 20000),
                   MTS_OK);
  assert_int_equal(domain(&asked, "a.test"), TABLE_ERROR);
  run_out(&asked.told);
  assert_int_equal(domain(&asked, "a.test"), TABLE_FOUND);
  close_asked(&asked);
}

static void relayhost_names_the_first_permitted_host(void **s) {
  (void)s;
  struct asked asked;
  open_asked(&asked, NULL);
  tell_a_test(&asked.told);
  tell_records(&asked.told, "a.test", MTS_RR_MX, MTS_DNSSEC_INSECURE,
               (const char *[]){"5 attacker.b.test", "10 mx1.a.test", "20 mx2.a.test", NULL});
  assert_int_equal(relayhost(&asked, "a.test"), TABLE_FOUND);
  assert_string_equal(asked.value, "smtp+tls://mx1.a.test");
  close_asked(&asked);
}

static void relayhost_is_an_error_when_no_host_is_permitted_or_dns_fails(void **s) {
  (void)s;
  struct asked asked;
  open_asked(&asked, NULL);
  tell_a_test(&asked.told);
  tell_records(&asked.told, "a.test", MTS_RR_MX, MTS_DNSSEC_INSECURE, (const char *[]){"10 attacker.b.test", NULL});
  assert_int_equal(mts_fake_smtp(asked.told.fake, "attacker.b.test", MTS_OK, 0), MTS_OK);
  assert_int_equal(relayhost(&asked, "a.test"), TABLE_ERROR);
  assert_string_equal(asked.value, mts_err_message(MTS_ERR_MX_UNMATCHED));
  tell_dns_error(&asked.told, "a.test", MTS_RR_MX, MTS_ERR_DNS_SERVFAIL);
  assert_int_equal(relayhost(&asked, "a.test"), TABLE_ERROR);
  assert_string_equal(asked.value, mts_err_message(MTS_ERR_DNS_SERVFAIL));
  close_asked(&asked);
}

#define BOTH_MX "version: STSv1\nmode: enforce\nmx: *.a.test\nmax_age: 604800\n"

static void asked_again_later_relayhost_moves_past_a_host_that_fails_and_back(void **s) {
  (void)s;
  struct asked asked;
  open_asked(&asked, NULL);
  tell_a_test(&asked.told);
  tell_policy(&asked.told, "mta-sts.a.test", BOTH_MX);
  assert_int_equal(mts_fake_smtp(asked.told.fake, "mx1.a.test", MTS_ERR_CERT_EXPIRED, 0), MTS_OK);
  assert_int_equal(relayhost(&asked, "a.test"), TABLE_FOUND);
  assert_string_equal(asked.value, "smtp+tls://mx1.a.test");
  assert_int_equal(mts_fake_count_smtp(asked.told.fake, NULL), 0); /* the first time nothing is checked */
  pass_s(&asked.told, 400);
  assert_int_equal(relayhost(&asked, "a.test"), TABLE_FOUND);
  assert_string_equal(asked.value, "smtp+tls://mx2.a.test");
  assert_int_equal(mts_fake_smtp(asked.told.fake, "mx1.a.test", MTS_OK, 0), MTS_OK);
  pass_s(&asked.told, 1600);
  assert_int_equal(relayhost(&asked, "a.test"), TABLE_FOUND);
  assert_string_equal(asked.value, "smtp+tls://mx1.a.test");
  close_asked(&asked);
}

static void a_host_that_hangs_does_not_hide_the_next(void **s) {
  (void)s;
  struct asked asked;
  open_asked(&asked, NULL);
  tell_a_test(&asked.told);
  tell_policy(&asked.told, "mta-sts.a.test", BOTH_MX);
  assert_int_equal(mts_fake_smtp(asked.told.fake, "mx1.a.test", MTS_ERR_SMTP_TIMEOUT, 60000), MTS_OK);
  assert_int_equal(relayhost(&asked, "a.test"), TABLE_FOUND);
  pass_s(&asked.told, 400);
  int64_t began = mts_clock_mono_ms(&asked.told.m->clock);
  assert_int_equal(relayhost(&asked, "a.test"), TABLE_FOUND);
  assert_string_equal(asked.value, "smtp+tls://mx2.a.test");
  assert_in_range(mts_clock_mono_ms(&asked.told.m->clock) - began, 0, 5000);
  close_asked(&asked);
}

/* smtpd answers nobody while it waits for the table, and asks for each message in its queue. */
static void what_took_long_is_not_waited_for_again_at_once(void **s) {
  (void)s;
  struct asked asked;
  open_asked(&asked, (const char *[]){"on_dns_failure", "defer", NULL});
  tell_a_test(&asked.told);
  assert_int_equal(domain(&asked, "a.test"), TABLE_FOUND);
  assert_int_equal(mts_fake_dns(asked.told.fake, "a.test", MTS_RR_MX, MTS_ERR_DNS_TIMEOUT, NULL, 0, 0, MTS_DNSSEC_UNKNOWN, 60000),
                   MTS_OK);
  assert_int_equal(
      mts_fake_dns(asked.told.fake, "_mta-sts.b.test", MTS_RR_TXT, MTS_ERR_DNS_TIMEOUT, NULL, 0, 0, MTS_DNSSEC_UNKNOWN, 60000),
      MTS_OK);
  for (int again = 0; again < 3; again++) {
    int64_t began = mts_clock_mono_ms(&asked.told.m->clock);
    assert_int_equal(relayhost(&asked, "a.test"), TABLE_ERROR);
    assert_int_equal(domain(&asked, "b.test"), TABLE_ERROR);
    int64_t took = mts_clock_mono_ms(&asked.told.m->clock) - began;
    if (again)
      assert_in_range(took, 0, 10);
    else
      assert_true(took > 1000);
  }
  assert_int_equal(domain(&asked, "a.test"), TABLE_FOUND); /* what is known is said */
  pass_s(&asked.told, 11);
  tell_records(&asked.told, "a.test", MTS_RR_MX, MTS_DNSSEC_INSECURE, (const char *[]){"10 mx1.a.test", NULL});
  assert_int_equal(relayhost(&asked, "a.test"), TABLE_FOUND);
  close_asked(&asked);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_domain_is_found_when_an_enforce_policy_applies),
      cmocka_unit_test(what_is_no_domain_is_not_found),
      cmocka_unit_test(dns_trouble_is_not_found_or_an_error_as_the_setting_says),
      cmocka_unit_test(a_cached_policy_outlives_dns_trouble),
      cmocka_unit_test(a_deadline_that_passes_is_an_error_and_the_next_time_there_is_an_answer),
      cmocka_unit_test(relayhost_names_the_first_permitted_host),
      cmocka_unit_test(relayhost_is_an_error_when_no_host_is_permitted_or_dns_fails),
      cmocka_unit_test(asked_again_later_relayhost_moves_past_a_host_that_fails_and_back),
      cmocka_unit_test(a_host_that_hangs_does_not_hide_the_next),
      cmocka_unit_test(what_took_long_is_not_waited_for_again_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
