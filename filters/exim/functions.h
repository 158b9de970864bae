/* SPDX-License-Identifier: ISC
 * What Exim's expansions can call, without Exim: a name, its arguments, a result and a text. */
#ifndef MTASTS_EXIM_FUNCTIONS_H
#define MTASTS_EXIM_FUNCTIONS_H

#include <sys/types.h>

#include "result.h"

struct mts_buf;
struct exim_session;

/* The arguments come from mail and may hold anything; what is added to text is safe to use as it is, but for what function_call says. */

/* DOMAIN -> see policy_text.h. EXIM_FAIL: mail has to wait. */
enum exim_result function_policy(int argc, const char *const *argv, struct mts_buf *text);
/* NAME DATA ERRNO DOMAIN HOST ADDRESS INFO -> nothing, always. session is that of this process. */
enum exim_result function_event(int argc, const char *const *argv, struct exim_session *session);
/* The same for Exim's process exim, which starts a program for each event. */
enum exim_result function_event_alone(int argc, const char *const *argv, pid_t exim);
/* DEPTH CERTIFICATE HOST -> a word at depth 0, see report.h; nothing above, where chain keeps the certificate. */
enum exim_result function_cert(int argc, const char *const *argv, struct exim_session *chain, struct mts_buf *text);
enum { REPEATS_NONE = -1, REPEATS_SEVERAL = -2 };
/* NAME [ARGUMENT...] -> what the operator's function says. *repeats: which argument the text has in it, if that is more than a plain name;
 * or REPEATS_. */
enum exim_result function_call(int argc, const char *const *argv, struct mts_buf *text, int *repeats);

#endif
