/* SPDX-License-Identifier: ISC
 * The TXT record _mta-sts (RFC 8461 3.1): what is taken, and where and how each deviation is named. */
#include "tools.h"

/* code NULL: no finding. Of several the first is looked at. */
static void check_first(const char *where, const struct mts_findings *f, const char *code, uint32_t column) {
  if (!code) {
    if (f->count) fail_msg("%s: %s at %u: %s", where, f->list[0].code, f->list[0].column, f->list[0].message);
    return;
  }
  if (!f->count) fail_msg("%s: %s is not named", where, code);
  if (strcmp(f->list[0].code, code) != 0 || f->list[0].line != 1 || f->list[0].column != column)
    fail_msg("%s: got %s at %u:%u (%s), expected %s at %u", where, f->list[0].code, f->list[0].line, f->list[0].column,
             f->list[0].message, code, column);
}

static void gives_span(struct mts_span text, const char *id, const char *code, uint32_t column) {
  struct mts_record r = {"untouched"};
  struct mts_findings f = {0};
  char *copy = exact_copy(text);
  assert_err(mts_record_parse(mts_span(copy, text.n), &r, &f), id ? MTS_OK : MTS_ERR_RECORD_SYNTAX, text.p);
  assert_string_equal(r.id, id ? id : "untouched");
  check_first(text.p, &f, code, column);
  assert_int_equal(f.strict, id != NULL);
  assert_int_equal(mts_record_parse(mts_span(copy, text.n), &r, NULL), id ? MTS_OK : MTS_ERR_RECORD_SYNTAX);
  mts_findings_free(&f);
  free(copy);
}

static void takes(const char *text, const char *id) { gives_span(mts_span_of(text), id, NULL, 0); }
static void refuses(const char *text, const char *code, uint32_t column) { gives_span(mts_span_of(text), NULL, code, column); }

static void blanks_may_stand_around_semicolons_only(void **s) {
  (void)s;
  takes("v=STSv1; id=20160831085700Z;", "20160831085700Z");
  takes("v=STSv1;id=1", "1");
  takes("v=STSv1 \t;\t id=1 ; \t", "1");
  refuses(" v=STSv1;id=1", "record-syntax", 1);
  refuses("v=STSv1;id=1 ", "record-id", 13);
  refuses("v=STSv1;id =1", "record-syntax", 9);
  refuses("v=STSv1;id= 1", "record-id", 12);
  refuses("v = STSv1;id=1", "record-syntax", 1);
}

static void the_version_stands_first_and_is_exact(void **s) {
  (void)s;
  static const char *const bad[] = {"",
                                    "id=1;v=STSv1",
                                    "v=STSv2;id=1",
                                    "v=STSv1",
                                    "v=STSv1 ",
                                    "v=STSv1 id=1",
                                    "v=STSv10;id=1",
                                    "V=STSv1;id=1",
                                    "v=stsv1;id=1",
                                    "\xef\xbb\xbfv=STSv1;id=1",
                                    "\"v=STSv1;id=1\""};
  for (size_t i = 0; i < COUNT(bad); i++) refuses(bad[i], "record-syntax", 1);
  gives_span((struct mts_span){"", 0}, NULL, "record-syntax", 1);
}

static void an_id_has_1_to_32_letters_and_digits(void **s) {
  (void)s;
  takes("v=STSv1;id=aZ345678901234567890123456789012", "aZ345678901234567890123456789012");
  refuses("v=STSv1;id=aZ3456789012345678901234567890123", "record-id", 12);
  refuses("v=STSv1;id=", "record-id", 12);
  refuses("v=STSv1;id=;", "record-id", 12);
  refuses("v=STSv1;id=2016-08", "record-id", 16);
  refuses("v=STSv1;id=a_b", "record-id", 13);
  refuses("v=STSv1;id=\xc3\xb1", "record-id", 12);
  refuses("v=STSv1;", "record-id", 9);
  refuses("v=STSv1;x=y", "record-id", 12);
  refuses("v=STSv1;ID=1", "record-id", 13); /* case counts: an extension */
  gives_span(SPAN("v=STSv1;id=a\0b"), NULL, "record-id", 13);
}

static void extensions_fit_their_syntax(void **s) {
  (void)s;
  takes("v=STSv1;id=1;a2345678901234567890123456789_-.=!~<>:", "1");
  takes("v=STSv1;x=y;id=1", "1");
  refuses("v=STSv1;id=1;a2345678901234567890123456789_-.3=x", "record-syntax", 14);
  refuses("v=STSv1;id=1;_a=x", "record-syntax", 14);
  refuses("v=STSv1;id=1;=x", "record-syntax", 14);
  refuses("v=STSv1;id=1;ab", "record-syntax", 14);
  refuses("v=STSv1;id=1;ab=", "record-syntax", 17);
  refuses("v=STSv1;id=1;ab=c=d", "record-syntax", 18);
  refuses("v=STSv1;id=1;ab=c d", "record-syntax", 18);
  refuses("v=STSv1;id=1;ab=\xc3\xb1", "record-syntax", 17);
  refuses("v=STSv1;id=1;;", "record-syntax", 14);
  refuses("v=STSv1;;id=1", "record-syntax", 9);
  refuses("v=STSv1;id=1\r\n", "record-id", 13);
}

static void the_first_id_counts(void **s) {
  (void)s;
  gives_span(SPAN("v=STSv1;id=1;id=2"), "1", "record-repeated-field", 14);
  gives_span(SPAN("v=STSv1;id=1;id=2-3"), "1", "record-repeated-field", 14);
  refuses("v=STSv1;id=1;id=2=3", "record-repeated-field", 14); /* no extension either */
  refuses("v=STSv1;id=1;id=", "record-repeated-field", 14);
}

/* ---- sets ---- */

static void select_gives(const struct mts_span *texts, size_t count, enum mts_err expected, const char *id, const char *code) {
  struct mts_record r = {"untouched"};
  struct mts_findings f = {0};
  assert_err(mts_record_select(texts, count, &r, &f), expected, count ? texts[0].p : "none");
  assert_string_equal(r.id, id ? id : "untouched");
  check_first(count ? texts[0].p : "none", &f, code, 1);
  assert_int_equal(mts_record_select(texts, count, &r, NULL), expected);
  mts_findings_free(&f);
}

static void of_several_records_exactly_one_must_remain(void **s) {
  (void)s;
  const struct mts_span good = SPAN("v=STSv1; id=1"), other = SPAN("v=spf1 -all"), blank = SPAN("v=STSv1 ; id=2"),
                        empty = {NULL, 0};
  const struct mts_span broken = SPAN("v=STSv1;id=-");
  select_gives(NULL, 0, MTS_ERR_RECORD_NONE, NULL, "record-none");
  select_gives(&good, 1, MTS_OK, "1", NULL);
  select_gives(&blank, 1, MTS_OK, "2", NULL); /* one alone is read as it is */
  select_gives(&other, 1, MTS_ERR_RECORD_NONE, NULL, "record-none");
  select_gives(&empty, 1, MTS_ERR_RECORD_NONE, NULL, "record-none");
  select_gives((const struct mts_span[]){other, good, empty}, 3, MTS_OK, "1", NULL);
  select_gives((const struct mts_span[]){blank, good}, 2, MTS_OK, "1", NULL);
  select_gives((const struct mts_span[]){good, good}, 2, MTS_ERR_RECORD_SEVERAL, NULL, "record-several");
  select_gives((const struct mts_span[]){good, broken}, 2, MTS_ERR_RECORD_SEVERAL, NULL, "record-several");
  select_gives((const struct mts_span[]){other, other}, 2, MTS_ERR_RECORD_NONE, NULL, "record-none");
  struct mts_record r;
  assert_int_equal(mts_record_select((const struct mts_span[]){other, broken}, 2, &r, NULL), MTS_ERR_RECORD_SYNTAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blanks_may_stand_around_semicolons_only),
      cmocka_unit_test(the_version_stands_first_and_is_exact),
      cmocka_unit_test(an_id_has_1_to_32_letters_and_digits),
      cmocka_unit_test(extensions_fit_their_syntax),
      cmocka_unit_test(the_first_id_counts),
      cmocka_unit_test(of_several_records_exactly_one_must_remain),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
