/* SPDX-License-Identifier: ISC
 * Which mail host of a domain smtpd was told to use, for some minutes. smtpd asks for each recipient and does not say how it went,
 * so: within moments the same host again; later the hosts are checked in their order; and if none passes, the next one in turn. */
#ifndef MTASTS_FILTERS_RELAYS_H
#define MTASTS_FILTERS_RELAYS_H

#include "mtasts.h"

#define RELAYS_MAX 512          /* domains kept; the one that was asked for longest ago makes room */
#define RELAY_HOSTS_MAX 8       /* hosts of a domain; more are not used */
#define RELAY_KNOWN_MS 300000   /* the MX records and the policy are asked for again after this */
#define RELAY_BURST_MS 10000    /* recipients of the same message, not a new attempt: smtpd waits 400 s and more before one */
#define RELAY_CHECKED_MS 300000 /* a host that passed is not checked again so soon */

struct relay {
  char domain[MTS_NAME_SIZE];
  char host[RELAY_HOSTS_MAX][MTS_NAME_SIZE];
  size_t count, current;
  int64_t known_until_ms;
  int64_t settled_until_ms; /* until then current is the answer */
  int64_t asked_ms;
  bool answered; /* before; so something may have gone wrong */
};

struct relays;
enum mts_err relays_new(struct relays **relays);
void relays_free(struct relays **relays);
/* NULL: not known, or too long ago. */
struct relay *relays_find(struct relays *relays, const char *domain, int64_t now_ms);
/* The hosts that smtpd may use, in their order. The one in use stays so if it is still among them. count is at least 1. */
struct relay *relays_put(struct relays *relays, const char *domain, const char *const *hosts, size_t count, int64_t now_ms);
/* The hosts must be checked before one is named. */
bool relay_needs_check(const struct relay *relay, int64_t now_ms);
/* What the check found: the host that passed, or none did (count). Then relay->current is the answer. */
void relay_checked(struct relay *relay, size_t passed, int64_t now_ms);
/* current is being named to smtpd. */
void relay_answered(struct relay *relay, int64_t now_ms);

#endif
