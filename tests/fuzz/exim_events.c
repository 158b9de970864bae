/* SPDX-License-Identifier: ISC
 * Events of Exim, a line each, their arguments separated by tabs; mail hosts choose most of what stands in them. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t told;

static size_t split(char *line, const char *arguments[7]) {
  size_t count = 0;
  for (char *at = line; at && count < 7; count++) {
    arguments[count] = at;
    at = count < 6 ? strchr(at, '\t') : NULL;
    if (at) *at++ = 0;
  }
  return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct exim_session session = {0};
  char *text = mts_span_copy(mts_span((const char *)data, size));
  for (char *line = text; line && *line;) {
    char *end = strchr(line, '\n');
    if (end) *end++ = 0;
    for (char *at = line; *at; at++) *at = *at == '\v' ? '\n' : *at; /* replies of several lines */
    const char *arguments[7];
    struct exim_event event;
    struct exim_outcome outcome;
    size_t count = split(line, arguments);
    exim_event_read((int)count, arguments, &event);
    if (exim_session_event(&session, &event, &outcome)) told = strlen(session.reason) + strlen(session.helo);
    line = end;
  }
  free(text);
  exim_session_clear(&session);
  return 0;
}
