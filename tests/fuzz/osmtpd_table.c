/* SPDX-License-Identifier: ISC
 * Any bytes from smtpd, in either table protocol: no crash, spans stay inside, one line or one frame per answer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct mts_span part, struct mts_span whole) {
  if (part.n && (part.p < whole.p || part.p + part.n > whole.p + whole.n)) abort();
}

static void try_line(struct mts_span line) {
  struct table_request request;
  struct mts_buf out = {.limit = TABLE_ANSWER_MAX};
  if (!table_text_parse(line, &request)) return;
  inside(request.id, line);
  inside(request.key, line);
  bool wants = request.op != TABLE_NOTHING && request.op != TABLE_READY;
  if (wants) {
    if (table_text_answer(&request, TABLE_FOUND, "smtp+tls://mx.test", &out)) abort();
    if (memchr(out.p, '\n', out.n) != out.p + out.n - 1) abort();
  }
  mts_buf_free(&out);
}

static void try_frames(struct mts_span bytes) {
  while (bytes.n) {
    struct table_request request;
    size_t used;
    enum mts_err err = table_imsg_parse(bytes, &request, &used);
    if (used > bytes.n || (!err && !used && request.op != TABLE_NOTHING)) abort();
    if (!used) return;
    inside(request.key, bytes);
    struct mts_buf out = {.limit = TABLE_ANSWER_MAX};
    uint16_t length;
    if (!table_imsg_answer(&request, TABLE_FOUND, "smtp+tls://mx.test", &out)) {
      memcpy(&length, out.p + 4, sizeof length);
      if (length != out.n) abort();
    }
    mts_buf_free(&out);
    bytes = mts_span(bytes.p + used, bytes.n - used);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mts_span in = mts_span((const char *)data, size);
  struct input input = {0};
  bool cut;
  while (in.n) {
    char *to;
    size_t room;
    struct mts_span line;
    if (input_room(&input, &to, &room) || !room) abort();
    size_t n = in.n < room ? in.n : room;
    if (n > 1 && in.p[0] & 1) n = n / 2;
    memcpy(to, in.p, n);
    input_got(&input, n);
    in = mts_span(in.p + n, in.n - n);
    while (input_line(&input, &line, &cut)) try_line(line);
  }
  input_free(&input);
  try_line(mts_span((const char *)data, size));
  try_frames(mts_span((const char *)data, size));
  return 0;
}
