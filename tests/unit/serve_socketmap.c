/* SPDX-License-Identifier: ISC
 * Postfix's socketmap protocol, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "socketmap.h"

static enum take take(const char *bytes, size_t *used, struct mts_span *request) {
  return socketmap_take(mts_span_of(bytes), false, used, request);
}

static void a_request_is_one_netstring(void **state) {
  (void)state;
  size_t used = 0;
  struct mts_span request, key = {0};
  assert_int_equal(take("17:policy example.org,3:abc,", &used, &request), TAKE_BROKEN);
  assert_int_equal(take("16:policy good.test,3:abc,", &used, &request), TAKE_REQUEST);
  assert_int_equal(used, 20);
  assert_true(mts_span_equals(request, "policy good.test"));
  assert_true(socketmap_is_about(request, "policy", &key));
  assert_true(mts_span_equals(key, "good.test"));
  assert_int_equal(take("0:,", &used, &request), TAKE_REQUEST);
  assert_int_equal(request.n, 0);
  assert_false(socketmap_is_about(request, "policy", &key));
}

static void a_map_is_named_by_all_before_the_first_blank(void **state) {
  (void)state;
  struct mts_span key;
  static const char *const others[] = {
      "policy", "polic good.test", "Policy good.test", "policy-tlsrpt good.test", " policy good.test", "policygood.test"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    assert_false(socketmap_is_about(mts_span_of(others[i]), "policy", &key));
  assert_true(socketmap_is_about(mts_span_of("policy-tlsrpt a b"), "policy-tlsrpt", &key));
  assert_true(mts_span_equals(key, "a b"));
  assert_true(socketmap_is_about(mts_span_of("policy "), "policy", &key));
  assert_int_equal(key.n, 0);
}

static void a_key_may_hold_anything_even_blanks_and_NUL(void **state) {
  (void)state;
  static const char bytes[] = "12:policy a b\0c,";
  size_t used = 0;
  struct mts_span request, key;
  assert_int_equal(socketmap_take(mts_span(bytes, sizeof bytes - 1), false, &used, &request), TAKE_REQUEST);
  assert_true(socketmap_is_about(request, "policy", &key));
  assert_int_equal(key.n, 5);
  assert_memory_equal(key.p, "a b\0c", 5);
}

static void each_beginning_of_a_request_waits_for_more_and_is_broken_at_the_end(void **state) {
  (void)state;
  static const char whole[] = "16:policy good.test,";
  size_t used = 0;
  struct mts_span request;
  for (size_t n = 1; n < sizeof whole - 1; n++) {
    char *copy = malloc(n); /* so that a byte too many is noticed */
    memcpy(copy, whole, n);
    assert_int_equal(socketmap_take(mts_span(copy, n), false, &used, &request), TAKE_MORE);
    assert_int_equal(socketmap_take(mts_span(copy, n), true, &used, &request), TAKE_BROKEN);
    free(copy);
  }
}

static void what_is_no_netstring_is_broken_at_once(void **state) {
  (void)state;
  static const char *const broken[] = {"GET / HTTP/1.0",
                                       "\x16\x03\x01\x02",
                                       "-1:",
                                       "+1:a,",
                                       " 1:a,",
                                       "01:a,",
                                       "00:,",
                                       "1;a,",
                                       ":,",
                                       "1:ab",
                                       "99999",
                                       "4097:",
                                       "999999999:",
                                       "18446744073709551617:a,",
                                       "0x1:a,",
                                       "\n"};
  size_t used = 0;
  struct mts_span request;
  for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) assert_int_equal(take(broken[i], &used, &request), TAKE_BROKEN);
}

static void a_reply_has_a_status_a_blank_and_a_text(void **state) {
  (void)state;
  struct mts_buf out = {.limit = 200};
  assert_int_equal(socketmap_reply(SOCKETMAP_OK, mts_span_of("dane-only"), &out), MTS_OK);
  assert_int_equal(socketmap_reply(SOCKETMAP_NOTFOUND, mts_span(NULL, 0), &out), MTS_OK);
  assert_int_equal(socketmap_reply(SOCKETMAP_TEMP, mts_span_of("later"), &out), MTS_OK);
  assert_int_equal(socketmap_reply(SOCKETMAP_TIMEOUT, mts_span_of("x"), &out), MTS_OK);
  assert_int_equal(socketmap_reply(SOCKETMAP_PERM, mts_span_of("never"), &out), MTS_OK);
  assert_string_equal(out.p, "12:OK dane-only,9:NOTFOUND ,10:TEMP later,9:TIMEOUT x,10:PERM never,");
  mts_buf_free(&out);
}

static void a_reply_that_does_not_fit_leaves_nothing_behind(void **state) {
  (void)state;
  struct mts_buf out = {.limit = 12};
  assert_int_equal(socketmap_reply(SOCKETMAP_OK, mts_span_of("0123456789"), &out), MTS_ERR_ARGUMENT);
  assert_int_equal(out.n, 0);
  mts_buf_free(&out);
  char *large = malloc(SOCKETMAP_REPLY_MAX);
  memset(large, 'x', SOCKETMAP_REPLY_MAX);
  out.limit = SIZE_MAX / 2;
  assert_int_equal(socketmap_reply(SOCKETMAP_OK, mts_span(large, SOCKETMAP_REPLY_MAX), &out), MTS_ERR_ARGUMENT);
  assert_int_equal(socketmap_reply(SOCKETMAP_OK, mts_span(large, SOCKETMAP_REPLY_MAX - 3), &out), MTS_OK);
  mts_buf_free(&out);
  free(large);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_request_is_one_netstring),
      cmocka_unit_test(a_map_is_named_by_all_before_the_first_blank),
      cmocka_unit_test(a_key_may_hold_anything_even_blanks_and_NUL),
      cmocka_unit_test(each_beginning_of_a_request_waits_for_more_and_is_broken_at_the_end),
      cmocka_unit_test(what_is_no_netstring_is_broken_at_once),
      cmocka_unit_test(a_reply_has_a_status_a_blank_and_a_text),
      cmocka_unit_test(a_reply_that_does_not_fit_leaves_nothing_behind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
