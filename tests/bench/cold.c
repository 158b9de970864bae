/* SPDX-License-Identifier: ISC
 * Lookups that need the network, through the C API, against real servers. Without arguments it sets up the world by cold.py, which runs
 * it again inside: cold CA_FILE CASE NUMBER CONCURRENCY. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "mtasts.h"

struct bench {
  struct mts *m;
  const char *name; /* of the case: which domains are asked */
  size_t number, started, done, enforced;
  double began_ms[20000], slowest_ms;
};

struct one {
  struct bench *bench;
  size_t index;
};

static double clock_ms(clockid_t which) {
  struct timespec now;
  clock_gettime(which, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double cpu_ms(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static void answered(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct one *one = arg;
  struct bench *bench = one->bench;
  double took = clock_ms(CLOCK_MONOTONIC) - bench->began_ms[one->index];
  if (took > bench->slowest_ms) bench->slowest_ms = took;
  bench->done++;
  bench->enforced += !err && answer->mode == MTS_MODE_ENFORCE;
  mts_answer_free(&answer);
  free(one);
}

static void start(struct bench *bench) {
  static const struct mts_lookup_opts opts = {.depth = MTS_DEPTH_POLICY, .freshness = MTS_CHECK_DUE};
  char domain[64];
  if (strcmp(bench->name, "equal") == 0)
    snprintf(domain, sizeof domain, "d0.bench.test");
  else
    snprintf(domain, sizeof domain, "d%zu.bench.test", bench->started);
  struct one *one = malloc(sizeof *one);
  struct mts_lookup *lookup = NULL;
  if (!one) exit(70);
  *one = (struct one){bench, bench->started};
  bench->began_ms[bench->started++] = clock_ms(CLOCK_MONOTONIC);
  if (mts_lookup_start(bench->m, domain, &opts, answered, one, &lookup)) exit(70);
}

static void hanging(void *arg, enum mts_err err, struct mts_answer *answer) {
  (void)arg;
  (void)err;
  mts_answer_free(&answer);
}

static int run(const char *ca_file, const char *name, size_t number, size_t concurrency) {
  static struct bench bench;
  struct mts_settings *settings = NULL;
  struct mts_lookup *lookup = NULL;
  if (number > sizeof bench.began_ms / sizeof *bench.began_ms) return 64;
  bench.name = name;
  bench.number = number;
  if (mts_settings_new(&settings) || mts_settings_set(settings, "store", "none") ||
      mts_settings_set(settings, "ca_file", ca_file) || mts_new(settings, &bench.m)) {
    return 70;
  }
  mts_settings_free(&settings);
  struct mts_answer *warm = NULL; /* loads the network module */
  if (mts_lookup(bench.m, "nothing.test", NULL, &warm)) return 70;
  mts_answer_free(&warm);
  bool beside_hanging = strcmp(name, "hanging") == 0;
  if (beside_hanging && mts_lookup_start(bench.m, "hang.test", NULL, hanging, NULL, &lookup)) return 70;
  double wall = clock_ms(CLOCK_MONOTONIC), cpu = cpu_ms();
  while (bench.done < number) {
    while (bench.started < number && bench.started - bench.done < concurrency) start(&bench);
    if (!mts_turn(bench.m, -1) && bench.done < bench.started) break;
  }
  wall = clock_ms(CLOCK_MONOTONIC) - wall;
  cpu = cpu_ms() - cpu;
  printf("{\"lookups\": %zu, \"enforced\": %zu, \"wall_ms\": %.1f, \"cpu_ms\": %.1f, \"slowest_ms\": %.1f}\n", bench.done,
         bench.enforced, wall, cpu, bench.slowest_ms);
  mts_free(&bench.m);
  return bench.done == number && bench.enforced == number ? 0 : 1;
}

static size_t number_of(const char *text) { return (size_t)strtoul(text, NULL, 10); }

int main(int argc, char **argv) {
  if (argc == 5) return run(argv[1], argv[2], number_of(argv[3]), number_of(argv[4]));
  execl(MTASTS_BENCH_FOLDER "/cold.py", "cold.py", argv[0], MTASTS_BENCH_BUILD "/tests/bare_fetch", (char *)NULL);
  perror(MTASTS_BENCH_FOLDER "/cold.py");
  return 70;
}
