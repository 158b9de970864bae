/* SPDX-License-Identifier: ISC */
#include "counted.h"

#include <string.h>

#include "base/buf.h"
#include "outcome.h"

struct verdict {
  enum mts_err err;
  char reason[SESSION_REASON_SIZE];
};

/* Exim with GnuTLS does not say what is wrong with a certificate. */
static void judge_certificate(struct mts *m, const struct exim_session *session, struct verdict *verdict) {
  struct mts_tls tls;
  if (!session->chain_count || mts_certificate_check(m, session->host, session->chain, session->chain_count, &tls)) return;
  bool fits = tls.err ? mts_err_result_type(tls.err) != NULL : verdict->err == MTS_OK;
  if (!fits) return; /* the certificate is good, and yet TLS failed: that stays */
  verdict->err = tls.err;
  memccpy(verdict->reason, tls.detail, 0, sizeof verdict->reason - 1);
}

static struct verdict judge(struct mts *m, const struct exim_session *session, const struct exim_outcome *outcome,
                            const struct mts_policy *policy) {
  struct verdict verdict = {.err = outcome->err};
  memccpy(verdict.reason, session->reason, 0, sizeof verdict.reason - 1);
  /* Exim knows that there is a policy also when the store can tell nothing of it now. */
  if ((!policy && !session->judged) || outcome->dane) return verdict;
  /* Where Exim has left out the others it names the end of a CNAME, not the MX. */
  if (policy && !outcome->err && !session->filtered && !mts_policy_permits(policy, session->host)) {
    verdict.err = MTS_ERR_MX_UNMATCHED;
    memccpy(verdict.reason, "the MX is not in the policy", 0, sizeof verdict.reason - 1);
  } else if (outcome->err == MTS_ERR_TLS_HANDSHAKE || (!outcome->err && !outcome->verified)) {
    judge_certificate(m, session, &verdict);
  }
  return verdict;
}

enum mts_err counted_session(struct mts *m, struct mts_log *log, const struct exim_session *session,
                             const struct exim_outcome *outcome, const char *source,
                             void (*told)(void *arg, const struct mts_session *counted), void *arg) {
  struct mts_policy *policy = outcome_policy(m, session->domain);
  struct verdict verdict = judge(m, session, outcome, policy);
  const enum mts_policy_type applied = policy || session->judged ? MTS_POLICY_TYPE_STS : MTS_POLICY_TYPE_NONE;
  const struct mts_session row = {.domain = session->domain,
                                  .type = outcome->dane ? MTS_POLICY_TYPE_TLSA : applied,
                                  .policy = policy,
                                  .mx = session->host,
                                  .address = session->address,
                                  .source = source,
                                  .helo = session->helo,
                                  .err = verdict.err,
                                  .reason = verdict.reason};
  outcome_log(log, &row, session->address);
  enum mts_err err = mts_session_record(m, &row); /* says itself what is wrong with the store */
  if (!err) told(arg, &row);
  mts_policy_free(&policy);
  return err;
}

void counted_no_mx(const char *domain, struct exim_session *none, struct exim_outcome *outcome) {
  *none = (struct exim_session){.judged = true};
  *outcome = (struct exim_outcome){.err = MTS_ERR_MX_UNMATCHED};
  mts_text_clean(none->domain, sizeof none->domain, mts_span_of(domain));
  mts_text_format(none->reason, sizeof none->reason, "no MX is in the policy");
}

const char *counted_certificate(struct mts *m, struct mts_log *log, const char *host, const struct mts_span *chain, size_t count) {
  struct mts_tls tls = {0};
  enum mts_err err = mts_certificate_check(m, host, chain, count, &tls);
  if (err) mts_log_write(log, MTS_LOG_WARNING, NULL, "a certificate cannot be judged: %s", mts_err_message(err));
  return err ? "unknown" : tls.err ? mts_err_result_type(tls.err) : "ok";
}
