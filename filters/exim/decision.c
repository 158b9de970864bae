/* SPDX-License-Identifier: ISC */
#include "decision.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy_text.h"
#include "resolve/cache.h"
#include "resolve/life.h"
#include "worker.h"
#include "worker_rules.h"

#define GRACE_MS 2000 /* for what comes around the lookup: processes, rules, the store */

struct question {
  const struct process *process;
  const char *domain;
};

/* ---- the answer as a text ---- */

static enum exim_result say(const struct mts_answer *answer, struct mts_buf *text) {
  if (answer->action != MTS_ACTION_DEFER) return policy_text(answer, text) == MTS_OK ? EXIM_OK : EXIM_FAIL;
  policy_text_why(answer, text);
  return EXIM_FAIL;
}

static enum exim_result no_memory(struct mts_buf *text) {
  mts_buf_reset(text);
  mts_buf_addf(text, "MTA-STS: out of memory");
  return EXIM_FAIL;
}

struct heard {
  struct mts_buf *text;
  enum exim_result result;
  bool came;
};

static void heard(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct heard *heard = arg;
  heard->came = true;
  heard->result = err ? no_memory(heard->text) : say(answer, heard->text);
  mts_answer_free(&answer);
}

/* false: the network has to be asked. */
static bool is_known(struct mts *m, const char *domain, bool *due) {
  struct mts_entry entry = {0};
  enum mts_from from;
  cache_get(m, domain, false, &entry, &from);
  *due = life_is_due(&entry, mts_now(m));
  bool known = !*due || life_policy_holds(&entry, mts_now(m));
  mts_entry_clear(&entry);
  return known;
}

/* From what is known, without rules. */
static enum exim_result from_cache(struct mts *m, const char *domain, struct mts_buf *text) {
  const struct mts_lookup_opts opts = {.freshness = MTS_CACHE_ONLY, .no_rules = true, .no_trace = true};
  struct heard answer = {.text = text};
  struct mts_lookup *lookup = NULL;
  enum mts_err err = mts_lookup_start(m, domain, &opts, heard, &answer, &lookup);
  mts_lookup_cancel(&lookup); /* it never waits */
  return err || !answer.came ? no_memory(text) : answer.result;
}

/* ---- in a process of its own ---- */

static void answered(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct worker *worker = arg;
  struct mts_buf text = {.limit = POLICY_TEXT_MAX};
  enum exim_result result = err ? no_memory(&text) : say(answer, &text);
  mts_answer_free(&answer);
  worker_answer(worker, (int)result, text.p ? text.p : "", text.n);
  mts_buf_free(&text);
}

#define NOTHING_KNOWN (-1)

static void tell_known(struct worker *worker, void *arg) {
  const struct question *question = arg;
  struct mts_buf text = {.limit = POLICY_TEXT_MAX};
  bool due, known = is_known(question->process->m, question->domain, &due);
  int code = known ? (int)from_cache(question->process->m, question->domain, &text) : NOTHING_KNOWN;
  worker_answer(worker, code, text.p ? text.p : "", text.n);
  mts_buf_free(&text);
}

/* Many deliveries find the same work to do: one does it. The lookup takes the domain's own lease, so this is another name's. */
struct turn {
  char name[MTS_NAME_SIZE], owner[40];
};

/* A store that cannot take the lease could not take what is found, either. */
static bool take_turn(struct mts *m, const char *domain, uint32_t life_ms, struct turn *turn) {
  struct mts_store *store = cache_store(m);
  if (!store || (size_t)snprintf(turn->name, sizeof turn->name, "%s.invalid", domain) >= sizeof turn->name) return false;
  snprintf(turn->owner, sizeof turn->owner, "exim.%ld", (long)getpid());
  bool taken = false;
  int64_t held_until = 0, now = mts_clock_now_ms(&m->clock);
  return mts_store_lease(store, turn->name, turn->owner, now, now + life_ms, &taken, &held_until) == MTS_OK && taken;
}

static void end_turn(struct mts *m, const struct turn *turn) {
  if (m->store) mts_store_unlease(m->store, turn->name, turn->owner);
}

static struct worker_terms terms_of(const struct process *process) {
  const struct mts *m = process->m;
  return (struct worker_terms){.m = process->m,
                               .life_ms = m->mail_deadline_ms + m->fetch_deadline_ms + 2 * GRACE_MS,
                               .store = process->store[0] ? process->store : NULL};
}

static void look(const struct question *question, const struct mts_lookup_opts *opts) {
  struct mts *m = question->process->m;
  struct turn turn;
  if (!take_turn(m, question->domain, terms_of(question->process).life_ms, &turn)) return;
  struct mts_answer *answer = NULL;
  if (mts_lookup(m, question->domain, opts, &answer) == MTS_OK) mts_answer_free(&answer);
  while (mts_turn(m, -1)) continue;
  end_turn(m, &turn);
}

static void check(struct worker *worker, void *arg) {
  (void)worker;
  const struct mts_lookup_opts opts = {.freshness = MTS_CHECK_DUE, .no_rules = true, .no_trace = true};
  look(arg, &opts);
}

static void look_up(struct worker *worker, void *arg) {
  const struct question *question = arg;
  struct mts *m = question->process->m;
  const struct mts_lookup_opts opts = {.freshness = MTS_USE_CACHED, .no_trace = true};
  bool due = false, ruled = rules_are_set(question->process);
  if (ruled && rules_look_up(question->process, question->domain, &opts, answered, worker)) return;
  if (is_known(m, question->domain, &due)) {
    tell_known(worker, arg);
    if (due && m->background) check(worker, arg);
    return;
  }
  struct mts_lookup *lookup = NULL;
  if (mts_lookup_start(m, question->domain, &opts, answered, worker, &lookup) == MTS_OK) {
    while (mts_turn(m, -1)) continue;
  }
}

/* A lookup of the hosts looks at the policy anew when it permits none of them. */
static void recheck(struct worker *worker, void *arg) {
  (void)worker;
  const struct mts_lookup_opts opts = {.depth = MTS_DEPTH_HOSTS, .no_rules = true, .no_trace = true};
  look(arg, &opts);
}

static void leave_to_itself(const struct process *process, worker_fn work, const char *domain) {
  struct question question = {.process = process, .domain = domain};
  const struct worker_terms terms = terms_of(process);
  worker_run(work, &question, &terms, NULL);
}

void decision_recheck(const struct process *process, const char *domain) { leave_to_itself(process, recheck, domain); }

/* ---- here ---- */

static enum exim_result take(struct worker_reply *reply, struct mts_buf *text) {
  enum mts_err err = mts_buf_add(text, reply->text, reply->n);
  free(reply->text);
  return err ? no_memory(text) : (enum exim_result)reply->code;
}

static const char *const ends[] = {[WORKER_DIED] = "its process died",
                                   [WORKER_LATE] = "its process did not answer in time",
                                   [WORKER_NOT_STARTED] = "no process could be started for it"};

/* What is known holds. Else mail waits: this machine is in trouble, for now, and that is no reason to do without a policy. */
static enum exim_result do_without(const struct question *question, enum worker_end end, struct mts_buf *text) {
  const struct process *process = question->process;
  struct mts *m = process->m;
  bool due;
  mts_log_write(m->log, MTS_LOG_ERROR, question->domain, "the lookup failed, %s; what the store has is used", ends[end]);
  if (worker_leaves_root(process->store)) {
    struct question copy = *question;
    struct worker_terms terms = terms_of(process);
    struct worker_reply reply = {0};
    terms.answer_ms = GRACE_MS;
    if (worker_run(tell_known, &copy, &terms, &reply) == WORKER_ANSWERED) {
      if (reply.code != NOTHING_KNOWN) return take(&reply, text);
      free(reply.text);
    }
  } else if (is_known(m, question->domain, &due)) {
    return from_cache(m, question->domain, text);
  }
  mts_buf_addf(text, "MTA-STS: whether %s has a policy is not known: %s", question->domain, ends[end]);
  return EXIM_FAIL;
}

static enum exim_result ask(const struct process *process, const char *domain, struct mts_buf *text) {
  struct question question = {.process = process, .domain = domain};
  struct worker_terms terms = terms_of(process);
  terms.answer_ms = process->m->mail_deadline_ms + GRACE_MS;
  struct worker_reply reply = {0};
  enum worker_end end = worker_run(look_up, &question, &terms, &reply);
  return end == WORKER_ANSWERED ? take(&reply, text) : do_without(&question, end, text);
}

enum exim_result decision_make(const struct process *process, const char *domain, struct mts_buf *text) {
  struct mts_destination destination;
  enum mts_err err = mts_destination_parse(mts_span_of(domain), &destination);
  if (err == MTS_ERR_NO_MEMORY) return no_memory(text);
  /* RFC 8461 3.4: no policy for an address; and what is no domain Exim will say itself. */
  if (err || destination.kind == MTS_DEST_LITERAL) return mts_buf_addf(text, "mode=none") ? no_memory(text) : EXIM_OK;
  bool due = false;
  bool elsewhere = rules_are_set(process) || worker_leaves_root(process->store);
  if (elsewhere || !is_known(process->m, destination.domain, &due)) return ask(process, destination.domain, text);
  enum exim_result result = from_cache(process->m, destination.domain, text);
  if (due && process->m->background) leave_to_itself(process, check, destination.domain);
  return result;
}
