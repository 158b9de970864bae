/* SPDX-License-Identifier: ISC
 * UTF-8 (RFC 3629). */
#ifndef MTASTS_BASE_UTF8_H
#define MTASTS_BASE_UTF8_H

#include <stddef.h>

/* Length of the character that begins at p, of 1 to 4 bytes; 0 if there is none. n > 0: bytes that may be read. */
size_t mts_utf8_length(const unsigned char *p, size_t n);

#endif
