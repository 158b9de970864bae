/* SPDX-License-Identifier: ISC */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "resolve/context.h"

#define PIPE_FD (STDERR_FILENO + 1)

#define AFTER_MS 500 /* who has not answered when nobody waits any more has this long left */

struct worker {
  int pipe; /* -1: it has answered, or nobody waits */
  uint32_t life_ms;
};

struct head {
  int32_t code;
  uint32_t n;
};

/* ---- inside ---- */

static void own_signals(void) {
  const struct sigaction plain = {.sa_handler = SIG_DFL}, ignored = {.sa_handler = SIG_IGN};
  for (int signal = 1; signal < NSIG; signal++) sigaction(signal, &plain, NULL);
  sigaction(SIGPIPE, &ignored, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static void set_life(uint32_t ms) {
  const struct itimerval life = {.it_value = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000}};
  setitimer(ITIMER_REAL, &life, NULL); /* SIGALRM then ends it */
}

/* What rules print goes where errors go: stdout may be a dialogue in SMTP. */
static bool own_files(struct worker *worker) {
  closelog();       /* its socket is closed below, and the number may become another file's */
  __fpurge(stdout); /* what Exim is still to write */
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (worker->pipe >= 0) { /* Exim may have closed files of the first numbers */
    worker->pipe = fcntl(worker->pipe, F_DUPFD, PIPE_FD);
    if (worker->pipe < 0) return false;
  }
  int nothing = open("/dev/null", O_RDWR);
  if (nothing < 0) return false;
  if (fcntl(STDERR_FILENO, F_GETFD) < 0 && dup2(nothing, STDERR_FILENO) < 0) return false;
  if (dup2(nothing, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) return false;
  int first = PIPE_FD;
  if (worker->pipe >= 0) {
    if (worker->pipe != PIPE_FD && dup2(worker->pipe, PIPE_FD) < 0) return false;
    worker->pipe = PIPE_FD;
    if (fcntl(PIPE_FD, F_SETFD, FD_CLOEXEC) < 0) return false;
    first++;
  }
  closefrom(first); /* where the kernel has no close_range(2), by /proc/self/fd; where neither is, it ends the process */
  return true;
}

static bool folder_of(const char *file, char folder[PATH_MAX]) {
  size_t n = strlen(file);
  if (file[0] != '/' || n >= PATH_MAX) return false;
  memcpy(folder, file, n + 1);
  char *slash = strrchr(folder, '/');
  slash[slash == folder] = 0;
  return true;
}

struct identity {
  uid_t user; /* 0: the folder is root's alone */
  gid_t group;
};

/* Whose folder it is; nobody, where there is none. Where others write in root's folder, nobody with its group. Users and groups are looked up
 * only where the folder does not say them: that may ask the network. */
static bool identity_for(const char *store, struct identity *identity) {
  char folder[PATH_MAX];
  struct stat st;
  bool there = store && folder_of(store, folder) && stat(folder, &st) == 0;
  if (there) *identity = (struct identity){.user = st.st_uid, .group = st.st_gid};
  bool shared = there && st.st_uid == 0 && (st.st_mode & (S_IWGRP | S_IWOTH));
  if (there && !shared && (st.st_uid == 0 || st.st_gid != 0)) return true;
  const struct passwd *user = there && !shared ? getpwuid(st.st_uid) : getpwnam("nobody");
  if (!user || user->pw_uid == 0) return false;
  identity->user = user->pw_uid;
  if (!shared) identity->group = user->pw_gid;
  return true;
}

/* Root is for starting mail's processes, not for reading what the network sends. Without further groups, as Exim itself does it. */
static bool give_up_root(const char *store) {
  struct identity to;
  if (geteuid() != 0) return true;
  if (!identity_for(store, &to)) return false;
  if (to.user == 0) return true;
  return setgroups(1, &to.group) == 0 && setresgid(to.group, to.group, to.group) == 0 && setresuid(to.user, to.user, to.user) == 0;
}

bool worker_leaves_root(const char *store) {
  char folder[PATH_MAX];
  struct stat st;
  if (geteuid() != 0 || !store || !folder_of(store, folder) || stat(folder, &st) != 0) return false;
  return st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH));
}

static bool write_all(int fd, const void *bytes, size_t n) {
  const char *at = bytes;
  while (n) {
    ssize_t written = write(fd, at, n);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    at += written;
    n -= (size_t)written;
  }
  return true;
}

/* What is left to do holds nobody's pipes open: who started Exim may wait for their end. */
static void let_go_of_files(struct worker *worker) {
  close(worker->pipe);
  worker->pipe = -1;
  int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nothing < 0) return;
  dup2(nothing, STDOUT_FILENO);
  dup2(nothing, STDERR_FILENO);
  close(nothing);
}

void worker_answer(struct worker *worker, int code, const char *text, size_t n) {
  if (worker->pipe < 0) return;
  struct head head = {.code = code, .n = n > WORKER_TEXT_MAX ? 0 : (uint32_t)n};
  if (write_all(worker->pipe, &head, sizeof head)) write_all(worker->pipe, text, head.n);
  let_go_of_files(worker);
  set_life(worker->life_ms);
}

__attribute__((noreturn)) static void live(worker_fn work, void *arg, const struct worker_terms *terms, int pipe) {
  struct worker worker = {.pipe = pipe, .life_ms = terms->life_ms};
  own_signals();
  set_life(pipe < 0 ? terms->life_ms : terms->answer_ms + AFTER_MS);
  setsid();
  umask(077);
  context_after_fork(terms->m); /* while its files are still the ones it knows */
  if (own_files(&worker) && give_up_root(terms->store)) {
    if (pipe < 0) let_go_of_files(&worker);
    work(&worker, arg);
  }
  _exit(0);
}

/* ---- outside ---- */

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The process is its grandfather's of nobody: Exim, which waits for any child of its own, never meets it. */
static bool start(worker_fn work, void *arg, const struct worker_terms *terms, int pipe) {
  pid_t child = fork();
  if (child < 0) return false;
  if (child == 0) {
    pid_t worker = fork();
    if (worker == 0) live(work, arg, terms, pipe);
    _exit(worker < 0);
  }
  int status = 0;
  pid_t waited;
  do waited = waitpid(child, &status, 0);
  while (waited < 0 && errno == EINTR);
  /* Where Exim ignores SIGCHLD the status is lost; then the pipe tells. */
  return waited < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static enum worker_end read_all(int fd, void *bytes, size_t n, int64_t until_ms) {
  char *at = bytes;
  while (n) {
    int64_t left = until_ms - now_ms();
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    int ready = left > 0 ? poll(&readable, 1, left < INT_MAX ? (int)left : INT_MAX) : 0;
    if (ready == 0) return WORKER_LATE;
    ssize_t got = ready > 0 ? read(fd, at, n) : -1;
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return WORKER_DIED;
    at += got;
    n -= (size_t)got;
  }
  return WORKER_ANSWERED;
}

static enum worker_end hear(int fd, int64_t until_ms, struct worker_reply *reply) {
  struct head head;
  enum worker_end end = read_all(fd, &head, sizeof head, until_ms);
  if (end != WORKER_ANSWERED) return end;
  if (head.n > WORKER_TEXT_MAX) return WORKER_DIED;
  char *text = malloc((size_t)head.n + 1);
  if (!text) return WORKER_NOT_STARTED;
  end = read_all(fd, text, head.n, until_ms);
  if (end != WORKER_ANSWERED) {
    free(text);
    return end;
  }
  text[head.n] = 0;
  *reply = (struct worker_reply){.code = head.code, .text = text, .n = head.n};
  return WORKER_ANSWERED;
}

enum worker_end worker_run(worker_fn work, void *arg, const struct worker_terms *terms, struct worker_reply *reply) {
  int64_t until_ms = now_ms() + terms->answer_ms;
  int ends[2] = {-1, -1};
  if (!terms->answer_ms) return start(work, arg, terms, -1) ? WORKER_ANSWERED : WORKER_NOT_STARTED;
  if (pipe2(ends, O_CLOEXEC) != 0) return WORKER_NOT_STARTED;
  bool started = start(work, arg, terms, ends[1]);
  close(ends[1]);
  enum worker_end end = started ? hear(ends[0], until_ms, reply) : WORKER_NOT_STARTED;
  close(ends[0]);
  return end;
}
