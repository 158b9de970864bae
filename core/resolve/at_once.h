/* SPDX-License-Identifier: ISC
 * Answers that take no walk: memory knows the domain, nothing is due, and neither hosts nor rules nor steps are wanted. Who keeps what was made
 * of one learns here whether it would be made again. */
#ifndef MTASTS_RESOLVE_AT_ONCE_H
#define MTASTS_RESOLVE_AT_ONCE_H

#include "resolve/context.h"

/* What such an answer hangs on. Zero: nothing, it never holds. */
struct at_once {
  struct memory_mark mark;
  int64_t until_ms;        /* so long memory may be believed, on the monotonic clock; who keeps may bring it forward */
  int64_t from_s, until_s; /* Unix seconds: nothing of it changes by time alone from then until before that */
};

/* false: it takes the walk (or memory is short), and answer and basis are untouched. answer: the caller's. */
bool at_once_answer(struct mts *m, const struct mts_destination *to, const struct mts_lookup_opts *opts, struct at_once *basis,
                    struct mts_answer **answer);
/* Would at_once_answer give the same answer with these opts? mono_ms, now_s: about what the clocks of m say now; who asks often knows. Counts as a use of
 * memory. */
bool at_once_holds(struct mts *m, const struct at_once *basis, const struct mts_lookup_opts *opts, int64_t mono_ms, int64_t now_s);

#endif
