/* SPDX-License-Identifier: ISC */
#include "base/nearest.h"

#include <string.h>

#define MAX_LETTERS 64

static size_t least(size_t a, size_t b, size_t c) {
  size_t m = a < b ? a : b;
  return m < c ? m : c;
}

/* Levenshtein's distance, one row at a time. */
static size_t edits(const char *a, size_t a_n, const char *b, size_t b_n) {
  size_t row[MAX_LETTERS + 1];
  for (size_t j = 0; j <= b_n; j++) row[j] = j;
  for (size_t i = 1; i <= a_n; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b_n; j++) {
      size_t above = row[j];
      row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
      diagonal = above;
    }
  }
  return row[b_n];
}

const char *mts_nearest(const char *word, const char *const *candidates, size_t count) {
  size_t word_n = strlen(word);
  if (word_n == 0 || word_n > MAX_LETTERS) return NULL;
  const char *best = NULL;
  size_t best_edits = MAX_LETTERS;
  for (size_t i = 0; i < count; i++) {
    size_t n = strlen(candidates[i]);
    if (n > MAX_LETTERS) continue;
    size_t distance = edits(word, word_n, candidates[i], n);
    if (distance < best_edits && distance <= (n + 2) / 3) {
      best = candidates[i];
      best_edits = distance;
    }
  }
  return best;
}
