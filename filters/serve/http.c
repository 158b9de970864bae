/* SPDX-License-Identifier: ISC */
#include "http.h"

#include <string.h>

/* Where the head ends: behind its empty line. NULL: not yet. */
static const char *end_of_head(struct mts_span in) {
  const char *end = in.p + in.n;
  for (const char *lf = in.p; (lf = memchr(lf, '\n', (size_t)(end - lf)));) {
    lf++;
    if (lf < end && *lf == '\n') return lf + 1;
    if (end - lf >= 2 && lf[0] == '\r' && lf[1] == '\n') return lf + 2;
  }
  return NULL;
}

enum take http_take(struct mts_span in, bool eof, size_t *used, struct mts_span *request) {
  /* What does not begin with a method is not waited for. */
  for (size_t i = 0; i < in.n && in.p[i] != ' '; i++)
    if (in.p[i] < 'A' || in.p[i] > 'Z' || i > 16) return TAKE_BROKEN;
  const char *end = end_of_head(in);
  if (!end) return eof || in.n > HTTP_REQUEST_MAX ? TAKE_BROKEN : TAKE_MORE;
  size_t n = 0;
  while (in.p[n] != '\r' && in.p[n] != '\n') n++; /* there is one before the end */
  *request = mts_span(in.p, n);
  *used = (size_t)(end - in.p);
  return TAKE_REQUEST;
}

enum http_status http_read(struct mts_span line, const char *path, bool *head) {
  const char *blank = line.n ? memchr(line.p, ' ', line.n) : NULL;
  *head = false;
  if (!blank) return HTTP_BAD_REQUEST;
  struct mts_span method = mts_span(line.p, (size_t)(blank - line.p));
  struct mts_span rest = mts_span(blank + 1, line.n - method.n - 1);
  const char *second = rest.n ? memchr(rest.p, ' ', rest.n) : NULL;
  if (!second || !mts_span_begins(mts_span(second + 1, rest.n - (size_t)(second + 1 - rest.p)), "HTTP/1.")) return HTTP_BAD_REQUEST;
  *head = mts_span_equals(method, "HEAD");
  if (!*head && !mts_span_equals(method, "GET")) return HTTP_METHOD;
  size_t n = 0, most = (size_t)(second - rest.p);
  while (n < most && rest.p[n] != '?') n++;
  return mts_span_equals(mts_span(rest.p, n), path) ? HTTP_OK : HTTP_NOT_FOUND;
}

static const char *word_of(enum http_status status) {
  switch (status) {
    case HTTP_OK:
      return "OK";
    case HTTP_BAD_REQUEST:
      return "Bad Request";
    case HTTP_NOT_FOUND:
      return "Not Found";
    case HTTP_METHOD:
      return "Method Not Allowed";
    case HTTP_UNAVAILABLE:
      return "Service Unavailable";
  }
  return "";
}

enum mts_err http_reply(enum http_status status, struct mts_span body, bool head, struct mts_buf *out) {
  const char *word = word_of(status);
  bool good = status == HTTP_OK;
  enum mts_err err =
      mts_buf_addf(out, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; %s\r\nContent-Length: %zu\r\n%sConnection: close\r\n\r\n",
                   (int)status, word, good ? "version=0.0.4; charset=utf-8" : "charset=utf-8", good ? body.n : strlen(word) + 1,
                   status == HTTP_METHOD ? "Allow: GET, HEAD\r\n" : "");
  if (err || head) return err;
  return good ? mts_buf_add(out, body.p, body.n) : mts_buf_addf(out, "%s\n", word);
}
