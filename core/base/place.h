/* SPDX-License-Identifier: ISC
 * Where this code lies on the disk: in a program, a library, or a module that another program loaded. */
#ifndef MTASTS_BASE_PLACE_H
#define MTASTS_BASE_PLACE_H

#include <limits.h>
#include <stdbool.h>

/* The folder of the file this code was loaded from, without symbolic links; ends in "/". */
bool mts_own_folder(char folder[PATH_MAX]);

#endif
