/* SPDX-License-Identifier: ISC */
#include "resolve/shared_delivery.h"

#include <inttypes.h>
#include <string.h>

/* One line each: state, owner, id, uri, detail, and the numbers until_ms, tries, first_at, next_at, changed_at. */
enum { STATE, OWNER, ID, URI, DETAIL, UNTIL, TRIES, FIRST, NEXT, CHANGED, LINES };

enum mts_err shared_delivery_write(const struct mts_delivery *delivery, struct mts_buf *text) {
  return mts_buf_addf(text, "%s\n%s\n%s\n%s\n%s\n%" PRId64 "\n%" PRIu32 "\n%" PRId64 "\n%" PRId64 "\n%" PRId64,
                      mts_delivery_state_name(delivery->state), delivery->owner, delivery->id, delivery->uri, delivery->detail,
                      delivery->until_ms, delivery->tries, delivery->first_at, delivery->next_at, delivery->changed_at);
}

static bool read_text(struct mts_span line, char *to, size_t size) {
  if (line.n >= size) return false;
  for (size_t i = 0; i < line.n; i++)
    if (line.p[i] < 0x20 || line.p[i] > 0x7e) return false;
  memcpy(to, line.p, line.n);
  to[line.n] = '\0';
  return true;
}

static bool read_number(struct mts_span line, uint64_t most, int64_t *to) {
  uint64_t number = 0;
  if (!mts_number_parse(line, most, &number)) return false;
  *to = (int64_t)number;
  return true;
}

void shared_delivery_read(struct mts_span text, int64_t day, const char *domain, struct mts_delivery *delivery) {
  struct mts_span lines[LINES] = {{NULL, 0}};
  struct mts_delivery row = {.day = day};
  int64_t tries = 0;
  size_t count = 0;
  for (const char *p = text.p, *end = text.p + text.n; count < LINES; count++) {
    const char *feed = memchr(p, '\n', (size_t)(end - p));
    lines[count] = mts_span(p, (size_t)((feed ? feed : end) - p));
    if (!feed) break;
    p = feed + 1;
  }
  bool sound = count == LINES - 1 && mts_delivery_state_from_name(lines[STATE], &row.state) &&
               read_text(lines[OWNER], row.owner, sizeof row.owner) && read_text(lines[ID], row.id, sizeof row.id) &&
               read_text(lines[URI], row.uri, sizeof row.uri) && read_text(lines[DETAIL], row.detail, sizeof row.detail) &&
               read_number(lines[UNTIL], INT64_MAX, &row.until_ms) && read_number(lines[TRIES], UINT32_MAX - 1, &tries) &&
               read_number(lines[FIRST], INT64_MAX, &row.first_at) && read_number(lines[NEXT], INT64_MAX, &row.next_at) &&
               read_number(lines[CHANGED], INT64_MAX, &row.changed_at);
  row.tries = (uint32_t)tries;
  if (!sound) row = (struct mts_delivery){.day = day, .state = MTS_DELIVERY_UNSURE};
  memccpy(row.domain, domain, 0, sizeof row.domain);
  *delivery = row;
}
