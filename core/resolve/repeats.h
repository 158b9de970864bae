/* SPDX-License-Identifier: ISC
 * Questions that are asked again: a filter asks for the domain that its rule has just asked for, and a busy server for the same few all day
 * long. The text of the destination gives the answer that came at once before, as long as it would come again. */
#ifndef MTASTS_RESOLVE_REPEATS_H
#define MTASTS_RESOLVE_REPEATS_H

#include "resolve/at_once.h"

struct repeats;
/* A further reference to the answer that was kept; NULL: there is none that counts. */
struct mts_answer *repeats_find(struct mts *m, struct mts_span destination, const struct mts_lookup_opts *opts);
/* Keeps a reference of its own. */
void repeats_keep(struct mts *m, struct mts_span destination, const struct at_once *basis, struct mts_answer *answer);
void repeats_free(struct repeats **repeats);

#endif
