/* SPDX-License-Identifier: ISC
 * The TXT record _smtp._tls (RFC 8460 3). */
#include "tools.h"

static struct mts_tlsrpt *take_span(struct mts_span text, const char *code, uint32_t column) {
  struct mts_tlsrpt *t = NULL;
  struct mts_findings f = {0};
  char *copy = exact_copy(text);
  assert_err(mts_tlsrpt_parse(mts_span(copy, text.n), &t, &f), MTS_OK, text.p);
  free(copy); /* nothing of the text is kept */
  assert_true(f.strict);
  assert_int_equal(f.count, code ? 1 : 0);
  if (code) {
    assert_string_equal(f.list[0].code, code);
    assert_int_equal(f.list[0].column, column);
  }
  mts_findings_free(&f);
  return t;
}

static void takes(const char *text, const char *rua, bool usable) {
  struct mts_tlsrpt *t = take_span(mts_span_of(text), usable ? NULL : "tlsrpt-uri-unusable", 18);
  assert_int_equal(t->rua_count, 1);
  assert_string_equal(t->rua[0], rua);
  assert_int_equal(t->usable[0], usable);
  mts_tlsrpt_free(&t);
  assert_null(t);
}

static void refuses_span(struct mts_span text, const char *code, uint32_t column) {
  struct mts_tlsrpt untouched = {0}, *t = &untouched;
  struct mts_findings f = {0};
  char *copy = exact_copy(text);
  assert_err(mts_tlsrpt_parse(mts_span(copy, text.n), &t, &f), MTS_ERR_TLSRPT_SYNTAX, text.p);
  assert_ptr_equal(t, &untouched);
  assert_false(f.strict);
  assert_true(f.count >= 1);
  const struct mts_deviation *d = &f.list[f.count - 1];
  if (strcmp(d->code, code) != 0 || d->column != column || d->line != 1)
    fail_msg("%s: got %s at %u: %s", text.p, d->code, d->column, d->message);
  assert_int_equal(mts_tlsrpt_parse(mts_span(copy, text.n), &t, NULL), MTS_ERR_TLSRPT_SYNTAX);
  mts_findings_free(&f);
  free(copy);
}

static void refuses(const char *text, const char *code, uint32_t column) { refuses_span(mts_span_of(text), code, column); }

#define V "v=TLSRPTv1;" /* 11 bytes; the value of rua begins at column 16, of " rua" behind a blank at 17 */

static void mailto_needs_one_address(void **s) {
  (void)s;
  takes(V "  rua=mailto:reports@a.test", "mailto:reports@a.test", true);
  takes(V "  rua=MailTo:reports@A.test;", "MailTo:reports@A.test", true);
  takes(V "  rua=mailto:r@a.test?subject=x", "mailto:r@a.test?subject=x", true);
  takes(V "  rua=mailto:r@xn--i-7iq.ws", "mailto:r@xn--i-7iq.ws", true);
  takes(V "  rua=mailto:", "mailto:", false);
  takes(V "  rua=mailto:reports", "mailto:reports", false);
  takes(V "  rua=mailto:@a.test", "mailto:@a.test", false);
  takes(V "  rua=mailto:r@", "mailto:r@", false);
  takes(V "  rua=mailto:r@a@b.test", "mailto:r@a@b.test", false);
  takes(V "  rua=mailto:r@192.0.2.1", "mailto:r@192.0.2.1", false);
  takes(V "  rua=mailto:?to=r@a.test", "mailto:?to=r@a.test", false);
}

static void https_needs_a_host(void **s) {
  (void)s;
  takes(V "  rua=https://a.test", "https://a.test", true);
  takes(V "  rua=HTTPS://A.test:8443/x?y=z", "HTTPS://A.test:8443/x?y=z", true);
  takes(V "  rua=https://[2001:db8::1]:443/x", "https://[2001:db8::1]:443/x", true);
  takes(V "  rua=https://192.0.2.1/", "https://192.0.2.1/", true);
  takes(V "  rua=https://a.test:/x", "https://a.test:/x", true);
  takes(V "  rua=https://", "https://", false);
  takes(V "  rua=https:///x", "https:///x", false);
  takes(V "  rua=https:a.test", "https:a.test", false);
  takes(V "  rua=https://user@a.test/", "https://user@a.test/", false);
  takes(V "  rua=https://a.test:0/", "https://a.test:0/", false);
  takes(V "  rua=https://a.test:65536/", "https://a.test:65536/", false);
  takes(V "  rua=https://[::1/", "https://[::1/", false);
  takes(V "  rua=https://[a.test]/", "https://[a.test]/", false);
  takes(V "  rua=https://[::1]x/", "https://[::1]x/", false);
}

static void other_schemes_fit_and_are_no_use(void **s) {
  (void)s;
  takes(V "  rua=http://a.test/", "http://a.test/", false);
  takes(V "  rua=tel:1", "tel:1", false);
  takes(V "  rua=x+y-z.1:a", "x+y-z.1:a", false);
}

static void several_uris_keep_their_order(void **s) {
  (void)s;
  struct mts_tlsrpt *t = take_span(SPAN(V "rua=mailto:r@a.test \t,\t https://b.test/,mailto:c@c.test"), NULL, 0);
  assert_int_equal(t->rua_count, 3);
  assert_string_equal(t->rua[0], "mailto:r@a.test");
  assert_string_equal(t->rua[1], "https://b.test/");
  assert_string_equal(t->rua[2], "mailto:c@c.test");
  mts_tlsrpt_free(&t);
  refuses(V "rua=mailto:r@a.test,", "tlsrpt-uri", 32);
  refuses(V "rua=,mailto:r@a.test", "tlsrpt-uri", 16);
  refuses(V "rua=mailto:r@a.test,,mailto:r@a.test", "tlsrpt-uri", 32);
  refuses(V "rua=mailto:r@a.test mailto:r@a.test", "tlsrpt-uri", 31);
  refuses(V "rua= mailto:r@a.test", "tlsrpt-uri", 16);
  refuses(V "rua=mailto:r@a.test ", "tlsrpt-uri", 31);
}

static void what_is_no_uri_is_refused(void **s) {
  (void)s;
  refuses(V "rua=", "tlsrpt-uri", 16);
  refuses(V "rua=r@a.test", "tlsrpt-uri", 16);
  refuses(V "rua=1x:y", "tlsrpt-uri", 16);
  refuses(V "rua=:x", "tlsrpt-uri", 16);
  refuses(V "rua=mailto:r!10m@a.test", "tlsrpt-uri", 24); /* "!" must be encoded */
  refuses(V "rua=mailto:%zz@a.test", "tlsrpt-uri", 23);
  refuses(V "rua=mailto:%4", "tlsrpt-uri", 23);
  refuses(V "rua=mailto:<r@a.test>", "tlsrpt-uri", 23);
  refuses(V "rua=mailto:\xc3\xb1@a.test", "tlsrpt-uri", 23);
  refuses(V "rua=https://a.test/#x#y", "tlsrpt-uri", 33);
  refuses_span(SPAN(V "rua=mailto:r\0@a.test"), "tlsrpt-uri", 24);
}

static void the_rest_fits_the_same_syntax_as_the_other_record(void **s) {
  (void)s;
  static const char *const bad[] = {"", "v=TLSRPTv1", "v=TLSRPTv2;rua=mailto:r@a.test", "rua=mailto:r@a.test;v=TLSRPTv1",
                                    "v=tlsrptv1;rua=x:y"};
  for (size_t i = 0; i < COUNT(bad); i++) refuses(bad[i], "tlsrpt-syntax", 1);
  refuses(V, "tlsrpt-rua-missing", 12);
  refuses(V "RUA=mailto:r@a.test", "tlsrpt-rua-missing", 31);
  refuses(V ";rua=mailto:r@a.test", "tlsrpt-syntax", 12);
  refuses(V "rua=mailto:r@a.test;x", "tlsrpt-syntax", 32);
  refuses(V "rua=mailto:r@a.test;x=a=b", "tlsrpt-syntax", 35);
  refuses(V "rua=mailto:r@a.test;a23456789012345678901234567890123=x", "tlsrpt-syntax", 32);
  struct mts_tlsrpt *t = take_span(SPAN(V "x=y ; rua=mailto:r@a.test; a2345678901234567890123456789012=x"), NULL, 0);
  mts_tlsrpt_free(&t);
}

static void the_first_rua_counts(void **s) {
  (void)s;
  struct mts_tlsrpt *t = take_span(SPAN(V "rua=mailto:r@a.test;rua=mailto:r@b.test"), "tlsrpt-repeated-field", 32);
  assert_int_equal(t->rua_count, 1);
  assert_string_equal(t->rua[0], "mailto:r@a.test");
  mts_tlsrpt_free(&t);
}

static void uris_beyond_the_limit_are_not_used(void **s) {
  (void)s;
  struct mts_buf text = {.limit = 8192};
  mts_buf_addf(&text, V "rua=mailto:r0@a.test");
  for (int i = 1; i < MTS_TLSRPT_RUA_MAX; i++) mts_buf_addf(&text, ",mailto:r%d@a.test", i);
  struct mts_tlsrpt *t = take_span(mts_span(text.p, text.n), NULL, 0);
  assert_int_equal(t->rua_count, MTS_TLSRPT_RUA_MAX);
  mts_tlsrpt_free(&t);
  mts_buf_addf(&text, ";rua=mailto:x@a.test"); /* of the second rua nothing counts */
  t = take_span(mts_span(text.p, text.n), "tlsrpt-repeated-field", (uint32_t)text.n - 18);
  assert_int_equal(t->rua_count, MTS_TLSRPT_RUA_MAX);
  mts_tlsrpt_free(&t);
  text.n -= 20;
  mts_buf_addf(&text, ",mailto:one-too-many-with-a-long-name@a.test");
  t = take_span(mts_span(text.p, text.n), "tlsrpt-rua-many", 1);
  assert_int_equal(t->rua_count, MTS_TLSRPT_RUA_MAX);
  assert_string_equal(t->rua[MTS_TLSRPT_RUA_MAX - 1], "mailto:r63@a.test");
  mts_tlsrpt_free(&t);
  mts_buf_free(&text);
}

static void of_several_records_exactly_one_must_remain(void **s) {
  (void)s;
  const struct mts_span good = SPAN(V "rua=mailto:r@a.test"), other = SPAN("v=spf1 -all"),
                        blank = SPAN("v=TLSRPTv1 ;rua=mailto:r@b.test");
  struct mts_tlsrpt *t = NULL;
  assert_int_equal(mts_tlsrpt_select(NULL, 0, &t, NULL), MTS_ERR_RECORD_NONE);
  assert_int_equal(mts_tlsrpt_select(&other, 1, &t, NULL), MTS_ERR_RECORD_NONE);
  assert_int_equal(mts_tlsrpt_select((const struct mts_span[]){good, good}, 2, &t, NULL), MTS_ERR_RECORD_SEVERAL);
  assert_null(t);
  assert_int_equal(mts_tlsrpt_select(&blank, 1, &t, NULL), MTS_OK);
  mts_tlsrpt_free(&t);
  assert_int_equal(mts_tlsrpt_select((const struct mts_span[]){other, good, blank}, 3, &t, NULL), MTS_OK);
  assert_string_equal(t->rua[0], "mailto:r@a.test");
  mts_tlsrpt_free(&t);
  mts_tlsrpt_free(&t);
  mts_tlsrpt_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(mailto_needs_one_address),
      cmocka_unit_test(https_needs_a_host),
      cmocka_unit_test(other_schemes_fit_and_are_no_use),
      cmocka_unit_test(several_uris_keep_their_order),
      cmocka_unit_test(what_is_no_uri_is_refused),
      cmocka_unit_test(the_rest_fits_the_same_syntax_as_the_other_record),
      cmocka_unit_test(the_first_rua_counts),
      cmocka_unit_test(uris_beyond_the_limit_are_not_used),
      cmocka_unit_test(of_several_records_exactly_one_must_remain),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
