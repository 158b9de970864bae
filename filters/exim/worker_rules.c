/* SPDX-License-Identifier: ISC */
#include "worker_rules.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "host.h"

#define WHY_SIZE 1000

struct rules {
  const struct process *process;
  lua_State *L;
  size_t used;
  struct env *env;
};

bool rules_are_set(const struct process *process) { return settings_rules_file(process->settings) != NULL; }

/* ---- loading ---- */

/* Exim loads this module for itself alone; Lua's own modules in C look for Lua among what all see. */
static void show_lua(void) {
  Dl_info info;
  union {
    int (*function)(lua_State *L);
    void *address;
  } here = {.function = lua_gettop};
  if (dladdr(here.address, &info) != 0 && info.dli_fname) dlopen(info.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
}

static int load(lua_State *L) {
  struct rules *rules = lua_touserdata(L, 1);
  host_open(L);
  host_take_exit(L);
  host_leave_folder(L);
  rules->env = env_get(L);
  mts_settings_free(&rules->env->settings);
  if (env_copy_settings(rules->process->settings, &rules->env->settings)) return luaL_error(L, "out of memory");
  lua_getglobal(L, "require");
  lua_pushliteral(L, "mtasts.rules");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "load");
  lua_pushstring(L, settings_rules_place(rules->process->settings)); /* not NULL: rules_are_set */
  lua_pushboolean(L, true);
  lua_call(L, 2, 2);
  if (!lua_toboolean(L, -2)) return lua_error(L);
  if (rules->env->fake) return luaL_error(L, "the rules open a told world (mtasts.fake): mail is not for that");
  process_take_log(rules->process, env_context(L, rules->env));
  return 0;
}

static void keep_error(lua_State *L, char why[WHY_SIZE]) {
  const char *text = lua_tostring(L, -1);
  size_t n = 0;
  for (text = text ? text : "Lua failed without a text"; *text && n < WHY_SIZE - 1; text++)
    why[n++] = (char)(*text == '\n' ? '|' : *text == '\t' ? ' ' : *text);
  why[n] = 0;
}

/* function(argument as light userdata), protected */
static bool enter(const struct rules *rules, lua_CFunction function, void *argument, char why[WHY_SIZE]) {
  lua_State *L = rules->L;
  lua_settop(L, 0);
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, argument);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return true;
  keep_error(L, why);
  return false;
}

/* Never closed: its process ends with it. */
static bool open_rules(const struct process *process, struct rules *rules, char why[WHY_SIZE]) {
  *rules = (struct rules){.process = process};
  show_lua();
  rules->L = host_state(&rules->used);
  memccpy(why, "out of memory", 0, WHY_SIZE);
  return rules->L && enter(rules, load, rules, why);
}

static void complain(const struct process *process, const char *domain, const char *why) {
  mts_log_write(process->m->log, MTS_LOG_ERROR, domain, "rules %s", why);
}

/* ---- a lookup ---- */

struct looking {
  struct rules *rules;
  const char *domain;
  const struct mts_lookup_opts *opts;
  mts_lookup_fn done;
  void *arg;
  bool started;
};

static int look_up(lua_State *L) {
  struct looking *looking = lua_touserdata(L, 1);
  struct env *env = looking->rules->env;
  struct mts_lookup *lookup = NULL;
  env->in_core++;
  enum mts_err err = mts_lookup_start(env->m, looking->domain, looking->opts, looking->done, looking->arg, &lookup);
  env->in_core--;
  looking->started = err == MTS_OK;
  env_drive(L, env);
  return 0;
}

bool rules_look_up(const struct process *process, const char *domain, const struct mts_lookup_opts *opts, mts_lookup_fn done,
                   void *arg) {
  struct rules rules;
  char why[WHY_SIZE];
  struct looking looking = {.rules = &rules, .domain = domain, .opts = opts, .done = done, .arg = arg};
  bool loaded = open_rules(process, &rules, why);
  if (!loaded || !enter(&rules, look_up, &looking, why)) complain(process, domain, why);
  return looking.started;
}

/* ---- a session that was counted ---- */

struct telling {
  struct rules *rules;
  const struct mts_session *session;
};

static int tell(lua_State *L) {
  const struct telling *telling = lua_touserdata(L, 1);
  struct env *env = telling->rules->env;
  struct mts_session session = *telling->session;
  struct mts_destination destination;
  if (mts_destination_parse(mts_span_of(session.domain), &destination) == MTS_OK) session.domain = destination.domain;
  env_session_counted(env, &session);
  env_drive(L, env);
  return 0;
}

void rules_session_counted(const struct process *process, const struct mts_session *session) {
  struct rules rules;
  char why[WHY_SIZE];
  struct telling telling = {.rules = &rules, .session = session};
  bool loaded = open_rules(process, &rules, why);
  if (!loaded || !enter(&rules, tell, &telling, why)) complain(process, session->domain, why);
}

/* ---- a function of the operator's ---- */

struct calling {
  struct rules *rules;
  struct worker *worker;
  const char *name;
  int count;
  const char *const *arguments;
};

static void answer(const struct calling *calling, enum exim_result result, const char *text, size_t n) {
  worker_answer(calling->worker, (int)result, text, n);
}

static void answer_failure(const struct calling *calling, const char *why) {
  char text[WHY_SIZE + 100];
  complain(calling->rules->process, NULL, why);
  int first = (int)strcspn(why, "|"); /* the traceback is for the log */
  mts_text_format(text, sizeof text, "mtasts_call %s: %.*s", calling->name, first, why);
  answer(calling, EXIM_FAIL, text, strlen(text));
}

/* Results of exim._call: whether the expansion succeeds, and a text. */
static void called(struct task *task) {
  const struct calling *calling = task->ended_arg;
  if (!task->ok || lua_type(task->co, 2) != LUA_TSTRING) {
    char line[ENV_LINE_SIZE];
    env_one_line(task, line);
    answer_failure(calling, line);
    return;
  }
  size_t n = 0;
  const char *text = lua_tolstring(task->co, 2, &n);
  answer(calling, lua_toboolean(task->co, 1) ? EXIM_OK : EXIM_FAIL, text, n);
}

static int call(lua_State *L) {
  struct calling *calling = lua_touserdata(L, 1);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "mtasts.exim");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "_call");
  lua_pushstring(L, calling->name);
  for (int i = 0; i < calling->count; i++) lua_pushstring(L, calling->arguments[i]);
  struct task *task = task_new(L, calling->rules->env, calling->count + 1);
  task->ended = called;
  task->ended_arg = calling;
  budget_begin(task);
  env_drive(L, calling->rules->env);
  return 0;
}

void rules_call(const struct process *process, struct worker *worker, const char *name, int count, const char *const *arguments) {
  struct rules rules;
  char why[WHY_SIZE];
  struct calling calling = {.rules = &rules, .worker = worker, .name = name, .count = count, .arguments = arguments};
  rules.process = process;
  bool loaded = open_rules(process, &rules, why);
  if (!loaded || !enter(&rules, call, &calling, why)) answer_failure(&calling, why);
}
