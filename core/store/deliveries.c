/* SPDX-License-Identifier: ISC
 * How reports fare that are sent (RFC 8460 5): one row for each day and domain, changed as delivery_rules.c says. */
#include <string.h>

#include "base/buf.h"
#include "base/name.h"
#include "store/internal.h"

enum { DAY, DOMAIN, ID, STATE, OWNER, UNTIL, TRIES, FIRST, NEXT, CHANGED, URI, DETAIL };
#define STATE_MAX 16

/* ---- rows ---- */

static bool read_state(sqlite3_stmt *statement, enum mts_delivery_state *state) {
  struct mts_span name;
  return store_text_at(statement, STATE, STATE_MAX, &name) && mts_delivery_state_from_name(name, state);
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

/* ---- claiming ---- */

struct claiming {
  const struct mts_delivery_claim *claim;
  struct mts_delivery row;
  bool became_unsure;
};

/* Within BEGIN IMMEDIATE: nobody else writes between these steps. */
static enum mts_err claim_row(struct mts_store *store, void *arg) {
  struct claiming *claiming = arg;
  bool found = false, changed = false;
  enum mts_err err = get(store, claiming->claim->day, claiming->claim->domain, &claiming->row, &found);
  if (!err) err = mts_delivery_claim_step(&claiming->row, found, claiming->claim, &changed, &claiming->became_unsure);
  return err || !changed ? err : put(store, &claiming->row);
}

enum mts_err mts_store_delivery_claim(struct mts_store *store, const struct mts_delivery_claim *claim,
                                      struct mts_delivery *delivery, bool *became_unsure) {
  struct claiming claiming = {.claim = claim};
  bool found = false, changed = false, unsure = false;
  struct mts_delivery row = {0};
  /* Most are sent or wait: no write lock for them. */
  enum mts_err err = claim->domain && mts_name_is_normal(mts_span_of(claim->domain)) ? store_ready(store) : MTS_ERR_ARGUMENT;
  if (!err) err = get(store, claim->day, claim->domain, &row, &found);
  claiming.row = row;
  if (!err) err = mts_delivery_claim_step(&row, found, claim, &changed, &unsure);
  if (!err && changed) err = store_write(store, claim_row, &claiming, "claiming a report"); /* looks again */
  if (err) return err;
  *delivery = claiming.row;
  *became_unsure = claiming.became_unsure;
  return MTS_OK;
}

/* ---- what the owner does ---- */

struct step {
  const struct mts_delivery_step *step;
  struct mts_delivery row;
  bool ours;
};

static enum mts_err take_step(struct mts_store *store, void *arg) {
  struct step *it = arg;
  bool found = false;
  enum mts_err err = get(store, it->step->day, it->step->domain, &it->row, &found);
  if (!err) err = mts_delivery_step(&it->row, found, it->step, &it->ours);
  return err || !it->ours ? err : put(store, &it->row);
}

static enum mts_err run_step(struct mts_store *store, const struct mts_delivery_step *step, struct step *it, const char *doing) {
  bool ours = false;
  struct mts_delivery none = {0};
  enum mts_err err = mts_delivery_step(&none, false, step, &ours); /* are its arguments sound? */
  *it = (struct step){.step = step};
  return err ? err : store_write(store, take_step, it, doing);
}

enum mts_err mts_store_delivery_hand(struct mts_store *store, int64_t day, const char *domain, const char *owner, const char *uri,
                                     int64_t now_ms, int64_t until_ms, bool *ours) {
  const struct mts_delivery_step step = {.day = day,
                                         .domain = domain,
                                         .owner = owner,
                                         .uri = uri,
                                         .detail = "",
                                         .state = MTS_DELIVERY_HANDING,
                                         .now_ms = now_ms,
                                         .until_ms = until_ms};
  struct step it;
  enum mts_err err = run_step(store, &step, &it, "handing a report over");
  if (!err) *ours = it.ours;
  return err;
}

enum mts_err mts_store_delivery_note(struct mts_store *store, int64_t day, const char *domain, const char *owner,
                                     enum mts_delivery_state state, const char *uri, const char *detail, int64_t now_ms,
                                     struct mts_delivery *delivery) {
  if (state == MTS_DELIVERY_HANDING) return MTS_ERR_ARGUMENT;
  const struct mts_delivery_step step = {
      .day = day, .domain = domain, .owner = owner, .state = state, .uri = uri, .detail = detail, .now_ms = now_ms};
  struct step it;
  enum mts_err err = run_step(store, &step, &it, "writing a report's state");
  if (err) return err;
  if (!it.ours) return MTS_ERR_STORE_NONE;
  *delivery = it.row;
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
