/* SPDX-License-Identifier: ISC */
#include "sendmail.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define LOOK_MS 10
#define GRACE_MS 2000 /* between the polite and the other signal */

/* A file without a name: the program may read as slowly as it likes, and we need not feed it. */
static int message_file(struct mts_span message) {
  int fd = memfd_create("report", MFD_CLOEXEC);
  size_t done = 0;
  while (fd >= 0 && done < message.n) {
    ssize_t n = write(fd, message.p + done, message.n - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      close(fd);
      return -1;
    }
    done += (size_t)n;
  }
  if (fd >= 0) lseek(fd, 0, SEEK_SET);
  return fd;
}

/* Signals as any program expects them at its start, and a group of its own, to be killed with all it started. */
static int set_attributes(posix_spawnattr_t *attributes) {
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  int error = posix_spawnattr_setsigmask(attributes, &none);
  if (!error) error = posix_spawnattr_setsigdefault(attributes, &all);
  if (!error) error = posix_spawnattr_setpgroup(attributes, 0);
  if (!error) error = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  return error;
}

static int start(const char *const *words, int input, pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int error = posix_spawn_file_actions_init(&actions);
  if (error) return error;
  error = posix_spawnattr_init(&attributes);
  if (!error) {
    error = set_attributes(&attributes);
    if (!error) error = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    if (!error) error = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    if (!error) error = posix_spawn(pid, words[0], &actions, &attributes, (char *const *)(uintptr_t)words, environ);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

/* false: it has not ended within this time. */
static bool wait_for_end(pid_t pid, int64_t ms, int *status) {
  const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};
  int64_t ends = mts_clock_mono_ms(&mts_clock_real) + ms;
  for (;;) {
    pid_t ended = waitpid(pid, status, WNOHANG);
    if (ended == pid) return true;
    if (ended < 0 && errno != EINTR) {
      *status = -1;
      return true;
    }
    if (mts_clock_mono_ms(&mts_clock_real) >= ends) return false;
    nanosleep(&pause, NULL);
  }
}

static void end_group(pid_t pid, int *status) {
  kill(-pid, SIGTERM);
  bool ended = wait_for_end(pid, GRACE_MS, status);
  kill(-pid, SIGKILL);
  if (!ended) waitpid(pid, status, 0);
}

bool sendmail_run(const char *const *words, struct mts_span message, uint32_t deadline_ms, char why[160]) {
  pid_t pid = -1;
  int status = 0, input = message_file(message);
  int error = input < 0 ? errno : start(words, input, &pid);
  if (input >= 0) close(input);
  if (error) {
    snprintf(why, 160, "%.80s cannot be started: %s", words[0], strerror(error));
    return false;
  }
  if (!wait_for_end(pid, deadline_ms, &status)) {
    end_group(pid, &status);
    snprintf(why, 160, "%.80s did not end within %u s and was killed", words[0], (unsigned)(deadline_ms / 1000));
    return false;
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  if (WIFEXITED(status))
    snprintf(why, 160, "%.80s ended with exit code %d", words[0], WEXITSTATUS(status));
  else
    snprintf(why, 160, "%.80s was ended by signal %d", words[0], WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  return false;
}
