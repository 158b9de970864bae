/* SPDX-License-Identifier: ISC */
#include "input.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum mts_err input_room(struct input *input, char **to, size_t *n) {
  if (!input->p) input->p = malloc(INPUT_SIZE);
  if (!input->p) return MTS_ERR_NO_MEMORY;
  if (input->begin > 0) {
    memmove(input->p, input->p + input->begin, input->end - input->begin);
    input->end -= input->begin;
    input->begin = 0;
  }
  bool full = input->end == INPUT_SIZE;
  if (full && !memchr(input->p, '\n', input->end)) {
    /* One endless line: its beginning says what is asked, so that it gets an answer; the rest is read and dropped. */
    input->cut = true;
    input->end = INPUT_LINE_MAX;
  }
  *to = input->p + input->end;
  *n = INPUT_SIZE - input->end;
  return MTS_OK;
}

void input_got(struct input *input, size_t n) { input->end += n; }

bool input_line(struct input *input, struct mts_span *line, bool *cut) {
  if (input->begin == input->end) return false;
  const char *from = input->p + input->begin;
  const char *lf = memchr(from, '\n', input->end - input->begin);
  if (!lf) return false;
  size_t n = (size_t)(lf - from);
  *cut = input->cut || n > INPUT_LINE_MAX;
  *line = mts_span(from, n > INPUT_LINE_MAX ? INPUT_LINE_MAX : n);
  input->begin += n + 1;
  input->cut = false;
  return true;
}

struct mts_span input_rest(const struct input *input) {
  return mts_span(input->p + input->begin, input->end - input->begin);
}

void input_skip(struct input *input, size_t n) { input->begin += n; }

void input_free(struct input *input) {
  free(input->p);
  *input = (struct input){0};
}
