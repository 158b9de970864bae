/* SPDX-License-Identifier: ISC */
#include "resolve/flight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "resolve/addresses.h"
#include "resolve/cache.h"
#include "resolve/life.h"
#include "resolve/record.h"

#define LEASE_MS 5000 /* an owner that died delays the others by this much */
#define LEASE_RENEW_MS 2000
#define LEASE_POLL_LEAST_MS 20
#define LEASE_POLL_MOST_MS 250

struct flight {
  struct work work; /* first */
  struct mts *m;
  struct flight *next;
  struct flight_waiter *waiters;
  enum flight_want want;
  struct mts_entry entry;
  bool fetched;

  char owner[96];
  bool leased, queued; /* queued: another process holds the lease */
  int64_t queued_since_s;
  uint32_t poll_ms;
  struct mts_job *renewal;

  struct mts_job *job;
  struct addresses addresses;
  bool asking_addresses, fetching;
  bool overdue; /* mail no longer waits for what goes on */
  bool has_record;
  struct mts_record record;
  char policy_host[MTS_NAME_SIZE];

  struct trace trace;
  int64_t base_ms, step_ms;
};

static void ask_record(struct flight *flight);
static void take_lease(void *arg);
static void wait_for_lease(struct flight *flight);

static int64_t mono(const struct flight *flight) { return mts_clock_mono_ms(&flight->m->clock); }
static int64_t now(const struct flight *flight) { return mts_clock_now_s(&flight->m->clock); }
static struct mts_net *net_of(const struct flight *flight) { return flight->m->net; }

#define NOTE(flight, what, err, ...)                                                                    \
  do {                                                                                                  \
    int64_t note_ms = mono(flight);                                                                     \
    trace_add(&(flight)->trace, what, err, (flight)->base_ms, (flight)->step_ms, note_ms, __VA_ARGS__); \
    (flight)->step_ms = note_ms;                                                                        \
  } while (0)

/* ---- beginning and end ---- */

static void unlink_flight(struct flight *flight) {
  struct flight **place = &flight->m->flights;
  while (*place != flight) place = &(*place)->next;
  *place = flight->next;
}

static void release(struct flight *flight) {
  mts_entry_clear(&flight->entry);
  trace_free(&flight->trace);
  free(flight);
}

static void let_go(struct flight *flight) {
  unlink_flight(flight);
  context_cancel(flight->m, &flight->job);
  context_cancel(flight->m, &flight->renewal);
  if (flight->asking_addresses) addresses_cancel(&flight->addresses);
  if (flight->leased) cache_unlease(flight->m, flight->entry.domain, flight->owner);
}

static void drop(struct work *work) {
  struct flight *flight = (struct flight *)work;
  /* Mail has gone without, and nobody waits for the end: so this was it. After a fork the attempt is the parent's. */
  if (flight->overdue && (flight->fetching || flight->asking_addresses) && net_of(flight))
    record_fetch_failure(flight->m, &flight->entry, MTS_ERR_HTTPS_DEADLINE, "while mail waited");
  let_go(flight);
  while (flight->waiters) flight_leave(flight->waiters);
  release(flight);
}

static void tell_log(const struct flight *flight) {
  const struct mts_entry *entry = &flight->entry;
  struct mts_log *log = flight->m->log;
  if (flight->fetched) {
    mts_log_write(log, MTS_LOG_INFO, entry->domain, "policy %s fetched: %s, %zu mx, max_age %u s", entry->id,
                  mts_mode_name(entry->policy->mode), entry->policy->mx_count, entry->policy->max_age_s);
  }
  if (entry->failed_at != now(flight)) return;
  bool guarded = life_policy_holds(entry, now(flight)) && entry->policy->mode != MTS_MODE_NONE;
  if (entry->err == MTS_ERR_RECORD_NONE && !guarded) return; /* most domains have none */
  if (!guarded && entry->err >= MTS_ERR_DNS_SERVFAIL && entry->err <= MTS_ERR_DNS_NETWORK) {
    /* One domain's name servers, or our own resolver: seen without drowning the log. */
    mts_log_seldom(log, MTS_LOG_WARNING, "dns", entry->domain, "%s: %s (%s); whether it has a policy is not known",
                   mts_err_name(entry->err), mts_err_message(entry->err), entry->detail);
    return;
  }
  mts_log_write(log, guarded ? MTS_LOG_WARNING : MTS_LOG_INFO, entry->domain, "%s: %s%s%s%s", mts_err_name(entry->err),
                mts_err_message(entry->err), entry->detail[0] ? " (" : "", entry->detail, entry->detail[0] ? ")" : "");
}

static void raise_alarm(struct flight *flight) {
  struct mts *m = flight->m;
  struct mts_entry *entry = &flight->entry;
  if (!life_alarm_due(entry, now(flight))) return;
  m->counted.alarms++;
  struct mts_failure last = {.err = entry->err, .at = entry->failed_at};
  memccpy(last.detail, entry->detail, 0, sizeof last.detail);
  mts_log_write(
      m->log, MTS_LOG_WARNING, entry->domain,
      "the policy could not be refreshed for %lld h and expires in %lld h: %s; after that its mail is no longer protected",
      (long long)(now(flight) - entry->failing_since) / 3600, (long long)(entry->expires_at - now(flight)) / 3600,
      mts_err_message(entry->err));
  if (m->alarm) m->alarm(m->hook_arg, entry->domain, entry->expires_at, entry->failing_since, &last);
}

static void tell_waiters(struct flight *flight) {
  struct flight_outcome outcome = {
      .entry = &flight->entry, .fetched = flight->fetched, .trace = &flight->trace, .base_ms = flight->base_ms};
  struct flight_waiter *waiter;
  while ((waiter = flight->waiters)) {
    flight->waiters = waiter->next;
    waiter->flight = NULL;
    waiter->done(waiter, &outcome);
  }
}

/* learned: what is known has changed and is worth keeping. */
static void finish(struct flight *flight, bool learned) {
  if (learned) {
    tell_log(flight);
    raise_alarm(flight);
    cache_put(flight->m, &flight->entry);
  }
  context_end(&flight->work);
  let_go(flight);
  tell_waiters(flight);
  release(flight);
}

static void fetch_failed(struct flight *flight, enum mts_err err, const char *detail) {
  const char *id = flight->has_record ? flight->record.id : flight->entry.id;
  flight->m->counted.failures++;
  record_fetch_failure(flight->m, &flight->entry, err, detail);
  life_fetch_failed(&flight->entry, now(flight), id, err, detail, flight->m->retry_s);
  finish(flight, true);
}

/* ---- the policy host ---- */

static void got_policy(void *arg, const struct mts_https_answer *answer) {
  struct flight *flight = arg;
  flight->job = NULL;
  if (answer->err) {
    NOTE(flight, "https", answer->err, "%s: %s", flight->policy_host,
         answer->detail[0] ? answer->detail : mts_err_message(answer->err));
    fetch_failed(flight, answer->err, answer->detail);
    return;
  }
  NOTE(flight, "https", MTS_OK, "%s [%s]: 200, %zu bytes", flight->policy_host, answer->address, answer->body.n);
  struct mts_policy *policy = NULL;
  struct mts_findings findings = {0};
  enum mts_profile profile = flight->m->strict ? MTS_PROFILE_STRICT : MTS_PROFILE_DEFAULT;
  enum mts_err err = mts_policy_parse(answer->body, profile, &policy, &findings);
  for (size_t i = 0; i < findings.count; i++) {
    const struct mts_deviation *deviation = &findings.list[i];
    NOTE(flight, "policy", err, "line %u, column %u: %s", deviation->line, deviation->column, deviation->message);
  }
  mts_findings_free(&findings);
  if (err) {
    NOTE(flight, "policy", err, "%s", mts_err_message(err));
    fetch_failed(flight, err, "");
    return;
  }
  NOTE(flight, "policy", MTS_OK, "%s, %zu mx, max_age %u s", mts_mode_name(policy->mode), policy->mx_count, policy->max_age_s);
  life_fetched(&flight->entry, now(flight), flight->has_record ? flight->record.id : "", policy, flight->m->refresh_s);
  mts_policy_free(&policy);
  flight->fetched = true;
  flight->m->counted.fetches++;
  finish(flight, true);
}

static void fetch(struct flight *flight, const struct mts_address *addresses, size_t count) {
  struct mts_https_request request = {
      .host = flight->policy_host,
      .path = "/.well-known/mta-sts.txt",
      .addresses = addresses,
      .address_count = count,
      .deadline_ms = flight->m->fetch_deadline_ms,
      .max_bytes = MTS_POLICY_MAX_BYTES,
  };
  flight->fetching = true;
  enum mts_err err = net_of(flight)->ops->https(net_of(flight), &request, got_policy, flight, &flight->job);
  if (err) fetch_failed(flight, err, "");
}

static void got_addresses(void *arg, struct addresses *addresses) {
  struct flight *flight = arg;
  flight->asking_addresses = false;
  if (addresses->err) {
    NOTE(flight, "address", addresses->err, "%s: %s", flight->policy_host,
         addresses->detail[0] ? addresses->detail : mts_err_message(addresses->err));
    fetch_failed(flight, MTS_ERR_HTTPS_ADDRESS, addresses->detail);
    return;
  }
  size_t count = 0;
  char first[MTS_ADDRESS_SIZE];
  mts_address_format(&addresses->list[0], first);
  for (size_t i = 0; i < addresses->count; i++) {
    /* The name comes from outside: it must not make us knock at doors inside (server-side request forgery). */
    if (flight->m->allow_private || mts_address_is_public(&addresses->list[i])) addresses->list[count++] = addresses->list[i];
  }
  if (count == 0) {
    NOTE(flight, "address", MTS_ERR_HTTPS_FORBIDDEN, "%s: %s is not a public address", flight->policy_host, first);
    fetch_failed(flight, MTS_ERR_HTTPS_FORBIDDEN, first);
    return;
  }
  mts_address_format(&addresses->list[0], first);
  NOTE(flight, "address", MTS_OK, "%s: %s%s", flight->policy_host, first, count > 1 ? " and more" : "");
  fetch(flight, addresses->list, count);
}

/* A process that stood still may have lost its lease: then another asks by now, and a second GET would be one too many. */
static bool still_ours(struct flight *flight) {
  flight->leased = cache_lease(flight->m, flight->entry.domain, flight->owner, LEASE_MS);
  return flight->leased;
}

static void get_policy(struct flight *flight) {
  if (!still_ours(flight)) {
    wait_for_lease(flight);
    return;
  }
  if ((size_t)snprintf(flight->policy_host, sizeof flight->policy_host, "mta-sts.%s", flight->entry.domain) >=
      sizeof flight->policy_host) {
    fetch_failed(flight, MTS_ERR_HTTPS_ADDRESS, "the policy host's name would be too long");
    return;
  }
  if (settings_text(flight->m->settings, SETTING_https_proxy)[0]) {
    fetch(flight, NULL, 0); /* the proxy resolves */
    return;
  }
  enum mts_err err = addresses_start(flight->m, flight->policy_host, got_addresses, flight, &flight->addresses);
  if (err) {
    fetch_failed(flight, err, "");
  } else {
    flight->asking_addresses = true;
  }
}

/* ---- the record ---- */

static bool is_held(const struct flight *flight, const char *id) { return life_is_held(&flight->entry, id, now(flight)); }

static void decide_with_record(struct flight *flight) {
  struct mts_entry *entry = &flight->entry;
  bool same = life_policy_holds(entry, now(flight)) && strcmp(entry->id, flight->record.id) == 0;
  if (flight->want == FLIGHT_FETCH) {
    get_policy(flight);
  } else if (same && !life_refresh_is_due(entry, now(flight)) && !is_held(flight, entry->id)) {
    NOTE(flight, "policy", MTS_OK, "the id has not changed");
    life_confirmed(entry, now(flight));
    finish(flight, true);
  } else if (is_held(flight, flight->record.id)) {
    NOTE(flight, "https", MTS_ERR_HTTPS_HELD, "the last fetch of id %s failed, the next is not before %lld s from now",
         flight->record.id, (long long)(entry->retry_at - now(flight)));
    life_held(entry, now(flight));
    finish(flight, true);
  } else {
    get_policy(flight);
  }
}

static void decide_without_record(struct flight *flight) {
  struct mts_entry *entry = &flight->entry;
  /* RFC 8461 10.2: a cached policy is refreshed regardless of the state of the record, lest blocking DNS let it run out. */
  bool due = flight->want == FLIGHT_FETCH || (life_refresh_is_due(entry, now(flight)) && !is_held(flight, entry->id));
  if (life_policy_holds(entry, now(flight)) && due) {
    get_policy(flight);
  } else {
    finish(flight, true);
  }
}

static void no_record(struct flight *flight, enum mts_err err, uint32_t ttl_s, const char *detail) {
  NOTE(flight, "record", err, "%s%s%s", mts_err_message(err), detail[0] ? ": " : "", detail);
  life_no_record(&flight->entry, now(flight), err, ttl_s, detail);
  decide_without_record(flight);
}

static void got_record(void *arg, const struct mts_dns_answer *answer) {
  struct flight *flight = arg;
  flight->job = NULL;
  if (answer->err == MTS_ERR_DNS_NODATA || answer->err == MTS_ERR_DNS_NXDOMAIN) {
    NOTE(flight, "txt", answer->err, "_mta-sts.%s: %s", flight->entry.domain, mts_err_message(answer->err));
    no_record(flight, MTS_ERR_RECORD_NONE, answer->ttl_s, "");
    return;
  }
  if (answer->err) {
    NOTE(flight, "txt", answer->err, "_mta-sts.%s: %s", flight->entry.domain,
         answer->detail[0] ? answer->detail : mts_err_message(answer->err));
    no_record(flight, answer->err, 0, answer->detail);
    return;
  }
  NOTE(flight, "txt", MTS_OK, "_mta-sts.%s: %zu record%s, TTL %u s%s%s", flight->entry.domain, answer->count,
       answer->count == 1 ? "" : "s", answer->ttl_s, answer->cname_count ? ", by CNAME from " : "",
       answer->cname_count ? answer->canonical : "");
  struct mts_span texts[MTS_DNS_MAX_RECORDS];
  size_t count = answer->count < MTS_DNS_MAX_RECORDS ? answer->count : MTS_DNS_MAX_RECORDS;
  for (size_t i = 0; i < count; i++) texts[i] = answer->records[i].u.txt;
  enum mts_err err = mts_record_select(texts, count, &flight->record, NULL);
  if (err) {
    char text[160] = "";
    if (count == 1) mts_text_clean(text, sizeof text, texts[0]);
    no_record(flight, err, answer->ttl_s, text);
    return;
  }
  flight->has_record = true;
  NOTE(flight, "record", MTS_OK, "id %s", flight->record.id);
  life_record(&flight->entry, now(flight), answer->ttl_s);
  decide_with_record(flight);
}

static void ask_record(struct flight *flight) {
  flight->has_record = false;
  char name[MTS_NAME_SIZE];
  if ((size_t)snprintf(name, sizeof name, "_mta-sts.%s", flight->entry.domain) >= sizeof name) {
    no_record(flight, MTS_ERR_RECORD_NONE, LIFE_ABSENT_MOST_S, "the name of the record would be too long");
    return;
  }
  enum mts_err err =
      net_of(flight)->ops->dns(net_of(flight), name, MTS_RR_TXT, flight->m->dns_deadline_ms, got_record, flight, &flight->job);
  if (err) no_record(flight, err, 0, "");
}

/* ---- the lease ---- */

static void renew_lease(void *arg) {
  struct flight *flight = arg;
  flight->renewal = NULL;
  cache_lease(flight->m, flight->entry.domain, flight->owner, LEASE_MS);
  net_of(flight)->ops->timer(net_of(flight), LEASE_RENEW_MS, renew_lease, flight, &flight->renewal);
}

static void wait_for_lease(struct flight *flight) {
  context_cancel(flight->m, &flight->renewal);
  if (!flight->queued) {
    flight->queued = true;
    flight->queued_since_s = now(flight);
    flight->poll_ms = LEASE_POLL_LEAST_MS;
  }
  enum mts_err err = net_of(flight)->ops->timer(net_of(flight), flight->poll_ms, take_lease, flight, &flight->job);
  if (flight->poll_ms < LEASE_POLL_MOST_MS) flight->poll_ms += flight->poll_ms / 2;
  if (err) finish(flight, false);
}

static bool take_from_store(const struct flight *flight, struct mts_entry *entry) {
  struct mts_entry found = {0};
  enum mts_from from;
  if (!flight->m->has_store || cache_get(flight->m, flight->entry.domain, true, &found, &from) != MTS_OK) {
    mts_entry_clear(&found);
    return false;
  }
  mts_entry_clear(entry);
  *entry = found; /* the reference moves */
  return true;
}

/* Another process may have looked while we came here or waited. */
static bool is_answered_meanwhile(struct flight *flight) {
  struct mts_entry *entry = &flight->entry;
  if (!take_from_store(flight, entry)) return false;
  if (flight->want == FLIGHT_DUE) return !life_is_due(entry, now(flight));
  return flight->queued && (entry->checked_at >= flight->queued_since_s || entry->failed_at >= flight->queued_since_s);
}

static void take_lease(void *arg) {
  struct flight *flight = arg;
  flight->job = NULL;
  flight->leased = cache_lease(flight->m, flight->entry.domain, flight->owner, LEASE_MS);
  if (!flight->leased) {
    wait_for_lease(flight);
    return;
  }
  if (flight->queued) NOTE(flight, "lease", MTS_OK, "another process was asking the network already");
  if (is_answered_meanwhile(flight)) {
    NOTE(flight, "store", MTS_OK, "another process has the answer");
    finish(flight, false);
    return;
  }
  if (flight->m->has_store) net_of(flight)->ops->timer(net_of(flight), LEASE_RENEW_MS, renew_lease, flight, &flight->renewal);
  ask_record(flight);
}

/* ---- joining and leaving ---- */

static struct flight *find(struct mts *m, const char *domain) {
  for (struct flight *flight = m->flights; flight; flight = flight->next) {
    if (strcmp(flight->entry.domain, domain) == 0) return flight;
  }
  return NULL;
}

static enum mts_err start(struct mts *m, const struct mts_entry *known, enum flight_want want, struct flight **started) {
  enum mts_err err = context_net(m);
  if (err) return err;
  struct flight *flight = calloc(1, sizeof *flight);
  if (!flight) return MTS_ERR_NO_MEMORY;
  flight->m = m;
  flight->want = want;
  flight->base_ms = flight->step_ms = mono(flight);
  /* The address tells apart contexts of one process that start in the same millisecond, and processes of equal number. */
  snprintf(flight->owner, sizeof flight->owner, "%ld.%llu.%llu.%llx", (long)m->pid, (unsigned long long)++m->next_owner,
           (unsigned long long)mts_clock_now_ms(&m->clock), (unsigned long long)(uintptr_t)flight);
  err = mts_entry_copy(known, &flight->entry);
  /* The first step waits for the loop's next turn, so that nobody is called back before join has returned. */
  if (!err) err = m->net->ops->timer(m->net, 0, take_lease, flight, &flight->job);
  if (err) {
    release(flight);
    return err;
  }
  context_begin(m, &flight->work, drop);
  flight->next = m->flights;
  m->flights = flight;
  *started = flight;
  return MTS_OK;
}

enum mts_err flight_join(struct mts *m, const struct mts_entry *known, enum flight_want want, struct flight_waiter *waiter) {
  struct flight *flight = find(m, known->domain);
  if (!flight) {
    enum mts_err err = start(m, known, want, &flight);
    if (err) return err;
  } else if (flight->want < want) {
    flight->want = want;
  }
  if (waiter) {
    waiter->flight = flight;
    waiter->next = flight->waiters;
    flight->waiters = waiter;
  }
  return MTS_OK;
}

void flight_leave(struct flight_waiter *waiter) {
  if (!waiter->flight) return;
  struct flight_waiter **place = &waiter->flight->waiters;
  while (*place != waiter) place = &(*place)->next;
  *place = waiter->next;
  waiter->flight = NULL;
}

void flight_note_overdue(struct flight_waiter *waiter, struct mts_entry *entry) {
  struct flight *flight = waiter->flight;
  if (mts_entry_copy(&flight->entry, entry) != MTS_OK) return;
  /* Another process may be asking: what it has found meanwhile is not to be undone by what we knew before. */
  if (!flight->leased && take_from_store(flight, entry) && !life_is_due(entry, now(flight))) return;
  if (flight->fetching || flight->asking_addresses) {
    flight->overdue = true;
    const char *id = flight->has_record ? flight->record.id : entry->id;
    life_fetch_failed(entry, now(flight), id, MTS_ERR_HTTPS_DEADLINE, "while mail waited", flight->m->retry_s);
  } else {
    life_no_record(entry, now(flight), MTS_ERR_DNS_TIMEOUT, 0, "while mail waited");
  }
  cache_put(flight->m, entry);
}
