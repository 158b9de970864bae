/* SPDX-License-Identifier: ISC */
#include "service.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "relays.h"
#include "resolve/context.h"
#include "slow.h"

#define LEAST_PROBE_MS 200 /* with less time left no further host is checked */

struct service {
  struct mts *m;
  const struct mts_clock *clock;
  uint32_t deadline_ms;
  service_fn done;
  void *arg;
  struct relays *relays;
  struct mts_lookup *lookup;
  struct mts_probe *probe;
  struct relay *relay; /* that is being checked */
  size_t checking;
  int64_t began_ms;
  char domain[MTS_NAME_SIZE]; /* normalised */
  enum table_service question;
  struct slow slow;
  struct slow_answer slowly; /* how the same question was answered, when it took long a short while ago */
};

enum mts_err service_new(struct mts *m, const struct mts_clock *clock, uint32_t deadline_ms, service_fn done, void *arg,
                         struct service **service) {
  struct service *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  *made = (struct service){.m = m, .clock = clock, .deadline_ms = deadline_ms, .done = done, .arg = arg};
  enum mts_err err = relays_new(&made->relays);
  if (err) {
    free(made);
    return err;
  }
  *service = made;
  return MTS_OK;
}

void service_cancel(struct service *service) {
  mts_lookup_cancel(&service->lookup);
  mts_probe_cancel(&service->probe);
}

void service_free(struct service **service) {
  struct service *it = *service;
  if (!it) return;
  service_cancel(it);
  relays_free(&it->relays);
  free(it);
  *service = NULL;
}

static int64_t mono(const struct service *service) { return mts_clock_mono_ms(service->clock); }

/* url: of a relay that was found. err: why it is an error. */
static void finish(struct service *service, enum table_result result, enum mts_err err, const char *url) {
  struct slow_answer answer = {.service = service->question, .result = result, .err = err};
  memcpy(answer.domain, service->domain, sizeof answer.domain);
  slow_note(&service->slow, &answer, service->began_ms, mono(service));
  service->done(service->arg, result, result == TABLE_ERROR ? mts_err_message(err) : url);
}

static void fail(struct service *service, enum mts_err err) { finish(service, TABLE_ERROR, err, NULL); }

static bool is_name_error(enum mts_err err) {
  return err == MTS_ERR_NAME_EMPTY || err == MTS_ERR_NAME_SYNTAX || err == MTS_ERR_NAME_LONG || err == MTS_ERR_NAME_LITERAL;
}

static void ask(struct service *service, const char *domain, enum mts_depth depth, mts_lookup_fn done) {
  /* What took long is not waited for again at once: perhaps it is known by now, else the answer is what it was. */
  const struct mts_lookup_opts opts = {.depth = depth,
                                       .freshness = service->slowly.until_ms ? MTS_CACHE_ONLY : MTS_USE_CACHED,
                                       .deadline_ms = service->deadline_ms,
                                       .stored_hosts = true};
  struct mts_lookup *lookup = NULL;
  enum mts_err err = mts_lookup_start(service->m, domain, &opts, done, service, &lookup);
  if (!err) {
    service->lookup = lookup; /* NULL when it is over already; then no further question was begun within */
  } else if (is_name_error(err) && depth == MTS_DEPTH_POLICY) {
    finish(service, TABLE_NOT_FOUND, MTS_OK, NULL); /* what is no domain has no policy: the next rule decides */
  } else {
    fail(service, err);
  }
}

/* ---- domain ---- */

/* The deadline passed and nothing is known: the network goes on, and the next time there is an answer. */
static bool is_undecided(const struct mts_answer *answer) {
  if (answer->policy || answer->from == MTS_FROM_RULE) return false;
  for (size_t i = 0; i < answer->step_count; i++) {
    if (answer->trace[i].err == MTS_ERR_DEADLINE && strcmp(answer->trace[i].what, "deadline") == 0) return true;
  }
  return false;
}

static enum table_result judge(const struct mts_answer *answer, enum mts_err *why) {
  if (is_undecided(answer)) {
    *why = MTS_ERR_DEADLINE;
    return TABLE_ERROR;
  }
  switch (answer->action) {
    case MTS_ACTION_DELIVER:
    case MTS_ACTION_RECORD:
      return TABLE_NOT_FOUND;
    case MTS_ACTION_REQUIRE:
      return TABLE_FOUND;
    case MTS_ACTION_DEFER:
      break;
  }
  *why = answer->refresh_error.err;
  return answer->mode == MTS_MODE_ENFORCE ? TABLE_FOUND : TABLE_ERROR;
}

static void policy_known(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct service *service = arg;
  service->lookup = NULL;
  if (err) {
    fail(service, err);
    return;
  }
  enum mts_err why = MTS_OK;
  enum table_result result = judge(answer, &why);
  if (service->slowly.until_ms && !answer->policy && answer->from != MTS_FROM_RULE) {
    result = service->slowly.result;
    why = service->slowly.err;
  }
  mts_answer_free(&answer);
  finish(service, result, why, NULL);
}

/* A question begins. Errors: NAME_*. */
static enum mts_err begin(struct service *service, enum table_service question, const char *domain) {
  struct mts_destination destination;
  service->began_ms = mono(service);
  service->question = question;
  service->domain[0] = 0;
  service->slowly.until_ms = 0;
  enum mts_err err = mts_destination_parse(mts_span_of(domain), &destination);
  if (!err && destination.kind == MTS_DEST_LITERAL) err = MTS_ERR_NAME_LITERAL;
  if (err) return err;
  memcpy(service->domain, destination.domain, sizeof service->domain);
  service->slowly = slow_find(&service->slow, service->domain, question, service->began_ms);
  return MTS_OK;
}

void service_domain(struct service *service, const char *domain) {
  begin(service, TABLE_SERVICE_DOMAIN, domain); /* what is no domain is found out again, and said, by the lookup */
  ask(service, domain, MTS_DEPTH_POLICY, policy_known);
}

/* ---- relayhost ---- */

static void answer_relay(struct service *service, struct relay *relay) {
  char url[MTS_NAME_SIZE + 16];
  mts_text_format(url, sizeof url, "smtp+tls://%s", relay->host[relay->current]);
  relay_answered(relay, mono(service));
  finish(service, TABLE_FOUND, MTS_OK, url);
}

static void check_next(struct service *service);

static void checked(struct service *service, bool passed) {
  if (!passed) {
    service->checking++;
    check_next(service);
    return;
  }
  relay_checked(service->relay, service->checking, mono(service));
  answer_relay(service, service->relay);
}

static void probed(void *arg, enum mts_err err, const struct mts_tls *tls) {
  struct service *service = arg;
  service->probe = NULL;
  checked(service, !err && !tls->err);
}

static void check_next(struct service *service) {
  int64_t left = service->deadline_ms - (mono(service) - service->began_ms);
  struct relay *relay = service->relay;
  if (service->checking >= relay->count || left < LEAST_PROBE_MS) {
    relay_checked(relay, relay->count, mono(service));
    answer_relay(service, relay);
    return;
  }
  /* Each host gets its share of the time, so that one that hangs does not hide those after it. */
  int64_t share = left / (int64_t)(relay->count - service->checking);
  const struct mts_probe_opts opts = {.deadline_ms = (uint32_t)(share < LEAST_PROBE_MS ? LEAST_PROBE_MS : share)};
  struct mts_probe *probe = NULL;
  if (mts_probe_start(service->m, relay->host[service->checking], &opts, probed, service, &probe))
    checked(service, false);
  else
    service->probe = probe;
}

static void use_relay(struct service *service, struct relay *relay) {
  if (!relay_needs_check(relay, mono(service))) {
    answer_relay(service, relay);
    return;
  }
  service->relay = relay;
  service->checking = 0;
  check_next(service);
}

/* OpenSMTPD does no DANE, so the policy judges each host, also where TLSA records would guard it (RFC 8461 2). Where no enforce
 * policy applies any more each host will do: smtpd's rule was chosen while one did, and still asks for verified TLS. */
static bool usable(const struct mts_answer *answer, const struct mts_host *host) {
  if (host->err == MTS_ERR_MX_ADDRESS) return false;
  return answer->mode != MTS_MODE_ENFORCE || host->permitted;
}

/* smtpd will not even connect, so nobody else can count it (RFC 8460 4.3.2.2). */
static void count_unmatched(const struct service *service, const struct mts_answer *answer) {
  bool wanted = settings_bool(service->m->settings, SETTING_count_sessions);
  if (!wanted || !answer->policy || answer->from == MTS_FROM_RULE) return;
  const struct mts_session session = {.domain = answer->domain,
                                      .type = MTS_POLICY_TYPE_STS,
                                      .policy = answer->policy,
                                      .mx = answer->hosts[0].name,
                                      .err = MTS_ERR_MX_UNMATCHED,
                                      .reason = "the MX is not in the policy"};
  mts_session_record(service->m, &session);
}

static void hosts_known(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct service *service = arg;
  service->lookup = NULL;
  if (err) {
    fail(service, err);
    return;
  }
  const char *hosts[RELAY_HOSTS_MAX] = {0};
  size_t count = 0;
  for (size_t i = 0; i < answer->host_count && count < RELAY_HOSTS_MAX; i++) {
    if (usable(answer, &answer->hosts[i])) hosts[count++] = answer->hosts[i].name;
  }
  enum mts_err why = MTS_OK;
  if (is_undecided(answer)) {
    why = MTS_ERR_DEADLINE;
  } else if (!answer->hosts_known) {
    why = answer->hosts_err ? answer->hosts_err : MTS_ERR_DNS_NETWORK;
  } else if (count == 0) {
    why = answer->hosts_err                            ? answer->hosts_err
          : answer->host_count && answer->hosts[0].err ? answer->hosts[0].err
                                                       : MTS_ERR_MX_UNMATCHED;
  }
  if (why && service->slowly.until_ms) why = service->slowly.err;
  if (why == MTS_ERR_MX_UNMATCHED && answer->host_count) count_unmatched(service, answer);
  struct relay *relay = why ? NULL : relays_put(service->relays, service->domain, hosts, count, mono(service));
  mts_answer_free(&answer);
  if (relay)
    use_relay(service, relay);
  else
    fail(service, why ? why : MTS_ERR_NO_MEMORY);
}

void service_relayhost(struct service *service, const char *domain) {
  enum mts_err err = begin(service, TABLE_SERVICE_RELAYHOST, domain);
  if (err) {
    fail(service, err);
    return;
  }
  struct relay *relay = relays_find(service->relays, service->domain, service->began_ms);
  if (relay)
    use_relay(service, relay);
  else
    ask(service, domain, MTS_DEPTH_HOSTS, hosts_known);
}
