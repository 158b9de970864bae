/* SPDX-License-Identifier: ISC
 *
 * Lua is entered only by lua_pcall and task_call. What tasks leave behind is handed on after Lua has been left, so that no longjmp crosses
 * anything of ours.
 */
#include "rules.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/spares.h"
#include "env.h"
#include "resolve/settings.h"
#include "ruleset.h"

#define LOOK_EVERY_MS 1000
#define WRITTEN_MS 200 /* so long after its last change a file may not be whole */
#define LEFT_MS 60000  /* what old rules began is over by then, or ended */

struct rules {
  const struct rules_kind *kind;
  struct ruleset *now; /* and older ones behind it; NULL: there are none */
  struct event_base *base;
  struct event *ready;
  struct mts_log *log;
  struct mts *m;
  struct mts_settings *settings; /* as they were given */
  struct mts_settings *in_force; /* those of the context: what rules changed at the start included */
  struct stat seen;              /* of the file when it was loaded, or did not load; st_ino 0: it was not there */
  int64_t looked_ms;
  bool running;
  struct rules_call *first, *last; /* ended */
  struct rules_call *spare;        /* gone, to serve again */
  int spare_count;
};

#define SPARE_MOST 16

/* Nearly each request needs one for a moment. */
struct rules_call *rules_call_new(struct rules *rules) {
  struct rules_call *call = rules->spare;
  if (call) {
    rules->spare = call->next;
    rules->spare_count--;
  } else {
    call = malloc(rules->kind->call_size);
    if (!call) return NULL;
  }
  mts_bytes_clear(call, rules->kind->call_size);
  call->rules = rules;
  return call;
}

static void call_free(struct rules_call *call) {
  struct rules *rules = call->rules;
  if (call->forget) call->forget(call);
  if (rules->spare_count >= mts_spares(SPARE_MOST)) {
    free(call);
    return;
  }
  call->next = rules->spare;
  rules->spare = call;
  rules->spare_count++;
}

/* ---- running ---- */

static bool in_line(const struct rules *rules) {
  const struct ruleset *set = rules->now;
  while (set && !set->env->first) set = set->older;
  return set != NULL;
}

/* Old rules end when nothing is under way in them. late: those that had time enough, too. */
static void end_old(struct rules *rules, bool late) {
  struct ruleset *newer = rules->now;
  while (newer && newer->older) {
    struct ruleset *set = newer->older;
    bool over = late && set->calls == 0 && mts_clock_coarse_ms() - set->left_ms > LEFT_MS;
    if (over || ruleset_is_idle(set)) {
      newer->older = set->older;
      newer->env->previous = set->env->previous;
      ruleset_free(&set, rules->now);
    } else {
      newer = set;
    }
  }
}

/* Runs what is in line, then hands the decisions on; what that puts in line runs too. */
static void run(struct rules *rules) {
  if (rules->running) return;
  rules->running = true;
  bool well = true;
  do {
    for (struct ruleset *set = rules->now; set; set = set->older) ruleset_run(set, &well);
    while (rules->first) {
      struct rules_call *call = rules->first;
      rules->first = call->next;
      if (!rules->first) rules->last = NULL;
      call->set->calls--;
      if (call->done) call->done(call);
      call_free(call);
    }
  } while (well && in_line(rules));
  rules->running = false;
  end_old(rules, false);
}

static void can_run(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  run(arg);
}

static void wake(void *arg) {
  struct rules *rules = arg;
  if (!rules->running) event_active(rules->ready, EV_TIMEOUT, 0);
}

bool rules_step(struct rules *rules) {
  if (!rules->now) return false;
  bool had = in_line(rules);
  run(rules);
  return (rules->now->env->fake && mts_turn(rules->m, -1)) || had;
}

/* ---- calling ---- */

static void ended(struct task *task) {
  struct rules_call *call = task->ended_arg;
  struct rules *rules = call->rules;
  call->task = NULL;
  call->ended = true;
  if (!task->ok) {
    char line[ENV_LINE_SIZE];
    env_one_line(task, line);
    env_complain(rules->log, NULL, "rules", line);
  }
  call->results(call, task);
  if (rules->last)
    rules->last->next = call;
  else
    rules->first = call;
  rules->last = call;
}

void rules_hand_on(struct rules *rules) { run(rules); }

enum mts_err rules_call(struct rules *rules, struct rules_call *call, void *argument) {
  struct ruleset *set = rules->now;
  bool nested = rules->running;
  call->set = set;
  set->calls++;
  const struct task_call what = {
      .function = set->ask, .argument = argument, .ended = ended, .ended_arg = call, .task = &call->task};
  rules->running = true; /* no need to be woken: what is in line runs soon, or further out */
  if (lua_checkstack(set->L, 4) && !task_call(set->L, set->env, &what)) ruleset_say_error(set);
  rules->running = nested;
  if (!call->task && !call->ended) {
    set->calls--;
    call_free(call);
    return MTS_ERR_NO_MEMORY;
  }
  return MTS_OK;
}

struct killing {
  struct task *task;
};
static int kill_task(lua_State *L) {
  const struct killing *killing = lua_touserdata(L, 1);
  task_kill(L, killing->task, "its time is over");
  return 0;
}

void rules_cancel(struct rules_call **call) {
  struct rules_call *it = *call;
  *call = NULL;
  if (!it) return;
  it->done = NULL;
  if (!it->task) return; /* ended: freed when it is handed on */
  it->task->ended = NULL;
  struct killing killing = {.task = it->task};
  ruleset_enter(it->set, kill_task, &killing);
  it->set->calls--;
  call_free(it);
}

void rules_enter_first(struct rules *rules, rules_choose_fn choose, const void *arg, lua_CFunction function, void *argument) {
  struct ruleset *set = rules->now;
  while (set && !choose(set->L, arg)) set = set->older;
  if (set) ruleset_enter(set, function, argument);
}

/* ---- loading ---- */

static enum mts_err load(struct rules *rules, struct event_base *base, bool may_tell, char why[RULES_WHY_SIZE],
                         struct ruleset **set) {
  const struct ruleset_config config = {.settings = rules->settings,
                                        .kind = rules->kind,
                                        .file = settings_rules_place(rules->settings),
                                        .log = rules->log,
                                        .base = base,
                                        .may_tell = may_tell,
                                        .wake = wake,
                                        .arg = rules};
  rules->running = true; /* who loads drives */
  enum mts_err err = ruleset_new(&config, why, set);
  rules->running = false;
  return err;
}

static int give_context(lua_State *L) {
  struct rules *rules = lua_touserdata(L, 1);
  rules->m = env_give_context(L, rules->now->env);
  return 0;
}

static enum mts_err start(struct rules *rules, bool may_tell, char why[RULES_WHY_SIZE]) {
  const char *file = settings_rules_file(rules->settings);
  rules->ready = event_new(rules->base, -1, 0, can_run, rules);
  if (!rules->ready) return MTS_ERR_NO_MEMORY;
  if (file && stat(file, &rules->seen) != 0) rules->seen.st_ino = 0;
  enum mts_err err = file ? load(rules, rules->base, may_tell, why, &rules->now) : MTS_OK;
  if (err) return err;
  if (rules->now) {
    if (!ruleset_enter(rules->now, give_context, rules)) return MTS_ERR_NO_MEMORY;
    if (rules->now->env->first) wake(rules); /* what the file spawned */
  } else {
    err = mts_new(rules->settings, &rules->m);
    if (!err) mts_lend_loop(rules->m, rules->base);
  }
  if (!err) err = settings_copy(rules->now ? rules->now->env->settings : rules->settings, &rules->in_force);
  if (!err && file && rules->log) mts_log_write(rules->log, MTS_LOG_INFO, NULL, "the rules in %s count", file);
  return err;
}

enum mts_err rules_new(const struct mts_settings *settings, const struct rules_kind *kind, struct event_base *base,
                       struct mts_log *log, bool may_tell, char why[RULES_WHY_SIZE], struct rules **rules) {
  struct rules *made = calloc(1, sizeof *made);
  memccpy(why, "out of memory", 0, RULES_WHY_SIZE);
  if (!made) return MTS_ERR_NO_MEMORY;
  made->kind = kind;
  made->base = base;
  made->log = log;
  enum mts_err err = settings_copy(settings, &made->settings);
  if (!err) err = start(made, may_tell, why);
  if (err) {
    rules_free(&made);
    return err;
  }
  *rules = made;
  return MTS_OK;
}

void rules_free(struct rules **rules) {
  struct rules *it = *rules;
  if (!it) return;
  it->running = true; /* tasks that end now tell nobody */
  if (it->m) {
    mts_set_hooks(it->m, NULL, NULL, NULL);
    mts_set_hook_cancelled(it->m, NULL);
  }
  while (it->now) {
    struct ruleset *set = it->now;
    it->now = set->older;
    ruleset_free(&set, NULL);
  }
  mts_free(&it->m);
  while (it->first) {
    struct rules_call *call = it->first;
    it->first = call->next;
    call_free(call);
  }
  while (it->spare) {
    struct rules_call *call = it->spare;
    it->spare = call->next;
    free(call);
  }
  if (it->ready) event_free(it->ready);
  mts_settings_free(&it->settings);
  mts_settings_free(&it->in_force);
  free(it);
  *rules = NULL;
}

/* ---- loading anew ---- */

/* What a file of rules may set (mtasts.configure) it can set at the start alone. */
static void tell_settings(const struct rules *rules) {
  const char *name, *type, *fallback, *meaning;
  for (size_t i = 0; mts_settings_describe(i, &name, &type, &fallback, &meaning); i++) {
    if (strcmp(mts_settings_get(rules->in_force, name), mts_settings_get(rules->now->env->settings, name)) != 0)
      mts_log_write(rules->log, MTS_LOG_WARNING, NULL, "the rules change the setting %s, which needs a restart", name);
  }
}

static bool load_anew(struct rules *rules) {
  char why[RULES_WHY_SIZE];
  struct ruleset *set = NULL, *old = rules->now;
  const char *file = settings_rules_place(rules->settings);
  if (load(rules, NULL, false, why, &set)) {
    for (char *p = why; *p; p++)
      if (*p == '\n' || *p == '\t') *p = *p == '\n' ? '|' : ' ';
    mts_log_write(rules->log, MTS_LOG_ERROR, NULL, "the rules in %s do not load, %s: %s", file,
                  old ? "and the old ones stay" : "and there are none", why);
    return false;
  }
  set->older = old;
  if (old) old->left_ms = mts_clock_coarse_ms();
  rules->now = set;
  env_take_context(set->env, rules->m, old ? old->env : NULL);
  mts_log_write(rules->log, MTS_LOG_INFO, NULL, "the rules in %s count, loaded anew", file);
  tell_settings(rules);
  run(rules);
  return true;
}

static bool same_file(const struct stat *a, const struct stat *b) {
  return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
         a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Who writes a file empties it first. */
static bool may_be_half(const struct stat *file) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int64_t age_ms = ((int64_t)now.tv_sec - file->st_mtim.tv_sec) * 1000 + (now.tv_nsec - file->st_mtim.tv_nsec) / 1000000;
  return age_ms >= 0 && age_ms < WRITTEN_MS;
}

bool rules_look(struct rules *rules, bool at_once) {
  const char *file = settings_rules_place(rules->settings);
  int64_t now_ms = mts_clock_coarse_ms();
  if (rules->running || (!at_once && now_ms - rules->looked_ms < LOOK_EVERY_MS)) return false;
  rules->looked_ms = now_ms;
  end_old(rules, true);
  struct stat found;
  bool there = file && stat(file, &found) == 0;
  if (!there) {
    bool was = rules->seen.st_ino != 0;
    rules->seen.st_ino = 0;
    if (was || at_once)
      mts_log_write(rules->log, MTS_LOG_WARNING, NULL, "%s is not there%s", file ? file : "a file of rules",
                    rules->now ? "; the rules that were loaded from it stay" : ", and no rules count");
    return false;
  }
  if (!at_once && (same_file(&found, &rules->seen) || may_be_half(&found))) return false;
  rules->seen = found;
  return load_anew(rules);
}

/* ---- what others ask ---- */

void rules_session_counted(struct rules *rules, const struct mts_session *session) {
  if (rules->now) env_session_counted(rules->now->env, session);
}

struct mts *rules_context(struct rules *rules) {
  return rules->m;
}

bool rules_there(const struct rules *rules) { return rules->now != NULL; }

bool rules_judge(const struct rules *rules) { return rules->now && rules->now->env->hooks[ENV_VERDICT] != 0; }

bool rules_want(const struct rules *rules, unsigned kind) {
  return rules->now && kind < RULES_WANTED_MOST && rules->now->wanted[kind];
}

int rules_check(const char *program, const struct rules_kind *kind, const struct mts_settings *settings) {
  char why[RULES_WHY_SIZE] = "out of memory";
  struct rules *rules = NULL;
  struct event_base *base = event_base_new();
  enum mts_err err = base ? rules_new(settings, kind, base, NULL, false, why, &rules) : MTS_ERR_NO_MEMORY;
  if (err)
    fprintf(stderr, "%s: %s\n", program, why);
  else
    printf("the settings are good%s\n", rules->now ? ", and so are the rules" : "");
  rules_free(&rules);
  if (base) event_base_free(base);
  return err ? 1 : 0;
}
