/* SPDX-License-Identifier: ISC
 * Requests to the server: the first byte says which protocol, the rest is a stream that is taken apart as the server does it. */
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "json.h"
#include "lines.h"
#include "socketmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t seen;

static void read_socketmap(struct mts_span request) {
  struct mts_span key;
  if (socketmap_is_about(request, "policy", &key)) seen = key.n;
}

static void read_line(struct mts_span request) {
  const char *words[LINES_WORDS_MOST];
  char *line = malloc(request.n + 1);
  if (!line) return;
  if (request.n) memcpy(line, request.p, request.n);
  for (int i = lines_split(line, request.n, words); i > 0; i--) seen += strlen(words[i - 1]);
  struct mts_buf out = {.limit = 4 * LINES_REQUEST_MAX};
  lines_add_escaped(&out, request);
  mts_buf_free(&out);
  free(line);
}

static void read_json(struct mts_span request) {
  struct json_request asked;
  const char *why;
  struct mts_buf out = {.limit = 8192};
  enum mts_err err = json_read(request, &asked, &why);
  if (json_write_error(asked.id, asked.domain, err ? err : MTS_ERR_DEADLINE, err ? why : NULL, &out) == MTS_OK) seen += out.n;
  mts_buf_free(&out);
  free(asked.id);
}

static void read_http(struct mts_span request) {
  bool head;
  seen += (size_t)http_read(request, "/metrics", &head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct {
    take_fn take;
    void (*read)(struct mts_span request);
  } protocols[] = {{socketmap_take, read_socketmap}, {lines_take, read_line}, {lines_take, read_json}, {http_take, read_http}};
  if (size < 2) return 0;
  size_t which = data[0] % (sizeof protocols / sizeof *protocols), used = 0;
  struct mts_span rest = mts_span((const char *)data + 1, size - 1), request;
  while (rest.n && protocols[which].take(rest, data[0] & 0x80, &used, &request) == TAKE_REQUEST) {
    protocols[which].read(request);
    if (used == 0 || used > rest.n) abort();
    rest = mts_span(rest.p + used, rest.n - used);
  }
  return 0;
}
