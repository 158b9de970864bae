/* SPDX-License-Identifier: ISC */
#include "resolve/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static struct mts_step *next_step(struct trace *trace) {
  if (trace->off || trace->count >= TRACE_MAX_STEPS) return NULL;
  if (trace->count == trace->capacity) {
    size_t capacity = trace->capacity ? trace->capacity * 2 : 4;
    struct mts_step *steps = realloc(trace->steps, capacity * sizeof *steps);
    if (!steps) return NULL;
    trace->steps = steps;
    trace->capacity = capacity;
  }
  return &trace->steps[trace->count];
}

static uint32_t since(int64_t from_ms, int64_t to_ms) { return to_ms > from_ms ? (uint32_t)(to_ms - from_ms) : 0; }

void trace_add(struct trace *trace, const char *what, enum mts_err err, int64_t base_ms, int64_t began_ms, int64_t now_ms,
               const char *format, ...) {
  struct mts_step *step = next_step(trace);
  if (!step) return;
  char raw[400], clean[400];
  va_list args;
  va_start(args, format);
  vsnprintf(raw, sizeof raw, format, args);
  va_end(args);
  mts_text_clean(clean, sizeof clean, mts_span_of(raw));
  char *outcome = strdup(clean);
  if (!outcome) return;
  *step = (struct mts_step){
      .what = what, .outcome = outcome, .err = err, .at_ms = since(base_ms, began_ms), .ms = since(began_ms, now_ms)};
  trace->count++;
}

void trace_append(struct trace *trace, const struct trace *more, int64_t shift_ms) {
  for (size_t i = 0; i < more->count; i++) {
    struct mts_step *step = next_step(trace);
    char *outcome = step ? strdup(more->steps[i].outcome) : NULL;
    if (!outcome) return;
    *step = more->steps[i];
    step->outcome = outcome;
    int64_t at = (int64_t)step->at_ms + shift_ms;
    step->at_ms = at > 0 ? (uint32_t)at : 0;
    trace->count++;
  }
}

void trace_free(struct trace *trace) {
  for (size_t i = 0; i < trace->count; i++) free((void *)(uintptr_t)trace->steps[i].outcome);
  free(trace->steps);
  *trace = (struct trace){0};
}
