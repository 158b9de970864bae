/* SPDX-License-Identifier: ISC
 * Whatever a server of the shared store says, in whatever pieces: no crash, and the same answers however it is cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/redis_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A hash of all answers, and how it ended. */
static uint64_t read_all(const char *bytes, size_t n, size_t piece) {
  struct redis_reader *reader = redis_reader_new();
  uint64_t sum = 1469598103934665603u;
  bool broken = !reader;
  for (size_t at = 0; !broken && at < n; at += piece) {
    broken = !redis_reader_feed(reader, bytes + at, n - at < piece ? n - at : piece);
    struct redis_reply reply;
    enum redis_read read = REDIS_READ_REPLY;
    while (!broken && (read = redis_reader_next(reader, &reply)) == REDIS_READ_REPLY) {
      sum = (sum ^ reply.is_error ^ reply.count) * 1099511628211u;
      for (size_t i = 0; i < reply.count; i++) {
        if (reply.texts[i].p[reply.texts[i].n] != 0) abort();
        sum = (sum ^ mts_span_hash(reply.texts[i])) * 1099511628211u;
      }
    }
    broken |= read == REDIS_READ_BROKEN;
  }
  redis_reader_free(&reader);
  return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint64_t whole = read_all((const char *)data, size, size + 1);
  if (read_all((const char *)data, size, 1) != whole || read_all((const char *)data, size, 7) != whole) abort();
  return 0;
}
