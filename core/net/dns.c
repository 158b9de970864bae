/* SPDX-License-Identifier: ISC
 *
 * The schedule of one question: which server is tried when, over UDP or TCP, and when to give up. getdns only carries messages
 * (dns_try.c): it neither retransmits nor tries the next server, takes the reply to another question for an answer and a damaged one
 * for "no such record", so schedule and reading (dns_wire.c) are ours. */
#include "net/dns.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/dns_try.h"
#include "net/dns_wire.h"

#define TRY_MOST_MS 1250 /* for one datagram: a dead server costs this */
#define TRY_LEAST_MS 150
#define RELOOK_MS 30000 /* at resolv.conf */

static void job_close(struct mts_job *job) {
  struct dns_job *q = (struct dns_job *)job;
  dns_try_stop(q);
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

void dns_so_far(const struct mts_job *job, struct mts_dns_answer *answer) {
  const struct dns_job *q = (const struct dns_job *)job;
  *answer = (struct mts_dns_answer){.err = q->err};
  memcpy(answer->detail, q->detail, sizeof answer->detail);
  memcpy(answer->canonical, q->name, sizeof answer->canonical);
}

static void finish_badly(struct dns_job *q) {
  struct mts_dns_answer answer;
  dns_so_far(&q->job, &answer);
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
  mts_text_format(q->detail, sizeof q->detail, "%s: %s", dns_job_server(q)->text, what);
}

static void next_server(struct dns_job *q) {
  size_t count = q->pool->count;
  q->suspicious = false;
  q->doubt = DOUBT_NONE;
  for (size_t i = 1; i <= count && dns_job_now(q) < q->deadline; i++) {
    size_t at = (q->turn + i) % count;
    if (q->over[at]) continue;
    q->turn = at;
    dns_try_start(q, false);
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
  dns_job_server(q)->failed_ms = dns_job_now(q);
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
  dns_job_server(q)->failed_ms = 0;
  q->pool->first = q->order[q->turn];
  answer->dnssec = q->dnssec;
  if (q->pool->ad) answer->dnssec = reply->authentic ? MTS_DNSSEC_SECURE : MTS_DNSSEC_INSECURE;
  if (answer->err == MTS_OK)
    mts_text_format(answer->detail, sizeof answer->detail, "%s: %zu record%s", dns_job_server(q)->text, answer->count,
                    answer->count == 1 ? "" : "s");
  else
    mts_text_format(answer->detail, sizeof answer->detail, "%s: %s", dns_job_server(q)->text, reply->why);
  finish(q, answer);
}

/* After SERVFAIL, and when a reply has come to what was asked because of it. false: there is no more to be asked of this server. */
static bool doubts(struct dns_job *q, enum mts_err err, bool known) {
  if (!q->looks || q->pool->anchors) return false;
  if (q->doubt == DOUBT_NONE && err == MTS_ERR_DNS_SERVFAIL) {
    remember(q, err, "SERVFAIL");
    q->doubt = DOUBT_UNCHECKED;
  } else if (q->doubt == DOUBT_UNCHECKED && known && err != MTS_ERR_DNS_LIMIT) {
    q->doubt = DOUBT_CONFIRMING;
  } else {
    return false;
  }
  dns_try_start(q, false);
  return true;
}

static void judge(struct dns_job *q) {
  struct dns_reply reply = {.looks = q->looks};
  enum mts_err err = dns_wire_read((struct mts_span){q->packet.p, q->packet.n}, q->name, q->type, &reply);
  if (err != MTS_OK) {
    reply.answer.err = err;
    reply.why = "out of memory";
  }
  err = reply.answer.err;
  bool known = err == MTS_OK || err == MTS_ERR_DNS_NODATA || err == MTS_ERR_DNS_NXDOMAIN || err == MTS_ERR_DNS_LIMIT;
  if (reply.truncated && !q->tcp) {
    dns_try_start(q, true);
  } else if (reply.truncated) {
    give_up_server(q, MTS_ERR_DNS_MALFORMED, "a truncated reply over TCP");
  } else if (err == MTS_ERR_DNS_MALFORMED && !q->tcp) {
    q->suspicious = true; /* perhaps forged: TCP is harder to forge */
    remember(q, err, reply.why);
    dns_try_start(q, true);
  } else if (doubts(q, err, known)) {
    /* asked once more */
  } else if (q->doubt == DOUBT_CONFIRMING && err == MTS_ERR_DNS_SERVFAIL) {
    give_up_server(q, MTS_ERR_DNS_BOGUS, "SERVFAIL, but an answer without validation (CD)");
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
      dns_try_launch(q);
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
        dns_try_start(q, true);
        return;
      }
      give_up_server(q, MTS_ERR_DNS_BOGUS, "DNSSEC validation failed");
      return;
    case LANDED_NOTHING:
    case LANDED_ERROR:
      break;
  }
  dns_job_server(q)->failed_ms = dns_job_now(q);
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

static void set_deadline(struct dns_job *q, int64_t ends_ms) {
  size_t tries = q->pool->count < 2 ? 4 : q->pool->count * 2;
  int64_t each = (ends_ms - dns_job_now(q)) / (int64_t)tries;
  q->deadline = ends_ms;
  q->try_ms = each > TRY_MOST_MS ? TRY_MOST_MS : each < TRY_LEAST_MS ? TRY_LEAST_MS : (uint32_t)each;
}

enum mts_err dns_start(struct world *world, const char *name, enum mts_rrtype type, uint32_t deadline_ms, bool looks,
                       mts_dns_fn done, void *arg, struct mts_job **job) {
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
  q->looks = looks;
  memcpy(q->name, name, length + 1);
  job_begin(world, &q->job, job_close);
  set_deadline(q, dns_job_now(q) + deadline_ms);
  q->err = MTS_ERR_DNS_TIMEOUT;
  dns_try_start(q, false);
  *job = &q->job;
  return MTS_OK;
}

void dns_extend(struct mts_job *job, int64_t ends_ms) {
  struct dns_job *q = (struct dns_job *)job;
  set_deadline(q, ends_ms);
  dns_try_wait_on(q);
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
