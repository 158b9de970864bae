/* SPDX-License-Identifier: ISC
 * One JSON object per line, for scripts: {"id": …, "domain": …} in, {"id": …, "answer": {…}} out, where the answer is that of mtasts lookup
 * --json. Pure. */
#ifndef MTASTS_SERVE_JSON_H
#define MTASTS_SERVE_JSON_H

#include "base/buf.h"
#include "protocol.h"

#define JSON_REQUEST_MAX 16384
#define JSON_ID_MAX 1024 /* bytes of an id, written down */

struct json_request {
  char *id; /* as it stands in JSON, owned; NULL: none */
  char domain[1024];
  enum mts_depth depth; /* hosts unless "depth" says "policy", or "probe" is true */
  bool trace;
};
/* An object with "domain", a text; "id", any value; "depth", "policy" or "hosts"; "probe" and "trace", true or false. Another member, a
 * member twice or a wrong type is an error, and why says which, static. The id is told also with an error, if there is one. */
enum mts_err json_read(struct mts_span line, struct json_request *request, const char **why);

/* A line; id NULL is null. Errors: NO_MEMORY, ARGUMENT beyond the limit of out. */
enum mts_err json_write_answer(const char *id, const struct mts_answer *answer, bool trace, struct mts_buf *out);
/* The same with an error of ours instead; domain NULL: not known. detail: NULL or a text. */
enum mts_err json_write_error(const char *id, const char *domain, enum mts_err error, const char *detail, struct mts_buf *out);

#endif
