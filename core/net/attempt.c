/* SPDX-License-Identifier: ISC */
#include "net/attempt.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

void hush_begin(struct hush *hush) {
  sigset_t pipe_only, pending;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  sigemptyset(&pending);
  sigpending(&pending);
  hush->pending = sigismember(&pending, SIGPIPE) == 1;
  pthread_sigmask(SIG_BLOCK, &pipe_only, &hush->before);
}

void hush_end(const struct hush *hush) {
  int saved = errno;
  if (!hush->pending) {
    sigset_t pipe_only;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    const struct timespec at_once = {0};
    while (sigtimedwait(&pipe_only, NULL, &at_once) < 0 && errno == EINTR) {
    }
  }
  pthread_sigmask(SIG_SETMASK, &hush->before, NULL);
  errno = saved;
}
