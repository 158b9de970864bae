/* SPDX-License-Identifier: ISC
 * A probe of one mail host by its name. */
#ifndef MTASTS_RESOLVE_PROBE_H
#define MTASTS_RESOLVE_PROBE_H

#include "resolve/context.h"

void probe_cancel_all(struct mts *m);

#endif
