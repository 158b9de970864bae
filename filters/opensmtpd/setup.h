/* SPDX-License-Identifier: ISC
 * What both programs do at their start: words of the command line, settings with defaults of their own, the pipes to smtpd. */
#ifndef MTASTS_FILTERS_SETUP_H
#define MTASTS_FILTERS_SETUP_H

#include "mtasts.h"

struct setup_words {
  const char *program, *usage;      /* usage: what follows "usage: " */
  const char *const (*defaults)[2]; /* end with a NULL name */
  const char **replay;              /* where the file of -r goes; NULL: there is no such option */
  bool *only_check;                 /* -n */
};
/* Exit code, 0 when all is well and settings are the caller's; else stderr says what is wrong. */
int setup_read(const struct setup_words *words, int argc, char **argv, struct mts_settings **settings);
/* smtpd ends with a program of its that cannot start, and shows its stderr to nobody: so the system's log is told, too. why may have lines. */
void setup_fail(const char *program, const char *why);
/* Takes the pipes of 0 and 1 away from whoever writes to them by habit: a stray line there ends smtpd. From then on 0 reads nothing, and 1
 * is stderr. false: no file descriptors are left. */
bool setup_channels(int *in, int *out);

#endif
