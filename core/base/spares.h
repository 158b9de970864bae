/* SPDX-License-Identifier: ISC
 * Blocks that are needed again and again are put by, for malloc and free cost more. */
#ifndef MTASTS_BASE_SPARES_H
#define MTASTS_BASE_SPARES_H

/* How many of them: none in builds for checkers, which shall see who uses what is gone. */
static inline int mts_spares(int most) {
#ifdef NDEBUG
  return most;
#else
  return 0 * most;
#endif
}

#endif
