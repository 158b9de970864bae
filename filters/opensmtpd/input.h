/* SPDX-License-Identifier: ISC
 * What was read from smtpd and not yet taken: whole lines or any bytes, in a buffer that never grows. */
#ifndef MTASTS_FILTERS_INPUT_H
#define MTASTS_FILTERS_INPUT_H

#include "mtasts.h"

#define INPUT_SIZE ((size_t)128 << 10)    /* unread bytes kept */
#define INPUT_LINE_MAX ((size_t)64 << 10) /* a longer line keeps this much of its beginning */

/* Zero-initialise. */
struct input {
  char *p;
  size_t begin, end;
  bool cut; /* the line that begins at begin has lost bytes after INPUT_LINE_MAX */
};
/* Where to read to, and how much; *n is 0 as long as whole lines fill the buffer. NO_MEMORY. */
enum mts_err input_room(struct input *input, char **to, size_t *n);
void input_got(struct input *input, size_t n);
/* The next whole line without its LF, lent until input_room. cut: it was longer, and its end is missing. */
bool input_line(struct input *input, struct mts_span *line, bool *cut);
struct mts_span input_rest(const struct input *input);
void input_skip(struct input *input, size_t n);
void input_free(struct input *input);

#endif
