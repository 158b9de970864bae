/* SPDX-License-Identifier: ISC
 * The walk of one lookup: destination, cache, live policy, rule, hosts, verdict, rule, one callback. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "resolve/answer.h"
#include "resolve/cache.h"
#include "resolve/flight.h"
#include "resolve/hosts.h"
#include "resolve/life.h"
#include "resolve/repeats.h"
#include "resolve/trace.h"

struct mts_lookup {
  struct work work; /* first */
  struct flight_waiter waiter;
  struct mts *m;
  struct mts_lookup_opts opts;
  mts_lookup_fn done;
  void *arg;

  struct mts_entry entry;
  enum mts_from from;
  struct mts_answer *answer;
  struct trace trace;
  int64_t base_ms, step_ms;
  struct mts_job *deadline;
  struct hosts_walk *hosts;
  enum mts_hook rule; /* that is being asked */
  bool rule_waits;

  bool fetched;      /* the policy came from the network in this lookup */
  bool rechecked;    /* the id was checked again because enforce failed everywhere */
  bool stored;       /* the hosts come from the store, and DNS was not asked yet */
  bool late;         /* the deadline passed: no more network */
  enum mts_err mute; /* no name server answered just now: MTS_OK, DNS_TIMEOUT, DNS_NETWORK */
  bool has_opinion;
  struct mts_opinion opinion;
  bool *ended; /* told when the lookup ends while it is being started */
};

static void apply(struct mts_lookup *lookup, int64_t now_s);
static void judge(struct mts_lookup *lookup);
static void finish(struct mts_lookup *lookup);

static int64_t mono(const struct mts_lookup *lookup) { return mts_clock_mono_ms(&lookup->m->clock); }
static int64_t now(const struct mts_lookup *lookup) { return mts_clock_now_s(&lookup->m->clock); }

#define NOTE(lookup, what, err, ...)                                                                    \
  do {                                                                                                  \
    if ((lookup)->trace.off) break;                                                                     \
    int64_t note_ms = mono(lookup);                                                                     \
    trace_add(&(lookup)->trace, what, err, (lookup)->base_ms, (lookup)->step_ms, note_ms, __VA_ARGS__); \
    (lookup)->step_ms = note_ms;                                                                        \
  } while (0)

/* ---- the live policy ---- */

static void landed(struct flight_waiter *waiter, const struct flight_outcome *outcome) {
  struct mts_lookup *lookup = waiter->arg;
  struct mts_entry entry = {0};
  trace_append(&lookup->trace, outcome->trace, outcome->base_ms - lookup->base_ms);
  lookup->step_ms = mono(lookup);
  if (mts_entry_copy(outcome->entry, &entry) == MTS_OK) {
    mts_entry_clear(&lookup->entry);
    lookup->entry = entry;
  }
  lookup->fetched = outcome->fetched;
  if (lookup->entry.err == MTS_ERR_DNS_TIMEOUT || lookup->entry.err == MTS_ERR_DNS_NETWORK) lookup->mute = lookup->entry.err;
  lookup->from = outcome->fetched ? MTS_FROM_NETWORK : lookup->from == MTS_FROM_NOTHING ? MTS_FROM_STORE : lookup->from;
  apply(lookup, now(lookup));
}

static void too_late(void *arg) {
  struct mts_lookup *lookup = arg;
  lookup->deadline = NULL;
  lookup->late = true;
  if (lookup->rule_waits) return; /* what the rule itself waits for has deadlines of its own */
  NOTE(lookup, "deadline", MTS_ERR_DEADLINE, "mail waits no longer; the network goes on in the background");
  if (lookup->waiter.flight) {
    struct mts_entry overdue = {0};
    flight_note_overdue(&lookup->waiter, &overdue);
    if (overdue.domain[0]) {
      mts_entry_clear(&lookup->entry);
      lookup->entry = overdue;
    }
    flight_leave(&lookup->waiter);
    apply(lookup, now(lookup));
  } else if (lookup->hosts) {
    hosts_give_up(&lookup->hosts, MTS_ERR_DNS_TIMEOUT);
    lookup->answer->hosts_err = MTS_ERR_DEADLINE;
    judge(lookup);
  }
}

static void set_deadline(struct mts_lookup *lookup) {
  struct mts *m = lookup->m;
  if (lookup->deadline || lookup->late || !m->net) return;
  uint32_t ms = lookup->opts.deadline_ms ? lookup->opts.deadline_ms : m->mail_deadline_ms;
  if (!lookup->opts.deadline_ms && lookup->opts.depth == MTS_DEPTH_TLS) ms += m->probe_deadline_ms;
  int64_t left = ms - (mono(lookup) - lookup->base_ms);
  m->net->ops->timer(m->net, left > 0 ? (uint32_t)left : 0, too_late, lookup, &lookup->deadline);
}

static void look(struct mts_lookup *lookup, enum flight_want want) {
  lookup->waiter.done = landed;
  lookup->waiter.arg = lookup;
  enum mts_err err = flight_join(lookup->m, &lookup->entry, want, &lookup->waiter);
  if (!err) {
    set_deadline(lookup);
    return;
  }
  NOTE(lookup, "network", err, "%s", mts_err_message(err));
  lookup->entry.err = err;
  lookup->entry.failed_at = now(lookup);
  apply(lookup, lookup->entry.failed_at);
}

static void begin(struct mts_lookup *lookup) {
  struct mts *m = lookup->m;
  const struct mts_entry *entry = &lookup->entry;
  int64_t now_s = now(lookup);
  bool holds = life_policy_holds(entry, now_s), due = life_is_due(entry, now_s);
  switch (lookup->opts.freshness) {
    case MTS_CHECK_ALWAYS:
      look(lookup, FLIGHT_FETCH);
      return;
    case MTS_CHECK_DUE:
      break;
    case MTS_USE_CACHED:
      /* RFC 8461 5.1: an unexpired policy is used at once, the check goes on in the background. */
      if (holds && due && m->background) flight_join(m, entry, FLIGHT_DUE, NULL);
      if (holds) due = false;
      break;
    case MTS_CACHE_ONLY:
      due = false;
      break;
  }
  if (due) {
    look(lookup, FLIGHT_DUE);
  } else {
    apply(lookup, now_s);
  }
}

/* ---- rules ---- */

static void take_opinion(struct mts_lookup *lookup, const struct mts_opinion *opinion) {
  lookup->has_opinion = true;
  lookup->opinion = *opinion;
  NOTE(lookup, "rule", MTS_OK, "treat as %s: %s", mts_mode_name(opinion->mode), opinion->reason);
}

static void find_hosts(struct mts_lookup *lookup);

static void after_rule(struct mts_lookup *lookup) {
  if (lookup->rule == MTS_HOOK_POLICY) {
    find_hosts(lookup);
  } else {
    if (lookup->has_opinion)
      judge(lookup);
    else
      finish(lookup);
  }
}

static void ask_rule(struct mts_lookup *lookup, enum mts_hook rule) {
  struct mts *m = lookup->m;
  lookup->rule = rule;
  if (!m->hook || lookup->opts.no_rules || lookup->has_opinion) {
    if (rule == MTS_HOOK_POLICY)
      find_hosts(lookup);
    else
      finish(lookup);
    return;
  }
  struct mts_opinion opinion = {0};
  switch (m->hook(m->hook_arg, rule, lookup, lookup->answer, &opinion)) {
    case MTS_HOOK_WAITS:
      lookup->rule_waits = true;
      return;
    case MTS_HOOK_OPINION:
      take_opinion(lookup, &opinion);
      break;
    case MTS_HOOK_NO_OPINION:
      break;
  }
  after_rule(lookup);
}

void mts_lookup_resume(struct mts_lookup *lookup, const struct mts_opinion *opinion) {
  if (!lookup->rule_waits) return;
  lookup->rule_waits = false;
  lookup->step_ms = mono(lookup);
  if (opinion) take_opinion(lookup, opinion);
  after_rule(lookup);
}

/* ---- policy, hosts, verdict ---- */

static void apply(struct mts_lookup *lookup, int64_t now_s) {
  answer_take_policy(lookup->answer, &lookup->entry, lookup->from, now_s);
  if (lookup->rechecked) {
    judge(lookup);
  } else {
    ask_rule(lookup, MTS_HOOK_POLICY);
  }
}

static void hosts_found(void *arg) {
  struct mts_lookup *lookup = arg;
  lookup->hosts = NULL;
  lookup->step_ms = mono(lookup);
  judge(lookup);
}

static bool take_stored_hosts(struct mts_lookup *lookup) {
  const struct mts_lookup_opts *opts = &lookup->opts;
  struct mts_answer *answer = lookup->answer;
  int64_t age_s = 0;
  if (!opts->stored_hosts || opts->depth != MTS_DEPTH_HOSTS || answer->smarthost) return false;
  lookup->stored = stored_hosts_take(lookup->m, answer, &age_s);
  if (lookup->stored)
    NOTE(lookup, "mx", MTS_OK, "%zu host%s from the store, learned from DNS %lld s ago", answer->host_count,
         answer->host_count == 1 ? "" : "s", (long long)age_s);
  return lookup->stored;
}

static void ask_hosts(struct mts_lookup *lookup) {
  /* Where every name server has just been silent, asking them for the MX would only double the wait. */
  enum mts_err err = lookup->late ? MTS_ERR_DEADLINE : lookup->mute;
  if (!err) {
    err = hosts_start(lookup->m, lookup->answer, lookup->opts.depth == MTS_DEPTH_TLS, lookup->opts.port, &lookup->trace,
                      lookup->base_ms, hosts_found, lookup, &lookup->hosts);
  }
  if (err) {
    lookup->answer->hosts_err = err;
    judge(lookup);
  } else {
    set_deadline(lookup);
  }
}

static void find_hosts(struct mts_lookup *lookup) {
  if (lookup->opts.depth == MTS_DEPTH_POLICY || take_stored_hosts(lookup) || lookup->opts.freshness == MTS_CACHE_ONLY) {
    judge(lookup);
  } else {
    ask_hosts(lookup);
  }
}

/* The hosts may have moved since they were stored: no mail waits because of what is old. */
static void ask_hosts_anew(struct mts_lookup *lookup) {
  lookup->stored = false;
  answer_drop_hosts(lookup->answer);
  NOTE(lookup, "mx", MTS_OK, "no stored host may be used");
  if (lookup->opts.freshness == MTS_CACHE_ONLY)
    judge(lookup);
  else
    ask_hosts(lookup);
}

static void decide(struct mts_lookup *lookup) {
  struct mts_answer *answer = lookup->answer;
  bool applies = answer->policy != NULL;
  if (lookup->has_opinion) {
    applies = true;
    answer->mode = lookup->opinion.mode;
    answer->from = MTS_FROM_RULE;
    answer->exception_until = lookup->opinion.until;
    memccpy(answer->reason, lookup->opinion.reason, 0, sizeof answer->reason);
  }
  hosts_judge(answer, applies, answer->mode);
  answer->action = answer_action(lookup->m, answer, applies, lookup->entry.err);
}

static void judge(struct mts_lookup *lookup) {
  decide(lookup);
  bool all_fail = lookup->answer->action == MTS_ACTION_DEFER && lookup->answer->mode == MTS_MODE_ENFORCE;
  bool may_be_stale = !lookup->fetched && !lookup->rechecked && !lookup->has_opinion && !lookup->late;
  if (all_fail && lookup->stored) {
    ask_hosts_anew(lookup);
    return;
  }
  if (all_fail && may_be_stale) {
    /* RFC 8461 5: before mail fails under enforce, see whether there is a new policy. */
    lookup->rechecked = true;
    NOTE(lookup, "recheck", MTS_OK, "no host may be used under the cached policy; looking for a new one");
    look(lookup, FLIGHT_CHECK);
    return;
  }
  if (lookup->has_opinion && lookup->rule == MTS_HOOK_VERDICT) {
    finish(lookup);
  } else {
    ask_rule(lookup, MTS_HOOK_VERDICT);
  }
}

/* ---- beginning and end ---- */

static void release(struct mts_lookup *lookup) {
  mts_policy_free(&lookup->entry.policy);
  trace_free(&lookup->trace);
  mts_answer_free(&lookup->answer);
  free(lookup);
}

static void let_go(struct mts_lookup *lookup) {
  flight_leave(&lookup->waiter);
  hosts_cancel(&lookup->hosts);
  context_cancel(lookup->m, &lookup->deadline);
}

static void finish(struct mts_lookup *lookup) {
  struct mts_answer *answer = lookup->answer;
  NOTE(lookup, "verdict", MTS_OK, "%s", mts_action_name(answer->action));
  answer->trace = lookup->trace.steps;
  answer->step_count = lookup->trace.count;
  lookup->trace = (struct trace){0};
  lookup->answer = NULL;
  if (mts_log_wants(lookup->m->log, MTS_LOG_DEBUG)) {
    mts_log_write(lookup->m->log, MTS_LOG_DEBUG, answer->domain, "decision: %s, mode %s", mts_action_name(answer->action),
                  mts_mode_name(answer->mode));
  }
  if (lookup->ended) *lookup->ended = true;
  mts_lookup_fn done = lookup->done;
  void *arg = lookup->arg;
  context_end(&lookup->work);
  let_go(lookup);
  release(lookup);
  done(arg, MTS_OK, answer);
}

static void drop(struct work *work) {
  struct mts_lookup *lookup = (struct mts_lookup *)work;
  if (lookup->rule_waits && lookup->m->hook_cancelled) lookup->m->hook_cancelled(lookup->m->hook_arg, lookup);
  let_go(lookup);
  release(lookup);
}

static void note_cache(struct mts_lookup *lookup) {
  const struct mts_entry *entry = &lookup->entry;
  if (lookup->trace.off) return;
  const char *place = lookup->from == MTS_FROM_MEMORY ? "memory" : "store";
  if (life_policy_holds(entry, now(lookup))) {
    NOTE(lookup, place, MTS_OK, "%s, id %s, expires in %lld s", mts_mode_name(entry->policy->mode), entry->id,
         (long long)(entry->expires_at - now(lookup)));
  } else if (entry->policy) {
    NOTE(lookup, place, MTS_OK, "the policy has expired");
  } else if (lookup->from == MTS_FROM_NOTHING) {
    NOTE(lookup, place, MTS_OK, "nothing known");
  } else {
    NOTE(lookup, place, entry->err, "%s", mts_err_message(entry->err));
  }
}

/* found NULL: it has to be walked to, from parsed. */
static enum mts_err find_at_once(struct mts *m, struct mts_span destination, const struct mts_lookup_opts *opts,
                                 struct mts_destination *parsed, struct mts_answer **found) {
  struct at_once basis;
  *found = repeats_find(m, destination, opts);
  if (*found) return MTS_OK;
  enum mts_err err = mts_destination_parse(destination, parsed);
  if (err) return err;
  if (parsed->kind == MTS_DEST_LITERAL) return MTS_ERR_NAME_LITERAL;
  if (at_once_answer(m, parsed, opts, &basis, found)) repeats_keep(m, destination, &basis, *found);
  return MTS_OK;
}

enum mts_err mts_lookup_start(struct mts *m, const char *destination, const struct mts_lookup_opts *opts, mts_lookup_fn done,
                              void *arg, struct mts_lookup **lookup) {
  context_after_fork(m);
  struct mts_destination parsed;
  struct mts_answer *found;
  enum mts_err err = find_at_once(m, mts_span_of(destination), opts, &parsed, &found);
  if (err) return err;
  if (found) {
    *lookup = NULL;
    done(arg, MTS_OK, found);
    return MTS_OK;
  }
  struct mts_lookup *made = malloc(sizeof *made); /* calloc is slower: it does not look into the thread's own cache */
  struct mts_answer *answer = malloc(sizeof *answer);
  if (!made || !answer) {
    free(made);
    free(answer);
    return MTS_ERR_NO_MEMORY;
  }
  bool ended = false;
  mts_bytes_clear(made, sizeof *made);
  mts_bytes_clear(answer, sizeof *answer);
  made->m = m;
  made->done = done;
  made->arg = arg;
  made->answer = answer;
  made->ended = &ended;
  if (opts) made->opts = *opts;
  made->trace.off = made->opts.no_trace;
  memccpy(answer->domain, parsed.domain, 0, sizeof answer->domain);
  answer->smarthost = parsed.kind == MTS_DEST_SMARTHOST;
  made->base_ms = made->step_ms = mono(made);
  context_begin(m, &made->work, drop);
  cache_get_at(m, made->base_ms, parsed.domain, false, &made->entry, &made->from);
  note_cache(made);
  begin(made);
  if (!ended) made->ended = NULL;
  *lookup = ended ? NULL : made;
  return MTS_OK;
}

void mts_lookup_cancel(struct mts_lookup **lookup) {
  if (*lookup) context_drop(&(*lookup)->work);
  *lookup = NULL;
}

struct waiting {
  bool done;
  enum mts_err err;
  struct mts_answer *answer;
};

static void arrived(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct waiting *waiting = arg;
  *waiting = (struct waiting){.done = true, .err = err, .answer = answer};
}

enum mts_err mts_lookup(struct mts *m, const char *destination, const struct mts_lookup_opts *opts, struct mts_answer **answer) {
  struct waiting waiting = {0};
  struct mts_lookup *lookup = NULL;
  enum mts_err err = mts_lookup_start(m, destination, opts, arrived, &waiting, &lookup);
  if (err) return err;
  while (!waiting.done) {
    if (!mts_turn(m, -1) && !waiting.done) {
      mts_lookup_cancel(&lookup);
      return MTS_ERR_INTERNAL;
    }
  }
  if (!waiting.err) *answer = waiting.answer;
  return waiting.err;
}
