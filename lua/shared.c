/* SPDX-License-Identifier: ISC
 * Answers that say the same are one object in Lua: rules ask for the same few domains all day long, and what is read-only can be shared.
 * Nothing is taken from here instead of a lookup; each lookup was made, and only where its answer is the same in every part as the last one
 * of its domain, the object that was made of that one is given again. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "env.h"

#define SETS 256 /* a domain belongs to one of them */
#define WAYS 4

struct shared {
  struct mts_answer *answer; /* NULL: nothing is here; its policy cannot be freed meanwhile, nor another have its address */
  int view;                  /* reference in the registry */
};
#define SHORTCUTS 256
struct shared_answers {
  struct shared sets[SETS][WAYS]; /* the one made last comes first */
  /* Into the sets, by where the answer lies, for nearly always it is the very same one. They may be outdated. */
  struct shared *shortcuts[SHORTCUTS];
};

static size_t set_of(const char *domain) { return mts_span_hash(mts_span_of(domain)) % SETS; }

static bool same_failure(const struct mts_failure *a, const struct mts_failure *b) {
  return a->err == b->err && a->at == b->at && strcmp(a->detail, b->detail) == 0;
}

static bool has_lists(const struct mts_answer *answer) { return answer->host_count || answer->step_count; }

static bool same(const struct mts_answer *a, const struct mts_answer *b) {
  if (a == b) return true;
  bool same_policy = a->policy == b->policy && a->mode == b->mode && a->from == b->from && strcmp(a->id, b->id) == 0;
  bool same_times = a->fetched_at == b->fetched_at && a->expires_at == b->expires_at && a->checked_at == b->checked_at &&
                    a->exception_until == b->exception_until;
  bool same_hosts = a->dnssec == b->dnssec && a->hosts_known == b->hosts_known && a->hosts_err == b->hosts_err;
  return same_policy && same_times && same_hosts && a->action == b->action && a->smarthost == b->smarthost &&
         strcmp(a->domain, b->domain) == 0 && strcmp(a->reason, b->reason) == 0 &&
         same_failure(&a->refresh_error, &b->refresh_error);
}

/* What rawset put into it is for whoever did so. */
static bool is_untouched(lua_State *L) {
  lua_pushnil(L);
  if (!lua_next(L, -2)) return true;
  lua_pop(L, 2);
  return false;
}

static struct shared **shortcut_of(struct shared_answers *shared, const struct mts_answer *answer) {
  return &shared->shortcuts[(uintptr_t)answer / sizeof *answer % SHORTCUTS];
}

/* The object that was made of such an answer, if there is one that still says so. NULL: there is none. */
static struct shared *push_known(lua_State *L, struct shared set[WAYS], const struct mts_answer *answer) {
  for (size_t i = 0; i < WAYS; i++) {
    if (!set[i].answer || !same(set[i].answer, answer)) continue;
    lua_rawgeti(L, LUA_REGISTRYINDEX, set[i].view);
    if (is_untouched(L)) return &set[i];
    lua_pop(L, 1);
  }
  return NULL;
}

/* A reference to the object on top. */
static int hold(lua_State *L) {
  lua_pushvalue(L, -1);
  return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* A domain has two answers at most: the one that a rule is asked about says less than the one that comes of it. */
#define OF_DOMAIN 2

/* In the place of what its domain's answer was before, or else of what was made longest ago. */
static void keep(lua_State *L, struct shared set[WAYS], struct mts_answer *answer, int view) {
  size_t i = 0, same = 0;
  for (; i < WAYS - 1 && set[i].answer; i++)
    if (strcmp(set[i].answer->domain, answer->domain) == 0 && ++same == OF_DOMAIN) break;
  if (set[i].answer) luaL_unref(L, LUA_REGISTRYINDEX, set[i].view);
  mts_answer_free(&set[i].answer);
  memmove(set + 1, set, i * sizeof *set);
  set[0] = (struct shared){.answer = answer, .view = view};
}

/* NULL: it is none to be shared. */
static struct shared *set_for(struct env *env, const struct mts_answer *answer) {
  if (!env->shared) env->shared = calloc(1, sizeof *env->shared);
  return env->shared && !has_lists(answer) ? env->shared->sets[set_of(answer->domain)] : NULL;
}

/* Of this very answer, which is held: nobody else can lie where it does. */
static bool push_quickly(lua_State *L, struct shared_answers *shared, const struct mts_answer *answer) {
  const struct shared *known = shared ? *shortcut_of(shared, answer) : NULL;
  if (!known || known->answer != answer) return false;
  lua_rawgeti(L, LUA_REGISTRYINDEX, known->view);
  if (is_untouched(L)) return true;
  lua_pop(L, 1);
  return false;
}

void push_shared_answer(lua_State *L, struct env *env, struct mts_answer **answer) {
  if (push_quickly(L, env->shared, *answer)) {
    mts_answer_free(answer);
    return;
  }
  struct shared *set = set_for(env, *answer), *known = set ? push_known(L, set, *answer) : NULL;
  if (known) {
    /* The same one is likely to come again, and then needs no second look. */
    struct mts_answer *before = known->answer;
    known->answer = *answer;
    *shortcut_of(env->shared, *answer) = known;
    *answer = before;
  } else {
    push_answer(L, *answer);
  }
  if (set && !known) {
    int view = hold(L);
    keep(L, set, *answer, view);
    *answer = NULL;
  }
  mts_answer_free(answer);
}

void push_lent_answer(lua_State *L, struct env *env, const struct mts_answer *answer) {
  struct shared *set = set_for(env, answer);
  if (set && push_known(L, set, answer)) return;
  push_answer(L, answer);
  if (!set) return;
  int view = hold(L); /* before there is a copy: this can raise */
  struct mts_answer *copy = malloc(sizeof *copy);
  if (!copy) {
    luaL_unref(L, LUA_REGISTRYINDEX, view);
    return;
  }
  *copy = *answer; /* it has no lists, and its policy is counted */
  copy->references = 0;
  if (copy->policy) mts_policy_ref((struct mts_policy *)(uintptr_t)copy->policy);
  keep(L, set, copy, view);
}

void shared_answers_free(struct shared_answers **shared) {
  if (!*shared) return;
  for (size_t i = 0; i < SETS * WAYS; i++) mts_answer_free(&(*shared)->sets[i / WAYS][i % WAYS].answer);
  free(*shared);
  *shared = NULL;
}
