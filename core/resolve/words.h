/* SPDX-License-Identifier: ISC
 * The words of one command, put together one by one. */
#ifndef MTASTS_RESOLVE_WORDS_H
#define MTASTS_RESOLVE_WORDS_H

#include "base/buf.h"

#define WORDS_MAX 4000
#define WORDS_BYTES_MAX (3u << 20)

/* Zero; free with words_free. What fails is remembered, and words_get says it. */
struct words {
  struct mts_buf bytes;
  size_t count, room;
  size_t *ends;
  struct mts_span *spans;
  enum mts_err err;
};
void words_add(struct words *words, const char *text);
void words_add_number(struct words *words, int64_t number);
/* All words, lent until the next change. Errors: NO_MEMORY, ARGUMENT beyond the limits. */
enum mts_err words_get(struct words *words, const struct mts_span **list);
void words_free(struct words *words);

#endif
