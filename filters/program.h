/* SPDX-License-Identifier: ISC
 * What programs that live on a loop do at their start: settings of the command line, a log, SIGHUP. */
#ifndef MTASTS_FILTERS_PROGRAM_H
#define MTASTS_FILTERS_PROGRAM_H

#include <event2/event.h>
#include <signal.h>

#include "base/log.h"
#include "conf.h"

/* Defaults of a program, which end with a NULL name. */
enum mts_err program_set_defaults(const char *const (*defaults)[2], struct mts_settings *settings);
/* NAME=VALUE of -s. On SETTING why tells what is wrong. */
enum mts_err program_set_pair(const char *pair, struct mts_settings *settings, char why[CONF_WHY_SIZE]);
enum mts_err program_log(const struct mts_settings *settings, struct mts_log **log);
/* An event for SIGHUP, added; the signal also ends a system call that waits. Once for a program. NULL: out of memory. */
struct event *program_hangup(struct event_base *base, event_callback_fn called, void *arg);
/* SIGHUP came; for the event's callback to reset. */
extern volatile sig_atomic_t program_hung_up;

#endif
