/* SPDX-License-Identifier: ISC
 * From bytes to the text of a report: gzip within limits (RFC 8460 5.2), then UTF-8 (RFC 7493 2.1). */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/utf8.h"
#include "tlsrpt/report.h"

#define STEP 65536
#define RATIO_FREE (1u << 20) /* small texts may be as repetitive as they like */
#define LAYERS_MAX 2

static bool is_gzip(struct mts_span bytes) { return mts_span_begins(bytes, "\x1f\x8b"); }

/* One step more of inflated bytes. */
static enum mts_err take_step(const z_stream *z, const unsigned char *step, struct mts_buf *to) {
  size_t n = STEP - z->avail_out;
  enum mts_err err = mts_buf_add(to, step, n);
  if (err) return err == MTS_ERR_ARGUMENT ? MTS_ERR_REPORT_SIZE : err;
  bool bomb = to->n > RATIO_FREE && to->n / MTS_REPORT_MAX_RATIO > (size_t)z->total_in;
  return bomb ? MTS_ERR_REPORT_SIZE : MTS_OK;
}

/* All members, one behind the other (RFC 1952 2.2). *used: of bytes. */
static enum mts_err inflate_all(z_stream *z, struct mts_span bytes, struct mts_buf *to, size_t *used) {
  static const size_t most = 1u << 30;
  union {
    const char *lent;
    unsigned char *in;
  } from = {bytes.p};
  if (bytes.n > most) return MTS_ERR_REPORT_SIZE;
  unsigned char *step = malloc(STEP);
  if (!step) return MTS_ERR_NO_MEMORY;
  z->next_in = from.in;
  z->avail_in = (unsigned)bytes.n;
  enum mts_err err = MTS_OK;
  while (!err) {
    z->next_out = step;
    z->avail_out = STEP;
    int status = inflate(z, Z_NO_FLUSH);
    if (status == Z_MEM_ERROR) err = MTS_ERR_NO_MEMORY;
    if (!err && status != Z_OK && status != Z_STREAM_END) err = MTS_ERR_REPORT_GZIP;
    if (!err) err = take_step(z, step, to);
    if (err || status != Z_STREAM_END) continue;
    *used = bytes.n - z->avail_in;
    if (!is_gzip(mts_span(bytes.p + *used, z->avail_in))) break;
    unsigned long total = z->total_in; /* a reset forgets it, and with it the ratio */
    if (inflateReset(z) != Z_OK) err = MTS_ERR_REPORT_GZIP;
    z->total_in = total;
  }
  free(step);
  return err;
}

static enum mts_err gunzip(struct report_reader *r, struct mts_span bytes, struct mts_buf *to) {
  z_stream z = {0};
  size_t used = 0;
  int status = inflateInit2(&z, 16 + MAX_WBITS);
  if (status != Z_OK) return status == Z_MEM_ERROR ? MTS_ERR_NO_MEMORY : MTS_ERR_INTERNAL;
  enum mts_err err = inflate_all(&z, bytes, to, &used);
  inflateEnd(&z);
  if (err == MTS_ERR_REPORT_GZIP)
    report_note(r, "report-gzip", true, "RFC 8460 5.2", NULL, "the gzip data is damaged or breaks off after %zu bytes of text",
                to->n);
  if (err == MTS_ERR_REPORT_SIZE)
    report_note(r, "report-size", true, NULL, NULL, "the gzip data expands to more than %u MiB, or to more than %u times its size",
                MTS_REPORT_MAX_BYTES >> 20, MTS_REPORT_MAX_RATIO);
  if (!err && used < bytes.n)
    report_note(r, "report-gzip-rest", true, "RFC 8460 5.2", NULL, "%zu bytes follow the gzip data", bytes.n - used);
  return err;
}

/* Bytes that are no UTF-8 become the text \xNN, within a string of JSON. */
static enum mts_err make_visible(struct report_reader *r, struct mts_span text, struct mts_buf *to) {
  size_t from = 0, count = 0, first = 0;
  enum mts_err err = MTS_OK;
  for (size_t i = 0; i < text.n && !err;) {
    size_t n = mts_utf8_length((const unsigned char *)text.p + i, text.n - i);
    if (n == 0 && count++ == 0) first = i;
    if (n == 0) {
      err = mts_buf_add(to, text.p + from, i - from);
      if (!err) err = mts_buf_addf(to, "\\\\x%02x", (unsigned)(unsigned char)text.p[i]);
      from = i + 1;
    }
    i += n ? n : 1;
  }
  if (count == 0) return MTS_OK;
  r->text = text;
  report_note(r, "report-utf8", true, "RFC 7493 2.1", text.p + first,
              "%zu byte%s no UTF-8, the first is 0x%02x; they are shown as \\xNN", count, count == 1 ? " is" : "s are",
              (unsigned)(unsigned char)text.p[first]);
  r->counted = NULL;
  if (!err) err = mts_buf_add(to, text.p + from, text.n - from);
  return err == MTS_ERR_ARGUMENT ? MTS_ERR_REPORT_SIZE : err;
}

enum mts_err report_text(struct report_reader *r, struct mts_span bytes, struct mts_buf *own) {
  enum mts_err err = MTS_OK;
  if (bytes.n > MTS_REPORT_MAX_BYTES) err = MTS_ERR_REPORT_SIZE;
  for (int layers = 0; !err && is_gzip(bytes) && layers < LAYERS_MAX; layers++) {
    struct mts_buf inflated = {.limit = MTS_REPORT_MAX_BYTES};
    if (layers == 1) report_note(r, "report-gzip-twice", true, "RFC 8460 5.2", NULL, "the report is compressed twice");
    err = gunzip(r, bytes, &inflated);
    mts_buf_free(own);
    *own = inflated;
    bytes = mts_span(own->p, own->n);
  }
  if (err) return err;
  struct mts_buf visible = {.limit = MTS_REPORT_MAX_BYTES + (MTS_REPORT_MAX_BYTES >> 2)};
  err = make_visible(r, bytes, &visible);
  if (!err && visible.n > 0) {
    mts_buf_free(own);
    *own = visible;
    bytes = mts_span(own->p, own->n);
  } else {
    mts_buf_free(&visible);
  }
  r->text = bytes;
  if (!err && mts_span_begins(bytes, "\xef\xbb\xbf"))
    report_note(r, "report-bom", true, "RFC 8259 8.1", bytes.p, "the text begins with a byte order mark");
  return err;
}

enum mts_err report_measure(struct report_reader *r) {
  size_t depth = 0, values = 1;
  bool in_string = false;
  /* jansson overlooks a NUL between tokens. */
  const char *nul = r->text.n ? memchr(r->text.p, 0, r->text.n) : NULL;
  if (nul) {
    report_note(r, "report-syntax", true, "RFC 8259 2", nul, "no JSON: a NUL byte");
    return MTS_ERR_REPORT_SYNTAX;
  }
  for (const char *p = r->text.p, *end = p + r->text.n; p < end; p++) {
    if (*p == '"') in_string = !in_string;
    if (in_string && *p == '\\') p++;
    if (in_string) continue;
    if (*p == '{' || *p == '[') depth++, values++;
    if ((*p == '}' || *p == ']') && depth > 0) depth--;
    if (*p == ',') values++;
    if (depth <= MTS_REPORT_MAX_DEPTH && values <= MTS_REPORT_MAX_VALUES) continue;
    report_note(r, "report-size", true, NULL, p, depth > MTS_REPORT_MAX_DEPTH ? "nested deeper than %u" : "more than %u values",
                depth > MTS_REPORT_MAX_DEPTH ? MTS_REPORT_MAX_DEPTH : MTS_REPORT_MAX_VALUES);
    return MTS_ERR_REPORT_SIZE;
  }
  return MTS_OK;
}
