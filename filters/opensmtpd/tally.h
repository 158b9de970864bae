/* SPDX-License-Identifier: ISC
 * What came of a session with a mail host: under which policy, with which host, with which result. Counted in the store (RFC 8460). */
#ifndef MTASTS_FILTERS_TALLY_H
#define MTASTS_FILTERS_TALLY_H

#include "base/log.h"
#include "mtasts.h"
#include "outgoing.h"
#include "recent.h"

/* Instead of the store, for who only wants to see it; no host is probed then. */
typedef void (*tally_fn)(void *arg, const struct mts_session *session);

struct tally;
/* m, log and recent are lent and outlive it. show NULL: sessions are counted in the store of m. */
enum mts_err tally_new(struct mts *m, struct mts_log *log, const struct recent *recent, tally_fn show, void *arg,
                       struct tally **tally);
/* Told of each session after it was counted in the store. */
void tally_on_counted(struct tally *tally, tally_fn counted, void *arg);
void tally_free(struct tally **tally);
/* Where the session named no recipient, the domain is guessed from the host's address: of the domains that the host serves, the one
 * that was asked for last, those with a policy before all others. */
void tally_outcome(struct tally *tally, const struct outgoing_outcome *outcome);

#endif
