/* SPDX-License-Identifier: ISC */
#include "phases.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "env.h"
#include "hooks.h"
#include "session_object.h"

struct phase_call {
  struct rules_call call; /* first */
  phase_fn done;
  void *arg;
  struct phase_decision decision;
  char *text; /* of a refusal, owned */
};

_Static_assert(FILTER_PHASE_COMMIT < RULES_WANTED_MOST, "a phase is a kind of question");

const struct rules_kind phases_kind = {
    .open = session_object_open, .ask = hooks_open, .inherit = session_object_move_all, .call_size = sizeof(struct phase_call)};

static bool decision_named(const char *word, enum filter_decision *decision) {
  static const char *const words[] = {
      [FILTER_PROCEED] = "proceed", [FILTER_JUNK] = "junk", [FILTER_REJECT] = "reject", [FILTER_DISCONNECT] = "disconnect"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (strcmp(word, words[i]) != 0) continue;
    *decision = (enum filter_decision)i;
    return true;
  }
  return false;
}

/* With the results of hooks.h. */
static void results(struct rules_call *base, struct task *task) {
  struct phase_call *call = (struct phase_call *)base;
  lua_State *co = task->co;
  if (task->ok && lua_gettop(co) == 0) return;
  call->decision.failed = !task->ok || lua_toboolean(co, 4);
  if (!task->ok || lua_type(co, 1) != LUA_TSTRING || !decision_named(lua_tostring(co, 1), &call->decision.decision)) return;
  call->decision.opinion = true;
  call->decision.hook = (int)lua_tointeger(co, 3);
  if (lua_type(co, 2) != LUA_TSTRING) return;
  call->text = malloc(FILTER_REPLY_MAX / 2);
  if (call->text) filter_reply_text(lua_tostring(co, 2), call->text, FILTER_REPLY_MAX / 2);
}

static void handed_on(struct rules_call *base) {
  struct phase_call *call = (struct phase_call *)base;
  call->decision.text = call->text ? call->text : "";
  call->done(call->arg, &call->decision);
}

static void forget(struct rules_call *base) { free(((struct phase_call *)base)->text); }

enum mts_err phases_ask(struct rules *rules, const struct filter_line *request, struct session *session, struct mts_span value,
                        phase_fn done, void *arg, struct rules_call **call) {
  struct phase_call *made = (struct phase_call *)rules_call_new(rules);
  if (!made) return MTS_ERR_NO_MEMORY;
  made->call.forget = forget;
  made->call.results = results;
  made->call.done = handed_on;
  made->done = done;
  made->arg = arg;
  struct hooks_question question = {.phase = request->phase, .session = session, .id = request->session, .value = value};
  enum mts_err err = rules_call(rules, &made->call, &question);
  if (!err) *call = &made->call;
  return err;
}

struct ending {
  const struct session *session;
};
static int let_go(lua_State *L) {
  const struct ending *ending = lua_touserdata(L, 1);
  session_object_let_go(L, ending->session);
  return 0;
}

static bool is_of(lua_State *L, const void *session) { return session_object_is_of(L, session); }

void phases_session_ending(struct rules *rules, struct session *session) {
  struct ending ending = {.session = session};
  rules_enter_first(rules, is_of, session, let_go, &ending);
}
