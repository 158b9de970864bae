/* SPDX-License-Identifier: ISC
 * What a server answers, read by hiredis: texts, one list of them deep, within limits. */
#ifndef MTASTS_NET_REDIS_REPLY_H
#define MTASTS_NET_REDIS_REPLY_H

#include "base/buf.h"
#include "net.h"

struct redis_reader;
struct redis_reply {
  bool is_error;
  size_t count;
  const struct mts_span *texts; /* lent until the next call; of an error its text */
};
enum redis_read { REDIS_READ_MORE, REDIS_READ_REPLY, REDIS_READ_BROKEN };

struct redis_reader *redis_reader_new(void); /* NULL: no memory */
void redis_reader_free(struct redis_reader **reader);
/* false: no memory, or beyond MTS_SHARED_BYTES_MAX. */
bool redis_reader_feed(struct redis_reader *reader, const char *bytes, size_t n);
/* After REDIS_READ_BROKEN the connection is of no use any more. */
enum redis_read redis_reader_next(struct redis_reader *reader, struct redis_reply *reply);
/* One command as it goes over the wire, added to the buffer. Errors: NO_MEMORY, ARGUMENT beyond the buffer's limit. */
enum mts_err redis_command_add(struct mts_buf *to, const struct mts_span *words, size_t count);

#endif
