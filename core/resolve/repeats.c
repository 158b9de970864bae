/* SPDX-License-Identifier: ISC */
#include "resolve/repeats.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "resolve/answer.h"

#define PLACES 1024   /* whose text has the same hash takes the place */
#define TEXT_MOST 120 /* a longer destination is walked each time */

struct place {
  struct mts_answer *answer; /* NULL: empty */
  struct at_once basis;
  size_t text_n;
  char text[TEXT_MOST];
};
struct repeats {
  struct place places[PLACES];
  struct mts_moment moment;
};

static struct place *place_of(struct repeats *repeats, struct mts_span destination) {
  return &repeats->places[mts_span_hash(destination) % PLACES];
}

struct mts_answer *repeats_find(struct mts *m, struct mts_span destination, const struct mts_lookup_opts *opts) {
  if (!m->repeats || destination.n > TEXT_MOST) return NULL;
  struct repeats *repeats = m->repeats;
  const struct place *place = place_of(repeats, destination);
  bool same = place->answer && place->text_n == destination.n && memcmp(place->text, destination.p, destination.n) == 0;
  if (!same) return NULL;
  mts_clock_about(&m->clock, &repeats->moment);
  bool holds = at_once_holds(m, &place->basis, opts, repeats->moment.mono_ms, repeats->moment.now_s);
  return holds ? answer_ref(place->answer) : NULL;
}

void repeats_keep(struct mts *m, struct mts_span destination, const struct at_once *basis, struct mts_answer *answer) {
  if (destination.n > TEXT_MOST) return;
  if (!m->repeats) m->repeats = calloc(1, sizeof *m->repeats);
  if (!m->repeats) return;
  struct place *place = place_of(m->repeats, destination);
  mts_answer_free(&place->answer);
  place->answer = answer_ref(answer);
  place->basis = *basis;
  place->text_n = destination.n;
  memcpy(place->text, destination.p, destination.n);
}

void repeats_free(struct repeats **repeats) {
  if (!*repeats) return;
  for (size_t i = 0; i < PLACES; i++) mts_answer_free(&(*repeats)->places[i].answer);
  free(*repeats);
  *repeats = NULL;
}
