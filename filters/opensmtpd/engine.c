/* SPDX-License-Identifier: ISC */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "outgoing.h"
#include "recent.h"
#include "resolve/settings.h"
#include "tally.h"

#define REGISTER_MAX 4096 /* what is said first */
#define SHOWN_FIELDS 5    /* of a line that is not understood; what follows may be anybody's secret */

struct engine {
  struct engine_config config;
  struct rules *rules;
  struct sessions *sessions;
  struct requests *requests;
  struct recent recent;
  struct outgoing *outgoing; /* NULL: sessions with mail hosts are nobody's business */
  struct tally *tally;
  bool records;
  bool hears_outgoing; /* smtpd has the filter on what sends mail, too */
  bool introduced;
  bool hears_phase[FILTER_PHASE_COMMIT + 1], hears_sessions; /* what we registered */
};

static void answer(void *arg, const struct filter_line *request, enum filter_decision decision, const char *text,
                   const struct request_story *story) {
  const struct engine *engine = arg;
  char line[FILTER_REPLY_MAX];
  engine->config.say(engine->config.arg, mts_span(line, filter_answer(request, decision, text, line)));
  if (engine->config.told) engine->config.told(engine->config.arg, request, decision, text, story);
}

/* ---- what we want to hear of ---- */

/* A phase without a hook is not registered (but for a recording), and sessions are not reported when no hook could look at them. */
static enum mts_err register_incoming(struct engine *engine, struct mts_buf *out) {
  enum mts_err err = MTS_OK;
  bool any = false;
  for (int i = FILTER_PHASE_UNKNOWN + 1; !err && i <= FILTER_PHASE_COMMIT; i++) {
    enum filter_phase phase = (enum filter_phase)i;
    /* What is recorded is for rules to come. Of auth nobody may hear. */
    bool wanted = rules_want(engine->rules, phase) || (engine->records && phase != FILTER_PHASE_AUTH);
    any = any || wanted;
    engine->hears_phase[i] = wanted || phase == FILTER_PHASE_RCPT_TO;
    if (engine->hears_phase[i]) err = filter_register_phase(phase, out);
  }
  engine->hears_sessions = any;
  for (size_t i = 0; any && !err && session_events[i]; i++) err = filter_register(false, session_events[i], out);
  return err;
}

static enum mts_err register_outgoing(const struct engine *engine, struct mts_buf *out) {
  enum mts_err err = MTS_OK;
  bool wanted = engine->outgoing && engine->hears_outgoing;
  for (size_t i = 0; wanted && !err && outgoing_events[i]; i++) err = filter_register(true, outgoing_events[i], out);
  return err;
}

static void introduce(struct engine *engine) {
  struct mts_buf out = {.limit = REGISTER_MAX};
  if (engine->introduced) return;
  engine->introduced = true;
  enum mts_err err = register_incoming(engine, &out);
  if (!err) err = register_outgoing(engine, &out);
  if (!err) err = mts_buf_add(&out, filter_ready, strlen(filter_ready));
  if (err)
    mts_log_write(engine->config.log, MTS_LOG_ERROR, NULL, "cannot answer smtpd: %s", mts_err_message(err));
  else
    engine->config.say(engine->config.arg, mts_span(out.p, out.n));
  mts_buf_free(&out);
}

/* What smtpd was told at its start cannot be told later. */
static void tell_unheard(const struct engine *engine) {
  char phases[200] = "";
  size_t n = 0;
  bool wanted = false;
  for (int i = FILTER_PHASE_UNKNOWN + 1; i <= FILTER_PHASE_COMMIT; i++) {
    const char *name = filter_phase_name((enum filter_phase)i);
    if (!rules_want(engine->rules, (enum filter_phase)i)) continue;
    wanted = true;
    if (engine->hears_phase[i]) continue;
    mts_text_format(phases + n, sizeof phases - n, "%s%s", n ? ", " : "", name);
    n = strlen(phases);
  }
  if (n)
    mts_log_write(engine->config.log, MTS_LOG_WARNING, NULL,
                  "the rules have hooks for %s, of which smtpd tells nothing: that needs a restart of smtpd", phases);
  else if (wanted && !engine->hears_sessions)
    mts_log_write(engine->config.log, MTS_LOG_WARNING, NULL,
                  "the rules have hooks, but smtpd does not report who its clients are: that needs a restart of smtpd");
}

void engine_look(struct engine *engine, bool at_once) {
  if (rules_look(engine->rules, at_once) && engine->introduced) tell_unheard(engine);
}

/* ---- lines ---- */

static void not_understood(struct engine *engine, struct mts_span line) {
  size_t n = 0, bars = 0;
  while (n < line.n && n < 200 && (line.p[n] != '|' || ++bars < SHOWN_FIELDS)) n++;
  mts_log_seldom(engine->config.log, MTS_LOG_ERROR, "line", NULL, "smtpd said what is not understood: %.*s", (int)n, line.p);
}

void engine_line(struct engine *engine, struct mts_span line) {
  struct filter_line parsed;
  if (!filter_line_parse(line, &parsed)) {
    not_understood(engine, line);
    return;
  }
  switch (parsed.kind) {
    case FILTER_CONFIG:
      if (mts_span_equals(parsed.key, "subsystem") && mts_span_equals(parsed.value, "smtp-out")) engine->hears_outgoing = true;
      break;
    case FILTER_REPORT:
      requests_ask(engine->requests);
      if (!parsed.outgoing)
        sessions_report(engine->sessions, &parsed);
      else if (engine->outgoing)
        outgoing_report(engine->outgoing, &parsed);
      break;
    case FILTER_READY:
      introduce(engine);
      break;
    case FILTER_REQUEST:
      requests_take(engine->requests, &parsed);
      break;
  }
}

bool engine_settle(struct engine *engine) { return requests_settle(engine->requests); }

bool engine_wants(const struct engine *engine, enum filter_phase phase) { return rules_want(engine->rules, phase); }

bool engine_step(struct engine *engine) { return rules_step(engine->rules); }

/* ---- beginning and end ---- */

static void ending(void *arg, struct session *session) {
  struct engine *engine = arg;
  phases_session_ending(engine->rules, session);
}

static void outcome(void *arg, const struct outgoing_outcome *outcome) {
  const struct engine *engine = arg;
  tally_outcome(engine->tally, outcome);
}

static void counted(void *arg, const struct mts_session *session) {
  const struct engine *engine = arg;
  rules_session_counted(engine->rules, session);
}

static enum mts_err start_tally(struct engine *engine) {
  const struct engine_config *config = &engine->config;
  if (!config->outgoing && !settings_bool(config->settings, SETTING_count_sessions)) return MTS_OK;
  enum mts_err err =
      tally_new(rules_context(engine->rules), config->log, &engine->recent, config->outgoing, config->arg, &engine->tally);
  if (!err) tally_on_counted(engine->tally, counted, engine);
  if (!err) err = outgoing_new(outcome, engine, &engine->outgoing);
  return err ? err : outgoing_set_reporters(engine->outgoing, settings_reporters(config->settings));
}

static enum mts_err start(struct engine *engine, char why[RULES_WHY_SIZE]) {
  engine->records = settings_text(engine->config.settings, SETTING_record)[0] != 0;
  const struct engine_config *config = &engine->config;
  enum mts_err err = sessions_new(ending, engine, &engine->sessions);
  if (!err) err = rules_new(config->settings, &phases_kind, config->base, config->log, config->told != NULL, why, &engine->rules);
  if (!err) err = start_tally(engine);
  if (err) return err;
  const struct requests_config requests = {.base = config->base,
                                           .rules = engine->rules,
                                           .sessions = engine->sessions,
                                           .recent = &engine->recent,
                                           .log = config->log,
                                           .deadline_ms = settings_number(config->settings, SETTING_mail_deadline_ms),
                                           .answer = answer,
                                           .arg = engine};
  return requests_new(&requests, &engine->requests);
}

enum mts_err engine_new(const struct engine_config *config, char why[RULES_WHY_SIZE], struct engine **engine) {
  memccpy(why, "out of memory", 0, RULES_WHY_SIZE);
  struct engine *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  made->config = *config;
  enum mts_err err = start(made, why);
  made->config.settings = NULL;
  if (err) {
    engine_free(&made);
    return err;
  }
  *engine = made;
  return MTS_OK;
}

void engine_free(struct engine **engine) {
  struct engine *it = *engine;
  if (!it) return;
  requests_free(&it->requests);
  outgoing_free(&it->outgoing);
  tally_free(&it->tally);
  rules_free(&it->rules);
  sessions_free(&it->sessions);
  free(it);
  *engine = NULL;
}
