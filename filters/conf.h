/* SPDX-License-Identifier: ISC
 * A file of settings of a program that a mail server starts or loads: NAME = VALUE a line, # begins a comment at the beginning of a line. */
#ifndef MTASTS_FILTERS_CONF_H
#define MTASTS_FILTERS_CONF_H

#include <stdio.h>

#include "mtasts.h"

#define CONF_LINE_MAX 4096
#define CONF_WHY_SIZE 512

/* Sets what the file says. On SETTING why names the line and what is wrong with it. */
enum mts_err conf_read(FILE *file, const char *name, struct mts_settings *settings, char why[CONF_WHY_SIZE]);
/* The same with a file by its path; also SETTING when it cannot be opened, unless it is not there and may be missing. */
enum mts_err conf_read_path(const char *path, bool may_be_missing, struct mts_settings *settings, char why[CONF_WHY_SIZE]);

#endif
