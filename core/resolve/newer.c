/* SPDX-License-Identifier: ISC */
#include "resolve/newer.h"

#include <string.h>

#include "resolve/life.h"

static int64_t past(int64_t at, int64_t now_s) { return at > now_s ? 0 : at; }

int64_t newer_latest(const struct mts_entry *entry, int64_t now_s) {
  int64_t fetched = past(entry->fetched_at, now_s), checked = past(entry->checked_at, now_s),
          failed = past(entry->failed_at, now_s);
  int64_t at = fetched > checked ? fetched : checked;
  return at > failed ? at : failed;
}

static bool holds_longer(const struct mts_entry *a, const struct mts_entry *b, int64_t now_s) {
  return life_is_held(a, a->failed_id, now_s) && (!life_is_held(b, b->failed_id, now_s) || a->retry_at > b->retry_at);
}

static void copy_back_off(struct mts_entry *to, const struct mts_entry *from) {
  memcpy(to->failed_id, from->failed_id, sizeof to->failed_id);
  to->retry_at = from->retry_at;
  to->tries = from->tries;
}

bool newer_take(struct mts_entry *entry, const struct mts_entry *other, int64_t now_s) {
  bool later = newer_latest(other, now_s) > newer_latest(entry, now_s);
  int64_t fetched_at = entry->fetched_at;
  mts_entry_take_newer_policy(entry, other, now_s);
  if (!later) return entry->fetched_at != fetched_at;
  bool hold = holds_longer(entry, other, now_s) && strcmp(entry->failed_id, other->id) != 0; /* RFC 8461 3.3 */
  entry->checked_at = other->checked_at;
  entry->check_at = other->check_at;
  entry->err = other->err;
  memcpy(entry->detail, other->detail, sizeof entry->detail);
  entry->failed_at = other->failed_at;
  entry->failing_since = other->failing_since;
  entry->alarmed_at = other->alarmed_at;
  if (!hold) copy_back_off(entry, other);
  return true;
}
