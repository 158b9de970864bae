/* SPDX-License-Identifier: ISC */
#include "resolve/forgetting.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "resolve/cache.h"
#include "resolve/sharing.h"

#define CURSOR_SIZE 24
#define STEPS_MAX 1000000 /* a server that never comes to an end is none */

/* ARGV: cursor, which keys. One step over the keys of all who use the server; the next cursor. */
static const char step_script[] =
    "local found = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 1000)\n"
    "for _, key in ipairs(found[2]) do redis.call('DEL', key) end\n"
    "return found[1]";

struct forgetting {
  struct work work; /* first */
  struct mts *m;
  struct mts_job *job;
  bool all;
  char key[SHARING_KEY_SIZE];
  char cursor[CURSOR_SIZE];
  unsigned steps;
  forgetting_fn done;
  void *arg;
};

static void drop(struct work *work) {
  struct forgetting *forgetting = (struct forgetting *)work;
  context_cancel(forgetting->m, &forgetting->job);
  free(forgetting);
}

static void finish(struct forgetting *forgetting, enum mts_err err, const char *detail) {
  forgetting_fn done = forgetting->done;
  void *arg = forgetting->arg;
  context_end(&forgetting->work);
  if (done) done(arg, err, detail);
  free(forgetting);
}

static void step(struct forgetting *forgetting);

/* false: it is no cursor. */
static bool take_cursor(struct forgetting *forgetting, const struct mts_shared_answer *answer) {
  uint64_t number = 0;
  struct mts_span text = answer->count == 1 ? answer->texts[0] : mts_span_of("");
  if (text.n >= CURSOR_SIZE || !mts_number_parse(text, UINT64_MAX, &number)) return false;
  memcpy(forgetting->cursor, text.p, text.n);
  forgetting->cursor[text.n] = '\0';
  return true;
}

static void answered(void *arg, const struct mts_shared_answer *answer) {
  struct forgetting *forgetting = arg;
  forgetting->job = NULL;
  if (answer->err || !forgetting->all) {
    finish(forgetting, answer->err, answer->detail);
  } else if (!take_cursor(forgetting, answer) || ++forgetting->steps == STEPS_MAX) {
    finish(forgetting, MTS_ERR_STORE_SHARED, "what it answers to SCAN makes no sense");
  } else if (strcmp(forgetting->cursor, "0") == 0) {
    finish(forgetting, MTS_OK, "");
  } else {
    step(forgetting);
  }
}

static void step(struct forgetting *forgetting) {
  struct mts *m = forgetting->m;
  const struct mts_span one[] = {mts_span_of("DEL"), mts_span_of(forgetting->key)},
                        all[] = {mts_span_of("EVAL"), mts_span_of(step_script), mts_span_of("0"), mts_span_of(forgetting->cursor),
                                 mts_span_of(forgetting->key)};
  enum mts_err err = m->net->ops->shared(m->net, forgetting->all ? all : one, forgetting->all ? sizeof all / sizeof *all : 2,
                                         m->shared_ms, answered, forgetting, &forgetting->job);
  if (err) finish(forgetting, err, "");
}

void forgetting_start(struct mts *m, const char *domain, forgetting_fn done, void *arg) {
  context_after_fork(m);
  enum mts_err err = m->has_shared ? context_net(m) : MTS_OK;
  bool there = m->has_shared && !err && m->net->ops->shared;
  struct forgetting *forgetting = there ? calloc(1, sizeof *forgetting) : NULL;
  if (!forgetting) {
    if (done) done(arg, there ? MTS_ERR_NO_MEMORY : err, "");
    return;
  }
  *forgetting = (struct forgetting){.m = m, .all = !domain, .cursor = "0", .done = done, .arg = arg};
  sharing_entry_key(domain ? domain : "*", forgetting->key);
  context_begin(m, &forgetting->work, drop);
  step(forgetting);
}

enum mts_err forgetting_here(struct mts *m, const char *domain, size_t *removed) {
  context_after_fork(m);
  size_t from_memory = memory_delete(m->memory, domain), from_store = 0;
  struct mts_store *store = cache_store(m);
  if (!store && m->has_store) return MTS_ERR_STORE_OPEN;
  enum mts_err err = store ? mts_store_delete(store, domain, &from_store) : MTS_OK;
  if (err) return err;
  *removed = store ? from_store : from_memory;
  return MTS_OK;
}

enum mts_err mts_store_flush(struct mts *m, const char *domain, size_t *removed) {
  size_t count = 0;
  enum mts_err err = forgetting_here(m, domain, &count);
  if (err) return err;
  forgetting_start(m, domain, NULL, NULL);
  if (removed) *removed = count;
  return MTS_OK;
}
