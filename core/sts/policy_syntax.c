/* SPDX-License-Identifier: ISC
 * The syntax of a policy (RFC 8461 3.2): strict is computed always, the default profile forgives what cannot be misread. */
#include <stdlib.h>
#include <string.h>

#include "base/fields.h"
#include "base/nearest.h"
#include "base/utf8.h"
#include "sts/match.h"
#include "sts/policy.h"

struct mx {
  size_t offset; /* in strings */
  uint32_t line, column;
};

struct parser {
  struct mts_notes notes;
  enum mts_err err; /* the first that no profile forgives */
  bool mx_refused;  /* an mx that strict refuses */
  bool has_version, has_mode, has_max_age;
  enum mts_mode mode;
  uint64_t max_age_s;
  struct mts_buf strings; /* the patterns, each with its NUL */
  struct mx *mx;
  size_t mx_count, mx_capacity;
  size_t unusable_line; /* the first unusable mx; 0: none */
};

struct field {
  struct mts_span name, value;
  size_t line, column, value_column;
};

static void fail(struct parser *p, enum mts_err err) {
  if (!p->err) p->err = err;
}

static void note_byte(struct parser *p, size_t line, size_t column, unsigned char byte) {
  if (byte == '\r')
    mts_note(&p->notes, "policy-value-byte", true, line, column, "a CR without LF is no line end: end lines with LF or CRLF");
  else if (byte == '\t')
    mts_note(&p->notes, "policy-value-byte", true, line, column, "a tab is not allowed inside a value: write one blank");
  else
    mts_note(&p->notes, "policy-value-byte", true, line, column,
             "byte 0x%02x is not allowed in a value: write printable ASCII or UTF-8", (unsigned)byte);
}

/* sts-policy-ext-value, blanks around it already gone. */
static bool check_value(struct parser *p, const struct field *f) {
  char quote[MTS_QUOTE_SIZE];
  const unsigned char *v = (const unsigned char *)f->value.p;
  if (f->value.n == 0) {
    mts_note(&p->notes, "policy-value-empty", true, f->line, f->value_column, "field \"%s\" has no value",
             mts_quote(quote, f->name));
    fail(p, MTS_ERR_POLICY_SYNTAX);
    return false;
  }
  for (size_t i = 0; i < f->value.n;) {
    size_t n = v[i] < 0x20 || v[i] == 0x7f ? 0 : mts_utf8_length(v + i, f->value.n - i);
    if (n == 0) {
      note_byte(p, f->line, f->value_column + i, v[i]);
      fail(p, MTS_ERR_POLICY_SYNTAX);
      return false;
    }
    i += n;
  }
  return true;
}

static void read_version(struct parser *p, const struct field *f) {
  char quote[MTS_QUOTE_SIZE];
  p->has_version = true;
  if (mts_span_equals(f->value, "STSv1")) return;
  mts_note(&p->notes, "policy-version", true, f->line, f->value_column, "version is \"%s\"; write STSv1",
           mts_quote(quote, f->value));
  fail(p, MTS_ERR_POLICY_VERSION);
}

/* The word of the syntax that was meant, whatever its case and whatever stands around it; NULL if none is near. */
static const char *meant(struct mts_span value, const char *const *words, size_t count) {
  char word[16] = "";
  while (value.n && !mts_is_alnum(value.p[0])) value.p++, value.n--;
  size_t n = 0;
  for (; n < value.n && (mts_is_alnum(value.p[n]) || value.p[n] == '_' || value.p[n] == '-'); n++) {
    if (n == sizeof word - 1) return NULL;
    char c = value.p[n];
    word[n] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  }
  for (; n < value.n; n++)
    if (mts_is_alnum(value.p[n])) return NULL; /* several words */
  return mts_nearest(word, words, count);
}

static void read_mode(struct parser *p, const struct field *f) {
  char quote[MTS_QUOTE_SIZE];
  p->has_mode = true;
  static const enum mts_mode all[] = {MTS_MODE_NONE, MTS_MODE_TESTING, MTS_MODE_ENFORCE};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    if (!mts_span_equals(f->value, mts_mode_name(all[i]))) continue;
    p->mode = all[i];
    return;
  }
  static const char *const modes[] = {"enforce", "testing", "none"};
  const char *nearest = meant(f->value, modes, sizeof modes / sizeof *modes);
  mts_quote(quote, f->value);
  if (nearest)
    mts_note(&p->notes, "policy-mode", true, f->line, f->value_column, "mode is \"%s\"; did you mean \"%s\"?", quote, nearest);
  else
    mts_note(&p->notes, "policy-mode", true, f->line, f->value_column, "mode is \"%s\"; write enforce, testing or none", quote);
  fail(p, MTS_ERR_POLICY_MODE);
}

static void read_max_age(struct parser *p, const struct field *f) {
  char quote[MTS_QUOTE_SIZE];
  p->has_max_age = true;
  if (f->value.n > 10 || !mts_number_parse(f->value, UINT64_MAX, &p->max_age_s)) {
    mts_note(&p->notes, "policy-max-age", true, f->line, f->value_column,
             "max_age \"%s\" is not a number of 1 to 10 digits (seconds)", mts_quote(quote, f->value));
    fail(p, MTS_ERR_POLICY_MAX_AGE);
  } else if (p->max_age_s > MTS_POLICY_MAX_AGE_S) {
    mts_note(&p->notes, "policy-max-age-clamped", false, f->line, f->value_column, "max_age is taken as %u, the most allowed",
             MTS_POLICY_MAX_AGE_S);
  }
}

static void keep_mx(struct parser *p, const struct field *f, const char *pattern) {
  if (p->mx_count == p->mx_capacity) {
    size_t capacity = p->mx_capacity ? p->mx_capacity * 2 : 8;
    struct mx *mx = realloc(p->mx, capacity * sizeof *mx);
    if (!mx) {
      fail(p, MTS_ERR_NO_MEMORY);
      return;
    }
    p->mx = mx;
    p->mx_capacity = capacity;
  }
  struct mx *mx = &p->mx[p->mx_count];
  *mx = (struct mx){p->strings.n, (uint32_t)f->line, (uint32_t)f->value_column};
  enum mts_err err = mts_buf_add(&p->strings, pattern, strlen(pattern) + 1);
  if (err)
    fail(p, err == MTS_ERR_ARGUMENT ? MTS_ERR_POLICY_SIZE : err);
  else
    p->mx_count++;
}

static void read_mx(struct parser *p, const struct field *f) {
  char pattern[MTS_NAME_SIZE], quote[MTS_QUOTE_SIZE];
  struct mts_span v = f->value;
  if (v.n && !check_value(p, f)) return;
  enum mts_err err = mts_pattern_normalise(v, pattern);
  if (err == MTS_ERR_POLICY_MX && v.n > 1 && v.p[v.n - 1] == '.') {
    err = mts_pattern_normalise(mts_span(v.p, v.n - 1), pattern);
    if (!err) {
      p->mx_refused = true;
      mts_note(&p->notes, "policy-mx-trailing-dot", true, f->line, f->value_column + v.n - 1,
               "mx \"%s\": remove the dot at its end", mts_quote(quote, v));
    }
  }
  if (!err) {
    keep_mx(p, f, pattern);
  } else if (err == MTS_ERR_NO_MEMORY) {
    fail(p, err);
  } else {
    p->mx_refused = true;
    if (!p->unusable_line) p->unusable_line = f->line;
    bool several = v.n && (memchr(v.p, ' ', v.n) || memchr(v.p, ',', v.n));
    mts_note(&p->notes, "policy-mx-unusable", true, f->line, f->value_column,
             several ? "mx \"%s\": write one host name in each line, and nothing else"
                     : "mx \"%s\" is neither a host name nor \"*.\" and a domain",
             mts_quote(quote, v));
  }
}

static void read_field(struct parser *p, const struct field *f) {
  static const char *const once[] = {"version", "mode", "max_age"};
  static void (*const readers[])(struct parser *, const struct field *) = {read_version, read_mode, read_max_age};
  if (mts_span_equals(f->name, "mx")) {
    read_mx(p, f);
    return;
  }
  if (!check_value(p, f)) return;
  const bool seen[] = {p->has_version, p->has_mode, p->has_max_age};
  for (size_t i = 0; i < sizeof once / sizeof *once; i++) {
    if (!mts_span_equals(f->name, once[i])) continue;
    /* RFC 8461 3.2: the first one counts. */
    if (seen[i])
      mts_note(&p->notes, "policy-repeated-field", false, f->line, f->column, "a second \"%s\": only the first one counts",
               once[i]);
    else
      readers[i](p, f);
    return;
  }
  static const char *const known[] = {"version", "mode", "max_age", "mx"};
  char quote[MTS_QUOTE_SIZE];
  const char *nearest = meant(f->name, known, sizeof known / sizeof *known);
  if (nearest)
    mts_note(&p->notes, "policy-field-unknown", false, f->line, f->column, "field \"%s\" is not looked at; did you mean \"%s\"?",
             mts_quote(quote, f->name), nearest);
}

/* A line without its end. */
static void read_line(struct parser *p, struct mts_span line, size_t number, size_t column) {
  char quote[MTS_QUOTE_SIZE];
  size_t i = 0;
  while (i < line.n && mts_is_wsp(line.p[i])) i++;
  if (i == line.n) {
    mts_note(&p->notes, "policy-blank-line", true, number, column, "blank line: remove it");
    return;
  }
  if (i) mts_note(&p->notes, "policy-leading-blank", true, number, column, "blanks before the field: remove them");
  struct mts_span rest = mts_span(line.p + i, line.n - i);
  column += i;
  const char *colon = memchr(rest.p, ':', rest.n);
  const char *code = NULL, *format = NULL;
  size_t n = colon ? (size_t)(colon - rest.p) : rest.n;
  if (rest.p[0] == '#') {
    code = "policy-comment", format = "a policy knows no comments: remove this line";
  } else if (!colon) {
    code = "policy-no-colon", format = "not a field: there is no \":\"";
  } else if (n && mts_is_wsp(rest.p[n - 1])) {
    code = "policy-blank-before-colon", format = "no blank may stand before the \":\"";
  } else if (!mts_ext_name_fits(mts_span(rest.p, n))) {
    code = "policy-field-name", format = "a field name is 1 to 32 letters, digits, \"_\", \"-\" and \".\"";
  }
  if (code) {
    mts_note(&p->notes, code, true, number, column, "%s (\"%s\")", format, mts_quote(quote, rest));
    fail(p, MTS_ERR_POLICY_SYNTAX);
    return;
  }
  size_t begin = n + 1, end = rest.n;
  while (begin < end && mts_is_wsp(rest.p[begin])) begin++;
  while (end > begin && mts_is_wsp(rest.p[end - 1])) end--;
  const struct field f = {mts_span(rest.p, n), mts_span(rest.p + begin, end - begin), number, column, column + begin};
  read_field(p, &f);
}

static size_t read_lines(struct parser *p, struct mts_span body) {
  size_t at = 0, number = 1, column = 1;
  if (mts_span_begins(body, "\xff\xfe") || mts_span_begins(body, "\xfe\xff"))
    mts_note(&p->notes, "policy-utf16", true, 1, 1, "the file is UTF-16: save it as plain text in ASCII or UTF-8");
  if (mts_span_begins(body, "{\\rtf"))
    mts_note(&p->notes, "policy-rtf", true, 1, 1, "the file is a rich text document: save it as plain text");
  if (mts_span_begins(body, "\xef\xbb\xbf")) {
    mts_note(&p->notes, "policy-bom", true, 1, 1, "the file begins with a byte order mark (UTF-8): remove it");
    at = 3;
    column = 4;
  }
  for (; at < body.n; number++, column = 1) {
    const char *begin = body.p + at, *end = memchr(begin, '\n', body.n - at);
    size_t n = end ? (size_t)(end - begin) : body.n - at;
    at += n + (end ? 1 : 0);
    if (end && n && begin[n - 1] == '\r') n--;
    read_line(p, mts_span(begin, n), number, column);
  }
  return number;
}

/* What must be there and is not; last: the line behind the end. */
static void check_missing(struct parser *p, size_t last) {
  if (!p->has_version) {
    mts_note(&p->notes, "policy-version-missing", true, last, 1, "no \"version\": add \"version: STSv1\" (lower case)");
    fail(p, MTS_ERR_POLICY_VERSION);
  }
  if (!p->has_mode) {
    mts_note(&p->notes, "policy-mode-missing", true, last, 1, "no \"mode\": add \"mode: testing\", \"enforce\" or \"none\"");
    fail(p, MTS_ERR_POLICY_MODE);
  }
  if (!p->has_max_age) {
    mts_note(&p->notes, "policy-max-age-missing", true, last, 1, "no \"max_age\": add e.g. \"max_age: 604800\"");
    fail(p, MTS_ERR_POLICY_MAX_AGE);
  }
  if (p->mx_count == 0 && (p->mode != MTS_MODE_NONE || !p->has_mode)) {
    if (!p->unusable_line)
      mts_note(&p->notes, "policy-mx-missing", true, last, 1, "no \"mx\": add one line \"mx: HOST\" for each mail host");
    fail(p, MTS_ERR_POLICY_MX);
  }
}

struct seen {
  const char *pattern;
  uint32_t line, column;
};

static int by_pattern(const void *a, const void *b) {
  const struct seen *x = a, *y = b;
  int order = strcmp(x->pattern, y->pattern);
  return order ? order : (x->line > y->line) - (x->line < y->line);
}

static bool is_before(const struct mts_deviation *x, const struct mts_deviation *y) {
  return x->line != y->line ? x->line < y->line : x->column < y->column;
}

/* Those of one place keep their order. Nearly sorted already, and at most MTS_FINDINGS_MAX. */
static void sort_findings(struct mts_findings *findings) {
  for (size_t i = 1; findings && i < findings->count; i++) {
    struct mts_deviation d = findings->list[i];
    size_t j = i;
    for (; j > 0 && is_before(&d, &findings->list[j - 1]); j--) findings->list[j] = findings->list[j - 1];
    findings->list[j] = d;
  }
}

/* Harmless, but often a slip for another host. Sorted, so that many lines stay cheap. */
static void note_repeated_mx(struct parser *p) {
  struct mts_findings *findings = p->notes.findings;
  if (!findings || p->mx_count < 2) return;
  struct seen *all = malloc(p->mx_count * sizeof *all);
  if (!all) return;
  for (size_t i = 0; i < p->mx_count; i++) all[i] = (struct seen){p->strings.p + p->mx[i].offset, p->mx[i].line, p->mx[i].column};
  qsort(all, p->mx_count, sizeof *all, by_pattern);
  for (size_t i = 1; i < p->mx_count; i++) {
    if (strcmp(all[i - 1].pattern, all[i].pattern) != 0) continue;
    mts_note(&p->notes, "policy-mx-repeated", false, all[i].line, all[i].column, "the same mx as in line %u", all[i - 1].line);
  }
  free(all);
}

static enum mts_err verdict(const struct parser *p, enum mts_profile profile) {
  if (p->err) return p->err;
  if (profile == MTS_PROFILE_DEFAULT || p->notes.strict) return MTS_OK;
  return p->mx_refused ? MTS_ERR_POLICY_MX : MTS_ERR_POLICY_SYNTAX;
}

enum mts_err mts_policy_parse(struct mts_span body, enum mts_profile profile, struct mts_policy **policy,
                              struct mts_findings *findings) {
  struct parser p = {.strings = {.limit = MTS_POLICY_MAX_BYTES}};
  mts_notes_begin(&p.notes, findings);
  if (body.n > MTS_POLICY_MAX_BYTES) {
    mts_note(&p.notes, "policy-size", true, 1, 1, "the policy has %zu bytes, at most %d are read", body.n, MTS_POLICY_MAX_BYTES);
    fail(&p, MTS_ERR_POLICY_SIZE);
  } else {
    check_missing(&p, read_lines(&p, body));
    note_repeated_mx(&p);
  }
  mts_notes_end(&p.notes);
  sort_findings(findings);
  enum mts_err err = p.notes.no_memory ? MTS_ERR_NO_MEMORY : verdict(&p, profile);
  struct mts_policy *made = err ? NULL : mts_policy_build(p.mode, p.max_age_s, p.strings.p, p.strings.n, p.mx_count);
  if (!err && !made) err = MTS_ERR_NO_MEMORY;
  mts_buf_free(&p.strings);
  free(p.mx);
  if (!err) *policy = made;
  return err;
}
