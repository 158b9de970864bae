/* SPDX-License-Identifier: ISC
 * Sessions by the id that smtpd gave them, at most so many. */
#ifndef MTASTS_FILTERS_BY_ID_H
#define MTASTS_FILTERS_BY_ID_H

#include "filter_line.h"

#define BY_ID_BUCKETS 4096

/* First member of what is found. */
struct by_id {
  struct by_id *next;
  size_t n; /* of id */
  char id[FILTER_ID_MAX + 1];
};
/* Zero-initialise all but most. */
struct by_id_table {
  struct by_id *bucket[BY_ID_BUCKETS];
  size_t count, most;
};
struct by_id *by_id_find(const struct by_id_table *table, struct mts_span id);
/* A zeroed one of size bytes that is in no table. NULL: no memory, or no such id. */
struct by_id *by_id_alone(struct mts_span id, size_t size);
/* A zeroed one of size bytes; freed by the caller after by_id_remove. NULL: there are too many, or no memory. */
struct by_id *by_id_add(struct by_id_table *table, struct mts_span id, size_t size);
void by_id_remove(struct by_id_table *table, struct by_id *entry);
/* Removes one, whichever; NULL: it is empty. */
struct by_id *by_id_take(struct by_id_table *table);

#endif
