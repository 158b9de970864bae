/* SPDX-License-Identifier: ISC
 * What the tests of the pure rooms have in common. */
#ifndef MTASTS_TESTS_UNIT_TOOLS_H
#define MTASTS_TESTS_UNIT_TOOLS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "mtasts.h"

/* A literal, with the NULs inside of it. */
#define SPAN(literal) mts_span((literal), sizeof(literal) - 1)
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A copy of just this size on the heap, so that a checker of memory sees a read beyond it. */
static inline char *exact_copy(struct mts_span text) {
  char *copy = malloc(text.n ? text.n : 1);
  assert_non_null(copy);
  if (text.n) memcpy(copy, text.p, text.n);
  return copy;
}

static inline void assert_err(enum mts_err got, enum mts_err expected, const char *where) {
  if (got != expected) fail_msg("%s: got %s, expected %s", where, mts_err_name(got), mts_err_name(expected));
}

#endif
