/* SPDX-License-Identifier: ISC
 * The ABNF that the TXT records of RFC 8461 3.1 and RFC 8460 3 have in common. */
#include "base/fields.h"

#include <string.h>

bool mts_is_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool mts_ext_name_fits(struct mts_span name) {
  if (name.n < 1 || name.n > 32 || !mts_is_alnum(name.p[0])) return false;
  for (size_t i = 1; i < name.n; i++)
    if (!mts_is_alnum(name.p[i]) && name.p[i] != '_' && name.p[i] != '-' && name.p[i] != '.') return false;
  return true;
}

/* Skips *WSP ";" *WSP; false without moving when there is none. */
static bool skip_delimiter(struct mts_fields *f) {
  size_t i = f->at;
  while (i < f->text.n && mts_is_wsp(f->text.p[i])) i++;
  if (i == f->text.n || f->text.p[i] != ';') return false;
  i++;
  while (i < f->text.n && mts_is_wsp(f->text.p[i])) i++;
  f->at = i;
  return true;
}

bool mts_fields_begin(struct mts_fields *fields, struct mts_span text, const char *version, const char *code,
                      struct mts_notes *notes) {
  *fields = (struct mts_fields){.text = text, .code = code, .notes = notes};
  if (mts_span_begins(text, version)) {
    fields->at = strlen(version);
    if (skip_delimiter(fields)) return true;
  }
  mts_note(notes, code, true, 1, 1, "the record must begin with \"%s;\"", version);
  return false;
}

bool mts_fields_next(struct mts_fields *f) {
  if (f->at == f->text.n) return false;
  const char *begin = f->text.p + f->at;
  size_t rest = f->text.n - f->at;
  const char *semicolon = memchr(begin, ';', rest);
  size_t n = semicolon ? (size_t)(semicolon - begin) : rest;
  f->column = f->at + 1;
  f->at += n;
  if (semicolon) {
    while (n && mts_is_wsp(begin[n - 1])) n--;
    skip_delimiter(f);
  }
  char quote[MTS_QUOTE_SIZE];
  const char *equals = memchr(begin, '=', n);
  if (n == 0) {
    mts_note(f->notes, f->code, true, 1, f->column, "an empty field: remove the second \";\"");
    return false;
  }
  if (!equals) {
    mts_note(f->notes, f->code, true, 1, f->column, "\"%s\" has no \"=\"", mts_quote(quote, mts_span(begin, n)));
    return false;
  }
  f->name = mts_span(begin, (size_t)(equals - begin));
  f->value = mts_span(equals + 1, n - f->name.n - 1);
  if (!mts_ext_name_fits(f->name)) {
    mts_note(f->notes, f->code, true, 1, f->column, "\"%s\" is no field name", mts_quote(quote, f->name));
    return false;
  }
  return true;
}

bool mts_fields_ext_value(struct mts_fields *f) {
  char quote[MTS_QUOTE_SIZE];
  size_t column = f->column + f->name.n + 1;
  if (f->value.n == 0) {
    mts_note(f->notes, f->code, true, 1, column, "field \"%s\" has no value", mts_quote(quote, f->name));
    return false;
  }
  for (size_t i = 0; i < f->value.n; i++) {
    unsigned char c = (unsigned char)f->value.p[i];
    if (c >= 0x21 && c <= 0x7e && c != ';' && c != '=') continue;
    mts_note(f->notes, f->code, true, 1, column + i, "byte 0x%02x is not allowed in the value of \"%s\"", c,
             mts_quote(quote, f->name));
    return false;
  }
  return true;
}

size_t mts_fields_pick(const struct mts_span *texts, size_t count, const char *prefix, struct mts_span *only) {
  size_t left = 0;
  for (size_t i = 0; i < count; i++) {
    if (count > 1 && !mts_span_begins(texts[i], prefix)) continue;
    *only = texts[i];
    left++;
  }
  return left;
}
