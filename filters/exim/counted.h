/* SPDX-License-Identifier: ISC
 * A session that Exim told of, counted for TLS reporting (RFC 8460); and what a certificate is worth. Whichever process does it. */
#ifndef MTASTS_EXIM_COUNTED_H
#define MTASTS_EXIM_COUNTED_H

#include "base/log.h"
#include "session.h"

/* Judges a session whose outcome is known, logs it and adds it to the counters; source: the address mail was sent from. told: gets what was
 * counted, lent. Errors are those of mts_session_record. */
enum mts_err counted_session(struct mts *m, struct mts_log *log, const struct exim_session *session,
                             const struct exim_outcome *outcome, const char *source,
                             void (*told)(void *arg, const struct mts_session *counted), void *arg);
/* No MX of a domain that enforces is in its policy, so there was no session: this stands for one. */
void counted_no_mx(const char *domain, struct exim_session *none, struct exim_outcome *outcome);

#define COUNTED_WORD_SIZE 32
/* What a certificate is worth that was shown by host: "ok", a result type of RFC 8460 4.3, or "unknown" (logged). */
const char *counted_certificate(struct mts *m, struct mts_log *log, const char *host, const struct mts_span *chain, size_t count);

#endif
