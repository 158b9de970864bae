/* SPDX-License-Identifier: ISC */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "counted.h"
#include "worker.h"
#include "worker_rules.h"

#define COUNT_MS 5000 /* mail waits no longer than this for a store that is slow */

struct counting {
  const struct process *process;
  const struct exim_session *session;
  const struct exim_outcome *outcome;
  const char *source;
  struct worker *worker;
};

static void told(void *arg, const struct mts_session *counted) {
  const struct counting *counting = arg;
  worker_answer(counting->worker, 0, "", 0);
  if (rules_are_set(counting->process)) rules_session_counted(counting->process, counted); /* nobody waits for it */
}

static void count(struct worker *worker, void *arg) {
  struct counting *counting = arg;
  struct mts *m = counting->process->m;
  counting->worker = worker;
  enum mts_err err = counted_session(m, m->log, counting->session, counting->outcome, counting->source, told, counting);
  if (err) worker_answer(worker, 0, "", 0);
}

static bool wanted(const struct process *process) { return settings_bool(process->settings, SETTING_count_sessions); }

static struct worker_terms terms_of(const struct process *process) {
  return (struct worker_terms){
      .m = process->m, .answer_ms = COUNT_MS, .life_ms = 2 * COUNT_MS, .store = process->store[0] ? process->store : NULL};
}

static void run(const struct counting *counting) {
  struct counting copy = *counting;
  const struct worker_terms terms = terms_of(counting->process);
  struct worker_reply reply = {0};
  enum worker_end end = worker_run(count, &copy, &terms, &reply);
  free(reply.text);
  if (end != WORKER_ANSWERED)
    mts_log_write(counting->process->m->log, MTS_LOG_ERROR, counting->session->domain, "a session may not have been counted");
}

void report_session(const struct process *process, const struct exim_session *session, const struct exim_outcome *outcome,
                    const char *source) {
  const struct counting counting = {.process = process, .session = session, .outcome = outcome, .source = source};
  if (wanted(process)) run(&counting);
}

void report_no_mx(const struct process *process, const char *domain) {
  struct exim_session none;
  struct exim_outcome outcome;
  counted_no_mx(domain, &none, &outcome);
  report_session(process, &none, &outcome, "");
}

/* ---- a certificate alone ---- */

struct showing {
  const struct process *process;
  const char *host;
  const struct mts_span *chain;
  size_t count;
};

static void show(struct worker *worker, void *arg) {
  const struct showing *showing = arg;
  struct mts *m = showing->process->m;
  const char *word = counted_certificate(m, m->log, showing->host, showing->chain, showing->count);
  worker_answer(worker, 0, word, strlen(word));
}

void report_certificate(const struct process *process, const char *host, const struct mts_span *chain, size_t count,
                        char word[REPORT_WORD_SIZE]) {
  struct showing showing = {.process = process, .host = host, .chain = chain, .count = count};
  const struct worker_terms terms = terms_of(process);
  struct worker_reply reply = {0};
  enum worker_end end = worker_run(show, &showing, &terms, &reply);
  mts_text_format(word, REPORT_WORD_SIZE, "%s", end == WORKER_ANSWERED ? reply.text : "unknown");
  free(reply.text);
}
