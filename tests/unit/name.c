/* SPDX-License-Identifier: ISC
 * Names: normalised once, the same way for everybody. */
#include "base/name.h"

#include "tools.h"

static enum mts_err normalise(bool host, struct mts_span text, char name[MTS_NAME_SIZE]) {
  char *copy = exact_copy(text);
  enum mts_err err =
      host ? mts_name_normalise_host(mts_span(copy, text.n), name) : mts_name_normalise(mts_span(copy, text.n), name);
  free(copy);
  return err;
}

/* Of both functions. What is normal stays as it is. */
static void gives(const char *text, const char *expected) {
  for (int host = 0; host < 2; host++) {
    char name[MTS_NAME_SIZE] = "untouched", again[MTS_NAME_SIZE];
    assert_err(normalise(host, mts_span_of(text), name), MTS_OK, text);
    assert_string_equal(name, expected);
    assert_err(normalise(host, mts_span_of(name), again), MTS_OK, name);
    assert_string_equal(again, name);
    assert_true(mts_name_is_normal(mts_span_of(name)));
  }
}

static void refuses_span(struct mts_span text, enum mts_err expected) {
  for (int host = 0; host < 2; host++) {
    char name[MTS_NAME_SIZE] = "untouched";
    assert_err(normalise(host, text, name), expected, text.p);
    assert_string_equal(name, "untouched");
  }
  assert_false(mts_name_is_normal(text));
}

static void refuses(const char *text, enum mts_err expected) { refuses_span(mts_span_of(text), expected); }

static void ascii_becomes_lower_case_without_the_last_dot(void **s) {
  (void)s;
  gives("example.com", "example.com");
  gives("EXAMPLE.Com", "example.com");
  gives("example.com.", "example.com");
  gives("a", "a");
  gives("1.example", "1.example");
  gives("r3---sn.example", "r3---sn.example");
  gives("3com.com", "3com.com");
}

static void what_is_no_domain_name_is_refused(void **s) {
  (void)s;
  static const char *const bad[] = {
      ".example.com", "a..b",       "example..", "..",   "-a.example",    "a-.example", "a.-",         "a b.example",
      " a.example",   "a.example ", "a/b",       "a@b",  "*.example.com", "a:25",       "[a.example]", "a%b",
      "a,b",          "a;b",        "a\"b",      "a\\b", "a\tb",          "a\nb",       "a\x7fz",
  };
  for (size_t i = 0; i < COUNT(bad); i++) refuses(bad[i], MTS_ERR_NAME_SYNTAX);
  refuses_span(SPAN("a\0b.example"), MTS_ERR_NAME_SYNTAX);
  refuses_span(SPAN("\xc3\xb1\0b.example"), MTS_ERR_NAME_SYNTAX);
}

static void nothing_is_an_empty_name(void **s) {
  (void)s;
  refuses("", MTS_ERR_NAME_EMPTY);
  refuses(".", MTS_ERR_NAME_EMPTY);
  refuses_span((struct mts_span){NULL, 0}, MTS_ERR_NAME_EMPTY);
}

/* It would read like an address. */
static void an_all_numeric_last_label_is_refused(void **s) {
  (void)s;
  refuses("192.0.2.1", MTS_ERR_NAME_SYNTAX);
  refuses("192.0.2.1.", MTS_ERR_NAME_SYNTAX);
  refuses("127.1", MTS_ERR_NAME_SYNTAX);
  refuses("2130706433", MTS_ERR_NAME_SYNTAX);
  refuses("example.1", MTS_ERR_NAME_SYNTAX);
  refuses("\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1", MTS_ERR_NAME_SYNTAX); /* full width 127 */
  refuses("a.\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97", MTS_ERR_NAME_SYNTAX);     /* the same at the end */
  refuses(
      "127\xe3\x80\x82"
      "0\xe3\x80\x82"
      "0\xe3\x80\x82"
      "1",
      MTS_ERR_NAME_SYNTAX); /* ideographic full stops */
  gives("192.0.2.1a", "192.0.2.1a");
}

static void repeat(char *to, const char *what, size_t times) {
  size_t n = strlen(what);
  for (size_t i = 0; i < times; i++) memcpy(to + i * n, what, n);
  to[times * n] = '\0';
}

static void a_label_has_63_octets_at_most(void **s) {
  (void)s;
  char label[80];
  repeat(label, "a", 63);
  gives(label, label);
  repeat(label, "a", 64);
  refuses(label, MTS_ERR_NAME_LONG);
  memcpy(label, "xn--", 4);
  refuses(label, MTS_ERR_NAME_LONG);
  label[63] = '\0';
  gives(label, label);
  char u[260];
  repeat(u, "\xc3\xb1", 60); /* its A-label is longer than 63 octets */
  refuses(u, MTS_ERR_NAME_LONG);
}

static void a_name_has_253_octets_at_most(void **s) {
  (void)s;
  char name[1300];
  repeat(name, "a23456789.", 25); /* 250 and a dot to come */
  memcpy(name + 250, "abc", 4);
  gives(name, name);
  memcpy(name + 250, "abc.", 5);
  char end[MTS_NAME_SIZE];
  assert_err(normalise(false, mts_span_of(name), end), MTS_OK, "253 octets and the last dot");
  memcpy(name + 250, "abcd", 5);
  refuses(name, MTS_ERR_NAME_LONG);
  repeat(name, "a23456789.", 129);
  refuses(name, MTS_ERR_NAME_LONG);
  memcpy(name, "\xc3\xb1", 2);
  refuses(name, MTS_ERR_NAME_LONG);
  repeat(name, "\xc3\xb1.", 60); /* ASCII is too long only when it is made: 60 times "xn--ida." */
  refuses(name, MTS_ERR_NAME_LONG);
}

static void u_labels_become_a_labels(void **s) {
  (void)s;
  gives(
      "\xc3\xb1"
      "aca.com",
      "xn--aca-6ma.com");
  gives(
      "\xc3\x91"
      "ACA.COM.",
      "xn--aca-6ma.com"); /* mapped to lower case (UTS 46) */
  gives(
      "n\xcc\x83"
      "aca.com",
      "xn--aca-6ma.com"); /* composed (NFC) */
  gives(
      "stra\xc3\x9f"
      "e.de",
      "xn--strae-oqa.de"); /* non-transitional: sharp s stays */
  gives("\xe4\xbe\x8b\xe5\xad\x90.test", "xn--fsqu00a.test");
  gives("mx.\xe4\xbe\x8b\xe5\xad\x90", "mx.xn--fsqu00a");
  gives("\xef\xbd\x81.example", "a.example"); /* full width */
}

static void the_full_stops_of_other_scripts_are_dots(void **s) {
  (void)s;
  gives(
      "a\xe3\x80\x82"
      "example",
      "a.example");
  gives(
      "a\xef\xbc\x8e"
      "example",
      "a.example");
  gives(
      "a\xef\xbd\xa1"
      "example",
      "a.example");
  gives("a.example\xe3\x80\x82", "a.example");
  refuses("a.example.\xe3\x80\x82", MTS_ERR_NAME_SYNTAX);
  refuses("a.example\xe3\x80\x82.", MTS_ERR_NAME_SYNTAX);
  refuses(
      "\xe3\x80\x82"
      "a.example",
      MTS_ERR_NAME_SYNTAX);
  refuses("\xe3\x80\x82", MTS_ERR_NAME_EMPTY);
}

/* Mail goes to names that IDNA 2008 does not know; refusing them would only mean no protection. */
static void an_a_label_is_taken_as_it_stands(void **s) {
  (void)s;
  gives("xn--i-7iq.ws", "xn--i-7iq.ws"); /* an emoji */
  gives("XN--I-7IQ.WS.", "xn--i-7iq.ws");
  gives("xn--0.pt", "xn--0.pt"); /* no Punycode at all */
  gives("xn--a", "xn--a");
  gives("mail.xn--strae-oqa.de", "mail.xn--strae-oqa.de");
  gives(
      "xn--i-7iq.\xc3\xb1"
      "aca.com",
      "xn--i-7iq.xn--aca-6ma.com");     /* beside a U-label */
  refuses("xn--", MTS_ERR_NAME_SYNTAX); /* ends in a hyphen */
  refuses("xn--a_b.example ", MTS_ERR_NAME_SYNTAX);
}

static void what_idna_forbids_in_u_labels_is_refused(void **s) {
  (void)s;
  refuses("i\xe2\x9d\xa4.ws", MTS_ERR_NAME_SYNTAX);      /* an emoji */
  refuses("a\xe2\x84\x80.example", MTS_ERR_NAME_SYNTAX); /* maps to "a/c" */
  refuses("\xc2\xad.example", MTS_ERR_NAME_SYNTAX);      /* a soft hyphen, which maps to nothing */
  refuses("\xe2\x80\x8b", MTS_ERR_NAME_EMPTY);           /* a blank of no width, which maps to nothing */
  refuses("a\xe2\x80\xae.example", MTS_ERR_NAME_SYNTAX); /* turns the direction of text */
}

static void bytes_that_are_not_utf8_are_refused(void **s) {
  (void)s;
  static const char *const bad[] = {"\xff.example",     "a\x80.example",           "\xc3.example",
                                    "\xc0\xaf.example", "\xed\xa0\x80.example",    "\xf4\x90\x80\x80.example",
                                    "a.\xe3\x80",       "\xf0\xe3\x80\x82.example"};
  for (size_t i = 0; i < COUNT(bad); i++) refuses(bad[i], MTS_ERR_NAME_SYNTAX);
}

/* What DNS says is compared, not judged. */
static void only_hosts_of_mx_records_may_have_underscores(void **s) {
  (void)s;
  char name[MTS_NAME_SIZE] = "untouched";
  assert_err(normalise(false, SPAN("mx_1.example"), name), MTS_ERR_NAME_SYNTAX, "a domain");
  assert_string_equal(name, "untouched");
  assert_err(normalise(true, SPAN("MX_1.example."), name), MTS_OK, "a host");
  assert_string_equal(name, "mx_1.example");
  assert_false(mts_name_is_normal(SPAN("mx_1.example")));
}

static void is_normal_only_if_normalising_changes_nothing(void **s) {
  (void)s;
  static const char *const no[] = {"Example.com", "example.com.", "\xc3\xb1.com", "", ".", "a..b", "192.0.2.1", "a_b.c"};
  for (size_t i = 0; i < COUNT(no); i++) assert_false(mts_name_is_normal(mts_span_of(no[i])));
  assert_true(mts_name_is_normal(SPAN("example.com")));
  assert_true(mts_name_is_normal(SPAN("xn--i-7iq.ws")));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ascii_becomes_lower_case_without_the_last_dot),
      cmocka_unit_test(what_is_no_domain_name_is_refused),
      cmocka_unit_test(nothing_is_an_empty_name),
      cmocka_unit_test(an_all_numeric_last_label_is_refused),
      cmocka_unit_test(a_label_has_63_octets_at_most),
      cmocka_unit_test(a_name_has_253_octets_at_most),
      cmocka_unit_test(u_labels_become_a_labels),
      cmocka_unit_test(the_full_stops_of_other_scripts_are_dots),
      cmocka_unit_test(an_a_label_is_taken_as_it_stands),
      cmocka_unit_test(what_idna_forbids_in_u_labels_is_refused),
      cmocka_unit_test(bytes_that_are_not_utf8_are_refused),
      cmocka_unit_test(only_hosts_of_mx_records_may_have_underscores),
      cmocka_unit_test(is_normal_only_if_normalising_changes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
