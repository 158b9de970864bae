/* SPDX-License-Identifier: ISC */
#include "tls_policy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tlsrpt/session.h"

/* Of letters, digits, dots, hyphens and underscores, as a host in use has them: nothing that Postfix would read as more than a name. */
static bool is_plain_name(const char *name) {
  size_t n = strlen(name);
  return n > 0 && n < MTS_NAME_SIZE && name[0] != '.' && name[0] != '-' &&
         strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == n && strchr(name, '.');
}

static bool is_wildcard(const char *pattern) { return pattern[0] == '*'; }

static bool names_hosts(const struct mts_policy *policy) { return policy && policy->mode != MTS_MODE_NONE; }

static bool has_wildcard(const struct mts_policy *policy) {
  for (size_t i = 0; i < policy->mx_count; i++)
    if (is_wildcard(policy->mx[i])) return true;
  return false;
}

/* ---- the list of names ---- */

struct names {
  struct mts_buf *text;
  size_t begins, count; /* where in text the list begins */
};

static bool has_name(const struct names *names, const char *name) {
  size_t n = strlen(name);
  const char *p = names->text->p + names->begins;
  for (const char *end; names->count && *p; p = *end ? end + 1 : end) {
    end = p + strcspn(p, ":");
    if ((size_t)(end - p) == n && memcmp(p, name, n) == 0) return true;
  }
  return false;
}

static enum mts_err add_name(struct names *names, const char *name) {
  if (!is_plain_name(name) || has_name(names, name)) return MTS_OK;
  enum mts_err err = mts_buf_addf(names->text, "%s%s", names->count ? ":" : "", name);
  if (!err) names->count++;
  return err;
}

static enum mts_err add_names(const struct mts_answer *answer, struct names *names) {
  enum mts_err err = MTS_OK;
  const struct mts_policy *policy = answer->policy;
  for (size_t i = 0; !err && names_hosts(policy) && i < policy->mx_count; i++) {
    if (!is_wildcard(policy->mx[i])) err = add_name(names, policy->mx[i]);
  }
  for (size_t i = 0; !err && i < answer->host_count; i++) {
    if (answer->hosts[i].permitted) err = add_name(names, answer->hosts[i].name);
  }
  return err;
}

/* ---- the entry ---- */

static enum mts_err temporary(struct mts_buf *text, enum tls_policy *policy, const char *domain, const char *why) {
  *policy = TLS_POLICY_TEMPORARY;
  char line[400];
  mts_text_format(line, sizeof line, "MTA-STS: %s: %s", domain, why);
  return mts_buf_addf(text, "%s", line);
}

static enum mts_err list_names(const struct mts_answer *answer, struct mts_buf *text, enum tls_policy *policy) {
  struct names names = {.text = text};
  enum mts_err err = mts_buf_addf(text, "secure match=");
  names.begins = text->n;
  if (!err) err = add_names(answer, &names);
  if (!err && names.count) {
    *policy = TLS_POLICY_ENTRY;
    return mts_buf_addf(text, " servername=hostname");
  }
  mts_buf_reset(text);
  return err ? err : temporary(text, policy, answer->domain, "no MX host is permitted by the policy");
}

/* DANE first. */
static enum mts_err from_hosts(const struct mts_answer *answer, struct mts_buf *text, enum tls_policy *policy) {
  const struct mts_host *unknown = NULL;
  for (size_t i = 0; i < answer->host_count; i++) {
    const struct mts_host *host = &answer->hosts[i];
    if (host->guard == MTS_GUARD_DANE) {
      *policy = TLS_POLICY_ENTRY;
      return mts_buf_addf(text, "dane-only");
    }
    if (host->guard == MTS_GUARD_UNKNOWN) unknown = host;
  }
  if (!answer->hosts_known || answer->hosts_err) {
    enum mts_err why = answer->hosts_err ? answer->hosts_err : MTS_ERR_DNS_NETWORK;
    return temporary(text, policy, answer->domain, mts_err_message(why));
  }
  if (unknown) return temporary(text, policy, unknown->name, mts_err_message(unknown->err));
  if (answer->action == MTS_ACTION_DEFER) {
    enum mts_err why = answer->host_count ? answer->hosts[0].err : MTS_ERR_MX_UNMATCHED;
    return temporary(text, policy, answer->domain, mts_err_message(why));
  }
  return list_names(answer, text, policy);
}

enum mts_err tls_policy_make(const struct mts_answer *answer, bool hosts_asked, bool dane, struct mts_buf *text,
                             enum tls_policy *policy) {
  if (answer->mode != MTS_MODE_ENFORCE) {
    if (answer->action == MTS_ACTION_DEFER)
      return temporary(text, policy, answer->domain, mts_err_message(answer->refresh_error.err));
    *policy = TLS_POLICY_NONE;
    return MTS_OK;
  }
  if (hosts_asked) return from_hosts(answer, text, policy);
  if (!dane && names_hosts(answer->policy) && !has_wildcard(answer->policy)) return list_names(answer, text, policy);
  *policy = TLS_POLICY_ASK_HOSTS;
  return MTS_OK;
}

/* ---- for reports ---- */

static enum mts_err add_lines(const struct mts_policy *policy, struct mts_buf *text) {
  struct mts_buf lines = {.limit = MTS_POLICY_MAX_BYTES};
  enum mts_err err = tlsrpt_policy_text(policy, &lines);
  for (char *line = lines.p; !err && line && *line;) {
    size_t n = strcspn(line, "\n");
    err = mts_buf_addf(text, " { policy_string = %.*s }", (int)n, line);
    line += n + (line[n] == '\n');
  }
  mts_buf_free(&lines);
  return err;
}

enum mts_err tls_policy_add_tlsrpt(const struct mts_answer *answer, int64_t now_s, struct mts_buf *text) {
  const struct mts_policy *policy = answer->policy;
  if (!names_hosts(policy) || !text->p || strncmp(text->p, "secure ", 7) != 0) return MTS_OK;
  size_t before = text->n;
  int64_t left_s = answer->expires_at > now_s ? answer->expires_at - now_s : 0;
  enum mts_err err = mts_buf_addf(text, " policy_type=sts policy_domain=%s policy_ttl=%" PRId64, answer->domain, left_s);
  if (!err) err = add_lines(policy, text);
  for (size_t i = 0; !err && i < policy->mx_count; i++) err = mts_buf_addf(text, " mx_host_pattern=%s", policy->mx[i]);
  if (!err) return MTS_OK;
  text->n = before;
  text->p[before] = 0;
  return err;
}
