/* SPDX-License-Identifier: ISC
 * What Exim's processes tell of their sessions with mail hosts by lines, one event each; who told is known by its process. */
#ifndef MTASTS_SERVE_EVENTS_H
#define MTASTS_SERVE_EVENTS_H

#include <sys/types.h>

#include "base/log.h"
#include "rules.h"

#define EVENTS_PROCESSES_MOST 500 /* that have a session; the one that was silent longest makes room */
#define EVENTS_OLD_MS 3600000     /* a number of a process comes again */

struct events;
/* rules, settings and log are lent and outlive the events. */
enum mts_err events_new(struct rules *rules, const struct mts_settings *settings, struct mts_log *log, struct events **events);
void events_free(struct events **events);
/* NAME DATA ERRNO DOMAIN HOST ADDRESS INFO, as exim/event.h has them. Errors: NO_MEMORY. */
enum mts_err events_take(struct events *events, pid_t process, int argc, const char *const *argv);
/* DEPTH CERTIFICATE HOST: a word at depth 0, see exim/counted.h; "" above, where the certificate is kept. Errors: NO_MEMORY; ARGUMENT: the
 * depth is no number. */
enum mts_err events_certificate(struct events *events, pid_t process, int argc, const char *const *argv, const char **word);

#endif
