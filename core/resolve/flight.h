/* SPDX-License-Identifier: ISC
 *
 * One look at the live policy of a domain: TXT record, policy host, store. Equal lookups share it, within this process and (by a
 * lease in the store) with all others: one TXT query and one GET.
 */
#ifndef MTASTS_RESOLVE_FLIGHT_H
#define MTASTS_RESOLVE_FLIGHT_H

#include "resolve/context.h"
#include "resolve/trace.h"

enum flight_want {
  FLIGHT_DUE,   /* what is due: the TXT record when its TTL is over, a GET when the id changed or the last one is a day old */
  FLIGHT_CHECK, /* the TXT record now (RFC 8461 5.1: before anything permanent) */
  FLIGHT_FETCH, /* both now */
};

struct flight_outcome {
  const struct mts_entry *entry; /* lent */
  bool fetched;                  /* a new policy came from the network just now */
  const struct trace *trace;
  int64_t base_ms; /* what the trace's times count from */
};
struct flight_waiter {
  struct flight *flight; /* NULL: not waiting */
  struct flight_waiter *next;
  void (*done)(struct flight_waiter *waiter, const struct flight_outcome *outcome);
  void *arg;
};

/* Joins the flight of this domain or starts one. waiter NULL: nobody waits (background). Errors: NET_MODULE, NO_MEMORY. */
enum mts_err flight_join(struct mts *m, const struct mts_entry *known, enum flight_want want, struct flight_waiter *waiter);
void flight_leave(struct flight_waiter *waiter);
/* Somebody stopped waiting at a deadline: unless the flight ends well later, this attempt counts as failed (no new GET for a
 * while). */
void flight_note_overdue(struct flight_waiter *waiter, struct mts_entry *entry);

#endif
