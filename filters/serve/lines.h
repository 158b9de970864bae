/* SPDX-License-Identifier: ISC
 * The line protocol for Exim's ${readsocket}: words separated by blanks. Pure. */
#ifndef MTASTS_SERVE_LINES_H
#define MTASTS_SERVE_LINES_H

#include "base/buf.h"
#include "protocol.h"

#define LINES_REQUEST_MAX 16384
#define LINES_WORDS_MOST 8 /* a name and its arguments */

/* A line ends in LF or CR LF, or with the stream. */
enum take lines_take(struct mts_span in, bool eof, size_t *used, struct mts_span *request);
/* Splits a line into words, in place: a word is everything up to a blank, or what stands in double quotes, with \" \\ \n \r \t and nothing
 * else behind a backslash, as Exim's ${quote:…} writes it. The count; 0: none; -1: a quote that is not closed, another backslash, a NUL, or
 * more than LINES_WORDS_MOST. words point into line, which has room for its NUL at n. */
int lines_split(char *line, size_t n, const char *words[LINES_WORDS_MOST]);
/* A text as one line, with \n \r \\ for a line feed, a carriage return and a backslash. */
enum mts_err lines_add_escaped(struct mts_buf *out, struct mts_span text);

#endif
