/* SPDX-License-Identifier: ISC
 * A report as RFC 8460 4.4 has it, out of JSON: what cannot be misread is taken, each departure is noted. */
#include <string.h>

#include "base/name.h"
#include "tlsrpt/report.h"
#include "tlsrpt/report_check.h"

#define SCHEMA "RFC 8460 4.4"

static const char *const top_fields[] = {"organization-name", "date-range", "contact-info", "report-id", "policies", NULL};
static const char *const range_fields[] = {"start-datetime", "end-datetime", NULL};
static const char *const entry_fields[] = {"policy", "summary", "failure-details", NULL};
static const char *const policy_fields[] = {"policy-type", "policy-string", "policy-domain", "mx-host", NULL};
static const char *const summary_fields[] = {"total-successful-session-count", "total-failure-session-count", NULL};
static const char *const failure_fields[] = {"result-type",
                                             "sending-mta-ip",
                                             "receiving-mx-hostname",
                                             "receiving-mx-helo",
                                             "receiving-ip",
                                             "failed-session-count",
                                             "additional-information",
                                             "failure-reason-code",
                                             NULL};

#define KNOWN_MAX 16

/* The fields of an object, and those of a part that its reporter left out around them. */
struct known {
  const char *list[KNOWN_MAX];
  size_t count;
};

static void know(struct known *known, const char *const *fields) {
  for (; *fields && known->count < KNOWN_MAX - 1; fields++) known->list[known->count++] = *fields;
}

/* The object of this key, of one that a list holds, or the parent where the fields of the part stand in it themselves. */
static struct report_node part(struct report_reader *r, struct report_node parent, const char *key, const char *const *fields,
                               struct known *known) {
  struct report_node node = report_field(r, parent, key);
  if (!node.value || json_is_null(node.value)) {
    bool flat = false;
    for (size_t i = 0; fields[i]; i++) flat = flat || report_has(parent, fields[i]);
    if (flat) {
      report_note(r, "report-nesting", true, SCHEMA, parent.at, "what belongs into %s stands outside of it", key);
      know(known, fields);
      return parent;
    }
  }
  if (report_absent(r, node, key, REPORT_REQUIRED, parent.at)) return (struct report_node){NULL, NULL};
  size_t path = report_enter(r, key);
  if (json_is_array(node.value) && json_array_size(node.value) == 1 && json_is_object(json_array_get(node.value, 0))) {
    const char *from = node.at;
    report_note(r, "report-nesting", true, SCHEMA, node.at, "%s is a list: write its one object", key);
    node = report_element(r, node, 0, &from);
  }
  if (!json_is_object(node.value)) {
    report_note(r, "report-type", true, SCHEMA, node.at, "%s is no object", key);
    report_fail(r, MTS_ERR_REPORT_FIELDS);
    node = (struct report_node){NULL, NULL};
  }
  report_leave(r, path);
  return node;
}

/* ---- failure-details ---- */

static void read_failure(struct report_reader *r, struct report_node node, struct mts_report_failure *f) {
  struct report_node where;
  f->result = report_read_text(r, node, "result-type", REPORT_REQUIRED, &where);
  report_check_result(r, f->result, where.at);
  /* A failure of the policy happens before there is any mail host; Appendix B leaves receiving-ip out. */
  enum report_need need = report_is_of_policy(f->result) ? REPORT_EXPECTED : REPORT_REQUIRED;
  f->source = report_read_text(r, node, "sending-mta-ip", REPORT_REQUIRED, &where);
  report_check_address(r, &f->source, "sending-mta-ip", where.at);
  f->mx = report_read_text(r, node, "receiving-mx-hostname", need, &where);
  report_check_name(r, &f->mx, "receiving-mx-hostname", where.at, false);
  f->helo = report_read_text(r, node, "receiving-mx-helo", REPORT_OPTIONAL, NULL);
  f->address = report_read_text(r, node, "receiving-ip", REPORT_EXPECTED, &where);
  report_check_address(r, &f->address, "receiving-ip", where.at);
  f->count = report_read_count(r, node, "failed-session-count", REPORT_REQUIRED);
  f->info = report_read_text(r, node, "additional-information", REPORT_OPTIONAL, &where);
  report_check_uri(r, f->info, where.at);
  f->reason = report_read_text(r, node, "failure-reason-code", REPORT_OPTIONAL, NULL);
  report_unknown_fields(r, node, failure_fields);
}

static void read_list(struct report_reader *r, struct report_node list, struct mts_report_policy *p) {
  const char *from = list.at;
  size_t count = json_array_size(list.value);
  for (size_t i = 0; i < count && !r->err; i++) {
    struct report_node node = report_element(r, list, i, &from);
    size_t path = report_enter_index(r, i);
    if (json_is_object(node.value)) {
      read_failure(r, node, &p->failures[p->failure_count++]);
    } else {
      report_note(r, "report-type", true, SCHEMA, node.at, "no object, but failure-details has nothing else");
      report_fail(r, MTS_ERR_REPORT_FIELDS);
    }
    report_leave(r, path);
  }
}

static void read_failures(struct report_reader *r, struct report_node entry, struct mts_report_policy *p) {
  struct report_node list = report_field(r, entry, "failure-details");
  if (report_absent(r, list, "failure-details", p->failed > 0 ? REPORT_REQUIRED : REPORT_EXPECTED, entry.at)) return;
  size_t path = report_enter(r, "failure-details"), count = json_is_object(list.value) ? 1 : json_array_size(list.value);
  r->failures += count;
  if (!json_is_array(list.value) && !json_is_object(list.value)) {
    report_note(r, "report-type", true, SCHEMA, list.at, "failure-details is no array");
    report_fail(r, MTS_ERR_REPORT_FIELDS);
  } else if (r->failures > MTS_REPORT_MAX_FAILURES) {
    report_note(r, "report-size", true, NULL, list.at, "more than %u failure-details", MTS_REPORT_MAX_FAILURES);
    report_fail(r, MTS_ERR_REPORT_SIZE);
  } else if (count > 0) {
    p->failures = report_take(r->report, count * sizeof *p->failures);
    if (!p->failures) report_fail(r, MTS_ERR_NO_MEMORY);
    if (p->failures && json_is_object(list.value)) {
      report_note(r, "report-not-array", true, SCHEMA, list.at, "failure-details is an object: write an array of it");
      read_failure(r, list, &p->failures[p->failure_count++]);
    } else if (p->failures) {
      read_list(r, list, p);
    }
  }
  report_leave(r, path);
  if (!r->err) report_check_sum(r, p, list.at);
}

/* ---- policies ---- */

static void read_policy(struct report_reader *r, struct report_node node, struct mts_report_policy *p, bool inside) {
  struct report_node where;
  size_t path = inside ? report_enter(r, "policy") : r->path_length;
  p->type = report_read_text(r, node, "policy-type", REPORT_REQUIRED, &where);
  report_check_type(r, p, where.at);
  bool sts = p->type && strcmp(p->type, "sts") == 0, tlsa = p->type && strcmp(p->type, "tlsa") == 0;
  p->domain = report_read_text(r, node, "policy-domain", REPORT_REQUIRED, &where);
  report_check_name(r, &p->domain, "policy-domain", where.at, false);
  p->lines = report_read_lines(r, node, "policy-string", sts || tlsa ? REPORT_REQUIRED : REPORT_EXPECTED, &p->line_count);
  p->patterns = report_read_lines(r, node, "mx-host", sts ? REPORT_REQUIRED : REPORT_EXPECTED, &p->pattern_count);
  size_t inner = report_enter(r, "mx-host");
  for (size_t i = 0; i < p->pattern_count; i++) report_check_name(r, &p->patterns[i], "mx-host", NULL, true);
  report_leave(r, inner);
  report_leave(r, path);
}

static void read_entry(struct report_reader *r, struct report_node entry, struct mts_report_policy *p) {
  struct known known = {{NULL}, 0};
  know(&known, entry_fields);
  p->successful = p->failed = MTS_REPORT_UNKNOWN;
  struct report_node policy = part(r, entry, "policy", policy_fields, &known);
  if (policy.value) read_policy(r, policy, p, policy.value != entry.value);
  if (policy.value && policy.value != entry.value) {
    size_t path = report_enter(r, "policy");
    report_unknown_fields(r, policy, policy_fields);
    report_leave(r, path);
  }
  struct report_node summary = part(r, entry, "summary", summary_fields, &known);
  if (summary.value) {
    size_t path = summary.value != entry.value ? report_enter(r, "summary") : r->path_length;
    p->successful = report_read_count(r, summary, "total-successful-session-count", REPORT_REQUIRED);
    p->failed = report_read_count(r, summary, "total-failure-session-count", REPORT_REQUIRED);
    if (summary.value != entry.value) report_unknown_fields(r, summary, summary_fields);
    report_leave(r, path);
  }
  if (!r->err) read_failures(r, entry, p);
  report_unknown_fields(r, entry, known.list);
}

static void read_entries(struct report_reader *r, struct report_node list) {
  struct mts_report *report = r->report;
  bool single = json_is_object(list.value);
  size_t count = single ? 1 : json_array_size(list.value);
  if (!single && !json_is_array(list.value)) {
    report_note(r, "report-type", true, SCHEMA, list.at, "policies is no array");
    report_fail(r, MTS_ERR_REPORT_FIELDS);
  }
  if (single) report_note(r, "report-not-array", true, "RFC 8460 4", list.at, "policies is an object: write an array of it");
  if (!single && count == 0 && !r->err)
    report_note(r, "report-empty", false, SCHEMA, list.at, "policies is empty: the report says nothing");
  if (count > MTS_REPORT_MAX_POLICIES) {
    report_note(r, "report-size", true, NULL, list.at, "more than %u policies", MTS_REPORT_MAX_POLICIES);
    report_fail(r, MTS_ERR_REPORT_SIZE);
  }
  if (count == 0 || r->err) return;
  report->policies = report_take(report, count * sizeof *report->policies);
  if (!report->policies) {
    report_fail(r, MTS_ERR_NO_MEMORY);
    return;
  }
  const char *from = list.at;
  for (size_t i = 0; i < count && !r->err; i++) {
    struct report_node entry = single ? list : report_element(r, list, i, &from);
    size_t path = report_enter_index(r, i);
    if (json_is_object(entry.value)) {
      read_entry(r, entry, &report->policies[report->policy_count++]);
    } else {
      report_note(r, "report-type", true, SCHEMA, entry.at, "no object, but policies has nothing else");
      report_fail(r, MTS_ERR_REPORT_FIELDS);
    }
    report_leave(r, path);
  }
}

/* ---- the whole ---- */

static void read_range(struct report_reader *r, struct report_node top, struct known *known) {
  struct mts_report *report = r->report;
  struct report_node range = part(r, top, "date-range", range_fields, known);
  if (!range.value) return;
  size_t path = range.value != top.value ? report_enter(r, "date-range") : r->path_length;
  report->begins_at = report_read_time(r, range, "start-datetime", false);
  report->ends_at = report_read_time(r, range, "end-datetime", true);
  if (range.value != top.value) report_unknown_fields(r, range, range_fields);
  report_check_range(r, report->begins_at, report->ends_at, range.at);
  report_leave(r, path);
}

static void read_report(struct report_reader *r, struct report_node top) {
  struct mts_report *report = r->report;
  struct report_node where;
  struct known known = {{NULL}, 0};
  know(&known, top_fields);
  report->organization = report_read_text(r, top, "organization-name", REPORT_REQUIRED, NULL);
  read_range(r, top, &known);
  report->contact = report_read_text(r, top, "contact-info", REPORT_REQUIRED, &where);
  report_check_contact(r, report->contact, where.at);
  report->id = report_read_text(r, top, "report-id", REPORT_REQUIRED, NULL);
  struct report_node list = report_field(r, top, "policies");
  if (!report_absent(r, list, "policies", REPORT_REQUIRED, top.at)) {
    size_t path = report_enter(r, "policies");
    read_entries(r, list);
    report_leave(r, path);
  }
  report_unknown_fields(r, top, known.list);
}

/* An object that has any field of a report; of a list the one element. */
static bool find_report(struct report_reader *r, struct report_node *top) {
  if (json_is_array(top->value) && json_array_size(top->value) == 1 && json_is_object(json_array_get(top->value, 0))) {
    const char *from = top->at;
    report_note(r, "report-nesting", true, SCHEMA, top->at, "the report stands in a list: write its one object");
    *top = report_element(r, *top, 0, &from);
  }
  for (size_t i = 0; json_is_object(top->value) && top_fields[i]; i++)
    if (report_has(*top, top_fields[i])) return true;
  report_note(r, "report-fields", true, SCHEMA, top->at,
              json_is_object(top->value) ? "an object without any field of a report" : "JSON, but no object");
  return false;
}

static enum mts_err load(struct report_reader *r, json_t **value, const char **at) {
  json_error_t error;
  struct mts_span text = r->text;
  if (mts_span_begins(text, "\xef\xbb\xbf")) text.p += 3, text.n -= 3; /* a BOM */
  *value = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
  *at = text.p;
  while (*value && (**at == ' ' || **at == '\t' || **at == '\r' || **at == '\n')) ++*at;
  if (*value) return MTS_OK;
  const char *place = error.position > 0 && (size_t)error.position <= text.n ? text.p + error.position - 1 : text.p;
  enum json_error_code code = json_error_code(&error);
  if (code == json_error_out_of_memory) return MTS_ERR_NO_MEMORY;
  if (code == json_error_numeric_overflow) {
    report_note(r, "report-count", true, "RFC 7493 2.2", place, "a number beyond 2^63 or 1e308");
    return MTS_ERR_REPORT_COUNT;
  }
  if (code == json_error_duplicate_key)
    report_note(r, "report-duplicate-field", true, "RFC 7493 2.3", place, "%s: it stands there twice", error.text);
  else
    report_note(r, "report-syntax", true, "RFC 7493 2", place, "no JSON: %s", error.text);
  return MTS_ERR_REPORT_SYNTAX;
}

static enum mts_err parse(struct report_reader *r, struct mts_span bytes, enum mts_profile profile) {
  struct mts_buf own = {0};
  struct report_node top = {NULL, NULL};
  enum mts_err err = report_text(r, bytes, &own);
  if (!err) err = report_measure(r);
  if (!err) err = load(r, &top.value, &top.at);
  json_t *root = top.value; /* of which top may become a part */
  if (!err && !find_report(r, &top)) err = MTS_ERR_REPORT_FIELDS;
  if (!err) read_report(r, top);
  if (!err) err = r->err;
  if (!err && profile == MTS_PROFILE_STRICT && !r->notes.strict) err = MTS_ERR_REPORT_FIELDS;
  json_decref(root);
  mts_buf_free(&own);
  return err;
}

enum mts_err mts_report_parse(struct mts_span bytes, enum mts_profile profile, struct mts_report **report,
                              struct mts_findings *findings) {
  struct report_reader r = {.report = report_new()};
  if (!r.report) return MTS_ERR_NO_MEMORY;
  if (!bytes.p) bytes = mts_span("", 0);
  mts_notes_begin(&r.notes, findings);
  enum mts_err err = parse(&r, bytes, profile);
  mts_notes_end(&r.notes);
  if (err && findings) findings->strict = false;
  if (err) {
    mts_report_free(&r.report);
    return err;
  }
  *report = r.report;
  return MTS_OK;
}
