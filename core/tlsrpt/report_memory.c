/* SPDX-License-Identifier: ISC
 * A report owns its texts and lists in chunks that are freed at once. */
#include <stdalign.h>
#include <stdlib.h>

#include "tlsrpt/report.h"

#define CHUNK_SIZE 8192

struct mts_report_memory {
  struct mts_report_memory *next;
  size_t used, size;
  alignas(max_align_t) char bytes[];
};

void *report_take(struct mts_report *report, size_t size) {
  size_t step = alignof(max_align_t), whole = (size + step - 1) / step * step;
  struct mts_report_memory *chunk = report->memory;
  if (!chunk || chunk->size - chunk->used < whole) {
    size_t bytes = whole > CHUNK_SIZE ? whole : CHUNK_SIZE;
    struct mts_report_memory *fresh = calloc(1, sizeof *fresh + bytes);
    if (!fresh) return NULL;
    fresh->size = bytes;
    fresh->next = chunk;
    chunk = report->memory = fresh;
  }
  void *taken = chunk->bytes + chunk->used;
  chunk->used += whole;
  return taken;
}

struct mts_report *report_new(void) {
  return calloc(1, sizeof(struct mts_report));
}

void mts_report_free(struct mts_report **report) {
  if (!report || !*report) return;
  for (struct mts_report_memory *chunk = (*report)->memory, *next; chunk; chunk = next) {
    next = chunk->next;
    free(chunk);
  }
  free(*report);
  *report = NULL;
}
