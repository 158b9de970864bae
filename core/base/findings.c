/* SPDX-License-Identifier: ISC
 * Collecting what deviates from a syntax. */
#include "base/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mts_findings_free(struct mts_findings *findings) {
  if (!findings) return;
  free(findings->list);
  *findings = (struct mts_findings){0};
}

void mts_notes_begin(struct mts_notes *notes, struct mts_findings *findings) {
  *notes = (struct mts_notes){.findings = findings, .strict = true};
  if (findings) findings->count = findings->dropped = 0, findings->strict = false;
}

void mts_notes_end(struct mts_notes *notes) {
  if (notes->findings) notes->findings->strict = notes->strict;
}

/* The list grows by doubling; count is always a power of two when it is full. */
static bool grow(struct mts_findings *findings) {
  size_t n = findings->count;
  if (n != 0 && (n < 4 || (n & (n - 1)) != 0)) return true;
  if (n == 0 && findings->list) free(findings->list), findings->list = NULL;
  size_t capacity = n == 0 ? 4 : n * 2;
  struct mts_deviation *list = realloc(findings->list, capacity * sizeof *list);
  if (!list) return false;
  findings->list = list;
  return true;
}

void mts_note(struct mts_notes *notes, const char *code, bool strict_refuses, size_t line, size_t column, const char *format, ...) {
  if (strict_refuses) notes->strict = false;
  struct mts_findings *findings = notes->findings;
  if (!findings) return;
  if (findings->count >= MTS_FINDINGS_MAX) {
    findings->dropped++;
    return;
  }
  if (!grow(findings)) {
    notes->no_memory = true;
    findings->dropped++;
    return;
  }
  struct mts_deviation *d = &findings->list[findings->count++];
  *d = (struct mts_deviation){.code = code, .line = (uint32_t)line, .column = (uint32_t)column, .strict_refuses = strict_refuses};
  char raw[256];
  va_list args;
  va_start(args, format);
  vsnprintf(raw, sizeof raw, format, args);
  va_end(args);
  mts_text_clean(d->message, sizeof d->message, mts_span_of(raw));
}

const char *mts_quote(char to[MTS_QUOTE_SIZE], struct mts_span value) {
  if (!mts_text_clean(to, MTS_QUOTE_SIZE - 3, value)) {
    size_t n = strlen(to);
    memcpy(to + n, "...", 4);
  }
  return to;
}
