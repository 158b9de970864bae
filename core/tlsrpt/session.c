/* SPDX-License-Identifier: ISC */
#include "tlsrpt/session.h"

#include <stdio.h>
#include <string.h>

const char *mts_policy_type_name(enum mts_policy_type type) {
  switch (type) {
    case MTS_POLICY_TYPE_NONE:
      return "no-policy-found";
    case MTS_POLICY_TYPE_STS:
      return "sts";
    case MTS_POLICY_TYPE_TLSA:
      return "tlsa";
  }
  return "unknown";
}

enum mts_err tlsrpt_policy_text(const struct mts_policy *policy, struct mts_buf *text) {
  char end[32];
  int n = snprintf(end, sizeof end, "max_age: %u", policy->max_age_s);
  size_t limit = text->limit;
  enum mts_err err = mts_buf_addf(text, "version: STSv1\nmode: %s\n", mts_mode_name(policy->mode));
  text->limit = limit > (size_t)n ? limit - (size_t)n : 0; /* max_age stands behind the mx, and always */
  for (size_t i = 0; !err && i < policy->mx_count; i++) err = mts_buf_addf(text, "mx: %s\n", policy->mx[i]);
  text->limit = limit;
  if (err && err != MTS_ERR_ARGUMENT) return err;
  return mts_buf_add(text, end, (size_t)n);
}
