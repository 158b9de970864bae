/* SPDX-License-Identifier: ISC */
#ifndef MTASTS_TLSRPT_GZIP_H
#define MTASTS_TLSRPT_GZIP_H

#include "mtasts.h"

/* RFC 1952, without name and time: the same bytes give the same bytes. *gzip is the caller's, and ends in a NUL that does not count. Errors:
 * NO_MEMORY. */
enum mts_err tlsrpt_gzip(struct mts_span bytes, struct mts_span *gzip);

#endif
