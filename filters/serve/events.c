/* SPDX-License-Identifier: ISC */
#include "events.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "exim/counted.h"
#include "resolve/settings.h"

/* One of Exim's. */
struct process {
  struct process *next; /* told longer ago */
  pid_t pid;
  int64_t told_ms;
  struct exim_session session, chain;
};

struct events {
  struct rules *rules;
  const struct mts_settings *settings;
  struct mts_log *log;
  struct process *first;
  size_t count;
};

static void drop(struct process **place) {
  struct process *it = *place;
  *place = it->next;
  exim_session_clear(&it->session);
  exim_session_clear(&it->chain);
  free(it);
}

/* Those of long ago, and the last one where there are too many. */
static void make_room(struct events *events, int64_t now_ms) {
  for (struct process **place = &events->first; *place;) {
    bool last = !(*place)->next && events->count >= EVENTS_PROCESSES_MOST;
    if (last || now_ms - (*place)->told_ms > EVENTS_OLD_MS) {
      drop(place);
      events->count--;
    } else {
      place = &(*place)->next;
    }
  }
}

static struct process *process_of(struct events *events, pid_t pid) {
  int64_t now_ms = mts_clock_coarse_ms();
  struct process **place = &events->first;
  while (*place && (*place)->pid != pid) place = &(*place)->next;
  struct process *it = *place;
  if (it && now_ms - it->told_ms <= EVENTS_OLD_MS) {
    *place = it->next;
  } else {
    make_room(events, now_ms);
    it = calloc(1, sizeof *it);
    if (!it) return NULL;
    it->pid = pid;
    events->count++;
  }
  it->told_ms = now_ms;
  it->next = events->first;
  events->first = it;
  return it;
}

/* ---- events ---- */

static void told(void *arg, const struct mts_session *counted) {
  const struct events *events = arg;
  rules_session_counted(events->rules, counted);
}

static void count(struct events *events, const struct exim_session *session, const struct exim_outcome *outcome,
                  const char *source) {
  if (!settings_bool(events->settings, SETTING_count_sessions)) return;
  enum mts_err err = counted_session(rules_context(events->rules), events->log, session, outcome, source, told, events);
  if (err)
    mts_log_seldom(events->log, MTS_LOG_ERROR, "counted", session->domain, "a session was not counted: %s", mts_err_message(err));
}

static void checked(void *arg, enum mts_err err, struct mts_answer *answer) {
  (void)arg;
  (void)err;
  mts_answer_free(&answer);
}

/* A lookup of the hosts looks at the policy anew when it permits none of them (RFC 8461 5). Nobody waits for it. */
static void no_mx(struct events *events, const struct exim_event *event) {
  static const struct mts_lookup_opts opts = {.depth = MTS_DEPTH_HOSTS, .no_rules = true, .no_trace = true};
  struct mts_destination destination;
  if (mts_destination_parse(mts_span_of(event->domain), &destination) || destination.kind == MTS_DEST_LITERAL) return;
  struct exim_session none;
  struct exim_outcome outcome;
  counted_no_mx(destination.domain, &none, &outcome);
  if (!event->report) count(events, &none, &outcome, "");
  struct mts_lookup *lookup = NULL;
  mts_lookup_start(rules_context(events->rules), destination.domain, &opts, checked, NULL, &lookup);
}

enum mts_err events_take(struct events *events, pid_t pid, int argc, const char *const *argv) {
  struct exim_event event;
  struct exim_outcome outcome;
  exim_event_read(argc, argv, &event);
  exim_event_know_reports(&event, settings_reporters(events->settings));
  if (strcmp(event.name, "sts:no-mx") == 0) {
    no_mx(events, &event);
    return MTS_OK;
  }
  struct process *process = process_of(events, pid);
  if (!process) return MTS_ERR_NO_MEMORY;
  if (exim_session_event(&process->session, &event, &outcome)) {
    count(events, &process->session, &outcome, event.source);
    exim_session_reported(&process->session);
  }
  return MTS_OK;
}

enum mts_err events_certificate(struct events *events, pid_t pid, int argc, const char *const *argv, const char **word) {
  uint64_t depth;
  if (!mts_number_parse(mts_span_of(exim_argument(argc, argv, 0)), SESSION_CHAIN_MOST, &depth)) return MTS_ERR_ARGUMENT;
  struct process *process = process_of(events, pid);
  if (!process) return MTS_ERR_NO_MEMORY;
  struct exim_session *chain = &process->chain;
  exim_session_keep(chain, depth, mts_span_of(exim_argument(argc, argv, 1)));
  *word = "";
  if (depth) return MTS_OK;
  *word = counted_certificate(rules_context(events->rules), events->log, exim_argument(argc, argv, 2), chain->chain,
                              chain->chain_count);
  exim_session_clear(chain);
  return MTS_OK;
}

/* ---- beginning and end ---- */

enum mts_err events_new(struct rules *rules, const struct mts_settings *settings, struct mts_log *log, struct events **events) {
  struct events *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  *made = (struct events){.rules = rules, .settings = settings, .log = log};
  *events = made;
  return MTS_OK;
}

void events_free(struct events **events) {
  struct events *it = *events;
  if (!it) return;
  while (it->first) drop(&it->first);
  free(it);
  *events = NULL;
}
