/* SPDX-License-Identifier: ISC */
#include "resolve/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct ring {
  struct ring *newer, *older;
};

/* struct mts_entry with its texts packed behind it: ten thousand domains shall fit into a few megabytes. */
struct cell {
  struct ring ring;   /* by age; first, so that a place in the ring is a cell */
  struct cell *chain; /* same bucket */
  uint32_t hash, slot;
  bool unsaved;
  struct mts_policy *policy;
  int64_t put_ms;
  int64_t fetched_at, expires_at, refresh_at, checked_at, check_at, failed_at, failing_since, retry_at, alarmed_at;
  uint32_t tries;
  enum mts_err err;
  uint16_t id_at, failed_id_at, detail_at; /* offsets in text */
  char text[];                             /* domain, id, failed id, detail; each ends in NUL */
};

/* What is asked most of a cell, on little room, so that it stays in the processor's cache. */
struct slot {
  uint64_t number;    /* of the cell, see struct memory_mark; 0: the slot is free */
  uint32_t next_free; /* index + 1; 0: none */
  bool used; /* since the cell came to its place in the ring: to note this is cheaper than to keep the ring in the order of use */
};

struct memory {
  size_t count, max;
  size_t buckets; /* a power of two */
  struct cell **table;
  struct ring ring; /* ring.newer is the oldest, ring.older the newest */
  struct slot *slots;
  size_t slot_count, slot_capacity;
  uint32_t free_slot; /* index + 1; 0: none */
  uint64_t last_number;
  uint32_t seed;
};

enum mts_err memory_new(size_t max_entries, struct memory **memory) {
  struct memory *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  made->max = max_entries;
  made->buckets = 64;
  made->table = calloc(made->buckets, sizeof *made->table);
  if (!made->table) {
    free(made);
    return MTS_ERR_NO_MEMORY;
  }
  made->ring.newer = made->ring.older = &made->ring;
  /* Names come from outside: a secret start keeps them from being chosen to fall into one bucket. */
  if (getrandom(&made->seed, sizeof made->seed, GRND_NONBLOCK) < 0) made->seed = (uint32_t)(uintptr_t)made;
  *memory = made;
  return MTS_OK;
}

static uint32_t hash_of(const struct memory *memory, const char *domain) {
  uint32_t hash = 2166136261u ^ memory->seed; /* FNV-1a */
  for (const unsigned char *p = (const unsigned char *)domain; *p; p++) hash = (hash ^ *p) * 16777619u;
  return hash ^ (hash >> 15);
}

static void ring_out(struct cell *cell) {
  cell->ring.newer->older = cell->ring.older;
  cell->ring.older->newer = cell->ring.newer;
}

static void ring_newest(struct memory *memory, struct cell *cell) {
  cell->ring.newer = &memory->ring;
  cell->ring.older = memory->ring.older;
  cell->ring.older->newer = &cell->ring;
  memory->ring.older = &cell->ring;
}

static struct cell **place_of(struct memory *memory, const char *domain, uint32_t hash) {
  struct cell **place = &memory->table[hash & (memory->buckets - 1)];
  while (*place && ((*place)->hash != hash || strcmp((*place)->text, domain) != 0)) place = &(*place)->chain;
  return place;
}

static bool take_slot(struct memory *memory, uint32_t *index) {
  if (!memory->free_slot && memory->slot_count == memory->slot_capacity) {
    size_t capacity = memory->slot_capacity ? 2 * memory->slot_capacity : 64;
    struct slot *slots = realloc(memory->slots, capacity * sizeof *slots);
    if (!slots) return false;
    memory->slots = slots;
    memory->slot_capacity = capacity;
  }
  if (memory->free_slot) {
    *index = memory->free_slot - 1;
    memory->free_slot = memory->slots[*index].next_free;
  } else {
    *index = (uint32_t)memory->slot_count++;
  }
  memory->slots[*index] = (struct slot){.number = ++memory->last_number};
  return true;
}

static void drop(struct memory *memory, struct cell **place) {
  struct cell *cell = *place;
  if (!cell) return;
  *place = cell->chain;
  ring_out(cell);
  memory->slots[cell->slot] = (struct slot){.next_free = memory->free_slot};
  memory->free_slot = cell->slot + 1;
  mts_policy_free(&cell->policy);
  free(cell);
  memory->count--;
}

static void grow(struct memory *memory) {
  size_t buckets = memory->buckets * 2;
  struct cell **table = calloc(buckets, sizeof *table);
  if (!table) return; /* longer chains, nothing worse */
  for (size_t i = 0; i < memory->buckets; i++) {
    for (struct cell *cell = memory->table[i], *next; cell; cell = next) {
      next = cell->chain;
      cell->chain = table[cell->hash & (buckets - 1)];
      table[cell->hash & (buckets - 1)] = cell;
    }
  }
  free(memory->table);
  memory->table = table;
  memory->buckets = buckets;
}

static void unpack(const struct cell *cell, struct mts_entry *entry) {
  memcpy(entry->domain, cell->text, cell->id_at); /* each with its NUL */
  memcpy(entry->id, cell->text + cell->id_at, cell->failed_id_at - cell->id_at);
  memcpy(entry->failed_id, cell->text + cell->failed_id_at, cell->detail_at - cell->failed_id_at);
  memccpy(entry->detail, cell->text + cell->detail_at, 0, sizeof entry->detail);
  entry->policy = cell->policy ? mts_policy_ref(cell->policy) : NULL;
  entry->fetched_at = cell->fetched_at;
  entry->expires_at = cell->expires_at;
  entry->refresh_at = cell->refresh_at;
  entry->checked_at = cell->checked_at;
  entry->check_at = cell->check_at;
  entry->failed_at = cell->failed_at;
  entry->failing_since = cell->failing_since;
  entry->retry_at = cell->retry_at;
  entry->alarmed_at = cell->alarmed_at;
  entry->tries = cell->tries;
  entry->err = cell->err;
}

static struct cell *pack(const struct mts_entry *entry) {
  size_t domain_n = strlen(entry->domain) + 1, id_n = strlen(entry->id) + 1;
  size_t failed_n = strlen(entry->failed_id) + 1, detail_n = strlen(entry->detail) + 1;
  struct cell *cell = calloc(1, sizeof *cell + domain_n + id_n + failed_n + detail_n);
  if (!cell) return NULL;
  cell->id_at = (uint16_t)domain_n;
  cell->failed_id_at = (uint16_t)(domain_n + id_n);
  cell->detail_at = (uint16_t)(domain_n + id_n + failed_n);
  memcpy(cell->text, entry->domain, domain_n);
  memcpy(cell->text + cell->id_at, entry->id, id_n);
  memcpy(cell->text + cell->failed_id_at, entry->failed_id, failed_n);
  memcpy(cell->text + cell->detail_at, entry->detail, detail_n);
  cell->policy = entry->policy ? mts_policy_ref(entry->policy) : NULL;
  cell->fetched_at = entry->fetched_at;
  cell->expires_at = entry->expires_at;
  cell->refresh_at = entry->refresh_at;
  cell->checked_at = entry->checked_at;
  cell->check_at = entry->check_at;
  cell->failed_at = entry->failed_at;
  cell->failing_since = entry->failing_since;
  cell->retry_at = entry->retry_at;
  cell->alarmed_at = entry->alarmed_at;
  cell->tries = entry->tries;
  cell->err = entry->err;
  return cell;
}

enum mts_err memory_get(struct memory *memory, const char *domain, struct mts_entry *entry, int64_t *put_ms,
                        struct memory_mark *mark) {
  const struct cell *cell = *place_of(memory, domain, hash_of(memory, domain));
  if (!cell) return MTS_ERR_STORE_NONE;
  struct slot *slot = &memory->slots[cell->slot];
  slot->used = true;
  unpack(cell, entry);
  *put_ms = cell->put_ms;
  *mark = (struct memory_mark){.number = slot->number, .slot = cell->slot};
  return MTS_OK;
}

bool memory_has(struct memory *memory, const struct memory_mark *mark) {
  struct slot *slot = mark->number && mark->slot < memory->slot_count ? &memory->slots[mark->slot] : NULL;
  if (!slot || slot->number != mark->number) return false;
  slot->used = true;
  return true;
}

/* Of those that were not used since they came to their place in the ring the oldest goes; a used one begins anew. */
static void make_room(struct memory *memory) {
  struct cell *oldest = (struct cell *)memory->ring.newer;
  for (; memory->slots[oldest->slot].used; oldest = (struct cell *)memory->ring.newer) {
    memory->slots[oldest->slot].used = false;
    ring_out(oldest);
    ring_newest(memory, oldest);
  }
  drop(memory, place_of(memory, oldest->text, oldest->hash));
}

enum mts_err memory_put(struct memory *memory, const struct mts_entry *entry, int64_t now_ms) {
  if (memory->max == 0) return MTS_OK;
  struct cell *cell = pack(entry);
  if (!cell) return MTS_ERR_NO_MEMORY;
  cell->hash = hash_of(memory, entry->domain);
  cell->put_ms = now_ms;
  struct cell **place = place_of(memory, entry->domain, cell->hash);
  if (*place) drop(memory, place);
  if (memory->count >= memory->max) make_room(memory);
  if (!take_slot(memory, &cell->slot)) {
    mts_policy_free(&cell->policy);
    free(cell);
    return MTS_ERR_NO_MEMORY;
  }
  if (memory->count >= memory->buckets) grow(memory);
  struct cell **bucket = &memory->table[cell->hash & (memory->buckets - 1)];
  cell->chain = *bucket;
  *bucket = cell;
  ring_newest(memory, cell);
  memory->count++;
  return MTS_OK;
}

void memory_mark_unsaved(struct memory *memory, const char *domain) {
  struct cell *cell = *place_of(memory, domain, hash_of(memory, domain));
  if (cell) cell->unsaved = true;
}

bool memory_is_unsaved(struct memory *memory, const char *domain) {
  const struct cell *cell = *place_of(memory, domain, hash_of(memory, domain));
  return cell && cell->unsaved;
}

size_t memory_delete(struct memory *memory, const char *domain) {
  size_t before = memory->count;
  if (domain) {
    struct cell **place = place_of(memory, domain, hash_of(memory, domain));
    if (*place) drop(memory, place);
  } else {
    while (memory->ring.newer != &memory->ring) {
      struct cell *oldest = (struct cell *)memory->ring.newer;
      drop(memory, place_of(memory, oldest->text, oldest->hash));
    }
  }
  return before - memory->count;
}

void memory_each(struct memory *memory, bool (*each)(void *arg, const struct mts_entry *entry), void *arg) {
  bool more = true;
  for (struct ring *at = memory->ring.newer; more && at != &memory->ring; at = at->newer) {
    struct mts_entry entry = {0};
    unpack((struct cell *)at, &entry);
    more = each(arg, &entry);
    mts_entry_clear(&entry);
  }
}

void memory_free(struct memory **memory) {
  if (!*memory) return;
  memory_delete(*memory, NULL);
  free((*memory)->slots);
  free((*memory)->table);
  free(*memory);
  *memory = NULL;
}
