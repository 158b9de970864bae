/* SPDX-License-Identifier: ISC */
#include "socketmap.h"

#include <string.h>

#define DIGITS_MOST 4     /* of SOCKETMAP_REQUEST_MAX */
#define DIGITS_OF_REPLY 6 /* of SOCKETMAP_REPLY_MAX */

enum take socketmap_take(struct mts_span in, bool eof, size_t *used, struct mts_span *request) {
  const enum take more = eof ? TAKE_BROKEN : TAKE_MORE;
  size_t digits = 0, length = 0;
  while (digits < in.n && in.p[digits] >= '0' && in.p[digits] <= '9') {
    length = length * 10 + (size_t)(in.p[digits++] - '0');
    if (digits > DIGITS_MOST || length > SOCKETMAP_REQUEST_MAX) return TAKE_BROKEN;
  }
  if (digits > 1 && in.p[0] == '0') return TAKE_BROKEN;
  if (digits == in.n) return more;
  if (digits == 0 || in.p[digits] != ':') return TAKE_BROKEN;
  size_t whole = digits + 1 + length + 1;
  if (in.n < whole) return more;
  if (in.p[whole - 1] != ',') return TAKE_BROKEN;
  *request = mts_span(in.p + digits + 1, length);
  *used = whole;
  return TAKE_REQUEST;
}

enum mts_err socketmap_reply(enum socketmap_status status, struct mts_span text, struct mts_buf *out) {
  static const char *const words[] = {[SOCKETMAP_OK] = "OK",
                                      [SOCKETMAP_NOTFOUND] = "NOTFOUND",
                                      [SOCKETMAP_TEMP] = "TEMP",
                                      [SOCKETMAP_TIMEOUT] = "TIMEOUT",
                                      [SOCKETMAP_PERM] = "PERM"};
  const char *word = words[status];
  size_t length = strlen(word) + 1 + text.n, before = out->n;
  if (length > SOCKETMAP_REPLY_MAX) return MTS_ERR_ARGUMENT;
  char head[DIGITS_OF_REPLY + 1];
  size_t at = sizeof head;
  head[--at] = ':';
  for (size_t left = length; left; left /= 10)
    head[--at] = (char)('0' + left % 10); /* never 0; printf is slower than all the rest */
  enum mts_err err = mts_buf_add(out, head + at, sizeof head - at);
  if (!err) err = mts_buf_add(out, word, strlen(word));
  if (!err) err = mts_buf_add(out, " ", 1);
  if (!err && text.n) err = mts_buf_add(out, text.p, text.n);
  if (!err) err = mts_buf_add(out, ",", 1);
  if (err) out->n = before;
  return err;
}
