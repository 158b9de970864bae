/* SPDX-License-Identifier: ISC
 * The pure functions that every mail passes: destinations, names, policies. Prints medians of several rounds. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/name.h"
#include "mtasts.h"

#define ROUNDS 15
#define CALLS 100000
#define POLICIES 10000

static const char plain[] = "mail.example.org", policy_text[] =
                                                    "version: STSv1\nmode: enforce\nmx: mx1.example.com\nmx: mx2.example.com\n"
                                                    "mx: *.mail.protection.example.net\nmax_age: 604800\n";
static struct mts_buf largest;
static size_t good;

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now); /* whatever else the machine does */
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void destination(void) {
  struct mts_destination d;
  good += mts_destination_parse(mts_span(plain, sizeof plain - 1), &d) == MTS_OK;
}

static void normal(void) { good += mts_name_is_normal(mts_span(plain, sizeof plain - 1)); }

static void read_policy(struct mts_span body) {
  struct mts_policy *p = NULL;
  struct mts_findings findings = {0};
  good += mts_policy_parse(body, MTS_PROFILE_DEFAULT, &p, &findings) == MTS_OK;
  mts_policy_free(&p);
  mts_findings_free(&findings);
}
static void usual_policy(void) { read_policy(mts_span(policy_text, sizeof policy_text - 1)); }
static void largest_policy(void) { read_policy(mts_span(largest.p, largest.n)); }

static void bench(const char *what, void (*call)(void), int calls, double unit, const char *unit_name, const char *aim) {
  double took[ROUNDS];
  good = 0;
  for (int r = 0; r < ROUNDS; r++) {
    double from = seconds();
    for (int i = 0; i < calls; i++) call();
    took[r] = (seconds() - from) / calls / unit;
  }
  qsort(took, ROUNDS, sizeof *took, compare);
  printf("%-46s %8.2f %s   (aim: %s)\n", what, took[ROUNDS / 2], unit_name, aim);
  if (good == (size_t)ROUNDS * (size_t)calls) return;
  fprintf(stderr, "bench: %s: not every call went well\n", what);
  exit(1);
}

static void weigh(void) {
  static struct mts_policy *all[POLICIES];
  size_t before = mallinfo2().uordblks;
  for (size_t i = 0; i < POLICIES; i++)
    if (mts_policy_parse(mts_span(policy_text, sizeof policy_text - 1), MTS_PROFILE_DEFAULT, &all[i], NULL)) exit(1);
  printf("%-46s %8.2f MB   (aim: well below 10)\n", "10000 parsed policies", (double)(mallinfo2().uordblks - before) / 1048576);
  for (size_t i = 0; i < POLICIES; i++) mts_policy_free(&all[i]);
}

int main(void) {
  largest.limit = MTS_POLICY_MAX_BYTES;
  mts_buf_addf(&largest, "version: STSv1\nmode: enforce\nmax_age: 86400\n");
  while (mts_buf_add(&largest, "mx: a\n", 6) == MTS_OK) continue;
  bench("a plain destination is parsed", destination, CALLS, 1e-9, "ns", "150");
  bench("a name is seen to be normal", normal, CALLS, 1e-9, "ns", "100");
  bench("a usual policy is parsed", usual_policy, CALLS / 10, 1e-6, "us", "5");
  bench("a policy of 64 KiB of mx lines is parsed", largest_policy, 10, 1e-3, "ms", "10");
  weigh();
  mts_buf_free(&largest);
  return 0;
}
