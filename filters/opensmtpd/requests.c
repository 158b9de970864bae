/* SPDX-License-Identifier: ISC
 * The way of a request: the rules, then, of rcpt-to, the policy and the mail hosts of the recipient's domain, then the answer. */
#include "requests.h"

#include <event2/event.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/spares.h"

#define RECIPIENT_SIZE 1024    /* no address is that long */
#define WATCHDOG_SLACK_MS 2000 /* an answer later than its deadline by this much will not come any more */
#define HOSTS_FAILED_MS 15000  /* where they were not found, only so long: DNS may be back */
#define HOSTS_AGAIN_MS 60000   /* so long a domain's MX hosts are not asked for again, if they were found */

struct requests {
  struct requests_config config;
  size_t waiting;
  struct request *first;                  /* ring without a head; the fresh ones come first */
  struct request *unasked, *unasked_last; /* those whose rules are to be asked, in the order in which they came */
  int64_t now_ms;                         /* about, while fresh ones are worked off */
  struct request *spare;                  /* of SPARE_ROOM, to serve again */
  int spare_count;
};

struct request {
  struct requests *requests;
  struct request *previous, *next, *next_unasked;
  struct filter_line line;
  struct rules_call *call;
  struct mts_lookup *lookup;
  struct event *watchdog;
  bool fresh;                    /* not settled yet */
  bool in_line;                  /* the rules are still to be asked */
  bool in_background;            /* it was answered, and a lookup goes on */
  enum filter_decision decision; /* so far */
  struct request_story story;
  int64_t began_ms;
  /* Not zeroed from here on. */
  char session[FILTER_ID_MAX + 1], token[FILTER_ID_MAX + 1];
  char domain[MTS_NAME_SIZE];
  size_t room;
  char recipient[]; /* of room bytes */
};

#define SETTLE_MS 2 /* or until the kernel's clock ticks: slow rules do not hold up the answers of others for longer */
#define SPARE_MOST 16
#define SPARE_ROOM 128 /* nearly every recipient fits */

static struct request *take_block(struct requests *requests, size_t room) {
  struct request *block = requests->spare;
  if (room > SPARE_ROOM || !block) {
    if (room < SPARE_ROOM) room = SPARE_ROOM;
    block = malloc(sizeof *block + room);
    if (block) block->room = room;
  } else {
    requests->spare = block->next;
    requests->spare_count--;
  }
  return block;
}

static void put_block_by(struct requests *requests, struct request *block) {
  if (block->room != SPARE_ROOM || requests->spare_count >= mts_spares(SPARE_MOST)) {
    free(block);
    return;
  }
  block->next = requests->spare;
  requests->spare = block;
  requests->spare_count++;
}

/* ---- its end ---- */

static void release(struct request *request) {
  struct requests *requests = request->requests;
  rules_cancel(&request->call);
  mts_lookup_cancel(&request->lookup);
  if (request->watchdog) event_free(request->watchdog);
  if (request->previous) request->previous->next = request->next;
  if (request->next) request->next->previous = request->previous;
  if (requests->first == request) requests->first = request->next;
  requests->waiting--;
  put_block_by(requests, request);
}

static void say(struct request *request, enum filter_decision decision, const char *text) {
  const struct requests_config *config = &request->requests->config;
  config->answer(config->arg, &request->line, decision, text, &request->story);
}

static void answer(struct request *request, enum filter_decision decision, const char *text) {
  if (!request->in_background) say(request, decision, text);
  release(request);
}

/* Whatever went wrong within: the client must not wait for ever. */
static void overdue(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct request *request = arg;
  request->story.overdue = true;
  if (!request->in_background)
    mts_log_seldom(request->requests->config.log, MTS_LOG_WARNING, "overdue", NULL, "%s proceeds after its deadline: %s",
                   filter_phase_name(request->line.phase), request->call ? "a rule still waits" : "a lookup does not end");
  answer(request, request->decision, NULL);
}

/* From now on, its deadline. false: nobody would end it. */
static bool watch(struct request *request) {
  const struct requests_config *config = &request->requests->config;
  uint32_t ms = config->deadline_ms + WATCHDOG_SLACK_MS;
  const struct timeval patience = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};
  if (!request->watchdog) request->watchdog = evtimer_new(config->base, overdue, request);
  return request->watchdog && event_add(request->watchdog, &patience) == 0;
}

/* ---- the domain ---- */

/* Those that come together need not all look at the clock. */
static int64_t now_ms(const struct request *request) { return request->fresh ? request->requests->now_ms : mts_clock_coarse_ms(); }

static uint32_t left_ms(const struct request *request) {
  int64_t left = request->requests->config.deadline_ms - (now_ms(request) - request->began_ms);
  return left > 1 ? (uint32_t)left : 1;
}

/* When the answer is known at once, the request is gone when this returns. false: it will not come to an answer. */
static bool look_up(struct request *request, enum mts_depth depth, mts_lookup_fn found) {
  struct mts_lookup *lookup = NULL;
  const struct mts_lookup_opts opts = {.depth = depth,
                                       .freshness = MTS_USE_CACHED,
                                       .deadline_ms = left_ms(request),
                                       .no_rules = depth == MTS_DEPTH_HOSTS, /* they were asked about the policy */
                                       .no_trace = true,
                                       .stored_hosts = true};
  struct mts *m = rules_context(request->requests->config.rules);
  if (mts_lookup_start(m, request->recipient, &opts, found, request, &lookup)) return false;
  if (lookup) request->lookup = lookup;
  return true;
}

/* What an MX lookup found lies in the store now, for the table. */
static void hosts_found(void *arg, enum mts_err err, struct mts_answer *result) {
  struct request *request = arg;
  request->lookup = NULL;
  int64_t now = now_ms(request);
  bool known = !err && result->hosts_known && result->host_count;
  if (known) recent_note(request->requests->config.recent, request->domain, now)->hosts_until_ms = now + HOSTS_AGAIN_MS;
  mts_answer_free(&result);
  answer(request, request->decision, NULL);
}

/* result: until the answer. */
static void tell(struct request *request, const struct mts_answer *result) {
  struct mts_log *log = request->requests->config.log;
  request->story.looked_up = result->domain;
  request->story.action = result->action;
  if (mts_log_wants(log, MTS_LOG_INFO)) mts_log_write(log, MTS_LOG_INFO, result->domain, "%s", mts_action_name(result->action));
}

/* Where the policy was fetched just now, DNS works, and the MX hosts are worth waiting for. Where it was known, mail does not wait for DNS
 * at all. */
static void find_hosts(struct request *request, bool worth_waiting) {
  memccpy(request->domain, request->story.looked_up, 0, sizeof request->domain);
  request->story.looked_up = request->domain;
  if (!worth_waiting) {
    say(request, request->decision, NULL);
    request->in_background = true;
  }
  /* Still watched: a rule may hold the lookup up, and the request has a place that others may need. */
  bool watched = worth_waiting || watch(request);
  if (!watched || !look_up(request, MTS_DEPTH_HOSTS, hosts_found)) answer(request, request->decision, NULL);
}

static void policy_found(void *arg, enum mts_err err, struct mts_answer *result) {
  struct request *request = arg;
  bool more = false, fetched = false;
  request->lookup = NULL;
  if (err) {
    mts_log_write(request->requests->config.log, MTS_LOG_ERROR, NULL, "a lookup failed: %s", mts_err_message(err));
  } else {
    tell(request, result);
    int64_t now = now_ms(request);
    struct recent_domain *recent = recent_note(request->requests->config.recent, result->domain, now);
    more = result->mode != MTS_MODE_NONE && now >= recent->hosts_until_ms;
    fetched = result->from == MTS_FROM_NETWORK;
    if (more) recent->hosts_until_ms = now + HOSTS_FAILED_MS; /* others need not ask meanwhile, nor soon if it fails */
  }
  if (more)
    find_hosts(request, fetched);
  else
    answer(request, request->decision, NULL);
  mts_answer_free(&result);
}

static void go_on(struct request *request) {
  bool ours = request->line.phase == FILTER_PHASE_RCPT_TO && request->recipient[0];
  /* What is no domain, or no memory: smtpd's own rules and the table decide. */
  if (!ours || !look_up(request, MTS_DEPTH_POLICY, policy_found)) answer(request, request->decision, NULL);
}

/* ---- the rules ---- */

static void decided(void *arg, const struct phase_decision *made) {
  struct request *request = arg;
  request->call = NULL;
  request->story.hook_failed = made->failed;
  request->story.hook = made->opinion ? made->hook : 0;
  if (made->opinion) request->decision = made->decision;
  switch (request->decision) {
    case FILTER_PROCEED:
    case FILTER_JUNK:
      go_on(request);
      break;
    case FILTER_REJECT:
    case FILTER_DISCONNECT:
      answer(request, request->decision, made->text);
      break;
  }
}

/* What a hook is about: the last field. Of connect it is the address, behind the name. */
static struct mts_span value_of(const struct filter_line *line) {
  struct mts_span rest = line->rest, name;
  bool bare = line->phase == FILTER_PHASE_DATA || line->phase == FILTER_PHASE_COMMIT || line->phase == FILTER_PHASE_QUIT;
  if (bare) return mts_span(NULL, 0);
  if (line->phase == FILTER_PHASE_CONNECT && filter_field(&rest, &name) && !rest.p) rest = name;
  return rest;
}

static void ask(struct request *request) {
  const struct requests_config *config = &request->requests->config;
  request->in_line = false;
  struct session *session = sessions_find(config->sessions, request->line.session);
  if (phases_ask(config->rules, &request->line, session, value_of(&request->line), decided, request, &request->call))
    go_on(request);
}

/* ---- its beginning ---- */

static void keep(char to[FILTER_ID_MAX + 1], struct mts_span *id) {
  memcpy(to, id->p, id->n);
  to[id->n] = 0;
  *id = mts_span(to, id->n);
}

static struct request *make(struct requests *requests, const struct filter_line *line) {
  struct mts_span to = line->rest;
  bool fits = line->phase == FILTER_PHASE_RCPT_TO && to.n > 0 && to.n < RECIPIENT_SIZE && !memchr(to.p, 0, to.n);
  if (!fits) to.n = 0;
  struct request *made = requests->waiting < REQUESTS_WAITING_MAX ? take_block(requests, to.n + 1) : NULL;
  if (!made) return NULL;
  mts_bytes_clear(made, offsetof(struct request, session));
  made->requests = requests;
  made->fresh = true;
  made->line = *line;
  made->began_ms = requests->now_ms;
  if (to.n) memcpy(made->recipient, to.p, to.n);
  made->recipient[to.n] = 0;
  made->next = requests->first;
  if (requests->first) requests->first->previous = made;
  requests->first = made;
  requests->waiting++;
  return made;
}

/* It could not be answered at once. */
static void wait(struct request *request) {
  request->fresh = false;
  keep(request->session, &request->line.session); /* lent until now, as were the other parts */
  keep(request->token, &request->line.token);
  request->line.rest = request->line.key = request->line.value = mts_span(NULL, 0);
  if (!watch(request)) answer(request, request->decision, NULL);
}

void requests_take(struct requests *requests, const struct filter_line *line) {
  requests->now_ms = mts_clock_coarse_ms();
  struct request *request = make(requests, line);
  if (!request) {
    const struct request_story story = {0};
    mts_log_seldom(requests->config.log, MTS_LOG_WARNING, "full", NULL, "too many sessions wait; further ones proceed at once");
    requests->config.answer(requests->config.arg, line, FILTER_PROCEED, NULL, &story);
    return;
  }
  if (!rules_want(requests->config.rules, line->phase)) {
    go_on(request);
    return;
  }
  request->in_line = true;
  if (requests->unasked)
    requests->unasked_last->next_unasked = request;
  else
    requests->unasked = request;
  requests->unasked_last = request;
}

static void ask_first(struct requests *requests) {
  struct request *request = requests->unasked;
  requests->unasked = request->next_unasked;
  ask(request);
}

void requests_ask(struct requests *requests) {
  while (requests->unasked) ask_first(requests);
}

bool requests_settle(struct requests *requests) {
  int64_t until_ms = mts_clock_coarse_ms() + SETTLE_MS;
  do {
    if (requests->unasked) ask_first(requests);
    requests->now_ms = mts_clock_coarse_ms();
  } while (requests->unasked && requests->now_ms < until_ms);
  rules_hand_on(requests->config.rules);
  for (struct request *request = requests->first, *next; request && request->fresh; request = next) {
    next = request->next;
    if (!request->in_line) wait(request);
  }
  return requests->unasked != NULL;
}

size_t requests_waiting(const struct requests *requests) { return requests->waiting; }

enum mts_err requests_new(const struct requests_config *config, struct requests **requests) {
  struct requests *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  made->config = *config;
  *requests = made;
  return MTS_OK;
}

void requests_free(struct requests **requests) {
  if (!*requests) return;
  while ((*requests)->first) release((*requests)->first);
  while ((*requests)->spare) {
    struct request *block = (*requests)->spare;
    (*requests)->spare = block->next;
    free(block);
  }
  free(*requests);
  *requests = NULL;
}
