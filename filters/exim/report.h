/* SPDX-License-Identifier: ISC
 * Sessions with mail hosts, counted for TLS reporting (RFC 8460). */
#ifndef MTASTS_EXIM_REPORT_H
#define MTASTS_EXIM_REPORT_H

#include "process.h"
#include "session.h"

/* Counts a session whose outcome is known; source: the address mail was sent from. In a process of its own that this waits for, but not
 * for ever. */
void report_session(const struct process *process, const struct exim_session *session, const struct exim_outcome *outcome,
                    const char *source);
/* No MX of a domain that enforces is in its policy, so there was no session: that is what is counted. */
void report_no_mx(const struct process *process, const char *domain);

#define REPORT_WORD_SIZE 32
/* What a certificate is worth that was shown by host: "ok", a result type of RFC 8460 4.3, or "unknown" (logged). */
void report_certificate(const struct process *process, const char *host, const struct mts_span *chain, size_t count,
                        char word[REPORT_WORD_SIZE]);

#endif
