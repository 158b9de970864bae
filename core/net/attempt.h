/* SPDX-License-Identifier: ISC
 * What every connection to one of several addresses needs: a fair share of the time, and no SIGPIPE. */
#ifndef MTASTS_NET_ATTEMPT_H
#define MTASTS_NET_ATTEMPT_H

#include <signal.h>

#include "net/world.h"

#define ATTEMPT_MAX_MS 4000 /* to connect, while other addresses wait for their turn */

/* How long one address may take to connect, so that a black hole leaves time for the addresses after it. left: it and those after
 * it. */
static inline uint32_t attempt_ms(int64_t remaining_ms, size_t left) {
  if (remaining_ms < 1) return 1;
  if (left <= 1) return (uint32_t)remaining_ms;
  int64_t share = remaining_ms / (int64_t)left;
  if (share > ATTEMPT_MAX_MS) share = ATTEMPT_MAX_MS;
  return share < 1 ? 1 : (uint32_t)share;
}

/* 0: connecting or connected; else errno. *fd is open or -1 either way. */
int attempt_connect(const struct mts_address *address, uint16_t port, int *fd);

/* OpenSSL writes to sockets without MSG_NOSIGNAL, and the signal's disposition belongs to the program, not to us: block it in this
 * thread and swallow what comes meanwhile. */
struct hush {
  sigset_t before;
  bool pending; /* already there, so not ours */
};
void hush_begin(struct hush *hush);
void hush_end(const struct hush *hush);

#endif
