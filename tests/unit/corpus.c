/* SPDX-License-Identifier: ISC
 * Published policies, in the folder that MTASTS_CORPUS names: policies.tsv (file, valid_strict, mode, mx, max_age, ...) and policies/.
 * Each is read without a crash, and verdict and values are those of the index. */
#include "tools.h"

#define COLUMNS 5
#define SKIPPED 77

enum { FILE_NAME, VALID_STRICT, MODE, MX, MAX_AGE };

static const char *corpus;

static struct mts_span read_all(const char *name) {
  char path[4096];
  snprintf(path, sizeof path, "%s/policies/%s", corpus, name);
  FILE *file = fopen(path, "rb");
  if (!file) fail_msg("%s cannot be opened", path);
  static char bytes[2 * MTS_POLICY_MAX_BYTES];
  size_t n = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  return mts_span(exact_copy(mts_span(bytes, n)), n);
}

/* The patterns of policy, separated by commas as in the index, equal up to case? */
static bool same_mx(const struct mts_policy *policy, const char *expected) {
  struct mts_buf list = {.limit = 2 * MTS_POLICY_MAX_BYTES};
  mts_buf_add(&list, "", 0);
  for (size_t i = 0; i < policy->mx_count; i++) mts_buf_addf(&list, "%s%s", i ? "," : "", policy->mx[i]);
  bool same = strcasecmp(list.p, expected) == 0;
  mts_buf_free(&list);
  return same;
}

static bool same_age(const struct mts_policy *policy, const char *expected) {
  uint64_t age = 0;
  if (!mts_number_parse(mts_span_of(expected), UINT64_MAX, &age)) return false;
  return policy->max_age_s == (age > MTS_POLICY_MAX_AGE_S ? MTS_POLICY_MAX_AGE_S : age);
}

/* Returns how many things are not as the index says. */
static int check(char *const *column) {
  struct mts_span body = read_all(column[FILE_NAME]);
  struct mts_policy *p = NULL;
  struct mts_findings f = {0};
  bool valid = strcmp(column[VALID_STRICT], "yes") == 0;
  int bad = 0;
  enum mts_err err = mts_policy_parse(body, MTS_PROFILE_STRICT, &p, &f);
  if ((err == MTS_OK) != valid || f.strict != valid) {
    print_error("%s: %s, the index says valid: %s\n", column[FILE_NAME], mts_err_name(err), column[VALID_STRICT]);
    bad++;
  }
  if (!valid && f.count == 0) {
    print_error("%s: refused, and nothing says why\n", column[FILE_NAME]);
    bad++;
  }
  if (p && strcmp(mts_mode_name(p->mode), column[MODE]) != 0)
    print_error("%s: mode %s\n", column[FILE_NAME], mts_mode_name(p->mode)), bad++;
  if (p && !same_mx(p, column[MX])) print_error("%s: mx, the index has %s\n", column[FILE_NAME], column[MX]), bad++;
  if (p && !same_age(p, column[MAX_AGE])) print_error("%s: max_age %u\n", column[FILE_NAME], p->max_age_s), bad++;
  mts_policy_free(&p);
  err = mts_policy_parse(body, MTS_PROFILE_DEFAULT, &p, &f);
  if (valid && err) print_error("%s: only the default refuses it: %s\n", column[FILE_NAME], mts_err_name(err)), bad++;
  if (p && p->mode != MTS_MODE_NONE && p->mx_count == 0) print_error("%s: no mx\n", column[FILE_NAME]), bad++;
  if (f.count && !valid)
    print_message("%s: by default %s; %s at %u:%u: %s\n", column[FILE_NAME], mts_err_name(err), f.list[0].code, f.list[0].line,
                  f.list[0].column, f.list[0].message);
  mts_policy_free(&p);
  mts_findings_free(&f);
  union {
    const char *lent;
    char *owned;
  } copy = {body.p};
  free(copy.owned);
  return bad;
}

static void published_policies_are_read_as_the_index_says(void **s) {
  (void)s;
  char path[4096], *line = NULL, *column[COLUMNS];
  snprintf(path, sizeof path, "%s/policies.tsv", corpus);
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
      column[i] = text ? text : path + strlen(path); /* empty */
    }
    bad += check(column);
  }
  free(line);
  fclose(index);
  print_message("%d policies\n", rows - 1);
  assert_true(rows > 1);
  assert_int_equal(bad, 0);
}

int main(void) {
  corpus = getenv("MTASTS_CORPUS");
  if (!corpus || !*corpus) {
    fprintf(stderr, "skipped: MTASTS_CORPUS names no folder with published policies\n");
    return SKIPPED;
  }
  const struct CMUnitTest tests[] = {cmocka_unit_test(published_policies_are_read_as_the_index_says)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
