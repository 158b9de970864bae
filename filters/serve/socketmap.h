/* SPDX-License-Identifier: ISC
 * Postfix's socketmap protocol, socketmap_table(5): netstrings "NAME KEY" in, "STATUS TEXT" out. Pure. */
#ifndef MTASTS_SERVE_SOCKETMAP_H
#define MTASTS_SERVE_SOCKETMAP_H

#include <string.h>

#include "base/buf.h"
#include "protocol.h"

#define SOCKETMAP_REQUEST_MAX 4096 /* no name of a map with a domain is that long */
#define SOCKETMAP_REPLY_MAX 100000 /* Postfix takes no more */

enum take socketmap_take(struct mts_span in, bool eof, size_t *used, struct mts_span *request);
/* Is it about the map of this name? Then key is what stands behind the one blank, which may be anything. */
static inline bool socketmap_is_about(struct mts_span request, const char *name, struct mts_span *key) {
  size_t n = strlen(name);
  if (request.n <= n || request.p[n] != ' ' || memcmp(request.p, name, n) != 0) return false;
  *key = mts_span(request.p + n + 1, request.n - n - 1);
  return true;
}

enum socketmap_status { SOCKETMAP_OK, SOCKETMAP_NOTFOUND, SOCKETMAP_TEMP, SOCKETMAP_TIMEOUT, SOCKETMAP_PERM };
/* text: the value, or a reason in one line, which may be empty. Errors: NO_MEMORY; ARGUMENT beyond the limit of out or of Postfix. */
enum mts_err socketmap_reply(enum socketmap_status status, struct mts_span text, struct mts_buf *out);

#endif
