/* SPDX-License-Identifier: ISC */
#include "tlsrpt/report_check.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/name.h"

#define SCHEMA "RFC 8460 4.4"
#define DAY INT64_C(86400)

/* A check belongs to a field, whose name its note's path ends in. */
#define NOTE_AT(key, ...)                      \
  do {                                         \
    size_t path_before = report_enter(r, key); \
    report_note(r, __VA_ARGS__);               \
    report_leave(r, path_before);              \
  } while (0)

void report_check_type(struct report_reader *r, struct mts_report_policy *p, const char *at) {
  static const enum mts_policy_type all[] = {MTS_POLICY_TYPE_NONE, MTS_POLICY_TYPE_STS, MTS_POLICY_TYPE_TLSA};
  char quote[MTS_QUOTE_SIZE];
  if (!p->type) return;
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    const char *name = mts_policy_type_name(all[i]);
    if (strcasecmp(p->type, name) != 0) continue;
    if (strcmp(p->type, name) != 0)
      NOTE_AT("policy-type", "report-policy-type", true, SCHEMA, at, "policy-type is written \"%s\"", name);
    p->type = name;
    return;
  }
  NOTE_AT("policy-type", "report-policy-type", true, SCHEMA, at, "policy-type \"%s\" is none of sts, tlsa, no-policy-found",
          mts_quote(quote, mts_span_of(p->type)));
}

void report_check_result(struct report_reader *r, const char *result, const char *at) {
  /* RFC 8460 6.6 */
  static const char *const known[] = {
      "starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "tlsa-invalid",       "dnssec-invalid",
      "dane-required",          "certificate-not-trusted",   "sts-policy-invalid",  "sts-webpki-invalid", "validation-failure",
      "sts-policy-fetch-error"};
  char quote[MTS_QUOTE_SIZE];
  if (!result) return;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp(result, known[i]) == 0) return;
  NOTE_AT("result-type", "report-result-type", true, "RFC 8460 4.3", at, "result-type \"%s\" is none of RFC 8460",
          mts_quote(quote, mts_span_of(result)));
}

bool report_is_of_policy(const char *result) { return result && strncmp(result, "sts-", 4) == 0; }

void report_check_address(struct report_reader *r, const char **text, const char *key, const char *at) {
  char quote[MTS_QUOTE_SIZE], form[MTS_ADDRESS_SIZE];
  struct mts_address address;
  if (!*text) return;
  struct mts_span whole = mts_span_of(*text), bare = whole;
  if (bare.n > 2 && bare.p[0] == '[' && bare.p[bare.n - 1] == ']') bare.p++, bare.n -= 2;
  if (bare.n > 5 && strncasecmp(bare.p, "IPv6:", 5) == 0) bare.p += 5, bare.n -= 5;
  bool is_address = mts_address_parse(bare, &address);
  if (!is_address)
    NOTE_AT(key, "report-address", true, SCHEMA, at, "%s \"%s\" is no IP address", key, mts_quote(quote, whole));
  else if (bare.n != whole.n)
    NOTE_AT(key, "report-address", true, SCHEMA, at, "%s \"%s\" has brackets or a tag around the address", key,
            mts_quote(quote, whole));
  if (!is_address) return;
  mts_address_format(&address, form);
  const char *kept = report_keep(r, mts_span_of(form));
  if (kept) *text = kept;
}

/* RFC 8460 4.4: A-labels, not U-labels. */
void report_check_name(struct report_reader *r, const char **text, const char *key, const char *at, bool pattern) {
  char quote[MTS_QUOTE_SIZE], form[MTS_NAME_SIZE + 2] = "";
  if (!*text) return;
  struct mts_span whole = mts_span_of(*text), name = whole;
  bool of_policy = pattern && mts_span_begins(name, "mx:"), wide = false; /* the line of the policy, as some write it */
  if (of_policy) name.p += 3, name.n -= 3;
  while (of_policy && name.n && name.p[0] == ' ') name.p++, name.n--;
  bool star = pattern && mts_span_begins(name, "*.");
  if (star) name.p += 2, name.n -= 2;
  for (size_t i = 0; i < name.n; i++) wide = wide || (unsigned char)name.p[i] >= 0x80;
  enum mts_err err = mts_name_normalise_host(name, form + (star ? 2 : 0));
  if (err == MTS_ERR_NO_MEMORY) report_fail(r, err);
  if (err || wide || of_policy) {
    size_t path = pattern ? r->path_length : report_enter(r, key);
    report_note(r, "report-name", true, SCHEMA, at,
                err    ? "%s \"%s\" is no name of a host"
                : wide ? "%s \"%s\" has U-labels: write A-labels"
                       : "%s \"%s\" has the mx: of a policy before the name",
                key, mts_quote(quote, whole));
    report_leave(r, path);
  }
  if (err) return;
  if (star) form[0] = '*', form[1] = '.';
  const char *kept = report_keep(r, mts_span_of(form));
  if (kept) *text = kept;
}

/* addr-spec (RFC 5322 3.4.1), as far as it tells addresses from what else stands there. */
void report_check_contact(struct report_reader *r, const char *contact, const char *at) {
  char quote[MTS_QUOTE_SIZE], name[MTS_NAME_SIZE];
  if (!contact) return;
  const char *mark = strrchr(contact, '@');
  bool quoted = mark && mark - contact > 2 && contact[0] == '"' && mark[-1] == '"';
  bool fits = mark && mark > contact && (quoted || strcspn(contact, " <>(),;:\\\"") >= (size_t)(mark - contact));
  if (fits && mark[1] != '[') fits = mts_name_normalise(mts_span_of(mark + 1), name) == MTS_OK;
  if (!fits)
    NOTE_AT("contact-info", "report-contact", true, SCHEMA, at, "contact-info \"%s\" is no mail address like LOCAL@DOMAIN",
            mts_quote(quote, mts_span_of(contact)));
}

/* RFC 3986, as far as it tells URIs from text. */
void report_check_uri(struct report_reader *r, const char *uri, const char *at) {
  char quote[MTS_QUOTE_SIZE];
  if (!uri) return;
  size_t scheme = strspn(uri, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
  bool fits = scheme > 0 && uri[scheme] == ':' && !strpbrk(uri, " <>\"{}|\\^`");
  for (const char *p = uri; *p; p++) fits = fits && (unsigned char)*p < 0x7f;
  if (!fits)
    NOTE_AT("additional-information", "report-uri", true, SCHEMA, at, "additional-information \"%s\" is no URI",
            mts_quote(quote, mts_span_of(uri)));
}

void report_check_range(struct report_reader *r, int64_t begins_at, int64_t ends_at, const char *at) {
  if (begins_at == 0 || ends_at == 0) return;
  if (ends_at < begins_at)
    report_note(r, "report-range", true, SCHEMA, at, "the end lies %" PRId64 " s before the start", begins_at - ends_at);
  else if (begins_at % DAY == 0 && ends_at == begins_at + DAY)
    report_note(r, "report-range-day", false, "RFC 8460 4.1", at, "the end is 00:00 of the next day: 23:59:59 ends a day");
  else if (begins_at % DAY != 0 || ends_at != begins_at + DAY - 1)
    report_note(r, "report-range-day", false, "RFC 8460 4.1", at, "a report should cover a full day in UTC, 00:00:00 to 23:59:59");
}

/* Types may overlap (RFC 8460 4), so that neither is an error. */
void report_check_sum(struct report_reader *r, const struct mts_report_policy *p, const char *at) {
  int64_t sum = 0;
  if (p->failed < 0) return;
  for (size_t i = 0; i < p->failure_count; i++) {
    if (p->failures[i].count > 0) sum += p->failures[i].count;
    if (sum > MTS_REPORT_COUNT_MAX) sum = MTS_REPORT_COUNT_MAX;
  }
  if (sum == p->failed) return;
  NOTE_AT("failure-details", "report-sum", false, "RFC 8460 4.2.2", at,
          "the details count %" PRId64 " sessions, the summary %" PRId64, sum, p->failed);
}
