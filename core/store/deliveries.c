/* SPDX-License-Identifier: ISC
 * How reports fare that are sent (RFC 8460 5): one row for each day and domain. It is written before a report is handed over, so that whatever
 * happens then, nobody hands it over again. */
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/name.h"
#include "store/internal.h"

enum { DAY, DOMAIN, ID, STATE, OWNER, UNTIL, TRIES, FIRST, NEXT, CHANGED, URI, DETAIL };
#define STATE_MAX 16
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

/* ---- rows ---- */

static bool read_state(sqlite3_stmt *statement, enum mts_delivery_state *state) {
  struct mts_span name;
  if (!store_text_at(statement, STATE, STATE_MAX, &name)) return false;
  for (size_t i = 0; i < STATES; i++) {
    if (!mts_span_equals(name, states[i].name)) continue;
    *state = (enum mts_delivery_state)i;
    return true;
  }
  return false;
}

static bool read_text(sqlite3_stmt *statement, int column, char *to, size_t size) {
  struct mts_span text;
  if (!store_text_at(statement, column, size - 1, &text)) return false;
  memcpy(to, text.p, text.n);
  to[text.n] = '\0';
  return true;
}

static bool read_row(sqlite3_stmt *statement, struct mts_delivery *row) {
  int64_t tries = 0;
  bool sound = store_number_at(statement, DAY, &row->day) && read_text(statement, DOMAIN, row->domain, sizeof row->domain) &&
               mts_name_is_normal(mts_span_of(row->domain)) && read_text(statement, ID, row->id, sizeof row->id) &&
               read_state(statement, &row->state) && read_text(statement, OWNER, row->owner, sizeof row->owner) &&
               store_number_at(statement, UNTIL, &row->until_ms) && store_number_at(statement, TRIES, &tries) && tries >= 0 &&
               tries < UINT32_MAX && store_number_at(statement, FIRST, &row->first_at) &&
               store_number_at(statement, NEXT, &row->next_at) && store_number_at(statement, CHANGED, &row->changed_at) &&
               read_text(statement, URI, row->uri, sizeof row->uri) &&
               read_text(statement, DETAIL, row->detail, sizeof row->detail);
  row->tries = (uint32_t)tries;
  return sound;
}

static enum mts_err get(struct mts_store *store, int64_t day, const char *domain, struct mts_delivery *row, bool *found) {
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, STORE_SQL_DELIVERY_GET, &statement);
  if (err) return err;
  sqlite3_bind_int64(statement, 1, day);
  store_bind_text(statement, 2, domain);
  err = store_step(store, statement, "reading a report's state", found);
  if (err || !*found) return err;
  if (!read_row(statement, row)) {
    /* It may have been sent: rather not at all than twice. */
    store_row_report(store, domain, "delivery");
    *row = (struct mts_delivery){.day = day, .state = MTS_DELIVERY_UNSURE};
    memccpy(row->domain, domain, 0, sizeof row->domain);
  }
  return store_run(store, statement, "reading a report's state");
}

static enum mts_err put(struct mts_store *store, const struct mts_delivery *row) {
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, STORE_SQL_DELIVERY_PUT, &statement);
  if (err) return err;
  sqlite3_bind_int64(statement, 1 + DAY, row->day);
  store_bind_text(statement, 1 + DOMAIN, row->domain);
  store_bind_text(statement, 1 + ID, row->id);
  store_bind_text(statement, 1 + STATE, mts_delivery_state_name(row->state));
  store_bind_text(statement, 1 + OWNER, row->owner);
  sqlite3_bind_int64(statement, 1 + UNTIL, row->until_ms);
  sqlite3_bind_int64(statement, 1 + TRIES, row->tries);
  sqlite3_bind_int64(statement, 1 + FIRST, row->first_at);
  sqlite3_bind_int64(statement, 1 + NEXT, row->next_at);
  sqlite3_bind_int64(statement, 1 + CHANGED, row->changed_at);
  store_bind_text(statement, 1 + URI, row->uri);
  store_bind_text(statement, 1 + DETAIL, row->detail);
  return store_run(store, statement, "writing a report's state");
}

static void change_state(struct mts_delivery *row, enum mts_delivery_state state, int64_t now_s) {
  row->state = state;
  row->changed_at = now_s;
}

/* ---- claiming ---- */

struct claiming {
  const struct mts_delivery_claim *claim;
  struct mts_delivery row;
  bool became_unsure;
};

static bool is_held(const struct mts_delivery *row, int64_t now_ms) {
  return row->until_ms > now_ms && row->until_ms <= now_ms + STORE_LEASE_MAX_MS;
}

static bool is_due(const struct mts_delivery *row, const struct mts_delivery_claim *claim) {
  int64_t now_s = claim->now_ms / 1000;
  return row->next_at <= now_s || row->next_at > now_s + FAR_S || (claim->at_once && row->first_at == 0);
}

static void begin(struct mts_delivery *row, const struct mts_delivery_claim *claim) {
  int64_t now_s = claim->now_ms / 1000;
  uint32_t delay_s = claim->delay_s < MTS_DELIVERY_DELAY_MOST_S ? claim->delay_s : MTS_DELIVERY_DELAY_MOST_S;
  *row = (struct mts_delivery){.day = claim->day, .changed_at = now_s, .next_at = now_s + spread(delay_s + 1)};
  memccpy(row->domain, claim->domain, 0, sizeof row->domain);
  memccpy(row->id, claim->id, 0, sizeof row->id);
}

/* Within BEGIN IMMEDIATE: nobody else writes between these steps. */
static enum mts_err claim_row(struct mts_store *store, void *arg) {
  struct claiming *claiming = arg;
  const struct mts_delivery_claim *claim = claiming->claim;
  struct mts_delivery *row = &claiming->row;
  bool found = false;
  enum mts_err err = get(store, claim->day, claim->domain, row, &found);
  if (err) return err;
  if (!found) begin(row, claim);
  bool held = (row->state == MTS_DELIVERY_CLAIMED || row->state == MTS_DELIVERY_HANDING) && is_held(row, claim->now_ms);
  if (row->state == MTS_DELIVERY_HANDING && !held) {
    change_state(row, MTS_DELIVERY_UNSURE, claim->now_ms / 1000);
    claiming->became_unsure = true;
    return put(store, row);
  }
  bool waits = row->state == MTS_DELIVERY_WAITING || (row->state == MTS_DELIVERY_CLAIMED && !held);
  if (waits && is_due(row, claim)) {
    change_state(row, MTS_DELIVERY_CLAIMED, claim->now_ms / 1000);
    memccpy(row->owner, claim->owner, 0, sizeof row->owner);
    row->until_ms = claim->until_ms;
    return put(store, row);
  }
  return found ? MTS_OK : put(store, row);
}

/* Most are sent or wait: no write lock for them. */
static enum mts_err look(struct mts_store *store, struct claiming *claiming, bool *settled) {
  const struct mts_delivery *row = &claiming->row;
  bool found = false;
  enum mts_err err = get(store, claiming->claim->day, claiming->claim->domain, &claiming->row, &found);
  if (err || !found) return err;
  bool held = (row->state == MTS_DELIVERY_CLAIMED || row->state == MTS_DELIVERY_HANDING) && is_held(row, claiming->claim->now_ms);
  bool waits = row->state == MTS_DELIVERY_WAITING && !is_due(row, claiming->claim);
  *settled = held || waits || !states[row->state].open;
  return MTS_OK;
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

enum mts_err mts_store_delivery_claim(struct mts_store *store, const struct mts_delivery_claim *claim,
                                      struct mts_delivery *delivery, bool *became_unsure) {
  if (!are_sound(claim->day, claim->domain, claim->owner) || !fits(claim->id, MTS_REPORT_ID_SIZE) || !*claim->id ||
      !is_lease(claim->now_ms, claim->until_ms))
    return MTS_ERR_ARGUMENT;
  struct claiming claiming = {.claim = claim};
  bool settled = false;
  enum mts_err err = store_ready(store);
  if (!err) err = look(store, &claiming, &settled);
  if (!err && !settled) err = store_write(store, claim_row, &claiming, "claiming a report"); /* looks again */
  if (err) return err;
  *delivery = claiming.row;
  *became_unsure = claiming.became_unsure;
  return MTS_OK;
}

/* ---- what the owner does ---- */

struct step {
  int64_t day, now_ms, until_ms;
  const char *domain, *owner, *uri, *detail;
  enum mts_delivery_state state;
  struct mts_delivery row;
  bool ours;
};

static enum mts_err find_ours(struct mts_store *store, struct step *step) {
  bool found = false;
  enum mts_err err = get(store, step->day, step->domain, &step->row, &found);
  const struct mts_delivery *row = &step->row;
  step->ours = !err && found && (row->state == MTS_DELIVERY_CLAIMED || row->state == MTS_DELIVERY_HANDING) &&
               strcmp(row->owner, step->owner) == 0;
  return err;
}

static enum mts_err hand(struct mts_store *store, void *arg) {
  struct step *step = arg;
  enum mts_err err = find_ours(store, step);
  if (err || !step->ours) return err;
  change_state(&step->row, MTS_DELIVERY_HANDING, step->now_ms / 1000);
  step->row.until_ms = step->until_ms;
  if (!step->row.first_at) step->row.first_at = step->now_ms / 1000;
  memccpy(step->row.uri, step->uri, 0, sizeof step->row.uri);
  return put(store, &step->row);
}

enum mts_err mts_store_delivery_hand(struct mts_store *store, int64_t day, const char *domain, const char *owner, const char *uri,
                                     int64_t now_ms, int64_t until_ms, bool *ours) {
  if (!are_sound(day, domain, owner) || !fits(uri, MTS_DELIVERY_URI_SIZE) || !is_lease(now_ms, until_ms)) return MTS_ERR_ARGUMENT;
  struct step step = {.day = day, .domain = domain, .owner = owner, .uri = uri, .now_ms = now_ms, .until_ms = until_ms};
  enum mts_err err = store_write(store, hand, &step, "handing a report over");
  if (!err) *ours = step.ours;
  return err;
}

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

static enum mts_err note(struct mts_store *store, void *arg) {
  struct step *step = arg;
  enum mts_err err = find_ours(store, step);
  if (err || !step->ours) return err;
  struct mts_delivery *row = &step->row;
  if (step->state == MTS_DELIVERY_WAITING)
    plan_retry(row, step->now_ms / 1000);
  else
    change_state(row, step->state, step->now_ms / 1000);
  row->owner[0] = '\0';
  row->until_ms = 0;
  memccpy(row->uri, step->uri, 0, sizeof row->uri);
  mts_text_clean(row->detail, sizeof row->detail, mts_span_of(step->detail));
  return put(store, row);
}

enum mts_err mts_store_delivery_note(struct mts_store *store, int64_t day, const char *domain, const char *owner,
                                     enum mts_delivery_state state, const char *uri, const char *detail, int64_t now_ms,
                                     struct mts_delivery *delivery) {
  bool known = state == MTS_DELIVERY_SENT || state == MTS_DELIVERY_UNWANTED || state == MTS_DELIVERY_WAITING;
  if (!known || !are_sound(day, domain, owner) || !fits(uri, MTS_DELIVERY_URI_SIZE) || now_ms < 0) return MTS_ERR_ARGUMENT;
  struct step step = {.day = day, .domain = domain, .owner = owner, .state = state, .uri = uri, .detail = detail, .now_ms = now_ms};
  enum mts_err err = store_write(store, note, &step, "writing a report's state");
  if (err) return err;
  if (!step.ours) return MTS_ERR_STORE_NONE;
  *delivery = step.row;
  return MTS_OK;
}

/* ---- reading ---- */

enum mts_err mts_store_deliveries(struct mts_store *store, int64_t first_day, int64_t last_day, const char *domain,
                                  bool (*each)(void *arg, const struct mts_delivery *delivery), void *arg) {
  sqlite3_stmt *statement = NULL;
  if (domain && !mts_name_is_normal(mts_span_of(domain))) return MTS_ERR_ARGUMENT;
  enum mts_err err = store_ready(store);
  if (!err) err = store_statement(store, domain ? STORE_SQL_DELIVERY_OF : STORE_SQL_DELIVERY_EACH, &statement);
  if (err) return err;
  sqlite3_bind_int64(statement, 1, first_day);
  sqlite3_bind_int64(statement, 2, last_day);
  if (domain) store_bind_text(statement, 3, domain);
  for (bool more = true; more;) {
    struct mts_delivery delivery = {0};
    bool row = false;
    err = store_step(store, statement, "reading reports' states", &row);
    if (err || !row) return err;
    if (read_row(statement, &delivery))
      more = each(arg, &delivery);
    else
      store_row_report(store, NULL, "delivery");
  }
  store_reset(store, statement);
  sqlite3_clear_bindings(statement);
  return MTS_OK;
}
