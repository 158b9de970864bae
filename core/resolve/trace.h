/* SPDX-License-Identifier: ISC
 * The steps of a lookup: what, outcome, milliseconds. Losing a step for want of memory is no reason to fail. */
#ifndef MTASTS_RESOLVE_TRACE_H
#define MTASTS_RESOLVE_TRACE_H

#include "mtasts.h"

#define TRACE_MAX_STEPS 2048

struct trace {
  struct mts_step *steps; /* outcomes are owned */
  size_t count, capacity;
  bool off; /* nobody will look at it */
};
/* what: static. began_ms, now_ms: on the monotonic clock; at_ms of the step is kept relative by the caller's base_ms. */
void trace_add(struct trace *trace, const char *what, enum mts_err err, int64_t base_ms, int64_t began_ms, int64_t now_ms,
               const char *format, ...) __attribute__((format(printf, 7, 8)));
/* Appends copies, moved by shift_ms. */
void trace_append(struct trace *trace, const struct trace *more, int64_t shift_ms);
void trace_free(struct trace *trace);

#endif
