/* SPDX-License-Identifier: ISC */
#include "policy_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "kept_answers.h"
#include "socketmap.h"
#include "tls_policy.h"

#define KEY_MAX 1024    /* no domain is that long */
#define KEPT_MS 3600000 /* whatever the TTL */
#define TROUBLE_MS 5000 /* what is told when DNS fails; each message of a queue asks again */

enum { MAP_POLICY, MAP_POLICY_TLSRPT };

struct policy_map {
  struct rules *rules;
  struct mts_log *log;
  struct metrics *metrics;
  bool dane;
  struct kept_answers *kept;
  int64_t looked_us, now_s; /* the time of day, for the requests that were read then */
};

/* ---- answers that are kept ---- */

static int64_t now_ms(const struct policy_map *map) { return mts_clock_about_mono_ms(&rules_context(map->rules)->clock); }

static bool same_policy(const struct mts_policy *a, const struct mts_policy *b) {
  if (a == b) return true;
  if (!a || !b || a->mode != b->mode || a->mx_count != b->mx_count || a->max_age_s != b->max_age_s) return false;
  for (size_t i = 0; i < a->mx_count; i++)
    if (strcmp(a->mx[i], b->mx[i]) != 0) return false;
  return true;
}

/* What a rule says is asked anew each time. */
static bool may_keep(const struct policy_map *map, const struct mts_answer *answer) {
  return answer->from != MTS_FROM_RULE && !rules_judge(map->rules);
}

/* What was made for the same policy, and took its hosts. */
static struct kept_answer *find_fitting(const struct policy_map *map, const struct mts_answer *answer, uint16_t port) {
  if (answer->mode != MTS_MODE_ENFORCE || !may_keep(map, answer)) return NULL;
  char key[KEPT_KEY_SIZE];
  struct kept_answer *kept = kept_answers_find(map->kept, kept_key(answer->domain, answer->smarthost, port, key));
  bool fits = kept && kept->policy && now_ms(map) < kept->until_ms && same_policy(kept->policy, answer->policy);
  return fits ? kept : NULL;
}

static enum mts_err make_reply(enum tls_policy kind, struct mts_span text, struct mts_buf *out) {
  static const enum socketmap_status statuses[] = {[TLS_POLICY_ENTRY] = SOCKETMAP_OK,
                                                   [TLS_POLICY_NONE] = SOCKETMAP_NOTFOUND,
                                                   [TLS_POLICY_TEMPORARY] = SOCKETMAP_TEMP,
                                                   [TLS_POLICY_ASK_HOSTS] = SOCKETMAP_NOTFOUND};
  return socketmap_reply(statuses[kind], text, out);
}

/* ttl_s: of what it was made of besides the policy. NULL: it is not kept. */
static struct kept_answer *keep(struct request *request, const struct mts_answer *answer, uint32_t ttl_s, enum tls_policy kind,
                                struct mts_span text) {
  struct policy_map *map = request->arg;
  int64_t ms = (int64_t)ttl_s * 1000;
  if (ms > KEPT_MS) ms = KEPT_MS;
  if (kind == TLS_POLICY_TEMPORARY) ms = TROUBLE_MS;
  struct mts_buf *reply = request_scratch(request);
  if (!ms || !may_keep(map, answer) || make_reply(kind, text, reply)) return NULL;
  char key[KEPT_KEY_SIZE];
  struct mts_span within = mts_span(reply->p + reply->n - 1 - text.n, text.n); /* before the comma */
  return kept_answers_keep(map->kept, kept_key(answer->domain, answer->smarthost, request->port, key), answer->policy, kind,
                           now_ms(map) + ms, mts_span(reply->p, reply->n), within);
}

/* From now on it leaves without a lookup, for as long as that would give the same answer. Not what the log has to tell of. */
static void rest_on(struct kept_answer *kept, const struct at_once *basis) {
  if (kept->kind == TLS_POLICY_TEMPORARY) return;
  kept->basis = *basis;
  if (kept->until_ms <= basis->until_ms) kept->basis.until_ms = kept->until_ms - 1;
}

/* ---- answers ---- */

static void reply(struct request *request, enum socketmap_status status, struct mts_span text, enum served served) {
  struct mts_buf *scratch = request_scratch(request);
  if (socketmap_reply(status, text, scratch))
    request_refuse(request, REFUSAL_MEMORY);
  else
    request_answer(request, mts_span(scratch->p, scratch->n), served);
}

static void not_found(struct request *request) { reply(request, SOCKETMAP_NOTFOUND, mts_span(NULL, 0), SERVED_NOT_FOUND); }

static enum served served_of(enum tls_policy kind) {
  return kind == TLS_POLICY_ENTRY ? SERVED_FOUND : kind == TLS_POLICY_TEMPORARY ? SERVED_TEMPORARY : SERVED_NOT_FOUND;
}

static void say(struct request *request, const struct mts_answer *answer, enum tls_policy kind, struct mts_span text) {
  struct policy_map *map = request->arg;
  struct mts_buf *scratch = request_scratch(request);
  if (kind == TLS_POLICY_TEMPORARY)
    mts_log_seldom(map->log, MTS_LOG_WARNING, answer->domain, answer->domain, "Postfix is told to try again later: %.*s",
                   (int)text.n, text.p);
  if (make_reply(kind, text, scratch))
    request_refuse(request, REFUSAL_MEMORY);
  else
    request_answer(request, mts_span(scratch->p, scratch->n), served_of(kind));
}

/* For Postfix 3.10, the policy itself with it. */
static void say_with_reports(struct request *request, const struct mts_answer *answer, struct mts_span text) {
  struct policy_map *map = request->arg;
  struct mts_buf whole = {.limit = TLS_POLICY_MAX};
  enum mts_err err = mts_buf_add(&whole, text.p, text.n);
  if (!err) tls_policy_add_tlsrpt(answer, mts_now(rules_context(map->rules)), &whole); /* without it mail goes all the same */
  if (err)
    request_refuse(request, REFUSAL_MEMORY);
  else
    say(request, answer, TLS_POLICY_ENTRY, mts_span(whole.p, whole.n));
  mts_buf_free(&whole);
}

static void conclude(struct request *request, const struct mts_answer *answer, enum tls_policy kind, struct mts_span text) {
  if (kind == TLS_POLICY_ENTRY && request->variant == MAP_POLICY_TLSRPT)
    say_with_reports(request, answer, text);
  else
    say(request, answer, kind, text);
}

/* ---- lookups ---- */

static void hosts_known(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct request *request = arg;
  struct policy_map *map = request->arg;
  request->lookup = NULL;
  struct mts_buf text = {.limit = TLS_POLICY_MAX};
  enum tls_policy kind = TLS_POLICY_TEMPORARY;
  if (!err) err = tls_policy_make(answer, true, map->dane, &text, &kind);
  if (!err) {
    if (kind != TLS_POLICY_NONE && answer->policy) keep(request, answer, answer->hosts_ttl_s, kind, mts_span(text.p, text.n));
    conclude(request, answer, kind, mts_span(text.p, text.n));
  } else {
    request_refuse(request, REFUSAL_MEMORY);
  }
  mts_buf_free(&text);
  mts_answer_free(&answer);
}

static void ask(struct request *request, const char *key, enum mts_depth depth, mts_lookup_fn done) {
  struct policy_map *map = request->arg;
  const struct mts_lookup_opts opts = {.depth = depth, .freshness = MTS_USE_CACHED, .port = request->port, .no_trace = true};
  struct mts_lookup *lookup = NULL;
  enum mts_err err = mts_lookup_start(rules_context(map->rules), key, &opts, done, request, &lookup);
  if (!err && depth == MTS_DEPTH_POLICY) metrics_lookup(map->metrics, !lookup);
  if (err == MTS_ERR_NO_MEMORY)
    request_refuse(request, REFUSAL_MEMORY);
  else if (err) /* what is no domain has no policy */
    not_found(request);
  else if (lookup)
    request->lookup = lookup; /* else it is over, and so may be the request */
}

static void ask_hosts(struct request *request, const struct mts_answer *answer) {
  char key[KEPT_KEY_SIZE];
  ask(request, kept_key(answer->domain, answer->smarthost, 0, key).p, MTS_DEPTH_HOSTS, hosts_known);
}

/* basis: what the answer hangs on; NULL: it took more than memory. */
static void decide(struct request *request, struct mts_answer *answer, const struct at_once *basis) {
  struct policy_map *map = request->arg;
  struct mts_buf text = {.limit = TLS_POLICY_MAX};
  enum tls_policy kind = TLS_POLICY_TEMPORARY;
  metrics_answer(map->metrics, answer->from);
  struct kept_answer *kept = find_fitting(map, answer, request->port);
  bool fits = kept, made = fits || tls_policy_make(answer, false, map->dane, &text, &kind) == MTS_OK;
  bool lasts = kind == TLS_POLICY_ENTRY || (kind == TLS_POLICY_NONE && basis);
  if (made && !fits && lasts) kept = keep(request, answer, UINT32_MAX, kind, mts_span(text.p, text.n));
  if (kept && basis) rest_on(kept, basis);
  if (!made)
    request_refuse(request, REFUSAL_MEMORY);
  else if (fits)
    conclude(request, answer, kept->kind, kept_text(kept));
  else if (kind == TLS_POLICY_ASK_HOSTS)
    ask_hosts(request, answer);
  else
    conclude(request, answer, kind, mts_span(text.p, text.n));
  mts_buf_free(&text);
  mts_answer_free(&answer);
}

static void policy_known(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct request *request = arg;
  request->lookup = NULL;
  if (err)
    request_refuse(request, REFUSAL_MEMORY);
  else
    decide(request, answer, NULL);
}

/* What an answer that needs no walk is asked with. */
static const struct mts_lookup_opts at_once = {.depth = MTS_DEPTH_POLICY, .freshness = MTS_USE_CACHED, .no_trace = true};

static void ask_policy(struct request *request, const char *key) {
  struct policy_map *map = request->arg;
  struct mts_destination to;
  struct at_once basis;
  struct mts_answer *answer;
  enum mts_err err = mts_destination_parse(mts_span_of(key), &to);
  if (err == MTS_ERR_NO_MEMORY) {
    request_refuse(request, REFUSAL_MEMORY);
    return;
  }
  if (err || to.kind == MTS_DEST_LITERAL) { /* what is no domain has no policy */
    not_found(request);
    return;
  }
  request->port = to.port; /* of a next hop, as in "[host]:587" */
  if (at_once_answer(rules_context(map->rules), &to, &at_once, &basis, &answer)) {
    metrics_lookup(map->metrics, true);
    decide(request, answer, &basis);
  } else {
    ask(request, key, MTS_DEPTH_POLICY, policy_known);
  }
}

/* The answer that is kept of this very request. false: there is none, or it does not count now. */
static bool say_kept(struct request *request, struct mts_span key) {
  struct policy_map *map = request->arg;
  const struct kept_answer *kept = kept_answers_find(map->kept, key);
  if (!kept || (request->variant == MAP_POLICY_TLSRPT && kept->kind == TLS_POLICY_ENTRY)) return false; /* policy_ttl changes */
  struct mts *m = rules_context(map->rules);
  if (map->looked_us != request->began_us) {
    map->looked_us = request->began_us;
    map->now_s = mts_clock_about_now_s(&m->clock);
  }
  if (!at_once_holds(m, &kept->basis, &at_once, request->began_us / 1000, map->now_s)) return false;
  metrics_lookup(map->metrics, true);
  metrics_answer(map->metrics, kept->policy ? MTS_FROM_MEMORY : MTS_FROM_NOTHING);
  request_answer(request, kept_reply(kept), served_of(kept->kind));
  return true;
}

static void serve(void *arg, struct request *request, struct mts_span text) {
  (void)arg;
  struct mts_span key;
  char copy[KEY_MAX];
  bool plain = socketmap_is_about(text, "policy", &key), reports = !plain && socketmap_is_about(text, "policy-tlsrpt", &key);
  if (!plain && !reports) {
    reply(request, SOCKETMAP_PERM, mts_span_of("there is no map of this name; there are: policy, policy-tlsrpt"), SERVED_ERROR);
    return;
  }
  request->variant = reports ? MAP_POLICY_TLSRPT : MAP_POLICY;
  if (say_kept(request, key)) return;
  /* Postfix asks for ".parent" where the domain is not found; a policy is of just one domain (RFC 8461 3.4). */
  if (key.n == 0 || key.n >= sizeof copy || key.p[0] == '.' || memchr(key.p, 0, key.n)) {
    not_found(request);
    return;
  }
  memcpy(copy, key.p, key.n);
  copy[key.n] = 0;
  ask_policy(request, copy);
}

static void refuse(enum refusal refusal, struct request *request, struct mts_buf *out) {
  (void)request;
  socketmap_reply(refusal == REFUSAL_BROKEN ? SOCKETMAP_PERM : SOCKETMAP_TEMP, mts_span_of(refusal_text(refusal)), out);
}

const struct service policy_map_service = {.name = "socketmap",
                                           .in_order = true,
                                           .request_most = SOCKETMAP_REQUEST_MAX + 16,
                                           .take = socketmap_take,
                                           .serve = serve,
                                           .refuse = refuse};

/* ---- beginning and end ---- */

enum mts_err policy_map_new(struct rules *rules, const struct mts_settings *settings, struct mts_log *log, struct metrics *metrics,
                            struct policy_map **map) {
  struct policy_map *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  made->rules = rules;
  made->log = log;
  made->metrics = metrics;
  made->dane = settings_choice(settings, SETTING_dnssec) != DNSSEC_CHOICE_OFF;
  enum mts_err err = kept_answers_new(settings_number(settings, SETTING_memory_entries), &made->kept);
  if (err) {
    free(made);
    return err;
  }
  *map = made;
  return MTS_OK;
}

void policy_map_free(struct policy_map **map) {
  struct policy_map *it = *map;
  if (!it) return;
  kept_answers_free(&it->kept);
  free(it);
  *map = NULL;
}
