/* SPDX-License-Identifier: ISC
 * A cached policy through the C API: from memory, and from the store by a context that has just begun; and what 10 000 policies
 * weigh. Prints medians of several rounds. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mtasts.h"
#include "resolve/cache.h"

#define DOMAINS 10000
#define ROUNDS 15
#define LOOKUPS 20000

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static long resident_kb(void) {
  long pages = 0, ignored = 0;
  char text[128] = "";
  FILE *file = fopen("/proc/self/statm", "r");
  if (file && fgets(text, sizeof text, file)) {
    char *end;
    ignored = strtol(text, &end, 10);
    pages = strtol(end, NULL, 10);
  }
  if (file) fclose(file);
  return ignored ? pages * (sysconf(_SC_PAGESIZE) / 1024) : 0;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, size_t count) {
  qsort(values, count, sizeof *values, compare);
  return values[count / 2];
}

static struct mts *context(const char *store) {
  struct mts_settings *settings = NULL;
  struct mts *m = NULL;
  if (mts_settings_new(&settings) || mts_settings_set(settings, "store", store) || mts_settings_set(settings, "memory_s", "3600") ||
      mts_new(settings, &m)) {
    fprintf(stderr, "bench: no context\n");
    exit(70);
  }
  mts_settings_free(&settings);
  return m;
}

static void fill(struct mts *m) {
  const char *const mx[] = {"mx1.example.test", "mx2.example.test", "*.mail.example.test"};
  int64_t now = mts_now(m);
  for (int i = 0; i < DOMAINS; i++) {
    struct mts_entry entry = {.id = "20260101000000Z", .fetched_at = now, .expires_at = now + 604800, .refresh_at = now + 80000};
    entry.checked_at = now;
    entry.check_at = now + 3600;
    snprintf(entry.domain, sizeof entry.domain, "domain-%d.example.test", i);
    if (mts_policy_new(MTS_MODE_ENFORCE, 604800, mx, 3, &entry.policy)) exit(70);
    cache_put(m, &entry);
    mts_entry_clear(&entry);
  }
}

static size_t enforced;

static void answered(void *arg, enum mts_err err, struct mts_answer *answer) {
  (void)arg;
  if (!err) enforced += answer->mode == MTS_MODE_ENFORCE;
  mts_answer_free(&answer);
}

static void look_up(struct mts *m, int i) {
  static const struct mts_lookup_opts opts = {.depth = MTS_DEPTH_POLICY, .freshness = MTS_USE_CACHED};
  char domain[64];
  struct mts_lookup *lookup = NULL;
  snprintf(domain, sizeof domain, "domain-%d.example.test", i);
  if (mts_lookup_start(m, domain, &opts, answered, NULL, &lookup)) exit(70);
}

static void bench_memory(void) {
  double us[ROUNDS];
  long before = resident_kb();
  struct mts *m = context("none");
  fill(m);
  long after = resident_kb();
  for (int r = 0; r < ROUNDS; r++) {
    double from = seconds();
    for (int i = 0; i < LOOKUPS; i++) look_up(m, (i * 7919) % DOMAINS);
    us[r] = (seconds() - from) / LOOKUPS * 1e6;
  }
  printf("lookup from memory (C API, %d policies)      %8.2f us   (aim: 2)\n", DOMAINS, median(us, ROUNDS));
  printf("resident memory of %d policies               %8.2f MB   (aim: below 10)\n", DOMAINS, (double)(after - before) / 1024);
  mts_free(&m);
}

static void bench_store(const char *path) {
  double ms[ROUNDS];
  struct mts *m = context(path);
  fill(m);
  mts_free(&m);
  for (int r = 0; r < ROUNDS; r++) {
    double from = seconds();
    m = context(path);
    look_up(m, r);
    ms[r] = (seconds() - from) * 1e3;
    mts_free(&m);
  }
  printf("first lookup of a context, from the store       %8.2f ms\n", median(ms, ROUNDS));
}

int main(void) {
  char folder[] = "/tmp/mtasts-bench-XXXXXX", path[64];
  bench_memory();
  if (!mkdtemp(folder)) return 70;
  snprintf(path, sizeof path, "%s/bench.db", folder);
  bench_store(path);
  unlink(path);
  for (int i = 0; i < 2; i++) {
    snprintf(path, sizeof path, "%s/bench.db%s", folder, i ? "-wal" : "-shm");
    unlink(path);
  }
  rmdir(folder);
  size_t expected = (size_t)ROUNDS * LOOKUPS + ROUNDS;
  if (enforced != expected) {
    fprintf(stderr, "bench: %zu of %zu lookups found their policy\n", enforced, expected);
    return 1;
  }
  return 0;
}
