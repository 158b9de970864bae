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
#include "requests.h"

#define READ_SIZE ((size_t)64 << 10)
#define SCRATCH_MAX ((size_t)1 << 20)
#define OUT_MAX ((size_t)4 << 20)
#define OUT_PAUSE ((size_t)128 << 10) /* with more of it waiting no further request is taken */
#define OUT_KEEP 4096                 /* memory that a connection keeps for its next answers */
#define LINGER_MS 2000                /* so long what a client still sends is read, lest it lose our last answer */
#define OVERDUE_SLACK_MS 2000         /* an answer later than its deadline by this much will not come any more */

/* What is read at once, and answered before the next is read: told together, with one look at the clock before and one after. */
struct batch {
  int64_t began_us;
  size_t answered[SERVED_COUNT];
};

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
  struct requests_queue queue;
  struct batch *batch;   /* whose requests are being taken; NULL: nothing is */
  struct request *taken; /* the one of them that is being served, not yet answered */
  unsigned char state;   /* of its protocol */
  bool reading;          /* readable is waited for */
  bool eof;              /* the client sends no more */
  bool ending;           /* no further request is taken */
  bool lingering;        /* all was said; the client may not have heard */
  bool dead;             /* freed when nothing is being taken any more */
};

struct connections {
  struct connections_config config;
  size_t count;
  struct connection *first, *last;
  struct requests requests;
  struct mts_buf scratch;
  bool leaving;
  char read[READ_SIZE];
};

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
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
  while (connection->queue.first) {
    struct request *request = connection->queue.first;
    if (!request->answered) requests_answered(&all->requests, &connection->queue, request);
    requests_leave(&connection->queue, request);
    requests_free(&all->requests, request);
  }
  event_del(&connection->readable);
  event_del(&connection->writable);
  close(connection->fd);
  unlink_connection(connection);
  all->count--;
  if (!connection->batch) release(connection);
  if (all->config.room) all->config.room(all->config.arg);
}

static void active(struct connection *connection) {
  int64_t now_ms = mts_clock_coarse_ms();
  if (connection->active_ms == now_ms) return; /* its place is right */
  connection->active_ms = now_ms;
  if (connection->all->last == connection) return;
  unlink_connection(connection);
  link_last(connection);
}

static bool set_reading(struct connection *connection, bool reading) {
  if (connection->reading == reading) return true;
  connection->reading = reading;
  return (reading ? event_add(&connection->readable, NULL) : event_del(&connection->readable)) == 0;
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
  bool said_all = connection->ending && !connection->queue.first && connection->out.n == 0;
  if (!said_all || connection->lingering) return true;
  if (connection->eof) {
    drop(connection);
    return false;
  }
  shutdown(connection->fd, SHUT_WR);
  connection->lingering = true;
  active(connection);
  set_reading(connection, true);
  return true;
}

static void hear_on(struct connection *connection);

/* The answers that waited for an earlier one. */
static enum mts_err hand_out(struct connection *connection) {
  enum mts_err err = MTS_OK;
  while (!err && connection->queue.first && connection->queue.first->answered) {
    struct request *request = connection->queue.first;
    err = mts_buf_add(&connection->out, request->reply.p, request->reply.n);
    requests_leave(&connection->queue, request);
    requests_free(&connection->all->requests, request);
  }
  return err;
}

static void tell(const struct connection *connection, enum served served, size_t count, int64_t us) {
  const struct connections_config *config = &connection->all->config;
  if (config->answered) config->answered(config->arg, connection->service, served, count, us);
}

static void tell_one(const struct request *request, enum served served) {
  const struct connection *connection = request->connection;
  if (connection->batch && connection->batch->began_us == request->began_us)
    connection->batch->answered[served]++;
  else
    tell(connection, served, 1, now_us() - request->began_us);
}

static void tell_batch(const struct connection *connection, const struct batch *batch) {
  int64_t us = 0;
  for (int served = 0; served < SERVED_COUNT; served++) {
    if (!batch->answered[served]) continue;
    if (!us) us = now_us() - batch->began_us;
    tell(connection, (enum served)served, batch->answered[served], us);
  }
}

/* It is in no queue. */
static enum mts_err answer_taken(struct request *request, struct mts_span reply) {
  struct connection *connection = request->connection;
  connection->taken = NULL;
  if (connection->queue.first && connection->service->in_order) {
    requests_cancel(request);
    requests_wait_answered(&connection->queue, request);
    return mts_buf_add(&request->reply, reply.p, reply.n);
  }
  enum mts_err err = connection->dead ? MTS_OK : mts_buf_add(&connection->out, reply.p, reply.n);
  requests_free(&connection->all->requests, request);
  return err;
}

static enum mts_err answer_waiting(struct request *request, struct mts_span reply) {
  struct connection *connection = request->connection;
  struct requests *requests = &connection->all->requests;
  bool its_turn = connection->queue.first == request || !connection->service->in_order;
  requests_answered(requests, &connection->queue, request);
  requests_cancel(request);
  if (!its_turn) return mts_buf_add(&request->reply, reply.p, reply.n);
  enum mts_err err = mts_buf_add(&connection->out, reply.p, reply.n);
  requests_leave(&connection->queue, request);
  requests_free(requests, request);
  return err ? err : hand_out(connection);
}

void request_answer(struct request *request, struct mts_span reply, enum served served) {
  struct connection *connection = request->connection;
  tell_one(request, served);
  if (connection->taken == request ? answer_taken(request, reply) : answer_waiting(request, reply))
    drop(connection); /* an order without this answer would give the next one to who asked this */
  else if (!connection->batch)
    hear_on(connection);
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
  bool busy = all->requests.under_way >= all->config.requests_most;
  struct request *request = requests_new(&all->requests);
  if (!request) {
    drop(connection);
    return;
  }
  request->arg = connection->arg;
  request->connection = connection;
  request->began_us = connection->batch->began_us;
  connection->taken = request;
  if (broken || busy) {
    if (broken) connection->ending = true;
    request_refuse(request, broken ? REFUSAL_BROKEN : REFUSAL_BUSY);
  } else {
    connection->service->serve(connection->arg, request, text);
  }
  if (!connection->taken) return;
  connection->taken = NULL; /* its answer comes later */
  if (connection->dead)
    requests_free(&all->requests, request);
  else
    requests_wait(&all->requests, &connection->queue, request);
}

/* Takes what is whole of in; how much it was. */
static size_t take_requests(struct connection *connection, struct mts_span in) {
  const struct service *service = connection->service;
  size_t at = 0;
  while (at < in.n && !connection->ending && !connection->dead) {
    size_t waiting = connection->out.n - connection->sent, used = 0;
    if (connection->queue.count >= connection->all->config.per_connection_most || waiting >= OUT_PAUSE) break;
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
  return connection->queue.count < connection->all->config.per_connection_most;
}

/* Takes requests from what came before and came now, sends what is answered. */
static void hear(struct connection *connection, struct mts_span now) {
  struct batch batch = {.began_us = now_us()};
  connection->batch = &batch;
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
  tell_batch(connection, &batch);
  if (!connection->dead && flush(connection) && settle(connection) && !connection->lingering)
    set_reading(connection, wants_more(connection));
  connection->batch = NULL;
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
  made->scratch.limit = SCRATCH_MAX;
  *connections = made;
  return MTS_OK;
}

void connections_free(struct connections **connections) {
  struct connections *it = *connections;
  if (!it) return;
  it->config.room = NULL;
  while (it->first) drop(it->first);
  requests_clear(&it->requests);
  mts_buf_free(&it->scratch);
  free(it);
  *connections = NULL;
}

bool connections_full(const struct connections *connections) { return connections->count >= connections->config.connections_most; }
size_t connections_count(const struct connections *connections) { return connections->count; }
size_t connections_requests(const struct connections *connections) { return connections->requests.under_way; }

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
  if (set_reading(made, true)) return MTS_OK;
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
    bool idle = it->queue.under_way == 0 && quiet_ms >= connections->config.idle_ms;
    if (idle || (it->lingering && quiet_ms >= LINGER_MS)) drop(it);
  }
  int64_t latest_us = now_us() - (connections->config.deadline_ms + OVERDUE_SLACK_MS) * 1000;
  const struct requests *requests = &connections->requests;
  while (requests->oldest && requests->oldest->began_us <= latest_us) request_refuse(requests->oldest, REFUSAL_OVERDUE);
}

void connections_leave(struct connections *connections) {
  struct connection *next;
  connections->leaving = true;
  for (struct connection *it = connections->first; it; it = next) {
    next = it->next;
    it->ending = true;
    mts_buf_free(&it->in);
    set_reading(it, false);
    if (!it->batch) hear_on(it);
  }
}
