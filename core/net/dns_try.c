/* SPDX-License-Identifier: ISC
 *
 * One try of one question, carried by getdns; at most so many in the air at once. getdns's callback only notes what came and wakes the
 * job's own event: no decision and no user callback ever runs inside getdns. */
#include "net/dns_try.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define TCP_MOST_MS 2500
#define MAX_FLYING 100      /* tries at once, one socket each */
#define FILES_EACH 2        /* that must be free for a try */
#define FILES_EACH_CHAIN 12 /* the same when getdns validates: it asks for the keys side by side */

static void land(struct dns_job *q, enum landing what) {
  q->flying = false;
  q->landed = what;
  event_active(q->event, EV_TIMEOUT, 0);
}

/* false: bogus, or no word about it where there must be one. Known to be too strict: getdns 1.6 wants a DS or its absence at every name
 * of one or two labels, so a CNAME right below a top-level domain is bogus to it, though it need not be. */
static bool validated(struct dns_job *q, getdns_dict *response) {
  uint32_t status = 0;
  if (getdns_dict_get_int(response, "/replies_tree/0/dnssec_status", &status) != GETDNS_RETURN_GOOD) return false;
  switch (status) {
    case GETDNS_DNSSEC_SECURE:
      q->dnssec = MTS_DNSSEC_SECURE;
      return true;
    case GETDNS_DNSSEC_INSECURE:
      q->dnssec = MTS_DNSSEC_INSECURE;
      return true;
    case GETDNS_DNSSEC_INDETERMINATE: /* no anchor above this name; below the root's there is none such */
      return !q->pool->root_anchor;
    default:
      return false;
  }
}

static void note_reply(struct dns_job *q, getdns_dict *response) {
  getdns_bindata *packet = NULL;
  q->dnssec = MTS_DNSSEC_UNKNOWN;
  if (q->pool->anchors && !validated(q, response)) {
    land(q, LANDED_BOGUS);
    return;
  }
  if (getdns_dict_get_bindata(response, "/replies_full/0", &packet) != GETDNS_RETURN_GOOD) {
    land(q, LANDED_ERROR);
    return;
  }
  mts_buf_reset(&q->packet);
  land(q, mts_buf_add(&q->packet, packet->data, packet->size) == MTS_OK ? LANDED_REPLY : LANDED_ERROR);
}

/* Runs inside getdns, perhaps before getdns_general has returned. */
static void arrived(getdns_context *context, getdns_callback_type_t what, getdns_dict *response, void *arg,
                    getdns_transaction_t id) {
  (void)context;
  (void)id;
  struct dns_job *q = arg;
  if (!q->quiet && q->flying) {
    if (what == GETDNS_CALLBACK_COMPLETE && response)
      note_reply(q, response);
    else
      land(q, LANDED_ERROR);
  }
  q->flying = false;
  getdns_dict_destroy(response);
}

static void unqueue(struct dns_job *q) {
  struct dns *dns = q->job.world->dns;
  if (!q->waiting) return;
  *(q->before ? &q->before->behind : &dns->first_waiting) = q->behind;
  *(q->behind ? &q->behind->before : &dns->last_waiting) = q->before;
  q->before = q->behind = NULL;
  q->waiting = false;
}

static void enqueue(struct dns_job *q) {
  struct dns *dns = q->job.world->dns;
  q->waiting = true;
  q->before = dns->last_waiting;
  *(q->before ? &q->before->behind : &dns->first_waiting) = q;
  dns->last_waiting = q;
}

/* When getdns 1.6 gets no socket it queues the query, and keeps the pointer when the query is cancelled and freed. So it shall never
 * notice: descriptors are given lowest first, so what is above the lowest free one is free as well. */
static bool files_left(const struct dns_job *q) {
  struct dns *dns = q->job.world->dns;
  struct rlimit limit;
  rlim_t need = q->pool->anchors ? FILES_EACH_CHAIN * (dns->flying + !q->slot) : FILES_EACH;
  if (dns->probe < 0) dns->probe = open("/dev/null", O_RDONLY | O_CLOEXEC);
  int lowest = dns->probe < 0 ? -1 : fcntl(dns->probe, F_DUPFD_CLOEXEC, 0);
  if (lowest < 0) return false;
  close(lowest);
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)lowest + need <= limit.rlim_cur;
}

static bool can_fly(const struct dns_job *q) {
  unsigned flying = q->job.world->dns->flying;
  return flying == 0 || (flying < MAX_FLYING && files_left(q));
}

static void take_slot(struct dns_job *q) {
  q->job.world->dns->flying++;
  q->slot = true;
}

/* Who waited longest comes first. */
static void launch_next(struct dns *dns) {
  struct dns_job *next = dns->first_waiting;
  if (!next || !can_fly(next)) return;
  unqueue(next);
  take_slot(next);
  next->landed = LANDED_SLOT;
  event_active(next->event, EV_TIMEOUT, 0);
}

static void leave_slot(struct dns_job *q) {
  struct dns *dns = q->job.world->dns;
  if (!q->slot) return;
  q->slot = false;
  dns->flying--;
  launch_next(dns);
}

/* Never inside getdns: contexts are destroyed here. */
void dns_try_stop(struct dns_job *q) {
  q->quiet = true;
  if (q->flying) getdns_cancel_callback(q->context, q->id);
  q->flying = q->quiet = false;
  getdns_context_destroy(q->tcp);
  q->tcp = q->context = NULL;
  event_del(q->event);
  unqueue(q);
  leave_slot(q);
}

static void set_timer(struct dns_job *q, int64_t ms) {
  if (ms < 0) ms = 0;
  struct timeval after = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};
  event_add(q->event, &after);
}

/* Waits until its deadline for others to give theirs back, if there are others. */
static void no_files(struct dns_job *q) {
  struct dns *dns = q->job.world->dns;
  if (dns->flying == 1) {
    land(q, LANDED_NO_FILES);
    return;
  }
  dns->flying--;
  q->slot = false;
  enqueue(q);
  set_timer(q, q->deadline - dns_job_now(q));
}

/* files: they have just been seen to be left. */
static void launch(struct dns_job *q, bool files) {
  bool tcp = q->want_tcp;
  if (!q->detail[0] && !tcp) dns_pool_order(q->pool, dns_job_now(q), q->order); /* what was learnt while it waited */
  struct dns_server *server = dns_job_server(q);
  enum mts_err err = MTS_OK;
  q->landed = LANDED_NOTHING;
  if (!files && !files_left(q)) {
    no_files(q);
    return;
  }
  if (tcp) {
    err = dns_pool_context(q->pool, server, true, &q->tcp);
    q->context = q->tcp;
  } else {
    if (!server->udp) err = dns_pool_context(q->pool, server, false, &server->udp);
    q->context = server->udp;
  }
  int64_t left = q->deadline - dns_job_now(q);
  int64_t wait = tcp ? TCP_MOST_MS : q->pool->anchors ? q->try_ms * 2 : q->try_ms;
  if (wait > left) wait = left > 0 ? left : 0;
  set_timer(q, wait);
  q->flying = true;
  getdns_dict *extensions = q->doubt == DOUBT_UNCHECKED ? dns_pool_unchecked(q->pool) : q->pool->extensions;
  if (err != MTS_OK || !extensions ||
      getdns_general(q->context, q->name, (uint16_t)q->type, extensions, q, &q->id, arrived) != GETDNS_RETURN_GOOD)
    land(q, LANDED_ERROR);
  launch_next(q->job.world->dns);
}

/* Others may have taken files since it got its slot. */
void dns_try_launch(struct dns_job *q) { launch(q, false); }

void dns_try_start(struct dns_job *q, bool tcp) {
  dns_try_stop(q);
  q->landed = LANDED_NOTHING;
  q->want_tcp = tcp;
  bool alone = q->job.world->dns->flying == 0; /* nothing was asked of the files then */
  if (can_fly(q)) {
    take_slot(q);
    launch(q, !alone);
    return;
  }
  enqueue(q);
  set_timer(q, q->deadline - dns_job_now(q));
}

void dns_try_wait_on(struct dns_job *q) {
  if (q->waiting) set_timer(q, q->deadline - dns_job_now(q));
}
