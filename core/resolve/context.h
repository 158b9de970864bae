/* SPDX-License-Identifier: ISC
 * What all lookups of one program share: settings, clock, log, cache, the world outside, and what is under way. */
#ifndef MTASTS_RESOLVE_CONTEXT_H
#define MTASTS_RESOLVE_CONTEXT_H

#include <sys/types.h>

#include "base/clock.h"
#include "base/log.h"
#include "net.h"
#include "resolve/memory.h"
#include "resolve/settings.h"
#include "store/store.h"

struct flight;
struct moving;
struct repeats;

/* First member of whatever goes on in a context: a lookup, a probe, a flight. */
struct work {
  struct work *previous, *next;
  void (*drop)(struct work *work); /* ends it without a callback and frees it; it is unlinked already */
};

struct mts {
  struct mts_settings *settings;
  struct mts_clock clock;
  struct mts_log *log;
  pid_t pid;
  bool *same_process; /* a page of its own, which the kernel zeroes in the child of a fork; NULL: it cannot */

  struct memory *memory;
  struct repeats *repeats; /* NULL: none yet */
  struct mts_store *store; /* NULL: not open (yet) */
  int64_t swept_ms;        /* when what is long over was taken out of the store; 0: not yet */
  int64_t store_retry_ms;  /* not before this time, after it could not be opened */
  struct mts_net *net;     /* NULL: not loaded yet */
  bool net_is_lent;
  void *event_base; /* lent by the program, NULL: the world makes its own */

  /* Settings that hot paths read, as numbers. */
  bool background, strict, allow_private, has_store, has_shared, defer_on_dns_failure;
  uint32_t dns_deadline_ms, mail_deadline_ms, fetch_deadline_ms, probe_deadline_ms, refresh_s, retry_s, memory_s, shared_ms;
  uint16_t smtp_port;

  mts_hook_fn hook;
  mts_alarm_fn alarm;
  mts_hook_cancelled_fn hook_cancelled;
  void *hook_arg;

  bool shared_answered; /* the shared store has, to this process */
  struct {
    uint64_t fetches, failures, alarms; /* policies fetched, attempts that failed, and alarms, since the start */
  } counted;

  struct work works;      /* head of the ring */
  struct flight *flights; /* by domain, for those that join */
  struct moving *moving;  /* counters on their way to the shared store; NULL: none */
  int64_t moving_from_ms; /* not before this time on the monotonic clock, unless asked to */
  uint64_t next_owner;    /* numbers the owners of leases within this process */
};

/* Lends a world (and its clock) instead of the real one; before the first lookup. */
void mts_lend_net(struct mts *m, struct mts_net *net);
/* Loads the network module if there is none. Error: NET_MODULE. */
enum mts_err context_net(struct mts *m);
void context_begin(struct mts *m, struct work *work, void (*drop)(struct work *work));
void context_end(struct work *work);  /* unlinks it */
void context_drop(struct work *work); /* unlinks it and calls its drop */
/* Ends a job if it is one; nothing when its world was left to the parent of a fork. */
void context_cancel(struct mts *m, struct mts_job **job);
/* After fork, in the child: lets go of what belongs to the parent. Cheap when nothing happened. */
void context_after_fork(struct mts *m);

/* resolve/module.c: the real world, by dlopen. */
enum mts_err module_open(const struct mts_net_config *config, const struct mts_clock *clock, struct mts_log *log,
                         struct mts_net **net);

#endif
