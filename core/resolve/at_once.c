/* SPDX-License-Identifier: ISC */
#include "resolve/at_once.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "resolve/answer.h"
#include "resolve/cache.h"
#include "resolve/life.h"

/* A rule says something else whenever it likes, and the log tells of each decision at its lowest level. */
static bool may_answer(const struct mts *m, const struct mts_lookup_opts *opts) {
  bool plain = opts && opts->depth == MTS_DEPTH_POLICY && opts->freshness == MTS_USE_CACHED && opts->no_trace;
  return plain && (!m->hook || opts->no_rules) && !mts_log_wants(m->log, MTS_LOG_DEBUG);
}

static enum mts_err make(const struct mts *m, const struct mts_destination *to, const struct mts_entry *entry, int64_t now_s,
                         struct mts_answer **answer) {
  struct mts_answer *made = malloc(sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  mts_bytes_clear(made, sizeof *made);
  memccpy(made->domain, to->domain, 0, sizeof made->domain);
  made->smarthost = to->kind == MTS_DEST_SMARTHOST;
  answer_take_policy(made, entry, MTS_FROM_MEMORY, now_s);
  made->action = answer_action(m, made, made->policy != NULL, entry->err);
  *answer = made;
  return MTS_OK;
}

bool at_once_answer(struct mts *m, const struct mts_destination *to, const struct mts_lookup_opts *opts, struct at_once *basis,
                    struct mts_answer **answer) {
  if (!may_answer(m, opts)) return false;
  struct mts_entry entry; /* not zeroed: either memory fills it, or it is not looked at */
  struct at_once found;
  context_after_fork(m);
  if (!cache_has(m, to->domain, &entry, &found.mark, &found.until_ms)) return false;
  int64_t now_s = mts_clock_about_now_s(&m->clock);
  bool made = !life_is_due(&entry, now_s) && make(m, to, &entry, now_s, answer) == MTS_OK;
  if (made) {
    found.from_s = now_s;
    found.until_s = life_quiet_until(&entry, now_s);
    *basis = found;
  }
  mts_policy_free(&entry.policy);
  return made;
}

bool at_once_holds(struct mts *m, const struct at_once *basis, const struct mts_lookup_opts *opts, int64_t mono_ms, int64_t now_s) {
  if (!basis->mark.number || mono_ms > basis->until_ms || now_s < basis->from_s || now_s >= basis->until_s) return false;
  if (!may_answer(m, opts)) return false;
  context_after_fork(m);
  return memory_has(m->memory, &basis->mark);
}
