/* SPDX-License-Identifier: ISC */
#include "resolve/cache.h"

#include <string.h>

#include "resolve/newer.h"

#define STORE_RETRY_MS 10000

struct mts_store *cache_store(struct mts *m) {
  if (m->store || !m->has_store) return m->store;
  int64_t now = mts_clock_mono_ms(&m->clock);
  if (now < m->store_retry_ms) return NULL;
  /* The store says itself in the log what is wrong. */
  if (mts_store_open(settings_store(m->settings), &m->clock, m->log, &m->store)) m->store_retry_ms = now + STORE_RETRY_MS;
  return m->store;
}

/* What the store could not take (full, read-only, locked) is not undone by what it still has: entry is made the newer of both in
 * each part, and the store is tried again. */
static void save_again(struct mts *m, struct mts_entry *entry, struct mts_entry *stored) {
  newer_take(entry, stored, mts_clock_now_s(&m->clock));
  mts_entry_clear(stored);
  cache_put(m, entry);
}

static int64_t believed_until_ms(const struct mts *m, int64_t put_ms) { return put_ms + (int64_t)m->memory_s * 1000; }

bool cache_has(struct mts *m, const char *domain, struct mts_entry *entry, struct memory_mark *mark, int64_t *until_ms) {
  int64_t put_ms;
  if (memory_get(m->memory, domain, entry, &put_ms, mark) != MTS_OK) return false;
  *until_ms = believed_until_ms(m, put_ms);
  if (mts_clock_about_mono_ms(&m->clock) <= *until_ms) return true;
  mts_policy_free(&entry->policy);
  return false;
}

enum mts_err cache_get(struct mts *m, const char *domain, bool bypass_memory, struct mts_entry *entry, enum mts_from *from) {
  return cache_get_at(m, mts_clock_mono_ms(&m->clock), domain, bypass_memory, entry, from);
}

enum mts_err cache_get_at(struct mts *m, int64_t mono_ms, const char *domain, bool bypass_memory, struct mts_entry *entry,
                          enum mts_from *from) {
  int64_t put_ms = 0;
  struct memory_mark mark;
  struct mts_store *store = NULL;
  if (memory_get(m->memory, domain, entry, &put_ms, &mark) == MTS_OK) {
    *from = MTS_FROM_MEMORY;
    bool believed = !bypass_memory && mono_ms <= believed_until_ms(m, put_ms);
    store = believed ? NULL : cache_store(m);
    if (!store) return MTS_OK;
  } else {
    store = cache_store(m);
  }
  struct mts_entry stored = {0};
  enum mts_err err = store ? mts_store_get(store, domain, &stored) : MTS_ERR_STORE_NONE;
  bool answered = store && (err == MTS_OK || err == MTS_ERR_STORE_NONE);
  if (answered && entry->domain[0] && memory_is_unsaved(m->memory, domain)) {
    save_again(m, entry, &stored);
    return MTS_OK;
  }
  if (err == MTS_OK) {
    mts_entry_clear(entry);
    *entry = stored; /* the reference moves */
    *from = MTS_FROM_STORE;
    memory_put(m->memory, entry, mts_clock_mono_ms(&m->clock));
    return MTS_OK;
  }
  mts_entry_clear(&stored);
  if (err == MTS_ERR_STORE_NONE && store) {
    /* Forgotten by another process (flushed), so forget it here too. */
    memory_delete(m->memory, domain);
    mts_entry_clear(entry);
  } else if (entry->domain[0]) {
    return MTS_OK; /* the store is in trouble; memory still helps */
  }
  memccpy(entry->domain, domain, 0, sizeof entry->domain);
  *from = MTS_FROM_NOTHING;
  return MTS_ERR_STORE_NONE;
}

void cache_put(struct mts *m, struct mts_entry *entry) {
  struct mts_store *store = cache_store(m);
  bool saved = store && mts_store_learn(store, entry) == MTS_OK; /* says itself what failed */
  struct mts_entry stored = {0};
  if (store && !saved && mts_store_get(store, entry->domain, &stored) == MTS_OK)
    mts_entry_take_newer_policy(entry, &stored, mts_clock_now_s(&m->clock));
  mts_entry_clear(&stored);
  memory_put(m->memory, entry, mts_clock_mono_ms(&m->clock));
  if (m->has_store && !saved) memory_mark_unsaved(m->memory, entry->domain);
}

bool cache_lease(struct mts *m, const char *domain, const char *owner, uint32_t ms) {
  struct mts_store *store = cache_store(m);
  if (!store) return true;
  bool taken = false;
  int64_t held_until = 0, now = mts_clock_now_ms(&m->clock);
  if (mts_store_lease(store, domain, owner, now, now + ms, &taken, &held_until)) return true;
  /* A lease that ends later than any taken now was taken before the clock was set back: nobody may be there to renew it. */
  return taken || held_until > now + ms + 1000;
}

void cache_unlease(struct mts *m, const char *domain, const char *owner) {
  if (m->store) mts_store_unlease(m->store, domain, owner);
}
