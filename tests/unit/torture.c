/* SPDX-License-Identifier: ISC
 * Each allocation of the pure rooms fails in turn (the linker puts ours in place of malloc and its like): no crash, no leak, results
 * untouched, and never a verdict other than the usual one or NO_MEMORY. */
#include "base/log.h"
#include "base/name.h"
#include "tools.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static long until_failure = -1; /* allocations that still work; below 0: all */
static bool failed;

static bool fails(void) {
  if (until_failure < 0 || until_failure-- > 0) return false;
  until_failure = -1;
  return failed = true;
}

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return fails() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }

/* Runs call with the first, the second … allocation failing, until none is left to fail; at_least so many must there be. */
static void torture(enum mts_err (*call)(void), size_t at_least) {
  size_t count = 0;
  enum mts_err usual = call();
  for (;; count++) {
    until_failure = (long)count;
    failed = false;
    enum mts_err err = call();
    until_failure = -1;
    if (!failed) break;
    if (err != usual && err != MTS_ERR_NO_MEMORY) fail_msg("allocation %zu: %s", count, mts_err_name(err));
  }
  assert_true(count >= at_least);
}

static enum mts_err parse(const char *text, bool with_findings) {
  struct mts_policy untouched = {0}, *p = &untouched;
  struct mts_findings f = {0};
  enum mts_err err = mts_policy_parse(mts_span_of(text), MTS_PROFILE_DEFAULT, &p, with_findings ? &f : NULL);
  mts_findings_free(&f);
  if (err && p != &untouched) return MTS_ERR_INTERNAL;
  if (!err && (p == &untouched || strcmp(p->mx[p->mx_count - 1], "z.test") != 0)) return MTS_ERR_INTERNAL;
  if (!err) mts_policy_free(&p);
  return err;
}

#define LINES "mx: a.test\nmx: b.test\nmx: c.test\nmx: d.test\nmx: e.test\nmx: f.test\nmx: g.test\nmx: h.test\nmx: a.test\n"
#define POLICY "version: STSv1\nmode: enforce\nmax_age: 86400\n" LINES "\n\n\n\n\nmx: .\nmx: y.test.\nmx: z.test\n"

static enum mts_err policy_with_findings(void) { return parse(POLICY, true); }
static enum mts_err policy_without_findings(void) { return parse(POLICY, false); }
static enum mts_err bad_policy(void) { return parse("mode: enforced\n\n\n\n\n" LINES "mx\n", true); }

static enum mts_err policy_of_values(void) {
  struct mts_policy *p = NULL;
  enum mts_err err = mts_policy_new(MTS_MODE_ENFORCE, 1, (const char *[]){"a.test", "*.b.test"}, 2, &p);
  if ((err != MTS_OK) != (p == NULL)) return MTS_ERR_INTERNAL;
  mts_policy_free(&p);
  return err;
}

static enum mts_err tlsrpt(void) {
  struct mts_tlsrpt *t = NULL;
  struct mts_findings f = {0};
  enum mts_err err = mts_tlsrpt_parse(SPAN("v=TLSRPTv1;rua=tel:1,mailto:a@a.test;rua=tel:2"), &t, &f);
  if ((err != MTS_OK) != (t == NULL)) return MTS_ERR_INTERNAL;
  mts_tlsrpt_free(&t);
  mts_findings_free(&f);
  return err;
}

static enum mts_err record(void) {
  struct mts_record r = {""};
  struct mts_findings f = {0};
  enum mts_err err = mts_record_parse(SPAN("v=STSv1;id=1;id=2;id=3"), &r, &f);
  mts_findings_free(&f);
  return strcmp(r.id, err ? "" : "1") == 0 ? err : MTS_ERR_INTERNAL;
}

static enum mts_err name(void) {
  char to[MTS_NAME_SIZE] = "";
  enum mts_err err = mts_name_normalise(SPAN("\xc3\xb1"
                                             "aca.a23456789012345678901234567890123456789012345678901234567890.com"),
                                        to);
  return (err == MTS_OK) == (to[0] == 'x') ? err : MTS_ERR_INTERNAL;
}

static enum mts_err new_log(void) {
  struct mts_log *log = NULL;
  enum mts_err err = mts_log_new(MTS_LOG_TO_NONE, MTS_LOG_DEBUG, NULL, &log);
  if ((err != MTS_OK) != (log == NULL)) return MTS_ERR_INTERNAL;
  mts_log_free(&log);
  return err;
}

static void policies_survive(void **s) {
  (void)s;
  torture(policy_with_findings, 7);
  torture(policy_without_findings, 4);
  torture(bad_policy, 3);
  torture(policy_of_values, 2);
}
static void records_survive(void **s) {
  (void)s;
  torture(record, 1);
  torture(tlsrpt, 2);
}
static void names_survive(void **s) {
  (void)s;
  torture(name, 2);
}
static void the_log_survives(void **s) {
  (void)s;
  torture(new_log, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(policies_survive),
      cmocka_unit_test(records_survive),
      cmocka_unit_test(names_survive),
      cmocka_unit_test(the_log_survives),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
