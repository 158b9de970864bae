/* SPDX-License-Identifier: ISC
 * One try of one question, carried by getdns. */
#ifndef MTASTS_NET_DNS_TRY_H
#define MTASTS_NET_DNS_TRY_H

#include "base/buf.h"
#include "net/dns.h"
#include "net/dns_pool.h"

struct dns {
  struct getdns_loop loop;
  struct dns_pool *pool;
  unsigned flying;
  int probe; /* to see which descriptor would be next */
  struct dns_job *first_waiting, *last_waiting;
  int64_t looked_ms;
  struct timespec changed; /* of resolv.conf */
};

enum landing { LANDED_NOTHING, LANDED_SLOT, LANDED_NO_FILES, LANDED_REPLY, LANDED_BOGUS, LANDED_ERROR };

/* SERVFAIL may mean that validation failed. Then there is an answer without it (CD, RFC 4035 3.2.2), and once more none with it. */
enum doubt { DOUBT_NONE, DOUBT_UNCHECKED, DOUBT_CONFIRMING };

struct dns_job {
  struct mts_job job; /* first */
  struct dns_pool *pool;
  struct event *event;
  mts_dns_fn done;
  void *arg;
  char name[MTS_NAME_SIZE];
  enum mts_rrtype type;
  bool looks;       /* keeps what ordinary questions do not */
  enum doubt doubt; /* of a SERVFAIL that a look got from the server whose turn it is */
  int64_t deadline; /* monotonic */
  uint32_t try_ms;
  /* the try under way */
  getdns_context *context;
  getdns_context *tcp; /* owned: one per try */
  getdns_transaction_t id;
  bool flying, quiet;
  bool slot;    /* counted in dns->flying */
  bool waiting; /* for a slot; getdns's own queue keeps pointers to queries that were cancelled */
  bool want_tcp;
  struct dns_job *before, *behind;
  enum landing landed;
  struct mts_buf packet;
  enum mts_dnssec dnssec;
  /* the schedule */
  unsigned char order[DNS_MAX_SERVERS];
  bool over[DNS_MAX_SERVERS]; /* by position in order: not asked again */
  size_t turn;
  bool suspicious;  /* the try over TCP was for a wrong reply over UDP */
  enum mts_err err; /* best reason so far for having no answer */
  char detail[160];
};

static inline struct dns_server *dns_job_server(struct dns_job *q) { return &q->pool->servers[q->order[q->turn]]; }

static inline int64_t dns_job_now(const struct dns_job *q) { return mts_clock_mono_ms(&q->job.world->net.clock); }

/* Ends the one under way, and starts another with the server whose turn it is; it may wait for its place in the air. What comes is
 * noted in q->landed, and q->event is made active; it also fires when the time of the try is over. */
void dns_try_start(struct dns_job *q, bool tcp);
/* After LANDED_SLOT: its place is free now. */
void dns_try_launch(struct dns_job *q);
/* After its deadline was moved: if it waits for a place, it does so until then. */
void dns_try_wait_on(struct dns_job *q);
/* Never inside getdns: contexts are destroyed here. */
void dns_try_stop(struct dns_job *q);

#endif
