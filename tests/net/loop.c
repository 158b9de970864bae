/* SPDX-License-Identifier: ISC
 * A program with a loop of its own lends it: the network lives on it and needs no mts_turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "mtasts.h"

struct loop {
  struct event_base *base;
  int answers, ticks;
  enum mts_err refresh_error;
};

static void answered(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct loop *loop = arg;
  assert_int_equal(err, MTS_OK);
  loop->answers++;
  loop->refresh_error = answer->refresh_error.err;
  mts_answer_free(&answer);
  event_base_loopbreak(loop->base);
}

static void tick(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct loop *loop = arg;
  if (++loop->ticks > 1000) event_base_loopbreak(loop->base); /* 10 s: it hangs */
}

static void a_lookup_ends_while_the_program_runs_its_own_loop(void **state) {
  (void)state;
  struct mts_settings *settings = NULL;
  struct mts *m = NULL;
  struct mts_lookup *lookup = NULL;
  struct loop loop = {.base = event_base_new()};
  assert_non_null(loop.base);
  assert_int_equal(mts_settings_new(&settings), MTS_OK);
  static const char *const set[][2] = {
      {"nameservers", "[127.0.0.1]:1"}, {"dns_deadline_ms", "300"}, {"store", "none"}, {"log", "none"}};
  for (size_t i = 0; i < sizeof set / sizeof *set; i++) assert_int_equal(mts_settings_set(settings, set[i][0], set[i][1]), MTS_OK);
  assert_int_equal(mts_new(settings, &m), MTS_OK);
  mts_settings_free(&settings);
  mts_lend_loop(m, loop.base);
  struct event *ticking = event_new(loop.base, -1, EV_PERSIST, tick, &loop);
  const struct timeval often = {.tv_usec = 10000};
  assert_int_equal(event_add(ticking, &often), 0);

  assert_int_equal(mts_lookup_start(m, "example.test", NULL, answered, &loop, &lookup), MTS_OK);
  assert_int_equal(loop.answers, 0);
  event_base_dispatch(loop.base);
  assert_int_equal(loop.answers, 1);
  assert_true(loop.refresh_error >= MTS_ERR_DNS_SERVFAIL && loop.refresh_error <= MTS_ERR_DNS_NETWORK);
  assert_true(loop.ticks > 0); /* the program's own events went on meanwhile */

  mts_free(&m);
  loop.ticks = 990;
  event_base_dispatch(loop.base); /* the loop is the program's, and outlives the context */
  assert_true(loop.ticks > 1000);
  event_free(ticking);
  event_base_free(loop.base);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_lookup_ends_while_the_program_runs_its_own_loop)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
