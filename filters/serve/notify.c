/* SPDX-License-Identifier: ISC */
#include "notify.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

#define SOCKETS_MOST 64

void notify(const char *state) {
  const char *path = getenv("NOTIFY_SOCKET");
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  size_t n = path ? strlen(path) : 0;
  if (n < 2 || n >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@')) return;
  memcpy(to.sun_path, path, n);
  if (path[0] == '@') to.sun_path[0] = 0; /* an abstract name */
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
  close(fd);
}

void notify_reloading(void) {
  struct timespec now;
  char state[80];
  clock_gettime(CLOCK_MONOTONIC, &now);
  snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
  notify(state);
}

/* A number of the environment that is meant for this process. */
static uint64_t number_for_us(const char *name, const char *whose) {
  uint64_t pid = 0, number = 0;
  const char *of = getenv(whose);
  if (of && (!mts_number_parse(mts_span_of(of), INT32_MAX, &pid) || (pid_t)pid != getpid())) return 0;
  return mts_number_parse(mts_span_of(getenv(name)), INT64_MAX, &number) ? number : 0;
}

int64_t notify_watchdog_ms(void) { return (int64_t)number_for_us("WATCHDOG_USEC", "WATCHDOG_PID") / 1000; }

size_t notify_sockets(void) {
  if (!getenv("LISTEN_PID")) return 0;
  uint64_t count = number_for_us("LISTEN_FDS", "LISTEN_PID");
  if (count > SOCKETS_MOST) return 0;
  for (uint64_t i = 0; i < count; i++) fcntl(NOTIFY_FIRST_FD + (int)i, F_SETFD, FD_CLOEXEC);
  return (size_t)count;
}

void notify_socket_name(size_t index, char *name, size_t size) {
  const char *names = getenv("LISTEN_FDNAMES");
  name[0] = 0;
  for (; names && index > 0; index--) names = strchr(names, ':') ? strchr(names, ':') + 1 : NULL;
  if (names) mts_text_clean(name, size, mts_span(names, strcspn(names, ":")));
}
