/* SPDX-License-Identifier: ISC
 * As much of HTTP/1.x as it takes to be read by Prometheus: GET and HEAD of one path, then the connection closes. Pure. */
#ifndef MTASTS_SERVE_HTTP_H
#define MTASTS_SERVE_HTTP_H

#include "base/buf.h"
#include "protocol.h"

#define HTTP_REQUEST_MAX 8192

/* A request is its head; a body is never read. request: its first line. */
enum take http_take(struct mts_span in, bool eof, size_t *used, struct mts_span *request);

enum http_status { HTTP_OK = 200, HTTP_BAD_REQUEST = 400, HTTP_NOT_FOUND = 404, HTTP_METHOD = 405, HTTP_UNAVAILABLE = 503 };
/* What the first line asks for; *head: without a body. */
enum http_status http_read(struct mts_span line, const char *path, bool *head);
/* body: text, lent; with another status than 200 a word about it stands in its place. */
enum mts_err http_reply(enum http_status status, struct mts_span body, bool head, struct mts_buf *out);

#endif
