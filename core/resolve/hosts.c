/* SPDX-License-Identifier: ISC */
#include "resolve/hosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "resolve/addresses.h"
#include "sts/verdict.h"

#define TLSA_MAX 16

struct host_walk {
  struct hosts_walk *walk;
  struct mts_host *host;
  struct addresses addresses;
  bool asking_addresses, dane_settled;
  struct mts_job *job;
  int64_t step_ms;
  size_t tlsa_count;
  struct mts_rr_tlsa tlsa[TLSA_MAX]; /* data is owned */
};

struct hosts_walk {
  struct mts *m;
  struct mts_answer *answer;
  bool probe;
  uint16_t port;
  struct trace *trace;
  int64_t base_ms, began_ms, began_s;
  uint32_t ttl_s;      /* least of the answers about MX and addresses */
  uint32_t tlsa_ttl_s; /* and about TLSA */
  bool partial;        /* some of what DNS said was lost: out of memory */
  void (*done)(void *arg);
  void *arg;
  struct mts_job *job;
  size_t count, waiting;
  struct host_walk *each;
};

static int64_t mono(const struct hosts_walk *walk) { return mts_clock_mono_ms(&walk->m->clock); }

/* ---- one host ---- */

static void release(struct hosts_walk *walk) {
  for (size_t i = 0; i < walk->count; i++) {
    for (size_t t = 0; t < walk->each[i].tlsa_count; t++) free((void *)(uintptr_t)walk->each[i].tlsa[t].data.p);
  }
  free(walk->each);
  free(walk);
}

static void finish(struct hosts_walk *walk) {
  void (*done)(void *arg) = walk->done;
  void *arg = walk->arg;
  release(walk);
  done(arg);
}

/* DNS was asked about all hosts, and nobody gave up. */
static void complete(struct hosts_walk *walk) {
  if (!walk->partial && !walk->answer->smarthost) stored_hosts_keep(walk->m, walk->answer, walk->began_s, walk->ttl_s);
  if (!walk->partial) walk->answer->hosts_ttl_s = walk->ttl_s < walk->tlsa_ttl_s ? walk->ttl_s : walk->tlsa_ttl_s;
  finish(walk);
}

static void lower_ttl(struct hosts_walk *walk, uint32_t ttl_s) {
  if (ttl_s < walk->ttl_s) walk->ttl_s = ttl_s;
}

static void host_done(struct host_walk *each) {
  struct hosts_walk *walk = each->walk;
  if (--walk->waiting == 0) complete(walk);
}

static void probed(void *arg, const struct mts_tls *tls) {
  struct host_walk *each = arg;
  struct hosts_walk *walk = each->walk;
  each->job = NULL;
  struct mts_tls *copy = malloc(sizeof *copy);
  if (copy) {
    *copy = *tls;
    each->host->tls = copy;
  }
  trace_add(walk->trace, "probe", tls->err, walk->base_ms, each->step_ms, mono(walk), "%s [%s]: %s%s%s", each->host->name,
            tls->address, tls->err ? mts_err_message(tls->err) : tls->protocol, tls->detail[0] ? "; " : "", tls->detail);
  host_done(each);
}

/* RFC 7672 2.1.2: where a failure hides whether DANE applies, the host counts as unreachable. Without a secure MX it never applies. */
static void dane_unknown(struct host_walk *each, enum mts_err err) {
  if (each->walk->answer->dnssec != MTS_DNSSEC_SECURE) return;
  each->host->guard = MTS_GUARD_UNKNOWN;
  each->host->err = err;
}

static void probe(struct host_walk *each) {
  struct hosts_walk *walk = each->walk;
  each->dane_settled = true;
  each->step_ms = mono(walk);
  if (!walk->probe || each->addresses.err) {
    host_done(each);
    return;
  }
  struct mts_probe_request request = {
      .host = each->host->name,
      .port = walk->port,
      .addresses = each->addresses.list,
      .address_count = each->addresses.count,
      .deadline_ms = walk->m->probe_deadline_ms,
      .tlsa = each->tlsa,
      .tlsa_count = each->tlsa_count,
      .next_hop = walk->answer->domain,
  };
  enum mts_err err = walk->m->net->ops->probe(walk->m->net, &request, probed, each, &each->job);
  if (err) {
    trace_add(walk->trace, "probe", err, walk->base_ms, each->step_ms, mono(walk), "%s: %s", each->host->name,
              mts_err_message(err));
    host_done(each);
  }
}

/* RFC 7672 3.1: only DANE-TA(2) and DANE-EE(3) are usable for SMTP, with selectors and matching types that are known. */
static bool is_usable(const struct mts_rr_tlsa *tlsa) {
  static const size_t digest_n[] = {0, 32, 64}; /* whole, SHA-256, SHA-512; of another length it is malformed */
  bool known = (tlsa->usage == 2 || tlsa->usage == 3) && tlsa->selector <= 1 && tlsa->matching <= 2;
  return known && tlsa->data.n > 0 && (tlsa->matching == 0 || tlsa->data.n == digest_n[tlsa->matching]);
}

static enum mts_err keep_tlsa(struct host_walk *each, const struct mts_dns_answer *answer) {
  for (size_t i = 0; i < answer->count && each->tlsa_count < TLSA_MAX; i++) {
    const struct mts_rr_tlsa *from = &answer->records[i].u.tlsa;
    if (!is_usable(from)) continue;
    char *data = malloc(from->data.n);
    if (!data) return MTS_ERR_NO_MEMORY;
    memcpy(data, from->data.p, from->data.n);
    each->tlsa[each->tlsa_count] = *from;
    each->tlsa[each->tlsa_count++].data = mts_span(data, from->data.n);
  }
  return MTS_OK;
}

static void got_tlsa(void *arg, const struct mts_dns_answer *answer) {
  struct host_walk *each = arg;
  struct hosts_walk *walk = each->walk;
  each->job = NULL;
  uint32_t ttl_s = answer->err && answer->ttl_s == 0 ? ADDRESSES_RETRY_S : answer->ttl_s;
  if (ttl_s < walk->tlsa_ttl_s) walk->tlsa_ttl_s = ttl_s;
  const char *said = answer->err ? mts_err_message(answer->err) : "";
  if (answer->err == MTS_ERR_DNS_NODATA || answer->err == MTS_ERR_DNS_NXDOMAIN) {
    said = "no TLSA records";
  } else if (answer->err) {
    dane_unknown(each, answer->err);
  } else if (answer->dnssec != MTS_DNSSEC_SECURE) {
    said = "TLSA records without DNSSEC do not count";
  } else if (keep_tlsa(each, answer) != MTS_OK) {
    dane_unknown(each, MTS_ERR_NO_MEMORY);
    said = mts_err_message(MTS_ERR_NO_MEMORY);
  } else {
    said = each->tlsa_count ? "usable TLSA records: DANE applies" : "no TLSA record is usable for SMTP";
    if (each->tlsa_count) each->host->guard = MTS_GUARD_DANE;
  }
  trace_add(walk->trace, "tlsa", answer->err, walk->base_ms, each->step_ms, mono(walk), "%s: %s", each->host->name, said);
  probe(each);
}

static void ask_tlsa(struct host_walk *each) {
  struct hosts_walk *walk = each->walk;
  char name[MTS_NAME_SIZE];
  bool fits = (size_t)snprintf(name, sizeof name, "_%u._tcp.%s", walk->port, each->host->name) < sizeof name;
  /* RFC 7672 2.2.1: only where the way to the host's addresses is DNSSEC-secure throughout. */
  bool secure = walk->answer->dnssec == MTS_DNSSEC_SECURE && each->addresses.dnssec == MTS_DNSSEC_SECURE;
  each->step_ms = mono(walk);
  if (!secure || !fits || each->addresses.err) {
    probe(each);
    return;
  }
  struct mts_net *net = walk->m->net;
  enum mts_err err = net->ops->dns(net, name, MTS_RR_TLSA, walk->m->dns_deadline_ms, got_tlsa, each, &each->job);
  if (err) {
    dane_unknown(each, err);
    probe(each);
  }
}

static void got_addresses(void *arg, struct addresses *addresses) {
  struct host_walk *each = arg;
  struct mts_host *host = each->host;
  each->asking_addresses = false;
  host->dnssec = addresses->dnssec;
  lower_ttl(each->walk, addresses->ttl_s);
  if (addresses->err) {
    trace_add(each->walk->trace, "address", addresses->err, each->walk->base_ms, each->step_ms, mono(each->walk), "%s: %s",
              host->name, mts_err_message(addresses->err));
    if (addresses->err == MTS_ERR_MX_ADDRESS)
      host->err = MTS_ERR_MX_ADDRESS;
    else
      dane_unknown(each, addresses->err);
  }
  const char **texts = addresses->count ? calloc(addresses->count, sizeof *texts) : NULL;
  for (size_t i = 0; texts && i < addresses->count; i++) {
    char text[MTS_ADDRESS_SIZE];
    mts_address_format(&addresses->list[i], text);
    if (!(texts[host->address_count] = strdup(text))) break;
    host->address_count++;
  }
  host->addresses = texts;
  if (host->address_count < addresses->count) each->walk->partial = true;
  ask_tlsa(each);
}

/* ---- all hosts ---- */

static int by_preference(const void *a, const void *b) {
  const struct mts_host *x = a, *y = b;
  return (int)x->preference - (int)y->preference;
}

/* Insertion sort: stable, so that hosts of one preference keep the order of the answer (RFC 8461 8.4). */
static void sort_hosts(struct mts_host *hosts, size_t count) {
  for (size_t i = 1; i < count; i++) {
    struct mts_host moved = hosts[i];
    size_t j = i;
    for (; j > 0 && by_preference(&hosts[j - 1], &moved) > 0; j--) hosts[j] = hosts[j - 1];
    hosts[j] = moved;
  }
}

static void ask_hosts(struct hosts_walk *walk) {
  struct mts_answer *answer = walk->answer;
  size_t count = answer->host_count < HOSTS_MAX_ASKED ? answer->host_count : HOSTS_MAX_ASKED;
  walk->each = count ? calloc(count, sizeof *walk->each) : NULL;
  if (!walk->each) {
    finish(walk);
    return;
  }
  walk->count = count;
  walk->waiting = 1; /* ourselves: no host may end the walk while others are started */
  for (size_t i = 0; i < count; i++) {
    struct host_walk *each = &walk->each[i];
    each->walk = walk;
    each->host = &answer->hosts[i];
    each->step_ms = mono(walk);
    if (each->host->name[0] == 0) continue;
    enum mts_err err = addresses_start(walk->m, each->host->name, got_addresses, each, &each->addresses);
    if (err) {
      dane_unknown(each, err);
      lower_ttl(walk, ADDRESSES_RETRY_S);
      continue;
    }
    each->asking_addresses = true;
    walk->waiting++;
  }
  if (--walk->waiting == 0) complete(walk);
}

static bool add_host(struct mts_answer *answer, const char *name, uint16_t preference) {
  struct mts_host *host = &answer->hosts[answer->host_count];
  *host = (struct mts_host){.name = strdup(name), .preference = preference, .permitted = true};
  if (!host->name) return false;
  answer->host_count++;
  return true;
}

static bool only_itself(struct mts_answer *answer) {
  answer->hosts = calloc(1, sizeof *answer->hosts);
  answer->hosts_known = true;
  return answer->hosts && add_host(answer, answer->domain, 0);
}

static void got_mx(void *arg, const struct mts_dns_answer *dns) {
  struct hosts_walk *walk = arg;
  struct mts_answer *answer = walk->answer;
  walk->job = NULL;
  answer->dnssec = dns->dnssec;
  lower_ttl(walk, dns->err && dns->ttl_s == 0 ? ADDRESSES_RETRY_S : dns->ttl_s);
  if (dns->err == MTS_ERR_DNS_NODATA) {
    trace_add(walk->trace, "mx", MTS_OK, walk->base_ms, walk->began_ms, mono(walk),
              "no MX: the domain is its own mail host (RFC 5321 5.1)");
    only_itself(answer);
    ask_hosts(walk);
    return;
  }
  if (dns->err) {
    answer->hosts_err = dns->err;
    trace_add(walk->trace, "mx", dns->err, walk->base_ms, walk->began_ms, mono(walk), "%s",
              dns->detail[0] ? dns->detail : mts_err_message(dns->err));
    finish(walk);
    return;
  }
  answer->hosts_known = true;
  if (dns->count == 1 && strcmp(dns->records[0].u.mx.host, ".") == 0) {
    answer->hosts_err = MTS_ERR_MX_NONE;
    trace_add(walk->trace, "mx", MTS_ERR_MX_NONE, walk->base_ms, walk->began_ms, mono(walk), "%s",
              mts_err_message(MTS_ERR_MX_NONE));
    finish(walk);
    return;
  }
  answer->hosts = calloc(dns->count, sizeof *answer->hosts);
  bool ok = answer->hosts != NULL;
  for (size_t i = 0; ok && i < dns->count; i++) ok = add_host(answer, dns->records[i].u.mx.host, dns->records[i].u.mx.preference);
  walk->partial = !ok;
  if (answer->hosts) sort_hosts(answer->hosts, answer->host_count);
  trace_add(walk->trace, "mx", MTS_OK, walk->base_ms, walk->began_ms, mono(walk), "%zu host%s, DNSSEC %s", answer->host_count,
            answer->host_count == 1 ? "" : "s",
            dns->dnssec == MTS_DNSSEC_SECURE     ? "secure"
            : dns->dnssec == MTS_DNSSEC_INSECURE ? "insecure"
                                                 : "unknown");
  ask_hosts(walk);
}

/* A smart host is its own and only mail host, no MX lookup (RFC 8461 3.4). */
static void begin_smarthost(void *arg) {
  struct hosts_walk *walk = arg;
  walk->job = NULL;
  walk->answer->dnssec = MTS_DNSSEC_SECURE; /* the operator wrote the name; no answer of DNS led to it */
  only_itself(walk->answer);
  ask_hosts(walk);
}

enum mts_err hosts_start(struct mts *m, struct mts_answer *answer, bool probe_them, uint16_t port, struct trace *trace,
                         int64_t base_ms, void (*done)(void *arg), void *arg, struct hosts_walk **walk) {
  enum mts_err err = context_net(m);
  if (err) return err;
  struct hosts_walk *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  *made = (struct hosts_walk){.m = m,
                              .answer = answer,
                              .probe = probe_them,
                              .port = port ? port : m->smtp_port,
                              .trace = trace,
                              .base_ms = base_ms,
                              .done = done,
                              .arg = arg};
  made->began_s = mts_clock_now_s(&m->clock);
  made->ttl_s = made->tlsa_ttl_s = UINT32_MAX;
  made->began_ms = mono(made);
  err = answer->smarthost ? m->net->ops->timer(m->net, 0, begin_smarthost, made, &made->job)
                          : m->net->ops->dns(m->net, answer->domain, MTS_RR_MX, m->dns_deadline_ms, got_mx, made, &made->job);
  if (err) {
    free(made);
    return err;
  }
  *walk = made;
  return MTS_OK;
}

void hosts_cancel(struct hosts_walk **walk) {
  struct hosts_walk *it = *walk;
  if (!it) return;
  context_cancel(it->m, &it->job);
  for (size_t i = 0; i < it->count; i++) {
    if (it->each[i].asking_addresses) addresses_cancel(&it->each[i].addresses);
    context_cancel(it->m, &it->each[i].job);
  }
  release(it);
  *walk = NULL;
}

void hosts_give_up(struct hosts_walk **walk, enum mts_err err) {
  struct hosts_walk *it = *walk;
  for (size_t i = 0; i < it->count; i++) {
    struct host_walk *each = &it->each[i];
    if ((each->asking_addresses || each->job) && !each->dane_settled) dane_unknown(each, err);
  }
  hosts_cancel(walk);
}

void hosts_judge(struct mts_answer *answer, bool applies, enum mts_mode mode) {
  for (size_t i = 0; i < answer->host_count; i++) {
    struct mts_host *host = &answer->hosts[i];
    const struct mts_policy *policy = answer->policy;
    bool matched = policy && policy->mode != MTS_MODE_NONE ? mts_policy_permits(policy, host->name) : host->name[0] != 0;
    host->permitted = !applies || mode == MTS_MODE_NONE || matched;
    if (host->guard == MTS_GUARD_NONE || host->guard == MTS_GUARD_STS) {
      host->guard = applies && mode != MTS_MODE_NONE ? MTS_GUARD_STS : MTS_GUARD_NONE;
    }
    mts_verdict_host(host, applies, mode);
  }
}
