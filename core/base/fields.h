/* SPDX-License-Identifier: ISC
 * The ABNF that the TXT records of RFC 8461 3.1 and RFC 8460 3 have in common. */
#ifndef MTASTS_BASE_FIELDS_H
#define MTASTS_BASE_FIELDS_H

#include "base/findings.h"

bool mts_is_alnum(char c);
static inline bool mts_is_wsp(char c) { return c == ' ' || c == '\t'; }
/* (ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".") */
bool mts_ext_name_fits(struct mts_span name);

/* Walks VERSION 1*(*WSP ";" *WSP field) [*WSP ";" *WSP]; field and value are lent. */
struct mts_fields {
  struct mts_span text;
  size_t at;     /* where the next field begins */
  size_t column; /* of the field just read, from 1 */
  struct mts_span name, value;
  const char *code; /* the deviation's code for a field that does not fit */
  struct mts_notes *notes;
};
/* false: the text does not begin with the version and a delimiter; noted. */
bool mts_fields_begin(struct mts_fields *fields, struct mts_span text, const char *version, const char *code,
                      struct mts_notes *notes);
/* The next field whose name fits; false: the end, or a field that does not fit, which is noted (strict falls). */
bool mts_fields_next(struct mts_fields *fields);
/* 1*(%x21-3A / %x3C / %x3E-7E), noted if not. */
bool mts_fields_ext_value(struct mts_fields *fields);

/* Of several records those beginning with prefix; returns how many, *only is the last of them. One record is taken as it is. */
size_t mts_fields_pick(const struct mts_span *texts, size_t count, const char *prefix, struct mts_span *only);

#endif
