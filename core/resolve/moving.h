/* SPDX-License-Identifier: ISC
 * Counters of sessions go from the machine's own store to the shared one, batch by batch, each exactly once. */
#ifndef MTASTS_RESOLVE_MOVING_H
#define MTASTS_RESOLVE_MOVING_H

#include "resolve/context.h"

typedef void (*moving_fn)(void *arg, enum mts_err err);
/* Sends what was not sent yet. done, which may be NULL, comes later: MTS_OK when all is there, else why not (STORE_SHARED, STORE_*). Errors:
 * STORE_NONE without a store or a shared one, NET_MODULE, NO_MEMORY. */
enum mts_err moving_start(struct mts *m, moving_fn done, void *arg);
/* In a program that goes on (setting background): starts it, unless a process of this machine did so within the last minutes. */
void moving_start_seldom(struct mts *m);
/* The shared store's keys of sessions begin with this and its generation, which this key has. */
#define MOVING_GENERATION_KEY "mtasts:1:generation"
#define MOVING_KEEP_S (35 * 86400) /* longer than any store keeps sessions, so that a batch sent late is still known */

#endif
