/* SPDX-License-Identifier: ISC
 * Every case of tests/conformance holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "mtasts.h"

#define COLUMNS 4
#define CASE_MAX 70000

typedef void (*case_fn)(struct mts_span input, char **column, char *got, size_t size);

/* The escapes of the README. */
static void decode(const char *in, struct mts_buf *out) {
  out->limit = CASE_MAX;
  mts_buf_add(out, "", 0);
  while (*in) {
    char byte = *in;
    const char *star = strchr(in, '*'), *end = strchr(in, '}');
    if (in[0] == '{' && in[1] && star == in + 2 && end) {
      for (long n = strtol(in + 3, NULL, 10); n > 0; n--) mts_buf_add(out, in + 1, 1);
      in = end + 1;
      continue;
    }
    if (in[0] != '\\') {
      in++;
    } else if (in[1] == 'x' || in[1] == 'u') {
      char hex[5] = {0};
      size_t digits = in[1] == 'x' ? 2 : 4;
      memcpy(hex, in + 2, digits);
      unsigned long c = strtoul(hex, NULL, 16);
      const char utf8[3] = {(char)(0xe0 | (c >> 12)), (char)(0x80 | ((c >> 6) & 63)), (char)(0x80 | (c & 63))};
      const char two[2] = {(char)(0xc0 | (c >> 6)), (char)(0x80 | (c & 63))};
      byte = (char)c;
      if (digits == 4) mts_buf_add(out, c < 0x800 ? two : utf8, c < 0x800 ? 2 : 3);
      in += 2 + digits;
      if (digits == 4) continue;
    } else {
      byte = in[1] == 'n' ? '\n' : in[1] == 'r' ? '\r' : in[1] == 't' ? '\t' : in[1];
      in += 2;
    }
    mts_buf_add(out, &byte, 1);
  }
}

static void run(const char *file, case_fn fn, int at_least) {
  char path[200], got[400], *column[COLUMNS] = {0};
  snprintf(path, sizeof path, "conformance/%s.tsv", file);
  FILE *f = fopen(path, "r");
  if (!f) fail_msg("%s cannot be opened", path);
  char *line = NULL;
  size_t size = 0;
  int number = 0, bad = 0;
  while (getline(&line, &size, f) > 0) {
    if (number++ == 0) continue;
    line[strcspn(line, "\n")] = '\0';
    char *rest = line;
    for (size_t i = 0; i < COLUMNS; i++) column[i] = rest ? strsep(&rest, "\t") : NULL;

    struct mts_buf input = {0};
    decode(strcmp(column[0], "(empty)") == 0 ? "" : column[0], &input);
    fn(mts_span(input.p, input.n), column, got, sizeof got);
    if (*got) {
      print_error("%s:%d: %s: got %s\n", path, number, column[0], got);
      bad++;
    }
    mts_buf_free(&input);
  }
  free(line);
  fclose(f);
  assert_true(number > at_least);
  assert_int_equal(bad, 0);
}

/* got becomes empty when it is as expected. */
static void expect(char *got, const char *expected, size_t n) {
  if (strncmp(got, expected, n) == 0 && strlen(got) == n) *got = '\0';
}

static void one_dest(struct mts_span in, char **column, char *got, size_t size) {
  struct mts_destination d;
  enum mts_err err = mts_destination_parse(in, &d);
  if (err)
    snprintf(got, size, "no lookup");
  else if (d.kind == MTS_DEST_LITERAL)
    snprintf(got, size, "no policy");
  else
    snprintf(got, size, "lookup %s", d.domain);
  size_t n = strncmp(column[1], "no lookup", 9) == 0 ? 9 : strlen(column[1]);
  expect(got, column[1], n);
}

static void one_media(struct mts_span in, char **column, char *got, size_t size) {
  snprintf(got, size, "%s", mts_media_type_is_text(in.p) ? "accept" : "reject");
  expect(got, column[1], strlen(column[1]));
}

static void one_match(struct mts_span in, char **column, char *got, size_t size) {
  char *text = strdup(in.p), *bar = strstr(text, " | "), *rest = text, *pattern;
  bool matches = false;
  const char *host = bar ? bar + 3 : "";
  if (bar) *bar = '\0';
  while ((pattern = strsep(&rest, ","))) matches = matches || mts_mx_matches(pattern, host);
  free(text);
  snprintf(got, size, "%s", matches ? "match" : "no match");
  expect(got, column[1], strncmp(column[1], "no match", 8) == 0 ? 8 : strlen(column[1]));
}

static void policy_verdict(struct mts_span in, enum mts_profile profile, char *got, size_t size, bool *strict) {
  struct mts_policy *p = NULL;
  struct mts_findings findings = {0};
  if (mts_policy_parse(in, profile, &p, &findings))
    snprintf(got, size, "reject");
  else
    snprintf(got, size, "accept %s/%u/%zu mx", mts_mode_name(p->mode), p->max_age_s, p->mx_count);
  *strict = findings.strict;
  mts_findings_free(&findings);
  mts_policy_free(&p);
}

static void one_policy(struct mts_span in, char **column, char *got, size_t size) {
  bool strict = false;
  policy_verdict(in, MTS_PROFILE_STRICT, got, size, &strict);
  expect(got, column[1], strlen(column[1]));
  if (*got) return;
  policy_verdict(in, MTS_PROFILE_DEFAULT, got, size, &strict);
  expect(got, column[2], strlen(column[2]));
  if (!*got && strict != (strncmp(column[1], "accept", 6) == 0)) snprintf(got, size, "strict=%d", strict);
}

static void one_record(struct mts_span in, char **column, char *got, size_t size) {
  struct mts_record r;
  if (mts_record_parse(in, &r, NULL))
    snprintf(got, size, "reject");
  else
    snprintf(got, size, "accept id=%s", r.id);
  expect(got, column[1], strlen(column[1]));
}

static void tlsrpt_verdict(struct mts_tlsrpt *t, char *got, size_t size) {
  size_t n = (size_t)snprintf(got, size, "accept rua=");
  bool usable = false;
  for (size_t i = 0; i < t->rua_count; i++) {
    usable = usable || t->usable[i];
    n += (size_t)snprintf(got + n, size - n, "%s%s", i ? "," : "", t->rua[i]);
  }
  if (!usable) snprintf(got, size, "accept syntax; no usable rua");
  mts_tlsrpt_free(&t);
}

static void one_tlsrpt(struct mts_span in, char **column, char *got, size_t size) {
  struct mts_tlsrpt *t = NULL;
  if (mts_tlsrpt_parse(in, &t, NULL))
    snprintf(got, size, "reject");
  else
    tlsrpt_verdict(t, got, size);
  expect(got, column[1], strlen(column[1]));
}

/* [["a", "b"], ["c"]] -> joined texts; no escapes inside. */
static size_t read_set(const char *json, struct mts_span *texts, struct mts_buf *bytes) {
  size_t count = 0, depth = 0, begin[8] = {0};
  bytes->limit = CASE_MAX;
  mts_buf_add(bytes, "", 0);
  for (const char *p = json; *p; p++) {
    if (*p == '[' && ++depth == 2) begin[count] = bytes->n;
    if (*p == ']' && depth-- == 2) texts[count].n = bytes->n - begin[count], count++;
    if (*p != '"') continue;
    const char *end = strchr(p + 1, '"');
    mts_buf_add(bytes, p + 1, (size_t)(end - p - 1));
    p = end;
  }
  for (size_t i = 0; i < count; i++) texts[i].p = bytes->p + begin[i];
  return count;
}

static void one_set(struct mts_span in, char **column, char *got, size_t size) {
  struct mts_span texts[8] = {{0}};
  struct mts_buf bytes = {0};
  struct mts_record r;
  size_t count = read_set(in.p, texts, &bytes);
  if (mts_record_select(texts, count, &r, NULL))
    snprintf(got, size, "none");
  else
    snprintf(got, size, "accept id=%s", r.id);
  mts_buf_free(&bytes);
  expect(got, column[1], strlen(column[1]));
}

static void one_tlsrpt_set(struct mts_span in, char **column, char *got, size_t size) {
  struct mts_span texts[8] = {{0}};
  struct mts_buf bytes = {0};
  struct mts_tlsrpt *t = NULL;
  size_t count = read_set(in.p, texts, &bytes);
  if (mts_tlsrpt_select(texts, count, &t, NULL))
    snprintf(got, size, "none");
  else
    tlsrpt_verdict(t, got, size);
  mts_buf_free(&bytes);
  expect(got, column[1], strlen(column[1]));
}

/* Situations of reports: each stands for a report that has it. */
static const struct {
  const char *situation, *report, *code;
} reports[] = {
    {"failure-details without sending-mta-ip",
     "{\"policies\":[{\"failure-details\":[{\"result-type\":\"validation-failure\",\"failed-session-count\":1}]}]}",
     "report-missing"},
    {"start-datetime without zone", "{\"date-range\":{\"start-datetime\":\"2026-01-02T00:00:00\"}}", "report-time-zone"},
    {"mx-host given as one string", "{\"policies\":[{\"policy\":{\"mx-host\":\"mx.b.test\"}}]}", "report-not-array"},
    {"MX patterns field name", "{\"policies\":[{\"policy\":{\"mx-host\":[\"mx.b.test\"]}}]}", NULL},
};

/* Was it taken as it is meant? */
static bool right_values(const struct mts_report *r) {
  if (r->begins_at) return r->begins_at == 1767312000;
  const struct mts_report_policy *p = &r->policies[0];
  if (p->failure_count) return p->failures[0].count == 1 && !p->failures[0].source;
  return p->pattern_count == 1 && strcmp(p->patterns[0], "mx.b.test") == 0;
}

static void one_report(struct mts_span in, char **column, char *got, size_t size) {
  (void)column;
  *got = '\0';
  if (mts_span_equals(in, "TLS report mail itself")) return; /* who sends reports plays it */
  for (size_t i = 0; i < sizeof reports / sizeof *reports; i++) {
    if (!mts_span_equals(in, reports[i].situation)) continue;
    struct mts_report *report = NULL;
    struct mts_findings findings = {0};
    enum mts_err err = mts_report_parse(mts_span_of(reports[i].report), MTS_PROFILE_DEFAULT, &report, &findings);
    bool noted = !reports[i].code;
    for (size_t k = 0; k < findings.count; k++) noted = noted || strcmp(findings.list[k].code, reports[i].code) == 0;
    if (err || !noted || !right_values(report)) snprintf(got, size, "%s, %snoted", mts_err_name(err), noted ? "" : "not ");
    mts_report_free(&report);
    mts_findings_free(&findings);
    return;
  }
  snprintf(got, size, "a situation that nothing plays");
}

static void destinations(void **s) { (void)s, run("dest", one_dest, 8); }
static void media_types(void **s) { (void)s, run("media_type", one_media, 9); }
static void matches(void **s) { (void)s, run("mx_match", one_match, 29); }
static void policies(void **s) { (void)s, run("sts_policy", one_policy, 60); }
static void records(void **s) { (void)s, run("sts_record", one_record, 34); }
static void record_sets(void **s) { (void)s, run("sts_rrset", one_set, 11); }
static void tlsrpt_records(void **s) { (void)s, run("tlsrpt_record", one_tlsrpt, 26); }
static void tlsrpt_sets(void **s) { (void)s, run("tlsrpt_rrset", one_tlsrpt_set, 1); }

static void report_situations(void **s) { (void)s, run("report", one_report, 5); }

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(destinations),   cmocka_unit_test(media_types), cmocka_unit_test(matches),
      cmocka_unit_test(policies),       cmocka_unit_test(records),     cmocka_unit_test(record_sets),
      cmocka_unit_test(tlsrpt_records), cmocka_unit_test(tlsrpt_sets), cmocka_unit_test(report_situations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
