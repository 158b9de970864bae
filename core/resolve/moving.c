/* SPDX-License-Identifier: ISC */
#include "resolve/moving.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/name.h"
#include "resolve/cache.h"
#include "resolve/words.h"

#define EVERY_S 300
#define DEADLINE_MS 5000 /* no mail waits for it */
#define BATCHES_MAX 1000 /* in one go */
#define REFUSED_MAX MTS_BATCH_ROWS_MAX

/* KEYS: generation. ARGV: the generation that the sender knows, one in case there is none, the batch's id, seconds to keep; then for each row
 * day, domain, the eight texts of its key, count, first, last.
 *
 * The id is written first: without room for it nothing is done, and later steps of a script are not refused for want of room. What was refused
 * is kept with the id, so that a batch that comes again gets the same answer. Rows have limits as in the machines' own stores, as remote
 * servers choose texts: beyond, they tell less, but count all the same. */
static const char add_script[] =
    "local generation = redis.call('GET', KEYS[1])\n"
    "if not generation then\n"
    "  generation = ARGV[2]\n"
    "  redis.call('SET', KEYS[1], generation)\n"
    "end\n"
    "if generation ~= ARGV[1] then return {'generation', generation} end\n"
    "local base = 'mtasts:1:sessions:' .. generation .. ':'\n"
    "local batch = base .. 'batch:' .. ARGV[3]\n"
    "local known = redis.call('GET', batch)\n"
    "if known then return {'done', known} end\n"
    "redis.call('SET', batch, '', 'EX', ARGV[4])\n"
    "local refused, said = {}, {}\n"
    "local function add(key, field, count, first, last)\n"
    "  local a, b, c = string.match(redis.call('HGET', key, field) or '', '^(%d+) (%d+) (%d+)$')\n"
    "  if a then\n"
    "    count, first, last = tonumber(a) + count, math.min(tonumber(b), first), math.max(tonumber(c), last)\n"
    "  end\n"
    "  redis.call('HSET', key, field, string.format('%.0f %.0f %.0f', count, first, last))\n"
    "end\n"
    "local function keep(key) redis.call('EXPIRE', key, ARGV[4]) end\n"
    "for i = 5, #ARGV, 13 do\n"
    "  local day, domain = ARGV[i], ARGV[i + 1]\n"
    "  local state = string.match(redis.call('GET', 'mtasts:1:report:' .. day .. ':' .. domain) or 'waiting', '^[a-z-]+')\n"
    "  if state ~= 'waiting' then\n"
    "    local open = state == 'claimed' or state == 'handing'\n"
    "    local word = (open and 'w ' or 'l ') .. day .. ' ' .. domain\n"
    "    if not said[word] then refused[#refused + 1] = word end\n"
    "    said[word] = true\n"
    "  else\n"
    "    local key = base .. day .. ':' .. domain\n"
    "    local texts = {}\n"
    "    for k = 2, 9 do texts[k - 1] = ARGV[i + k] end\n"
    "    local field = table.concat(texts, '\\t')\n"
    "    if redis.call('HEXISTS', key, field) == 0 then\n"
    "      local rows = redis.call('HLEN', key)\n"
    "      if rows >= 1000 or rows * (#field + 64) > 4000000 then\n"
    "        for k = 5, 8 do texts[k] = '' end\n"
    "        if rows >= 2000 or #texts[2] > 1000 then texts[2], texts[4] = '', '' end\n"
    "        field = table.concat(texts, '\\t')\n"
    "      end\n"
    "    end\n"
    "    add(key, field, tonumber(ARGV[i + 10]), tonumber(ARGV[i + 11]), tonumber(ARGV[i + 12]))\n"
    "    redis.call('SADD', base .. day, domain)\n"
    "    keep(key)\n"
    "    keep(base .. day)\n"
    "  end\n"
    "end\n"
    "local text = table.concat(refused, ' ')\n"
    "redis.call('SET', batch, text, 'EX', ARGV[4])\n"
    "return {'done', text}";

struct moving {
  struct work work; /* first */
  struct mts *m;
  moving_fn done;
  void *arg;
  struct mts_job *job;
  struct mts_batch batch;
  struct words rows;
  unsigned sent;
};

static void step(void *arg);

static void release(struct moving *moving) {
  moving->m->moving = NULL;
  context_cancel(moving->m, &moving->job);
  words_free(&moving->rows);
  free(moving);
}

static void drop(struct work *work) { release((struct moving *)work); }

static void finish(struct moving *moving, enum mts_err err) {
  moving_fn done = moving->done;
  void *arg = moving->arg;
  context_end(&moving->work);
  release(moving);
  if (done) done(arg, err);
}

/* ---- what the shared store says ---- */

static struct mts_span next_word(struct mts_span *rest) {
  const char *blank = memchr(rest->p, ' ', rest->n);
  struct mts_span word = {rest->p, blank ? (size_t)(blank - rest->p) : rest->n};
  size_t used = word.n + (blank ? 1 : 0);
  *rest = mts_span(rest->p + used, rest->n - used);
  return word;
}

struct refusals {
  struct mts_batch_refused list[REFUSED_MAX];
  char domains[REFUSED_MAX][MTS_NAME_SIZE];
  size_t count;
};

/* "w DAY DOMAIN l DAY DOMAIN …" */
static bool read_refusals(struct mts_span text, struct refusals *to) {
  while (text.n) {
    struct mts_span kind = next_word(&text), day = next_word(&text), domain = next_word(&text);
    uint64_t number = 0;
    bool late = mts_span_equals(kind, "l");
    if (to->count == REFUSED_MAX || (!late && !mts_span_equals(kind, "w")) || !mts_number_parse(day, INT32_MAX, &number) ||
        domain.n >= MTS_NAME_SIZE || !mts_name_is_normal(domain))
      return false;
    char *copy = to->domains[to->count];
    memcpy(copy, domain.p, domain.n);
    copy[domain.n] = '\0';
    to->list[to->count++] = (struct mts_batch_refused){.day = (int64_t)number, .domain = copy, .too_late = late};
  }
  return true;
}

static void tell_late(struct mts *m, const struct refusals *refusals) {
  for (size_t i = 0; i < refusals->count; i++) {
    const struct mts_batch_refused *refused = &refusals->list[i];
    time_t noon = (time_t)(refused->day * 86400 + 43200);
    struct tm tm;
    char date[16];
    if (!refused->too_late || !gmtime_r(&noon, &tm) || !strftime(date, sizeof date, "%Y-%m-%d", &tm)) continue;
    mts_log_write(m->log, MTS_LOG_WARNING, refused->domain,
                  "this machine's sessions of %s reached the shared store after the report on that day was made: those that came "
                  "too late stand "
                  "in none",
                  date);
  }
}

static enum mts_err take_done(struct moving *moving, struct mts_span text, bool *waits) {
  struct mts *m = moving->m;
  struct refusals *refusals = calloc(1, sizeof *refusals);
  if (!refusals) return MTS_ERR_NO_MEMORY;
  enum mts_err err = read_refusals(text, refusals) ? MTS_OK : MTS_ERR_STORE_SHARED;
  struct mts_store *store = cache_store(m);
  if (!err) err = store ? mts_store_batch_done(store, moving->batch.id, refusals->list, refusals->count) : MTS_ERR_STORE_OPEN;
  if (!err) tell_late(m, refusals);
  for (size_t i = 0; i < refusals->count; i++) *waits |= !refusals->list[i].too_late;
  free(refusals);
  return err;
}

static enum mts_err take_generation(struct mts *m, const char *generation) {
  bool lost = false;
  struct mts_store *store = cache_store(m);
  enum mts_err err = store ? mts_store_batch_settle(store, generation, mts_now(m), &lost) : MTS_ERR_STORE_OPEN;
  if (lost)
    mts_log_write(
        m->log, MTS_LOG_WARNING, NULL,
        "the shared store has lost the counters of sessions, or is another one: this machine's of today go there anew, and those "
        "it had for days before are in none of the reports still to come");
  return err == MTS_ERR_ARGUMENT ? MTS_ERR_STORE_SHARED : err;
}

static void answered(void *arg, const struct mts_shared_answer *answer) {
  struct moving *moving = arg;
  moving->job = NULL;
  enum mts_err err = answer->err;
  bool waits = false, sound = !err && answer->count == 2;
  if (sound && mts_span_equals(answer->texts[0], "generation")) {
    err = take_generation(moving->m, answer->texts[1].p);
  } else if (sound && mts_span_equals(answer->texts[0], "done")) {
    err = take_done(moving, answer->texts[1], &waits);
  } else if (!err) {
    err = MTS_ERR_STORE_SHARED;
  }
  if (err || waits || ++moving->sent >= BATCHES_MAX)
    finish(moving, err); /* what a report is being made of goes with a later turn */
  else
    step(moving);
}

/* ---- sending ---- */

static bool add_row(void *arg, const struct mts_session_row *row) {
  struct words *words = arg;
  const char *const texts[] = {
      mts_policy_type_name(row->type), row->policy, row->result, row->mx, row->address, row->source, row->helo, row->reason};
  words_add_number(words, row->day);
  words_add(words, row->domain);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) words_add(words, texts[i]);
  words_add_number(words, (int64_t)row->count);
  words_add_number(words, row->first_at);
  words_add_number(words, row->last_at);
  return !words->err;
}

static enum mts_err put_together(struct moving *moving, struct words *words, const struct mts_span **list) {
  char proposed[MTS_BATCH_ID_SIZE];
  const struct mts_span *rows = NULL;
  enum mts_err err = mts_store_random(proposed);
  if (!err) err = words_get(&moving->rows, &rows);
  const char *const head[] = {"EVAL", add_script, "1", MOVING_GENERATION_KEY, moving->batch.generation, proposed, moving->batch.id};
  for (size_t i = 0; !err && i < sizeof head / sizeof *head; i++) words_add(words, head[i]);
  words_add_number(words, MOVING_KEEP_S);
  for (size_t i = 0; !err && i < moving->rows.count; i++) words_add(words, rows[i].p);
  return err ? err : words_get(words, list);
}

static void step(void *arg) {
  struct moving *moving = arg;
  struct mts *m = moving->m;
  struct words words = {0};
  const struct mts_span *list = NULL;
  moving->job = NULL;
  words_free(&moving->rows);
  struct mts_store *store = cache_store(m);
  enum mts_err err = store ? mts_store_batch_next(store, &moving->batch, add_row, &moving->rows) : MTS_ERR_STORE_OPEN;
  if (!err) err = put_together(moving, &words, &list);
  if (!err) err = m->net->ops->shared(m->net, list, words.count, DEADLINE_MS, answered, moving, &moving->job);
  words_free(&words);
  if (err) finish(moving, err == MTS_ERR_STORE_NONE ? MTS_OK : err);
}

enum mts_err moving_start(struct mts *m, moving_fn done, void *arg) {
  if (!m->has_store || !m->has_shared) return MTS_ERR_STORE_NONE;
  enum mts_err err = context_net(m);
  if (err) return err;
  if (!m->net->ops->shared) return MTS_ERR_STORE_NONE;
  if (m->moving && !done) return MTS_OK;
  if (m->moving) context_drop(&m->moving->work); /* the same from the start, and this time somebody waits */
  struct moving *moving = calloc(1, sizeof *moving);
  if (!moving) return MTS_ERR_NO_MEMORY;
  moving->m = m;
  moving->done = done;
  moving->arg = arg;
  err = m->net->ops->timer(m->net, 0, step, moving, &moving->job);
  if (err) {
    free(moving);
    return err;
  }
  m->moving = moving;
  context_begin(m, &moving->work, drop);
  return MTS_OK;
}

void moving_start_seldom(struct mts *m) {
  int64_t now_ms = mts_clock_mono_ms(&m->clock);
  if (!m->has_shared || !m->has_store || m->moving || now_ms < m->moving_from_ms) return;
  m->moving_from_ms = now_ms + (int64_t)EVERY_S * 1000;
  struct mts_store *store = cache_store(m);
  bool ours = false;
  if (store && mts_store_batch_turn(store, mts_now(m), EVERY_S, &ours) == MTS_OK && ours) moving_start(m, NULL, NULL);
}
