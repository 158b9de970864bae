/* SPDX-License-Identifier: ISC
 * The store under many processes: races, kill -9, a full disk, fork. */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <time.h>

#include "store_crowd.h"

/* ---- leases ---- */

#define ROUNDS 200

static int race(struct tools *t, int number, void *arg) {
  int *wins = arg;
  struct mts_store *store = NULL;
  char owner[32];
  enum mts_err err = mts_store_open(t->path, &t->clock, t->log, &store);
  if (err) return say(t, err);
  snprintf(owner, sizeof owner, "process %d", number);
  for (int round = 0; round < ROUNDS; round++) {
    char domain[32];
    bool taken = false;
    int64_t until;
    snprintf(domain, sizeof domain, "d%d.example", round);
    err = mts_store_lease(store, domain, owner, 1000, 2000, &taken, &until);
    if (err) return say(t, err);
    if (taken) __atomic_add_fetch(&wins[round], 1, __ATOMIC_SEQ_CST);
    if (!taken && until != 2000) return 3;
  }
  mts_store_close(&store);
  return 0;
}

static void of_32_processes_exactly_one_gets_the_lease(void **state) {
  struct tools *t = *state;
  int *wins = mmap(NULL, ROUNDS * sizeof *wins, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(wins != MAP_FAILED);
  assert_true(run_all(t, PROCESSES, race, wins)); /* they also all create the file at once */
  for (int i = 0; i < ROUNDS; i++) assert_int_equal(wins[i], 1);
  munmap(wins, ROUNDS * sizeof *wins);
  assert_true(tools_is_sound(t->path));
}

/* ---- writers ---- */

static int write_many(struct tools *t, int number, void *arg) {
  int each = *(int *)arg;
  struct mts_store *store = NULL;
  enum mts_err err = mts_store_open(t->path, &t->clock, t->log, &store);
  if (err) return say(t, err);
  for (int i = 0; i < each; i++) {
    char domain[48];
    snprintf(domain, sizeof domain, "d%d.p%d.example", i, number);
    err = tools_try_put(store, domain, number * 1000 + i);
    if (err) return say(t, err);
    if (!tools_has(store, domain, number * 1000 + i)) return 3;
  }
  mts_store_close(&store);
  return 0;
}

static void of_32_writers_nothing_is_lost(void **state) {
  struct tools *t = *state;
  int each = 50;
  assert_true(run_all(t, PROCESSES, write_many, &each));
  struct mts_store *store = tools_open(t);
  for (int p = 0; p < PROCESSES; p++)
    for (int i = 0; i < each; i++) {
      char domain[48];
      snprintf(domain, sizeof domain, "d%d.p%d.example", i, p);
      assert_true(tools_has(store, domain, p * 1000 + i));
    }
  mts_store_close(&store);
  assert_true(tools_is_sound(t->path));
}

/* ---- counters ---- */

/* Which of two counters of sessions, as every process has them. */
static struct mts_session_row counter(int which) {
  return (struct mts_session_row){.domain = "a.example",
                                  .type = MTS_POLICY_TYPE_STS,
                                  .policy = "version: STSv1",
                                  .result = which ? "certificate-expired" : "",
                                  .mx = "mx.a.example",
                                  .address = "",
                                  .source = "",
                                  .helo = "",
                                  .reason = ""};
}

static enum mts_err count_one(struct mts_store *store, int which) {
  struct mts_session_row row = counter(which);
  return mts_store_session_add(store, &row, NOW);
}

static int count_many(struct tools *t, int number, void *arg) {
  int each = *(int *)arg;
  struct mts_store *store = NULL;
  enum mts_err err = mts_store_open(t->path, &t->clock, t->log, &store);
  for (int i = 0; !err && i < each; i++) {
    do err = count_one(store, (number + i) % 2);
    while (err == MTS_ERR_STORE_BUSY); /* so it was not counted */
  }
  mts_store_close(&store);
  return err ? say(t, err) : 0;
}

static int64_t counted(struct tools *t) { return tools_sql(t->path, "SELECT total(count) FROM session"); }

static void of_32_processes_that_count_at_once_each_session_counts_once(void **state) {
  struct tools *t = *state;
  int each = 200;
  assert_true(run_all(t, PROCESSES, count_many, &each));
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM session"), 2);
  assert_int_equal(tools_sql(t->path, "SELECT count FROM session WHERE result = ''"), PROCESSES * each / 2);
  assert_int_equal(counted(t), PROCESSES * each);
  assert_true(tools_is_sound(t->path));
}

static void a_session_that_was_said_to_be_counted_survives_kill_9(void **state) {
  struct tools *t = *state;
  volatile int *done = mmap(NULL, sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(done != MAP_FAILED);
  int64_t before = 0;
  for (int run = 0; run < 20; run++) {
    *done = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
      struct mts_store *store = NULL;
      if (mts_store_open(t->path, &t->clock, t->log, &store)) _exit(1);
      for (int i = 0;; i++) {
        if (count_one(store, i % 2)) _exit(2);
        *done = i + 1;
      }
    }
    struct timespec pause = {.tv_nsec = 1000 * 1000};
    for (int i = 0; i < 5000 && *done < 20 + run; i++) nanosleep(&pause, NULL);
    kill(pid, SIGKILL);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && *done > 0);
    int64_t now = counted(t); /* the last one may have been counted without having been said */
    assert_in_range(now - before, *done, *done + 1);
    before = now;
  }
  munmap((void *)(uintptr_t)done, sizeof *done);
  assert_true(tools_is_sound(t->path));
}

/* ---- kill -9 ---- */

static void what_was_committed_survives_kill_9(void **state) {
  struct tools *t = *state;
  volatile int *done = mmap(NULL, sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(done != MAP_FAILED);
  for (int run = 0; run < 20; run++) {
    int before = *done;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
      struct mts_store *store = NULL;
      if (mts_store_open(t->path, &t->clock, t->log, &store)) _exit(1);
      for (int i = *done;; i++) {
        char domain[32];
        snprintf(domain, sizeof domain, "d%d.example", i);
        if (tools_try_put(store, domain, i)) _exit(2);
        *done = i + 1; /* committed */
      }
    }
    struct timespec pause = {.tv_nsec = 1000 * 1000};
    for (int i = 0; i < 5000 && *done < before + 20 + run; i++) nanosleep(&pause, NULL);
    kill(pid, SIGKILL);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_true(*done > before);
    struct mts_store *store = tools_open(t);
    for (int i = before; i < *done; i++) {
      char domain[32];
      snprintf(domain, sizeof domain, "d%d.example", i);
      if (!tools_has(store, domain, i)) fail_msg("run %d: %s is lost", run, domain);
    }
    mts_store_close(&store);
    assert_true(tools_is_sound(t->path));
  }
  munmap((void *)(uintptr_t)done, sizeof *done);
}

/* ---- a full disk ---- */

#define NO_TMPFS 77

static int fill(struct tools *t) {
  if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) return NO_TMPFS;
  mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
  if (mount("tmpfs", t->folder, "tmpfs", 0, "size=400k,mode=700") != 0) return NO_TMPFS;
  struct mts_store *store = NULL;
  if (mts_store_open(t->path, &t->clock, t->log, &store)) return 1;
  enum mts_err err = MTS_OK;
  int count = 0;
  for (; !err && count < 5000; count++) {
    char domain[32];
    snprintf(domain, sizeof domain, "d%d.example", count);
    err = tools_try_put(store, domain, count);
  }
  if (err != MTS_ERR_STORE_FULL) return 2;
  count--;
  if (count < 10) return 3;
  for (int i = 0; i < count; i++) { /* what was written is there and can be read */
    char domain[32];
    snprintf(domain, sizeof domain, "d%d.example", i);
    if (!tools_has(store, domain, i)) return 4;
  }
  mts_store_close(&store);
  if (!tools_is_sound(t->path)) return 5;
  char remount[] = "size=4m";
  if (mount("none", t->folder, "tmpfs", MS_REMOUNT, remount) != 0) return 6;
  if (mts_store_open(t->path, &t->clock, t->log, &store)) return 7;
  if (tools_try_put(store, "after.example", 1)) return 8; /* room again: works again */
  if (!tools_has(store, "d0.example", 0)) return 9;
  mts_store_close(&store);
  return tools_is_sound(t->path) ? 0 : 10;
}

static int fill_with_sessions(struct tools *t) {
  if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) return NO_TMPFS;
  mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
  if (mount("tmpfs", t->folder, "tmpfs", 0, "size=400k,mode=700") != 0) return NO_TMPFS;
  struct mts_store *store = NULL;
  if (mts_store_open(t->path, &t->clock, t->log, &store)) return 1;
  char reason[64];
  struct mts_session_row row = counter(1);
  row.reason = reason;
  int count = 0, full = 0;
  for (int i = 0; i < 900 && full < 20; i++) {
    snprintf(reason, sizeof reason, "a reason that takes its room, number %d", i);
    enum mts_err err = mts_store_session_add(store, &row, NOW);
    if (err && err != MTS_ERR_STORE_FULL) return 2;
    full += err == MTS_ERR_STORE_FULL;
    count += !err;
  }
  mts_store_close(&store);
  if (full < 20 || count < 10) return 3;
  return counted(t) == count && tools_is_sound(t->path) ? 0 : 4; /* what failed was not counted */
}

static void run_full(struct tools *t, int (*full)(struct tools *t)) {
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) _exit(full(t));
  int status = 0;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  if (WIFEXITED(status) && WEXITSTATUS(status) == NO_TMPFS) {
    print_message("NOT TESTED: no tmpfs can be mounted here, the full disk is not tested\n");
    skip();
  }
  assert_int_equal(status, 0);
}

static void a_full_disk_is_an_error_and_harms_nothing(void **state) { run_full(*state, fill); }

static void a_full_disk_loses_no_count_that_was_said(void **state) { run_full(*state, fill_with_sessions); }

/* ---- a lock held too long ---- */

static void a_lock_held_by_another_is_busy_after_two_seconds(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  sqlite3 *db = NULL;
  tools_put(store, "a.example", 1);
  assert_int_equal(sqlite3_open(t->path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
  int64_t begin = mts_clock_mono_ms(&mts_clock_real);
  assert_int_equal(tools_try_put(store, "b.example", 2), MTS_ERR_STORE_BUSY);
  assert_in_range(mts_clock_mono_ms(&mts_clock_real) - begin, 1500, 6000);
  assert_true(tools_has(store, "a.example", 1)); /* who reads does not wait */
  assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_close(db), SQLITE_OK);
  tools_put(store, "b.example", 2);
  mts_store_close(&store);
}

/* ---- fork ---- */

/* Does another process hold a lock on the file? */
static bool is_locked(const char *path) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  int fd = open(path, O_RDWR | O_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(fcntl(fd, F_GETLK, &lock), 0);
  close(fd);
  return lock.l_type != F_UNLCK;
}

static void forget_in_a_child_changes_nothing_for_the_parent(void **state) {
  struct tools *t = *state;
  char wal[96];
  snprintf(wal, sizeof wal, "%s-wal", t->path);
  struct mts_store *store = tools_open(t);
  for (int how = 0; how < 2; how++) { /* forget, and close, which must see that it is a child */
    tools_put(store, "parent.example", 1);
    uint64_t file = tools_hash(wal);
    assert_true(file != 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
      if (how)
        mts_store_close(&store);
      else
        mts_store_forget(&store);
      _exit(store != NULL || !is_locked(t->path)); /* the parent's lock is there */
    }
    int status = 1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(tools_hash(wal) == file); /* no checkpoint, not cut */
    assert_true(tools_has(store, "parent.example", 1));
    tools_put(store, "parent.example", 2);
    assert_true(tools_has(store, "parent.example", 2));
  }
  mts_store_close(&store);
  assert_true(tools_is_sound(t->path));
}

/* Opens before it forks; its child uses the store (after forget, or as it is) and outlives it. */
static int parent_of_user(struct tools *t, bool forget, int ready, int go) {
  struct mts_store *store = NULL;
  char byte;
  if (mts_store_open(t->path, &t->clock, t->log, &store) || tools_try_put(store, "parent.example", 1)) return 1;
  pid_t pid = fork();
  if (pid != 0) return pid < 0; /* gone, with its locks */
  if (forget) {
    mts_store_forget(&store);
    if (mts_store_open(t->path, &t->clock, t->log, &store)) _exit(1);
  }
  if (!tools_has(store, "parent.example", 1) || tools_try_put(store, "child.example", 2)) _exit(2);
  if (write(ready, "r", 1) != 1 || read(go, &byte, 1) != 1) _exit(3);
  if (!tools_has(store, "other.example", 3) || tools_try_put(store, "child.example", 4)) _exit(4);
  mts_store_close(&store);
  _exit(write(ready, "d", 1) != 1);
}

static void a_child_has_locks_of_its_own(void **state) {
  struct tools *t = *state;
  for (int forget = 0; forget < 2; forget++) {
    int ready[2], go[2], status = 1;
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
      close(ready[0]);
      close(go[1]); /* so that nobody waits for a test that has ended */
      _exit(parent_of_user(t, forget, ready[1], go[0]));
    }
    close(go[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_true(is_locked(t->path)); /* the child's: its parent is gone */
    struct mts_store *store = tools_open(t);
    tools_put(store, "other.example", 3);
    mts_store_close(&store); /* not the last: the child is there */
    assert_int_equal(write(go[1], "g", 1), 1);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'd');
    store = tools_open(t);
    assert_true(tools_has(store, "child.example", 4));
    mts_store_close(&store);
    assert_true(tools_is_sound(t->path));
    close(ready[0]);
    close(go[1]);
  }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tools_setup, tools_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(of_32_processes_exactly_one_gets_the_lease),
      TEST(of_32_writers_nothing_is_lost),
      TEST(of_32_processes_that_count_at_once_each_session_counts_once),
      TEST(a_session_that_was_said_to_be_counted_survives_kill_9),
      TEST(what_was_committed_survives_kill_9),
      TEST(a_full_disk_is_an_error_and_harms_nothing),
      TEST(a_full_disk_loses_no_count_that_was_said),
      TEST(a_lock_held_by_another_is_busy_after_two_seconds),
      TEST(forget_in_a_child_changes_nothing_for_the_parent),
      TEST(a_child_has_locks_of_its_own),
  };
  return cmocka_run_group_tests_name("the store and many processes", tests, NULL, NULL);
}
