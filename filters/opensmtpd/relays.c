/* SPDX-License-Identifier: ISC */
#include "relays.h"

#include <stdlib.h>
#include <string.h>

struct relays {
  size_t count;
  struct relay *list[RELAYS_MAX];
};

enum mts_err relays_new(struct relays **relays) {
  struct relays *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  *relays = made;
  return MTS_OK;
}

void relays_free(struct relays **relays) {
  if (!*relays) return;
  for (size_t i = 0; i < (*relays)->count; i++) free((*relays)->list[i]);
  free(*relays);
  *relays = NULL;
}

static struct relay *by_name(const struct relays *relays, const char *domain) {
  for (size_t i = 0; i < relays->count; i++) {
    if (strcmp(relays->list[i]->domain, domain) == 0) return relays->list[i];
  }
  return NULL;
}

struct relay *relays_find(struct relays *relays, const char *domain, int64_t now_ms) {
  struct relay *relay = by_name(relays, domain);
  if (!relay || now_ms >= relay->known_until_ms) return NULL;
  relay->asked_ms = now_ms;
  return relay;
}

/* A new one, or the one not asked for longest. */
static struct relay *place(struct relays *relays) {
  if (relays->count < RELAYS_MAX) {
    struct relay *made = calloc(1, sizeof *made);
    if (made) relays->list[relays->count++] = made;
    if (made || relays->count == 0) return made;
  }
  struct relay *oldest = relays->list[0];
  for (size_t i = 1; i < relays->count; i++) {
    if (relays->list[i]->asked_ms < oldest->asked_ms) oldest = relays->list[i];
  }
  *oldest = (struct relay){0};
  return oldest;
}

struct relay *relays_put(struct relays *relays, const char *domain, const char *const *hosts, size_t count, int64_t now_ms) {
  struct relay *relay = by_name(relays, domain);
  char in_use[MTS_NAME_SIZE] = "";
  if (relay) memcpy(in_use, relay->host[relay->current], sizeof in_use);
  if (!relay) relay = place(relays);
  if (!relay) return NULL;
  memccpy(relay->domain, domain, 0, sizeof relay->domain - 1);
  relay->count = count < RELAY_HOSTS_MAX ? count : RELAY_HOSTS_MAX;
  relay->current = 0;
  bool kept = false;
  for (size_t i = 0; i < relay->count; i++) {
    memccpy(relay->host[i], hosts[i], 0, sizeof relay->host[i] - 1);
    if (strcmp(hosts[i], in_use) == 0) {
      relay->current = i;
      kept = true;
    }
  }
  if (!kept) { /* what is new has not failed yet */
    relay->settled_until_ms = 0;
    relay->answered = false;
  }
  relay->known_until_ms = now_ms + RELAY_KNOWN_MS;
  relay->asked_ms = now_ms;
  return relay;
}

bool relay_needs_check(const struct relay *relay, int64_t now_ms) { return relay->answered && now_ms >= relay->settled_until_ms; }

void relay_checked(struct relay *relay, size_t passed, int64_t now_ms) {
  bool one_passed = passed < relay->count;
  /* None passed: perhaps only from here, or only now. smtpd tries them in turn and finds out itself. */
  relay->current = one_passed ? passed : (relay->current + 1) % relay->count;
  relay->settled_until_ms = now_ms + (one_passed ? RELAY_CHECKED_MS : RELAY_BURST_MS);
}

void relay_answered(struct relay *relay, int64_t now_ms) {
  if (!relay->answered) relay->settled_until_ms = now_ms + RELAY_BURST_MS;
  relay->answered = true;
}
