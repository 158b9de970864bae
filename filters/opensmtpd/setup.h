/* SPDX-License-Identifier: ISC
 * What both programs do at their start: settings with defaults of their own, a log. */
#ifndef MTASTS_FILTERS_SETUP_H
#define MTASTS_FILTERS_SETUP_H

#include "base/log.h"
#include "mtasts.h"

/* NULL: something is wrong, and stderr says what. path NULL: defaults only. defaults end with a NULL name. */
struct mts_settings *setup_settings(const char *program, const char *path, const char *const defaults[][2]);
enum mts_err setup_log(const struct mts_settings *settings, struct mts_log **log);

#endif
