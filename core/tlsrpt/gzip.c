/* SPDX-License-Identifier: ISC */
#include "tlsrpt/gzip.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_BITS (MAX_WBITS + 16)
#define MEMORY_LEVEL 8 /* zlib's own default */
#define SYSTEM_UNKNOWN 255

enum mts_err tlsrpt_gzip(struct mts_span bytes, struct mts_span *gzip) {
  z_stream stream = {0};
  gz_header header = {.os = SYSTEM_UNKNOWN};
  if (bytes.n > UINT_MAX / 2) return MTS_ERR_NO_MEMORY;
  if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
    return MTS_ERR_NO_MEMORY;
  deflateSetHeader(&stream, &header);
  size_t room = deflateBound(&stream, (uLong)bytes.n);
  char *to = malloc(room + 1);
  stream.next_in = (Bytef *)(uintptr_t)bytes.p; /* zlib does not write there */
  stream.avail_in = (uInt)bytes.n;
  stream.next_out = (Bytef *)to;
  stream.avail_out = (uInt)room;
  bool good = to && deflate(&stream, Z_FINISH) == Z_STREAM_END;
  size_t n = stream.total_out;
  deflateEnd(&stream);
  if (!good) {
    free(to);
    return MTS_ERR_NO_MEMORY;
  }
  to[n] = '\0';
  *gzip = (struct mts_span){to, n};
  return MTS_OK;
}
