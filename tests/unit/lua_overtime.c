/* SPDX-License-Identifier: ISC
 * Which calls of Lua get a hook because they take long. */
#include "overtime.h"

#include <errno.h>
#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>

#include "base/clock.h"
#include "tools.h"

#define LONG_MS (50 * OVERTIME_LOOK_MS) /* a busy machine may look late */

static int rung;
static bool no_threads;

static void stop(lua_State *L, lua_Debug *unused) {
  (void)unused;
  rung++;
  luaL_error(L, "long");
}

static int64_t now_ms(void) { return mts_clock_mono_ms(&mts_clock_real); }

/* Until it is stopped, or for 30 s. */
static int run_on(lua_State *L) {
  int status = luaL_loadstring(L, "local till = os.time() + 30 while os.time() < till do end");
  return status ? status : lua_pcall(L, 0, 0, 0);
}

static lua_State *state(void) {
  lua_State *L = luaL_newstate();
  assert_non_null(L);
  luaL_openlibs(L);
  return L;
}

static void nobody_is_watched_in_a_process_that_is_somebody_elses(void **s) {
  (void)s;
  struct overtime outer;
  lua_State *L = state();
  assert_false(overtime_begin(L, stop, &outer));
  lua_close(L);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg) {
  return no_threads ? EAGAIN : __real_pthread_create(thread, attributes, start, arg);
}

static void where_no_thread_can_be_had_nobody_is_watched(void **s) {
  (void)s;
  struct overtime outer;
  sigset_t before, after;
  lua_State *L = state();
  pthread_sigmask(SIG_SETMASK, NULL, &before);
  overtime_allow();
  no_threads = true;
  assert_false(overtime_begin(L, stop, &outer));
  no_threads = false;
  assert_false(overtime_begin(L, stop, &outer)); /* it is not tried for each call */
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  for (int signal = 1; signal < SIGRTMIN; signal++) assert_int_equal(sigismember(&after, signal), sigismember(&before, signal));
  lua_close(L);
}

static void a_call_that_runs_on_gets_the_hook_and_the_next_one_does_not(void **s) {
  (void)s;
  struct overtime outer;
  lua_State *L = state();
  overtime_allow();
  for (int i = 1; i <= 3; i++) {
    assert_true(overtime_begin(L, stop, &outer));
    int64_t began = now_ms();
    assert_int_equal(run_on(L), LUA_ERRRUN);
    overtime_end(&outer);
    assert_int_equal(rung, i);
    assert_true(now_ms() - began >= OVERTIME_LOOK_MS);
    lua_sethook(L, NULL, 0, 0);
    for (int j = 0; j < 10000; j++) {
      assert_true(overtime_begin(L, stop, &outer));
      overtime_end(&outer);
    }
    assert_null(lua_gethook(L));
  }
  lua_close(L);
}

static void a_call_within_another_one_is_watched_and_then_the_outer_one_again(void **s) {
  (void)s;
  struct overtime nobody, outer;
  lua_State *L = state(), *inner = lua_newthread(L);
  rung = 0;
  assert_true(overtime_begin(L, stop, &nobody));
  assert_true(overtime_begin(inner, stop, &outer));
  assert_int_equal(run_on(inner), LUA_ERRRUN);
  overtime_end(&outer);
  assert_null(lua_gethook(L));
  assert_int_equal(run_on(L), LUA_ERRRUN);
  overtime_end(&nobody);
  assert_int_equal(rung, 2);
  lua_close(L);
}

static void a_signal_that_comes_within_another_call_is_sent_once_more(void **s) {
  (void)s;
  struct overtime nobody, outer;
  sigset_t urgent;
  lua_State *L = state(), *inner = lua_newthread(L);
  rung = 0;
  sigemptyset(&urgent);
  sigaddset(&urgent, SIGURG);
  assert_true(overtime_begin(L, stop, &nobody));
  pthread_sigmask(SIG_BLOCK, &urgent, NULL);
  int64_t until = now_ms() + LONG_MS;
  while (now_ms() < until) continue;
  assert_true(overtime_begin(inner, stop, &outer));
  pthread_sigmask(SIG_UNBLOCK, &urgent, NULL);
  assert_null(lua_gethook(inner));
  overtime_end(&outer);
  assert_int_equal(run_on(L), LUA_ERRRUN);
  overtime_end(&nobody);
  assert_int_equal(rung, 1);
  lua_close(L);
}

static void what_runs_outside_of_a_call_is_not_watched(void **s) {
  (void)s;
  struct overtime outer;
  lua_State *L = state();
  assert_true(overtime_begin(L, stop, &outer));
  overtime_end(&outer);
  int64_t until = now_ms() + LONG_MS;
  while (now_ms() < until) assert_int_equal(luaL_dostring(L, "for i = 1, 1000 do end"), LUA_OK);
  assert_null(lua_gethook(L));
  lua_close(L);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nobody_is_watched_in_a_process_that_is_somebody_elses),
      cmocka_unit_test(where_no_thread_can_be_had_nobody_is_watched),
      cmocka_unit_test(a_call_that_runs_on_gets_the_hook_and_the_next_one_does_not),
      cmocka_unit_test(a_call_within_another_one_is_watched_and_then_the_outer_one_again),
      cmocka_unit_test(a_signal_that_comes_within_another_call_is_sent_once_more),
      cmocka_unit_test(what_runs_outside_of_a_call_is_not_watched),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
