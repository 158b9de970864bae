/* SPDX-License-Identifier: ISC
 * Reports over all machines that have a shared store: what they have counted together, and which of them sends. Each call waits, for some
 * seconds where the server does not answer, and tries again; so they are for programs that are there for nothing else, and live on their own
 * loop. Errors of all: STORE_NONE without a shared store, STORE_SHARED, NET_MODULE, NO_MEMORY. */
#ifndef MTASTS_RESOLVE_SHARED_REPORTS_H
#define MTASTS_RESOLVE_SHARED_REPORTS_H

#include "resolve/context.h"

#define SHARED_REPORT_AFTER_S 1800 /* a report waits this long after its day's end for what other machines have counted */

/* Sends this machine's counters there. Also STORE_*, of the machine's own store. */
enum mts_err shared_reports_move(struct mts *m);
/* Domains with counters of this day, normalised, in the order of names. each returns false to stop. */
enum mts_err shared_reports_domains(struct mts *m, int64_t day, bool (*each)(void *arg, const char *domain), void *arg);
/* The counters of one day and domain, always in the same order; each is lent. What makes no sense is left out. */
enum mts_err shared_reports_sessions(struct mts *m, int64_t day, const char *domain,
                                     bool (*each)(void *arg, const struct mts_session_row *row), void *arg);
/* As in the store of one machine. *found false: nobody has looked at this report yet. */
enum mts_err shared_reports_delivery(struct mts *m, int64_t day, const char *domain, struct mts_delivery *delivery, bool *found);
enum mts_err shared_reports_claim(struct mts *m, const struct mts_delivery_claim *claim, struct mts_delivery *delivery,
                                  bool *became_unsure);
enum mts_err shared_reports_step(struct mts *m, const struct mts_delivery_step *step, struct mts_delivery *delivery, bool *ours);

#endif
