/* SPDX-License-Identifier: ISC
 * An answer as an entry of Postfix's smtp_tls_policy_maps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tls_policy.h"

struct told {
  struct mts_answer answer;
  struct mts_host hosts[4];
  struct mts_policy *policy;
  struct mts_buf text;
  enum tls_policy kind;
};

/* A policy in mode enforce; patterns and hosts separated by blanks, the hosts permitted as the policy says. */
static void tell(struct told *told, const char *patterns, const char *hosts) {
  static char names[4][80];
  const char *mx[8];
  char copy[300];
  size_t count = 0;
  *told = (struct told){.text.limit = TLS_POLICY_MAX};
  snprintf(copy, sizeof copy, "%s", patterns);
  char *rest = copy;
  for (char *word; (word = strtok_r(rest, " ", &rest));) mx[count++] = word;
  if (count) assert_int_equal(mts_policy_new(MTS_MODE_ENFORCE, 86400, mx, count, &told->policy), MTS_OK);
  told->answer = (struct mts_answer){.domain = "good.test",
                                     .mode = MTS_MODE_ENFORCE,
                                     .action = MTS_ACTION_REQUIRE,
                                     .policy = told->policy,
                                     .hosts = told->hosts,
                                     .hosts_known = true,
                                     .expires_at = 1000};
  for (; *hosts; told->answer.host_count++) {
    struct mts_host *host = &told->hosts[told->answer.host_count];
    size_t n = strcspn(hosts, " ");
    snprintf(names[told->answer.host_count], sizeof names[0], "%.*s", (int)n, hosts);
    *host = (struct mts_host){.name = names[told->answer.host_count], .guard = MTS_GUARD_STS};
    host->permitted = !told->policy || mts_policy_permits(told->policy, host->name);
    if (!host->permitted) host->err = MTS_ERR_MX_UNMATCHED;
    hosts += n + (hosts[n] == ' ');
  }
}

static void expect(struct told *told, bool hosts_asked, bool dane, enum tls_policy kind, const char *text) {
  assert_int_equal(tls_policy_make(&told->answer, hosts_asked, dane, &told->text, &told->kind), MTS_OK);
  assert_int_equal(told->kind, kind);
  assert_string_equal(told->text.p ? told->text.p : "", text);
  mts_buf_free(&told->text);
  mts_policy_free(&told->policy);
}

static void testing_and_none_are_no_entry(void **state) {
  (void)state;
  struct told told;
  tell(&told, "mx.good.test", "");
  told.answer.mode = MTS_MODE_TESTING;
  told.answer.action = MTS_ACTION_RECORD;
  expect(&told, false, true, TLS_POLICY_NONE, "");
  tell(&told, "", "");
  told.answer.mode = MTS_MODE_NONE;
  told.answer.action = MTS_ACTION_DELIVER;
  expect(&told, false, true, TLS_POLICY_NONE, "");
}

static void mail_waits_where_the_setting_wants_it_and_DNS_fails(void **state) {
  (void)state;
  struct told told;
  tell(&told, "", "");
  told.answer.mode = MTS_MODE_NONE;
  told.answer.action = MTS_ACTION_DEFER;
  told.answer.refresh_error.err = MTS_ERR_DNS_SERVFAIL;
  expect(&told, false, true, TLS_POLICY_TEMPORARY, "MTA-STS: good.test: the name server answered SERVFAIL");
}

static void hosts_that_the_policy_names_need_no_DNS_unless_DANE_may_apply(void **state) {
  (void)state;
  struct told told;
  tell(&told, "mx1.good.test mx2.good.test", "");
  expect(&told, false, false, TLS_POLICY_ENTRY, "secure match=mx1.good.test:mx2.good.test servername=hostname");
  tell(&told, "mx1.good.test", "");
  expect(&told, false, true, TLS_POLICY_ASK_HOSTS, "");
  tell(&told, "*.good.test", "");
  expect(&told, false, false, TLS_POLICY_ASK_HOSTS, "");
}

static void a_wildcard_becomes_the_hosts_of_DNS_that_it_permits_each_whole(void **state) {
  (void)state;
  struct told told;
  tell(&told, "*.good.test mx.other.test", "a.good.test b.a.good.test evil.test mx.other.test");
  expect(&told, true, false, TLS_POLICY_ENTRY, "secure match=mx.other.test:a.good.test servername=hostname");
}

static void a_policy_that_permits_no_host_makes_mail_wait(void **state) {
  (void)state;
  struct told told;
  tell(&told, "*.good.test", "evil.test");
  told.answer.action = MTS_ACTION_DEFER;
  expect(&told, true, true, TLS_POLICY_TEMPORARY, "MTA-STS: good.test: the MX is not in the policy (RFC 8461 4.1)");
  tell(&told, "*.good.test", "");
  expect(&told, true, true, TLS_POLICY_TEMPORARY, "MTA-STS: good.test: no MX host is permitted by the policy");
}

static void mail_waits_while_DNS_does_not_say_the_hosts(void **state) {
  (void)state;
  struct told told;
  tell(&told, "mx.good.test", "");
  told.answer.hosts_known = false;
  told.answer.hosts_err = MTS_ERR_DNS_TIMEOUT;
  expect(&told, true, true, TLS_POLICY_TEMPORARY, "MTA-STS: good.test: no name server answered in time");
}

/* RFC 8461 2: no certificate may rescue what DANE refuses. */
static void DANE_comes_first_also_where_it_guards_only_some_hosts(void **state) {
  (void)state;
  struct told told;
  tell(&told, "*.good.test", "a.good.test b.good.test");
  told.hosts[1].guard = MTS_GUARD_DANE;
  expect(&told, true, true, TLS_POLICY_ENTRY, "dane-only");
}

static void mail_waits_while_it_is_not_known_whether_DANE_guards_a_host(void **state) {
  (void)state;
  struct told told;
  tell(&told, "*.good.test", "a.good.test b.good.test");
  told.hosts[0].guard = MTS_GUARD_UNKNOWN;
  told.hosts[0].err = MTS_ERR_DNS_BOGUS;
  expect(&told, true, true, TLS_POLICY_TEMPORARY, "MTA-STS: a.good.test: DNSSEC validation failed");
}

static void an_exception_without_a_policy_wants_a_certificate_of_any_host_of_DNS(void **state) {
  (void)state;
  struct told told;
  tell(&told, "", "mx.good.test");
  told.answer.from = MTS_FROM_RULE;
  expect(&told, true, true, TLS_POLICY_ENTRY, "secure match=mx.good.test servername=hostname");
}

static void nothing_that_Postfix_could_misread_is_passed_on(void **state) {
  (void)state;
  struct told told;
  tell(&told, "*.good.test", "a.good.test");
  told.hosts[1] = told.hosts[2] = told.hosts[3] = (struct mts_host){.permitted = true};
  told.hosts[1].name = "hostname";
  told.hosts[2].name = ".good.test";
  told.hosts[3].name = "b.good.test policy_ttl=1";
  told.answer.host_count = 4;
  expect(&told, true, true, TLS_POLICY_ENTRY, "secure match=a.good.test servername=hostname");
}

static void a_host_is_listed_once(void **state) {
  (void)state;
  struct told told;
  tell(&told, "mx.good.test *.good.test mx.good.test", "mx.good.test x.good.test x.good.test");
  expect(&told, true, true, TLS_POLICY_ENTRY, "secure match=mx.good.test:x.good.test servername=hostname");
}

static void reports_get_the_policy_as_it_was_understood(void **state) {
  (void)state;
  struct told told;
  tell(&told, "mx.good.test *.good.test", "mx.good.test");
  assert_int_equal(tls_policy_make(&told.answer, true, true, &told.text, &told.kind), MTS_OK);
  assert_int_equal(tls_policy_add_tlsrpt(&told.answer, 400, &told.text), MTS_OK);
  assert_string_equal(told.text.p,
                      "secure match=mx.good.test servername=hostname policy_type=sts policy_domain=good.test policy_ttl=600"
                      " { policy_string = version: STSv1 } { policy_string = mode: enforce }"
                      " { policy_string = mx: mx.good.test } { policy_string = mx: *.good.test }"
                      " { policy_string = max_age: 86400 } mx_host_pattern=mx.good.test mx_host_pattern=*.good.test");
  mts_buf_reset(&told.text);
  assert_int_equal(mts_buf_addf(&told.text, "dane-only"), MTS_OK);
  assert_int_equal(tls_policy_add_tlsrpt(&told.answer, 400, &told.text), MTS_OK);
  assert_string_equal(told.text.p, "dane-only");
  mts_buf_free(&told.text);
  mts_policy_free(&told.policy);
}

static void what_does_not_fit_is_an_error_not_half_a_list(void **state) {
  (void)state;
  struct told told;
  tell(&told, "mx1.good.test mx2.good.test", "");
  told.text.limit = 30;
  assert_int_equal(tls_policy_make(&told.answer, false, false, &told.text, &told.kind), MTS_ERR_ARGUMENT);
  mts_buf_free(&told.text);
  mts_policy_free(&told.policy);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(testing_and_none_are_no_entry),
      cmocka_unit_test(mail_waits_where_the_setting_wants_it_and_DNS_fails),
      cmocka_unit_test(hosts_that_the_policy_names_need_no_DNS_unless_DANE_may_apply),
      cmocka_unit_test(a_wildcard_becomes_the_hosts_of_DNS_that_it_permits_each_whole),
      cmocka_unit_test(a_policy_that_permits_no_host_makes_mail_wait),
      cmocka_unit_test(mail_waits_while_DNS_does_not_say_the_hosts),
      cmocka_unit_test(DANE_comes_first_also_where_it_guards_only_some_hosts),
      cmocka_unit_test(mail_waits_while_it_is_not_known_whether_DANE_guards_a_host),
      cmocka_unit_test(an_exception_without_a_policy_wants_a_certificate_of_any_host_of_DNS),
      cmocka_unit_test(nothing_that_Postfix_could_misread_is_passed_on),
      cmocka_unit_test(a_host_is_listed_once),
      cmocka_unit_test(reports_get_the_policy_as_it_was_understood),
      cmocka_unit_test(what_does_not_fit_is_an_error_not_half_a_list),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
