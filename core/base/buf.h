/* SPDX-License-Identifier: ISC
 * Growing bytes with a named limit, and bounded text. */
#ifndef MTASTS_BASE_BUF_H
#define MTASTS_BASE_BUF_H

#include <string.h>

#include "mtasts.h"

/* Zero-initialise all but limit. */
struct mts_buf {
  char *p; /* always ends in a NUL that n does not count, once something was added */
  size_t n, capacity;
  size_t limit; /* bytes; mts_buf_add fails beyond it and leaves the buffer as it was */
};
enum mts_err mts_buf_add(struct mts_buf *buf, const void *bytes, size_t n); /* NO_MEMORY, or ARGUMENT beyond the limit */
enum mts_err mts_buf_addf(struct mts_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void mts_buf_reset(struct mts_buf *buf); /* keeps the memory */
void mts_buf_free(struct mts_buf *buf);

/* memset(p, 0, n) as a call: what compilers write in its place for some hundred bytes is slower. */
void mts_bytes_clear(void *p, size_t n);
/* A quick hash, for tables that nobody outside can fill at will: it is not made to resist that. */
uint32_t mts_span_hash(struct mts_span text);

/* Copies at most size - 1 bytes as printable ASCII on one line: every other byte becomes \xNN. false: it was cut. */
bool mts_text_clean(char *to, size_t size, struct mts_span from);
/* snprintf that cleans its result the same way. */
void mts_text_format(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static inline struct mts_span mts_span(const char *p, size_t n) { return (struct mts_span){p, n}; }
/* NULL is empty. */
static inline struct mts_span mts_span_of(const char *text) { return text ? mts_span(text, strlen(text)) : mts_span("", 0); }
char *mts_span_copy(struct mts_span text); /* as a string of its own; NULL: no memory */
/* Here, for the length of a text that stands in the program is known to the compiler. */
static inline bool mts_span_begins(struct mts_span a, const char *text) {
  size_t n = strlen(text);
  return a.n >= n && (n == 0 || memcmp(a.p, text, n) == 0);
}
static inline bool mts_span_equals(struct mts_span a, const char *text) { return a.n == strlen(text) && mts_span_begins(a, text); }

/* Decimal digits only, no sign, no blanks, the whole span; false beyond max. */
bool mts_number_parse(struct mts_span text, uint64_t max, uint64_t *value);

#endif
