/* SPDX-License-Identifier: ISC
 * One small interface for messages: stderr, syslog or JSON lines; levels; a limit on repetition. Never holds secrets. */
#ifndef MTASTS_BASE_LOG_H
#define MTASTS_BASE_LOG_H

#include "base/clock.h"
#include "mtasts.h"

enum mts_log_level { MTS_LOG_ERROR, MTS_LOG_WARNING, MTS_LOG_INFO, MTS_LOG_DEBUG };
enum mts_log_to { MTS_LOG_TO_STDERR, MTS_LOG_TO_SYSLOG, MTS_LOG_TO_JSON, MTS_LOG_TO_NONE };

struct mts_log;
enum mts_err mts_log_new(enum mts_log_to to, enum mts_log_level level, const struct mts_clock *clock, struct mts_log **log);
void mts_log_free(struct mts_log **log);
/* For tests and embedding programs: lines go to write instead. */
void mts_log_redirect(struct mts_log *log, void (*write)(void *arg, enum mts_log_level level, const char *line), void *arg);
bool mts_log_wants(const struct mts_log *log, enum mts_log_level level);
/* domain: whose decision it is, NULL if none. The message is cleaned to one printable line. log may be NULL: dropped. */
void mts_log_write(struct mts_log *log, enum mts_log_level level, const char *domain, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same, at most once a minute per key (of a long one the end counts); how many were held back is said with the next. */
void mts_log_seldom(struct mts_log *log, enum mts_log_level level, const char *key, const char *domain, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
