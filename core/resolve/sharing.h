/* SPDX-License-Identifier: ISC
 * One flight's part in the shared store: what other machines know of its domain, and the right to ask the network over all of them. */
#ifndef MTASTS_RESOLVE_SHARING_H
#define MTASTS_RESOLVE_SHARING_H

#include "resolve/context.h"

#define SHARING_TOKEN_SIZE 33
#define SHARING_KEY_SIZE (MTS_NAME_SIZE + 32)

enum sharing_turn {
  SHARING_OURS,    /* no other machine asks the network now; without an answer it is ours, too: mail never waits for it */
  SHARING_ANOTHER, /* one does */
};
struct sharing {
  struct mts *m;
  const char *domain;             /* lent */
  char token[SHARING_TOKEN_SIZE]; /* of the lease; empty: none asked for yet */
  bool leased;
  int64_t leased_until_ms, asked_ms, renewed_ms; /* mono; the lease counts from when it was asked for */
  struct mts_job *job, *renewal;
  struct mts_entry found; /* zero but for its domain: nothing */
  void (*told)(void *arg, enum sharing_turn turn);
  void (*settled)(void *arg);
  void *arg;
};

/* Zero but for these. */
static inline void sharing_init(struct sharing *sharing, struct mts *m, const char *domain, void *arg) {
  *sharing = (struct sharing){.m = m, .domain = domain, .arg = arg};
}
/* Asks; told comes later, with ->found. false: there is no shared store, or it is left alone for now. */
bool sharing_ask(struct sharing *sharing, void (*told)(void *arg, enum sharing_turn turn));
/* The lease lasts so long as it is renewed; false: it may have been lost, and sharing_ask must come anew. */
bool sharing_is_ours(const struct sharing *sharing);
void sharing_renew(struct sharing *sharing);
/* Tells others what was learned (NULL: nothing), and gives the lease back; settled comes later. false: there is nothing to do. */
bool sharing_settle(struct sharing *sharing, const struct mts_entry *learned, void (*settled)(void *arg));
/* Ends it without a callback; the lease is given back if the loop still runs. */
void sharing_drop(struct sharing *sharing);
/* Where the shared store keeps what is known of a domain. */
void sharing_entry_key(const char *domain, char key[SHARING_KEY_SIZE]);

#endif
