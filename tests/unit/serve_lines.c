/* SPDX-License-Identifier: ISC
 * The lines of Exim's readsocket, and requests over HTTP and in JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http.h"
#include "json.h"
#include "lines.h"

/* The words of a line, each in brackets; "-" for what cannot be split. */
static void expect_words(const char *text, const char *expected) {
  size_t n = strlen(text);
  char *line = malloc(n + 1), said[200] = ""; /* as long as it may be, so that a byte too many is noticed */
  memcpy(line, text, n + 1);
  const char *words[LINES_WORDS_MOST];
  int count = lines_split(line, n, words);
  if (count < 0) strcpy(said, "-");
  for (int i = 0; i < count; i++) {
    strcat(said, "[");
    strncat(said, words[i], 80);
    strcat(said, "]");
  }
  assert_string_equal(said, expected);
  free(line);
}

static void words_are_separated_by_blanks(void **state) {
  (void)state;
  expect_words("policy good.test", "[policy][good.test]");
  expect_words("  call\t a  b ", "[call][a][b]");
  expect_words("", "");
  expect_words("   ", "");
  expect_words("1 2 3 4 5 6 7 8", "[1][2][3][4][5][6][7][8]");
  expect_words("1 2 3 4 5 6 7 8 9", "-");
}

static void a_word_in_quotes_may_hold_anything(void **state) {
  (void)state;
  expect_words("call \"a b\" \"\"", "[call][a b][]");
  expect_words("\"\\\"\\\\\\n\\r\\t\"", "[\"\\\n\r\t]");
  expect_words("a\"b", "[a\"b]");
  expect_words("\"a", "-");
  expect_words("\"a\"b", "-");
  expect_words("\"\\x\"", "-");
  expect_words("\"a\\", "-");
}

static void a_NUL_is_in_no_word(void **state) {
  (void)state;
  char line[] = "a\0b";
  const char *words[LINES_WORDS_MOST];
  assert_int_equal(lines_split(line, 3, words), -1);
}

static void a_line_ends_in_LF_CR_LF_or_with_the_stream(void **state) {
  (void)state;
  size_t used = 0;
  struct mts_span request;
  assert_int_equal(lines_take(mts_span_of("ab\r\ncd"), false, &used, &request), TAKE_REQUEST);
  assert_int_equal(used, 4);
  assert_true(mts_span_equals(request, "ab"));
  assert_int_equal(lines_take(mts_span_of("cd"), false, &used, &request), TAKE_MORE);
  assert_int_equal(lines_take(mts_span_of("cd"), true, &used, &request), TAKE_REQUEST);
  assert_true(mts_span_equals(request, "cd"));
  assert_int_equal(used, 2);
  char *large = malloc(LINES_REQUEST_MAX + 1);
  memset(large, 'x', LINES_REQUEST_MAX + 1);
  assert_int_equal(lines_take(mts_span(large, LINES_REQUEST_MAX), false, &used, &request), TAKE_MORE);
  assert_int_equal(lines_take(mts_span(large, LINES_REQUEST_MAX + 1), false, &used, &request), TAKE_BROKEN);
  free(large);
}

static void an_answer_in_a_line_has_its_line_feeds_escaped(void **state) {
  (void)state;
  struct mts_buf out = {.limit = 100};
  assert_int_equal(lines_add_escaped(&out, mts_span("a\nb\\\r\n", 6)), MTS_OK);
  assert_string_equal(out.p, "a\\nb\\\\\\r\\n");
  mts_buf_free(&out);
}

static void a_request_over_HTTP_is_its_head(void **state) {
  (void)state;
  static const char whole[] = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nrest";
  size_t used = 0;
  struct mts_span request;
  bool head;
  assert_int_equal(http_take(mts_span_of(whole), false, &used, &request), TAKE_REQUEST);
  assert_string_equal(whole + used, "rest");
  assert_true(mts_span_equals(request, "GET /metrics HTTP/1.1"));
  assert_int_equal(http_read(request, "/metrics", &head), HTTP_OK);
  assert_int_equal(http_take(mts_span_of("GET / HTTP/1.0\n\n"), false, &used, &request), TAKE_REQUEST);
  for (size_t n = 1; n < used; n++) {
    char *copy = malloc(n);
    memcpy(copy, whole, n);
    assert_int_equal(http_take(mts_span(copy, n), false, &used, &request), TAKE_MORE);
    assert_int_equal(http_take(mts_span(copy, n), true, &used, &request), TAKE_BROKEN);
    free(copy);
  }
  assert_int_equal(http_take(mts_span_of("\x16\x03\x01"), false, &used, &request), TAKE_BROKEN);
  assert_int_equal(http_take(mts_span_of("get /"), false, &used, &request), TAKE_BROKEN);
  assert_int_equal(http_read(mts_span_of("GET /other HTTP/1.1"), "/metrics", &head), HTTP_NOT_FOUND);
  assert_int_equal(http_read(mts_span_of("PUT /metrics HTTP/1.1"), "/metrics", &head), HTTP_METHOD);
  assert_int_equal(http_read(mts_span_of("GET /metrics"), "/metrics", &head), HTTP_BAD_REQUEST);
  assert_int_equal(http_read(mts_span_of("GET"), "/metrics", &head), HTTP_BAD_REQUEST);
  assert_int_equal(http_read(mts_span_of("HEAD /metrics?a=b HTTP/1.0"), "/metrics", &head), HTTP_OK);
  assert_true(head);
}

static void a_JSON_request_has_a_domain_and_an_id_that_comes_back_as_it_was(void **state) {
  (void)state;
  struct json_request request;
  const char *why;
  assert_int_equal(
      json_read(mts_span_of("{\"id\":{\"b\":1,\"a\":[null]},\"domain\":\"good.test\",\"probe\":true}"), &request, &why), MTS_OK);
  assert_string_equal(request.id, "{\"a\":[null],\"b\":1}");
  assert_string_equal(request.domain, "good.test");
  assert_int_equal(request.depth, MTS_DEPTH_TLS);
  struct mts_buf out = {.limit = 1000};
  assert_int_equal(json_write_error(request.id, "x", MTS_ERR_NAME_SYNTAX, NULL, &out), MTS_OK);
  assert_string_equal(
      out.p,
      "{\"id\":{\"a\":[null],\"b\":1},\"error\":{\"code\":\"name-syntax\",\"domain\":\"x\",\"message\":\"not a domain "
      "name\",\"temporary\":false}}\n");
  mts_buf_free(&out);
  free(request.id);
  assert_int_equal(json_read(mts_span_of("{\"id\":5}"), &request, &why), MTS_ERR_ARGUMENT);
  assert_string_equal(request.id, "5");
  free(request.id);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(words_are_separated_by_blanks),
      cmocka_unit_test(a_word_in_quotes_may_hold_anything),
      cmocka_unit_test(a_NUL_is_in_no_word),
      cmocka_unit_test(a_line_ends_in_LF_CR_LF_or_with_the_stream),
      cmocka_unit_test(an_answer_in_a_line_has_its_line_feeds_escaped),
      cmocka_unit_test(a_request_over_HTTP_is_its_head),
      cmocka_unit_test(a_JSON_request_has_a_domain_and_an_id_that_comes_back_as_it_was),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
