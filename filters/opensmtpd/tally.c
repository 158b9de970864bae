/* SPDX-License-Identifier: ISC */
#include "tally.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/name.h"
#include "outcome.h"
#include "resolve/cache.h"
#include "verify.h"

#define LOOKUPS_MOST 64     /* for hosts, at once; beyond that a session counts without its host */
#define BUSY_PAUSE_MS 30000 /* a store that others hold would make all sessions wait with us */

struct tally {
  struct mts *m;
  struct mts_log *log;
  const struct recent *recent;
  tally_fn show, counted;
  void *arg, *counted_arg;
  struct verify *verify;
  struct entry *first; /* that wait for a lookup; ring without a head */
  size_t lookups;
  int64_t paused_until_ms;
  uint64_t lost; /* while paused, or while the store was in trouble */
};

/* One session for one domain, on its way to the store. */
struct entry {
  struct tally *tally;
  struct entry *previous, *next;
  struct mts_lookup *lookup; /* of its hosts */
  char domain[MTS_NAME_SIZE], mx[MTS_NAME_SIZE];
  char address[MTS_ADDRESS_SIZE], source[MTS_ADDRESS_SIZE], helo[MTS_NAME_SIZE];
  char reason[160];
  struct mts_policy *policy; /* owned; NULL: none applies */
  enum mts_err err;
};

static int64_t mono(void) { return mts_clock_mono_ms(&mts_clock_real); }

enum mts_err tally_new(struct mts *m, struct mts_log *log, const struct recent *recent, tally_fn show, void *arg,
                       struct tally **tally) {
  struct tally *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  *made = (struct tally){.m = m, .log = log, .recent = recent, .show = show, .arg = arg};
  enum mts_err err = verify_new(m, &made->verify);
  if (err) {
    free(made);
    return err;
  }
  *tally = made;
  return MTS_OK;
}

void tally_on_counted(struct tally *tally, tally_fn counted, void *arg) {
  tally->counted = counted;
  tally->counted_arg = arg;
}

static void end_lookup(struct entry *entry) {
  struct tally *tally = entry->tally;
  mts_lookup_cancel(&entry->lookup);
  if (entry->previous) entry->previous->next = entry->next;
  if (entry->next) entry->next->previous = entry->previous;
  if (tally->first == entry) tally->first = entry->next;
  entry->previous = entry->next = NULL;
  tally->lookups--;
}

static void release(struct entry *entry) {
  mts_policy_free(&entry->policy);
  free(entry);
}

void tally_free(struct tally **tally) {
  if (!*tally) return;
  while ((*tally)->first) {
    struct entry *entry = (*tally)->first;
    end_lookup(entry);
    release(entry);
  }
  verify_free(&(*tally)->verify);
  free(*tally);
  *tally = NULL;
}

/* ---- counting ---- */

static void store(struct tally *tally, const struct mts_session *session) {
  if (mono() < tally->paused_until_ms) {
    tally->lost++;
    return;
  }
  enum mts_err err = mts_session_record(tally->m, session); /* says itself what is wrong with the store */
  if (!err && tally->lost)
    mts_log_write(tally->log, MTS_LOG_WARNING, NULL, "%llu sessions were not counted", (unsigned long long)tally->lost);
  if (!err) tally->lost = 0;
  if (!err && tally->counted) tally->counted(tally->counted_arg, session);
  if (!err || err == MTS_ERR_STORE_NONE) return;
  tally->lost++;
  if (err == MTS_ERR_STORE_BUSY) tally->paused_until_ms = mono() + BUSY_PAUSE_MS;
}

static void count(struct entry *entry) {
  struct tally *tally = entry->tally;
  const struct mts_session session = {.domain = entry->domain,
                                      .type = entry->policy ? MTS_POLICY_TYPE_STS : MTS_POLICY_TYPE_NONE,
                                      .policy = entry->policy,
                                      .mx = entry->mx,
                                      .address = entry->address,
                                      .source = entry->source,
                                      .helo = entry->helo,
                                      .err = entry->err,
                                      .reason = entry->reason};
  outcome_log(entry->tally->log, &session, entry->helo);
  if (tally->show)
    tally->show(tally->arg, &session);
  else
    store(tally, &session);
  release(entry);
}

/* ---- what smtpd does not say ---- */

static void verified(void *arg, enum mts_err err, const char *detail) {
  struct entry *entry = arg;
  bool told = err == MTS_OK || mts_err_result_type(err) != NULL;
  if (entry->err == MTS_OK && !told) { /* mail went well, and how the certificate is cannot be told */
    mts_log_write(entry->tally->log, MTS_LOG_INFO, entry->domain,
                  "session with %s [%s] is not counted, its certificate is not known: %s", entry->mx, entry->address,
                  mts_err_message(err));
    release(entry);
    return;
  }
  if (err && told) {
    entry->err = err;
    memccpy(entry->reason, detail, 0, sizeof entry->reason - 1);
  } else if (entry->err && err == MTS_OK) {
    memccpy(entry->reason, "a probe after it went well", 0, sizeof entry->reason - 1);
  }
  count(entry);
}

/* Under enforce mail goes only where smtpd has verified; under testing it goes anyhow. */
static void judge(struct entry *entry) {
  const struct mts_policy *policy = entry->policy;
  bool knows_host = entry->mx[0] != 0;
  if (policy && knows_host && entry->err == MTS_OK && !mts_policy_permits(policy, entry->mx)) {
    entry->err = MTS_ERR_MX_UNMATCHED;
    memccpy(entry->reason, "the MX is not in the policy", 0, sizeof entry->reason - 1);
  }
  bool unverified = policy && policy->mode == MTS_MODE_TESTING && entry->err == MTS_OK;
  bool unexplained = policy && entry->err == MTS_ERR_TLS_HANDSHAKE;
  if (knows_host && (unverified || unexplained) && !entry->tally->show)
    verify_host(entry->tally->verify, entry->mx, entry->address, verified, entry);
  else
    count(entry);
}

/* ---- policy and host ---- */

static void choose_host(struct entry *entry, const struct mts_host *hosts, size_t count) {
  for (size_t i = 0; i < count && !entry->mx[0]; i++) {
    for (size_t a = 0; a < hosts[i].address_count; a++) {
      if (strcmp(hosts[i].addresses[a], entry->address) == 0) memccpy(entry->mx, hosts[i].name, 0, sizeof entry->mx);
    }
  }
}

static void hosts_found(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct entry *entry = arg;
  entry->lookup = NULL;
  end_lookup(entry);
  if (!err) choose_host(entry, answer->hosts, answer->host_count);
  mts_answer_free(&answer);
  judge(entry);
}

/* false: it is not known, and will not be looked up. */
static bool look_for_host(struct entry *entry) {
  struct tally *tally = entry->tally;
  if (!entry->policy || tally->show || tally->lookups >= LOOKUPS_MOST) return false;
  const struct mts_lookup_opts opts = {.depth = MTS_DEPTH_HOSTS, .freshness = MTS_USE_CACHED, .no_rules = true};
  entry->next = tally->first;
  if (tally->first) tally->first->previous = entry;
  tally->first = entry;
  tally->lookups++;
  struct mts_lookup *lookup = NULL;
  if (mts_lookup_start(tally->m, entry->domain, &opts, hosts_found, entry, &lookup)) {
    end_lookup(entry);
    return false;
  }
  if (lookup) entry->lookup = lookup; /* NULL: the entry is gone */
  return true;
}

static void find_host(struct entry *entry) {
  struct mts_store_hosts hosts = {0};
  struct mts_store *store = cache_store(entry->tally->m);
  if (store && mts_store_hosts_get(store, entry->domain, &hosts) == MTS_OK) {
    choose_host(entry, hosts.list, hosts.count);
    mts_store_hosts_clear(&hosts);
  }
  if (entry->mx[0] || !look_for_host(entry)) judge(entry);
}

/* ---- whose session was it? ---- */

#define SUSPECTS_MAX 64

struct suspects {
  size_t count;
  char domain[SUSPECTS_MAX][MTS_NAME_SIZE];
};

static bool suspect(void *arg, const char *domain, const char *host, int64_t learned_at) {
  (void)host;
  (void)learned_at;
  struct suspects *suspects = arg;
  /* One domain, however many names it has for that address, leaves room for others. Its hosts come one after the other. */
  if (suspects->count && strcmp(suspects->domain[suspects->count - 1], domain) == 0) return true;
  memccpy(suspects->domain[suspects->count++], domain, 0, MTS_NAME_SIZE);
  return suspects->count < SUSPECTS_MAX;
}

static bool guess_domain(const struct tally *tally, const char *address, char domain[MTS_NAME_SIZE]) {
  struct suspects *suspects = calloc(1, sizeof *suspects);
  struct mts_store *store = cache_store(tally->m);
  int64_t best = -1;
  if (suspects && store) mts_store_hosts_of_address(store, address, suspect, suspects);
  for (size_t i = 0; suspects && i < suspects->count; i++) {
    struct mts_policy *policy = outcome_policy(tally->m, suspects->domain[i]);
    int64_t weight = recent_asked_ms(tally->recent, suspects->domain[i]) + (policy ? INT64_MAX / 2 : 0);
    mts_policy_free(&policy);
    if (weight <= best) continue;
    best = weight;
    memcpy(domain, suspects->domain[i], MTS_NAME_SIZE);
  }
  free(suspects);
  return best >= 0;
}

static bool find_domain(const struct tally *tally, const struct outgoing_outcome *outcome, char domain[MTS_NAME_SIZE]) {
  struct mts_destination destination;
  if (!outcome->domain) return guess_domain(tally, outcome->address, domain);
  if (mts_destination_parse(mts_span_of(outcome->domain), &destination) || destination.kind == MTS_DEST_LITERAL) return false;
  memcpy(domain, destination.domain, MTS_NAME_SIZE);
  return true;
}

void tally_outcome(struct tally *tally, const struct outgoing_outcome *outcome) {
  struct entry *entry = calloc(1, sizeof *entry);
  if (!entry) return;
  entry->tally = tally;
  entry->err = outcome->err;
  memccpy(entry->address, outcome->address, 0, sizeof entry->address - 1);
  memccpy(entry->source, outcome->source, 0, sizeof entry->source - 1);
  memccpy(entry->helo, outcome->helo, 0, sizeof entry->helo - 1);
  memccpy(entry->reason, outcome->reason, 0, sizeof entry->reason - 1);
  if (!find_domain(tally, outcome, entry->domain)) {
    mts_log_write(tally->log, MTS_LOG_INFO, NULL, "session with %s [%s]: %s; for which domain it was is not known", entry->helo,
                  entry->address, entry->err ? mts_err_message(entry->err) : "TLS");
    release(entry);
    return;
  }
  entry->policy = outcome_policy(tally->m, entry->domain);
  find_host(entry);
}
