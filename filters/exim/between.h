/* SPDX-License-Identifier: ISC
 * Exim without dlfunc starts a program for each event. Between them its session lies in a file beside the store. */
#ifndef MTASTS_EXIM_BETWEEN_H
#define MTASTS_EXIM_BETWEEN_H

#include <sys/types.h>

#include "session.h"

/* The session of Exim's process exim, as it was left; cleared when there is none, or it is another user's, damaged or old. */
void between_load(const char *store, pid_t exim, struct exim_session *session);
/* Leaves it there; one that is over and of which nothing needs to be remembered is removed, as are old files
 * of others that never came to their end. */
void between_save(const char *store, pid_t exim, const struct exim_session *session);

#endif
