/* SPDX-License-Identifier: ISC
 * Bytes with a limit, text that is safe to print, numbers. */
#include "tools.h"

static void a_buffer_grows_and_ends_in_nul(void **s) {
  (void)s;
  struct mts_buf b = {.limit = 100000};
  for (int i = 0; i < 1000; i++) {
    assert_int_equal(mts_buf_add(&b, "0123456789", 10), MTS_OK);
    assert_int_equal(b.p[b.n], 0);
  }
  assert_int_equal(b.n, 10000);
  assert_memory_equal(b.p + 9990, "0123456789", 11);
  mts_buf_free(&b);
  assert_null(b.p);
  assert_int_equal(b.n, 0);
  assert_int_equal(b.capacity, 0);
}

static void beyond_its_limit_a_buffer_stays_as_it_was(void **s) {
  (void)s;
  struct mts_buf b = {.limit = 10};
  assert_int_equal(mts_buf_add(&b, "12345", 5), MTS_OK);
  assert_int_equal(mts_buf_add(&b, "123456", 6), MTS_ERR_ARGUMENT);
  assert_string_equal(b.p, "12345");
  assert_int_equal(mts_buf_addf(&b, "%d", 123456), MTS_ERR_ARGUMENT);
  assert_string_equal(b.p, "12345");
  assert_int_equal(mts_buf_add(&b, "x", SIZE_MAX), MTS_ERR_ARGUMENT);
  assert_int_equal(mts_buf_add(&b, "67890", 5), MTS_OK);
  assert_int_equal(mts_buf_add(&b, "", 0), MTS_OK);
  assert_int_equal(mts_buf_add(&b, "x", 1), MTS_ERR_ARGUMENT);
  assert_string_equal(b.p, "1234567890");
  mts_buf_free(&b);
}

static void without_a_limit_set_nothing_fits(void **s) {
  (void)s;
  struct mts_buf b = {0};
  assert_int_equal(mts_buf_add(&b, "x", 1), MTS_ERR_ARGUMENT);
  assert_int_equal(mts_buf_add(&b, NULL, 0), MTS_OK);
  assert_string_equal(b.p, "");
  mts_buf_free(&b);
}

static void a_limit_of_all_memory_does_not_wrap_around(void **s) {
  (void)s;
  struct mts_buf b = {.limit = SIZE_MAX};
  assert_int_equal(mts_buf_add(&b, "x", 1), MTS_OK);
  assert_int_equal(mts_buf_add(&b, "x", SIZE_MAX - 1), MTS_ERR_ARGUMENT);
  assert_int_equal(mts_buf_add(&b, "x", SIZE_MAX), MTS_ERR_ARGUMENT);
  assert_string_equal(b.p, "x");
  mts_buf_free(&b);
}

static void bytes_of_a_buffer_may_be_nul(void **s) {
  (void)s;
  struct mts_buf b = {.limit = 10};
  assert_int_equal(mts_buf_add(&b, "a\0b", 3), MTS_OK);
  assert_int_equal(mts_buf_addf(&b, "%s", "c"), MTS_OK);
  assert_int_equal(b.n, 4);
  assert_memory_equal(b.p, "a\0bc", 5);
  mts_buf_free(&b);
}

static void a_reset_buffer_is_empty_and_keeps_its_memory(void **s) {
  (void)s;
  struct mts_buf b = {.limit = 1000};
  mts_buf_reset(&b); /* with nothing in it yet */
  assert_int_equal(mts_buf_addf(&b, "%0500d", 1), MTS_OK);
  size_t capacity = b.capacity;
  mts_buf_reset(&b);
  assert_int_equal(b.n, 0);
  assert_string_equal(b.p, "");
  assert_int_equal(b.capacity, capacity);
  mts_buf_free(&b);
}

static void cleaned_text_is_one_line_of_printable_ascii(void **s) {
  (void)s;
  char to[64];
  assert_true(mts_text_clean(to, sizeof to, SPAN("a b~")));
  assert_string_equal(to, "a b~");
  assert_true(mts_text_clean(to, sizeof to, SPAN("a\nb\r\t\0c\x1b[0m\x7f\xc3\xb1")));
  assert_string_equal(to, "a\\x0ab\\x0d\\x09\\x00c\\x1b[0m\\x7f\\xc3\\xb1");
  assert_true(mts_text_clean(to, sizeof to, (struct mts_span){NULL, 0}));
  assert_string_equal(to, "");
}

static void cleaned_text_is_cut_between_bytes_never_within_an_escape(void **s) {
  (void)s;
  for (size_t size = 0; size <= 8; size++) {
    char *to = malloc(size + 1); /* a checker of memory sees a write beyond size */
    assert_non_null(to);
    memset(to, 'Z', size + 1);
    bool whole = mts_text_clean(to, size, SPAN("a\nb"));
    assert_int_equal(to[size], 'Z');
    assert_int_equal(whole, size >= 7);
    const char *expected = size >= 7 ? "a\\x0ab" : size == 6 ? "a\\x0a" : size >= 2 ? "a" : "";
    if (size) assert_string_equal(to, expected);
    free(to);
  }
}

static void formatted_text_is_cleaned_and_cut(void **s) {
  (void)s;
  char to[8];
  mts_text_format(to, sizeof to, "%s-%d", "a\n", 5);
  assert_string_equal(to, "a\\x0a-5");
  mts_text_format(to, sizeof to, "%2000d", 1);
  assert_string_equal(to, "       ");
}

static void spans_compare_by_length_and_bytes(void **s) {
  (void)s;
  assert_true(mts_span_equals(SPAN("abc"), "abc"));
  assert_false(mts_span_equals(SPAN("abcd"), "abc"));
  assert_false(mts_span_equals(SPAN("abc\0"), "abc"));
  assert_false(mts_span_equals(SPAN("ab"), "abc"));
  assert_true(mts_span_equals(mts_span_of(NULL), ""));
  assert_true(mts_span_begins(SPAN("abcd"), "abc"));
  assert_true(mts_span_begins(SPAN("abc"), ""));
  assert_true(mts_span_begins((struct mts_span){NULL, 0}, ""));
  assert_false(mts_span_begins(SPAN("ab"), "abc"));
  assert_false(mts_span_begins(SPAN("Abc"), "abc"));
}

/* Nobody's cache serves when what is alike shares its places. */
static void texts_that_are_alike_do_not_hash_alike(void **state) {
  static const char *const patterns[] = {"domain-%u.test", "%u.example", "mail.customer%u.example.org",
                                         "%016x",          "%x7641df00", "a%u"};
  (void)state;
  for (size_t k = 0; k < sizeof patterns / sizeof *patterns; k++) {
    unsigned places[512] = {0}, most = 0;
    for (unsigned i = 0; i < 256; i++) {
      char text[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
      snprintf(text, sizeof text, patterns[k], i);
#pragma GCC diagnostic pop
      unsigned *place = &places[mts_span_hash(mts_span_of(text)) % 512];
      if (++*place > most) most = *place;
    }
    assert_in_range(most, 1, 6);
  }
}

static void a_number_is_digits_only_and_within_its_limit(void **s) {
  (void)s;
  uint64_t v = 7;
  static const char *const bad[] = {"",
                                    "-1",
                                    "+1",
                                    " 1",
                                    "1 ",
                                    "0x1",
                                    "1.0",
                                    "1e3",
                                    "1,000",
                                    "a",
                                    "\xd9\xa1" /* ARABIC 1 */,
                                    "101",
                                    "18446744073709551616",
                                    "99999999999999999999999"};
  for (size_t i = 0; i < COUNT(bad); i++) assert_false(mts_number_parse(mts_span_of(bad[i]), 100, &v));
  assert_false(mts_number_parse(SPAN("18446744073709551616"), UINT64_MAX, &v));
  assert_false(mts_number_parse(SPAN("1\0"), 100, &v));
  assert_int_equal(v, 7);
  assert_true(mts_number_parse(SPAN("100"), 100, &v));
  assert_int_equal(v, 100);
  assert_true(mts_number_parse(SPAN("0"), 0, &v));
  assert_int_equal(v, 0);
  assert_true(mts_number_parse(SPAN("000000000000000000000000000007"), 100, &v));
  assert_int_equal(v, 7);
  assert_true(mts_number_parse(SPAN("18446744073709551615"), UINT64_MAX, &v));
  assert_true(v == UINT64_MAX);
}

static void each_error_has_a_name_of_its_own_and_a_message(void **s) {
  (void)s;
  for (int i = 0; i < MTS_ERR_COUNT; i++) {
    const char *name = mts_err_name((enum mts_err)i), *message = mts_err_message((enum mts_err)i);
    assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz-"), strlen(name));
    assert_true(strlen(message) > 5 && message[strlen(message) - 1] != '.');
    for (int j = 0; j < i; j++) assert_string_not_equal(name, mts_err_name((enum mts_err)j));
  }
  assert_string_equal(mts_err_name(MTS_ERR_COUNT), "internal"); /* no error of ours */
  assert_string_equal(mts_err_name((enum mts_err) - 1), "internal");
  assert_string_equal(mts_err_result_type(MTS_ERR_CERT_NAME), "certificate-host-mismatch");
  assert_null(mts_err_result_type(MTS_ERR_DNS_TIMEOUT));
  assert_true(mts_err_temporary(MTS_ERR_DNS_TIMEOUT));
  assert_false(mts_err_temporary(MTS_ERR_NAME_SYNTAX));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_buffer_grows_and_ends_in_nul),
      cmocka_unit_test(beyond_its_limit_a_buffer_stays_as_it_was),
      cmocka_unit_test(without_a_limit_set_nothing_fits),
      cmocka_unit_test(a_limit_of_all_memory_does_not_wrap_around),
      cmocka_unit_test(bytes_of_a_buffer_may_be_nul),
      cmocka_unit_test(a_reset_buffer_is_empty_and_keeps_its_memory),
      cmocka_unit_test(cleaned_text_is_one_line_of_printable_ascii),
      cmocka_unit_test(cleaned_text_is_cut_between_bytes_never_within_an_escape),
      cmocka_unit_test(formatted_text_is_cleaned_and_cut),
      cmocka_unit_test(spans_compare_by_length_and_bytes),
      cmocka_unit_test(texts_that_are_alike_do_not_hash_alike),
      cmocka_unit_test(a_number_is_digits_only_and_within_its_limit),
      cmocka_unit_test(each_error_has_a_name_of_its_own_and_a_message),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
