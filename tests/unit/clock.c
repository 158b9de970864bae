/* SPDX-License-Identifier: ISC
 * Clocks that are asked again and again. */
#include "base/clock.h"

#include <time.h>

#include "tools.h"

struct hands {
  int64_t mono_ms, now_ms;
};
static int64_t mono_of(void *arg) { return ((const struct hands *)arg)->mono_ms; }
static int64_t now_of(void *arg) { return ((const struct hands *)arg)->now_ms; }

static void a_clock_of_somebody_elses_is_read_each_time(void **s) {
  (void)s;
  struct hands hands = {.mono_ms = 5, .now_ms = 7000};
  const struct mts_clock clock = {now_of, mono_of, &hands};
  struct mts_moment moment = {0};
  mts_clock_about(&clock, &moment);
  assert_int_equal(moment.mono_ms, 5);
  assert_int_equal(moment.now_s, 7);
  hands.now_ms = 3999; /* set back, and no time has passed */
  mts_clock_about(&clock, &moment);
  assert_int_equal(moment.now_s, 3);
  hands.mono_ms = 6;
  mts_clock_about(&clock, &moment);
  assert_int_equal(moment.mono_ms, 6);
}

static void the_real_clock_is_about_right_and_goes_on(void **s) {
  (void)s;
  struct mts_moment first = {0}, later;
  mts_clock_about(&mts_clock_real, &first);
  int64_t off_ms = mts_clock_mono_ms(&mts_clock_real) - first.mono_ms, off_s = mts_clock_now_s(&mts_clock_real) - first.now_s;
  assert_true(off_ms >= 0 && off_ms < 5000); /* a tick, on a machine that is not asleep */
  assert_true(off_s >= 0 && off_s < 5);
  later = first;
  later.now_s = 1; /* what was read before the tick is read anew behind it */
  const struct timespec pause = {.tv_nsec = 50000000};
  nanosleep(&pause, NULL);
  mts_clock_about(&mts_clock_real, &later);
  assert_true(later.mono_ms > first.mono_ms);
  assert_true(later.now_s >= first.now_s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_clock_of_somebody_elses_is_read_each_time),
      cmocka_unit_test(the_real_clock_is_about_right_and_goes_on),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
