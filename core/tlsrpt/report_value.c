/* SPDX-License-Identifier: ISC
 * What the fields of a report say: texts, counts, times, lists of lines (RFC 8460 4.4). */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "tlsrpt/report.h"

#define SCHEMA "RFC 8460 4.4"

bool report_absent(struct report_reader *r, struct report_node field, const char *key, enum report_need need,
                   const char *parent_at) {
  if (field.value && !json_is_null(field.value)) return false;
  size_t path = report_enter(r, key);
  if (field.value)
    report_note(r, "report-null", true, SCHEMA, field.at, "%s is null: write a value, or leave it out", key);
  else if (need != REPORT_OPTIONAL)
    report_note(r, "report-missing", need == REPORT_REQUIRED, SCHEMA, parent_at, "%s is missing", key);
  report_leave(r, path);
  return true;
}

/* ---- texts ---- */

/* A copy in which control characters are visible. */
const char *report_keep(struct report_reader *r, struct mts_span text) {
  size_t control = 0;
  for (size_t i = 0; i < text.n; i++) control += (unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f;
  char *copy = report_take(r->report, text.n + 3 * control + 1), *to = copy;
  if (!copy) {
    report_fail(r, MTS_ERR_NO_MEMORY);
    return NULL;
  }
  static const char hex[] = "0123456789abcdef";
  for (size_t i = 0; i < text.n; i++) {
    unsigned char c = (unsigned char)text.p[i];
    if (c >= 0x20 && c != 0x7f) {
      *to++ = (char)c;
      continue;
    }
    *to++ = '\\';
    *to++ = 'x';
    *to++ = hex[c >> 4];
    *to++ = hex[c & 15];
  }
  return copy;
}

/* At most so many bytes, whole characters. */
static struct mts_span bounded(struct report_reader *r, struct mts_span text, const char *at) {
  if (text.n <= MTS_REPORT_MAX_TEXT) return text;
  report_note(r, "report-long", false, NULL, at, "longer than %u bytes: cut", MTS_REPORT_MAX_TEXT);
  text.n = MTS_REPORT_MAX_TEXT;
  while (text.n > 0 && ((unsigned char)text.p[text.n] & 0xc0) == 0x80) text.n--;
  return text;
}

/* A text, whatever form it has; {NULL, 0}: it is none, which is noted. spare holds the digits of a number. */
static struct mts_span text_of(struct report_reader *r, struct report_node field, const char *key, char spare[32]) {
  if (json_is_array(field.value) && json_array_size(field.value) == 1 && json_is_string(json_array_get(field.value, 0))) {
    report_note(r, "report-nesting", true, SCHEMA, field.at, "%s is a list: write its one string", key);
    field.value = json_array_get(field.value, 0);
  }
  if (json_is_string(field.value)) return mts_span(json_string_value(field.value), json_string_length(field.value));
  bool number = json_is_integer(field.value);
  report_note(r, "report-type", true, SCHEMA, field.at, "%s is no string%s", key, number ? "" : ": ignored");
  if (!number) return mts_span(NULL, 0);
  mts_text_format(spare, 32, "%lld", (long long)json_integer_value(field.value));
  return mts_span_of(spare);
}

const char *report_read_text(struct report_reader *r, struct report_node object, const char *key, enum report_need need,
                             struct report_node *where) {
  char spare[32];
  struct report_node field = report_field(r, object, key);
  if (where) *where = field;
  if (report_absent(r, field, key, need, object.at)) return NULL;
  const char *kept = NULL;
  size_t path = report_enter(r, key);
  struct mts_span text = text_of(r, field, key, spare);
  if (text.p && text.n == 0 && need != REPORT_OPTIONAL)
    report_note(r, "report-empty", need == REPORT_REQUIRED, SCHEMA, field.at, "%s is empty", key);
  if (text.p && text.n > 0) {
    text = bounded(r, text, field.at);
    kept = report_keep(r, text);
    if (kept && strlen(kept) != text.n)
      report_note(r, "report-control", false, SCHEMA, field.at, "control characters in %s: shown as \\xNN", key);
  }
  report_leave(r, path);
  return kept;
}

/* ---- counts ---- */

static int64_t no_count(struct report_reader *r, struct report_node field, const char *key) {
  report_note(r, "report-count", true, SCHEMA, field.at, "%s is no whole number from 0 to 2^53-1", key);
  report_fail(r, MTS_ERR_REPORT_COUNT);
  return MTS_REPORT_UNKNOWN;
}

static int64_t count_of(struct report_reader *r, struct report_node field, const char *key) {
  uint64_t value = 0;
  switch (json_typeof(field.value)) {
    case JSON_INTEGER:
      if (json_integer_value(field.value) < 0 || json_integer_value(field.value) > MTS_REPORT_COUNT_MAX) break;
      return json_integer_value(field.value);
    case JSON_REAL: {
      double real = json_real_value(field.value);
      if (!(real >= 0) || real > (double)MTS_REPORT_COUNT_MAX || floor(real) < real) break;
      report_note(r, "report-number", true, SCHEMA, field.at, "%s has a fraction or an exponent: write a whole number", key);
      return (int64_t)real;
    }
    case JSON_STRING:
      if (!mts_number_parse(mts_span(json_string_value(field.value), json_string_length(field.value)), MTS_REPORT_COUNT_MAX,
                            &value))
        break;
      report_note(r, "report-number", true, SCHEMA, field.at, "%s is a string: write a number", key);
      return (int64_t)value;
    case JSON_OBJECT:
    case JSON_ARRAY:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
      break;
  }
  return no_count(r, field, key);
}

int64_t report_read_count(struct report_reader *r, struct report_node object, const char *key, enum report_need need) {
  struct report_node field = report_field(r, object, key);
  if (report_absent(r, field, key, need, object.at)) return MTS_REPORT_UNKNOWN;
  size_t path = report_enter(r, key);
  int64_t count = count_of(r, field, key);
  report_leave(r, path);
  return count;
}

/* ---- times ---- */

int64_t report_read_time(struct report_reader *r, struct report_node object, const char *key, bool is_end) {
  char spare[32], quote[MTS_QUOTE_SIZE];
  const char *code = NULL, *why = NULL;
  int64_t at = 0;
  struct report_node field = report_field(r, object, key);
  if (report_absent(r, field, key, REPORT_REQUIRED, object.at)) return 0;
  size_t path = report_enter(r, key);
  struct mts_span text = text_of(r, field, key, spare);
  if (text.p && !report_time_parse(text, is_end, &at, &code, &why)) {
    at = 0;
    report_note(r, "report-time", true, "RFC 3339 5.6", field.at, "%s: \"%s\" is no time: ignored", key, mts_quote(quote, text));
  } else if (code) {
    report_note(r, code, true, "RFC 3339 5.6", field.at, "%s: %s", key, why);
  }
  report_leave(r, path);
  return at;
}

/* ---- lists of lines ---- */

struct lines {
  struct report_reader *r;
  const char **list;
  size_t count, room;
  bool control;
};

/* Without room it counts only. */
static void add_line(struct lines *to, struct mts_span line, const char *at) {
  while (line.p && line.n && (line.p[line.n - 1] == '\r' || line.p[line.n - 1] == ' ')) line.n--;
  if (!line.p || line.n == 0) return;
  if (!to->list) {
    to->count++;
    return;
  }
  if (to->count == to->room) return;
  line = bounded(to->r, line, at);
  const char *kept = report_keep(to->r, line);
  if (!kept) return;
  to->control = to->control || strlen(kept) != line.n;
  to->list[to->count++] = kept;
}

/* Each line of a text; returns how many. */
static size_t add_text(struct lines *to, json_t *value, const char *at) {
  struct mts_span rest = mts_span(json_string_value(value), json_string_length(value));
  size_t count = 0;
  for (bool more = true; more; count++) {
    const char *end = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;
    size_t n = end ? (size_t)(end - rest.p) : rest.n;
    add_line(to, mts_span(rest.p, n), at);
    more = end && n + 1 < rest.n;
    if (more) rest = mts_span(rest.p + n + 1, rest.n - n - 1);
  }
  return count;
}

static void add_all(struct lines *to, json_t *value, const char *at, int depth) {
  bool notes = to->list == NULL; /* once */
  if (json_is_string(value)) {
    if (add_text(to, value, at) > 1 && notes && depth > 0)
      report_note(to->r, "report-lines", true, "RFC 8460 4.5", at, "several lines in one string: write a string for each");
    return;
  }
  if (json_is_array(value) && depth < 2) {
    if (notes && depth == 1)
      report_note(to->r, "report-nesting", true, "RFC 8460 4.5", at, "a list within the list: write one list of strings");
    for (size_t i = 0; i < json_array_size(value); i++) add_all(to, json_array_get(value, i), at, depth + 1);
    return;
  }
  if (notes && json_is_null(value)) report_note(to->r, "report-null", true, SCHEMA, at, "null in a list: ignored");
  if (notes && !json_is_null(value)) report_note(to->r, "report-type", true, SCHEMA, at, "no string: ignored");
}

const char **report_read_lines(struct report_reader *r, struct report_node object, const char *key, enum report_need need,
                               size_t *count) {
  struct report_node field = report_field(r, object, key);
  *count = 0;
  if (report_absent(r, field, key, need, object.at)) return NULL;
  size_t path = report_enter(r, key);
  if (json_is_string(field.value))
    report_note(r, "report-not-array", true, SCHEMA, field.at, "%s is a string: write an array of strings", key);
  struct lines to = {.r = r};
  add_all(&to, field.value, field.at, 0);
  if (to.count == 0 && need == REPORT_REQUIRED) report_note(r, "report-empty", true, SCHEMA, field.at, "%s is empty", key);
  if (to.count > MTS_REPORT_MAX_LINES) {
    report_note(r, "report-size", true, NULL, field.at, "%s has more than %u lines", key, MTS_REPORT_MAX_LINES);
    report_fail(r, MTS_ERR_REPORT_SIZE);
  } else if (to.count > 0) {
    to.room = to.count;
    to.count = 0;
    to.list = report_take(r->report, to.room * sizeof *to.list);
    if (!to.list) report_fail(r, MTS_ERR_NO_MEMORY);
    if (to.list) add_all(&to, field.value, field.at, 0);
    if (to.control) report_note(r, "report-control", false, SCHEMA, field.at, "control characters in %s: shown as \\xNN", key);
    *count = to.count;
  }
  report_leave(r, path);
  return *count ? to.list : NULL;
}
