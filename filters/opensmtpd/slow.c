/* SPDX-License-Identifier: ISC */
#include "slow.h"

#include <string.h>

static bool is_of(const struct slow_answer *answer, const char *domain, enum table_service service) {
  return answer->service == service && strcmp(answer->domain, domain) == 0;
}

void slow_note(struct slow *slow, const struct slow_answer *answer, int64_t began_ms, int64_t now_ms) {
  if (answer->result == TABLE_FOUND || now_ms - began_ms < SLOW_MS) return;
  size_t at = 0;
  while (at < SLOW_KEPT && !is_of(&slow->at[at], answer->domain, answer->service)) at++;
  if (at == SLOW_KEPT) at = slow->next++ % SLOW_KEPT;
  slow->at[at] = *answer;
  slow->at[at].until_ms = now_ms + SLOW_FOR_MS;
}

struct slow_answer slow_find(const struct slow *slow, const char *domain, enum table_service service, int64_t now_ms) {
  for (size_t i = 0; i < SLOW_KEPT; i++) {
    if (now_ms < slow->at[i].until_ms && is_of(&slow->at[i], domain, service)) return slow->at[i];
  }
  return (struct slow_answer){.until_ms = 0};
}
