/* SPDX-License-Identifier: ISC
 * Replies of an SMTP server (RFC 5321 4.2), byte by byte and bounded. Pure. */
#ifndef MTASTS_NET_SMTP_H
#define MTASTS_NET_SMTP_H

#include "base/buf.h"

#define SMTP_LINE_SIZE 2048 /* RFC 5321 4.5.3.1.5 asks for 512 */
#define SMTP_MAX_LINES 100
#define SMTP_KEPT_BYTES 512 /* of a line that is kept, the NUL at its end included */

/* Zero-initialise before each reply. */
struct smtp_reply {
  unsigned code;
  size_t lines;
  bool starttls;        /* a line after the first has the keyword STARTTLS (RFC 3207 4) */
  char text[128];       /* the first line, cleaned */
  const char *why;      /* what is wrong, when SMTP_BAD; static */
  struct mts_buf *kept; /* NULL, or where all are kept, each ending in NUL, as far as its limit goes */
  char line[SMTP_LINE_SIZE];
  size_t n; /* of line */
};
enum smtp_progress { SMTP_MORE, SMTP_DONE, SMTP_BAD };
/* used: how many bytes belonged to the reply; after SMTP_DONE the rest came out of turn. */
enum smtp_progress smtp_reply_feed(struct smtp_reply *reply, struct mts_span bytes, size_t *used);

#endif
