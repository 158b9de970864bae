/* SPDX-License-Identifier: ISC
 * Which policy applies to a recipient's domain, for a router. */
#ifndef MTASTS_EXIM_DECISION_H
#define MTASTS_EXIM_DECISION_H

#include "base/buf.h"
#include "process.h"
#include "result.h"

/* As policy_text.h says; EXIM_FAIL where mail has to wait, with why as the text. What the cache has is answered at once, without the network:
 * here, unless this is root and the store another's. All else is asked in a process of its own. */
enum exim_result decision_make(const struct process *process, const char *domain, struct mts_buf *text);
/* No host of the domain may be used: its policy is checked again (RFC 8461 5), and nobody waits for that. */
void decision_recheck(const struct process *process, const char *domain);

#endif
