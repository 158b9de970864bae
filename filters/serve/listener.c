/* SPDX-License-Identifier: ISC */
#include "listener.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define BACKLOG 1024
#define ACCEPT_AT_ONCE 64
#define PAUSE_MS 200 /* when the system has nothing left to accept with, and nothing of ours is given back */

struct listener {
  struct listeners *all;
  struct listener *next;
  const struct service *service;
  void *arg;
  int fd;
  struct event *readable;
  char *path; /* of a file that we made; NULL: none */
  dev_t device;
  ino_t inode;
};

struct listeners {
  struct connections *connections;
  struct event_base *base;
  struct mts_log *log;
  unsigned mode;
  struct listener *first;
  size_t count;
  struct event *resume;
  bool paused;
};

/* ---- accepting ---- */

/* Who knocks waits meanwhile in the kernel. */
static void pause_all(struct listeners *listeners) {
  const struct timeval later = {.tv_usec = PAUSE_MS * 1000};
  for (struct listener *it = listeners->first; it; it = it->next) event_del(it->readable);
  listeners->paused = true;
  event_add(listeners->resume, &later);
}

static void go_on(struct listeners *listeners) {
  if (!listeners->paused || connections_full(listeners->connections)) return;
  listeners->paused = false;
  event_del(listeners->resume);
  for (struct listener *it = listeners->first; it; it = it->next) event_add(it->readable, NULL);
}

void listeners_room(struct listeners *listeners) { go_on(listeners); }

static void can_resume(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct listeners *listeners = arg;
  const struct timeval later = {.tv_usec = PAUSE_MS * 1000};
  go_on(listeners);
  if (listeners->paused) event_add(listeners->resume, &later);
}

static bool is_exhausted(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

static void can_accept(evutil_socket_t fd, short what, void *arg) {
  (void)what;
  const struct listener *listener = arg;
  struct listeners *all = listener->all;
  for (unsigned i = 0; i < ACCEPT_AT_ONCE; i++) {
    if (connections_full(all->connections)) {
      mts_log_seldom(all->log, MTS_LOG_WARNING, "full", NULL, "too many connections; further ones wait");
      pause_all(all);
      return;
    }
    int made = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (made < 0) {
      if (is_exhausted(errno)) {
        mts_log_seldom(all->log, MTS_LOG_ERROR, "accept", NULL, "no connection can be accepted: %s", strerror(errno));
        pause_all(all);
      }
      return; /* nobody is there, or not any more */
    }
    const int on = 1;
    setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* a Unix socket has no such thing */
    connections_add(all->connections, made, listener->service, listener->arg);
  }
}

/* ---- opening ---- */

/* A file that was left behind: a socket that nobody listens on. */
static bool is_stale(const struct address *address, const char *path) {
  struct stat found;
  if (lstat(path, &found) != 0 || !S_ISSOCK(found.st_mode)) return false;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  bool refused = connect(fd, (const struct sockaddr *)&address->to, address->n) != 0 && errno == ECONNREFUSED;
  close(fd);
  return refused;
}

static bool bind_path(int fd, const struct address *address, const char *path, unsigned mode) {
  mode_t before = umask(~(mode_t)mode & 0777);
  bool bound = bind(fd, (const struct sockaddr *)&address->to, address->n) == 0;
  if (!bound && errno == EADDRINUSE && is_stale(address, path) && unlink(path) == 0)
    bound = bind(fd, (const struct sockaddr *)&address->to, address->n) == 0;
  int error = errno;
  umask(before);
  errno = error;
  return bound;
}

static bool bind_endpoint(int fd, const struct address *address) {
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->to.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  return bind(fd, (const struct sockaddr *)&address->to, address->n) == 0;
}

static enum mts_err add(struct listeners *listeners, int fd, const struct service *service, void *arg, const char *path,
                        char why[LISTENER_WHY_SIZE]) {
  struct listener *made = calloc(1, sizeof *made);
  struct stat found;
  if (made && path && lstat(path, &found) == 0) {
    made->path = strdup(path);
    made->device = found.st_dev;
    made->inode = found.st_ino;
  }
  if (made) made->readable = event_new(listeners->base, fd, EV_READ | EV_PERSIST, can_accept, made);
  if (!made || !made->readable || (path && !made->path) || event_add(made->readable, NULL) != 0) {
    mts_text_format(why, LISTENER_WHY_SIZE, "out of memory");
    if (made && made->readable) event_free(made->readable);
    if (made) free(made->path);
    free(made);
    close(fd);
    return MTS_ERR_NO_MEMORY;
  }
  made->all = listeners;
  made->service = service;
  made->arg = arg;
  made->fd = fd;
  made->next = listeners->first;
  listeners->first = made;
  listeners->count++;
  return MTS_OK;
}

enum mts_err listeners_open(struct listeners *listeners, const struct address *address, const struct service *service, void *arg,
                            char why[LISTENER_WHY_SIZE]) {
  const char *path = address_path(address);
  int fd = socket(address->to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  bool bound = fd >= 0 && (path ? bind_path(fd, address, path, listeners->mode) : bind_endpoint(fd, address));
  if (!bound || listen(fd, BACKLOG) != 0) {
    mts_text_format(why, LISTENER_WHY_SIZE, "%s", strerror(errno));
    if (fd >= 0) close(fd);
    return MTS_ERR_SETTING;
  }
  if (!address_is_local(address))
    mts_log_write(listeners->log, MTS_LOG_WARNING, NULL, "%s listens beyond this machine; whoever can reach it may ask",
                  service->name);
  return add(listeners, fd, service, arg, path, why);
}

enum mts_err listeners_adopt(struct listeners *listeners, int fd, const struct service *service, void *arg,
                             char why[LISTENER_WHY_SIZE]) {
  int listens = 0, type = 0;
  socklen_t n = sizeof listens;
  bool well = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) == 0 && listens;
  n = sizeof type;
  well = well && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM;
  int flags = well ? fcntl(fd, F_GETFL) : -1;
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
    mts_text_format(why, LISTENER_WHY_SIZE, "the socket that was handed over is none of a stream that listens");
    return MTS_ERR_SETTING;
  }
  return add(listeners, fd, service, arg, NULL, why);
}

/* ---- beginning and end ---- */

enum mts_err listeners_new(struct connections *connections, struct event_base *base, struct mts_log *log, unsigned mode,
                           struct listeners **listeners) {
  struct listeners *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  *made = (struct listeners){.connections = connections, .base = base, .log = log, .mode = mode};
  made->resume = evtimer_new(base, can_resume, made);
  if (!made->resume) {
    free(made);
    return MTS_ERR_NO_MEMORY;
  }
  *listeners = made;
  return MTS_OK;
}

/* Ours is only what still is that file. */
static void remove_file(const struct listener *listener) {
  struct stat found;
  if (lstat(listener->path, &found) == 0 && found.st_dev == listener->device && found.st_ino == listener->inode)
    unlink(listener->path);
}

void listeners_free(struct listeners **listeners) {
  struct listeners *it = *listeners;
  if (!it) return;
  while (it->first) {
    struct listener *listener = it->first;
    it->first = listener->next;
    event_free(listener->readable);
    close(listener->fd);
    if (listener->path) remove_file(listener);
    free(listener->path);
    free(listener);
  }
  event_free(it->resume);
  free(it);
  *listeners = NULL;
}

size_t listeners_count(const struct listeners *listeners) { return listeners->count; }
