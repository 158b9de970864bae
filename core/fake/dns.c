/* SPDX-License-Identifier: ISC
 * What DNS says in a fake world. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "fake/inside.h"

/* A question under way. told lives as long as the job, whatever is told meanwhile. */
struct dns_job {
  struct mts_job job;
  struct told *told; /* NULL: it was not told of this */
  enum mts_err err;
  uint32_t ttl_s;
  struct mts_rr given; /* the address of a host that DNS was told nothing of */
  size_t cname_count;
  char canonical[MTS_NAME_SIZE];
  bool looks, loops;
  size_t hop_count;
  char hops[MTS_DNS_MAX_CNAMES][MTS_NAME_SIZE];
  mts_dns_fn done;
  void *arg;
};

static void dns_release(struct mts_job *job) {
  struct dns_job *dns = (struct dns_job *)job;
  told_free(&dns->told);
  free(dns);
}

static void dns_fire(struct mts_job *job) {
  struct dns_job *dns = (struct dns_job *)job;
  struct mts_dns_answer answer = {.err = dns->err, .cname_count = dns->cname_count, .ttl_s = dns->ttl_s};
  memcpy(answer.canonical, dns->canonical, sizeof answer.canonical);
  if (dns->err == MTS_OK && dns->told) {
    answer.count = dns->told->count;
    answer.records = dns->told->records;
  } else if (dns->err == MTS_OK) {
    answer.count = 1;
    answer.records = &dns->given;
  }
  if (dns->told) answer.dnssec = dns->told->dnssec;
  if (dns->looks) {
    answer.hop_count = dns->hop_count;
    answer.hops = (const char(*)[MTS_NAME_SIZE])dns->hops;
    answer.loops = dns->loops;
  }
  if (dns->err) mts_text_format(answer.detail, sizeof answer.detail, "fake world: %s", mts_err_message(dns->err));
  dns->done(dns->arg, &answer);
}

/* Anything told of it, but that it does not exist. */
static bool name_exists(const struct mts_fake *fake, const char *name) {
  static const enum mts_rrtype types[] = {MTS_RR_A, MTS_RR_AAAA, MTS_RR_MX, MTS_RR_TXT, MTS_RR_TLSA};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    const struct told *told = fake_told_of(fake, ABOUT_DNS, types[i], name);
    if (told && told->err != MTS_ERR_DNS_NXDOMAIN) return true;
  }
  return fake_told_of(fake, ABOUT_HTTPS, 0, name) || fake_told_of(fake, ABOUT_SMTP, 0, name);
}

static bool too_large(const struct told *told, enum mts_rrtype type) {
  if (told->count > MTS_DNS_MAX_RECORDS) return true;
  for (size_t i = 0; type == MTS_RR_TXT && i < told->count; i++)
    if (told->records[i].u.txt.n > MTS_DNS_MAX_TXT_BYTES) return true;
  return false;
}

/* Fills in what the name, where the chain ended, has of the type. */
static void dns_answer(const struct mts_fake *fake, enum mts_rrtype type, struct dns_job *dns) {
  const struct topic *topic = topics_find(&fake->topics, ABOUT_DNS, type, dns->canonical);
  if (topic && topic->told) {
    dns->told = told_ref(topic->told);
    dns->err = too_large(topic->told, type) ? MTS_ERR_DNS_LIMIT : topic->told->err;
    if (topic->told->ttl_s < dns->ttl_s) dns->ttl_s = topic->told->ttl_s;
  } else if (topic && topic->address.family == AF_INET && !fake_told_of(fake, ABOUT_DNS, MTS_RR_AAAA, dns->canonical)) {
    dns->given.u.address = topic->address;
  } else {
    dns->err = name_exists(fake, dns->canonical) ? MTS_ERR_DNS_NODATA : MTS_ERR_DNS_NXDOMAIN;
  }
  if (!dns->told && dns->ttl_s > FAKE_TTL_S) dns->ttl_s = FAKE_TTL_S;
  if (fake_between(dns->err, MTS_ERR_DNS_SERVFAIL, MTS_ERR_DNS_NETWORK))
    dns->ttl_s = 0; /* nothing is known, so nothing may be kept */
}

static bool was_here(const struct dns_job *dns, const char *name) {
  for (size_t i = 0; i < dns->hop_count; i++) {
    if (strcmp(dns->hops[i], dns->canonical) == 0) return true;
  }
  return strcmp(dns->canonical, name) == 0;
}

static void dns_follow(const struct mts_fake *fake, const char *name, struct dns_job *dns) {
  dns->ttl_s = UINT32_MAX;
  memcpy(dns->canonical, name, strlen(name) + 1);
  for (const struct told *cname; (cname = fake_told_of(fake, ABOUT_CNAME, 0, dns->canonical));) {
    if (++dns->cname_count > MTS_DNS_MAX_CNAMES) {
      dns->err = MTS_ERR_DNS_LIMIT;
      return;
    }
    if (cname->ttl_s < dns->ttl_s) dns->ttl_s = cname->ttl_s;
    memcpy(dns->canonical, cname->target, sizeof dns->canonical);
    dns->loops |= was_here(dns, name);
    if (dns->loops) continue; /* to the limit */
    memcpy(dns->hops[dns->hop_count++], cname->target, sizeof dns->canonical);
  }
}

static enum mts_err ask(struct mts_fake *fake, const char *name, enum mts_rrtype type, uint32_t deadline_ms, bool looks,
                        mts_dns_fn done, void *arg, struct mts_job **job) {
  if (strlen(name) >= MTS_NAME_SIZE) return MTS_ERR_ARGUMENT;
  struct topic *topic = topics_get(&fake->topics, ABOUT_DNS, type, name);
  struct dns_job *dns = calloc(1, sizeof *dns);
  if (!topic || !dns) {
    free(dns);
    return MTS_ERR_NO_MEMORY;
  }
  topic->asked++;
  fake->asked_dns++;
  dns->looks = looks;
  dns->done = done;
  dns->arg = arg;
  dns_follow(fake, name, dns);
  if (!dns->err) dns_answer(fake, type, dns);
  uint32_t delay_ms = fake_due_in(dns->told ? dns->told->delay_ms : 0, deadline_ms, MTS_ERR_DNS_TIMEOUT, &dns->err);
  if (fake_between(dns->err, MTS_ERR_DNS_SERVFAIL, MTS_ERR_DNS_NETWORK)) dns->ttl_s = 0;
  event_start(&fake->events, &dns->job, delay_ms, dns_fire, dns_release);
  *job = &dns->job;
  return MTS_OK;
}

enum mts_err fake_ask_dns(struct mts_net *net, const char *name, enum mts_rrtype type, uint32_t deadline_ms, mts_dns_fn done,
                          void *arg, struct mts_job **job) {
  return ask(fake_of(net), name, type, deadline_ms, false, done, arg, job);
}

enum mts_err fake_look_dns(struct mts_net *net, const char *name, enum mts_rrtype type, uint32_t deadline_ms, mts_dns_fn done,
                           void *arg, struct mts_job **job) {
  return ask(fake_of(net), name, type, deadline_ms, true, done, arg, job);
}
