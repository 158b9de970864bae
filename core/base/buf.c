/* SPDX-License-Identifier: ISC
 * Growing bytes with a named limit, and bounded text. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for n more bytes and the NUL. */
static enum mts_err reserve(struct mts_buf *buf, size_t n) {
  if (buf->n > buf->limit || n > buf->limit - buf->n) return MTS_ERR_ARGUMENT;
  size_t need = buf->n + n;
  if (need == SIZE_MAX) return MTS_ERR_ARGUMENT;
  need++;
  if (need <= buf->capacity) return MTS_OK;
  size_t capacity = buf->capacity > SIZE_MAX / 2 ? need : buf->capacity * 2;
  if (capacity < need) capacity = need;
  if (capacity < 64) capacity = 64;
  char *p = realloc(buf->p, capacity);
  if (!p) return MTS_ERR_NO_MEMORY;
  buf->p = p;
  buf->capacity = capacity;
  return MTS_OK;
}

enum mts_err mts_buf_add(struct mts_buf *buf, const void *bytes, size_t n) {
  bool has_room = buf->n < buf->capacity && n < buf->capacity - buf->n && buf->capacity <= buf->limit;
  enum mts_err err = has_room ? MTS_OK : reserve(buf, n);
  if (err) return err;
  if (n) memcpy(buf->p + buf->n, bytes, n);
  buf->n += n;
  buf->p[buf->n] = '\0';
  return MTS_OK;
}

enum mts_err mts_buf_addf(struct mts_buf *buf, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  enum mts_err err = length < 0 ? MTS_ERR_ARGUMENT : reserve(buf, (size_t)length);
  if (!err) {
    vsnprintf(buf->p + buf->n, (size_t)length + 1, format, again);
    buf->n += (size_t)length;
  }
  va_end(again);
  return err;
}

void mts_buf_reset(struct mts_buf *buf) {
  buf->n = 0;
  if (buf->p) buf->p[0] = '\0';
}

void mts_buf_free(struct mts_buf *buf) {
  free(buf->p);
  buf->p = NULL;
  buf->n = buf->capacity = 0;
}

void mts_bytes_clear(void *p, size_t n) { memset(p, 0, n); }

/* Constants of SplitMix64. One multiplication carries upwards only, so what it made is turned before the next word comes in, and in the end
 * each bit of the result hangs on each bit of the text. */
static uint64_t add(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0xbf58476d1ce4e5b9u;
  return hash ^ hash >> 32;
}
static uint32_t end(uint64_t hash) {
  hash *= 0x94d049bb133111ebu;
  return (uint32_t)(hash ^ hash >> 32);
}

uint32_t mts_span_hash(struct mts_span text) {
  uint64_t hash = text.n, word = 0;
  if (text.n < sizeof word) {
    for (size_t i = 0; i < text.n; i++) word = word << 8 | (unsigned char)text.p[i];
    return end(add(hash, word));
  }
  size_t last = text.n - sizeof word; /* the last eight, some of them for the second time: quicker than one by one */
  for (size_t at = 0; at < last; at += sizeof word) {
    memcpy(&word, text.p + at, sizeof word);
    hash = add(hash, word);
  }
  memcpy(&word, text.p + last, sizeof word);
  return end(add(hash, word));
}

bool mts_text_clean(char *to, size_t size, struct mts_span from) {
  static const char hex[] = "0123456789abcdef";
  if (size == 0) return from.n == 0;
  size_t n = 0, i = 0;
  for (; i < from.n; i++) {
    unsigned char c = (unsigned char)from.p[i];
    bool printable = c >= 0x20 && c < 0x7f;
    if (size - 1 - n < (printable ? 1u : 4u)) break;
    if (printable) {
      to[n++] = (char)c;
    } else {
      to[n++] = '\\';
      to[n++] = 'x';
      to[n++] = hex[c >> 4];
      to[n++] = hex[c & 15];
    }
  }
  to[n] = '\0';
  return i == from.n;
}

void mts_text_format(char *to, size_t size, const char *format, ...) {
  char raw[1024];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(raw, sizeof raw, format, args);
  va_end(args);
  if (length < 0) length = 0;
  size_t n = (size_t)length < sizeof raw ? (size_t)length : sizeof raw - 1;
  mts_text_clean(to, size, mts_span(raw, n));
}

char *mts_span_copy(struct mts_span text) {
  char *copy = malloc(text.n + 1);
  if (!copy) return NULL;
  if (text.n) memcpy(copy, text.p, text.n);
  copy[text.n] = 0;
  return copy;
}

bool mts_number_parse(struct mts_span text, uint64_t max, uint64_t *value) {
  if (text.n == 0) return false;
  uint64_t v = 0;
  for (size_t i = 0; i < text.n; i++) {
    if (text.p[i] < '0' || text.p[i] > '9') return false;
    uint64_t digit = (uint64_t)(text.p[i] - '0');
    if (v > (UINT64_MAX - digit) / 10) return false;
    v = v * 10 + digit;
    if (v > max) return false;
  }
  *value = v;
  return true;
}
