/* SPDX-License-Identifier: ISC
 * The real world: one libevent loop, and what all jobs on it share. */
#ifndef MTASTS_NET_WORLD_H
#define MTASTS_NET_WORLD_H

#include <event2/event.h>

#include "net.h"

struct dns;
struct dns_joined;
struct https;
struct redis;
struct trust;
struct world;

/* First member of every job. */
struct mts_job {
  struct world *world;
  struct mts_job *previous, *next;
  void (*end)(struct mts_job *job); /* frees the job and what it holds; it is unlinked already */
};

struct world {
  struct mts_net net;           /* first: the table's functions get its address */
  struct mts_net_config config; /* strings are owned */
  struct event_base *base;
  bool own_base;
  bool forgotten;      /* after fork, on a lent base: whatever still fires does nothing */
  struct event *wake;  /* ends a wait in turn */
  struct mts_job jobs; /* head of the ring */
  struct dns *dns;     /* each is opened by its first use */
  struct dns_joined *dns_joined;
  struct https *https;
  struct redis *redis;
  struct trust *trust;
};

/* Links a job whose memory begins with it. */
void job_begin(struct world *world, struct mts_job *job, void (*end)(struct mts_job *job));
/* Unlinks it and calls its end: after its callback, or to cancel it. */
void job_end(struct mts_job *job);
enum mts_err timer_start(struct world *world, uint32_t ms, mts_timer_fn done, void *arg, struct mts_job **job);
void timers_end(struct world *world); /* all of them */

#endif
