/* SPDX-License-Identifier: ISC
 * Jobs of the real world stand in one ring; the simplest of them is a timer. */
#include <stdlib.h>

#include "net/world.h"

void job_begin(struct world *world, struct mts_job *job, void (*end)(struct mts_job *job)) {
  job->world = world;
  job->end = end;
  job->next = &world->jobs;
  job->previous = world->jobs.previous;
  job->previous->next = job;
  world->jobs.previous = job;
}

void job_end(struct mts_job *job) {
  job->previous->next = job->next;
  job->next->previous = job->previous;
  job->end(job);
}

struct timer_job {
  struct mts_job job;
  struct event *event;
  mts_timer_fn done;
  void *arg;
};

static void timer_end(struct mts_job *job) {
  struct timer_job *timer = (struct timer_job *)job;
  event_free(timer->event);
  free(timer);
}

static void timer_fires(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct timer_job *timer = arg;
  if (timer->job.world->forgotten) return;
  mts_timer_fn done = timer->done;
  void *done_arg = timer->arg;
  job_end(&timer->job);
  done(done_arg);
}

enum mts_err timer_start(struct world *world, uint32_t ms, mts_timer_fn done, void *arg, struct mts_job **job) {
  struct timer_job *timer = calloc(1, sizeof *timer);
  if (!timer) return MTS_ERR_NO_MEMORY;
  timer->done = done;
  timer->arg = arg;
  timer->event = evtimer_new(world->base, timer_fires, timer);
  struct timeval after = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};
  if (!timer->event || evtimer_add(timer->event, &after) != 0) {
    if (timer->event) event_free(timer->event);
    free(timer);
    return MTS_ERR_NO_MEMORY;
  }
  job_begin(world, &timer->job, timer_end);
  *job = &timer->job;
  return MTS_OK;
}

void timers_end(struct world *world) {
  for (struct mts_job *job = world->jobs.next, *next; job != &world->jobs; job = next) {
    next = job->next;
    if (job->end == timer_end) job_end(job);
  }
}
