/* SPDX-License-Identifier: ISC
 * A recorded session once more, without smtpd: each decision as a line of fields between tabs, for the command "mtasts replay". */
#ifndef MTASTS_FILTERS_REPLAY_H
#define MTASTS_FILTERS_REPLAY_H

#include "mtasts.h"

#define REPLAY_MOST ((size_t)256 << 20) /* bytes of a log */

/* log: path of a file with lines as smtpd sent them, "-" for standard input; our own answers may stand among them. Prints to stdout:
 *   SECONDS SESSION PHASE VALUE DECISION TEXT HOOK failed|overdue|"" DOMAIN ACTION MS RECORDED
 * where RECORDED is the decision that the log has for this request; "outgoing DOMAIN TYPE RESULT MX ADDRESS REASON" for a session with a mail
 * host; and at the end "missing PHASE" for each phase that has hooks and no line in the log. Returns the exit code. */
int replay(const char *log, const struct mts_settings *settings);

#endif
