/* SPDX-License-Identifier: ISC */
#include "resolve/shared_reports.h"

#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "resolve/moving.h"
#include "resolve/shared_delivery.h"
#include "resolve/words.h"

#define DEADLINE_MS 5000
#define TRIES 12 /* of one command, each of which may be asked again: it does nothing twice */
#define PAUSE_MS 600
#define RACES 16 /* with other machines, for one report */
#define DELIVERY_BYTES_MAX 4096

/* KEYS: generation. ARGV: day, domain (or none). */
static const char domains_script[] =
    "local generation = redis.call('GET', KEYS[1])\n"
    "if not generation then return {} end\n"
    "return redis.call('SMEMBERS', 'mtasts:1:sessions:' .. generation .. ':' .. ARGV[1])";
static const char sessions_script[] =
    "local generation = redis.call('GET', KEYS[1])\n"
    "if not generation then return {} end\n"
    "return redis.call('HGETALL', 'mtasts:1:sessions:' .. generation .. ':' .. ARGV[1] .. ':' .. ARGV[2])";
/* KEYS: report. ARGV: what it was, what it is to be, seconds to keep. What it is by now, where it was something else. */
static const char change_script[] =
    "local now = redis.call('GET', KEYS[1]) or ''\n"
    "if now == ARGV[2] then return 'OK' end\n"
    "if now ~= ARGV[1] then return now end\n"
    "redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])\n"
    "return 'OK'";

/* ---- waiting ---- */

struct waiting {
  bool over;
  enum mts_err err;
  enum mts_err (*take)(void *arg, const struct mts_shared_answer *answer);
  void *arg;
};

static void answered(void *arg, const struct mts_shared_answer *answer) {
  struct waiting *waiting = arg;
  waiting->err = answer->err ? answer->err : waiting->take(waiting->arg, answer);
  waiting->over = true;
}

static void passed(void *arg) { ((struct waiting *)arg)->over = true; }

static void moved(void *arg, enum mts_err err) {
  struct waiting *waiting = arg;
  waiting->err = err;
  waiting->over = true;
}

/* Other work of the context goes on meanwhile. */
static enum mts_err wait_until_over(struct mts *m, struct waiting *waiting) {
  while (!waiting->over)
    if (!mts_turn(m, -1) && !waiting->over) return MTS_ERR_INTERNAL;
  return waiting->err;
}

static enum mts_err pause_between(struct mts *m) {
  struct waiting waiting = {0};
  struct mts_job *job = NULL;
  enum mts_err err = m->net->ops->timer(m->net, PAUSE_MS, passed, &waiting, &job);
  return err ? err : wait_until_over(m, &waiting);
}

static enum mts_err ready(struct mts *m) {
  if (!m->has_shared || m->event_base) return MTS_ERR_STORE_NONE;
  enum mts_err err = context_net(m);
  return err || m->net->ops->shared ? err : MTS_ERR_STORE_NONE;
}

/* words are freed. */
static enum mts_err run(struct mts *m, struct words *words, enum mts_err (*take)(void *arg, const struct mts_shared_answer *answer),
                        void *arg) {
  const struct mts_span *list = NULL;
  enum mts_err err = ready(m);
  if (!err) err = words_get(words, &list);
  for (int i = 0; !err && i < TRIES; i++) {
    struct waiting waiting = {.take = take, .arg = arg};
    struct mts_job *job = NULL;
    err = m->net->ops->shared(m->net, list, words->count, DEADLINE_MS, answered, &waiting, &job);
    if (!err) err = wait_until_over(m, &waiting);
    if (err != MTS_ERR_STORE_SHARED) break;
    err = i + 1 < TRIES ? pause_between(m) : err;
  }
  words_free(words);
  return err;
}

enum mts_err shared_reports_move(struct mts *m) {
  enum mts_err err = ready(m);
  for (int i = 0; !err && i < TRIES; i++) {
    struct waiting waiting = {0};
    err = moving_start(m, moved, &waiting);
    if (!err) err = wait_until_over(m, &waiting);
    if (err != MTS_ERR_STORE_SHARED) break;
    err = i + 1 < TRIES ? pause_between(m) : err;
  }
  return err;
}

static struct words eval(const char *script, const char *key) {
  struct words words = {0};
  words_add(&words, "EVAL");
  words_add(&words, script);
  words_add(&words, "1");
  words_add(&words, key);
  return words;
}

/* ---- counters ---- */

static int by_text(const void *a, const void *b) {
  return strcmp(((const struct mts_span *)a)->p, ((const struct mts_span *)b)->p);
}

struct domains {
  bool (*each)(void *arg, const char *domain);
  void *arg;
};

static enum mts_err take_domains(void *arg, const struct mts_shared_answer *answer) {
  const struct domains *domains = arg;
  struct mts_span *names = calloc(answer->count + 1, sizeof *names);
  size_t count = 0;
  if (!names) return MTS_ERR_NO_MEMORY;
  for (size_t i = 0; i < answer->count; i++)
    if (answer->texts[i].n < MTS_NAME_SIZE && mts_name_is_normal(answer->texts[i])) names[count++] = answer->texts[i];
  qsort(names, count, sizeof *names, by_text);
  for (size_t i = 0; i < count && domains->each(domains->arg, names[i].p);) i++;
  free(names);
  return MTS_OK;
}

enum mts_err shared_reports_domains(struct mts *m, int64_t day, bool (*each)(void *arg, const char *domain), void *arg) {
  struct words words = eval(domains_script, MOVING_GENERATION_KEY);
  struct domains domains = {each, arg};
  words_add_number(&words, day);
  return run(m, &words, take_domains, &domains);
}

struct sessions {
  int64_t day;
  const char *domain;
  bool (*each)(void *arg, const struct mts_session_row *row);
  void *arg;
};
struct pair {
  struct mts_span field; /* first */
  struct mts_span value;
};

static bool read_type(const char *name, enum mts_policy_type *type) {
  for (int i = MTS_POLICY_TYPE_NONE; i <= MTS_POLICY_TYPE_TLSA; i++) {
    if (strcmp(name, mts_policy_type_name((enum mts_policy_type)i)) != 0) continue;
    *type = (enum mts_policy_type)i;
    return true;
  }
  return false;
}

/* The eight texts of a row's key, cut apart where they stand in text. */
static bool read_key(char *text, struct mts_session_row *row) {
  const char *type = "";
  const char **const places[] = {&type,         &row->policy, &row->result, &row->mx,
                                 &row->address, &row->source, &row->helo,   &row->reason};
  size_t count = sizeof places / sizeof *places;
  for (size_t i = 0; i < count; i++) {
    char *end = strchr(text, '\t');
    *places[i] = text;
    if ((end != NULL) != (i + 1 < count)) return false;
    if (end) *end = '\0';
    text = end ? end + 1 : text;
  }
  return read_type(type, &row->type);
}

static bool read_counts(struct mts_span value, struct mts_session_row *row) {
  uint64_t numbers[3];
  for (size_t i = 0; i < 3; i++) {
    const char *blank = memchr(value.p, ' ', value.n);
    struct mts_span word = {value.p, blank ? (size_t)(blank - value.p) : value.n};
    if ((blank != NULL) != (i < 2) || !mts_number_parse(word, (uint64_t)MTS_REPORT_COUNT_MAX, &numbers[i])) return false;
    value = blank ? mts_span(blank + 1, value.n - word.n - 1) : value;
  }
  row->count = numbers[0];
  row->first_at = (int64_t)numbers[1];
  row->last_at = (int64_t)numbers[2];
  return row->count > 0 && row->last_at >= row->first_at;
}

/* false: each wants no more, or there is no memory (*err). */
static bool take_pair(const struct sessions *sessions, const struct pair *pair, enum mts_err *err) {
  char *text = mts_span_copy(pair->field);
  if (!text) *err = MTS_ERR_NO_MEMORY;
  if (!text) return false;
  struct mts_session_row row = {.day = sessions->day, .domain = sessions->domain};
  bool whole = strlen(text) == pair->field.n;
  bool sound = whole && read_key(text, &row) && read_counts(pair->value, &row) && mts_session_row_is_sound(&row);
  bool more = !sound || sessions->each(sessions->arg, &row);
  free(text);
  return more;
}

static enum mts_err take_sessions(void *arg, const struct mts_shared_answer *answer) {
  const struct sessions *sessions = arg;
  enum mts_err err = MTS_OK;
  size_t count = answer->count / 2;
  struct pair *pairs = calloc(count + 1, sizeof *pairs);
  if (!pairs) return MTS_ERR_NO_MEMORY;
  for (size_t i = 0; i < count; i++) pairs[i] = (struct pair){answer->texts[2 * i], answer->texts[2 * i + 1]};
  qsort(pairs, count, sizeof *pairs, by_text);
  for (size_t i = 0; i < count && take_pair(sessions, &pairs[i], &err);) i++;
  free(pairs);
  return err;
}

enum mts_err shared_reports_sessions(struct mts *m, int64_t day, const char *domain,
                                     bool (*each)(void *arg, const struct mts_session_row *row), void *arg) {
  if (!mts_name_is_normal(mts_span_of(domain))) return MTS_ERR_ARGUMENT;
  struct words words = eval(sessions_script, MOVING_GENERATION_KEY);
  struct sessions sessions = {day, domain, each, arg};
  words_add_number(&words, day);
  words_add(&words, domain);
  return run(m, &words, take_sessions, &sessions);
}

/* ---- who sends ---- */

static void key_of(int64_t day, const char *domain, char key[MTS_NAME_SIZE + 48]) {
  mts_text_format(key, MTS_NAME_SIZE + 48, "mtasts:1:report:%lld:%s", (long long)day, domain);
}

static enum mts_err keep_text(void *arg, const struct mts_shared_answer *answer) {
  struct mts_buf *text = arg;
  mts_buf_reset(text);
  return answer->count == 1 ? mts_buf_add(text, answer->texts[0].p, answer->texts[0].n) : MTS_ERR_STORE_SHARED;
}

static enum mts_err get(struct mts *m, const char *key, struct mts_buf *text) {
  struct words words = {0};
  words_add(&words, "GET");
  words_add(&words, key);
  return run(m, &words, keep_text, text);
}

/* *kept: what it is by now is what it was to be. */
static enum mts_err change(struct mts *m, const char *key, const struct mts_buf *from, const struct mts_delivery *to, bool *kept) {
  struct mts_buf text = {.limit = DELIVERY_BYTES_MAX}, now = {.limit = MTS_SHARED_BYTES_MAX};
  struct words words = eval(change_script, key);
  enum mts_err err = shared_delivery_write(to, &text);
  words_add(&words, from->n ? from->p : "");
  words_add(&words, err ? "" : text.p);
  words_add_number(&words, MOVING_KEEP_S);
  if (err)
    words_free(&words);
  else
    err = run(m, &words, keep_text, &now);
  *kept = !err && mts_span_equals(mts_span(now.p, now.n), "OK");
  mts_buf_free(&text);
  mts_buf_free(&now);
  return err;
}

/* One change of a report's row: what decides sees it as it is, and nobody else has changed it when it is written. */
static enum mts_err decide(struct mts *m, int64_t day, const char *domain,
                           enum mts_err (*rule)(void *arg, struct mts_delivery *row, bool found, bool *changed), void *arg,
                           struct mts_delivery *delivery) {
  char key[MTS_NAME_SIZE + 48];
  struct mts_buf was = {.limit = MTS_SHARED_BYTES_MAX};
  bool changed = true, kept = false;
  if (!domain || !mts_name_is_normal(mts_span_of(domain))) return MTS_ERR_ARGUMENT;
  key_of(day, domain, key);
  enum mts_err err = MTS_OK;
  for (int i = 0; !err && changed && !kept && i < RACES; i++) {
    err = get(m, key, &was);
    bool found = was.n > 0;
    *delivery = (struct mts_delivery){.day = day};
    if (!err && found) shared_delivery_read(mts_span(was.p, was.n), day, domain, delivery);
    if (!err) err = rule(arg, delivery, found, &changed);
    if (!err && changed) err = change(m, key, &was, delivery, &kept);
  }
  mts_buf_free(&was);
  return err || kept || !changed ? err : MTS_ERR_STORE_SHARED;
}

static enum mts_err look(void *arg, struct mts_delivery *row, bool found, bool *changed) {
  (void)row;
  *(bool *)arg = found;
  *changed = false;
  return MTS_OK;
}

enum mts_err shared_reports_delivery(struct mts *m, int64_t day, const char *domain, struct mts_delivery *delivery, bool *found) {
  return decide(m, day, domain, look, found, delivery);
}

struct claiming {
  struct mts_delivery_claim claim;
  bool became_unsure;
};

static enum mts_err claim_row(void *arg, struct mts_delivery *row, bool found, bool *changed) {
  struct claiming *claiming = arg;
  return mts_delivery_claim_step(row, found, &claiming->claim, changed, &claiming->became_unsure);
}

enum mts_err shared_reports_claim(struct mts *m, const struct mts_delivery_claim *claim, struct mts_delivery *delivery,
                                  bool *became_unsure) {
  struct claiming claiming = {.claim = *claim};
  claiming.claim.from_s = (claim->day + 1) * 86400 + SHARED_REPORT_AFTER_S;
  enum mts_err err = decide(m, claim->day, claim->domain, claim_row, &claiming, delivery);
  if (!err) *became_unsure = claiming.became_unsure;
  return err;
}

struct stepping {
  const struct mts_delivery_step *step;
  bool ours;
};

static enum mts_err take_step(void *arg, struct mts_delivery *row, bool found, bool *changed) {
  struct stepping *stepping = arg;
  enum mts_err err = mts_delivery_step(row, found, stepping->step, &stepping->ours);
  *changed = stepping->ours;
  return err;
}

enum mts_err shared_reports_step(struct mts *m, const struct mts_delivery_step *step, struct mts_delivery *delivery, bool *ours) {
  struct stepping stepping = {.step = step};
  enum mts_err err = decide(m, step->day, step->domain, take_step, &stepping, delivery);
  if (!err) *ours = stepping.ours;
  return err;
}
