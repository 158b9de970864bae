/* SPDX-License-Identifier: ISC */
#include "resolve/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool grow(struct words *words) {
  size_t room = words->room ? 2 * words->room : 32;
  size_t *ends = realloc(words->ends, room * sizeof *ends);
  if (ends) words->ends = ends;
  struct mts_span *spans = ends ? realloc(words->spans, room * sizeof *spans) : NULL;
  if (!spans) return false;
  words->spans = spans;
  words->room = room;
  return true;
}

void words_add(struct words *words, const char *text) {
  words->bytes.limit = WORDS_BYTES_MAX;
  if (!words->err && words->count >= WORDS_MAX) words->err = MTS_ERR_ARGUMENT;
  if (!words->err && words->count == words->room && !grow(words)) words->err = MTS_ERR_NO_MEMORY;
  if (!words->err) words->err = mts_buf_add(&words->bytes, text, strlen(text) + 1);
  if (!words->err) words->ends[words->count++] = words->bytes.n;
}

void words_add_number(struct words *words, int64_t number) {
  char text[24];
  snprintf(text, sizeof text, "%" PRId64, number);
  words_add(words, text);
}

enum mts_err words_get(struct words *words, const struct mts_span **list) {
  if (words->err) return words->err;
  for (size_t i = 0, at = 0; i < words->count; at = words->ends[i++])
    words->spans[i] = mts_span(words->bytes.p + at, words->ends[i] - at - 1);
  *list = words->spans;
  return MTS_OK;
}

void words_free(struct words *words) {
  mts_buf_free(&words->bytes);
  free(words->ends);
  free(words->spans);
  *words = (struct words){0};
}
