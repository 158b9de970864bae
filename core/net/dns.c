/* SPDX-License-Identifier: ISC
 *
 * getdns only carries messages here. It neither retransmits nor tries the next server, takes the reply to another question for an
 * answer and a damaged one for "no such record", so schedule and reading are ours (dns_wire.c). Its callback only notes what came
 * and wakes the job's own event: no decision and no user callback ever runs inside getdns. */
#include "net/dns.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/dns_pool.h"
#include "net/dns_wire.h"

#define TRY_MOST_MS 1250 /* for one datagram: a dead server costs this */
#define TRY_LEAST_MS 150
#define TCP_MOST_MS 2500
#define FAILED_FOR_MS 60000 /* a silent server goes to the end for so long */
#define MAX_FLYING 100      /* tries at once, one socket each */
#define RELOOK_MS 30000     /* at resolv.conf */
#define FILES_EACH 2        /* that must be free for a try */
#define FILES_EACH_CHAIN 12 /* the same when getdns validates: it asks for the keys side by side */

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

struct dns_job {
  struct mts_job job; /* first */
  struct dns_pool *pool;
  struct event *event;
  mts_dns_fn done;
  void *arg;
  char name[MTS_NAME_SIZE];
  enum mts_rrtype type;
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

static struct dns_server *server_of(struct dns_job *q) { return &q->pool->servers[q->order[q->turn]]; }

static int64_t now(const struct dns_job *q) { return mts_clock_mono_ms(&q->job.world->net.clock); }

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
static void stop_try(struct dns_job *q) {
  q->quiet = true;
  if (q->flying) getdns_cancel_callback(q->context, q->id);
  q->flying = q->quiet = false;
  getdns_context_destroy(q->tcp);
  q->tcp = q->context = NULL;
  event_del(q->event);
  unqueue(q);
  leave_slot(q);
}

static void job_close(struct mts_job *job) {
  struct dns_job *q = (struct dns_job *)job;
  stop_try(q);
  event_free(q->event);
  mts_buf_free(&q->packet);
  dns_pool_release(&q->pool);
  free(q);
}

static void finish(struct dns_job *q, struct mts_dns_answer *answer) {
  struct mts_job *job = &q->job;
  mts_dns_fn done = q->done;
  void *arg = q->arg;
  job_end(job);
  done(arg, answer);
}

static void finish_badly(struct dns_job *q) {
  struct mts_dns_answer answer = {.err = q->err};
  memcpy(answer.detail, q->detail, sizeof answer.detail);
  memcpy(answer.canonical, q->name, sizeof answer.canonical);
  finish(q, &answer);
}

/* A word from a server says more than silence, silence more than nothing. */
static unsigned weight(enum mts_err err) {
  if (err == MTS_ERR_DNS_BOGUS) return 4;
  if (err == MTS_ERR_DNS_TIMEOUT) return 1;
  if (err == MTS_ERR_DNS_NETWORK) return 0;
  return 3;
}

static void remember(struct dns_job *q, enum mts_err err, const char *what) {
  if (q->detail[0] && weight(err) < weight(q->err)) return;
  q->err = err;
  mts_text_format(q->detail, sizeof q->detail, "%s: %s", server_of(q)->text, what);
}

/* The server that answered last comes first, those silent a moment ago come last. */
static void make_order(struct dns_job *q) {
  struct dns_pool *pool = q->pool;
  size_t n = 0;
  for (int failed = 0; failed < 2; failed++) {
    for (size_t i = 0; i < pool->count; i++) {
      size_t at = (pool->first + i) % pool->count;
      int64_t when = pool->servers[at].failed_ms;
      if ((when != 0 && now(q) - when < FAILED_FOR_MS) == (failed == 1)) q->order[n++] = (unsigned char)at;
    }
  }
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
  set_timer(q, q->deadline - now(q));
}

static void launch(struct dns_job *q) {
  bool tcp = q->want_tcp;
  if (!q->detail[0] && !tcp) make_order(q); /* what was learnt while it waited */
  struct dns_server *server = server_of(q);
  enum mts_err err = MTS_OK;
  q->landed = LANDED_NOTHING;
  if (!files_left(q)) {
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
  int64_t left = q->deadline - now(q);
  int64_t wait = tcp ? TCP_MOST_MS : q->pool->anchors ? q->try_ms * 2 : q->try_ms;
  if (wait > left) wait = left > 0 ? left : 0;
  set_timer(q, wait);
  q->flying = true;
  if (err != MTS_OK ||
      getdns_general(q->context, q->name, (uint16_t)q->type, q->pool->extensions, q, &q->id, arrived) != GETDNS_RETURN_GOOD)
    land(q, LANDED_ERROR);
  launch_next(q->job.world->dns);
}

static void start_try(struct dns_job *q, bool tcp) {
  stop_try(q);
  q->landed = LANDED_NOTHING;
  q->want_tcp = tcp;
  if (can_fly(q)) {
    take_slot(q);
    launch(q);
    return;
  }
  enqueue(q);
  set_timer(q, q->deadline - now(q));
}

static void next_server(struct dns_job *q) {
  size_t count = q->pool->count;
  q->suspicious = false;
  for (size_t i = 1; i <= count && now(q) < q->deadline; i++) {
    size_t at = (q->turn + i) % count;
    if (q->over[at]) continue;
    q->turn = at;
    start_try(q, false);
    return;
  }
  finish_badly(q);
}

static void give_up_server(struct dns_job *q, enum mts_err err, const char *what) {
  remember(q, err, what);
  q->over[q->turn] = true;
  next_server(q);
}

static void silent(struct dns_job *q) {
  if (q->waiting) { /* too many others: no server is to blame */
    if (!q->detail[0]) mts_text_format(q->detail, sizeof q->detail, "too many questions at once");
    finish_badly(q);
    return;
  }
  server_of(q)->failed_ms = now(q);
  if (q->suspicious) {
    give_up_server(q, MTS_ERR_DNS_MALFORMED, "a wrong reply over UDP and none over TCP");
    return;
  }
  if (q->tcp) {
    give_up_server(q, MTS_ERR_DNS_TIMEOUT, "a truncated reply over UDP and none over TCP");
    return;
  }
  remember(q, MTS_ERR_DNS_TIMEOUT, "no answer");
  next_server(q);
}

/* The server knows: there are records, or surely none. */
static void deliver(struct dns_job *q, struct dns_reply *reply) {
  struct mts_dns_answer *answer = &reply->answer;
  server_of(q)->failed_ms = 0;
  q->pool->first = q->order[q->turn];
  answer->dnssec = q->dnssec;
  if (q->pool->ad) answer->dnssec = reply->authentic ? MTS_DNSSEC_SECURE : MTS_DNSSEC_INSECURE;
  if (answer->err == MTS_OK)
    mts_text_format(answer->detail, sizeof answer->detail, "%s: %zu record%s", server_of(q)->text, answer->count,
                    answer->count == 1 ? "" : "s");
  else
    mts_text_format(answer->detail, sizeof answer->detail, "%s: %s", server_of(q)->text, reply->why);
  finish(q, answer);
}

static void judge(struct dns_job *q) {
  struct dns_reply reply = {0};
  enum mts_err err = dns_wire_read((struct mts_span){q->packet.p, q->packet.n}, q->name, q->type, &reply);
  if (err != MTS_OK) {
    reply.answer.err = err;
    reply.why = "out of memory";
  }
  err = reply.answer.err;
  bool known = err == MTS_OK || err == MTS_ERR_DNS_NODATA || err == MTS_ERR_DNS_NXDOMAIN || err == MTS_ERR_DNS_LIMIT;
  if (reply.truncated && !q->tcp) {
    start_try(q, true);
  } else if (reply.truncated) {
    give_up_server(q, MTS_ERR_DNS_MALFORMED, "a truncated reply over TCP");
  } else if (err == MTS_ERR_DNS_MALFORMED && !q->tcp) {
    q->suspicious = true; /* perhaps forged: TCP is harder to forge */
    remember(q, err, reply.why);
    start_try(q, true);
  } else if (known) {
    deliver(q, &reply);
  } else {
    give_up_server(q, err, reply.why);
  }
  dns_reply_free(&reply);
}

/* Out of the loop, never inside getdns: a try has landed or its time is over. */
static void wakes(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct dns_job *q = arg;
  if (q->job.world->forgotten) return;
  bool tcp = q->tcp != NULL;
  enum landing landed = q->landed;
  if (landed == LANDED_NOTHING) {
    silent(q);
    return;
  }
  q->landed = LANDED_NOTHING;
  switch (landed) {
    case LANDED_SLOT:
      launch(q);
      return;
    case LANDED_NO_FILES:
      if (!q->detail[0]) {
        q->err = MTS_ERR_DNS_NETWORK;
        mts_text_format(q->detail, sizeof q->detail, "no file descriptor left for the question; raise the limit (ulimit -n)");
      }
      finish_badly(q);
      return;
    case LANDED_REPLY:
      judge(q);
      return;
    case LANDED_BOGUS: /* keys may be too long for one datagram */
      if (!tcp) {
        start_try(q, true);
        return;
      }
      give_up_server(q, MTS_ERR_DNS_BOGUS, "DNSSEC validation failed");
      return;
    case LANDED_NOTHING:
    case LANDED_ERROR:
      break;
  }
  server_of(q)->failed_ms = now(q);
  if (q->suspicious) {
    give_up_server(q, MTS_ERR_DNS_MALFORMED, "a wrong reply over UDP and none over TCP");
    return;
  }
  give_up_server(q, MTS_ERR_DNS_NETWORK, tcp ? "a truncated reply over UDP and no TCP" : "cannot be reached");
}

static struct timespec resolv_conf_changed(void) {
  struct stat status;
  return stat("/etc/resolv.conf", &status) == 0 ? status.st_mtim : (struct timespec){0};
}

/* A long-lived program notices new name servers; queries under way keep the old ones. */
static enum mts_err current_pool(struct world *world, struct dns *dns) {
  int64_t at = mts_clock_mono_ms(&world->net.clock);
  bool look = !world->config.nameservers[0] && at - dns->looked_ms >= RELOOK_MS;
  if (dns->pool && !look) return MTS_OK;
  dns->looked_ms = at;
  struct timespec changed = resolv_conf_changed();
  if (dns->pool && changed.tv_sec == dns->changed.tv_sec && changed.tv_nsec == dns->changed.tv_nsec) return MTS_OK;
  struct dns_pool *pool = NULL;
  enum mts_err err = dns_pool_new(world, &dns->loop, &pool);
  if (err != MTS_OK) return err;
  dns_pool_release(&dns->pool);
  dns->pool = pool;
  dns->changed = changed;
  return MTS_OK;
}

static enum mts_err open_dns(struct world *world) {
  if (!world->dns) {
    world->dns = calloc(1, sizeof *world->dns);
    if (!world->dns) return MTS_ERR_NO_MEMORY;
    world->dns->probe = -1;
    getdns_loop_init(&world->dns->loop, world->base);
  }
  return current_pool(world, world->dns);
}

enum mts_err dns_start(struct world *world, const char *name, enum mts_rrtype type, uint32_t deadline_ms, mts_dns_fn done,
                       void *arg, struct mts_job **job) {
  size_t length = strlen(name);
  if (length >= MTS_NAME_SIZE) return MTS_ERR_NAME_LONG;
  if (!dns_wire_can_ask(name)) return MTS_ERR_NAME_SYNTAX;
  enum mts_err err = open_dns(world);
  if (err != MTS_OK) return err;
  struct dns_job *q = calloc(1, sizeof *q);
  if (!q) return MTS_ERR_NO_MEMORY;
  q->event = evtimer_new(world->base, wakes, q);
  if (!q->event) {
    free(q);
    return MTS_ERR_NO_MEMORY;
  }
  q->packet.limit = 65536;
  q->pool = world->dns->pool;
  q->pool->refs++;
  q->done = done;
  q->arg = arg;
  q->type = type;
  memcpy(q->name, name, length + 1);
  job_begin(world, &q->job, job_close);
  q->deadline = now(q) + deadline_ms;
  size_t tries = q->pool->count < 2 ? 4 : q->pool->count * 2;
  size_t each = deadline_ms / tries;
  q->try_ms = each > TRY_MOST_MS ? TRY_MOST_MS : each < TRY_LEAST_MS ? TRY_LEAST_MS : (uint32_t)each;
  q->err = MTS_ERR_DNS_TIMEOUT;
  start_try(q, false);
  *job = &q->job;
  return MTS_OK;
}

void dns_close(struct dns **dns_at) {
  struct dns *dns = *dns_at;
  *dns_at = NULL;
  if (!dns) return;
  dns_pool_release(&dns->pool);
  getdns_loop_end(&dns->loop);
  if (dns->probe >= 0) close(dns->probe);
  free(dns);
}

void dns_forget(struct world *world) {
  for (struct mts_job *job = world->jobs.next, *next; job != &world->jobs; job = next) {
    next = job->next;
    if (job->end == job_close) job_end(job);
  }
  dns_close(&world->dns);
}

void dns_mute(struct world *world) {
  if (world->dns) world->dns->loop.forgotten = true;
}
