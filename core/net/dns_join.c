/* SPDX-License-Identifier: ISC */
#include "net/dns_join.h"

#include <stdlib.h>
#include <string.h>

#include "net/dns.h"

#define BUCKETS 256

struct question;

struct asker {
  struct mts_job job;        /* first */
  struct question *question; /* NULL: it is over */
  struct asker *previous, *next;
  struct event *alone; /* its own deadline, where that of the question is later; else NULL */
  int64_t ends_ms;     /* mono */
  mts_dns_fn done;
  void *arg;
};

/* It stands before its wire in the ring of jobs, and so ends first, when all end. */
struct question {
  struct mts_job job; /* first */
  struct mts_job *wire;
  struct question **at, *next; /* in its bucket; at NULL: nobody joins it any more */
  struct asker *first, *last;
  unsigned untimed; /* askers without a timer of their own: their deadline is the question's */
  int64_t ends_ms;  /* mono: the last deadline of those who ask, or have asked */
  bool *gone;       /* set when it ends while askers are told */
  enum mts_rrtype type;
  char name[MTS_NAME_SIZE];
};

struct dns_joined {
  struct question *buckets[BUCKETS];
};

static int64_t now_ms(const struct world *world) { return mts_clock_mono_ms(&world->net.clock); }

/* ---- finding ---- */

/* FNV-1a */
static struct question **bucket_of(struct dns_joined *joined, const char *name, enum mts_rrtype type) {
  uint32_t hash = 2166136261u ^ (uint32_t)type;
  for (; *name; name++) hash = (hash ^ (unsigned char)*name) * 16777619u;
  return &joined->buckets[(hash ^ hash >> 16) % BUCKETS];
}

static void list(struct question **bucket, struct question *question) {
  question->next = *bucket;
  question->at = bucket;
  if (question->next) question->next->at = &question->next;
  *bucket = question;
}

static void unlist(struct question *question) {
  if (!question->at) return;
  *question->at = question->next;
  if (question->next) question->next->at = question->at;
  question->at = NULL;
}

/* ---- ending ---- */

static void leave(struct question *question, struct asker *asker) {
  *(asker->previous ? &asker->previous->next : &question->first) = asker->next;
  *(asker->next ? &asker->next->previous : &question->last) = asker->previous;
  if (!asker->alone) question->untimed--;
  asker->question = NULL;
}

/* With the last asker the question ends, unless it is being answered. */
static void asker_end(struct mts_job *job) {
  struct asker *asker = (struct asker *)job;
  struct question *question = asker->question;
  if (question) leave(question, asker);
  if (asker->alone) event_free(asker->alone);
  free(asker);
  if (question && !question->first && question->wire) job_end(&question->job);
}

static void question_end(struct mts_job *job) {
  struct question *question = (struct question *)job;
  unlist(question);
  if (question->wire) job_end(question->wire);
  while (question->first) leave(question, question->first);
  if (question->gone) *question->gone = true;
  free(question);
}

static void tell(struct asker *asker, const struct mts_dns_answer *answer) {
  mts_dns_fn done = asker->done;
  void *arg = asker->arg;
  job_end(&asker->job);
  done(arg, answer);
}

/* In the order in which they asked. Whoever asks the same from now on asks anew. */
static void answered(void *arg, const struct mts_dns_answer *answer) {
  struct question *question = arg;
  bool gone = false;
  question->wire = NULL;
  question->gone = &gone;
  unlist(question);
  while (!gone && question->first) tell(question->first, answer);
  if (gone) return;
  question->gone = NULL;
  job_end(&question->job);
}

/* ---- deadlines ---- */

static bool set_timer(struct asker *asker) {
  int64_t left = asker->ends_ms - now_ms(asker->job.world);
  if (left < 0) left = 0;
  struct timeval after = {.tv_sec = (time_t)(left / 1000), .tv_usec = (suseconds_t)(left % 1000) * 1000};
  return evtimer_add(asker->alone, &after) == 0;
}

/* The others go on waiting. */
static void too_late(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct asker *asker = arg;
  struct mts_dns_answer so_far;
  if (asker->job.world->forgotten || !asker->question) return;
  /* The loop's own idea of the time was old when it was set. */
  if (asker->ends_ms > now_ms(asker->job.world) && set_timer(asker)) return;
  dns_so_far(asker->question->wire, &so_far);
  tell(asker, &so_far);
}

static bool arm(struct asker *asker) {
  asker->alone = evtimer_new(asker->job.world->base, too_late, asker);
  if (asker->alone && set_timer(asker)) return true;
  if (asker->alone) event_free(asker->alone);
  asker->alone = NULL;
  return false;
}

/* The question lasts until this asker's deadline as well; those whose deadline was the question's get timers. false: no memory. */
static bool agree_on_time(struct question *question, struct asker *asker) {
  if (asker->ends_ms == question->ends_ms) return true;
  if (asker->ends_ms < question->ends_ms) return arm(asker);
  for (struct asker *each = question->last; each && question->untimed; each = each->previous) {
    if (each->alone) continue;
    if (!arm(each)) return false;
    question->untimed--;
  }
  question->ends_ms = asker->ends_ms;
  dns_extend(question->wire, asker->ends_ms);
  return true;
}

/* ---- asking ---- */

static enum mts_err ask(struct world *world, const char *name, enum mts_rrtype type, uint32_t deadline_ms,
                        struct question **started) {
  struct question *question = calloc(1, sizeof *question);
  if (!question) return MTS_ERR_NO_MEMORY;
  question->type = type;
  memccpy(question->name, name, 0, sizeof question->name);
  question->ends_ms = now_ms(world) + deadline_ms;
  job_begin(world, &question->job, question_end);
  enum mts_err err = dns_start(world, name, type, deadline_ms, false, answered, question, &question->wire);
  if (err) {
    job_end(&question->job);
    return err;
  }
  list(bucket_of(world->dns_joined, name, type), question);
  *started = question;
  return MTS_OK;
}

static struct question *find(struct dns_joined *joined, const char *name, enum mts_rrtype type) {
  struct question *question = *bucket_of(joined, name, type);
  while (question && (question->type != type || strcmp(question->name, name) != 0)) question = question->next;
  return question;
}

enum mts_err dns_join_start(struct world *world, const char *name, enum mts_rrtype type, uint32_t deadline_ms, mts_dns_fn done,
                            void *arg, struct mts_job **job) {
  if (strlen(name) >= MTS_NAME_SIZE) return MTS_ERR_NAME_LONG;
  if (!world->dns_joined) world->dns_joined = calloc(1, sizeof *world->dns_joined);
  struct asker *asker = world->dns_joined ? calloc(1, sizeof *asker) : NULL;
  if (!asker) return MTS_ERR_NO_MEMORY;
  struct question *question = find(world->dns_joined, name, type);
  enum mts_err err = question ? MTS_OK : ask(world, name, type, deadline_ms, &question);
  if (err) {
    free(asker);
    return err;
  }
  asker->done = done;
  asker->arg = arg;
  asker->ends_ms = question->first ? now_ms(world) + deadline_ms : question->ends_ms;
  job_begin(world, &asker->job, asker_end);
  if (question->first && !agree_on_time(question, asker)) {
    job_end(&asker->job);
    return MTS_ERR_NO_MEMORY;
  }
  asker->question = question;
  asker->previous = question->last;
  *(asker->previous ? &asker->previous->next : &question->first) = asker;
  question->last = asker;
  if (!asker->alone) question->untimed++;
  *job = &asker->job;
  return MTS_OK;
}

void dns_join_forget(struct world *world) {
  for (struct mts_job *job = world->jobs.next; job != &world->jobs;) {
    bool ends = job->end == asker_end;
    if (ends) job_end(job); /* and what depends on it, which may come next */
    job = ends ? world->jobs.next : job->next;
  }
}
