/* SPDX-License-Identifier: ISC
 * What the bindings share: one environment per Lua state, operations under way, tasks (coroutines of ours).
 *
 * No Lua code runs inside a callback of the core: callbacks only note what came and put tasks in line; env_drive runs the line. So a
 * rule may wait wherever it stands, the core is never entered twice, and no longjmp crosses it.
 */
#ifndef MTASTS_LUA_ENV_H
#define MTASTS_LUA_ENV_H

#include <lauxlib.h>
#include <lua.h>

#include "fake/fake.h"
#include "mtasts.h"

/* Lua's header cannot say that these never return; compilers and checkers shall know. */
LUALIB_API int luaL_error(lua_State *L, const char *fmt, ...) __attribute__((noreturn));
LUALIB_API int luaL_argerror(lua_State *L, int arg, const char *extramsg) __attribute__((noreturn));
LUALIB_API int luaL_typeerror(lua_State *L, int arg, const char *tname) __attribute__((noreturn));
LUA_API int lua_error(lua_State *L) __attribute__((noreturn));

struct look;
struct op;
struct seen;
struct task;
struct overtime;
struct shared_answers;
struct mts_log;
struct mts_store;

/* What can be waited for: the first member of an operation and of a task. */
struct waitable {
  bool done;
  struct task *waiter; /* put in line when done */
};

enum env_hook { ENV_POLICY, ENV_VERDICT, ENV_ALARM, ENV_SESSION, ENV_HOOKS };

/* What may be used by something that an operator wrote; budget.c. */
struct budget {
  bool limited;
  const char *of;      /* what has it; NULL: a rule, whose memory counts, too */
  lua_State *co;       /* that is counted, with the coroutines that it makes */
  uint64_t spent;      /* instructions */
  uint64_t *of_family; /* the same where a task with a budget began others, which have one in common; NULL: it did not */
  int64_t looked_ms;   /* when time was last counted since it went on; 0: not yet */
  int64_t cpu_ms;      /* of the processor's time then; 0: never yet */
  uint64_t looked_spent;
  const char *stopped; /* why it was stopped; NULL: it was not */
  char place[80];      /* and where */
  int began_kb;        /* memory in use when it was first looked at; 0: not yet */
};

struct env {
  lua_State *main;
  struct mts_settings *settings, *saved; /* saved: those from before the fake world was opened */
  struct mts *m;                         /* NULL: not needed yet */
  struct mts_fake *fake;
  unsigned world; /* numbers the worlds, so that a closed one is known as such */
  struct op *ops; /* under way */
  struct shared_answers *shared;
  struct task *first, *last; /* in line */
  struct task *spare;        /* ended, to serve again */
  unsigned spare_count;
  struct task *current; /* that runs */
  struct budget apart;  /* of what runs in no task that has one */
  int in_core;
  void (*attach_rules)(struct env *env); /* NULL: there are none */
  int hooks[ENV_HOOKS];                  /* who asks those of each kind, a reference in the registry; 0: there are none */
  struct rule_wait *rule_waits;          /* rules that lookups wait for */
  struct rule_wait *spare_waits;         /* to serve again */
  unsigned spare_wait_count;

  /* Of a program whose rules are loaded anew while its context stays; see host.h. */
  struct env *previous; /* that of the rules before, for which lookups may wait still; NULL: it is gone */

  /* Of a program that lives on a loop of its own; see host.h. */
  void *event_base;        /* lent to the context; NULL: who waits drives */
  void (*wake)(void *arg); /* tasks are in line again: call env_run soon, but not from within */
  void *wake_arg;
  bool settled;       /* its rules are loaded: neither settings nor world change any more, and only tasks may wait */
  bool keeps_context; /* it is the program's, which frees it when no state has it any more */
  int kept_kb;        /* after the last collection that the program itself began */
  bool counts_all;    /* also what runs but a moment, for rules have loaded what makes coroutines that we do not hear of */

  void (*heed)(lua_State *L, struct env *env); /* bind_terminal.c: called while somebody waits, often. NULL: no person is there */
};

/* A rule that is being asked, whoever started the lookup: Lua or the program that keeps this state. */
struct rule_wait {
  struct rule_wait *next;
  struct env *env;
  struct mts_lookup *lookup;
  struct task *task;
  char domain[MTS_NAME_SIZE];
};

enum op_kind { OP_LOOKUP, OP_PROBE, OP_LOOK };

/* A lookup, a probe or a look; a userdata that stays on the stack of who waits. Collected, it is cancelled. */
struct op {
  struct waitable wait; /* first */
  struct env *env;
  struct op *previous, *next;
  bool linked;
  enum op_kind kind;
  struct mts_lookup *lookup;
  struct mts_probe *probe;
  enum mts_err err;
  struct mts_answer *answer;
  bool has_tls;
  struct mts_tls tls;
  struct look *look;
  int dns_type;      /* index into the types of bind_see.c */
  struct seen *seen; /* owned; seen.h */
  char subject[MTS_NAME_SIZE];
};

/* A coroutine of ours; anchored in the registry until it is done, then by whoever holds it. Its results stay on its own stack. */
struct task {
  struct waitable wait; /* first */
  struct env *env;
  lua_State *co;
  struct task *next;
  struct waitable *waits_for; /* NULL: it does not wait */
  bool queued, started, ok;
  bool serves_again;                /* see task_call */
  bool in_rule;                     /* a rule's, or started by one: its lookups ask no rules, or they would never end */
  bool in_session;                  /* a hook "session", or started by one: is told of no session */
  void (*ended)(struct task *task); /* NULL: nobody is told. Takes the results from the task's stack */
  void *ended_arg;
  struct budget budget;
};

/* Functions with a lua_State may raise errors (longjmp) unless said otherwise. */
struct env *env_get(lua_State *L);
/* The context, made when needed. */
struct mts *env_context(lua_State *L, struct env *env);
/* Ends what is under way (it fails as cancelled) and frees the context, if it is this state's. Raises nothing. */
void env_drop_context(struct env *env);
/* The context, made when needed, is the program's from now on. */
struct mts *env_give_context(lua_State *L, struct env *env);
/* The program's context, in place of one of its own: from now on its lookups ask the rules of this state, those that wait for a rule of the
 * previous one go on waiting. Raises nothing. */
void env_take_context(struct env *env, struct mts *m, struct env *previous);
/* Lookups that wait for rules of this state go on as if these had no opinion. Raises nothing. */
void env_let_lookups_go(struct env *env);
/* A session was counted, its domain is normalised: puts the hook "session" in line, if there is one. Raises nothing. */
void env_session_counted(struct env *env, const struct mts_session *session);
/* What is under way fails as cancelled. Raises nothing. */
void env_cancel_all(struct env *env);
/* Raises when called from inside the core (a finalizer may be). */
void env_outside(lua_State *L, const struct env *env);
/* Raises when the program's rules are loaded: too late to change settings or the world. */
void env_unsettled(lua_State *L, const struct env *env);
enum mts_err env_copy_settings(const struct mts_settings *from, struct mts_settings **to);
#define ENV_LINE_SIZE 1000
/* Why a task failed, its traceback included, as one line; raises nothing. */
void env_one_line(const struct task *task, char line[ENV_LINE_SIZE]);
/* What a rule did wrong, for the log: once a minute for each place (file:line), the first that the text names; where: what stands for one if
 * there is none. Raises nothing. */
void env_complain(struct mts_log *log, const char *domain, const char *where, const char *text);
/* A line for the log of the context; raises nothing. */
void env_log(struct env *env, int level, const char *domain, const char *text);

/* op.c; raises nothing */
void op_link(struct op *op, const char *subject); /* it is under way from now on */
void op_done(struct op *op);
void op_end(struct op *op);         /* cancels if it is under way */
void task_ready(struct task *task); /* puts it in line */
void task_unready(struct task *task);
void waitable_done(struct waitable *w); /* who waits for it is put in line */

/* wait.c */
/* subject NULL: it is not under way yet. */
void op_new(lua_State *L, struct env *env, enum op_kind kind, const char *subject, struct op **op);
/* To be returned by a C function: waits until w is done, by yielding or by driving the loop, then returns k(L, LUA_OK, w). */
int wait_for(lua_State *L, struct env *env, struct waitable *w, lua_KFunction k);
/* Runs tasks and the core until nothing is under way. */
void env_drive(lua_State *L, struct env *env);
/* Runs the tasks that are in line. */
void env_run(lua_State *L, struct env *env);
/* The function and its n arguments on top of the stack become a task, left in their place. */
struct task *task_new(lua_State *L, struct env *env, int n);
/* The same, which serves again when it has ended well: of what its coroutine is, only ended may know. */
struct task *task_again(lua_State *L, struct env *env, int n);
/* A function that is called again and again, from outside of Lua: runs at once, as far as it goes, in a task that has a budget and serves
 * once more when it has ended. Nobody but ended is told of its end, which may come before this returns. */
struct task_call {
  int function;   /* a reference in the registry */
  void *argument; /* its one argument, a light userdata */
  void (*ended)(struct task *task);
  void *ended_arg;
  struct task **task; /* told which it is before it runs */
};
/* Raises nothing. false: an error is on the stack of L, which needs room for 4; if the task had begun, ended may never be called. */
bool task_call(lua_State *L, struct env *env, const struct task_call *what);
/* Ends a task whose coroutine must not go on, with a text as its error. */
void task_kill(lua_State *L, struct task *task, const char *why);
void wait_open(lua_State *L);

/* budget.c: for a task that runs what an operator wrote. Its instructions are counted from the first one; coroutines that it makes inherit that. */
void budget_begin(struct task *task);
/* The same for one that runs now and until overtime_end, which is to follow: they are counted once it has run long. false: from the first one, and
 * there is nothing to end. */
bool budget_begin_late(struct task *task, struct overtime *outer);
/* A budget for what runs on L and in no task that has one: what it is for, in the log. false: what runs has one, which L takes from as well, and
 * there is nothing to end. Raises nothing. */
bool budget_begin_apart(lua_State *L, struct env *env, const char *of);
void budget_end_apart(lua_State *L, struct env *env);
/* Counts what a coroutine of a task with a budget does from now on. */
void budget_count(lua_State *co);
/* Instructions that the task may still run; UINT64_MAX: any number. Raises nothing. */
uint64_t budget_left(lua_State *L);
/* For functions in C that take as long as so many instructions. Stops the task, with this why (a static string), if it has not as many. */
void budget_spend(lua_State *L, uint64_t instructions, const char *why);

/* values */
void push_error(lua_State *L, enum mts_err err, const char *subject, const char *detail); /* the table */
int fail(lua_State *L, enum mts_err err, const char *subject, const char *detail);        /* nil, err */
void read_only(lua_State *L, const char *name);       /* the table on top is replaced by a read-only view */
void push_empty_list(lua_State *L, const char *name); /* read-only, of which there is one for each name */
void push_answer(lua_State *L, const struct mts_answer *answer);
/* shared.c: the same, or the object of the last answer if it says the same. The answer is freed, unless an error is raised. */
void push_shared_answer(lua_State *L, struct env *env, struct mts_answer **answer);
void push_lent_answer(lua_State *L, struct env *env, const struct mts_answer *answer);
void shared_answers_free(struct shared_answers **shared);
void push_tls(lua_State *L, const struct mts_tls *tls);
void push_policy_fields(lua_State *L,
                        const struct mts_policy *policy);       /* sets max_age of the table on top and pushes the mx list */
void set_text(lua_State *L, const char *key, const char *text); /* empty or NULL: nothing */
void set_number(lua_State *L, const char *key, int64_t number);
void set_time(lua_State *L, const char *key, int64_t at); /* 0: nothing */
void set_flag(lua_State *L, const char *key, bool flag);

/* Options are tables; an unknown key raises and names the nearest known one. index may hold nothing or nil: false. */
bool check_options(lua_State *L, int index, const char *const *known, size_t count);
/* After lua_next, the error that an option raises that is not known. */
_Noreturn void refuse_option(lua_State *L, int index, const char *const *known, size_t count);

/* Opens the store of the settings, which a value left on the stack closes when it is collected. On failure *store stays as it is. */
enum mts_err open_store(lua_State *L, struct env *env, struct mts_store **store);

/* bind_fake.c: the environment of the open world that the first argument is; and an error by its name, MTS_OK: there is none such. */
struct env *check_world(lua_State *L);
enum mts_err error_named(const char *name);

void lookup_open(lua_State *L); /* adds to the table on top */
extern const luaL_Reg pure_functions[], context_functions[], probe_functions[], see_functions[], hook_functions[], fake_functions[],
    told_functions[], json_functions[], store_functions[], session_functions[], report_functions[], terminal_functions[],
    wait_functions[], guard_functions[], folder_functions[];

int luaopen_mtasts_core(lua_State *L);

#endif
