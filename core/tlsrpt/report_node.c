/* SPDX-License-Identifier: ISC
 * Values of JSON with the place where they stand: jansson makes the values, and since the text is known to be valid then, places are found
 * by skipping from one value to the next. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tlsrpt/report.h"

/* ---- places ---- */

static const char *text_end(const struct report_reader *r) { return r->text.p + r->text.n; }

static const char *skip_blanks(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
  return p;
}

/* Behind the string that begins at p. */
static const char *skip_string(const char *p, const char *end) {
  for (p++; p < end && *p != '"'; p++)
    if (*p == '\\') p++;
  return p < end ? p + 1 : end;
}

static const char *skip_value(const char *p, const char *end) {
  size_t depth = 0;
  do {
    p = skip_blanks(p, end);
    if (p == end) return end;
    if (*p == '"') {
      p = skip_string(p, end);
    } else if (*p == '{' || *p == '[') {
      depth++, p++;
    } else if (*p == '}' || *p == ']') {
      depth--, p++;
    } else if (*p == ',' || *p == ':') {
      p++;
    } else {
      do p++;
      while (p < end && !strchr(" \t\r\n,:]}", *p));
    }
  } while (depth > 0);
  return p;
}

/* Where the value of a member stands; NULL where its key is not found as it is written. */
static const char *member_place(const struct report_reader *r, const char *at, const char *key) {
  const char *end = text_end(r);
  size_t n = strlen(key);
  if (!at || at == end || *at != '{') return NULL;
  for (const char *p = skip_blanks(at + 1, end); p < end && *p == '"'; p = skip_blanks(p, end)) {
    const char *name = p + 1;
    p = skip_string(p, end);
    bool same = (size_t)(p - name) == n + 1 && memcmp(name, key, n) == 0;
    p = skip_blanks(p, end);
    p = skip_blanks(p < end ? p + 1 : end, end); /* the colon */
    if (same) return p;
    p = skip_blanks(skip_value(p, end), end);
    if (p < end && *p == ',') p = skip_blanks(p + 1, end);
  }
  return NULL;
}

/* Counts on from where it counted to last; what lies before is counted anew. */
static void place_of(struct report_reader *r, const char *at, size_t *line, size_t *column) {
  *line = *column = 0;
  if (!at || at < r->text.p || at > text_end(r)) return;
  if (!r->counted || r->counted > at) {
    r->counted = r->text.p;
    r->line = 1;
  }
  for (const char *next; (next = memchr(r->counted, '\n', (size_t)(at - r->counted)));) {
    r->counted = next + 1;
    r->line++;
  }
  *line = r->line;
  *column = (size_t)(at - r->counted) + 1;
}

/* ---- notes ---- */

void report_note(struct report_reader *r, const char *code, bool strict_refuses, const char *clause, const char *at,
                 const char *format, ...) {
  char message[256];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  struct mts_findings *findings = r->notes.findings;
  size_t line = 0, column = 0, before = findings ? findings->count : 0;
  if (findings && before < MTS_FINDINGS_MAX) place_of(r, at, &line, &column);
  mts_note(&r->notes, code, strict_refuses, line, column, "%s", message);
  if (!findings || findings->count == before) return;
  struct mts_deviation *d = &findings->list[before];
  d->clause = clause;
  mts_text_clean(d->path, sizeof d->path, mts_span_of(r->path));
}

void report_fail(struct report_reader *r, enum mts_err err) {
  if (!r->err) r->err = err;
}

/* ---- the path ---- */

static size_t enter(struct report_reader *r, const char *step) {
  size_t before = r->path_length, n = strlen(step);
  if (before < PATH_SIZE - 1) {
    size_t room = PATH_SIZE - 1 - before, copied = n < room ? n : room;
    memcpy(r->path + before, step, copied);
    r->path[before + copied] = '\0';
  }
  r->path_length += n;
  return before;
}

size_t report_enter(struct report_reader *r, const char *key) {
  size_t before = r->path_length;
  if (before) enter(r, ".");
  enter(r, key);
  return before;
}

size_t report_enter_index(struct report_reader *r, size_t index) {
  char step[24];
  snprintf(step, sizeof step, "[%zu]", index);
  return enter(r, step);
}

void report_leave(struct report_reader *r, size_t length) {
  r->path_length = length;
  r->path[length < PATH_SIZE - 1 ? length : PATH_SIZE - 1] = '\0';
}

/* ---- fields ---- */

/* Names of drafts, and the one that the text of RFC 8460 4.4 has beside that of its schema. */
static const struct {
  const char *key, *other;
} aliases[] = {{"additional-information", "additional-info-uri"}, {"failure-reason-code", "failure-error-code"}};

/* Written otherwise, but no other word: "Policy_Type". */
static bool is_variant(const char *name, const char *key) {
  for (; *name && *key; name++, key++) {
    char c = *name == '_' || *name == ' ' ? '-' : (char)tolower((unsigned char)*name);
    if (c != *key) return false;
  }
  return *name == *key;
}

static bool stands_for(const char *name, const char *key) {
  if (is_variant(name, key)) return true;
  for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
    if (strcmp(aliases[i].key, key) == 0 && is_variant(name, aliases[i].other)) return true;
  return false;
}

/* The member itself, or the first that stands for it. */
static const char *member_name(json_t *object, const char *key) {
  const char *name;
  json_t *value;
  if (json_object_get(object, key)) return key;
  json_object_foreach(object, name, value) {
    if (stands_for(name, key)) return name;
  }
  return NULL;
}

bool report_has(struct report_node object, const char *key) { return member_name(object.value, key) != NULL; }

struct report_node report_field(struct report_reader *r, struct report_node object, const char *key) {
  char quote[MTS_QUOTE_SIZE];
  const char *name = member_name(object.value, key);
  if (!name) return (struct report_node){NULL, NULL};
  struct report_node field = {json_object_get(object.value, name), member_place(r, object.at, name)};
  if (name == key) return field;
  size_t path = report_enter(r, name);
  report_note(r, "report-key", true, "RFC 8460 4.4", field.at, "\"%s\" is taken for \"%s\": write that",
              mts_quote(quote, mts_span_of(name)), key);
  report_leave(r, path);
  return field;
}

/* *from: begins as array.at, goes on from one element to the next. */
struct report_node report_element(struct report_reader *r, struct report_node array, size_t index, const char **from) {
  struct report_node element = {json_array_get(array.value, index), NULL};
  const char *end = text_end(r);
  if (*from && *from < end) {
    element.at = skip_blanks(*from + 1, end); /* behind "[" or "," */
    *from = skip_blanks(skip_value(element.at, end), end);
  }
  return element;
}

void report_unknown_fields(struct report_reader *r, struct report_node object, const char *const *known) {
  char quote[MTS_QUOTE_SIZE];
  const char *name;
  json_t *value;
  json_object_foreach(object.value, name, value) {
    bool taken = false;
    for (size_t i = 0; known[i] && !taken; i++) {
      const char *member = stands_for(name, known[i]) ? member_name(object.value, known[i]) : NULL;
      taken = member && strcmp(member, name) == 0;
    }
    if (taken) continue;
    /* Of very many the places would take long to find. */
    const struct mts_findings *findings = r->notes.findings;
    bool kept = findings && findings->count < MTS_FINDINGS_MAX;
    size_t path = report_enter(r, name);
    report_note(r, "report-unknown-field", false, "RFC 8460 4.4", kept ? member_place(r, object.at, name) : NULL,
                "\"%s\" is no field of a report: ignored", mts_quote(quote, mts_span_of(name)));
    report_leave(r, path);
  }
}
