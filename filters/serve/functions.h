/* SPDX-License-Identifier: ISC
 * What Exim can ask by lines, with the answers that its module gives: policy, event, cert and call. */
#ifndef MTASTS_SERVE_FUNCTIONS_H
#define MTASTS_SERVE_FUNCTIONS_H

#include "connections.h"
#include "events.h"
#include "metrics.h"

/* Lent to all requests. */
struct functions {
  struct rules *rules;
  struct mts_log *log;
  struct metrics *metrics;
  struct events *events;
};
/* The line protocol; its arg is a struct functions. The answer to one request is a text as Exim expands it, and the connection closes. After
 * the request "keep" the connection stays, and each answer is a line: OK TEXT or FAIL WHY. */
extern const struct service functions_service;
/* For the rules of the server: what exim.provide has is called. */
extern const struct rules_kind functions_kind;

#endif
