/* SPDX-License-Identifier: ISC */
#include "functions.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "env.h"
#include "exim/policy_text.h"
#include "lines.h"

enum { STATE_ONE, STATE_KEPT };   /* of a connection */
enum { ASKS_POLICY, ASKS_OTHER }; /* variants of a request */

/* ---- answers ---- */

/* Mail waits where a policy cannot be told: Exim's router sees mode=defer. Another function that fails says nothing. */
static enum mts_err add_text(struct request *request, bool good, struct mts_span text, struct mts_buf *out) {
  if (*request_state(request) == STATE_ONE) {
    if (!good) text = mts_span_of(request->variant == ASKS_POLICY ? "mode=defer" : "");
    return mts_buf_add(out, text.p ? text.p : "", text.n);
  }
  enum mts_err err = mts_buf_addf(out, good ? "OK " : "FAIL ");
  if (!err) err = lines_add_escaped(out, text);
  return err ? err : mts_buf_add(out, "\n", 1);
}

static void reply(struct request *request, bool good, struct mts_span text, enum served served) {
  const struct functions *functions = request->arg;
  struct mts_buf *out = request_scratch(request);
  if (!good)
    mts_log_seldom(functions->log, MTS_LOG_WARNING, "lines", NULL, "a request by line fails: %.*s",
                   (int)(text.n < 300 ? text.n : 300), text.p);
  if (add_text(request, good, text, out)) {
    mts_buf_reset(out); /* too long: better nothing than a part */
    request_is_last(request);
  }
  request_answer(request, mts_span(out->p ? out->p : "", out->n), served);
}

static void wrong(struct request *request, const char *why) { reply(request, false, mts_span_of(why), SERVED_ERROR); }

static void refuse(enum refusal refusal, struct request *request, struct mts_buf *out) {
  if (refusal == REFUSAL_BROKEN) return;
  if (add_text(request, false, mts_span_of(refusal_text(refusal)), out)) mts_buf_reset(out);
}

/* ---- policy ---- */

static void policy_known(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct request *request = arg;
  const struct functions *functions = request->arg;
  struct mts_buf text = {.limit = POLICY_TEXT_MAX};
  request->lookup = NULL;
  bool waits = !err && answer->action == MTS_ACTION_DEFER;
  if (!err) metrics_answer(functions->metrics, answer->from);
  if (!err) err = waits ? policy_text_why(answer, &text) : policy_text(answer, &text);
  if (err)
    request_refuse(request, REFUSAL_MEMORY);
  else
    reply(request, !waits, mts_span(text.p, text.n),
          waits                              ? SERVED_TEMPORARY
          : answer->mode == MTS_MODE_ENFORCE ? SERVED_FOUND
                                             : SERVED_NOT_FOUND);
  mts_buf_free(&text);
  mts_answer_free(&answer);
}

static void ask_policy(const struct functions *functions, struct request *request, const char *domain) {
  const struct mts_lookup_opts opts = {.freshness = MTS_USE_CACHED, .no_trace = true};
  struct mts_lookup *lookup = NULL;
  enum mts_err err = mts_lookup_start(rules_context(functions->rules), domain, &opts, policy_known, request, &lookup);
  if (!err) metrics_lookup(functions->metrics, !lookup);
  if (err == MTS_ERR_NO_MEMORY)
    request_refuse(request, REFUSAL_MEMORY);
  else if (err) /* RFC 8461 3.4: no policy for an address; and what is no domain Exim will say itself */
    reply(request, true, mts_span_of("mode=none"), SERVED_NOT_FOUND);
  else if (lookup)
    request->lookup = lookup;
}

/* ---- call ---- */

struct question {
  int count;
  const char *const *words;
};

struct call {
  struct rules_call base; /* first */
  struct request *request;
  bool good;
  struct mts_buf text;
};

static int called(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return lua_gettop(L);
}

/* The upvalue is exim._call. */
static int call(lua_State *L) {
  const struct question *question = lua_touserdata(L, 1);
  lua_settop(L, 0);
  luaL_checkstack(L, question->count + 1, NULL);
  lua_pushvalue(L, lua_upvalueindex(1));
  for (int i = 0; i < question->count; i++) lua_pushstring(L, question->words[i]);
  lua_callk(L, question->count, LUA_MULTRET, 0, called);
  return called(L, LUA_OK, 0);
}

static int open_call(lua_State *L, bool wanted[RULES_WANTED_MOST]) {
  (void)wanted;
  lua_getglobal(L, "require");
  lua_pushliteral(L, "mtasts.exim");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "_call");
  lua_pushcclosure(L, call, 1);
  lua_remove(L, -2);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

const struct rules_kind functions_kind = {.ask = open_call, .call_size = sizeof(struct call)};

static void results(struct rules_call *base, struct task *task) {
  struct call *of = (struct call *)base;
  size_t n = 0;
  bool told = task->ok && lua_type(task->co, 2) == LUA_TSTRING;
  const char *text = told ? lua_tolstring(task->co, 2, &n) : "the rules failed";
  if (!told) n = strlen(text);
  of->good = told && lua_toboolean(task->co, 1);
  if (mts_buf_add(&of->text, text, n)) of->good = false;
}

static void done(struct rules_call *base) {
  struct call *of = (struct call *)base;
  of->request->call = NULL;
  struct mts_buf text = of->text; /* the call goes when this returns */
  of->text.p = NULL;
  reply(of->request, of->good, mts_span(text.p ? text.p : "", text.n), of->good ? SERVED_FOUND : SERVED_TEMPORARY);
  mts_buf_free(&text);
}

static void ask_call(const struct functions *functions, struct request *request, int count, const char *const *words) {
  if (!rules_there(functions->rules)) {
    wrong(request, "call: there are no rules");
    return;
  }
  struct call *made = (struct call *)rules_call_new(functions->rules);
  if (!made) {
    request_refuse(request, REFUSAL_MEMORY);
    return;
  }
  made->base.results = results;
  made->base.done = done;
  made->request = request;
  made->text.limit = POLICY_TEXT_MAX;
  struct question question = {.count = count, .words = words};
  if (rules_call(functions->rules, &made->base, &question)) {
    request_refuse(request, REFUSAL_MEMORY);
    return;
  }
  request->call = &made->base;
  rules_hand_on(functions->rules);
}

/* ---- events and certificates ---- */

static void take_event(const struct functions *functions, struct request *request, int count, const char *const *words) {
  pid_t process = request_process(request);
  if (!process)
    wrong(request, "event: who tells it is known on a Unix socket alone");
  else if (events_take(functions->events, process, count, words))
    request_refuse(request, REFUSAL_MEMORY);
  else
    reply(request, true, mts_span(NULL, 0), SERVED_FOUND); /* anything else would change the delivery */
}

static void judge_certificate(const struct functions *functions, struct request *request, int count, const char *const *words) {
  const char *word = "";
  pid_t process = request_process(request);
  enum mts_err err = process ? events_certificate(functions->events, process, count, words, &word) : MTS_ERR_ARGUMENT;
  if (!err)
    reply(request, true, mts_span_of(word), SERVED_FOUND);
  else if (err == MTS_ERR_ARGUMENT)
    wrong(request, "cert: wants a number for the depth, and a Unix socket");
  else
    request_refuse(request, REFUSAL_MEMORY);
}

/* ---- which ---- */

static void take_policy(const struct functions *functions, struct request *request, int count, const char *const *words) {
  if (count)
    ask_policy(functions, request, words[0]);
  else /* policy $domain, of which nothing came */
    reply(request, true, mts_span_of("mode=none"), SERVED_NOT_FOUND);
}

static const struct {
  const char *name;
  int least, most; /* arguments */
  void (*take)(const struct functions *functions, struct request *request, int count, const char *const *words);
} known[] = {
    {"policy", 0, 1, take_policy}, {"event", 1, 7, take_event}, {"cert", 3, 3, judge_certificate}, {"call", 1, 7, ask_call}};

static void serve(void *arg, struct request *request, struct mts_span text) {
  char line[LINES_REQUEST_MAX + 1];
  const char *words[LINES_WORDS_MOST];
  memcpy(line, text.p, text.n);
  int count = lines_split(line, text.n, words);
  const char *name = count > 0 ? words[0] : "";
  /* What cannot be read was hardly meant for another function: mail waits. */
  request->variant = count <= 0 || strcmp(name, "policy") == 0 ? ASKS_POLICY : ASKS_OTHER;
  if (strcmp(name, "keep") == 0 && count == 1) {
    *request_state(request) = STATE_KEPT;
    reply(request, true, mts_span(NULL, 0), SERVED_FOUND);
    return;
  }
  if (*request_state(request) == STATE_ONE) request_is_last(request);
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    if (strcmp(known[i].name, name) != 0 || count - 1 < known[i].least || count - 1 > known[i].most) continue;
    known[i].take(arg, request, count - 1, words + 1);
    return;
  }
  wrong(request,
        "a request is one of: policy DOMAIN, event NAME ..., cert DEPTH CERTIFICATE HOST, call NAME ..., keep; words in quotes as "
        "${quote:...} writes them");
}

const struct service functions_service = {
    .name = "lines", .in_order = true, .request_most = LINES_REQUEST_MAX + 2, .take = lines_take, .serve = serve, .refuse = refuse};
