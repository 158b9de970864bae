/* SPDX-License-Identifier: ISC
 * Reports of sessions both ways, whatever smtpd says: what is kept of them and what is told. */
#include <string.h>

#include "outgoing.h"
#include "sessions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void done(void *arg, const struct outgoing_outcome *outcome) {
  volatile size_t *length = arg;
  *length += outcome->domain ? strlen(outcome->domain) : 0;
  *length += strlen(outcome->address) + strlen(outcome->source) + strlen(outcome->helo) + strlen(outcome->reason);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct sessions *sessions = NULL;
  struct outgoing *outgoing = NULL;
  size_t length = 0;
  if (sessions_new(NULL, NULL, &sessions) || outgoing_new(done, &length, &outgoing)) return 0;
  struct mts_span rest = mts_span((const char *)data, size);
  while (rest.n) {
    const char *lf = memchr(rest.p, '\n', rest.n);
    size_t n = lf ? (size_t)(lf - rest.p) : rest.n;
    struct filter_line line;
    if (filter_line_parse(mts_span(rest.p, n), &line) && line.kind == FILTER_REPORT) {
      if (line.outgoing)
        outgoing_report(outgoing, &line);
      else
        sessions_report(sessions, &line);
    }
    n += lf ? 1 : 0;
    rest = mts_span(rest.p + n, rest.n - n);
  }
  outgoing_free(&outgoing);
  sessions_free(&sessions);
  return 0;
}
