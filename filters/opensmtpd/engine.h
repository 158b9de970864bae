/* SPDX-License-Identifier: ISC
 * filter-mtasts without its pipes: lines of smtpd in, lines to smtpd out. */
#ifndef MTASTS_FILTERS_ENGINE_H
#define MTASTS_FILTERS_ENGINE_H

#include "phases.h"
#include "requests.h"

struct engine_config {
  const struct mts_settings *settings; /* lent for engine_new */
  struct event_base *base;
  struct mts_log *log;
  /* Whole lines for smtpd. */
  void (*say)(void *arg, struct mts_span lines);
  /* May be NULL: each answer and how it came about; text NULL but for a refusal. */
  void (*told)(void *arg, const struct filter_line *request, enum filter_decision decision, const char *text,
               const struct request_story *story);
  /* NULL: sessions with mail hosts are counted in the store, if the settings want that. Else shown instead. */
  void (*outgoing)(void *arg, const struct mts_session *session);
  void *arg;
};
struct engine;
/* On failure why tells, in lines. */
enum mts_err engine_new(const struct engine_config *config, char why[RULES_WHY_SIZE], struct engine **engine);
void engine_free(struct engine **engine);
/* Has this phase a hook? */
bool engine_wants(const struct engine *engine, enum filter_phase phase);
/* line: lent until engine_settle, which is to follow one or several lines: what they ask for is answered then, as far as it can be at once. */
void engine_line(struct engine *engine, struct mts_span line);
/* true: some are left, for rules take their time, and this must be called again; never after a single line. */
bool engine_settle(struct engine *engine);
/* Rules that have changed are loaded anew; see rules_look. */
void engine_look(struct engine *engine, bool at_once);
/* Runs what can go on without the loop. false: nothing could. */
bool engine_step(struct engine *engine);

#endif
