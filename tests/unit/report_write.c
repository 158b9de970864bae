/* SPDX-License-Identifier: ISC
 * Reports that are sent: the shape of RFC 8460's Appendix B field by field, counts that add up, limits, and what has no place in one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "mtasts.h"
#include "tlsrpt/report_write.h"

#define DAY 16892 /* 2016-04-01 */
#define POLICY "version: STSv1\nmode: testing\nmx: *.mail.company-y.example\nmax_age: 86400"

static const struct mts_report_terms terms = {
    .organization = "Company-X", .contact = "sts-reporting@company-x.example", .domain = "company-y.example", .day = DAY};

static struct mts_session_row row(const char *result, uint64_t count) {
  return (struct mts_session_row){.day = DAY,
                                  .domain = "company-y.example",
                                  .type = MTS_POLICY_TYPE_STS,
                                  .policy = POLICY,
                                  .result = result,
                                  .mx = "",
                                  .address = "",
                                  .source = "",
                                  .helo = "",
                                  .reason = "",
                                  .count = count};
}

static struct mts_report_written write_rows(const struct mts_session_row *rows, size_t count) {
  struct mts_report_written written = {0};
  assert_int_equal(mts_report_write(&terms, rows, count, &written), MTS_OK);
  return written;
}

static json_t *load(const struct mts_report_written *written) {
  json_error_t error;
  json_t *root = json_loadb(written->json.p, written->json.n, JSON_REJECT_DUPLICATES, &error);
  if (!root) fail_msg("%s in %s", error.text, written->json.p);
  return root;
}

/* "policies.0.summary" */
static json_t *at(json_t *value, const char *path) {
  char copy[200], *rest = copy;
  snprintf(copy, sizeof copy, "%s", path);
  for (char *word; (word = strsep(&rest, "."));) {
    value = json_is_array(value) ? json_array_get(value, strtoul(word, NULL, 10)) : json_object_get(value, word);
    if (!value) fail_msg("%s is not there", path);
  }
  return value;
}

static const char *text_at(json_t *root, const char *path) {
  json_t *value = at(root, path);
  if (!json_is_string(value)) fail_msg("%s is no string", path);
  return json_string_value(value);
}

static json_int_t number_at(json_t *root, const char *path) {
  json_t *value = at(root, path);
  if (!json_is_integer(value)) fail_msg("%s is no whole number", path);
  return json_integer_value(value);
}

static void the_report_of_appendix_b(void **state) {
  (void)state;
  struct mts_session_row rows[] = {row("", 5000), row("", 326), row("certificate-expired", 100), row("starttls-not-supported", 200),
                                   row("validation-failure", 3)};
  rows[0].mx = "mx1.mail.company-y.example";
  rows[1].mx = "mx2.mail.company-y.example";
  rows[2].source = "2001:db8:abcd:0012::1";
  rows[2].mx = "mx1.mail.company-y.example";
  rows[3].source = "2001:db8:abcd:0013::1";
  rows[3].mx = "mx2.mail.company-y.example";
  rows[3].address = "203.0.113.56";
  rows[3].helo = "mx2";
  rows[4].source = "198.51.100.62";
  rows[4].address = "203.0.113.58";
  rows[4].mx = "mx-backup.mail.company-y.example";
  rows[4].reason = "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED";
  struct mts_report_written written = write_rows(rows, 5);
  json_t *root = load(&written);
  assert_string_equal(text_at(root, "organization-name"), "Company-X");
  assert_string_equal(text_at(root, "date-range.start-datetime"), "2016-04-01T00:00:00Z");
  assert_string_equal(text_at(root, "date-range.end-datetime"), "2016-04-01T23:59:59Z");
  assert_string_equal(text_at(root, "contact-info"), "sts-reporting@company-x.example");
  assert_string_equal(text_at(root, "report-id"), written.id);
  assert_int_equal(json_object_size(root), 5);
  assert_int_equal(json_array_size(at(root, "policies")), 1);
  json_t *first = at(root, "policies.0");
  assert_int_equal(json_object_size(first), 3);
  assert_string_equal(text_at(first, "policy.policy-type"), "sts");
  assert_string_equal(text_at(first, "policy.policy-domain"), "company-y.example");
  assert_int_equal(json_array_size(at(first, "policy.policy-string")), 4);
  assert_string_equal(text_at(first, "policy.policy-string.0"), "version: STSv1");
  assert_string_equal(text_at(first, "policy.policy-string.1"), "mode: testing");
  assert_string_equal(text_at(first, "policy.policy-string.2"), "mx: *.mail.company-y.example");
  assert_string_equal(text_at(first, "policy.policy-string.3"), "max_age: 86400");
  assert_int_equal(json_array_size(at(first, "policy.mx-host")), 1); /* 4.4: an array, though Appendix B has a string */
  assert_string_equal(text_at(first, "policy.mx-host.0"), "*.mail.company-y.example");
  assert_int_equal(number_at(first, "summary.total-successful-session-count"), 5326);
  assert_int_equal(number_at(first, "summary.total-failure-session-count"), 303);
  json_t *details = at(first, "failure-details");
  assert_int_equal(json_array_size(details), 3);
  assert_string_equal(text_at(details, "0.result-type"), "certificate-expired");
  assert_string_equal(text_at(details, "0.sending-mta-ip"), "2001:db8:abcd:12::1"); /* RFC 5952 */
  assert_string_equal(text_at(details, "0.receiving-mx-hostname"), "mx1.mail.company-y.example");
  assert_int_equal(number_at(details, "0.failed-session-count"), 100);
  assert_int_equal(json_object_size(at(details, "0")), 4); /* what is not known is not there */
  assert_string_equal(text_at(details, "1.result-type"), "starttls-not-supported");
  assert_string_equal(text_at(details, "1.receiving-ip"), "203.0.113.56");
  assert_string_equal(text_at(details, "1.receiving-mx-helo"), "mx2");
  assert_int_equal(number_at(details, "1.failed-session-count"), 200);
  assert_string_equal(text_at(details, "2.result-type"), "validation-failure");
  assert_string_equal(text_at(details, "2.sending-mta-ip"), "198.51.100.62");
  assert_string_equal(text_at(details, "2.receiving-ip"), "203.0.113.58");
  assert_string_equal(text_at(details, "2.receiving-mx-hostname"), "mx-backup.mail.company-y.example");
  assert_int_equal(number_at(details, "2.failed-session-count"), 3);
  assert_string_equal(text_at(details, "2.failure-reason-code"), "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED");
  assert_true(written.successful == 5326 && written.failed == 303 && written.policies == 1 && written.details == 3);
  json_decref(root);
  mts_report_written_free(&written);
}

static void each_policy_of_a_day_is_an_entry_of_its_own(void **state) {
  (void)state;
  struct mts_session_row rows[] = {row("", 1), row("", 2), row("", 4), row("certificate-expired", 8), row("", 16), row("", 32)};
  rows[0].type = MTS_POLICY_TYPE_NONE;
  rows[0].policy = "";
  rows[2].policy = rows[3].policy = "version: STSv1\nmode: enforce\nmx: a.example\nmx: b.example\nmax_age: 86400";
  rows[4].type = rows[5].type = MTS_POLICY_TYPE_TLSA;
  rows[4].policy = rows[5].policy = "";
  rows[4].mx = "mx1.company-y.example";
  struct mts_report_written written = write_rows(rows, 6);
  json_t *root = load(&written);
  static const struct {
    const char *type, *domain;
    size_t lines, patterns;
    json_int_t good, bad;
  } wanted[] = {{"no-policy-found", "company-y.example", 0, 0, 1, 0},
                {"sts", "company-y.example", 4, 1, 2, 0},
                {"sts", "company-y.example", 5, 2, 4, 8},
                {"tlsa", "mx1.company-y.example", 0, 0, 16, 0}, /* the TLSA base domain */
                {"tlsa", "company-y.example", 0, 0, 32, 0}};
  assert_int_equal(json_array_size(at(root, "policies")), 5);
  for (size_t i = 0; i < 5; i++) {
    json_t *entry = json_array_get(at(root, "policies"), i), *policy = at(entry, "policy");
    assert_string_equal(text_at(policy, "policy-type"), wanted[i].type);
    assert_string_equal(text_at(policy, "policy-domain"), wanted[i].domain);
    assert_int_equal(json_array_size(json_object_get(policy, "policy-string")), wanted[i].lines);
    assert_int_equal(json_array_size(json_object_get(policy, "mx-host")), wanted[i].patterns);
    assert_int_equal(number_at(entry, "summary.total-successful-session-count"), wanted[i].good);
    assert_int_equal(number_at(entry, "summary.total-failure-session-count"), wanted[i].bad);
    assert_true((json_object_get(entry, "failure-details") != NULL) == (wanted[i].bad > 0));
  }
  json_decref(root);
  mts_report_written_free(&written);
}

static void rows_of_other_days_and_domains_are_not_looked_at(void **state) {
  (void)state;
  struct mts_session_row rows[] = {row("", 1), row("", 2), row("", 4)};
  rows[0].day = DAY - 1;
  rows[1].domain = "other.example";
  struct mts_report_written written = write_rows(rows, 3);
  assert_int_equal(written.successful, 4);
  mts_report_written_free(&written);
  written = write_rows(rows, 0);
  json_t *root = load(&written);
  assert_int_equal(json_array_size(at(root, "policies")), 0); /* an array, whatever is in it */
  json_decref(root);
  mts_report_written_free(&written);
}

/* Adds up what is in the document; false: a summary does not say the sum of its details. */
static bool add_up(json_t *root, json_int_t *failed, size_t *details) {
  size_t i, j;
  json_t *entry, *detail;
  bool good = true;
  *failed = 0;
  *details = 0;
  json_array_foreach(at(root, "policies"), i, entry) {
    json_int_t in_details = 0, total = number_at(entry, "summary.total-failure-session-count");
    json_array_foreach(json_object_get(entry, "failure-details"), j, detail) {
      in_details += number_at(detail, "failed-session-count");
      ++*details;
    }
    good &= in_details == total;
    *failed += total;
  }
  return good;
}

static void beyond_the_limit_of_details_the_rarest_become_one_and_nothing_is_lost(void **state) {
  (void)state;
  enum { ROWS = 3 * REPORT_DETAILS_MAX };
  static struct mts_session_row rows[ROWS];
  static char reasons[ROWS][16];
  json_int_t total = 0, failed = 0;
  size_t details = 0;
  for (size_t i = 0; i < ROWS; i++) {
    rows[i] = row(i % 3 ? "validation-failure" : "certificate-expired", 1 + i * 7919 % ROWS);
    snprintf(reasons[i], sizeof reasons[i], "reason %zu", i);
    rows[i].reason = reasons[i];
    total += (json_int_t)rows[i].count;
  }
  struct mts_report_written written = write_rows(rows, ROWS);
  json_t *root = load(&written);
  assert_true(add_up(root, &failed, &details));
  assert_int_equal(failed, total);
  assert_int_equal(details, REPORT_DETAILS_MAX + 2);
  assert_int_equal(written.folded, ROWS - REPORT_DETAILS_MAX);
  assert_int_equal(written.details, details);
  json_t *kept = at(root, "policies.0.failure-details");
  for (size_t i = 0; i < REPORT_DETAILS_MAX; i++) {
    assert_true(json_integer_value(json_object_get(json_array_get(kept, i), "failed-session-count")) > ROWS - REPORT_DETAILS_MAX);
    assert_non_null(json_object_get(json_array_get(kept, i), "failure-reason-code"));
  }
  json_decref(root);
  mts_report_written_free(&written);
}

static void beyond_the_limit_of_policies_the_rest_becomes_one_and_nothing_is_lost(void **state) {
  (void)state;
  enum { ROWS = 3 * REPORT_POLICIES_MAX };
  static struct mts_session_row rows[2 * ROWS];
  static char policies[ROWS][80];
  json_int_t failed = 0;
  size_t details = 0;
  for (size_t i = 0; i < ROWS; i++) {
    snprintf(policies[i], sizeof policies[i], "version: STSv1\nmode: testing\nmx: mx%zu.example\nmax_age: 1", i);
    rows[2 * i] = row("", 2);
    rows[2 * i + 1] = row("certificate-expired", 3);
    rows[2 * i].policy = rows[2 * i + 1].policy = policies[i];
  }
  struct mts_report_written written = write_rows(rows, 2 * ROWS);
  json_t *root = load(&written);
  assert_int_equal(json_array_size(at(root, "policies")), REPORT_POLICIES_MAX + 1);
  assert_true(add_up(root, &failed, &details));
  assert_int_equal(failed, 3 * ROWS);
  assert_int_equal(written.successful, 2 * ROWS);
  json_decref(root);
  mts_report_written_free(&written);
}

/* What the store can hold at most of one domain and day stays far below what receivers take. */
static void the_largest_report_stays_below_ten_megabytes(void **state) {
  (void)state;
  enum { ROWS = 3001 };
  static struct mts_session_row rows[ROWS];
  char *texts = calloc(ROWS, 8200), name[254], reason[160];
  assert_non_null(texts);
  memset(name, 'n', sizeof name - 1);
  memset(reason, '"', sizeof reason - 1); /* escaped: twice as long */
  name[253] = reason[159] = '\0';
  for (size_t i = 0; i < ROWS; i++) {
    char *text = texts + i * 8200;
    int n = snprintf(text, 8200, "version: STSv1\nmode: testing\nmax_age: %zu", i);
    while (n < 8000) n += snprintf(text + n, (size_t)(8200 - n), "\nmx: a.example");
    rows[i] = row("validation-failure", 1);
    rows[i].policy = text;
    rows[i].mx = rows[i].helo = name;
    rows[i].reason = reason;
  }
  struct mts_report_written written = write_rows(rows, ROWS);
  assert_in_range(written.json.n, 1000000, 8000000);
  mts_report_written_free(&written);
  free(texts);
}

static void counts_stay_numbers_that_every_program_reads_alike(void **state) {
  (void)state;
  const json_int_t most = ((json_int_t)1 << 53) - 1;
  struct mts_session_row rows[] = {row("", UINT64_MAX), row("", 7), row("certificate-expired", UINT64_MAX / 2),
                                   row("certificate-expired", UINT64_MAX)};
  struct mts_report_written written = write_rows(rows, 4);
  json_t *root = load(&written);
  assert_int_equal(number_at(root, "policies.0.summary.total-successful-session-count"), most);
  assert_int_equal(number_at(root, "policies.0.summary.total-failure-session-count"), most);
  assert_int_equal(number_at(root, "policies.0.failure-details.0.failed-session-count"), most);
  json_decref(root);
  mts_report_written_free(&written);
}

static void the_same_rows_give_the_same_bytes_and_gzip_gives_them_back(void **state) {
  (void)state;
  struct mts_session_row rows[] = {row("", 1), row("certificate-expired", 2)};
  struct mts_report_written a = write_rows(rows, 2), b = write_rows(rows, 2);
  assert_int_equal(a.json.n, b.json.n);
  assert_memory_equal(a.json.p, b.json.p, a.json.n);
  assert_int_equal(a.gzip.n, b.gzip.n);
  assert_memory_equal(a.gzip.p, b.gzip.p, a.gzip.n);
  assert_memory_equal(a.gzip.p, "\x1f\x8b\x08\x00\x00\x00\x00\x00", 8); /* RFC 1952: no name, no time */
  char back[4096];
  z_stream stream = {
      .next_in = (Bytef *)(uintptr_t)a.gzip.p, .avail_in = (uInt)a.gzip.n, .next_out = (Bytef *)back, .avail_out = sizeof back};
  assert_int_equal(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
  assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
  assert_int_equal(stream.total_out, a.json.n);
  assert_memory_equal(back, a.json.p, a.json.n);
  inflateEnd(&stream);
  mts_report_written_free(&a);
  mts_report_written_free(&b);
}

static void the_id_stands_for_day_domain_and_organization(void **state) {
  (void)state;
  struct mts_report_written one = {0}, other = {0};
  assert_int_equal(mts_report_name(&terms, &one), MTS_OK);
  assert_string_equal(one.submitter, "company-x.example");
  char wanted[200];
  snprintf(wanted, sizeof wanted, "company-x.example!company-y.example!1459468800!1459555199!%.16s.json",
           one.id + strlen("2016-04-01."));
  assert_string_equal(one.file, wanted);
  struct mts_report_terms others[] = {terms, terms, terms, terms};
  others[0].day++;
  others[1].domain = "company-z.example";
  others[2].organization = "Company-W";
  others[3].contact = "else@company-x.example";
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(mts_report_name(&others[i], &other), MTS_OK);
    assert_true((strcmp(one.id, other.id) == 0) == (i == 3));
  }
  /* What stands left of "@" in an address (RFC 5322 3.6.4). */
  assert_int_equal(strspn(one.id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."), strlen(one.id));
  assert_null(strstr(one.id, ".."));
}

static void a_contact_with_letters_beyond_ascii_is_written_in_a_labels(void **state) {
  (void)state;
  struct mts_report_terms idn = terms;
  struct mts_report_written written = {0};
  idn.contact = "tls@b\xc3\xbc\x63her.example";
  idn.organization = "B\xc3\xbc\x63her";
  assert_int_equal(mts_report_write(&idn, NULL, 0, &written), MTS_OK);
  json_t *root = load(&written);
  assert_string_equal(text_at(root, "contact-info"), "tls@xn--bcher-kva.example");
  assert_string_equal(text_at(root, "organization-name"), idn.organization);
  assert_string_equal(written.submitter, "xn--bcher-kva.example");
  json_decref(root);
  mts_report_written_free(&written);
}

static void what_has_no_place_in_a_report_is_refused(void **state) {
  (void)state;
  static const char *const contacts[] = {"",
                                         "@a.example",
                                         "a",
                                         "a@",
                                         "a b@a.example",
                                         "a\r\nBcc: x@a.example",
                                         "a@a.example\nX: y",
                                         ".a@a.example",
                                         "a..b@a.example",
                                         "a.@a.example",
                                         "<a@a.example>",
                                         "a@[192.0.2.1]",
                                         "a@192.0.2.1",
                                         "\"a\"@a.example",
                                         "a,b@a.example",
                                         "\xc3\xa4@a.example",
                                         NULL};
  static const char *const organizations[] = {"", "a\nb", "a\x7f", "a\xff", "\xc3", NULL};
  struct mts_report_written written = {0};
  struct mts_report_terms wrong = terms;
  for (size_t i = 0; i < sizeof contacts / sizeof *contacts; i++) {
    wrong.contact = contacts[i];
    assert_int_equal(mts_report_write(&wrong, NULL, 0, &written), MTS_ERR_ARGUMENT);
  }
  wrong = terms;
  for (size_t i = 0; i < sizeof organizations / sizeof *organizations; i++) {
    wrong.organization = organizations[i];
    assert_int_equal(mts_report_write(&wrong, NULL, 0, &written), MTS_ERR_ARGUMENT);
  }
  char lengthy[300];
  memset(lengthy, 'o', sizeof lengthy);
  lengthy[REPORT_ORGANIZATION_MAX + 1] = '\0';
  wrong.organization = lengthy;
  assert_int_equal(mts_report_write(&wrong, NULL, 0, &written), MTS_ERR_ARGUMENT);
  static const char *const domains[] = {"", "A.example", "a\n.example", "a!b.example", NULL};
  for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
    wrong = terms;
    wrong.domain = domains[i];
    assert_int_equal(mts_report_write(&wrong, NULL, 0, &written), MTS_ERR_ARGUMENT);
  }
  wrong = terms;
  wrong.day = -1;
  assert_int_equal(mts_report_write(&wrong, NULL, 0, &written), MTS_ERR_ARGUMENT);
  wrong.day = INT64_MAX / 2;
  assert_int_equal(mts_report_write(&wrong, NULL, 0, &written), MTS_ERR_ARGUMENT);
  assert_null(written.json.p);
}

static void what_remote_servers_chose_is_text_and_no_address_is_left_out(void **state) {
  (void)state;
  struct mts_session_row rows[] = {row("validation-failure", 1)};
  rows[0].helo = "\"}],\"policies\":[";
  rows[0].reason = "a \\\" b </script>";
  rows[0].address = "nonsense";
  rows[0].source = "192.0.2.1:25";
  struct mts_report_written written = write_rows(rows, 1);
  json_t *root = load(&written), *detail = at(root, "policies.0.failure-details.0");
  assert_string_equal(text_at(detail, "receiving-mx-helo"), rows[0].helo);
  assert_string_equal(text_at(detail, "failure-reason-code"), rows[0].reason);
  assert_null(json_object_get(detail, "receiving-ip"));
  assert_null(json_object_get(detail, "sending-mta-ip"));
  for (size_t i = 0; i < written.json.n; i++)
    assert_true(written.json.p[i] == '\n' || (written.json.p[i] >= ' ' && written.json.p[i] < 127));
  json_decref(root);
  mts_report_written_free(&written);
}

static size_t left; /* allocations of jansson until one fails */

static void *fail_at_last(size_t n) { return left-- == 0 ? (left = 0, NULL) : malloc(n); }

static void without_memory_there_is_no_report_and_nothing_is_left_behind(void **state) {
  (void)state;
  struct mts_session_row rows[] = {row("", 1), row("certificate-expired", 2), row("validation-failure", 3)};
  enum mts_err err = MTS_ERR_NO_MEMORY;
  size_t tries = 0;
  rows[1].policy = "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 86400";
  json_set_alloc_funcs(fail_at_last, free);
  for (; err && tries < 2000; tries++) {
    struct mts_report_written written = {0};
    left = tries;
    err = mts_report_write(&terms, rows, 3, &written);
    assert_true(err == MTS_ERR_NO_MEMORY || err == MTS_OK || (err == MTS_ERR_ARGUMENT && tries == 0));
    assert_true((written.json.p != NULL) == (err == MTS_OK));
    mts_report_written_free(&written);
  }
  json_set_alloc_funcs(malloc, free);
  assert_in_range(tries, 50, 1999);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_report_of_appendix_b),
      cmocka_unit_test(each_policy_of_a_day_is_an_entry_of_its_own),
      cmocka_unit_test(rows_of_other_days_and_domains_are_not_looked_at),
      cmocka_unit_test(beyond_the_limit_of_details_the_rarest_become_one_and_nothing_is_lost),
      cmocka_unit_test(beyond_the_limit_of_policies_the_rest_becomes_one_and_nothing_is_lost),
      cmocka_unit_test(the_largest_report_stays_below_ten_megabytes),
      cmocka_unit_test(counts_stay_numbers_that_every_program_reads_alike),
      cmocka_unit_test(the_same_rows_give_the_same_bytes_and_gzip_gives_them_back),
      cmocka_unit_test(the_id_stands_for_day_domain_and_organization),
      cmocka_unit_test(a_contact_with_letters_beyond_ascii_is_written_in_a_labels),
      cmocka_unit_test(what_has_no_place_in_a_report_is_refused),
      cmocka_unit_test(what_remote_servers_chose_is_text_and_no_address_is_left_out),
      cmocka_unit_test(without_memory_there_is_no_report_and_nothing_is_left_behind),
  };
  return cmocka_run_group_tests_name("reports that are sent", tests, NULL, NULL);
}
