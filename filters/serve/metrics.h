/* SPDX-License-Identifier: ISC
 * What the server counts, and how Prometheus is told (text format 0.0.4). */
#ifndef MTASTS_SERVE_METRICS_H
#define MTASTS_SERVE_METRICS_H

#include "base/buf.h"
#include "protocol.h"

#define METRICS_SERVICES_MOST 4
#define METRICS_TEXT_MAX ((size_t)64 << 10)

struct metrics;
enum mts_err metrics_new(struct metrics **metrics);
void metrics_free(struct metrics **metrics);
/* So many requests of the protocol of this name (static) were answered, each us microseconds after it was read. */
void metrics_request(struct metrics *metrics, const char *protocol, enum served served, size_t count, int64_t us);
/* A lookup was answered at once from what is known, or had to wait for the network or a rule. */
void metrics_lookup(struct metrics *metrics, bool at_once);
/* An answer was given whose policy came from there. */
void metrics_answer(struct metrics *metrics, enum mts_from from);

/* What is true at this moment. */
struct metrics_now {
  size_t connections, requests; /* open; under way */
  uint64_t fetches, failures, alarms;
  bool store;                                       /* the next ones are known */
  uint64_t enforce, testing, none, absent, failing; /* domains of the store */
  int64_t started_at;                               /* Unix seconds */
};
/* Errors: NO_MEMORY, ARGUMENT beyond the limit of text. */
enum mts_err metrics_write(const struct metrics *metrics, const struct metrics_now *now, struct mts_buf *text);

#endif
