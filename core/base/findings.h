/* SPDX-License-Identifier: ISC
 * Collecting what deviates from a syntax. */
#ifndef MTASTS_BASE_FINDINGS_H
#define MTASTS_BASE_FINDINGS_H

#include "base/buf.h"

/* A parser's notes: findings may be NULL; strict falls with the first deviation the ABNF does not allow. */
struct mts_notes {
  struct mts_findings *findings;
  bool strict;
  bool no_memory;
};
void mts_notes_begin(struct mts_notes *notes, struct mts_findings *findings); /* empties findings */
void mts_notes_end(struct mts_notes *notes);                                  /* sets findings->strict */
void mts_note(struct mts_notes *notes, const char *code, bool strict_refuses, size_t line, size_t column, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* A value as a short quotation for a message: printable, cut with "..." */
#define MTS_QUOTE_SIZE 41
const char *mts_quote(char to[MTS_QUOTE_SIZE], struct mts_span value);

#endif
