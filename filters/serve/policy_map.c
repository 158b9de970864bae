/* SPDX-License-Identifier: ISC */
#include "policy_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "resolve/context.h"
#include "socketmap.h"
#include "tls_policy.h"

#define KEY_MAX 1024  /* no domain is that long */
#define KEPT_LEAST 64 /* entries for enforce, for as long as DNS allows */
#define KEPT_MOST 65536
#define KEPT_MS 3600000 /* whatever the TTL */
#define TROUBLE_MS 5000 /* what is told when DNS fails; each message of a queue asks again */

enum { MAP_POLICY, MAP_POLICY_TLSRPT };

struct kept {
  struct mts_policy *policy; /* it was made for */
  int64_t until_ms;
  enum tls_policy kind;
  uint16_t port;
  bool smarthost;
  size_t domain_n, text_n;
  char texts[]; /* domain, NUL, text, NUL */
};

struct policy_map {
  struct rules *rules;
  struct mts_log *log;
  struct metrics *metrics;
  bool dane;
  size_t kept_mask;
  struct kept **kept; /* by a hash of the domain; a newer one takes the place */
};

/* ---- entries that are kept ---- */

static const char *kept_text(const struct kept *kept) { return kept->texts + kept->domain_n + 1; }

static struct kept **place_of(const struct policy_map *map, const char *domain) {
  return &map->kept[mts_span_hash(mts_span_of(domain)) & map->kept_mask];
}

static bool same_policy(const struct mts_policy *a, const struct mts_policy *b) {
  if (a == b) return true;
  if (a->mode != b->mode || a->mx_count != b->mx_count || a->max_age_s != b->max_age_s) return false;
  for (size_t i = 0; i < a->mx_count; i++)
    if (strcmp(a->mx[i], b->mx[i]) != 0) return false;
  return true;
}

/* What a rule says is asked anew each time. */
static bool may_keep(const struct policy_map *map, const struct mts_answer *answer) {
  return map->kept && answer->policy && answer->from != MTS_FROM_RULE && !rules_judge(map->rules);
}

static const struct kept *find_kept(const struct policy_map *map, const struct mts_answer *answer, uint16_t port) {
  if (!may_keep(map, answer)) return NULL;
  const struct kept *kept = *place_of(map, answer->domain);
  bool fits = kept && kept->port == port && kept->smarthost == answer->smarthost && strcmp(kept->texts, answer->domain) == 0 &&
              mts_clock_coarse_ms() < kept->until_ms && same_policy(kept->policy, answer->policy);
  return fits ? kept : NULL;
}

static void free_kept(struct kept **kept) {
  if (*kept) mts_policy_free(&(*kept)->policy);
  free(*kept);
  *kept = NULL;
}

/* ttl_s: of what it was made of besides the policy. */
static void keep(struct policy_map *map, const struct mts_answer *answer, uint16_t port, uint32_t ttl_s, enum tls_policy kind,
                 const struct mts_buf *text) {
  int64_t ms = (int64_t)ttl_s * 1000;
  if (ms > KEPT_MS) ms = KEPT_MS;
  if (kind == TLS_POLICY_TEMPORARY) ms = TROUBLE_MS;
  if (!ms || !may_keep(map, answer)) return;
  size_t domain_n = strlen(answer->domain);
  struct kept *made = malloc(sizeof *made + domain_n + 1 + text->n + 1);
  if (!made) return;
  *made = (struct kept){.policy = mts_policy_ref((struct mts_policy *)(uintptr_t)answer->policy),
                        .until_ms = mts_clock_coarse_ms() + ms,
                        .kind = kind,
                        .port = port,
                        .smarthost = answer->smarthost,
                        .domain_n = domain_n,
                        .text_n = text->n};
  memcpy(made->texts, answer->domain, domain_n + 1);
  memcpy(made->texts + domain_n + 1, text->p, text->n + 1);
  struct kept **place = place_of(map, answer->domain);
  free_kept(place);
  *place = made;
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

static void say(struct request *request, const struct mts_answer *answer, enum tls_policy kind, struct mts_span text) {
  struct policy_map *map = request->arg;
  switch (kind) {
    case TLS_POLICY_ENTRY:
      reply(request, SOCKETMAP_OK, text, SERVED_FOUND);
      break;
    case TLS_POLICY_NONE:
    case TLS_POLICY_ASK_HOSTS:
      not_found(request);
      break;
    case TLS_POLICY_TEMPORARY:
      mts_log_seldom(map->log, MTS_LOG_WARNING, answer->domain, answer->domain, "Postfix is told to try again later: %.*s",
                     (int)text.n, text.p);
      reply(request, SOCKETMAP_TEMP, text, SERVED_TEMPORARY);
      break;
  }
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
    if (kind != TLS_POLICY_NONE) keep(map, answer, request->port, answer->hosts_ttl_s, kind, &text);
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
  char key[MTS_NAME_SIZE + 3];
  mts_text_format(key, sizeof key, answer->smarthost ? "[%s]" : "%s", answer->domain);
  ask(request, key, MTS_DEPTH_HOSTS, hosts_known);
}

static void say_and_keep(struct request *request, const struct mts_answer *answer, enum tls_policy kind,
                         const struct mts_buf *text) {
  if (kind == TLS_POLICY_ENTRY) keep(request->arg, answer, request->port, UINT32_MAX, kind, text);
  conclude(request, answer, kind, mts_span(text->p, text->n));
}

static void policy_known(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct request *request = arg;
  struct policy_map *map = request->arg;
  request->lookup = NULL;
  struct mts_buf text = {.limit = TLS_POLICY_MAX};
  enum tls_policy kind = TLS_POLICY_TEMPORARY;
  if (!err) metrics_answer(map->metrics, answer);
  const struct kept *kept = err || answer->mode != MTS_MODE_ENFORCE ? NULL : find_kept(map, answer, request->port);
  if (kept)
    conclude(request, answer, kept->kind, mts_span(kept_text(kept), kept->text_n));
  else if (err || tls_policy_make(answer, false, map->dane, &text, &kind))
    request_refuse(request, REFUSAL_MEMORY);
  else if (kind == TLS_POLICY_ASK_HOSTS)
    ask_hosts(request, answer);
  else
    say_and_keep(request, answer, kind, &text);
  mts_buf_free(&text);
  mts_answer_free(&answer);
}

/* Of a next hop, as in "[host]:587"; 0: none is named. */
static uint16_t port_of(const char *key) {
  struct mts_destination destination;
  if (!strchr(key, ':') || mts_destination_parse(mts_span_of(key), &destination)) return 0;
  return destination.port;
}

static void serve(void *arg, struct request *request, struct mts_span text) {
  (void)arg;
  struct mts_span name, key;
  char copy[KEY_MAX];
  bool whole = socketmap_split(text, &name, &key);
  bool plain = whole && mts_span_equals(name, "policy"), reports = whole && mts_span_equals(name, "policy-tlsrpt");
  if (!plain && !reports) {
    reply(request, SOCKETMAP_PERM, mts_span_of("there is no map of this name; there are: policy, policy-tlsrpt"), SERVED_ERROR);
    return;
  }
  /* Postfix asks for ".parent" where the domain is not found; a policy is of just one domain (RFC 8461 3.4). */
  if (key.n == 0 || key.n >= sizeof copy || key.p[0] == '.' || memchr(key.p, 0, key.n)) {
    not_found(request);
    return;
  }
  memcpy(copy, key.p, key.n);
  copy[key.n] = 0;
  request->variant = reports ? MAP_POLICY_TLSRPT : MAP_POLICY;
  request->port = port_of(copy);
  ask(request, copy, MTS_DEPTH_POLICY, policy_known);
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
  size_t count = KEPT_LEAST, wanted = settings_number(settings, SETTING_memory_entries);
  while (count < 2 * wanted && count < KEPT_MOST) count *= 2; /* so that few have to share a place */
  made->rules = rules;
  made->log = log;
  made->metrics = metrics;
  made->dane = settings_choice(settings, SETTING_dnssec) != DNSSEC_CHOICE_OFF;
  made->kept_mask = count - 1;
  made->kept = wanted ? calloc(count, sizeof *made->kept) : NULL;
  *map = made;
  return MTS_OK;
}

void policy_map_free(struct policy_map **map) {
  struct policy_map *it = *map;
  if (!it) return;
  for (size_t i = 0; it->kept && i <= it->kept_mask; i++) free_kept(&it->kept[i]);
  free(it->kept);
  free(it);
  *map = NULL;
}
