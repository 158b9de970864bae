/* SPDX-License-Identifier: ISC
 * The requests that wait: of each connection in the order of arrival, and of all. Most are answered while they are being taken, and wait
 * nowhere. For connections.c alone. */
#ifndef MTASTS_SERVE_REQUESTS_H
#define MTASTS_SERVE_REQUESTS_H

#include "connections.h"

/* Of one connection; those that have their answer wait here for an earlier one. Zero: empty. */
struct requests_queue {
  struct request *first, *last;
  size_t count, under_way; /* all; those without an answer */
};

/* Of all connections, those without an answer. Zero: none. */
struct requests {
  struct request *oldest, *youngest;
  size_t under_way;
  struct request *spare;
  size_t spare_count;
};

/* Zero but for the limit of its reply, in no order yet. NULL: no memory. */
struct request *requests_new(struct requests *requests);
/* What is under way for it ends; it must be in no order any more. */
void requests_free(struct requests *requests, struct request *request);
/* Ends what is under way for it, and frees what it keeps. */
void requests_cancel(struct request *request);
/* It has no answer yet. */
void requests_wait(struct requests *requests, struct requests_queue *queue, struct request *request);
/* It has its answer, which has to wait for an earlier one. */
void requests_wait_answered(struct requests_queue *queue, struct request *request);
/* One that waits has its answer; it stays in the queue of its connection. */
void requests_answered(struct requests *requests, struct requests_queue *queue, struct request *request);
/* It leaves the queue of its connection. */
void requests_leave(struct requests_queue *queue, struct request *request);
void requests_clear(struct requests *requests); /* frees those that are spare */

#endif
