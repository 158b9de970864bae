/* SPDX-License-Identifier: ISC
 * Patterns and hosts (RFC 8461 4.1), and the media type (3.2). */
#include "sts/match.h"

#include "tools.h"

static void matches(const char *pattern, const char *host) {
  if (!mts_mx_matches(pattern, host)) fail_msg("%s should match %s", pattern, host);
}
static void differs(const char *pattern, const char *host) {
  if (mts_mx_matches(pattern, host)) fail_msg("%s should not match %s", pattern, host);
}

static void a_name_matches_itself_only(void **s) {
  (void)s;
  matches("mx.a.test", "mx.a.test");
  matches("MX.a.Test", "mx.A.tesT");
  matches("mx.a.test", "mx.a.test.");
  differs("mx.a.test", "a.test");
  differs("a.test", "mx.a.test");
  differs("mx.a.test", "mx.a.testx");
  differs("mx.a.test", "xmx.a.test");
}

static void a_star_is_exactly_one_whole_label(void **s) {
  (void)s;
  matches("*.a.test", "mx.a.test");
  matches("*.a.test", "MX_1.A.test.");
  differs("*.a.test", "a.test");
  differs("*.a.test", "x.y.a.test");
  differs("*.a.test", "mxa.test");
  differs("*.a.test", "mx.b.test");
  differs("*.a.test", ".a.test");
  differs("*.a.test", "*.a.test");
  matches("*.test", "a.test");
  differs("*.test", "test");
}

static void other_stars_match_nothing(void **s) {
  (void)s;
  static const char *const bad[] = {"*",         "*.",     "**.a.test", "m*.a.test", "*x.a.test",
                                    "mx.*.test", "mx.a.*", "*.*.test",  "%.a.test",  "*a.test"};
  for (size_t i = 0; i < COUNT(bad); i++) {
    differs(bad[i], "mx.a.test");
    differs(bad[i], bad[i]);
  }
}

static void hosts_may_have_u_labels_and_patterns_not(void **s) {
  (void)s;
  matches("xn--aca-6ma.com",
          "\xc3\xb1"
          "aca.com");
  matches("*.xn--aca-6ma.com",
          "mx.\xc3\x91"
          "ACA.com");
  matches("xn--i-7iq.ws", "xn--i-7iq.ws");
  differs(
      "\xc3\xb1"
      "aca.com",
      "xn--aca-6ma.com");
  differs(
      "\xc3\xb1"
      "aca.com",
      "\xc3\xb1"
      "aca.com");
}

static void what_is_no_host_or_pattern_matches_nothing(void **s) {
  (void)s;
  assert_false(mts_mx_matches(NULL, "a.test"));
  assert_false(mts_mx_matches("a.test", NULL));
  differs("", "");
  differs("a.test.", "a.test.");
  differs("a_b.test", "a_b.test");
  differs("a.test:25", "a.test:25");
  differs("192.0.2.1", "192.0.2.1");
  char pattern[MTS_NAME_SIZE] = "untouched";
  assert_int_equal(mts_pattern_normalise(SPAN("*.a\0.test"), pattern), MTS_ERR_POLICY_MX);
  assert_int_equal(mts_pattern_normalise((struct mts_span){NULL, 0}, pattern), MTS_ERR_POLICY_MX);
  assert_string_equal(pattern, "untouched");
}

static void the_longest_patterns_fit(void **s) {
  (void)s;
  char text[300], pattern[MTS_NAME_SIZE];
  memset(text, 'a', sizeof text);
  for (size_t i = 9; i < sizeof text; i += 10) text[i] = '.';
  assert_int_equal(mts_pattern_normalise(mts_span(text, 253), pattern), MTS_OK);
  assert_int_equal(strlen(pattern), 253);
  assert_int_equal(mts_pattern_normalise(mts_span(text, 254), pattern), MTS_ERR_POLICY_MX);
  memcpy(text, "*.", 2);
  assert_int_equal(mts_pattern_normalise(mts_span(text, 253), pattern), MTS_OK);
  assert_int_equal(strlen(pattern), 253);
  assert_int_equal(mts_pattern_normalise(mts_span(text, 254), pattern), MTS_ERR_POLICY_MX);
}

static void a_policy_permits_what_one_pattern_matches(void **s) {
  (void)s;
  struct mts_policy *p = NULL;
  assert_int_equal(mts_policy_new(MTS_MODE_ENFORCE, 1, (const char *[]){"mx.a.test", "*.b.test"}, 2, &p), MTS_OK);
  assert_true(mts_policy_permits(p, "MX.A.test."));
  assert_true(mts_policy_permits(p, "x.b.test"));
  assert_false(mts_policy_permits(p, "b.test"));
  assert_false(mts_policy_permits(p, "mx.a.test.evil.test"));
  assert_false(mts_policy_permits(p, "mx.a.test\n"));
  assert_false(mts_policy_permits(p, ""));
  assert_false(mts_policy_permits(p, NULL));
  assert_false(mts_policy_permits(NULL, "mx.a.test"));
  mts_policy_free(&p);
}

static void only_text_plain_is_a_policys_media_type(void **s) {
  (void)s;
  static const char *const good[] = {"text/plain",  "TEXT/Plain",   "text/plain; charset=utf-8",
                                     "text/plain;", " text/plain ", "text/plain\t;x"};
  static const char *const bad[] = {
      "", "text", "text/html", "text/plainx", "text/plain, text/html", "xtext/plain", "text /plain", "application/octet-stream"};
  for (size_t i = 0; i < COUNT(good); i++) assert_true(mts_media_type_is_text(good[i]));
  for (size_t i = 0; i < COUNT(bad); i++) assert_false(mts_media_type_is_text(bad[i]));
  assert_false(mts_media_type_is_text(NULL));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_name_matches_itself_only),
      cmocka_unit_test(a_star_is_exactly_one_whole_label),
      cmocka_unit_test(other_stars_match_nothing),
      cmocka_unit_test(hosts_may_have_u_labels_and_patterns_not),
      cmocka_unit_test(what_is_no_host_or_pattern_matches_nothing),
      cmocka_unit_test(the_longest_patterns_fit),
      cmocka_unit_test(a_policy_permits_what_one_pattern_matches),
      cmocka_unit_test(only_text_plain_is_a_policys_media_type),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
