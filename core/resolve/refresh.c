/* SPDX-License-Identifier: ISC
 * Refreshing what is due, so that no policy runs out unseen (RFC 8461 3.3, 10.2). */
#include <string.h>

#include "resolve/cache.h"
#include "resolve/flight.h"
#include "resolve/life.h"
#include "resolve/moving.h"

#define REFRESH_AT_ONCE 16
#define REFRESH_MOST 256
#define SWEEP_EVERY_MS ((int64_t)86400 * 1000)

struct due {
  size_t count, most;
  char domains[REFRESH_MOST][MTS_NAME_SIZE];
};

static void collect(void *arg, const char *domain) {
  struct due *due = arg;
  if (due->count < due->most) memccpy(due->domains[due->count++], domain, 0, MTS_NAME_SIZE);
}

struct memory_due {
  struct due *due;
  int64_t now_s;
};

static bool collect_from_memory(void *arg, const struct mts_entry *entry) {
  struct memory_due *from = arg;
  if (life_policy_holds(entry, from->now_s) && life_is_due(entry, from->now_s)) collect(from->due, entry->domain);
  return from->due->count < from->due->most;
}

/* Whoever names a domain as a recipient makes a row in the store: without this it would only grow. */
static void sweep(struct mts *m, struct mts_store *store) {
  int64_t now_ms = mts_clock_mono_ms(&m->clock);
  if (m->swept_ms && now_ms - m->swept_ms < SWEEP_EVERY_MS) return;
  m->swept_ms = now_ms ? now_ms : 1;
  mts_store_sweep(store, mts_now(m), NULL); /* says itself what is wrong */
}

enum mts_err mts_refresh_due(struct mts *m, size_t limit, size_t *started) {
  context_after_fork(m);
  static const size_t least = REFRESH_AT_ONCE;
  struct due due = {.most = limit == 0 ? least : limit < REFRESH_MOST ? limit : REFRESH_MOST};
  struct mts_store *store = cache_store(m);
  if (!store && m->has_store) return MTS_ERR_STORE_OPEN;
  if (store) {
    enum mts_err err = mts_store_due(store, mts_now(m), due.most, collect, &due);
    if (err) return err;
    sweep(m, store);
    moving_start_seldom(m);
  } else {
    memory_each(m->memory, collect_from_memory, &(struct memory_due){&due, mts_now(m)});
  }
  size_t count = 0;
  for (size_t i = 0; i < due.count; i++) {
    struct mts_entry entry = {0};
    enum mts_from from;
    enum mts_err err = cache_get(m, due.domains[i], true, &entry, &from);
    if (err == MTS_OK) err = flight_join(m, &entry, FLIGHT_DUE, NULL);
    mts_entry_clear(&entry);
    if (err == MTS_OK)
      count++;
    else if (err != MTS_ERR_STORE_NONE)
      return err;
  }
  if (started) *started = count;
  return MTS_OK;
}
