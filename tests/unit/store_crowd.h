/* SPDX-License-Identifier: ISC
 * Many processes at once, for the tests of the store. */
#ifndef MTASTS_TESTS_STORE_CROWD_H
#define MTASTS_TESTS_STORE_CROWD_H

#include "store_tools.h"

#define PROCESSES 32

/* Starts count children that all wait until the pipe closes, then run work(number); true when each exits with 0. */
static inline bool run_all(struct tools *t, int count, int (*work)(struct tools *t, int number, void *arg), void *arg) {
  int gate[2];
  pid_t pids[PROCESSES];
  assert_int_equal(pipe(gate), 0);
  for (int i = 0; i < count; i++) {
    pids[i] = fork();
    assert_true(pids[i] >= 0);
    if (pids[i] == 0) {
      char byte;
      close(gate[1]);
      if (read(gate[0], &byte, 1) != 0) _exit(98);
      t->clock = mts_clock_real;
      _exit(work(t, i, arg));
    }
  }
  close(gate[0]);
  close(gate[1]);
  bool good = true;
  for (int i = 0; i < count; i++) {
    int status = 0;
    assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) print_message("process %d: status %x\n", i, (unsigned)status);
    good &= WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  return good;
}

/* In a child: what went wrong, for who reads the test's output. */
static inline int say(struct tools *t, enum mts_err err) {
  print_message("%s: %s\n", mts_err_name(err), t->last);
  return 1;
}

#endif
