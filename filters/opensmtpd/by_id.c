/* SPDX-License-Identifier: ISC */
#include "by_id.h"

#include <stdlib.h>
#include <string.h>

/* smtpd's ids are random numbers. */
static size_t place(struct mts_span id) { return mts_span_hash(id) % BY_ID_BUCKETS; }

struct by_id *by_id_find(const struct by_id_table *table, struct mts_span id) {
  struct by_id *entry = table->bucket[place(id)];
  while (entry && (entry->n != id.n || memcmp(entry->id, id.p, id.n) != 0)) entry = entry->next;
  return entry;
}

struct by_id *by_id_alone(struct mts_span id, size_t size) {
  struct by_id *made = id.n <= FILTER_ID_MAX ? calloc(1, size) : NULL;
  if (!made) return NULL;
  made->n = id.n;
  memcpy(made->id, id.p, id.n);
  return made;
}

struct by_id *by_id_add(struct by_id_table *table, struct mts_span id, size_t size) {
  struct by_id *made = table->count < table->most ? by_id_alone(id, size) : NULL;
  if (!made) return NULL;
  struct by_id **bucket = &table->bucket[place(id)];
  made->next = *bucket;
  *bucket = made;
  table->count++;
  return made;
}

void by_id_remove(struct by_id_table *table, struct by_id *entry) {
  struct by_id **at = &table->bucket[place(mts_span(entry->id, entry->n))];
  while (*at && *at != entry) at = &(*at)->next;
  if (!*at) return;
  *at = entry->next;
  table->count--;
}

struct by_id *by_id_take(struct by_id_table *table) {
  for (size_t i = 0; table->count > 0 && i < BY_ID_BUCKETS; i++) {
    struct by_id *entry = table->bucket[i];
    if (!entry) continue;
    by_id_remove(table, entry);
    return entry;
  }
  return NULL;
}
