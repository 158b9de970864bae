/* SPDX-License-Identifier: ISC
 * The clock is lent, so that tests and fake worlds bring their own. */
#ifndef MTASTS_BASE_CLOCK_H
#define MTASTS_BASE_CLOCK_H

#include <stdint.h>

struct mts_clock {
  int64_t (*now_ms)(void *arg);  /* Unix time in milliseconds: may jump */
  int64_t (*mono_ms)(void *arg); /* never goes back: for durations */
  void *arg;
};

extern const struct mts_clock mts_clock_real;
/* The real one's mono_ms as of the last tick of the kernel (10 ms at most): for patience that counts in seconds, where it is asked often. */
int64_t mts_clock_coarse_ms(void);
/* The same of any clock, and of its time of day: to compare with, not to keep. */
int64_t mts_clock_about_mono_ms(const struct mts_clock *clock);
int64_t mts_clock_about_now_s(const struct mts_clock *clock);

/* Both, for who asks again and again. Zero-initialise. */
struct mts_moment {
  int64_t mono_ms, now_s;
};
/* The time of day of the real clock is read once a tick: what is set meanwhile is seen at the next one. */
void mts_clock_about(const struct mts_clock *clock, struct mts_moment *moment);

static inline int64_t mts_clock_now_s(const struct mts_clock *clock) { return clock->now_ms(clock->arg) / 1000; }
static inline int64_t mts_clock_now_ms(const struct mts_clock *clock) { return clock->now_ms(clock->arg); }
static inline int64_t mts_clock_mono_ms(const struct mts_clock *clock) { return clock->mono_ms(clock->arg); }

#endif
