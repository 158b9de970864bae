/* SPDX-License-Identifier: ISC
 * Connections of clients, and the requests that are under way on them. Each request gets just one answer, in order where its protocol wants
 * that, and after its deadline at the latest. */
#ifndef MTASTS_SERVE_CONNECTIONS_H
#define MTASTS_SERVE_CONNECTIONS_H

#include <sys/types.h>

#include "base/buf.h"
#include "protocol.h"
#include "rules.h"

struct event_base;
struct mts_log;
struct connection;
struct connections;

/* One request, from when it is taken to its answer. */
struct request {
  void *arg; /* the service's */
  /* For who serves it: what is under way, which ends with the connection or the deadline. */
  struct mts_lookup *lookup;
  struct rules_call *call;
  void *kept;             /* of malloc's, freed with the request; NULL: nothing */
  uint16_t variant, port; /* which of its protocol's questions it is, and about which port */
  int64_t began_us;       /* when it was read, on the monotonic clock: the same of all that were read together */
  /* Not for others. */
  struct connection *connection;
  struct request *next;            /* of the connection, in the order of arrival */
  struct request *older, *younger; /* of all */
  bool answered;
  struct mts_buf reply; /* that waits for an earlier one */
};

/* A protocol of the server. Static. */
struct service {
  const char *name;
  bool in_order; /* else answers leave as they are ready */
  size_t request_most;
  take_fn take;
  /* Answers, now or later, by request_answer. text: lent for the call. arg is the service's. */
  void (*serve)(void *arg, struct request *request, struct mts_span text);
  /* Adds an answer to a request that gets none of its own; nothing where the protocol knows no such answer. */
  void (*refuse)(enum refusal refusal, struct request *request, struct mts_buf *reply);
};

struct connections_config {
  struct event_base *base;
  struct mts_log *log;
  size_t connections_most;    /* at once */
  size_t requests_most;       /* under way at once, of all connections */
  size_t per_connection_most; /* of one, those included whose answer waits for an earlier one */
  int64_t idle_ms, deadline_ms;
  /* So many requests were answered, us microseconds after they were read: those that came together and left together are told together. */
  void (*answered)(void *arg, const struct service *service, enum served served, size_t count, int64_t us);
  /* There is room for a connection again, or a file descriptor may be free. */
  void (*room)(void *arg);
  void *arg;
};
enum mts_err connections_new(const struct connections_config *config, struct connections **connections);
void connections_free(struct connections **connections);
/* fd becomes the connection's, or is closed. NO_MEMORY; ARGUMENT: there are too many. */
enum mts_err connections_add(struct connections *connections, int fd, const struct service *service, void *arg);
bool connections_full(const struct connections *connections);
size_t connections_count(const struct connections *connections);
size_t connections_requests(const struct connections *connections); /* under way */
/* Ends what is idle or overdue; about once a second. */
void connections_tick(struct connections *connections);
/* No further request is taken; connections close when theirs are answered. */
void connections_leave(struct connections *connections);

/* The answer, once; the request is gone then. reply is copied. */
void request_answer(struct request *request, struct mts_span reply, enum served served);
/* The answer of its protocol to what cannot be served now. */
void request_refuse(struct request *request, enum refusal refusal);
/* No further request of its connection is taken, which closes when all are answered. */
void request_is_last(struct request *request);
/* The process at the other end; 0: not known, as over TCP. */
pid_t request_process(const struct request *request);
/* A byte of the connection's own for its protocol, 0 at first. */
unsigned char *request_state(struct request *request);
/* An empty buffer to make a reply in, lent until the next call. */
struct mts_buf *request_scratch(struct request *request);

#endif
