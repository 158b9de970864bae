/* SPDX-License-Identifier: ISC
 * A decision as Exim's routers read it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy_text.h"

static void expect_text(enum mts_mode mode, enum mts_mode published, const char *id, const char *const *mx, size_t count,
                        const char *expected) {
  struct mts_policy *policy = NULL;
  if (mx) assert_int_equal(mts_policy_new(published, 86400, mx, count, &policy), MTS_OK);
  struct mts_answer answer = {.mode = mode, .policy = policy};
  snprintf(answer.id, sizeof answer.id, "%s", id);
  struct mts_buf text = {.limit = POLICY_TEXT_MAX};
  assert_int_equal(policy_text(&answer, &text), MTS_OK);
  assert_string_equal(text.p, expected);
  mts_buf_free(&text);
  mts_policy_free(&policy);
}

static void only_enforce_has_a_list_of_hosts_to_leave_out(void **state) {
  (void)state;
  const char *const mx[] = {"mx.good.test"};
  expect_text(MTS_MODE_NONE, MTS_MODE_NONE, "", NULL, 0, "mode=none");
  expect_text(MTS_MODE_NONE, MTS_MODE_NONE, "1", mx, 1, "mode=none id=1");
  expect_text(MTS_MODE_TESTING, MTS_MODE_TESTING, "20160831085700Z", mx, 1, "mode=testing id=20160831085700Z");
  expect_text(MTS_MODE_ENFORCE, MTS_MODE_ENFORCE, "1", mx, 1, "mode=enforce id=1 ignore=!^(?i)mx\\.good\\.test$:*");
}

static void the_star_of_a_pattern_is_exactly_one_label(void **state) {
  (void)state;
  const char *const mx[] = {"*.mail.test", "a-1.mx.test"};
  expect_text(MTS_MODE_ENFORCE, MTS_MODE_ENFORCE, "x", mx, 2,
              "mode=enforce id=x ignore=!^(?i)[^.]+\\.mail\\.test$:!^(?i)a-1\\.mx\\.test$:*");
}

static void an_exception_without_a_policy_leaves_no_host_out(void **state) {
  (void)state;
  const char *const mx[] = {"mx.good.test"};
  expect_text(MTS_MODE_ENFORCE, MTS_MODE_NONE, "", NULL, 0, "mode=enforce ignore=");
  expect_text(MTS_MODE_ENFORCE, MTS_MODE_NONE, "1", mx, 1, "mode=enforce id=1 ignore=");
  expect_text(MTS_MODE_TESTING, MTS_MODE_ENFORCE, "1", mx, 1, "mode=testing id=1");
}

static void the_largest_policy_has_room(void **state) {
  (void)state;
  enum { MOST = MTS_POLICY_MAX_BYTES / 9 }; /* "mx: a.b\r\n" */
  const char **mx = calloc(MOST, sizeof *mx);
  for (size_t i = 0; i < MOST; i++) mx[i] = "*.b";
  struct mts_policy *policy = NULL;
  assert_int_equal(mts_policy_new(MTS_MODE_ENFORCE, 86400, mx, MOST, &policy), MTS_OK);
  struct mts_answer answer = {.mode = MTS_MODE_ENFORCE, .policy = policy};
  struct mts_buf text = {.limit = POLICY_TEXT_MAX};
  assert_int_equal(policy_text(&answer, &text), MTS_OK);
  assert_null(strchr(text.p + strlen("mode=enforce ignore="), ' '));
  mts_buf_free(&text);
  mts_policy_free(&policy);
  free(mx);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(only_enforce_has_a_list_of_hosts_to_leave_out),
      cmocka_unit_test(the_star_of_a_pattern_is_exactly_one_label),
      cmocka_unit_test(an_exception_without_a_policy_leaves_no_host_out),
      cmocka_unit_test(the_largest_policy_has_room),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
