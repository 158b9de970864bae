/* SPDX-License-Identifier: ISC
 * The metrics over HTTP, at /metrics. */
#ifndef MTASTS_SERVE_SCRAPES_H
#define MTASTS_SERVE_SCRAPES_H

#include "connections.h"
#include "metrics.h"

/* Lent to all requests. */
struct scrapes {
  const struct metrics *metrics;
  const struct connections *connections;
  struct rules *rules;
  int64_t started_at;
};
/* Its arg is a struct scrapes. */
extern const struct service scrapes_service;

#endif
