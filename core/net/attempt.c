/* SPDX-License-Identifier: ISC */
#include "net/attempt.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

int attempt_connect(const struct mts_address *address, uint16_t port, int *fd) {
  struct sockaddr_storage storage;
  memset(&storage, 0, sizeof storage);
  socklen_t n;
  if (address->family == AF_INET6) {
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&storage;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(port);
    memcpy(&six->sin6_addr, address->bytes, 16);
    n = sizeof *six;
  } else {
    struct sockaddr_in *four = (struct sockaddr_in *)&storage;
    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    memcpy(&four->sin_addr, address->bytes, 4);
    n = sizeof *four;
  }
  *fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (*fd < 0) return errno;
  /* QUIT follows the last flight of the handshake: it must not wait for that one's acknowledgement. */
  setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  return connect(*fd, (struct sockaddr *)&storage, n) == 0 || errno == EINPROGRESS ? 0 : errno;
}

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
