/* SPDX-License-Identifier: ISC
 * Reports that were really sent, in the folder that MTASTS_CORPUS names: reports.tsv (file, kind, organization, oddities, note) and reports/.
 * What the index says is JSON is read, and each oddity it knows is noted. */
#include "tools.h"

#define COLUMNS 4
#define SKIPPED 77
#define FILE_MAX (1 << 20)

enum { FILE_NAME, KIND, ORGANIZATION, ODDITIES };

/* An oddity begins with one of these words. NULL: it is no departure from the RFC. */
static const struct {
  const char *oddity, *code, *path_end;
} oddities[] = {
    {"no mx-host", "report-missing", "mx-host"},
    {"mx-host is a string", "report-not-array", "mx-host"},
    {"mx-host is an array", NULL, NULL},
    {"mx-host empty array", NULL, NULL},
    {"policy-string empty array", NULL, NULL},
    {"no policy-string", "report-missing", "policy-string"},
    {"no failure-details", "report-missing", "failure-details"},
    {"failure-details empty array", NULL, NULL},
    {"failure without receiving-ip", "report-missing", "receiving-ip"},
    {"failure without sending-mta-ip", "report-missing", "sending-mta-ip"},
    {"failure without receiving-mx-hostname", "report-missing", "receiving-mx-hostname"},
    {"unknown failure key", "report-key", ""},
    {"result-type '", "report-result-type", "result-type"},
    {"policy-type '", "report-policy-type", "policy-type"},
    {"sum of details", "report-sum", "failure-details"},
    {"contact-info is null", "report-null", "contact-info"},
    {"end is 00:00 of next day", "report-range-day", "date-range"},
    {"start-datetime not RFC 3339", "report-time-zone", "start-datetime"},
    {"end-datetime not RFC 3339", "report-time-zone", "end-datetime"},
    {"end-datetime missing", "report-missing", "end-datetime"},
    {"missing date-range", "report-missing", "date-range"},
    {"missing contact-info", "report-missing", "contact-info"},
    {"missing policy-domain", "report-missing", "policy-domain"},
    {"missing total-failure-session-count", "report-missing", "total-failure-session-count"},
    {"policies empty", "report-empty", "policies"},
    {"2 policies", NULL, NULL},
    {"3 policies", NULL, NULL},
};

static const char *corpus;

static bool ends_in(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && strcmp(text + n - m, end) == 0;
}

static bool noted(const struct mts_findings *f, const char *code, const char *path_end) {
  for (size_t i = 0; i < f->count; i++)
    if (strcmp(f->list[i].code, code) == 0 && ends_in(f->list[i].path, path_end)) return true;
  return false;
}

static int check_oddities(const char *file, char *list, const struct mts_findings *f) {
  int bad = 0;
  for (char *one; (one = strsep(&list, ";"));) {
    one += strspn(one, " ");
    size_t known = 0;
    while (known < COUNT(oddities) && strncmp(one, oddities[known].oddity, strlen(oddities[known].oddity)) != 0) known++;
    if (*one && known == COUNT(oddities)) print_error("%s: nobody knows the oddity \"%s\"\n", file, one), bad++;
    if (!*one || known == COUNT(oddities) || !oddities[known].code) continue;
    if (!noted(f, oddities[known].code, oddities[known].path_end)) print_error("%s: \"%s\" is not noted\n", file, one), bad++;
  }
  return bad;
}

/* Returns how many things are not as the index says. */
static int check(char *const *column) {
  char path[4096];
  static char bytes[FILE_MAX];
  const char *file = column[FILE_NAME];
  snprintf(path, sizeof path, "%s/reports/%s", corpus, file);
  FILE *from = fopen(path, "rb");
  if (!from) fail_msg("%s cannot be opened", path);
  size_t n = fread(bytes, 1, sizeof bytes, from);
  fclose(from);
  char *copy = exact_copy(mts_span(bytes, n));
  struct mts_report *report = NULL;
  struct mts_findings f = {0};
  enum mts_err err = mts_report_parse(mts_span(copy, n), MTS_PROFILE_DEFAULT, &report, &f);
  free(copy);
  int bad = 0;
  if (ends_in(column[KIND], "not-parsing")) {
    if (err != MTS_ERR_REPORT_SYNTAX || f.count != 1) print_error("%s: %s\n", file, mts_err_name(err)), bad++;
  } else if (err) {
    print_error("%s: %s: %s\n", file, mts_err_name(err), f.count ? f.list[f.count - 1].message : ""), bad++;
  } else {
    if (strcmp(report->organization ? report->organization : "", column[ORGANIZATION]) != 0)
      print_error("%s: of %s\n", file, report->organization), bad++;
    bad += check_oddities(file, column[ODDITIES], &f);
  }
  mts_report_free(&report);
  mts_findings_free(&f);
  return bad;
}

static void real_reports_are_read_and_their_oddities_noted(void **s) {
  (void)s;
  char path[4096], *line = NULL, *column[COLUMNS], empty[] = "";
  snprintf(path, sizeof path, "%s/reports.tsv", corpus);
  FILE *index = fopen(path, "r");
  if (!index) fail_msg("%s cannot be opened", path);
  size_t size = 0;
  int rows = 0, bad = 0;
  while (getline(&line, &size, index) > 0) {
    if (rows++ == 0) continue;
    char *rest = line;
    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < COLUMNS; i++) {
      char *text = rest ? strsep(&rest, "\t") : NULL;
      column[i] = text ? text : empty;
    }
    bad += check(column);
  }
  free(line);
  fclose(index);
  print_message("%d reports\n", rows - 1);
  assert_true(rows > 1);
  assert_int_equal(bad, 0);
}

int main(void) {
  corpus = getenv("MTASTS_CORPUS");
  if (!corpus || !*corpus) {
    fprintf(stderr, "skipped: MTASTS_CORPUS names no folder with real reports\n");
    return SKIPPED;
  }
  const struct CMUnitTest tests[] = {cmocka_unit_test(real_reports_are_read_and_their_oddities_noted)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
