/* SPDX-License-Identifier: ISC */
#include "functions.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "between.h"
#include "decision.h"
#include "event.h"
#include "report.h"
#include "worker_rules.h"

static enum exim_result fail(struct mts_buf *text, const char *why) {
  mts_buf_reset(text);
  mts_buf_addf(text, "MTA-STS: %s", why);
  return EXIM_FAIL;
}

enum exim_result function_policy(int argc, const char *const *argv, struct mts_buf *text) {
  const char *why = NULL;
  const struct process *process = process_get(&why);
  if (!process) return fail(text, why);
  return decision_make(process, exim_argument(argc, argv, 0), text);
}

/* ---- events ---- */

static void no_mx(const char *domain, bool counts) {
  const char *why = NULL;
  const struct process *process = process_get(&why);
  struct mts_destination destination;
  if (!process || mts_destination_parse(mts_span_of(domain), &destination) || destination.kind == MTS_DEST_LITERAL) return;
  if (counts) report_no_mx(process, destination.domain);
  decision_recheck(process, destination.domain);
}

enum exim_result function_event(int argc, const char *const *argv, struct exim_session *session) {
  struct exim_event event;
  struct exim_outcome outcome;
  const char *why = NULL;
  exim_event_read(argc, argv, &event);
  if (strcmp(event.name, "sts:no-mx") == 0) {
    no_mx(event.domain, !event.report);
  } else if (exim_session_event(session, &event, &outcome)) {
    const struct process *process = process_get(&why);
    if (process) report_session(process, session, &outcome, event.source);
    exim_session_reported(session);
  }
  return EXIM_OK;
}

enum exim_result function_event_alone(int argc, const char *const *argv, pid_t exim) {
  const char *why = NULL;
  const struct process *process = process_get(&why);
  if (!process) return EXIM_OK;
  struct exim_session session = {0};
  between_load(process->store, exim, &session);
  function_event(argc, argv, &session);
  between_save(process->store, exim, &session);
  exim_session_clear(&session);
  return EXIM_OK;
}

/* ---- certificates ---- */

enum exim_result function_cert(int argc, const char *const *argv, struct exim_session *chain, struct mts_buf *text) {
  uint64_t depth;
  if (!mts_number_parse(mts_span_of(exim_argument(argc, argv, 0)), SESSION_CHAIN_MOST, &depth))
    return fail(text, "mtasts_cert: the depth is no number");
  exim_session_keep(chain, depth, mts_span_of(exim_argument(argc, argv, 1)));
  if (depth) return EXIM_OK;
  const char *why = NULL;
  const struct process *process = process_get(&why);
  char word[REPORT_WORD_SIZE] = "unknown";
  if (process) report_certificate(process, exim_argument(argc, argv, 2), chain->chain, chain->chain_count, word);
  exim_session_clear(chain);
  return mts_buf_addf(text, "%s", word) ? EXIM_FAIL : EXIM_OK;
}

/* ---- the operator's functions ---- */

/* Of letters, digits, dots and hyphens: nothing in it can be meant for a shell, a path or a query. */
static bool is_plain_name(const char *text) {
  struct mts_destination destination;
  return mts_destination_parse(mts_span_of(text), &destination) == MTS_OK && destination.kind == MTS_DEST_DOMAIN &&
         strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == strlen(text);
}

static int repeated(const char *text, int argc, const char *const *argv) {
  int found = REPEATS_NONE;
  for (int i = 1; i < argc; i++) {
    const char *one = exim_argument(argc, argv, i);
    if (!*one || !strstr(text, one) || is_plain_name(one)) continue;
    if (found != REPEATS_NONE) return REPEATS_SEVERAL;
    found = i;
  }
  return found;
}

struct calling {
  const struct process *process;
  int argc;
  const char *const *argv;
};

static void call(struct worker *worker, void *arg) {
  const struct calling *calling = arg;
  rules_call(calling->process, worker, calling->argv[0], calling->argc - 1, calling->argv + 1);
}

/* For Exim's log. */
static enum mts_err add_line(struct mts_buf *text, const char *words) {
  char line[1200];
  mts_text_clean(line, sizeof line, mts_span_of(words));
  return mts_buf_addf(text, "%s", line);
}

enum exim_result function_call(int argc, const char *const *argv, struct mts_buf *text, int *repeats) {
  static const char *const ends[] = {[WORKER_DIED] = "mtasts_call: the rules' process died",
                                     [WORKER_LATE] = "mtasts_call: the rules did not answer in time",
                                     [WORKER_NOT_STARTED] = "mtasts_call: no process could be started for the rules"};
  const char *why = NULL;
  *repeats = REPEATS_NONE;
  const struct process *process = process_get(&why);
  if (!process) return fail(text, why);
  if (argc < 1 || argc - 1 > RULES_ARGUMENTS_MOST) return fail(text, "mtasts_call: wants a name and at most 6 arguments");
  if (!rules_are_set(process)) return fail(text, "mtasts_call: the setting rules names no file");
  struct calling calling = {.process = process, .argc = argc, .argv = argv};
  const struct worker_terms terms = {.m = process->m,
                                     .answer_ms = process->m->mail_deadline_ms + 2000,
                                     .life_ms = process->m->mail_deadline_ms + 4000,
                                     .store = process->store[0] ? process->store : NULL};
  struct worker_reply reply = {0};
  enum worker_end end = worker_run(call, &calling, &terms, &reply);
  if (end != WORKER_ANSWERED) {
    mts_log_write(process->m->log, MTS_LOG_ERROR, NULL, "%s", ends[end]);
    return fail(text, ends[end]);
  }
  bool good = reply.code == EXIM_OK;
  enum mts_err err = strlen(reply.text) == reply.n ? MTS_OK : MTS_ERR_ARGUMENT;
  if (!err) err = good ? mts_buf_add(text, reply.text, reply.n) : add_line(text, reply.text);
  if (good) *repeats = repeated(reply.text, argc, argv);
  free(reply.text);
  return err ? fail(text, "mtasts_call: the result holds a NUL, or there is no memory") : good ? EXIM_OK : EXIM_FAIL;
}
