/* SPDX-License-Identifier: ISC */
#ifndef MTASTS_LUA_SENDMAIL_H
#define MTASTS_LUA_SENDMAIL_H

#include "mtasts.h"

/* Runs a program, words[0] by its path and never through a shell, with message as its standard input and what it prints on ours for errors.
 * true: it took the message and ended with 0 within deadline_ms. Else why says what went wrong, one line; a program that is too late is killed,
 * with all it started in its group. */
bool sendmail_run(const char *const *words, struct mts_span message, uint32_t deadline_ms, char why[160]);

#endif
