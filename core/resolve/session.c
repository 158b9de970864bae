/* SPDX-License-Identifier: ISC
 * Recording how a session went (RFC 8460): what a mail server tells becomes a row of the store. */
#include <string.h>

#include "base/buf.h"
#include "resolve/cache.h"
#include "resolve/life.h"
#include "resolve/moving.h"
#include "resolve/record.h"
#include "tlsrpt/session.h"

/* What is kept of the texts, made fit. */
struct texts {
  char mx[MTS_NAME_SIZE], address[MTS_ADDRESS_SIZE], source[MTS_ADDRESS_SIZE];
  char helo[MTS_SESSION_HELO_SIZE], reason[MTS_SESSION_REASON_SIZE];
};

/* RFC 8460 4.4 wants an IP address: another text would make a report that nobody can read. */
static void keep_address(const char *from, char to[MTS_ADDRESS_SIZE]) {
  struct mts_address address;
  uint16_t port;
  if (mts_endpoint_parse(mts_span_of(from), &address, &port)) mts_address_format(&address, to);
}

static void keep_failure(const struct mts_session *session, struct texts *texts) {
  keep_address(session->address, texts->address);
  keep_address(session->source, texts->source);
  mts_text_clean(texts->helo, sizeof texts->helo, mts_span_of(session->helo));
  mts_text_clean(texts->reason, sizeof texts->reason, mts_span_of(session->reason));
}

static enum mts_err keep_mx(const char *from, char to[MTS_NAME_SIZE]) {
  if (!from || !*from) return MTS_OK;
  enum mts_err err = mts_name_normalise_host(mts_span_of(from), to);
  if (err == MTS_ERR_NO_MEMORY) return err;
  if (err) mts_text_clean(to, MTS_NAME_SIZE, mts_span_of(from));
  return MTS_OK;
}

static enum mts_err add(struct mts *m, const struct mts_session *session, const char *domain, const char *policy) {
  const char *result = session->err ? mts_err_result_type(session->err) : "";
  struct texts texts = {0};
  enum mts_err err = keep_mx(session->mx, texts.mx);
  if (err) return err;
  if (session->err) keep_failure(session, &texts);
  const struct mts_session_row row = {.domain = domain,
                                      .type = session->type,
                                      .policy = policy,
                                      .result = result,
                                      .mx = texts.mx,
                                      .address = texts.address,
                                      .source = texts.source,
                                      .helo = texts.helo,
                                      .reason = texts.reason};
  struct mts_store *store = cache_store(m);
  return store ? mts_store_session_add(store, &row, mts_now(m)) : MTS_ERR_STORE_OPEN;
}

enum mts_err mts_session_record(struct mts *m, const struct mts_session *session) {
  context_after_fork(m);
  struct mts_destination destination;
  bool known = (unsigned)session->type <= MTS_POLICY_TYPE_TLSA && (unsigned)session->err < MTS_ERR_COUNT;
  if (!known || (session->err && !mts_err_result_type(session->err))) return MTS_ERR_ARGUMENT;
  enum mts_err err = mts_destination_parse(mts_span_of(session->domain), &destination);
  if (err == MTS_ERR_NO_MEMORY) return err;
  if (err || destination.kind == MTS_DEST_LITERAL) return MTS_ERR_ARGUMENT;
  if (!m->has_store) return MTS_ERR_STORE_NONE;
  struct mts_buf policy = {.limit = MTS_SESSION_POLICY_MAX};
  bool applied = session->type == MTS_POLICY_TYPE_STS && session->policy;
  if (applied) err = tlsrpt_policy_text(session->policy, &policy);
  if (!err) err = add(m, session, destination.domain, applied ? policy.p : "");
  mts_buf_free(&policy);
  if (!err && m->background) moving_start_seldom(m);
  return err;
}

/* RFC 8460 4.3.2.2. What is known of the domain says under which policy its mail went on; that a fetch is held back is no attempt. */
void record_fetch_failure(struct mts *m, const struct mts_entry *entry, enum mts_err err, const char *detail) {
  const char *type = mts_err_result_type(err);
  if (!type || err == MTS_ERR_HTTPS_HELD || !m->has_store || !settings_bool(m->settings, SETTING_count_sessions)) return;
  bool holds = life_policy_holds(entry, mts_now(m)) && entry->policy->mode != MTS_MODE_NONE;
  char reason[MTS_SESSION_REASON_SIZE];
  mts_text_format(reason, sizeof reason, "%s: %s", mts_err_name(err), detail && *detail ? detail : mts_err_message(err));
  const struct mts_session session = {.domain = entry->domain,
                                      .type = holds ? MTS_POLICY_TYPE_STS : MTS_POLICY_TYPE_NONE,
                                      .policy = holds ? entry->policy : NULL,
                                      .err = err,
                                      .reason = reason};
  mts_session_record(m, &session); /* the store says itself what is wrong with it */
}
