/* SPDX-License-Identifier: ISC */
#include "overtime.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#define IDLE_LOOKS 100 /* without a call, and it sleeps until there is one */
#define STACK_BYTES (256 * 1024)

static enum { NOT_ALLOWED, ALLOWED, STARTED } state; /* of the main thread's */
static pthread_t main_thread;
static unsigned last_number;
static lua_Hook hook_to_set;
static sem_t called;

/* Told to the thread; and back, which call takes long, until it is told that this one has its hook. */
static _Atomic(lua_State *) running; /* NULL: none */
static atomic_uint running_number, late_number, hooked_number;
static atomic_bool asleep;

void overtime_allow(void) {
  if (state == NOT_ALLOWED) state = ALLOWED;
}

/* ---- the thread ---- */

static void rest(void) {
  atomic_store(&asleep, true);
  /* What began before it was said will wake nobody. */
  if (atomic_load(&running)) atomic_store(&asleep, false);
  while (atomic_load(&asleep)) sem_wait(&called);
}

static void *look(void *unused) {
  const struct timespec pause = {.tv_nsec = OVERTIME_LOOK_MS * 1000000};
  unsigned before = 0, idle = 0;
  (void)unused;
  for (;;) {
    nanosleep(&pause, NULL);
    unsigned number = atomic_load(&running) ? atomic_load(&running_number) : 0;
    if (number && number == before && number != atomic_load(&hooked_number)) {
      atomic_store(&late_number, number);
      pthread_kill(main_thread, SIGURG);
    }
    idle = number ? 0 : idle + 1;
    before = number;
    if (idle >= IDLE_LOOKS) rest();
  }
  return NULL;
}

/* ---- the main thread ---- */

/* The call may have ended meanwhile, or another one run within it. */
static void set_hook(int signal) {
  (void)signal;
  lua_State *co = atomic_load(&running);
  unsigned number = atomic_load(&running_number);
  if (!co || number != atomic_load(&late_number)) return;
  if (!lua_gethook(co)) lua_sethook(co, hook_to_set, LUA_MASKCOUNT, 1);
  atomic_store(&hooked_number, number);
}

static bool start_thread(void) {
  pthread_t thread;
  pthread_attr_t attributes;
  sigset_t all, before;
  if (pthread_attr_init(&attributes) != 0) return false;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the main thread */
  bool started = pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0 &&
                 pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
                 pthread_create(&thread, &attributes, look, NULL) == 0;
  sigdelset(&before, SIGURG);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return started;
}

static bool start(void) {
  const struct sigaction action = {.sa_handler = set_hook, .sa_flags = SA_RESTART};
  main_thread = pthread_self();
  state = NOT_ALLOWED; /* once is enough to try */
  if (sem_init(&called, 0, 0) != 0 || sigaction(SIGURG, &action, NULL) != 0 || !start_thread()) return false;
  state = STARTED;
  return true;
}

bool overtime_begin(lua_State *co, lua_Hook hook, struct overtime *outer) {
  if (state != STARTED && (state == NOT_ALLOWED || !start())) return false;
  hook_to_set = hook;
  outer->co = atomic_load(&running);
  outer->number = atomic_load_explicit(&running_number, memory_order_relaxed);
  atomic_store_explicit(&running_number, ++last_number, memory_order_relaxed);
  atomic_store(&running, co);
  if (atomic_load(&asleep) && atomic_exchange(&asleep, false)) sem_post(&called);
  return true;
}

void overtime_end(const struct overtime *outer) {
  atomic_store_explicit(&running, outer->co, memory_order_release);
  atomic_store_explicit(&running_number, outer->number, memory_order_relaxed);
}
