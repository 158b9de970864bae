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

const struct mts_clock mts_clock_real = {now_ms, mono_ms, NULL};

#ifdef CLOCK_MONOTONIC_COARSE
#define COARSE_MONO CLOCK_MONOTONIC_COARSE
#define COARSE_NOW CLOCK_REALTIME_COARSE
#else
#define COARSE_MONO CLOCK_MONOTONIC
#define COARSE_NOW CLOCK_REALTIME
#endif

int64_t mts_clock_coarse_ms(void) { return read_ms(COARSE_MONO); }

int64_t mts_clock_about_mono_ms(const struct mts_clock *clock) {
  return clock->mono_ms == mono_ms ? read_ms(COARSE_MONO) : clock->mono_ms(clock->arg);
}

int64_t mts_clock_about_now_s(const struct mts_clock *clock) {
  return (clock->now_ms == now_ms ? read_ms(COARSE_NOW) : clock->now_ms(clock->arg)) / 1000;
}

void mts_clock_about(const struct mts_clock *clock, struct mts_moment *moment) {
  int64_t before_ms = moment->mono_ms;
  moment->mono_ms = mts_clock_about_mono_ms(clock);
  if (moment->mono_ms != before_ms || clock->now_ms != now_ms) moment->now_s = mts_clock_about_now_s(clock);
}
