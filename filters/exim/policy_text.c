/* SPDX-License-Identifier: ISC */
#include "policy_text.h"

#include <string.h>

/* One item of Exim's list of hosts (RFC 8461 4.1: the * of a pattern is exactly one label). A name instead of an expression would be
 * resolved and compared by its addresses, which a false MX may share. */
static enum mts_err add_pattern(struct mts_buf *text, const char *pattern) {
  enum mts_err err = mts_buf_addf(text, "!^(?i)");
  if (!err && pattern[0] == '*') {
    err = mts_buf_addf(text, "[^.]+");
    pattern++;
  }
  for (; !err && *pattern; pattern++) err = mts_buf_addf(text, *pattern == '.' ? "\\%c" : "%c", *pattern);
  return err ? err : mts_buf_addf(text, "$:");
}

static enum mts_err add_ignored(struct mts_buf *text, const struct mts_policy *policy) {
  enum mts_err err = mts_buf_addf(text, " ignore=");
  if (!policy || policy->mode == MTS_MODE_NONE) return err;
  for (size_t i = 0; !err && i < policy->mx_count; i++) err = add_pattern(text, policy->mx[i]);
  return err ? err : mts_buf_addf(text, "*");
}

enum mts_err policy_text(const struct mts_answer *answer, struct mts_buf *text) {
  enum mts_err err = mts_buf_addf(text, "mode=%s", mts_mode_name(answer->mode));
  if (!err && answer->id[0]) err = mts_buf_addf(text, " id=%s", answer->id);
  if (!err && answer->mode == MTS_MODE_ENFORCE) err = add_ignored(text, answer->policy);
  return err;
}

enum mts_err policy_text_why(const struct mts_answer *answer, struct mts_buf *text) {
  const struct mts_failure *failure = &answer->refresh_error;
  return mts_buf_addf(text, "MTA-STS: whether %s has a policy is not known: %s%s%s", answer->domain, mts_err_message(failure->err),
                      failure->detail[0] ? ": " : "", failure->detail);
}
