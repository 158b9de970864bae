/* SPDX-License-Identifier: ISC */
#include "net/redis_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/attempt.h"
#include "net/redis_tls.h"

#define WAITING_BYTES_MAX (8u << 20)

struct redis_link {
  struct world *world;
  const struct redis_link_calls *calls;
  void *arg;
  int fd;
  short waiting; /* EV_READ, perhaps with EV_WRITE */
  struct event *io;
  bool connected, up;
  struct redis_tls *tls; /* NULL: none */
  struct mts_buf out;    /* for the socket, of which out_done is sent */
  size_t out_done;
};

static void ready(evutil_socket_t fd, short what, void *arg);

static bool wait_for(struct redis_link *link, short what) {
  if (link->io && link->waiting == what) return true;
  if (link->io) event_free(link->io);
  link->io = event_new(link->world->base, link->fd, (short)(what | EV_PERSIST), ready, link);
  link->waiting = what;
  return link->io && event_add(link->io, NULL) == 0;
}

static void down(struct redis_link *link, const char *why) { link->calls->down(link->arg, !link->connected, why); }

/* Sends what goes; false: the connection is broken, errno says how. */
static bool flush(struct redis_link *link) {
  while (link->out_done < link->out.n) {
    ssize_t n = send(link->fd, link->out.p + link->out_done, link->out.n - link->out_done, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return wait_for(link, EV_READ | EV_WRITE);
    if (n < 0) return false;
    link->out_done += (size_t)n;
  }
  mts_buf_reset(&link->out);
  link->out_done = 0;
  return wait_for(link, EV_READ);
}

/* What TLS makes of bytes from the server; the link may be dead afterwards. */
static void take_tls(struct redis_link *link, const char *bytes, size_t n) {
  char why[REDIS_WHY_SIZE];
  struct mts_buf plain = {.limit = MTS_SHARED_BYTES_MAX};
  bool good = redis_tls_take(link->tls, bytes, n, &link->out, &plain, why, sizeof why);
  bool sent = flush(link);
  const struct redis_link_calls *calls = link->calls;
  void *arg = link->arg;
  if (!good) {
    down(link, why);
  } else if (!sent) {
    down(link, strerror(errno));
  } else if (!link->up && redis_tls_is_up(link->tls)) {
    link->up = true;
    calls->up(arg);
  } else if (plain.n) {
    calls->bytes(arg, plain.p, plain.n);
  }
  mts_buf_free(&plain);
}

static void connected(struct redis_link *link) {
  int error = 0;
  socklen_t n = sizeof error;
  if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0) error = errno;
  if (error) {
    down(link, strerror(error));
    return;
  }
  link->connected = true;
  if (link->tls) {
    take_tls(link, NULL, 0);
  } else if (!wait_for(link, EV_READ)) {
    down(link, "out of memory");
  } else {
    link->up = true;
    link->calls->up(link->arg);
  }
}

static void readable(struct redis_link *link) {
  char bytes[32768];
  ssize_t n = recv(link->fd, bytes, sizeof bytes, 0);
  if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) return;
  if (n <= 0) {
    down(link, n < 0 ? strerror(errno) : "it closed the connection");
  } else if (link->tls) {
    take_tls(link, bytes, (size_t)n);
  } else {
    link->calls->bytes(link->arg, bytes, (size_t)n);
  }
}

static void ready(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  struct redis_link *link = arg;
  if (link->world->forgotten) return;
  if (!link->connected) {
    connected(link);
    return;
  }
  if ((what & EV_WRITE) && !flush(link)) {
    down(link, strerror(errno));
    return;
  }
  if (what & EV_READ) readable(link);
}

static int connect_path(const char *path, int *fd) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  memccpy(address.sun_path, path, 0, sizeof address.sun_path);
  *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (*fd < 0) return errno;
  return connect(*fd, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : errno;
}

enum mts_err redis_link_open(struct world *world, const struct mts_shared_url *url, const struct mts_address *address,
                             const struct redis_link_calls *calls, void *arg, char why[REDIS_WHY_SIZE], struct redis_link **link) {
  struct redis_link *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  *made = (struct redis_link){.world = world, .calls = calls, .arg = arg, .fd = -1, .out = {.limit = WAITING_BYTES_MAX}};
  enum mts_err err = url->tls ? redis_tls_new(world, url, why, REDIS_WHY_SIZE, &made->tls) : MTS_OK;
  int error = err ? 0 : address ? attempt_connect(address, url->port, &made->fd) : connect_path(url->path, &made->fd);
  if (error) {
    mts_text_format(why, REDIS_WHY_SIZE, "%s", strerror(error));
    err = MTS_ERR_STORE_SHARED;
  }
  if (!err && !wait_for(made, EV_WRITE)) err = MTS_ERR_NO_MEMORY;
  if (err)
    redis_link_close(&made);
  else
    *link = made;
  return err;
}

bool redis_link_send(struct redis_link *link, const char *bytes, size_t n) {
  bool fits = link->tls ? redis_tls_send(link->tls, bytes, n, &link->out) : mts_buf_add(&link->out, bytes, n) == MTS_OK;
  if (!fits) return false;
  if (!flush(link)) return wait_for(link, EV_READ | EV_WRITE); /* which then tells what is wrong */
  return true;
}

void redis_link_close(struct redis_link **link) {
  struct redis_link *it = *link;
  if (!it) return;
  if (it->io) event_free(it->io);
  redis_tls_free(&it->tls);
  if (it->fd >= 0) close(it->fd);
  mts_buf_free(&it->out);
  free(it);
  *link = NULL;
}
