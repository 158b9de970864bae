/* SPDX-License-Identifier: ISC
 * The JSON protocol: lookups as scripts ask for them, answered as they become ready. */
#ifndef MTASTS_SERVE_QUERIES_H
#define MTASTS_SERVE_QUERIES_H

#include "functions.h"

/* Its arg is a struct functions. */
extern const struct service queries_service;

#endif
