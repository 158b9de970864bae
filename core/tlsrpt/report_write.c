/* SPDX-License-Identifier: ISC
 * Counters of sessions -> a report (RFC 8460 4.4), as I-JSON (RFC 7493) and in gzip form. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/name.h"
#include "base/utf8.h"
#include "tlsrpt/gzip.h"
#include "tlsrpt/report_write.h"

#define DAY_S 86400
#define DAY_MOST 2932896 /* 9999-12-31, the last that RFC 3339 can write */
#define LOCAL_PART_MAX 64
#define GROUPS_MOST (REPORT_POLICIES_MAX + MTS_POLICY_TYPE_TLSA + 1)

/* ---- the name of a report ---- */

static bool is_organization(const char *text) {
  size_t n = text ? strnlen(text, REPORT_ORGANIZATION_MAX + 1) : 0;
  if (n == 0 || n > REPORT_ORGANIZATION_MAX) return false;
  for (size_t i = 0, length; i < n; i += length) {
    length = mts_utf8_length((const unsigned char *)text + i, n - i);
    if (length == 0 || (unsigned char)text[i] < ' ' || text[i] == 0x7f) return false;
  }
  return true;
}

/* RFC 5322 3.2.3 dot-atom-text */
static bool is_local_part(struct mts_span text) {
  if (text.n == 0 || text.n > LOCAL_PART_MAX || text.p[0] == '.' || text.p[text.n - 1] == '.') return false;
  for (size_t i = 0; i < text.n; i++) {
    char c = text.p[i];
    bool letter = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    if (!letter && (c == '\0' || !strchr("!#$%&'*+-/=?^_`{|}~.", c))) return false;
    if (c == '.' && text.p[i - 1] == '.') return false;
  }
  return true;
}

static enum mts_err read_contact(const char *text, struct mts_report_written *written) {
  const char *at = text ? strrchr(text, '@') : NULL;
  if (!at || !is_local_part(mts_span(text, (size_t)(at - text)))) return MTS_ERR_ARGUMENT;
  enum mts_err err = mts_name_normalise(mts_span_of(at + 1), written->submitter);
  if (err) return err == MTS_ERR_NO_MEMORY ? err : MTS_ERR_ARGUMENT;
  snprintf(written->contact, sizeof written->contact, "%.*s@%s", (int)(at - text), text, written->submitter);
  return MTS_OK;
}

/* FNV-1a: tells organizations apart, and keeps no secret. */
static unsigned long long hash_of(const char *text) {
  uint64_t hash = UINT64_C(14695981039346656037);
  for (; *text; text++) hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
  return hash;
}

static void write_day(int64_t day, char date[11]) {
  time_t at = (time_t)(day * DAY_S);
  struct tm tm;
  date[0] = '\0';
  if (gmtime_r(&at, &tm)) strftime(date, 11, "%Y-%m-%d", &tm);
}

enum mts_err mts_report_name(const struct mts_report_terms *terms, struct mts_report_written *written) {
  struct mts_report_written made = {0};
  bool sound = is_organization(terms->organization) && terms->domain && mts_name_is_normal(mts_span_of(terms->domain)) &&
               terms->day >= 0 && terms->day <= DAY_MOST;
  enum mts_err err = sound ? read_contact(terms->contact, &made) : MTS_ERR_ARGUMENT;
  if (err) return err;
  char date[11];
  unsigned long long hash = hash_of(terms->organization);
  long long begin = (long long)terms->day * DAY_S;
  write_day(terms->day, date);
  snprintf(made.id, sizeof made.id, "%s.%016llx.%s", date, hash, terms->domain);
  snprintf(made.file, sizeof made.file, "%s!%s!%lld!%lld!%016llx.json", made.submitter, terms->domain, begin, begin + DAY_S - 1,
           hash);
  *written = made;
  return MTS_OK;
}

/* ---- groups: what was counted under one policy ---- */

struct group {
  enum mts_policy_type type;
  const char *policy, *domain; /* lent */
  json_t *details, *folded;    /* arrays */
  uint64_t successful, failed;
};

struct writer {
  const struct mts_report_terms *terms;
  struct group groups[GROUPS_MOST];
  size_t group_count, details, folded;
  bool failed; /* no memory */
};

static uint64_t sum(uint64_t a, uint64_t b) {
  const uint64_t most = MTS_REPORT_COUNT_MAX;
  return a > most || b > most - a ? most : a + b;
}

static void set(struct writer *writer, json_t *object, const char *key, json_t *value) {
  if (json_object_set_new(object, key, value)) writer->failed = true;
}

static void append(struct writer *writer, json_t *array, json_t *value) {
  if (json_array_append_new(array, value)) writer->failed = true;
}

static void set_text(struct writer *writer, json_t *object, const char *key, const char *text) {
  if (text && *text) set(writer, object, key, json_string(text));
}

static void set_address(struct writer *writer, json_t *object, const char *key, const char *text) {
  struct mts_address address;
  char canonical[MTS_ADDRESS_SIZE];
  if (!text || !mts_address_parse(mts_span_of(text), &address)) return;
  mts_address_format(&address, canonical); /* RFC 5952 */
  set_text(writer, object, key, canonical);
}

static void set_count(struct writer *writer, json_t *object, const char *key, uint64_t count) {
  set(writer, object, key, json_integer((json_int_t)sum(count, 0)));
}

static struct group *group_find(struct writer *writer, enum mts_policy_type type, const char *policy, const char *domain) {
  for (size_t i = 0; i < writer->group_count; i++) {
    struct group *group = &writer->groups[i];
    if (group->type == type && strcmp(group->policy, policy) == 0 && strcmp(group->domain, domain) == 0) return group;
  }
  return NULL;
}

static struct group *group_of(struct writer *writer, const struct mts_session_row *row) {
  const char *policy = row->policy ? row->policy : "", *domain = writer->terms->domain;
  /* RFC 8460 1.1: for DANE the Policy Domain is the TLSA base domain, which is the MX host. */
  if (row->type == MTS_POLICY_TYPE_TLSA && row->mx && mts_name_is_normal(mts_span_of(row->mx))) domain = row->mx;
  struct group *group = group_find(writer, row->type, policy, domain);
  if (!group && writer->group_count >= REPORT_POLICIES_MAX) {
    policy = "";
    domain = writer->terms->domain;
    group = group_find(writer, row->type, policy, domain);
  }
  if (group || writer->group_count == GROUPS_MOST) return group;
  group = &writer->groups[writer->group_count++];
  *group = (struct group){.type = row->type, .policy = policy, .domain = domain, .details = json_array(), .folded = json_array()};
  if (!group->details || !group->folded) writer->failed = true;
  return group;
}

/* ---- details ---- */

static void add_detail(struct writer *writer, struct group *group, const struct mts_session_row *row) {
  json_t *detail = json_object();
  set_text(writer, detail, "result-type", row->result);
  set_address(writer, detail, "sending-mta-ip", row->source);
  set_text(writer, detail, "receiving-mx-hostname", row->mx);
  set_text(writer, detail, "receiving-mx-helo", row->helo);
  set_address(writer, detail, "receiving-ip", row->address);
  set_count(writer, detail, "failed-session-count", row->count);
  set_text(writer, detail, "failure-reason-code", row->reason);
  append(writer, group->details, detail);
  writer->details++;
}

static void fold_detail(struct writer *writer, struct group *group, const struct mts_session_row *row) {
  size_t i;
  json_t *each;
  writer->folded++;
  json_array_foreach(group->folded, i, each) {
    if (strcmp(json_string_value(json_object_get(each, "result-type")), row->result) != 0) continue;
    uint64_t before = (uint64_t)json_integer_value(json_object_get(each, "failed-session-count"));
    set_count(writer, each, "failed-session-count", sum(before, row->count));
    return;
  }
  json_t *detail = json_object();
  set_text(writer, detail, "result-type", row->result);
  set_count(writer, detail, "failed-session-count", row->count);
  if (!writer->failed) writer->details++;
  append(writer, group->folded, detail);
}

static bool is_of(const struct mts_report_terms *terms, const struct mts_session_row *row) {
  return row->day == terms->day && row->domain && strcmp(row->domain, terms->domain) == 0 &&
         (unsigned)row->type <= MTS_POLICY_TYPE_TLSA;
}

static bool is_failure(const struct mts_session_row *row) { return row->result && *row->result; }

struct ranked {
  uint64_t count;
  size_t index;
};

static int by_count(const void *a, const void *b) {
  const struct ranked *x = a, *y = b;
  if (x->count != y->count) return x->count > y->count ? -1 : 1;
  return x->index < y->index ? -1 : 1;
}

/* Which failures keep their details: whole[i] for row i. */
static bool choose(const struct mts_report_terms *terms, const struct mts_session_row *rows, size_t count, bool *whole) {
  struct ranked *ranked = calloc(count + 1, sizeof *ranked);
  size_t failures = 0;
  if (!ranked) return false;
  for (size_t i = 0; i < count; i++)
    if (is_of(terms, &rows[i]) && is_failure(&rows[i])) ranked[failures++] = (struct ranked){rows[i].count, i};
  qsort(ranked, failures, sizeof *ranked, by_count);
  for (size_t i = 0; i < failures && i < REPORT_DETAILS_MAX; i++) whole[ranked[i].index] = true;
  free(ranked);
  return true;
}

static bool add_rows(struct writer *writer, const struct mts_session_row *rows, size_t count) {
  bool *whole = calloc(count + 1, sizeof *whole);
  bool good = whole && choose(writer->terms, rows, count, whole);
  for (size_t i = 0; good && i < count && !writer->failed; i++) {
    if (!is_of(writer->terms, &rows[i])) continue;
    struct group *group = group_of(writer, &rows[i]);
    if (!group || writer->failed) break;
    if (!is_failure(&rows[i])) {
      group->successful = sum(group->successful, rows[i].count);
      continue;
    }
    group->failed = sum(group->failed, rows[i].count);
    if (whole[i])
      add_detail(writer, group, &rows[i]);
    else
      fold_detail(writer, group, &rows[i]);
  }
  free(whole);
  return good && !writer->failed;
}

/* ---- the document ---- */

/* RFC 8460 4.4: policy-string and mx-host are arrays; 4.5: each mx is an element of its own. */
static void add_policy_text(struct writer *writer, json_t *policy, const struct group *group) {
  json_t *lines = json_array(), *patterns = json_array();
  for (const char *at = group->policy; *at;) {
    size_t n = strcspn(at, "\n");
    append(writer, lines, json_stringn(at, n));
    if (group->type == MTS_POLICY_TYPE_STS && n > 4 && strncmp(at, "mx: ", 4) == 0)
      append(writer, patterns, json_stringn(at + 4, n - 4));
    at += n + (at[n] == '\n');
  }
  bool has_lines = json_array_size(lines) > 0, has_patterns = json_array_size(patterns) > 0;
  if (has_lines) set(writer, policy, "policy-string", json_incref(lines));
  set_text(writer, policy, "policy-domain", group->domain);
  if (has_patterns) set(writer, policy, "mx-host", json_incref(patterns));
  if (!lines || !patterns) writer->failed = true;
  json_decref(lines);
  json_decref(patterns);
}

static json_t *policy_of(struct writer *writer, struct group *group) {
  json_t *entry = json_object(), *policy = json_object(), *summary = json_object();
  set_text(writer, policy, "policy-type", mts_policy_type_name(group->type));
  add_policy_text(writer, policy, group);
  set_count(writer, summary, "total-successful-session-count", group->successful);
  set_count(writer, summary, "total-failure-session-count", group->failed);
  if (json_array_extend(group->details, group->folded)) writer->failed = true;
  set(writer, entry, "policy", policy);
  set(writer, entry, "summary", summary);
  if (json_array_size(group->details) > 0) set(writer, entry, "failure-details", json_incref(group->details));
  return entry;
}

static json_t *document_of(struct writer *writer, const struct mts_report_written *written) {
  char date[11], text[32];
  json_t *root = json_object(), *range = json_object(), *policies = json_array();
  write_day(writer->terms->day, date);
  set(writer, root, "organization-name", json_string(writer->terms->organization));
  snprintf(text, sizeof text, "%sT00:00:00Z", date);
  set_text(writer, range, "start-datetime", text);
  snprintf(text, sizeof text, "%sT23:59:59Z", date);
  set_text(writer, range, "end-datetime", text);
  set(writer, root, "date-range", range);
  set_text(writer, root, "contact-info", written->contact);
  set_text(writer, root, "report-id", written->id);
  for (size_t i = 0; i < writer->group_count; i++) append(writer, policies, policy_of(writer, &writer->groups[i]));
  set(writer, root, "policies", policies);
  return root;
}

/* ASCII alone, so that whoever shows it to a terminal obeys nobody. */
static enum mts_err dump(const json_t *root, struct mts_span *bytes) {
  const size_t flags = JSON_INDENT(2) | JSON_ENSURE_ASCII;
  size_t n = json_dumpb(root, NULL, 0, flags);
  char *text = n ? malloc(n + 2) : NULL;
  if (!text) return MTS_ERR_NO_MEMORY;
  if (json_dumpb(root, text, n, flags) != n) {
    free(text);
    return MTS_ERR_NO_MEMORY;
  }
  text[n] = '\n';
  text[n + 1] = '\0';
  *bytes = mts_span(text, n + 1);
  return MTS_OK;
}

static void writer_clear(struct writer *writer) {
  for (size_t i = 0; i < writer->group_count; i++) {
    json_decref(writer->groups[i].details);
    json_decref(writer->groups[i].folded);
  }
}

static enum mts_err finish(struct writer *writer, struct mts_report_written *made) {
  json_t *root = document_of(writer, made);
  enum mts_err err = writer->failed || !root ? MTS_ERR_NO_MEMORY : dump(root, &made->json);
  if (!err) err = tlsrpt_gzip(made->json, &made->gzip);
  json_decref(root);
  made->policies = writer->group_count;
  made->details = writer->details;
  made->folded = writer->folded;
  for (size_t i = 0; i < writer->group_count; i++) {
    made->successful = sum(made->successful, writer->groups[i].successful);
    made->failed = sum(made->failed, writer->groups[i].failed);
  }
  return err;
}

enum mts_err mts_report_write(const struct mts_report_terms *terms, const struct mts_session_row *rows, size_t count,
                              struct mts_report_written *written) {
  struct mts_report_written made = {0};
  enum mts_err err = mts_report_name(terms, &made);
  if (err) return err;
  struct writer *writer = calloc(1, sizeof *writer);
  if (!writer) return MTS_ERR_NO_MEMORY;
  writer->terms = terms;
  err = add_rows(writer, rows, count) ? finish(writer, &made) : MTS_ERR_NO_MEMORY;
  writer_clear(writer);
  free(writer);
  if (err)
    mts_report_written_free(&made);
  else
    *written = made;
  return err;
}

void mts_report_written_free(struct mts_report_written *written) {
  free((void *)(uintptr_t)written->json.p);
  free((void *)(uintptr_t)written->gzip.p);
  written->json = written->gzip = (struct mts_span){0};
}
