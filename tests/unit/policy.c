/* SPDX-License-Identifier: ISC
 * The syntax of a policy (RFC 8461 3.2): what is taken, and where and how each deviation is named. */
#include <malloc.h>
#include <time.h>

#include "tools.h"

#define GOOD "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 86400\n"
#define HEAD "version: STSv1\nmode: enforce\nmax_age: 86400\n" /* the next line is line 4 */
#define MX "mx: a.test\n"

struct place {
  const char *code; /* NULL: no more */
  uint32_t line, column;
  bool strict_refuses;
};
#define FLAWS(...) ((const struct place[]){__VA_ARGS__, {NULL, 0, 0, false}})
static const struct place no_flaws[] = {{NULL, 0, 0, false}};

static void check_findings(const char *where, const struct mts_findings *f, const struct place *expected) {
  size_t n = 0;
  for (; expected[n].code; n++) {
    if (n == f->count) fail_msg("%s: %s is not named", where, expected[n].code);
    const struct mts_deviation *d = &f->list[n];
    if (strcmp(d->code, expected[n].code) != 0 || d->line != expected[n].line || d->column != expected[n].column ||
        d->strict_refuses != expected[n].strict_refuses)
      fail_msg("%s: got %s at %u:%u (strict refuses: %d), expected %s at %u:%u", where, d->code, d->line, d->column,
               d->strict_refuses, expected[n].code, expected[n].line, expected[n].column);
    assert_true(strlen(d->message) > 10);
    assert_int_equal(strcspn(d->message, "\n"), strlen(d->message));
  }
  if (n < f->count)
    fail_msg("%s: also %s at %u:%u: %s", where, f->list[n].code, f->list[n].line, f->list[n].column, f->list[n].message);
}

/* Both profiles; the same findings of both. */
static void parse(struct mts_span body, enum mts_err usual, enum mts_err strict, const struct place *flaws) {
  char *copy = exact_copy(body);
  for (int profile = MTS_PROFILE_DEFAULT; profile <= MTS_PROFILE_STRICT; profile++) {
    enum mts_err expected = profile == MTS_PROFILE_STRICT ? strict : usual;
    struct mts_findings f = {0};
    struct mts_policy untouched = {.refs = 77}, *p = &untouched;
    assert_err(mts_policy_parse(mts_span(copy, body.n), (enum mts_profile)profile, &p, &f), expected, body.p);
    if (expected) assert_ptr_equal(p, &untouched);
    check_findings(body.p, &f, flaws);
    bool refused = false;
    for (size_t i = 0; i < f.count; i++) refused = refused || f.list[i].strict_refuses;
    assert_int_equal(f.strict, !refused);
    assert_int_equal(f.strict, strict == MTS_OK);
    if (!expected) mts_policy_free(&p);
    mts_findings_free(&f);
    /* Without findings the verdict is the same. */
    p = NULL;
    assert_err(mts_policy_parse(mts_span(copy, body.n), (enum mts_profile)profile, &p, NULL), expected, body.p);
    mts_policy_free(&p);
  }
  free(copy);
}

#define PARSE(literal, usual, strict, ...) parse(SPAN(literal), MTS_ERR_##usual, MTS_ERR_##strict, FLAWS(__VA_ARGS__))

#define PASS(literal) parse(SPAN(literal), MTS_OK, MTS_OK, no_flaws)

static struct mts_policy *take(struct mts_span body) {
  struct mts_policy *p = NULL;
  assert_err(mts_policy_parse(body, MTS_PROFILE_DEFAULT, &p, NULL), MTS_OK, body.p);
  return p;
}

static void a_policy_to_the_letter_has_no_flaws(void **s) {
  (void)s;
  PASS(GOOD);
  PASS("version:STSv1\r\nmode:testing\r\nmx:*.a.test\r\nmax_age:1\r\n");
  PASS("max_age: \t 0\nmx: a\nmode: none\nversion: STSv1");                    /* any order, no final newline */
  PASS("version: STSv1 \t\nmode: enforce\t\nmx: a.test \nmax_age: 86400  \n"); /* *WSP after each field */
  PASS("version: STSv1\r\nmode: enforce\nmx: a.test\r\nmax_age: 86400\n");     /* LF and CRLF mixed */
  PASS("version: STSv1\nmode: none\nmax_age: 86400\n");
}

static void the_values_are_those_of_the_text(void **s) {
  (void)s;
  struct mts_policy *p = take(SPAN("version: STSv1\nmode: testing\nmx: Mail.A.test\nmx: *.B.test\nmax_age: 604800\n"));
  assert_int_equal(p->refs, 1);
  assert_int_equal(p->mode, MTS_MODE_TESTING);
  assert_int_equal(p->max_age_s, 604800);
  assert_int_equal(p->mx_count, 2);
  assert_string_equal(p->mx[0], "mail.a.test");
  assert_string_equal(p->mx[1], "*.b.test");
  mts_policy_free(&p);
  assert_null(p);
}

static void what_cannot_be_misread_is_forgiven_and_named(void **s) {
  (void)s;
  PARSE("\xef\xbb\xbf" GOOD, OK, POLICY_SYNTAX, {"policy-bom", 1, 1, true});
  PARSE("\n" GOOD, OK, POLICY_SYNTAX, {"policy-blank-line", 1, 1, true});
  PARSE(GOOD "\n", OK, POLICY_SYNTAX, {"policy-blank-line", 5, 1, true});
  PARSE(GOOD "\r\n \t\n", OK, POLICY_SYNTAX, {"policy-blank-line", 5, 1, true}, {"policy-blank-line", 6, 1, true});
  PARSE(GOOD " ", OK, POLICY_SYNTAX, {"policy-blank-line", 5, 1, true});
  PARSE(HEAD " \tmx: a.test\n", OK, POLICY_SYNTAX, {"policy-leading-blank", 4, 1, true});
  PARSE(HEAD "mx: a.test.\n", OK, POLICY_MX, {"policy-mx-trailing-dot", 4, 11, true});
  PARSE(HEAD MX "mx: a b\n", OK, POLICY_MX, {"policy-mx-unusable", 5, 5, true});
  PARSE("\xef\xbb\xbf version: STSv1\nmode: enforce\n" MX "max_age: 86400\n", OK, POLICY_SYNTAX, {"policy-bom", 1, 1, true},
        {"policy-leading-blank", 1, 4, true});
}

static void the_trailing_dot_is_taken_off(void **s) {
  (void)s;
  struct mts_policy *p = take(SPAN(HEAD "mx: *.A.test.\n"));
  assert_string_equal(p->mx[0], "*.a.test");
  mts_policy_free(&p);
}

static void unusable_mx_lines_are_dropped_while_one_remains(void **s) {
  (void)s;
  struct mts_policy *p = take(SPAN(HEAD "mx: .\nmx: a.test\nmx: *\nmx: mail*.b.test\nmx:\nmx: a.*.test\n"));
  assert_int_equal(p->mx_count, 1);
  assert_string_equal(p->mx[0], "a.test");
  mts_policy_free(&p);
  static const char *const bad[] = {".",          "*",         "*.",        "*a.test",       "mail.*.test",  "**.a.test",
                                    "a..test",    "a.test..",  "-a.test",   "a_b.test",      "a b",          "a,b.test",
                                    "[a.test]",   "a.test:25", "192.0.2.1", "http://a.test", "\xc3\xb1.com", "<a.test>",
                                    "\"a.test\"", "{a.test}",  "*.*.test"};
  for (size_t i = 0; i < COUNT(bad); i++) {
    struct mts_buf body = {.limit = 4096};
    mts_buf_addf(&body, HEAD "mx: %s\n", bad[i]);
    parse(mts_span(body.p, body.n), MTS_ERR_POLICY_MX, MTS_ERR_POLICY_MX, FLAWS({"policy-mx-unusable", 4, 5, true}));
    mts_buf_free(&body);
  }
  PARSE(HEAD "mx:\n", POLICY_MX, POLICY_MX, {"policy-mx-unusable", 4, 4, true});
}

static void mode_none_needs_no_usable_mx(void **s) {
  (void)s;
  PARSE("version: STSv1\nmode: none\nmax_age: 86400\nmx: .\n", OK, POLICY_MX, {"policy-mx-unusable", 4, 5, true});
  PASS("version: STSv1\nmode: none\nmax_age: 86400\nmx: a.test\nmx: *.b.test\n");
  struct mts_policy *p = take(SPAN("version: STSv1\nmode: none\nmax_age: 86400\nmx: a.test\nmx: .\n"));
  assert_int_equal(p->mode, MTS_MODE_NONE);
  assert_int_equal(p->mx_count, 1);
  mts_policy_free(&p);
}

static void what_is_missing_is_named_behind_the_end(void **s) {
  (void)s;
  PARSE("mode: enforce\n" MX "max_age: 1\n", POLICY_VERSION, POLICY_VERSION, {"policy-version-missing", 4, 1, true});
  PARSE("version: STSv1\n" MX "max_age: 1\n", POLICY_MODE, POLICY_MODE, {"policy-mode-missing", 4, 1, true});
  PARSE("version: STSv1\nmode: testing\n" MX, POLICY_MAX_AGE, POLICY_MAX_AGE, {"policy-max-age-missing", 4, 1, true});
  PARSE("version: STSv1\nmode: testing\nmax_age: 1", POLICY_MX, POLICY_MX, {"policy-mx-missing", 4, 1, true});
  PARSE("", POLICY_VERSION, POLICY_VERSION, {"policy-version-missing", 1, 1, true}, {"policy-mode-missing", 1, 1, true},
        {"policy-max-age-missing", 1, 1, true}, {"policy-mx-missing", 1, 1, true});
}

static void version_and_mode_are_exact(void **s) {
  (void)s;
  PARSE("version: STSv2\nmode: enforce\n" MX "max_age: 1\n", POLICY_VERSION, POLICY_VERSION, {"policy-version", 1, 10, true});
  PARSE("version: stsv1\nmode: enforce\n" MX "max_age: 1\n", POLICY_VERSION, POLICY_VERSION, {"policy-version", 1, 10, true});
  PARSE("version: STSv1\nmode: Enforce\n" MX "max_age: 1\n", POLICY_MODE, POLICY_MODE, {"policy-mode", 2, 7, true});
  PARSE("version: STSv1\nmode:\tenforced\n" MX "max_age: 1\n", POLICY_MODE, POLICY_MODE, {"policy-mode", 2, 7, true});
  PARSE("version: STSv1\nmode: report\n" MX "max_age: 1\n", POLICY_MODE, POLICY_MODE, {"policy-mode", 2, 7, true});
  PARSE("version: STSv1\nMode: testing\n" MX "max_age: 1\n", POLICY_MODE, POLICY_MODE, {"policy-field-unknown", 2, 1, false},
        {"policy-mode-missing", 5, 1, true});
}

static void max_age_is_1_to_10_digits_and_clamped(void **s) {
  (void)s;
  static const char *const bad[] = {"-1", "1.5", "604,800", "86400}", "1 day", "0x1", "12345678901", "00000000001", "\xd9\xa1"};
  for (size_t i = 0; i < COUNT(bad); i++) {
    struct mts_buf body = {.limit = 4096};
    mts_buf_addf(&body, "version: STSv1\nmode: enforce\n" MX "max_age: %s\n", bad[i]);
    parse(mts_span(body.p, body.n), MTS_ERR_POLICY_MAX_AGE, MTS_ERR_POLICY_MAX_AGE, FLAWS({"policy-max-age", 4, 10, true}));
    mts_buf_free(&body);
  }
  static const struct {
    const char *text;
    uint32_t s;
    bool clamped;
  } good[] = {{"0", 0, false},
              {"0000000001", 1, false},
              {"31557600", 31557600, false},
              {"31557601", 31557600, true},
              {"9999999999", 31557600, true}};
  for (size_t i = 0; i < COUNT(good); i++) {
    struct mts_buf body = {.limit = 4096};
    mts_buf_addf(&body, "version: STSv1\nmode: enforce\n" MX "max_age: %s\n", good[i].text);
    struct mts_policy *p = take(mts_span(body.p, body.n));
    assert_int_equal(p->max_age_s, good[i].s);
    mts_policy_free(&p);
    parse(mts_span(body.p, body.n), MTS_OK, MTS_OK, good[i].clamped ? FLAWS({"policy-max-age-clamped", 4, 10, false}) : no_flaws);
    mts_buf_free(&body);
  }
}

static void of_a_repeated_field_the_first_counts(void **s) {
  (void)s;
  PARSE(GOOD "mode: testing\nmax_age: x\nversion: 2\n", OK, OK, {"policy-repeated-field", 5, 1, false},
        {"policy-repeated-field", 6, 1, false}, {"policy-repeated-field", 7, 1, false});
  struct mts_policy *p = take(SPAN(GOOD "mode: testing\nmax_age: 5\n"));
  assert_int_equal(p->mode, MTS_MODE_ENFORCE);
  assert_int_equal(p->max_age_s, 86400);
  mts_policy_free(&p);
  PARSE("version: STSv1\nmode: x\nmode: testing\n" MX "max_age: 1\n", POLICY_MODE, POLICY_MODE, {"policy-mode", 2, 7, true},
        {"policy-repeated-field", 3, 1, false});
  PARSE(HEAD MX
        "mx: b.test\n"
        "mx: A.Test\n",
        OK, OK, {"policy-mx-repeated", 6, 5, false});
}

static void findings_stand_in_the_order_of_the_text(void **s) {
  (void)s;
  PARSE(HEAD MX "mx: a.test\n\n# x\n", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-mx-repeated", 5, 5, false},
        {"policy-blank-line", 6, 1, true}, {"policy-comment", 7, 1, true});
}

static void lines_that_are_no_field_are_refused(void **s) {
  (void)s;
  PARSE(GOOD "# a comment\n", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-comment", 5, 1, true});
  PARSE(GOOD "mx\n", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-no-colon", 5, 1, true});
  PARSE(GOOD "mx : b.test\n", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-blank-before-colon", 5, 1, true});
  PARSE(GOOD "mx\t: b.test\n", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-blank-before-colon", 5, 1, true});
  PARSE(GOOD ": x\n", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-field-name", 5, 1, true});
  PARSE(GOOD "_x: y\n", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-field-name", 5, 1, true});
  PARSE(GOOD "  a b: y\n", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-leading-blank", 5, 1, true}, {"policy-field-name", 5, 3, true});
  PARSE(GOOD "long_name:\n", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-value-empty", 5, 11, true});
}

static void a_field_name_has_32_characters_at_most(void **s) {
  (void)s;
  PASS(GOOD "a2345678901234567890123456789_-.: x\n");
  PARSE(GOOD "a2345678901234567890123456789_-.3: x\n", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-field-name", 5, 1, true});
}

static void a_value_is_printable_ascii_or_utf8(void **s) {
  (void)s;
  static const char *const good[] = {"a",
                                     "a b",
                                     "a: b;c=d",
                                     "~",
                                     "\xc2\x80",
                                     "\xdf\xbf",
                                     "\xe0\xa0\x80",
                                     "\xed\x9f\xbf",
                                     "\xee\x80\x80",
                                     "\xef\xbf\xbf",
                                     "\xf0\x90\x80\x80",
                                     "\xf4\x8f\xbf\xbf",
                                     "a\xc3\xb1 \xe4\xbe\x8bz"};
  static const struct {
    const char *text;
    uint32_t column;
  } bad[] = {
      {"a\x01", 15},
      {"\x7f", 14},
      {"ab\tc", 16}, /* controls, a tab inside */
      {"\x80", 14},
      {"\xbf", 14},
      {"a\xff", 15},
      {"\xfe", 14},
      {"\xf5\x80\x80\x80", 14}, /* no first byte */
      {"\xc0\xaf", 14},
      {"\xc1\xbf", 14},
      {"\xe0\x9f\xbf", 14},
      {"\xf0\x8f\xbf\xbf", 14}, /* overlong */
      {"\xed\xa0\x80", 14},
      {"\xed\xbf\xbf", 14},
      {"\xf4\x90\x80\x80", 14}, /* surrogates, beyond U+10FFFF */
      {"\xc3", 14},
      {"a\xe4\xbe", 15},
      {"\xf0\x9f\x98", 14},
      {"\xe4\xbe"
       "a",
       14},
      {"\xc3\xc3\xb1", 14}, /* cut off */
  };
  for (size_t i = 0; i < COUNT(good); i++) {
    struct mts_buf body = {.limit = 4096};
    mts_buf_addf(&body, GOOD "x_extension: %s\n", good[i]);
    parse(mts_span(body.p, body.n), MTS_OK, MTS_OK, no_flaws);
    mts_buf_free(&body);
  }
  for (size_t i = 0; i < COUNT(bad); i++) {
    for (int newline = 0; newline < 2; newline++) {
      struct mts_buf body = {.limit = 4096};
      mts_buf_addf(&body, GOOD "x_extension: %s%s", bad[i].text, newline ? "\n" : "");
      parse(mts_span(body.p, body.n), MTS_ERR_POLICY_SYNTAX, MTS_ERR_POLICY_SYNTAX,
            FLAWS({"policy-value-byte", 5, bad[i].column, true}));
      mts_buf_free(&body);
    }
  }
}

static void nul_and_lone_cr_are_refused_where_they_stand(void **s) {
  (void)s;
  PARSE(GOOD "x_extension: a\0b\n", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-value-byte", 5, 15, true});
  PARSE(GOOD "\0", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-no-colon", 5, 1, true});
  PARSE(GOOD "x_ext\0ension: a\n", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-field-name", 5, 1, true});
  PARSE(HEAD "mx: a.test\r\r\n", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-value-byte", 4, 11, true},
        {"policy-mx-missing", 5, 1, true});
  PARSE(HEAD "mx: a.test\r", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-value-byte", 4, 11, true}, {"policy-mx-missing", 5, 1, true});
  PARSE("version: STSv1\rmode: none\rmax_age: 1\r", POLICY_SYNTAX, POLICY_SYNTAX, {"policy-value-byte", 1, 15, true},
        {"policy-version-missing", 2, 1, true}, {"policy-mode-missing", 2, 1, true}, {"policy-max-age-missing", 2, 1, true},
        {"policy-mx-missing", 2, 1, true});
}

/* The one message that begins so. */
static void says(struct mts_span body, const char *code, const char *message) {
  struct mts_findings f = {0};
  struct mts_policy *p = NULL;
  mts_policy_parse(body, MTS_PROFILE_DEFAULT, &p, &f);
  mts_policy_free(&p);
  const char *got = "nothing of this code";
  for (size_t i = 0; i < f.count; i++)
    if (strcmp(f.list[i].code, code) == 0) got = f.list[i].message;
  assert_string_equal(got, message);
  mts_findings_free(&f);
}

static void a_message_tells_the_owner_what_to_write(void **s) {
  (void)s;
  says(SPAN("mode: enforced\n"), "policy-mode", "mode is \"enforced\"; did you mean \"enforce\"?");
  says(SPAN("mode: ENFORCE\n"), "policy-mode", "mode is \"ENFORCE\"; did you mean \"enforce\"?");
  says(SPAN("mode: [testing]\n"), "policy-mode", "mode is \"[testing]\"; did you mean \"testing\"?");
  says(SPAN("mode: test\n"), "policy-mode", "mode is \"test\"; did you mean \"testing\"?");
  says(SPAN("mode: [enforce|testing|none]\n"), "policy-mode", "mode is \"[enforce|testing|none]\"; write enforce, testing or none");
  says(SPAN("mx: a.test b.test\n"), "policy-mx-unusable",
       "mx \"a.test b.test\": write one host name in each line, and nothing else");
  says(SPAN("mode: live\n"), "policy-mode", "mode is \"live\"; write enforce, testing or none");
  says(SPAN("version: STSv2\n"), "policy-version", "version is \"STSv2\"; write STSv1");
  says(SPAN("max-age: 5\n"), "policy-field-unknown", "field \"max-age\" is not looked at; did you mean \"max_age\"?");
  says(SPAN("max_age: 604,800\n"), "policy-max-age", "max_age \"604,800\" is not a number of 1 to 10 digits (seconds)");
  says(SPAN("mx: *\x1b[31m\xc3\xb1\n"
            "mx: mail*.a\n"),
       "policy-mx-unusable", "mx \"mail*.a\" is neither a host name nor \"*.\" and a domain");
  says(SPAN("version: STSv1\rmode: none\n"), "policy-value-byte", "a CR without LF is no line end: end lines with LF or CRLF");
  says(SPAN("\xff\xfev\0e\0r\0"), "policy-utf16", "the file is UTF-16: save it as plain text in ASCII or UTF-8");
  says(SPAN("{\\rtf1\\ansi\n"), "policy-rtf", "the file is a rich text document: save it as plain text");
  says(SPAN("mode: \"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeee\n"), "policy-mode",
       "mode is \"\"aaaaaaaaaabbbbbbbbbbccccccccccdddddd...\"; write enforce, testing or none");
  says(SPAN(HEAD MX "mx: a.test\n"), "policy-mx-repeated", "the same mx as in line 4");
}

static void findings_beyond_the_limit_are_counted(void **s) {
  (void)s;
  struct mts_buf body = {.limit = 4096};
  mts_buf_addf(&body, "%s", GOOD);
  for (int i = 0; i < 300; i++) mts_buf_addf(&body, "\n");
  struct mts_policy *p = NULL;
  struct mts_findings f = {0};
  for (int round = 0; round < 2; round++) { /* findings may be used again */
    assert_int_equal(mts_policy_parse(mts_span(body.p, body.n), MTS_PROFILE_DEFAULT, &p, &f), MTS_OK);
    assert_int_equal(f.count, MTS_FINDINGS_MAX);
    assert_int_equal(f.dropped, 300 - MTS_FINDINGS_MAX);
    assert_int_equal(f.list[MTS_FINDINGS_MAX - 1].line, 4 + MTS_FINDINGS_MAX);
    mts_policy_free(&p);
  }
  mts_findings_free(&f);
  assert_null(f.list);
  mts_buf_free(&body);
}

static double ms_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void fill(struct mts_buf *body, size_t n, const char *line) {
  body->limit = n;
  mts_buf_add(body, HEAD, strlen(HEAD));
  while (mts_buf_add(body, line, strlen(line)) == MTS_OK) continue;
  while (mts_buf_add(body, " ", 1) == MTS_OK) continue;
}

/* Time grows with size, not with its square: 1 second would be far beyond 10 ms even in a checker of memory. */
static void the_largest_policy_is_read_quickly_and_one_byte_more_is_refused(void **s) {
  (void)s;
  static const char *const lines[] = {"mx: a\n", "mx:a\n", "\n", "mx: .\n", "x\n", "mode: x\n", "max-age: 1\n"};
  for (size_t i = 0; i < COUNT(lines); i++) {
    struct mts_buf body = {0};
    struct mts_policy *p = NULL;
    struct mts_findings f = {0};
    fill(&body, MTS_POLICY_MAX_BYTES + 1, lines[i]);
    assert_int_equal(body.n, MTS_POLICY_MAX_BYTES + 1);
    double from = ms_now();
    enum mts_err err = mts_policy_parse(mts_span(body.p, body.n - 1), MTS_PROFILE_DEFAULT, &p, &f);
    assert_true(ms_now() - from < 1000);
    assert_int_not_equal(err, MTS_ERR_POLICY_SIZE);
    if (i < 2) {
      assert_int_equal(err, MTS_OK);
      assert_int_equal(p->mx_count, (MTS_POLICY_MAX_BYTES - strlen(HEAD)) / strlen(lines[i]));
      assert_string_equal(p->mx[p->mx_count - 1], "a");
    }
    mts_policy_free(&p);
    assert_int_equal(mts_policy_parse(mts_span(body.p, body.n), MTS_PROFILE_DEFAULT, &p, &f), MTS_ERR_POLICY_SIZE);
    check_findings("too large", &f, FLAWS({"policy-size", 1, 1, true}));
    mts_findings_free(&f);
    mts_buf_free(&body);
  }
}

static void a_policy_is_one_allocation(void **s) {
  (void)s;
  struct mts_policy *p = take(SPAN(HEAD "mx: a.test\nmx: *.b.test\nmx: c.test\n"));
  const char *from = (const char *)p, *to = from + malloc_usable_size(p);
  const char *list = (const char *)(const void *)p->mx;
  assert_true(list >= from && list + 3 * sizeof(char *) <= to);
  for (size_t i = 0; i < p->mx_count; i++) assert_true(p->mx[i] >= from && p->mx[i] + strlen(p->mx[i]) < to);
  assert_true(malloc_usable_size(p) < 160); /* 10 000 such are well below 10 MB */
  mts_policy_free(&p);
}

static void references_keep_a_policy(void **s) {
  (void)s;
  struct mts_policy *p = take(SPAN(GOOD)), *q = mts_policy_ref(p), *none = NULL;
  mts_policy_free(&p);
  assert_null(p);
  assert_string_equal(q->mx[0], "a.test");
  mts_policy_free(&q);
  mts_policy_free(&none);
  mts_policy_free(NULL);
  assert_null(mts_policy_ref(NULL));
}

static void a_policy_from_values_is_checked_too(void **s) {
  (void)s;
  struct mts_policy *p = NULL;
  assert_int_equal(mts_policy_new(MTS_MODE_ENFORCE, UINT32_MAX, (const char *[]){"MX.a.test", "*.B.test"}, 2, &p), MTS_OK);
  assert_int_equal(p->max_age_s, MTS_POLICY_MAX_AGE_S);
  assert_string_equal(p->mx[0], "mx.a.test");
  assert_string_equal(p->mx[1], "*.b.test");
  mts_policy_free(&p);
  assert_int_equal(mts_policy_new(MTS_MODE_ENFORCE, 1, NULL, 0, &p), MTS_ERR_POLICY_MX);
  assert_int_equal(mts_policy_new(MTS_MODE_TESTING, 1, (const char *[]){"a.test", "*"}, 2, &p), MTS_ERR_POLICY_MX);
  assert_int_equal(mts_policy_new(MTS_MODE_TESTING, 1, (const char *[]){NULL}, 1, &p), MTS_ERR_POLICY_MX);
  assert_int_equal(mts_policy_new((enum mts_mode)3, 1, (const char *[]){"a"}, 1, &p), MTS_ERR_POLICY_MODE);
  assert_null(p);
  assert_int_equal(mts_policy_new(MTS_MODE_NONE, 0, NULL, 0, &p), MTS_OK);
  assert_int_equal(p->mx_count, 0);
  mts_policy_free(&p);
}

static void modes_have_exact_names(void **s) {
  (void)s;
  enum mts_mode mode = MTS_MODE_TESTING;
  assert_true(mts_mode_from_name("enforce", &mode));
  assert_int_equal(mode, MTS_MODE_ENFORCE);
  assert_false(mts_mode_from_name("Enforce", &mode));
  assert_false(mts_mode_from_name("", &mode));
  assert_false(mts_mode_from_name(NULL, &mode));
  assert_int_equal(mode, MTS_MODE_ENFORCE);
  for (int m = MTS_MODE_NONE; m <= MTS_MODE_ENFORCE; m++) {
    assert_true(mts_mode_from_name(mts_mode_name((enum mts_mode)m), &mode));
    assert_int_equal(mode, m);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_policy_to_the_letter_has_no_flaws),
      cmocka_unit_test(the_values_are_those_of_the_text),
      cmocka_unit_test(what_cannot_be_misread_is_forgiven_and_named),
      cmocka_unit_test(the_trailing_dot_is_taken_off),
      cmocka_unit_test(unusable_mx_lines_are_dropped_while_one_remains),
      cmocka_unit_test(mode_none_needs_no_usable_mx),
      cmocka_unit_test(what_is_missing_is_named_behind_the_end),
      cmocka_unit_test(version_and_mode_are_exact),
      cmocka_unit_test(max_age_is_1_to_10_digits_and_clamped),
      cmocka_unit_test(of_a_repeated_field_the_first_counts),
      cmocka_unit_test(findings_stand_in_the_order_of_the_text),
      cmocka_unit_test(lines_that_are_no_field_are_refused),
      cmocka_unit_test(a_field_name_has_32_characters_at_most),
      cmocka_unit_test(a_value_is_printable_ascii_or_utf8),
      cmocka_unit_test(nul_and_lone_cr_are_refused_where_they_stand),
      cmocka_unit_test(a_message_tells_the_owner_what_to_write),
      cmocka_unit_test(findings_beyond_the_limit_are_counted),
      cmocka_unit_test(the_largest_policy_is_read_quickly_and_one_byte_more_is_refused),
      cmocka_unit_test(a_policy_is_one_allocation),
      cmocka_unit_test(references_keep_a_policy),
      cmocka_unit_test(a_policy_from_values_is_checked_too),
      cmocka_unit_test(modes_have_exact_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
