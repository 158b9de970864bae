/* SPDX-License-Identifier: ISC */
#include "outcome.h"

struct found {
  struct mts_policy *policy;
};

static void policy_found(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct found *found = arg;
  (void)err;
  if (answer && answer->policy && answer->policy->mode != MTS_MODE_NONE)
    found->policy = mts_policy_ref((struct mts_policy *)(uintptr_t)answer->policy);
  mts_answer_free(&answer);
}

struct mts_policy *outcome_policy(struct mts *m, const char *domain) {
  const struct mts_lookup_opts opts = {.freshness = MTS_CACHE_ONLY, .no_rules = true};
  struct found found = {0};
  struct mts_lookup *lookup = NULL;
  if (mts_lookup_start(m, domain, &opts, policy_found, &found, &lookup)) return NULL;
  mts_lookup_cancel(&lookup); /* it never waits */
  return found.policy;
}

static const char *outcome_of(const struct mts_session *session) {
  if (session->err) return mts_err_message(session->err);
  return session->type == MTS_POLICY_TYPE_NONE ? "TLS, of which no policy asks more" : "TLS as wanted";
}

/* An operator wants to know of mail that waits; of tests and successes only when asking for more. */
void outcome_log(struct mts_log *log, const struct mts_session *session, const char *name) {
  bool waits = session->err && session->policy && session->policy->mode == MTS_MODE_ENFORCE;
  enum mts_log_level level = waits ? MTS_LOG_WARNING : MTS_LOG_INFO;
  if (!mts_log_wants(log, level)) return;
  const char *host = session->mx && session->mx[0] ? session->mx : name;
  bool tells_more = session->reason && session->reason[0] && session->err != MTS_ERR_MX_UNMATCHED;
  if (!host[0])
    mts_log_write(log, level, session->domain, "no session: %s", session->reason ? session->reason : outcome_of(session));
  else
    mts_log_write(log, level, session->domain, "session with %s [%s]: %s%s%s", host, session->address, outcome_of(session),
                  tells_more ? ": " : "", tells_more ? session->reason : "");
}
