/* SPDX-License-Identifier: ISC */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "outcome.h"
#include "rules.h"
#include "worker.h"

#define COUNT_MS 5000 /* mail waits no longer than this for a store that is slow */

struct counting {
  const struct process *process;
  const struct exim_session *session;
  const struct exim_outcome *outcome;
  const char *source;
};

struct verdict {
  enum mts_err err;
  char reason[SESSION_REASON_SIZE];
};

/* Exim with GnuTLS does not say what is wrong with a certificate. */
static void judge_certificate(const struct counting *counting, struct verdict *verdict) {
  const struct exim_session *session = counting->session;
  struct mts_tls tls;
  if (!session->chain_count ||
      mts_certificate_check(counting->process->m, session->host, session->chain, session->chain_count, &tls))
    return;
  bool fits = tls.err ? mts_err_result_type(tls.err) != NULL : verdict->err == MTS_OK;
  if (!fits) return; /* the certificate is good, and yet TLS failed: that stays */
  verdict->err = tls.err;
  memccpy(verdict->reason, tls.detail, 0, sizeof verdict->reason - 1);
}

static struct verdict judge(const struct counting *counting, const struct mts_policy *policy) {
  const struct exim_session *session = counting->session;
  const struct exim_outcome *outcome = counting->outcome;
  struct verdict verdict = {.err = outcome->err};
  memccpy(verdict.reason, session->reason, 0, sizeof verdict.reason - 1);
  /* Exim knows that there is a policy also when the store can tell nothing of it now. */
  if ((!policy && !session->judged) || outcome->dane) return verdict;
  /* Where Exim has left out the others it names the end of a CNAME, not the MX. */
  if (policy && !outcome->err && !session->filtered && !mts_policy_permits(policy, session->host)) {
    verdict.err = MTS_ERR_MX_UNMATCHED;
    memccpy(verdict.reason, "the MX is not in the policy", 0, sizeof verdict.reason - 1);
  } else if (outcome->err == MTS_ERR_TLS_HANDSHAKE || (!outcome->err && !outcome->verified)) {
    judge_certificate(counting, &verdict);
  }
  return verdict;
}

static void count(struct worker *worker, void *arg) {
  const struct counting *counting = arg;
  const struct exim_session *session = counting->session;
  struct mts *m = counting->process->m;
  struct mts_policy *policy = outcome_policy(m, session->domain);
  struct verdict verdict = judge(counting, policy);
  const enum mts_policy_type applied = policy || session->judged ? MTS_POLICY_TYPE_STS : MTS_POLICY_TYPE_NONE;
  const struct mts_session row = {.domain = session->domain,
                                  .type = counting->outcome->dane ? MTS_POLICY_TYPE_TLSA : applied,
                                  .policy = policy,
                                  .mx = session->host,
                                  .address = session->address,
                                  .source = counting->source,
                                  .helo = session->helo,
                                  .err = verdict.err,
                                  .reason = verdict.reason};
  outcome_log(m->log, &row, session->address);
  enum mts_err err = mts_session_record(m, &row); /* says itself what is wrong with the store */
  worker_answer(worker, 0, "", 0);
  if (!err && rules_are_set(counting->process)) rules_session_counted(counting->process, &row); /* nobody waits for it */
  mts_policy_free(&policy);
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
  struct exim_session none = {.judged = true};
  const struct exim_outcome outcome = {.err = MTS_ERR_MX_UNMATCHED};
  mts_text_clean(none.domain, sizeof none.domain, mts_span_of(domain));
  mts_text_format(none.reason, sizeof none.reason, "no MX is in the policy");
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
  struct mts_tls tls = {0};
  enum mts_err err = mts_certificate_check(m, showing->host, showing->chain, showing->count, &tls);
  const char *word = err ? "unknown" : tls.err ? mts_err_result_type(tls.err) : "ok";
  if (err) mts_log_write(m->log, MTS_LOG_WARNING, NULL, "a certificate cannot be judged: %s", mts_err_message(err));
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
