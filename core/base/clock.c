/* SPDX-License-Identifier: ISC
 * The system's clock. */
#include "base/clock.h"

#include <time.h>

static int64_t read_ms(clockid_t id) {
  struct timespec t = {0};
  clock_gettime(id, &t);
  return (int64_t)t.tv_sec * 1000 + (int64_t)t.tv_nsec / 1000000;
}

static int64_t now_ms(void *arg) {
  (void)arg;
  return read_ms(CLOCK_REALTIME);
}

static int64_t mono_ms(void *arg) {
  (void)arg;
  return read_ms(CLOCK_MONOTONIC);
}

int64_t mts_clock_coarse_ms(void) {
#ifdef CLOCK_MONOTONIC_COARSE
  return read_ms(CLOCK_MONOTONIC_COARSE);
#else
  return read_ms(CLOCK_MONOTONIC);
#endif
}

const struct mts_clock mts_clock_real = {now_ms, mono_ms, NULL};
