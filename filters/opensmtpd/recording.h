/* SPDX-License-Identifier: ISC
 * What smtpd and the filter say, line by line in a file, for "mtasts replay". Never credentials. */
#ifndef MTASTS_FILTERS_RECORDING_H
#define MTASTS_FILTERS_RECORDING_H

#include "base/log.h"
#include "mtasts.h"

#define RECORDING_MOST ((off_t)64 << 20) /* bytes of the file; then nothing more is recorded, and the log says so */

struct recording;
/* Appends to path; a new file can be read by its owner alone. log is lent. Trouble is logged, never an end of the program; *recording is
 * NULL where nothing will be recorded. */
void recording_new(const char *path, struct mts_log *log, struct recording **recording);
void recording_free(struct recording **recording);
/* Whole lines, with or without their last LF. recording may be NULL. */
void recording_add(struct recording *recording, struct mts_span lines);

#endif
