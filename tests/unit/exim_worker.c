/* SPDX-License-Identifier: ISC
 * Work in a process of its own: whatever happens there, the caller's process stays as it was. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "resolve/context.h"
#include "worker.h"

static struct mts *m;
static int told[2]; /* a pipe of the caller's */

static struct worker_reply run(worker_fn work, void *arg, uint32_t answer_ms, uint32_t life_ms, enum worker_end expected) {
  const struct worker_terms terms = {.m = m, .answer_ms = answer_ms, .life_ms = life_ms};
  struct worker_reply reply = {0};
  assert_int_equal(worker_run(work, arg, &terms, &reply), expected);
  errno = 0;
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* there is no child that somebody else could meet */
  assert_int_equal(errno, ECHILD);
  return reply;
}

static void answer(struct worker *worker, void *arg) { worker_answer(worker, 4711, arg, strlen(arg)); }
static void answer_nothing(struct worker *worker, void *arg) {
  (void)arg;
  worker_answer(worker, 0, "", 0);
}

static void an_answer_comes_whole(void **state) {
  (void)state;
  struct worker_reply reply = run(answer, (char[]){"mode=none"}, 5000, 5000, WORKER_ANSWERED);
  assert_int_equal(reply.code, 4711);
  assert_string_equal(reply.text, "mode=none");
  free(reply.text);
  reply = run(answer_nothing, NULL, 5000, 5000, WORKER_ANSWERED);
  assert_int_equal(reply.n, 0);
  free(reply.text);
  char *large = calloc(1, WORKER_TEXT_MAX + 1);
  memset(large, 'x', WORKER_TEXT_MAX);
  reply = run(answer, large, 5000, 5000, WORKER_ANSWERED);
  assert_int_equal(reply.n, WORKER_TEXT_MAX);
  assert_string_equal(reply.text, large);
  free(reply.text);
  free(large);
}

static void crash(struct worker *worker, void *arg) {
  (void)worker;
  (void)arg;
  raise(SIGSEGV);
}
static void leave(struct worker *worker, void *arg) {
  (void)worker;
  (void)arg;
}
static void hang(struct worker *worker, void *arg) {
  (void)worker;
  (void)arg;
  for (;;) pause();
}
static void answer_in_part(struct worker *worker, void *arg) {
  (void)arg;
  int pipe;
  memcpy(&pipe, worker, sizeof pipe); /* its only member */
  assert_int_equal(write(pipe, "\0\0\0\0\377", 5), 5);
}

static void a_crash_silence_and_a_part_of_an_answer_are_told(void **state) {
  (void)state;
  run(crash, NULL, 5000, 5000, WORKER_DIED);
  run(leave, NULL, 5000, 5000, WORKER_DIED);
  run(answer_in_part, NULL, 5000, 5000, WORKER_DIED);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void one_that_hangs_is_left_in_time_and_ended(void **state) {
  (void)state;
  double from = seconds();
  run(hang, NULL, 200, 60000, WORKER_LATE);
  assert_true(seconds() - from < 3);
}

static void tell_and_hang(struct worker *worker, void *arg) {
  (void)worker;
  (void)arg;
  assert_int_equal(prctl(PR_SET_NAME, "told-to-hang"), 0);
  for (;;) pause();
}

static bool is_running(const char *name) {
  DIR *all = opendir("/proc");
  assert_non_null(all);
  bool found = false;
  for (struct dirent *entry; !found && (entry = readdir(all)) != NULL;) {
    char path[300], text[32] = "";
    snprintf(path, sizeof path, "/proc/%.200s/comm", entry->d_name);
    FILE *file = fopen(path, "r");
    if (!file) continue;
    if (fgets(text, sizeof text, file)) found = strncmp(text, name, strlen(name)) == 0;
    fclose(file);
  }
  closedir(all);
  return found;
}

static void one_that_nobody_waits_for_any_more_ends_by_itself(void **state) {
  (void)state;
  run(tell_and_hang, NULL, 300, 60000, WORKER_LATE);
  assert_true(is_running("told-to-hang"));
  double from = seconds();
  while (is_running("told-to-hang") && seconds() - from < 10) usleep(10000);
  assert_true(seconds() - from < 5);
}

static void answer_and_stay(struct worker *worker, void *arg) {
  (void)arg;
  worker_answer(worker, 0, "", 0);
  for (;;) pause();
}

/* Who started the mail server may wait for the end of its output. */
static void one_that_goes_on_holds_no_file_of_the_callers(void **state) {
  (void)state;
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  int kept = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  free(run(answer_and_stay, NULL, 5000, 10000, WORKER_ANSWERED).text);
  run(hang, NULL, 0, 10000, WORKER_ANSWERED);
  dup2(kept, STDERR_FILENO);
  close(kept);
  close(ends[1]);
  char byte;
  double from = seconds();
  assert_int_equal(read(ends[0], &byte, 1), 0);
  assert_true(seconds() - from < 5);
  close(ends[0]);
}

static void look_around(struct worker *worker, void *arg) {
  (void)arg;
  char text[200];
  struct sigaction action;
  sigaction(SIGTERM, NULL, &action);
  bool plain = action.sa_handler == SIG_DFL;
  sigaction(SIGCHLD, NULL, &action);
  plain = plain && action.sa_handler == SIG_DFL;
  int open_files = 0;
  for (int fd = STDERR_FILENO + 2; fd < 64; fd++) open_files += fcntl(fd, F_GETFD) >= 0;
  struct stat in, nothing;
  bool null_in = fstat(0, &in) == 0 && stat("/dev/null", &nothing) == 0 && in.st_rdev == nothing.st_rdev;
  int n = snprintf(text, sizeof text, "signals %d files %d stdin %d session %d", plain, open_files, null_in, getsid(0) == getpid());
  worker_answer(worker, 0, text, (size_t)n);
}

static void handler(int signal) { (void)signal; }

static void it_has_signals_files_and_a_session_of_its_own(void **state) {
  (void)state;
  const struct sigaction ours = {.sa_handler = handler};
  struct sigaction before;
  sigaction(SIGTERM, &ours, &before);
  struct worker_reply reply = run(look_around, NULL, 5000, 5000, WORKER_ANSWERED);
  assert_string_equal(reply.text, "signals 1 files 0 stdin 1 session 1");
  free(reply.text);
  struct sigaction after;
  sigaction(SIGTERM, &before, &after);
  assert_true(after.sa_handler == handler); /* and here nothing has changed */
}

/* Exim does so where it speaks with clients. */
static void it_works_where_sigchld_is_ignored(void **state) {
  (void)state;
  const struct sigaction ignored = {.sa_handler = SIG_IGN};
  struct sigaction before;
  sigaction(SIGCHLD, &ignored, &before);
  struct worker_reply reply = run(answer, (char[]){"well"}, 5000, 5000, WORKER_ANSWERED);
  sigaction(SIGCHLD, &before, NULL);
  assert_string_equal(reply.text, "well");
  free(reply.text);
}

static void store_user(struct worker *worker, void *arg) {
  (void)arg;
  char text[64];
  int n = snprintf(text, sizeof text, "%u %u %u", (unsigned)getuid(), (unsigned)geteuid(), (unsigned)getegid());
  worker_answer(worker, setuid(0) == 0, text, (size_t)n);
}

static void root_becomes_the_owner_of_the_stores_folder_for_good(void **state) {
  (void)state;
  if (geteuid() != 0) skip();
  char folder[] = "/tmp/mtasts-test-XXXXXX", file[64];
  assert_non_null(mkdtemp(folder));
  snprintf(file, sizeof file, "%s/mtasts.db", folder);
  assert_int_equal(chown(folder, 54321, 54322), 0);
  const struct worker_terms terms = {.m = m, .answer_ms = 5000, .life_ms = 5000, .store = file};
  struct worker_reply reply = {0};
  assert_int_equal(worker_run(store_user, NULL, &terms, &reply), WORKER_ANSWERED);
  assert_int_equal(reply.code, 0);
  assert_string_equal(reply.text, "54321 54321 54322");
  free(reply.text);
  assert_int_equal(rmdir(folder), 0);
}

static void root_becomes_nobody_where_there_is_no_store(void **state) {
  (void)state;
  const struct passwd *nobody = getpwnam("nobody");
  if (geteuid() != 0 || !nobody) skip();
  char expected[64];
  snprintf(expected, sizeof expected, "%u %u %u", nobody->pw_uid, nobody->pw_uid, nobody->pw_gid);
  static const char *const stores[] = {NULL, "/nowhere/at/all.db", "relative.db"};
  for (size_t i = 0; i < sizeof stores / sizeof *stores; i++) {
    const struct worker_terms terms = {.m = m, .answer_ms = 5000, .life_ms = 5000, .store = stores[i]};
    struct worker_reply reply = {0};
    assert_int_equal(worker_run(store_user, NULL, &terms, &reply), WORKER_ANSWERED);
    assert_string_equal(reply.text, expected);
    free(reply.text);
  }
}

static void root_reads_no_store_where_others_write(void **state) {
  (void)state;
  if (geteuid() != 0) skip();
  char folder[] = "/tmp/mtasts-test-XXXXXX", file[64], expected[64];
  assert_non_null(mkdtemp(folder));
  snprintf(file, sizeof file, "%s/mtasts.db", folder);
  assert_false(worker_leaves_root(file));
  assert_false(worker_leaves_root(NULL));
  assert_int_equal(chown(folder, 0, 54322), 0);
  assert_int_equal(chmod(folder, 0770), 0);
  assert_true(worker_leaves_root(file));
  snprintf(expected, sizeof expected, "%u %u 54322", getpwnam("nobody")->pw_uid, getpwnam("nobody")->pw_uid);
  const struct worker_terms terms = {.m = m, .answer_ms = 5000, .life_ms = 5000, .store = file};
  struct worker_reply reply = {0};
  assert_int_equal(worker_run(store_user, NULL, &terms, &reply), WORKER_ANSWERED);
  assert_string_equal(reply.text, expected);
  free(reply.text);
  assert_int_equal(chown(folder, 54321, 54322), 0);
  assert_int_equal(chmod(folder, 0700), 0);
  assert_true(worker_leaves_root(file));
  assert_int_equal(rmdir(folder), 0);
}

/* The pipe then has their numbers. */
static void it_answers_where_the_caller_has_closed_stdin_and_stdout(void **state) {
  (void)state;
  pid_t child = fork();
  if (child == 0) {
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    const struct worker_terms terms = {.m = m, .answer_ms = 5000, .life_ms = 5000};
    struct worker_reply reply = {0};
    bool good = worker_run(answer, (char[]){"well"}, &terms, &reply) == WORKER_ANSWERED && strcmp(reply.text, "well") == 0;
    _exit(good ? 0 : 1);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

static void count_down(struct worker *worker, void *arg) {
  (void)worker;
  (void)arg;
  assert_int_equal(write(told[1], "x", 1), -1); /* not even that is open there */
}

static void nothing_of_the_callers_stays_open(void **state) {
  (void)state;
  assert_int_equal(pipe(told), 0);
  run(count_down, NULL, 5000, 5000, WORKER_DIED);
  close(told[1]);
  char byte;
  assert_int_equal(read(told[0], &byte, 1), 0);
  close(told[0]);
}

/* A descriptor of the store's that is closed too late takes the number of the pipe with it: an answer would go into the file. */
static void a_store_that_the_caller_has_open_is_not_written_to(void **state) {
  (void)state;
  char folder[] = "/tmp/mtasts-test-XXXXXX", file[64];
  assert_non_null(mkdtemp(folder));
  snprintf(file, sizeof file, "%s/mtasts.db", folder);
  struct mts_settings *settings = NULL;
  struct mts *before = m;
  assert_int_equal(mts_settings_new(&settings), MTS_OK);
  assert_int_equal(mts_settings_set(settings, "store", file), MTS_OK);
  assert_int_equal(mts_new(settings, &m), MTS_OK);
  mts_settings_free(&settings);
  size_t removed;
  assert_int_equal(mts_store_flush(m, NULL, &removed), MTS_OK); /* it is open */
  for (int i = 0; i < 3; i++) free(run(answer, (char[]){"mode=none"}, 5000, 5000, WORKER_ANSWERED).text);
  char magic[16] = "";
  FILE *stream = fopen(file, "r");
  assert_non_null(stream);
  assert_int_equal(fread(magic, 1, sizeof magic, stream), sizeof magic);
  fclose(stream);
  assert_memory_equal(magic, "SQLite format 3", sizeof magic);
  assert_int_equal(mts_store_flush(m, NULL, &removed), MTS_OK);
  mts_free(&m);
  m = before;
  char path[80];
  static const char *const ends[] = {"", "-wal", "-shm"};
  for (size_t i = 0; i < 3; i++) {
    snprintf(path, sizeof path, "%s%s", file, ends[i]);
    unlink(path);
  }
  assert_int_equal(rmdir(folder), 0);
}

static int start(void **state) {
  (void)state;
  struct mts_settings *settings = NULL;
  if (mts_settings_new(&settings) || mts_settings_set(settings, "store", "none") || mts_new(settings, &m)) return 1;
  mts_settings_free(&settings);
  return 0;
}
static int end(void **state) {
  (void)state;
  mts_free(&m);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_answer_comes_whole),
      cmocka_unit_test(a_crash_silence_and_a_part_of_an_answer_are_told),
      cmocka_unit_test(one_that_hangs_is_left_in_time_and_ended),
      cmocka_unit_test(one_that_nobody_waits_for_any_more_ends_by_itself),
      cmocka_unit_test(one_that_goes_on_holds_no_file_of_the_callers),
      cmocka_unit_test(it_has_signals_files_and_a_session_of_its_own),
      cmocka_unit_test(it_works_where_sigchld_is_ignored),
      cmocka_unit_test(root_becomes_the_owner_of_the_stores_folder_for_good),
      cmocka_unit_test(root_becomes_nobody_where_there_is_no_store),
      cmocka_unit_test(root_reads_no_store_where_others_write),
      cmocka_unit_test(it_answers_where_the_caller_has_closed_stdin_and_stdout),
      cmocka_unit_test(nothing_of_the_callers_stays_open),
      cmocka_unit_test(a_store_that_the_caller_has_open_is_not_written_to),
  };
  return cmocka_run_group_tests(tests, start, end);
}
