/* SPDX-License-Identifier: ISC
 * What the module keeps in one process of Exim's: settings and a context, made by the first call. */
#ifndef MTASTS_EXIM_PROCESS_H
#define MTASTS_EXIM_PROCESS_H

#include <limits.h>

#include "conf.h"
#include "resolve/context.h"

struct process {
  struct mts_settings *settings;
  struct mts *m;
  char store[PATH_MAX]; /* its file; empty: none */
};

/* NULL: the settings file is wrong, or there is no memory; why says it, static. It is tried again with each call. */
const struct process *process_get(const char **why);
/* Another settings file, before the first call; it must exist. */
void process_use_file(const char *path);
/* For programs that end well; Exim's processes just end. */
void process_end(void);
/* Where messages of a context of the module's go. */
void process_take_log(const struct process *process, struct mts *m);

#endif
