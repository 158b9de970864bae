/* SPDX-License-Identifier: ISC */
#include "lines.h"

#include <string.h>

enum take lines_take(struct mts_span in, bool eof, size_t *used, struct mts_span *request) {
  const char *lf = memchr(in.p, '\n', in.n);
  size_t n = lf ? (size_t)(lf - in.p) : in.n;
  if (n > LINES_REQUEST_MAX) return TAKE_BROKEN;
  if (!lf && !eof) return TAKE_MORE;
  *used = lf ? n + 1 : n;
  if (n > 0 && in.p[n - 1] == '\r') n--;
  *request = mts_span(in.p, n);
  return TAKE_REQUEST;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* What stands in quotes, moved to *to. NULL: it does not end well; else what follows the closing one. */
static const char *unquote(const char *from, const char *end, char **to) {
  static const char escaped[] = "\"\\nrt", meant[] = "\"\\\n\r\t";
  while (from < end && *from != '"') {
    char c = *from++;
    if (c == '\\') {
      const char *which = from < end && *from ? strchr(escaped, *from) : NULL;
      if (!which) return NULL;
      c = meant[which - escaped];
      from++;
    }
    *(*to)++ = c;
  }
  bool ends = from < end && (from + 1 == end || is_blank(from[1]));
  return ends ? from + 1 : NULL;
}

int lines_split(char *line, size_t n, const char *words[LINES_WORDS_MOST]) {
  const char *from = line, *end = line + n;
  char *to = line; /* never ahead of from */
  int count = 0;
  if (memchr(line, 0, n)) return -1;
  for (;;) {
    while (from < end && is_blank(*from)) from++;
    if (from == end) return count;
    if (count == LINES_WORDS_MOST) return -1;
    words[count++] = to;
    if (*from == '"') {
      from = unquote(from + 1, end, &to);
      if (!from) return -1;
    } else {
      while (from < end && !is_blank(*from)) *to++ = *from++;
    }
    if (from < end) from++; /* the blank, whose place the NUL may take */
    *to++ = 0;
  }
}

enum mts_err lines_add_escaped(struct mts_buf *out, struct mts_span text) {
  enum mts_err err = MTS_OK;
  for (size_t i = 0; !err && i < text.n;) {
    size_t plain = i;
    while (plain < text.n && !strchr("\n\r\\", text.p[plain])) plain++;
    err = mts_buf_add(out, text.p + i, plain - i);
    if (!err && plain < text.n) {
      const char pair[2] = {'\\', text.p[plain] == '\n' ? 'n' : text.p[plain] == '\r' ? 'r' : '\\'};
      err = mts_buf_add(out, pair, sizeof pair);
      plain++;
    }
    i = plain;
  }
  return err;
}
