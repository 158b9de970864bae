/* SPDX-License-Identifier: ISC
 * Answers that took long to find, for some seconds: smtpd stands still while it waits, and asks the same for each message of a queue. */
#ifndef MTASTS_FILTERS_SLOW_H
#define MTASTS_FILTERS_SLOW_H

#include "mtasts.h"
#include "request.h"

#define SLOW_MS 500
#define SLOW_FOR_MS 10000
#define SLOW_KEPT 64 /* the oldest makes room */

struct slow_answer {
  char domain[MTS_NAME_SIZE];
  enum table_service service;
  enum table_result result;
  enum mts_err err;
  int64_t until_ms; /* 0: none */
};
/* Zero-initialise. */
struct slow {
  struct slow_answer at[SLOW_KEPT];
  size_t next;
};
/* Kept if it took long and was no success. */
void slow_note(struct slow *slow, const struct slow_answer *answer, int64_t began_ms, int64_t now_ms);
/* until_ms 0: there is none. */
struct slow_answer slow_find(const struct slow *slow, const char *domain, enum table_service service, int64_t now_ms);

#endif
