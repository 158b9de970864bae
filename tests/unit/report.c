/* SPDX-License-Identifier: ISC
 * Reports that others send (RFC 8460 4.4): what is read, what is noted, what is refused, and that nothing grows without bounds. */
#include <inttypes.h>
#include <time.h>
#include <zlib.h>

#include "tools.h"

#define HEAD "\"organization-name\":\"A\",\"contact-info\":\"tls@a.test\",\"report-id\":\"1\","
#define RANGE "\"date-range\":{\"start-datetime\":\"2026-01-02T00:00:00Z\",\"end-datetime\":\"2026-01-02T23:59:59Z\"},"
#define POLICY                                                                                                                     \
  "\"policy\":{\"policy-type\":\"sts\",\"policy-string\":[\"version: STSv1\",\"mode: testing\",\"mx: mx.b.test\",\"max_age: 1\"]," \
  "\"policy-domain\":\"b.test\",\"mx-host\":[\"mx.b.test\"]}"
#define SUMMARY "\"summary\":{\"total-successful-session-count\":5,\"total-failure-session-count\":2}"
#define FAILURE                                                                                                            \
  "{\"result-type\":\"certificate-expired\",\"sending-mta-ip\":\"192.0.2.1\",\"receiving-mx-hostname\":\"mx.b.test\","     \
  "\"receiving-mx-helo\":\"mx\",\"receiving-ip\":\"2001:DB8:0::2\",\"failed-session-count\":2,\"additional-information\":" \
  "\"https://a.test/1\",\"failure-reason-code\":\"late\"}"
#define ENTRY "{" POLICY "," SUMMARY ",\"failure-details\":[" FAILURE "]}"
#define WHOLE "{" HEAD RANGE "\"policies\":[" ENTRY "]}"

struct reading {
  enum mts_err err;
  struct mts_report *report;
  struct mts_findings findings;
};

static struct reading read_as(struct mts_span bytes, enum mts_profile profile) {
  struct reading got = {0};
  char *copy = exact_copy(bytes);
  got.err = mts_report_parse(mts_span(copy, bytes.n), profile, &got.report, &got.findings);
  free(copy);
  if ((got.err == MTS_OK) != (got.report != NULL)) fail_msg("%s, and a report: %d", mts_err_name(got.err), got.report != NULL);
  return got;
}
static struct reading read_span(struct mts_span bytes) { return read_as(bytes, MTS_PROFILE_DEFAULT); }
static struct reading read_text(const char *text) { return read_span(mts_span_of(text)); }

static void done(struct reading *got) {
  mts_report_free(&got->report);
  mts_findings_free(&got->findings);
}

static const struct mts_deviation *noted(const struct reading *got, const char *code) {
  for (size_t i = 0; i < got->findings.count; i++)
    if (strcmp(got->findings.list[i].code, code) == 0) return &got->findings.list[i];
  return NULL;
}

/* Of the default: err, and that code and path are noted (code NULL: nothing is). strict: what both profiles say of the text. */
static void check(const char *text, enum mts_err err, const char *code, const char *path, bool strict) {
  struct reading got = read_text(text);
  assert_err(got.err, err, text);
  if (got.findings.strict != strict) fail_msg("%s: strict is %d", text, got.findings.strict);
  if (!code && got.findings.count) fail_msg("%s: %s", text, got.findings.list[0].code);
  const struct mts_deviation *d = code ? noted(&got, code) : NULL;
  if (code && !d) fail_msg("%s: no %s, but %s", text, code, got.findings.count ? got.findings.list[0].code : "nothing");
  if (d && strcmp(d->path, path) != 0) fail_msg("%s: %s at %s", text, code, d->path);
  done(&got);
  struct reading letter = read_as(mts_span_of(text), MTS_PROFILE_STRICT);
  if ((letter.err == MTS_OK) != strict) fail_msg("%s: strict gives %s", text, mts_err_name(letter.err));
  done(&letter);
}

static void a_report_to_the_letter_is_read_whole(void **s) {
  (void)s;
  check(WHOLE, MTS_OK, NULL, NULL, true);
  struct reading got = read_text(WHOLE);
  const struct mts_report *r = got.report;
  assert_string_equal(r->organization, "A");
  assert_string_equal(r->contact, "tls@a.test");
  assert_string_equal(r->id, "1");
  assert_int_equal(r->begins_at, 1767312000);
  assert_int_equal(r->ends_at, 1767398399);
  assert_int_equal(r->policy_count, 1);
  const struct mts_report_policy *p = &r->policies[0];
  assert_string_equal(p->type, "sts");
  assert_string_equal(p->domain, "b.test");
  assert_int_equal(p->line_count, 4);
  assert_string_equal(p->lines[2], "mx: mx.b.test");
  assert_int_equal(p->pattern_count, 1);
  assert_int_equal(p->successful, 5);
  assert_int_equal(p->failed, 2);
  assert_int_equal(p->failure_count, 1);
  const struct mts_report_failure *f = &p->failures[0];
  assert_string_equal(f->result, "certificate-expired");
  assert_string_equal(f->source, "192.0.2.1");
  assert_string_equal(f->address, "2001:db8::2");
  assert_string_equal(f->mx, "mx.b.test");
  assert_string_equal(f->helo, "mx");
  assert_int_equal(f->count, 2);
  assert_string_equal(f->info, "https://a.test/1");
  assert_string_equal(f->reason, "late");
  done(&got);
}

#define OF_POLICY(fields) "{" HEAD RANGE "\"policies\":[{\"policy\":{" fields "}," SUMMARY ",\"failure-details\":[" FAILURE "]}]}"
#define OF_RANGE(start, end) \
  "{" HEAD "\"date-range\":{\"start-datetime\":" start ",\"end-datetime\":" end "},\"policies\":[" ENTRY "]}"
#define OF_COUNTS(good, bad)                                                                       \
  "{" HEAD RANGE "\"policies\":[{" POLICY ",\"summary\":{\"total-successful-session-count\":" good \
  ",\"total-failure-session-count\":" bad "},\"failure-details\":[]}]}"

static void what_cannot_be_misread_is_taken_and_noted(void **s) {
  (void)s;
  static const struct {
    const char *text, *code, *path;
    bool strict;
  } cases[] = {
      {"\xef\xbb\xbf" WHOLE, "report-bom", "", false},
      {"[" WHOLE "]", "report-nesting", "", false},
      {"{" HEAD RANGE "\"policies\":" ENTRY "}", "report-not-array", "policies", false},
      {"{" HEAD RANGE "\"policies\":[]}", "report-empty", "policies", true},
      {"{" HEAD RANGE "\"Policies\":[]}", "report-key", "Policies", false},
      {"{" HEAD RANGE "\"x\":1,\"policies\":[" ENTRY "]}", "report-unknown-field", "x", true},
      {"{" HEAD "\"policies\":[" ENTRY "]}", "report-missing", "date-range", false},
      {"{" HEAD "\"date-range\":null,\"policies\":[" ENTRY "]}", "report-null", "date-range", false},
      {"{" HEAD "\"start-datetime\":\"2026-01-02T00:00:00Z\",\"end-datetime\":\"2026-01-02T23:59:59Z\",\"policies\":[" ENTRY "]}",
       "report-nesting", "", false},
      {"{\"organization-name\":5}", "report-type", "organization-name", false},
      {"{\"contact-info\":null}", "report-null", "contact-info", false},
      {"{\"contact-info\":\"A <a@a.test>\"}", "report-contact", "contact-info", false},
      {"{\"contact-info\":\"a@b\\u0000\"}", "report-contact", "contact-info", false},
      {"{\"report-id\":\"\"}", "report-empty", "report-id", false},
      {"{" HEAD RANGE "\"policies\":[{" POLICY "," SUMMARY ",\"failure-details\":" FAILURE "}]}", "report-not-array",
       "policies[0].failure-details", false},
      {"{" HEAD RANGE "\"policies\":[{" POLICY "," SUMMARY "}]}", "report-missing", "policies[0].failure-details", false},
      {"{" HEAD RANGE "\"policies\":[{" POLICY ",\"total-successful-session-count\":1,\"total-failure-session-count\":0}]}",
       "report-nesting", "policies[0]", false},
      {OF_POLICY("\"policy-type\":\"STS\""), "report-policy-type", "policies[0].policy.policy-type", false},
      {OF_POLICY("\"policy-type\":\"other\""), "report-policy-type", "policies[0].policy.policy-type", false},
      {OF_POLICY("\"policy-string\":\"version: STSv1\\nmode: none\""), "report-not-array", "policies[0].policy.policy-string",
       false},
      {OF_POLICY("\"policy-string\":[\"version: STSv1\\nmode: none\"]"), "report-lines", "policies[0].policy.policy-string", false},
      {OF_POLICY("\"mx-host\":[[\"mx.b.test\"]]"), "report-nesting", "policies[0].policy.mx-host", false},
      {OF_POLICY("\"mx-host\":[\"mx: mx.b.test\"]"), "report-name", "policies[0].policy.mx-host", false},
      {OF_POLICY("\"policy-domain\":\"b\xc3\xbc.test\""), "report-name", "policies[0].policy.policy-domain", false},
      {OF_POLICY("\"policy-domain\":\"b test\""), "report-name", "policies[0].policy.policy-domain", false},
      {OF_RANGE("\"2026-01-02T00:00:00\"", "\"2026-01-02T23:59:59Z\""), "report-time-zone", "date-range.start-datetime", false},
      {OF_RANGE("\"2026-01-02\"", "\"2026-01-02\""), "report-time", "date-range.start-datetime", false},
      {OF_RANGE("1767312000", "1767398399"), "report-type", "date-range.start-datetime", false},
      {OF_RANGE("\"yesterday\"", "\"2026-01-02T23:59:59Z\""), "report-time", "date-range.start-datetime", false},
      {OF_RANGE("\"2026-01-02T00:00:00Z\"", "\"2026-01-03T00:00:00Z\""), "report-range-day", "date-range", true},
      {OF_RANGE("\"2026-01-02T00:00:00Z\"", "\"2026-01-01T00:00:00Z\""), "report-range", "date-range", false},
      {OF_RANGE("\"2026-01-02T02:00:00+02:00\"", "\"2026-01-02t23:59:59.9z\""), NULL, NULL, true},
      {OF_COUNTS("\"5\"", "0"), "report-number", "policies[0].summary.total-successful-session-count", false},
      {OF_COUNTS("5.0", "0"), "report-number", "policies[0].summary.total-successful-session-count", false},
      {OF_COUNTS("null", "0"), "report-null", "policies[0].summary.total-successful-session-count", false},
      {OF_COUNTS("9007199254740991", "1"), "report-sum", "policies[0].failure-details", true},
  };
  for (size_t i = 0; i < COUNT(cases); i++) check(cases[i].text, MTS_OK, cases[i].code, cases[i].path, cases[i].strict);
}

static void addresses_of_any_form_are_a_contact(void **s) {
  (void)s;
  static const struct {
    const char *contact;
    bool fits;
  } cases[] = {{"a@b.test", true},
               {"\\\"a b, c\\\"@b.test", true},
               {"a+b/c=d@b.test", true},
               {"a@[192.0.2.1]", true},
               {"a", false},
               {"@b.test", false},
               {"a@", false},
               {"a b@b.test", false},
               {"mailto:a@b.test", false},
               {"A <a@b.test>", false},
               {"a@b.test, c@d.test", false},
               {"a@b test", false},
               {"\\\"a@b.test", false}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    char text[200];
    snprintf(text, sizeof text, "{\"contact-info\":\"%s\"}", cases[i].contact);
    struct reading got = read_text(text);
    assert_err(got.err, MTS_OK, text);
    if ((noted(&got, "report-contact") == NULL) != cases[i].fits) fail_msg("%s", text);
    done(&got);
  }
}

static void what_could_be_misread_is_refused(void **s) {
  (void)s;
  static const char *const counts[] = {
      "-1", "5.5",  "1e300", "9007199254740992", "9223372036854775808", "1e999", "\"-1\"", "\"\"", "\"5x\"", "true", "[5]",
      "{}", "-0.5", "1e-1"};
  for (size_t i = 0; i < COUNT(counts); i++) {
    char text[1000];
    snprintf(text, sizeof text, "{" HEAD RANGE "\"policies\":[{" POLICY ",\"summary\":{\"total-successful-session-count\":%s}}]}",
             counts[i]);
    struct reading got = read_text(text);
    assert_err(got.err, MTS_ERR_REPORT_COUNT, counts[i]);
    assert_non_null(noted(&got, "report-count"));
    assert_false(got.findings.strict);
    done(&got);
  }
  check("{\"report-id\":\"1\",\"report-id\":\"2\"}", MTS_ERR_REPORT_SYNTAX, "report-duplicate-field", "", false);
  check("{\"organization-name\":\"A\"", MTS_ERR_REPORT_SYNTAX, "report-syntax", "", false);
  check("", MTS_ERR_REPORT_SYNTAX, "report-syntax", "", false);
  struct reading nul = read_span(SPAN("{\"policies\":[{\"x\":1\0,\"y\":2}]}"));
  assert_err(nul.err, MTS_ERR_REPORT_SYNTAX, "a NUL between tokens");
  assert_int_equal(nul.findings.list[0].column, 20);
  done(&nul);
  struct reading nothing = {0};
  assert_err(mts_report_parse(mts_span(NULL, 0), MTS_PROFILE_DEFAULT, &nothing.report, NULL), MTS_ERR_REPORT_SYNTAX,
             "no bytes at all");
  assert_null(nothing.report);
  check("{}", MTS_ERR_REPORT_FIELDS, "report-fields", "", false);
  check("[" WHOLE "," WHOLE "]", MTS_ERR_REPORT_FIELDS, "report-fields", "", false);
  check("\"a\"", MTS_ERR_REPORT_SYNTAX, "report-syntax", "", false);
  check("[5]", MTS_ERR_REPORT_FIELDS, "report-fields", "", false);
  check("{\"policies\":5}", MTS_ERR_REPORT_FIELDS, "report-type", "policies", false);
  check("{\"policies\":[5]}", MTS_ERR_REPORT_FIELDS, "report-type", "policies[0]", false);
  check("{\"policies\":[{\"summary\":[1,2]}]}", MTS_ERR_REPORT_FIELDS, "report-type", "policies[0].summary", false);
  check("{\"policies\":[{\"failure-details\":\"x\"}]}", MTS_ERR_REPORT_FIELDS, "report-type", "policies[0].failure-details", false);
}

static void deviations_know_line_and_column(void **s) {
  (void)s;
  struct reading got = read_text(
      "\n{\"a\\\"\":[1,{\"b\":\"},]\"}],\n  \"report-id\": null,\n\"policies\":[ {}, {\"summary\":\n "
      "{\"total-successful-session-count\"\n: \"7\"}}]}");
  assert_err(got.err, MTS_OK, "places");
  const struct mts_deviation *null = noted(&got, "report-null"), *number = noted(&got, "report-number");
  assert_non_null(null);
  assert_int_equal(null->line, 3);
  assert_int_equal(null->column, 16);
  assert_non_null(number);
  assert_string_equal(number->path, "policies[1].summary.total-successful-session-count");
  assert_string_equal(number->clause, "RFC 8460 4.4");
  assert_int_equal(number->line, 6);
  assert_int_equal(number->column, 3);
  done(&got);
}

static void hostile_texts_are_made_visible(void **s) {
  (void)s;
  struct reading got = read_span(
      SPAN("{\"organization-name\":\"a\\u0000b\\u001b[31m\xff\x7f\",\"policies\":[{\"policy\":{\"policy-string\":[\"x\\ry\"]}}]}"));
  assert_err(got.err, MTS_OK, "visible");
  assert_string_equal(got.report->organization, "a\\x00b\\x1b[31m\\xff\\x7f");
  assert_string_equal(got.report->policies[0].lines[0], "x\\x0dy");
  assert_non_null(noted(&got, "report-utf8"));
  assert_non_null(noted(&got, "report-control"));
  assert_int_equal(noted(&got, "report-utf8")->column, 41);
  done(&got);
}

/* ---- bounds ---- */

static char *repeated(const char *before, const char *piece, size_t times, const char *after, size_t *n) {
  size_t length = strlen(piece), begin = strlen(before), end = strlen(after);
  char *text = malloc(begin + length * times + end + 1);
  assert_non_null(text);
  memcpy(text, before, begin);
  for (size_t i = 0; i < times; i++) memcpy(text + begin + i * length, piece, length);
  memcpy(text + begin + length * times, after, end + 1);
  *n = begin + length * times + end;
  return text;
}

static void refused_for_size(const char *before, const char *piece, size_t times, const char *after) {
  size_t n = 0;
  char *text = repeated(before, piece, times, after, &n);
  struct reading got = read_span(mts_span(text, n));
  assert_err(got.err, MTS_ERR_REPORT_SIZE, piece);
  assert_non_null(noted(&got, "report-size"));
  done(&got);
  free(text);
}

static void nesting_numbers_and_lengths_are_bounded(void **s) {
  (void)s;
  refused_for_size("", "[", 100000, "");
  refused_for_size("", "{\"a\":", 40, "1");
  refused_for_size("{\"policies\":[", "0,", MTS_REPORT_MAX_VALUES, "0]}");
  refused_for_size("{\"policies\":[", "{},", MTS_REPORT_MAX_POLICIES, "{}]}");
  refused_for_size("{\"policies\":[{\"failure-details\":[", "{},", MTS_REPORT_MAX_FAILURES, "{}]}]}");
  refused_for_size("{\"policies\":[{\"policy\":{\"mx-host\":[", "\"a\",", MTS_REPORT_MAX_LINES, "\"a\"]}}]}");
  size_t n = 0;
  char *text = repeated("{\"report-id\":\"", "\xc3\xbc", MTS_REPORT_MAX_TEXT, "\"}", &n);
  struct reading got = read_span(mts_span(text, n));
  assert_err(got.err, MTS_OK, "long text");
  assert_non_null(noted(&got, "report-long"));
  assert_int_equal(strlen(got.report->id), MTS_REPORT_MAX_TEXT);
  done(&got);
  free(text);
}

static void very_many_deviations_cost_no_time(void **s) {
  (void)s;
  size_t n = 0;
  char name[32], *text = malloc(1 << 24), *to = text;
  assert_non_null(text);
  *to++ = '{';
  for (unsigned i = 0; i < 300000; i++) {
    int length = snprintf(name, sizeof name, "\"k%u\":\n0,", i);
    memcpy(to, name, (size_t)length);
    to += length;
  }
  memcpy(to, "\"policies\":[]}", 14);
  n = (size_t)(to - text) + 14;
  clock_t begin = clock();
  struct reading got = read_span(mts_span(text, n));
  assert_err(got.err, MTS_OK, "many fields");
  assert_int_equal(got.findings.count, MTS_FINDINGS_MAX);
  assert_true(got.findings.dropped > 299000);
  assert_true(clock() - begin < 20 * CLOCKS_PER_SEC);
  done(&got);
  free(text);
}

/* ---- gzip ---- */

static struct mts_span gzip(struct mts_span text, int times) {
  struct mts_span in = text;
  char *owned = NULL;
  for (int i = 0; i < times; i++) {
    union {
      const char *lent;
      unsigned char *in;
    } from = {in.p};
    z_stream z = {.next_in = from.in, .avail_in = (unsigned)in.n};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, in.n);
    unsigned char *out = malloc(room);
    assert_non_null(out);
    z.next_out = out;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    in = mts_span((char *)out, z.total_out);
    deflateEnd(&z);
    free(owned);
    owned = (char *)out;
  }
  return in;
}

static void let_go(struct mts_span bytes) {
  union {
    const char *lent;
    char *owned;
  } p = {bytes.p};
  free(p.owned);
}

static void gzip_is_read_however_it_came(void **s) {
  (void)s;
  struct mts_span once = gzip(SPAN(WHOLE), 1), twice = gzip(SPAN(WHOLE), 2);
  struct reading got = read_span(once);
  assert_err(got.err, MTS_OK, "gzip");
  assert_true(got.findings.strict);
  done(&got);
  got = read_span(twice);
  assert_err(got.err, MTS_OK, "gzip twice");
  assert_non_null(noted(&got, "report-gzip-twice"));
  done(&got);
  struct mts_buf bytes = {.limit = 100000};
  mts_buf_add(&bytes, once.p, once.n);
  mts_buf_add(&bytes, "rest", 4);
  got = read_span(mts_span(bytes.p, bytes.n));
  assert_err(got.err, MTS_OK, "gzip and a rest");
  assert_non_null(noted(&got, "report-gzip-rest"));
  done(&got);
  mts_buf_reset(&bytes);
  struct mts_span a = gzip(mts_span(WHOLE, 100), 1), b = gzip(mts_span(&WHOLE[100], sizeof WHOLE - 101), 1);
  mts_buf_add(&bytes, a.p, a.n);
  mts_buf_add(&bytes, b.p, b.n);
  got = read_span(mts_span(bytes.p, bytes.n));
  assert_err(got.err, MTS_OK, "two members");
  done(&got);
  mts_buf_free(&bytes);
  let_go(a), let_go(b), let_go(once), let_go(twice);
}

static void damaged_gzip_is_refused(void **s) {
  (void)s;
  struct mts_span whole = gzip(SPAN(WHOLE), 1);
  for (size_t n = 2; n < whole.n; n++) {
    struct reading got = read_span(mts_span(whole.p, n));
    assert_err(got.err, MTS_ERR_REPORT_GZIP, "cut");
    assert_non_null(noted(&got, "report-gzip"));
    done(&got);
  }
  char *bytes = exact_copy(whole);
  bytes[whole.n / 2] ^= 0x55;
  struct reading got = read_span(mts_span(bytes, whole.n));
  assert_err(got.err, MTS_ERR_REPORT_GZIP, "a wrong byte");
  done(&got);
  free(bytes);
  let_go(whole);
}

static void a_gzip_bomb_is_stopped(void **s) {
  (void)s;
  size_t n = 32u << 20;
  char *blanks = malloc(n);
  assert_non_null(blanks);
  memset(blanks, ' ', n);
  struct mts_span bomb = gzip(mts_span(blanks, n), 1);
  free(blanks);
  assert_true(bomb.n < 40000);
  struct reading got = read_span(bomb);
  assert_err(got.err, MTS_ERR_REPORT_SIZE, "bomb");
  done(&got);
  /* Members that each fit do not, together. */
  struct mts_span part = gzip(mts_span("                    ", 20), 1);
  struct mts_buf many = {.limit = 200u << 20};
  while (many.n < (MTS_REPORT_MAX_BYTES + 1)) mts_buf_add(&many, part.p, part.n);
  got = read_span(mts_span(many.p, many.n));
  assert_err(got.err, MTS_ERR_REPORT_SIZE, "more bytes than are taken");
  done(&got);
  mts_buf_free(&many);
  let_go(part), let_go(bomb);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_report_to_the_letter_is_read_whole),
      cmocka_unit_test(what_cannot_be_misread_is_taken_and_noted),
      cmocka_unit_test(addresses_of_any_form_are_a_contact),
      cmocka_unit_test(what_could_be_misread_is_refused),
      cmocka_unit_test(deviations_know_line_and_column),
      cmocka_unit_test(hostile_texts_are_made_visible),
      cmocka_unit_test(nesting_numbers_and_lengths_are_bounded),
      cmocka_unit_test(very_many_deviations_cost_no_time),
      cmocka_unit_test(gzip_is_read_however_it_came),
      cmocka_unit_test(damaged_gzip_is_refused),
      cmocka_unit_test(a_gzip_bomb_is_stopped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
