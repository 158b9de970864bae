/* SPDX-License-Identifier: ISC
 * Any line as if smtpd's filter protocol had it: no crash, spans stay inside, a request gets just one line whatever is said. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "filter_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct mts_span part, struct mts_span whole) {
  if (part.n && (part.p < whole.p || part.p + part.n > whole.p + whole.n)) abort();
}

static void try_line(struct mts_span line, const char *text) {
  struct filter_line found;
  struct mts_span message, result, address;
  if (!filter_line_parse(line, &found)) return;
  inside(found.key, line);
  inside(found.value, line);
  inside(found.session, line);
  inside(found.token, line);
  inside(found.rest, line);
  if (filter_tx_address(&found, &message, &result, &address)) {
    inside(message, line);
    inside(result, line);
    inside(address, line);
  }
  for (int decision = FILTER_PROCEED; decision <= FILTER_DISCONNECT; decision++) {
    char said[FILTER_REPLY_MAX];
    size_t n = filter_answer(&found, (enum filter_decision)decision, text, said);
    if ((found.kind == FILTER_REQUEST) != (n > 0)) abort();
    if (n && memchr(said, '\n', n) != said + n - 1) abort();
    if (n && memchr(said, '\r', n)) abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size + 1);
  if (!text) return 0;
  if (size) memcpy(text, data, size);
  text[size] = 0;
  struct mts_span rest = mts_span((const char *)data, size);
  while (rest.n) {
    const char *lf = memchr(rest.p, '\n', rest.n);
    struct mts_span line = mts_span(rest.p, lf ? (size_t)(lf - rest.p) : rest.n);
    try_line(line, text);
    rest = lf ? mts_span(lf + 1, rest.n - line.n - 1) : mts_span(NULL, 0);
  }
  free(text);
  return 0;
}
