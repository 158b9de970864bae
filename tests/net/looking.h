/* SPDX-License-Identifier: ISC
 * What the tests of looks share: a world for each test, and a look that is cancelled. */
#ifndef MTASTS_TESTS_LOOKING_H
#define MTASTS_TESTS_LOOKING_H

#include "harness.h"

static struct mts_net *net;

static inline int close_net(void **state) {
  (void)state;
  if (net) close_world(net);
  net = NULL;
  return 0;
}

/* In place of the one that is open, if any. */
static inline void open_net(const char *https_server, const char *proxy) {
  close_net(NULL);
  net = open_world(https_server, proxy);
}

/* At its deadline, and not much later, however slow the machine is. A timer counts from when the loop last looked at the clock, which is
 * some time ago where a turn takes long. */
static inline void ended_in_time(int64_t began_ms, uint32_t deadline_ms) {
  int64_t took_ms = mono_ms() - began_ms;
  assert_true(took_ms >= (int64_t)deadline_ms - 100 && took_ms < 15000);
}

/* After more and more turns; the last is ended with its world. */
static inline void cancel_everywhere(enum mts_err (*start)(struct mts_job **job), const int *calls) {
  struct mts_job *job = NULL;
  for (int turns = 0; turns < 12; turns++) {
    assert_int_equal(start(&job), MTS_OK);
    for (int i = 0; i < turns; i++) net->ops->turn(net, 20);
    net->ops->cancel(net, &job);
    assert_null(job);
    assert_int_equal(*calls, 0);
  }
  assert_int_equal(start(&job), MTS_OK);
  close_net(NULL);
  assert_int_equal(*calls, 0);
}

#endif
