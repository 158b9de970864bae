/* SPDX-License-Identifier: ISC
 * The command line and the settings of the server. */
#ifndef MTASTS_SERVE_OPTIONS_H
#define MTASTS_SERVE_OPTIONS_H

#include "mtasts.h"

/* Exit code, 0 when all is well and settings are the caller's; else stderr says what is wrong. */
int options_read(int argc, char **argv, bool *only_check, struct mts_settings **settings);

#endif
