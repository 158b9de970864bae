/* SPDX-License-Identifier: ISC
 * Whose mail are our TLS reports: their sessions do not count (RFC 8460 3). */
#ifndef MTASTS_FILTERS_REPORTERS_H
#define MTASTS_FILTERS_REPORTERS_H

#include "base/buf.h"

/* senders: a list as in the settings, see settings_reporters; NULL: none. Case does not matter. */
bool reporters_have(const char *senders, struct mts_span address);

#endif
