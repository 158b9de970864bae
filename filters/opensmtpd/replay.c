/* SPDX-License-Identifier: ISC */
#include "replay.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine.h"
#include "program.h"
#include "setup.h"

#define LOOK_AHEAD 10000 /* lines in which the recorded answer to a request must stand */
#define SHOWN_SIZE 1024

struct replay {
  struct event_base *base;
  struct mts_log *log;
  struct engine *engine;
  FILE *out;
  struct mts_buf text;
  size_t at; /* where the line after the one being replayed begins */
  struct mts_span line;
  bool answered;
  int64_t asked_ms;
  bool asked[FILTER_PHASE_COMMIT + 1]; /* phases that the log has */
};

static bool next_line(const struct mts_buf *text, size_t *at, struct mts_span *line) {
  if (*at >= text->n) return false;
  const char *from = text->p + *at, *lf = memchr(from, '\n', text->n - *at);
  *line = mts_span(from, lf ? (size_t)(lf - from) : text->n - *at);
  *at += line->n + 1;
  if (line->n && line->p[line->n - 1] == '\r') line->n--;
  return true;
}

static bool is_answer(struct mts_span line) { return mts_span_begins(line, "filter-result|"); }

/* What the filter said itself. */
static bool is_ours(struct mts_span line) { return is_answer(line) || mts_span_begins(line, "register|"); }

static bool same(struct mts_span a, struct mts_span b) { return a.n == b.n && memcmp(a.p, b.p, a.n) == 0; }

/* What the log says that this request was answered then; empty: nothing. */
static struct mts_span recorded(const struct replay *replay, const struct filter_line *request) {
  size_t at = replay->at;
  struct mts_span line;
  for (size_t i = 0; i < LOOK_AHEAD && next_line(&replay->text, &at, &line); i++) {
    struct mts_span rest = line, word, first, second;
    if (!is_answer(line) || !filter_field(&rest, &word) || !filter_field(&rest, &first) || !filter_field(&rest, &second)) continue;
    bool straight = same(first, request->session) && same(second, request->token);
    bool swapped = same(second, request->session) && same(first, request->token); /* protocols before 0.5 */
    if (straight || swapped) return rest;
  }
  return mts_span(NULL, 0);
}

/* VERSION|TIME|… */
static struct mts_span time_of(struct mts_span line) {
  struct mts_span rest = line, field = {0};
  for (int i = 0; i < 3; i++) filter_field(&rest, &field);
  return field;
}

static void show(const struct replay *replay, struct mts_span text, char end) {
  char clean[SHOWN_SIZE];
  mts_text_clean(clean, sizeof clean, text); /* no tab stays one */
  fprintf(replay->out, "%s%c", clean, end);
}

static void say(void *arg, struct mts_span lines) {
  (void)arg;
  (void)lines;
}

static void told(void *arg, const struct filter_line *request, enum filter_decision decision, const char *text,
                 const struct request_story *story) {
  static const char *const words[] = {
      [FILTER_PROCEED] = "proceed", [FILTER_JUNK] = "junk", [FILTER_REJECT] = "reject", [FILTER_DISCONNECT] = "disconnect"};
  struct replay *replay = arg;
  struct filter_line whole;
  replay->answered = true;
  bool parsed = filter_line_parse(replay->line, &whole); /* what an answer that had to wait has no more */
  show(replay, time_of(replay->line), '\t');
  show(replay, request->session, '\t');
  show(replay, mts_span_of(filter_phase_name(request->phase)), '\t');
  show(replay, parsed ? whole.rest : mts_span(NULL, 0), '\t');
  fprintf(replay->out, "%s\t", words[decision]);
  show(replay, mts_span_of(text), '\t');
  fprintf(replay->out, "%d\t%s\t", story->hook, story->overdue ? "overdue" : story->hook_failed ? "failed" : "");
  show(replay, mts_span_of(story->looked_up), '\t');
  fprintf(replay->out, "%s\t%lld\t", story->looked_up ? mts_action_name(story->action) : "",
          (long long)(mts_clock_mono_ms(&mts_clock_real) - replay->asked_ms));
  show(replay, recorded(replay, request), '\n');
  fflush(replay->out);
}

static void outgoing(void *arg, const struct mts_session *session) {
  const struct replay *replay = arg;
  fprintf(replay->out, "outgoing\t");
  show(replay, mts_span_of(session->domain), '\t');
  fprintf(replay->out, "%s\t%s\t", mts_policy_type_name(session->type), session->err ? mts_err_name(session->err) : "ok");
  show(replay, mts_span_of(session->mx), '\t');
  show(replay, mts_span_of(session->address), '\t');
  show(replay, mts_span_of(session->reason), '\n');
  fflush(replay->out);
}

static void run(struct replay *replay) {
  while (next_line(&replay->text, &replay->at, &replay->line)) {
    struct filter_line parsed;
    if (is_ours(replay->line) || !replay->line.n) continue;
    bool asks = filter_line_parse(replay->line, &parsed) && parsed.kind == FILTER_REQUEST;
    if (asks) replay->asked[parsed.phase] = true;
    replay->answered = !asks;
    replay->asked_ms = mts_clock_mono_ms(&mts_clock_real);
    engine_line(replay->engine, replay->line);
    engine_settle(replay->engine);
    while (!replay->answered) {
      if (!engine_step(replay->engine)) event_base_loop(replay->base, EVLOOP_ONCE);
    }
  }
}

/* A filter that records hears of all phases; another log may have no line that some hooks wait for. */
static void tell_missing(const struct replay *replay) {
  for (int phase = FILTER_PHASE_UNKNOWN + 1; phase <= FILTER_PHASE_COMMIT; phase++) {
    if (!replay->asked[phase] && engine_wants(replay->engine, (enum filter_phase)phase))
      fprintf(replay->out, "missing\t%s\n", filter_phase_name((enum filter_phase)phase));
  }
}

static bool read_all(const char *path, int in, struct mts_buf *text) {
  char chunk[65536];
  size_t n;
  FILE *file = strcmp(path, "-") == 0 ? fdopen(in, "r") : fopen(path, "re");
  if (!file) {
    fprintf(stderr, "filter-mtasts: %s: cannot be opened: %s\n", path, strerror(errno));
    return false;
  }
  enum mts_err err = MTS_OK;
  while (!err && (n = fread(chunk, 1, sizeof chunk, file)) > 0) err = mts_buf_add(text, chunk, n);
  if (ferror(file)) fprintf(stderr, "filter-mtasts: %s: cannot be read: %s\n", path, strerror(errno));
  if (err) fprintf(stderr, "filter-mtasts: %s: too large\n", path);
  bool well = !err && !ferror(file);
  fclose(file);
  return well;
}

/* Prints to out what is said of each request; what rules print goes to stderr. */
static bool play(struct replay *replay, const char *log, int in, int out, const struct mts_settings *settings) {
  char why[RULES_WHY_SIZE] = "out of memory";
  replay->out = fdopen(out, "w");
  if (!read_all(log, in, &replay->text)) return false;
  replay->base = event_base_new();
  bool well = replay->out && replay->base && program_log(settings, &replay->log) == MTS_OK;
  const struct engine_config config = {.settings = settings,
                                       .base = replay->base,
                                       .log = replay->log,
                                       .say = say,
                                       .told = told,
                                       .outgoing = outgoing,
                                       .arg = replay};
  well = well && engine_new(&config, why, &replay->engine) == MTS_OK;
  if (well) {
    run(replay);
    tell_missing(replay);
  } else {
    fprintf(stderr, "filter-mtasts: %s\n", why);
  }
  return well;
}

int replay(const char *log, const struct mts_settings *settings) {
  struct replay replay = {.text = {.limit = REPLAY_MOST}};
  int in, out;
  bool well = setup_channels(&in, &out) && play(&replay, log, in, out, settings);
  engine_free(&replay.engine);
  if (replay.base) event_base_free(replay.base);
  mts_log_free(&replay.log);
  mts_buf_free(&replay.text);
  if (replay.out && fclose(replay.out) != 0) {
    fprintf(stderr, "filter-mtasts: the output cannot be written: %s\n", strerror(errno));
    well = false;
  }
  return well ? 0 : 1;
}
