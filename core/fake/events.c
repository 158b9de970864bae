/* SPDX-License-Identifier: ISC */
#include "fake/events.h"

void events_init(struct events *events, int64_t now_ms) {
  *events = (struct events){.mono_ms = 1000}; /* not 0, which often stands for "never" */
  events->jobs.previous = events->jobs.next = &events->jobs;
  events->unix_minus_mono_ms = now_ms - events->mono_ms;
}

static void unlink_job(struct mts_job *job) {
  job->previous->next = job->next;
  job->next->previous = job->previous;
  job->previous = job->next = NULL;
}

void events_clear(struct events *events) {
  while (events->jobs.next != &events->jobs) {
    struct mts_job *job = events->jobs.next;
    event_cancel(&job);
  }
}

void event_start(struct events *events, struct mts_job *job, uint32_t in_ms, void (*fire)(struct mts_job *job),
                 void (*release)(struct mts_job *job)) {
  job->events = events;
  job->due_ms = events->mono_ms + in_ms;
  job->number = events->started++;
  job->fire = fire;
  job->release = release;
  struct mts_job *after = events->jobs.previous; /* most jobs are due after those that are there */
  while (after != &events->jobs && after->due_ms > job->due_ms) after = after->previous;
  job->previous = after;
  job->next = after->next;
  job->previous->next = job->next->previous = job;
}

void event_cancel(struct mts_job **job) {
  struct mts_job *ended = *job;
  if (!ended) return;
  *job = NULL;
  unlink_job(ended);
  ended->release(ended);
}

/* The soonest job that is due and older than this turn: what a callback starts waits for the next one, as in a real loop. */
static struct mts_job *next_due(struct events *events, uint64_t before) {
  for (struct mts_job *job = events->jobs.next; job != &events->jobs && job->due_ms <= events->mono_ms; job = job->next)
    if (job->number < before) return job;
  return NULL;
}

bool events_turn(struct events *events, int max_ms) {
  struct mts_job *next = events->jobs.next;
  if (next == &events->jobs) return false;
  int64_t wait_ms = next->due_ms - events->mono_ms;
  if (max_ms >= 0 && wait_ms > max_ms) wait_ms = max_ms;
  if (wait_ms > 0) events->mono_ms += wait_ms;
  uint64_t before = events->started;
  while ((next = next_due(events, before))) {
    unlink_job(next);
    next->fire(next);
    next->release(next);
  }
  return true;
}
