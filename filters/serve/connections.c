/* SPDX-License-Identifier: ISC */
#include "connections.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define READ_SIZE ((size_t)64 << 10)
#define REPLY_MAX ((size_t)1 << 20)
#define OUT_MAX ((size_t)4 << 20)
#define OUT_PAUSE ((size_t)128 << 10) /* with more of it waiting no further request is taken */
#define OUT_KEEP 4096                 /* memory that a connection keeps for its next answers */
#define SPARE_MOST 256
#define LINGER_MS 2000        /* so long what a client still sends is read, lest it lose our last answer */
#define OVERDUE_SLACK_MS 2000 /* an answer later than its deadline by this much will not come any more */

struct connection {
  struct connections *all;
  struct connection *previous, *next; /* by activity, the least recent first */
  const struct service *service;
  void *arg;
  int fd;
  struct event readable, writable;
  int64_t active_ms;
  struct mts_buf in, out; /* in: the beginning of a request */
  size_t sent;            /* of out */
  struct request *first, *last;
  size_t under_way;
  unsigned char state; /* of its protocol */
  bool busy;           /* its requests are being taken */
  bool eof;            /* the client sends no more */
  bool ending;         /* no further request is taken */
  bool lingering;      /* all was said; the client may not have heard */
  bool dead;           /* freed when it is no longer busy */
};

struct connections {
  struct connections_config config;
  size_t count, under_way;
  struct connection *first, *last;
  struct request *oldest, *youngest;
  struct request *spare;
  size_t spare_count;
  struct mts_buf scratch;
  bool leaving;
  char read[READ_SIZE];
};

/* The clock that is asked for each request: a duration is told in microseconds. */
static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- requests ---- */

static struct request *request_new(struct connection *connection) {
  struct connections *all = connection->all;
  struct request *made = all->spare;
  if (made) {
    all->spare = made->next;
    all->spare_count--;
  } else if (!(made = malloc(sizeof *made))) {
    return NULL;
  }
  *made = (struct request){.arg = connection->arg, .connection = connection, .reply.limit = REPLY_MAX, .began_us = now_us()};
  if (connection->last)
    connection->last->next = made;
  else
    connection->first = made;
  connection->last = made;
  made->older = all->youngest;
  if (all->youngest)
    all->youngest->younger = made;
  else
    all->oldest = made;
  all->youngest = made;
  connection->under_way++;
  all->under_way++;
  return made;
}

static void cancel_work(struct request *request) {
  mts_lookup_cancel(&request->lookup);
  rules_cancel(&request->call);
  free(request->kept);
  request->kept = NULL;
}

/* It is no longer under way; its place in the connection's order may remain. */
static void end_work(struct request *request) {
  struct connections *all = request->connection->all;
  cancel_work(request);
  if (request->older)
    request->older->younger = request->younger;
  else
    all->oldest = request->younger;
  if (request->younger)
    request->younger->older = request->older;
  else
    all->youngest = request->older;
  request->connection->under_way--;
  all->under_way--;
}

static void unlink_request(struct request *request) {
  struct connection *connection = request->connection;
  struct request *before = NULL, *it = connection->first;
  for (; it != request; it = it->next) before = it;
  if (before)
    before->next = request->next;
  else
    connection->first = request->next;
  if (connection->last == request) connection->last = before;
}

static void request_free(struct request *request) {
  struct connections *all = request->connection->all;
  mts_buf_free(&request->reply);
  if (all->spare_count == SPARE_MOST) {
    free(request);
    return;
  }
  request->next = all->spare;
  all->spare = request;
  all->spare_count++;
}

/* ---- the end of a connection ---- */

static void release(struct connection *connection) {
  mts_buf_free(&connection->in);
  mts_buf_free(&connection->out);
  free(connection);
}

static void unlink_connection(struct connection *connection) {
  struct connections *all = connection->all;
  if (connection->previous)
    connection->previous->next = connection->next;
  else
    all->first = connection->next;
  if (connection->next)
    connection->next->previous = connection->previous;
  else
    all->last = connection->previous;
}

static void link_last(struct connection *connection) {
  struct connections *all = connection->all;
  connection->previous = all->last;
  connection->next = NULL;
  if (all->last)
    all->last->next = connection;
  else
    all->first = connection;
  all->last = connection;
}

static void drop(struct connection *connection) {
  struct connections *all = connection->all;
  if (connection->dead) return;
  connection->dead = true;
  while (connection->first) {
    struct request *request = connection->first;
    unlink_request(request);
    if (!request->answered) end_work(request);
    request_free(request);
  }
  event_del(&connection->readable);
  event_del(&connection->writable);
  close(connection->fd);
  unlink_connection(connection);
  all->count--;
  if (!connection->busy) release(connection);
  if (all->config.room) all->config.room(all->config.arg);
}

static void active(struct connection *connection) {
  connection->active_ms = mts_clock_coarse_ms();
  if (connection->all->last == connection) return;
  unlink_connection(connection);
  link_last(connection);
}

/* ---- output ---- */

/* false: the client is gone. */
static bool flush(struct connection *connection) {
  while (connection->sent < connection->out.n) {
    ssize_t n = send(connection->fd, connection->out.p + connection->sent, connection->out.n - connection->sent,
                     MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
      connection->sent += (size_t)n;
      active(connection);
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      event_add(&connection->writable, NULL);
      return true;
    } else if (n == 0 || errno != EINTR) {
      drop(connection);
      return false;
    }
  }
  connection->sent = 0;
  if (connection->out.capacity > OUT_KEEP)
    mts_buf_free(&connection->out);
  else
    mts_buf_reset(&connection->out);
  return true;
}

/* What can be closed is. false: it was. */
static bool settle(struct connection *connection) {
  bool said_all = connection->ending && !connection->first && connection->out.n == 0;
  if (!said_all || connection->lingering) return true;
  if (connection->eof) {
    drop(connection);
    return false;
  }
  shutdown(connection->fd, SHUT_WR);
  connection->lingering = true;
  active(connection);
  event_add(&connection->readable, NULL);
  return true;
}

static void hear_on(struct connection *connection);

/* The answers that waited for an earlier one. */
static enum mts_err hand_out(struct connection *connection) {
  enum mts_err err = MTS_OK;
  while (!err && connection->first && connection->first->answered) {
    struct request *request = connection->first;
    err = mts_buf_add(&connection->out, request->reply.p, request->reply.n);
    unlink_request(request);
    request_free(request);
  }
  return err;
}

static void told(struct request *request, enum served served) {
  const struct connections_config *config = &request->connection->all->config;
  if (config->answered) config->answered(config->arg, request->connection->service, served, now_us() - request->began_us);
}

void request_answer(struct request *request, struct mts_span reply, enum served served) {
  struct connection *connection = request->connection;
  bool its_turn = connection->first == request || !connection->service->in_order;
  end_work(request);
  told(request, served);
  request->answered = true;
  enum mts_err err;
  if (its_turn) {
    err = mts_buf_add(&connection->out, reply.p, reply.n);
    unlink_request(request);
    request_free(request);
    if (!err) err = hand_out(connection);
  } else {
    err = mts_buf_add(&request->reply, reply.p, reply.n);
  }
  if (err) { /* an order without this answer would give the next one to who asked this */
    drop(connection);
    return;
  }
  if (!connection->busy) hear_on(connection);
}

void request_is_last(struct request *request) { request->connection->ending = true; }

pid_t request_process(const struct request *request) {
  struct ucred peer = {0};
  socklen_t n = sizeof peer;
  return getsockopt(request->connection->fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 ? peer.pid : 0;
}

unsigned char *request_state(struct request *request) { return &request->connection->state; }

struct mts_buf *request_scratch(struct request *request) {
  struct mts_buf *scratch = &request->connection->all->scratch;
  mts_buf_reset(scratch);
  return scratch;
}

void request_refuse(struct request *request, enum refusal refusal) {
  static const enum served served[] = {[REFUSAL_BROKEN] = SERVED_ERROR,
                                       [REFUSAL_BUSY] = SERVED_TEMPORARY,
                                       [REFUSAL_OVERDUE] = SERVED_TEMPORARY,
                                       [REFUSAL_MEMORY] = SERVED_TEMPORARY};
  struct mts_buf *scratch = request_scratch(request);
  request->connection->service->refuse(refusal, request, scratch);
  request_answer(request, mts_span(scratch->p ? scratch->p : "", scratch->n), served[refusal]);
}

/* ---- input ---- */

static void take_one(struct connection *connection, struct mts_span text, bool broken) {
  struct connections *all = connection->all;
  bool busy = all->under_way >= all->config.requests_most;
  struct request *request = request_new(connection);
  if (!request) {
    drop(connection);
  } else if (broken || busy) {
    if (broken) connection->ending = true;
    request_refuse(request, broken ? REFUSAL_BROKEN : REFUSAL_BUSY);
  } else {
    connection->service->serve(connection->arg, request, text);
  }
}

/* Takes what is whole of in; how much it was. */
static size_t take_requests(struct connection *connection, struct mts_span in) {
  const struct service *service = connection->service;
  size_t at = 0;
  while (at < in.n && !connection->ending && !connection->dead) {
    size_t waiting = connection->out.n - connection->sent, used = 0;
    if (connection->under_way >= connection->all->config.per_connection_most || waiting >= OUT_PAUSE) break;
    struct mts_span rest = mts_span(in.p + at, in.n - at), text;
    enum take took = service->take(rest, connection->eof, &used, &text);
    if (took == TAKE_MORE) break;
    if (took == TAKE_BROKEN) used = rest.n;
    at += used;
    take_one(connection, took == TAKE_BROKEN ? mts_span(NULL, 0) : text, took == TAKE_BROKEN);
  }
  return connection->ending ? in.n : at;
}

/* May more be read than lies here? Not while requests or answers enough wait: then the client has to. */
static bool wants_more(const struct connection *connection) {
  if (connection->eof || connection->ending) return false;
  if (connection->out.n - connection->sent >= OUT_PAUSE) return false;
  if (connection->in.n >= connection->service->request_most) return false; /* whole requests lie here */
  return connection->under_way < connection->all->config.per_connection_most;
}

static void set_reading(struct connection *connection) {
  if (wants_more(connection))
    event_add(&connection->readable, NULL);
  else
    event_del(&connection->readable);
}

/* Takes requests from what came before and came now, sends what is answered. */
static void hear(struct connection *connection, struct mts_span now) {
  connection->busy = true;
  if (connection->in.n) {
    bool fits = mts_buf_add(&connection->in, now.p, now.n) == MTS_OK;
    size_t used = fits ? take_requests(connection, mts_span(connection->in.p, connection->in.n)) : 0;
    if (!fits) {
      drop(connection);
    } else if (!connection->dead) {
      memmove(connection->in.p, connection->in.p + used, connection->in.n - used);
      connection->in.n -= used;
      if (!connection->in.n) mts_buf_free(&connection->in);
    }
  } else {
    size_t used = take_requests(connection, now);
    if (!connection->dead && used < now.n && mts_buf_add(&connection->in, now.p + used, now.n - used)) drop(connection);
  }
  if (!connection->dead && connection->eof && !wants_more(connection) && connection->in.n == 0) connection->ending = true;
  if (!connection->dead && flush(connection) && settle(connection) && !connection->lingering) set_reading(connection);
  connection->busy = false;
  if (connection->dead) release(connection);
}

/* After an answer came late: what lies here may go on. */
static void hear_on(struct connection *connection) { hear(connection, mts_span(NULL, 0)); }

static void can_read(evutil_socket_t fd, short what, void *arg) {
  (void)what;
  struct connection *connection = arg;
  char *to = connection->all->read;
  ssize_t n = recv(fd, to, READ_SIZE, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (connection->lingering) {
    if (n <= 0) drop(connection);
    return;
  }
  if (n < 0) {
    drop(connection);
    return;
  }
  active(connection);
  if (n == 0) {
    connection->eof = true;
    if (connection->in.n == 0) connection->ending = true;
  }
  hear(connection, mts_span(to, (size_t)n));
}

static void can_write(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  hear_on(arg);
}

/* ---- all of them ---- */

enum mts_err connections_new(const struct connections_config *config, struct connections **connections) {
  struct connections *made = malloc(sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  memset(made, 0, offsetof(struct connections, read));
  made->config = *config;
  made->scratch.limit = REPLY_MAX;
  *connections = made;
  return MTS_OK;
}

void connections_free(struct connections **connections) {
  struct connections *it = *connections;
  if (!it) return;
  it->config.room = NULL;
  while (it->first) drop(it->first);
  while (it->spare) {
    struct request *request = it->spare;
    it->spare = request->next;
    free(request);
  }
  mts_buf_free(&it->scratch);
  free(it);
  *connections = NULL;
}

bool connections_full(const struct connections *connections) { return connections->count >= connections->config.connections_most; }
size_t connections_count(const struct connections *connections) { return connections->count; }
size_t connections_requests(const struct connections *connections) { return connections->under_way; }

enum mts_err connections_add(struct connections *connections, int fd, const struct service *service, void *arg) {
  struct connection *made = connections_full(connections) ? NULL : calloc(1, sizeof *made);
  if (!made) {
    close(fd);
    return connections_full(connections) ? MTS_ERR_ARGUMENT : MTS_ERR_NO_MEMORY;
  }
  made->all = connections;
  made->service = service;
  made->arg = arg;
  made->fd = fd;
  made->in.limit = READ_SIZE + service->request_most;
  made->out.limit = OUT_MAX;
  made->active_ms = mts_clock_coarse_ms();
  event_assign(&made->readable, connections->config.base, fd, EV_READ | EV_PERSIST, can_read, made);
  event_assign(&made->writable, connections->config.base, fd, EV_WRITE, can_write, made);
  link_last(made);
  connections->count++;
  if (event_add(&made->readable, NULL) == 0) return MTS_OK;
  drop(made);
  return MTS_ERR_NO_MEMORY;
}

void connections_tick(struct connections *connections) {
  int64_t now_ms = mts_clock_coarse_ms();
  struct connection *next;
  for (struct connection *it = connections->first; it; it = next) {
    next = it->next;
    int64_t quiet_ms = now_ms - it->active_ms;
    if (quiet_ms < LINGER_MS && quiet_ms < connections->config.idle_ms) break; /* so are those behind it */
    bool idle = it->under_way == 0 && quiet_ms >= connections->config.idle_ms;
    if (idle || (it->lingering && quiet_ms >= LINGER_MS)) drop(it);
  }
  int64_t latest_us = now_us() - (connections->config.deadline_ms + OVERDUE_SLACK_MS) * 1000;
  while (connections->oldest && connections->oldest->began_us <= latest_us) request_refuse(connections->oldest, REFUSAL_OVERDUE);
}

void connections_leave(struct connections *connections) {
  struct connection *next;
  connections->leaving = true;
  for (struct connection *it = connections->first; it; it = next) {
    next = it->next;
    it->ending = true;
    mts_buf_free(&it->in);
    event_del(&it->readable);
    if (!it->busy) hear_on(it);
  }
}
