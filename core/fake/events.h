/* SPDX-License-Identifier: ISC
 * Jobs of a fake world, in the order they come due, and its clock. */
#ifndef MTASTS_FAKE_EVENTS_H
#define MTASTS_FAKE_EVENTS_H

#include "net.h"

struct events;

/* First member of every job. */
struct mts_job {
  struct events *events;
  struct mts_job *previous, *next;
  int64_t due_ms;                       /* by the clock that never goes back */
  uint64_t number;                      /* jobs due at the same time come in the order they were started */
  void (*fire)(struct mts_job *job);    /* calls back; the job is unlinked, and freed after */
  void (*release)(struct mts_job *job); /* frees the job and what it holds */
};

struct events {
  struct mts_job jobs; /* head of the ring, soonest first */
  uint64_t started;
  int64_t mono_ms;
  int64_t unix_minus_mono_ms;
};

void events_init(struct events *events, int64_t now_ms);
void events_clear(struct events *events); /* ends all jobs without a callback */
void event_start(struct events *events, struct mts_job *job, uint32_t in_ms, void (*fire)(struct mts_job *job),
                 void (*release)(struct mts_job *job));
void event_cancel(struct mts_job **job);
/* Jumps to the next job, by at most max_ms (-1: however far), and fires what is due by then and was started before the call. false:
 * no job was there. */
bool events_turn(struct events *events, int max_ms);

#endif
