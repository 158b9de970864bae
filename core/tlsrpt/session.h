/* SPDX-License-Identifier: ISC
 * What TLS reporting calls the parts of a session (RFC 8460 4.4). */
#ifndef MTASTS_TLSRPT_SESSION_H
#define MTASTS_TLSRPT_SESSION_H

#include "base/buf.h"

/* RFC 8460 4.5: a policy as the lines of policy-string, separated by \n, the last one not ended. What does not fit text's limit: as many of
 * its mx lines as there is room for. Errors: NO_MEMORY, ARGUMENT when not even the other lines fit. */
enum mts_err tlsrpt_policy_text(const struct mts_policy *policy, struct mts_buf *text);

#endif
