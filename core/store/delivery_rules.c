/* SPDX-License-Identifier: ISC
 * The rules by which a report that is sent fares (RFC 8460 5), wherever its row stands. It is written before a report is handed over, so that
 * whatever happens then, nobody hands it over again. */
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/name.h"
#include "store/internal.h"

#define FAR_S (2 * 86400) /* no try is planned further ahead: a time beyond was set by a clock that was wrong */

static const struct {
  const char *name;
  bool open;
} states[] = {
#define X(code, name, open) {name, open},
    MTS_DELIVERY_STATES(X)
#undef X
};
#define STATES (sizeof states / sizeof states[0])

const char *mts_delivery_state_name(enum mts_delivery_state state) {
  return (size_t)state < STATES ? states[state].name : "unknown";
}

static uint32_t spread(uint32_t range) {
  uint32_t value = 0;
  if (range == 0 || getrandom(&value, sizeof value, GRND_NONBLOCK) < 0) return 0;
  return value % range;
}

bool mts_delivery_state_from_name(struct mts_span name, enum mts_delivery_state *state) {
  for (size_t i = 0; i < STATES; i++) {
    if (!mts_span_equals(name, states[i].name)) continue;
    *state = (enum mts_delivery_state)i;
    return true;
  }
  return false;
}

static void change_state(struct mts_delivery *row, enum mts_delivery_state state, int64_t now_s) {
  row->state = state;
  row->changed_at = now_s;
}

static bool fits(const char *text, size_t size) {
  size_t n = text ? strnlen(text, size) : size;
  for (size_t i = 0; i < n && n < size; i++)
    if (text[i] < 0x20 || text[i] > 0x7e) return false;
  return n < size;
}

static bool are_sound(int64_t day, const char *domain, const char *owner) {
  return day >= 0 && domain && mts_name_is_normal(mts_span_of(domain)) && fits(owner, MTS_DELIVERY_OWNER_SIZE) && *owner;
}

static bool is_lease(int64_t now_ms, int64_t until_ms) {
  return now_ms >= 0 && until_ms > now_ms && until_ms <= now_ms + STORE_LEASE_MAX_MS;
}

/* ---- claiming ---- */

static bool is_held(const struct mts_delivery *row, int64_t now_ms) {
  bool claimed = row->state == MTS_DELIVERY_CLAIMED || row->state == MTS_DELIVERY_HANDING;
  return claimed && row->until_ms > now_ms && row->until_ms <= now_ms + STORE_LEASE_MAX_MS;
}

static bool is_due(const struct mts_delivery *row, const struct mts_delivery_claim *claim) {
  int64_t now_s = claim->now_ms / 1000;
  return row->next_at <= now_s || row->next_at > now_s + FAR_S || (claim->at_once && row->first_at == 0);
}

static void begin(struct mts_delivery *row, const struct mts_delivery_claim *claim) {
  int64_t now_s = claim->now_ms / 1000, from_s = claim->from_s > now_s && claim->from_s < now_s + FAR_S ? claim->from_s : now_s;
  uint32_t delay_s = claim->delay_s < MTS_DELIVERY_DELAY_MOST_S ? claim->delay_s : MTS_DELIVERY_DELAY_MOST_S;
  *row = (struct mts_delivery){.day = claim->day, .changed_at = now_s, .next_at = from_s + spread(delay_s + 1)};
  memccpy(row->domain, claim->domain, 0, sizeof row->domain);
  memccpy(row->id, claim->id, 0, sizeof row->id);
}

enum mts_err mts_delivery_claim_step(struct mts_delivery *row, bool found, const struct mts_delivery_claim *claim, bool *changed,
                                     bool *became_unsure) {
  if (!are_sound(claim->day, claim->domain, claim->owner) || !fits(claim->id, MTS_REPORT_ID_SIZE) || !*claim->id ||
      !is_lease(claim->now_ms, claim->until_ms))
    return MTS_ERR_ARGUMENT;
  *changed = !found;
  *became_unsure = false;
  if (!found) begin(row, claim);
  if (is_held(row, claim->now_ms)) return MTS_OK;
  if (row->state == MTS_DELIVERY_HANDING) {
    change_state(row, MTS_DELIVERY_UNSURE, claim->now_ms / 1000);
    *changed = *became_unsure = true;
  } else if (states[row->state].open && is_due(row, claim)) {
    change_state(row, MTS_DELIVERY_CLAIMED, claim->now_ms / 1000);
    memccpy(row->owner, claim->owner, 0, sizeof row->owner);
    row->until_ms = claim->until_ms;
    *changed = true;
  }
  return MTS_OK;
}

/* ---- what the owner does ---- */

/* RFC 8460 5.5: for up to 24 hours after the initial attempt, with exponential back-off. */
static void plan_retry(struct mts_delivery *row, int64_t now_s) {
  if (!row->first_at || row->first_at > now_s) row->first_at = now_s;
  int64_t end = row->first_at + MTS_DELIVERY_FOR_S;
  int64_t wait = row->tries < 5 ? (int64_t)MTS_DELIVERY_RETRY_LEAST_S << row->tries : MTS_DELIVERY_RETRY_MOST_S;
  if (wait > MTS_DELIVERY_RETRY_MOST_S) wait = MTS_DELIVERY_RETRY_MOST_S;
  row->next_at = now_s + wait + spread((uint32_t)wait / 4);
  if (row->next_at > end) row->next_at = end; /* once more at the very end */
  if (row->tries < UINT32_MAX - 1) row->tries++;
  change_state(row, now_s >= end ? MTS_DELIVERY_GIVEN_UP : MTS_DELIVERY_WAITING, now_s);
}

static void hand(struct mts_delivery *row, const struct mts_delivery_step *step) {
  change_state(row, MTS_DELIVERY_HANDING, step->now_ms / 1000);
  row->until_ms = step->until_ms;
  if (!row->first_at) row->first_at = step->now_ms / 1000;
}

static void note(struct mts_delivery *row, const struct mts_delivery_step *step) {
  if (step->state == MTS_DELIVERY_WAITING)
    plan_retry(row, step->now_ms / 1000);
  else
    change_state(row, step->state, step->now_ms / 1000);
  row->owner[0] = '\0';
  row->until_ms = 0;
  mts_text_clean(row->detail, sizeof row->detail, mts_span_of(step->detail));
}

enum mts_err mts_delivery_step(struct mts_delivery *row, bool found, const struct mts_delivery_step *step, bool *ours) {
  bool hands = step->state == MTS_DELIVERY_HANDING;
  bool known =
      hands || step->state == MTS_DELIVERY_SENT || step->state == MTS_DELIVERY_UNWANTED || step->state == MTS_DELIVERY_WAITING;
  if (!known || !are_sound(step->day, step->domain, step->owner) || !fits(step->uri, MTS_DELIVERY_URI_SIZE) || step->now_ms < 0 ||
      (hands && !is_lease(step->now_ms, step->until_ms)))
    return MTS_ERR_ARGUMENT;
  *ours =
      found && (row->state == MTS_DELIVERY_CLAIMED || row->state == MTS_DELIVERY_HANDING) && strcmp(row->owner, step->owner) == 0;
  if (!*ours) return MTS_OK;
  if (hands)
    hand(row, step);
  else
    note(row, step);
  memccpy(row->uri, step->uri, 0, sizeof row->uri);
  return MTS_OK;
}
