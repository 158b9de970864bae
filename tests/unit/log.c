/* SPDX-License-Identifier: ISC
 * The log never blocks, never kills, never breaks a line; and does not repeat itself. */
#include "base/log.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools.h"

struct heard {
  int lines;
  enum mts_log_level level;
  char last[8192];
};

static void hear(void *arg, enum mts_log_level level, const char *line) {
  struct heard *heard = arg;
  heard->lines++;
  heard->level = level;
  snprintf(heard->last, sizeof heard->last, "%s", line);
}

static int64_t told_ms;
static int64_t tell_ms(void *arg) {
  (void)arg;
  return told_ms;
}
static const struct mts_clock told_clock = {tell_ms, tell_ms, NULL};

static struct mts_log *open_log(enum mts_log_to to, enum mts_log_level level, struct heard *heard) {
  struct mts_log *log = NULL;
  assert_int_equal(mts_log_new(to, level, &told_clock, &log), MTS_OK);
  if (heard) mts_log_redirect(log, hear, heard);
  return log;
}

static void a_line_names_level_and_domain(void **s) {
  (void)s;
  struct heard heard = {0};
  struct mts_log *log = open_log(MTS_LOG_TO_STDERR, MTS_LOG_DEBUG, &heard);
  mts_log_write(log, MTS_LOG_WARNING, "a.test", "%d hosts", 3);
  assert_string_equal(heard.last, "mtasts: warning: a.test: 3 hosts");
  mts_log_write(log, MTS_LOG_ERROR, NULL, "no store");
  assert_string_equal(heard.last, "mtasts: error: no store");
  assert_int_equal(heard.level, MTS_LOG_ERROR);
  mts_log_write(log, MTS_LOG_INFO, "", "x");
  assert_string_equal(heard.last, "mtasts: info: x");
  mts_log_free(&log);
  assert_null(log);
}

static void only_levels_asked_for_are_written(void **s) {
  (void)s;
  for (int level = MTS_LOG_ERROR; level <= MTS_LOG_DEBUG; level++) {
    struct heard heard = {0};
    struct mts_log *log = open_log(MTS_LOG_TO_STDERR, (enum mts_log_level)level, &heard);
    for (int l = MTS_LOG_ERROR; l <= MTS_LOG_DEBUG; l++) {
      mts_log_write(log, (enum mts_log_level)l, NULL, "x");
      assert_int_equal(mts_log_wants(log, (enum mts_log_level)l), l <= level);
    }
    assert_int_equal(heard.lines, level + 1);
    mts_log_free(&log);
  }
}

static void without_a_log_or_with_none_nothing_happens(void **s) {
  (void)s;
  mts_log_write(NULL, MTS_LOG_ERROR, NULL, "x");
  mts_log_seldom(NULL, MTS_LOG_ERROR, "k", NULL, "x");
  assert_false(mts_log_wants(NULL, MTS_LOG_ERROR));
  struct mts_log *log = open_log(MTS_LOG_TO_NONE, MTS_LOG_DEBUG, NULL);
  assert_false(mts_log_wants(log, MTS_LOG_ERROR));
  mts_log_free(&log);
}

static void control_characters_cannot_forge_a_line(void **s) {
  (void)s;
  struct heard heard = {0};
  struct mts_log *log = open_log(MTS_LOG_TO_STDERR, MTS_LOG_INFO, &heard);
  mts_log_write(log, MTS_LOG_INFO, "a.test\nmtasts: error: b", "x\r\ny\x1b[2Jz\xc3\xb1");
  assert_string_equal(heard.last, "mtasts: info: a.test\\x0amtasts: error: b: x\\x0d\\x0ay\\x1b[2Jz\\xc3\\xb1");
  mts_log_free(&log);
}

static void json_is_escaped_and_has_the_time(void **s) {
  (void)s;
  struct heard heard = {0};
  struct mts_log *log = open_log(MTS_LOG_TO_JSON, MTS_LOG_INFO, &heard);
  told_ms = 1767225600007;
  mts_log_write(log, MTS_LOG_INFO, "a\"b", "say \"hi\\\" \n\x01");
  assert_string_equal(heard.last,
                      "{\"time\":\"2026-01-01T00:00:00.007Z\",\"level\":\"info\",\"domain\":\"a\\\"b\","
                      "\"message\":\"say \\\"hi\\\\\\\" \\\\x0a\\\\x01\"}");
  mts_log_write(log, MTS_LOG_ERROR, NULL, "%s", "");
  assert_string_equal(heard.last, "{\"time\":\"2026-01-01T00:00:00.007Z\",\"level\":\"error\",\"message\":\"\"}");
  told_ms = -1;
  mts_log_write(log, MTS_LOG_ERROR, NULL, "x");
  assert_non_null(strstr(heard.last, "\"1969-12-31T23:59:59.999Z\""));
  told_ms = 0;
  mts_log_free(&log);
}

static void the_longest_line_fits_a_pipe_and_json_stays_whole(void **s) {
  (void)s;
  static const enum mts_log_to kinds[] = {MTS_LOG_TO_STDERR, MTS_LOG_TO_SYSLOG, MTS_LOG_TO_JSON};
  static const char fills[] = {'a', '"', '\\', '\n'};
  char text[5000];
  for (size_t k = 0; k < COUNT(kinds); k++) {
    for (size_t f = 0; f < COUNT(fills); f++) {
      struct heard heard = {0};
      struct mts_log *log = open_log(kinds[k], MTS_LOG_INFO, &heard);
      memset(text, fills[f], sizeof text);
      text[sizeof text - 1] = '\0';
      mts_log_write(log, MTS_LOG_INFO, text, "%s", text);
      assert_true(strlen(heard.last) > 1000 && strlen(heard.last) < 4096);
      if (kinds[k] == MTS_LOG_TO_JSON) assert_string_equal(heard.last + strlen(heard.last) - 2, "\"}");
      mts_log_free(&log);
    }
  }
}

static void the_same_key_is_heard_once_a_minute_with_what_was_held_back(void **s) {
  (void)s;
  struct heard heard = {0};
  struct mts_log *log = open_log(MTS_LOG_TO_STDERR, MTS_LOG_INFO, &heard);
  told_ms = 5000;
  for (int i = 0; i < 4; i++) mts_log_seldom(log, MTS_LOG_ERROR, "store", NULL, "full %d", i);
  assert_int_equal(heard.lines, 1);
  assert_string_equal(heard.last, "mtasts: error: full 0");
  mts_log_seldom(log, MTS_LOG_ERROR, "dns", NULL, "another key");
  assert_int_equal(heard.lines, 2);
  told_ms += 59999;
  mts_log_seldom(log, MTS_LOG_ERROR, "store", NULL, "full 4");
  assert_int_equal(heard.lines, 2);
  told_ms += 1;
  mts_log_seldom(log, MTS_LOG_ERROR, "store", NULL, "full 5");
  assert_string_equal(heard.last, "mtasts: error: full 5 (4 more held back)");
  told_ms += 60000;
  mts_log_seldom(log, MTS_LOG_ERROR, "store", NULL, "full 6");
  assert_string_equal(heard.last, "mtasts: error: full 6");
  mts_log_seldom(log, MTS_LOG_DEBUG, "unasked", NULL, "x");
  assert_int_equal(heard.lines, 4);
  mts_log_free(&log);
}

static void many_keys_never_silence_a_new_one(void **s) {
  (void)s;
  static char keys[200][8];
  struct heard heard = {0};
  struct mts_log *log = open_log(MTS_LOG_TO_STDERR, MTS_LOG_INFO, &heard);
  for (int i = 0; i < 200; i++) {
    snprintf(keys[i], sizeof keys[i], "k%d", i);
    told_ms++;
    mts_log_seldom(log, MTS_LOG_ERROR, keys[i], NULL, "x");
    mts_log_seldom(log, MTS_LOG_ERROR, keys[i], NULL, "x");
    assert_int_equal(heard.lines, i + 1);
  }
  /* The last of them are still known; those longest silent gave way. */
  for (int i = 199; i > 150; i--) mts_log_seldom(log, MTS_LOG_ERROR, keys[i], NULL, "x");
  assert_int_equal(heard.lines, 200);
  mts_log_seldom(log, MTS_LOG_ERROR, keys[5], NULL, "x");
  assert_int_equal(heard.lines, 201);
  mts_log_free(&log);
}

static void a_long_message_still_says_how_many_were_held_back(void **s) {
  (void)s;
  struct heard heard = {0};
  struct mts_log *log = open_log(MTS_LOG_TO_STDERR, MTS_LOG_INFO, &heard);
  for (int i = 0; i < 3; i++) {
    mts_log_seldom(log, MTS_LOG_ERROR, "k", NULL, "%02000d", i);
    if (i == 1) told_ms += 60000;
  }
  assert_non_null(strstr(heard.last, "(1 more held back)"));
  mts_log_free(&log);
}

/* ---- stderr as it may be: each in a process of its own, which must come to its end ---- */

#define WRITES 300

static void say_much(enum mts_log_to to) {
  struct mts_log *log = NULL;
  if (mts_log_new(to, MTS_LOG_DEBUG, NULL, &log)) _exit(3);
  char text[900];
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = '\0';
  for (int i = 0; i < WRITES; i++) mts_log_write(log, MTS_LOG_ERROR, "a.test", "%s", text);
  mts_log_free(&log);
}

/* fd becomes stderr of a child that says much; it must end by itself within seconds. */
static void child_ends_well(int fd, const int *shut, size_t shut_count) {
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    signal(SIGPIPE, SIG_DFL);
    for (size_t i = 0; i < shut_count; i++) close(shut[i]);
    if (fd >= 0)
      dup2(fd, STDERR_FILENO);
    else
      close(STDERR_FILENO);
    alarm(20);
    say_much(MTS_LOG_TO_STDERR);
    say_much(MTS_LOG_TO_JSON);
    sigset_t left;
    _exit(sigpending(&left) == 0 && !sigismember(&left, SIGPIPE) ? 0 : 4);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) fail_msg("killed by signal %d", WTERMSIG(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_closed_stderr_is_survived(void **s) {
  (void)s;
  child_ends_well(-1, NULL, 0);
}

static void a_pipe_nobody_reads_never_blocks(void **s) {
  (void)s;
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  child_ends_well(ends[1], NULL, 0);
  close(ends[1]);
  char bytes[65536];
  size_t lines = 0;
  for (ssize_t n; (n = read(ends[0], bytes, sizeof bytes)) > 0;)
    for (ssize_t i = 0; i < n; i++) lines += bytes[i] == '\n';
  assert_true(lines >= 30 && lines < 2 * WRITES); /* what fitted was written, the rest is lost */
  close(ends[0]);
}

static void a_pipe_without_a_reader_never_kills(void **s) {
  (void)s;
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  close(ends[0]);
  child_ends_well(ends[1], NULL, 0);
  close(ends[1]);
}

static void a_socket_nobody_reads_never_blocks_nor_kills(void **s) {
  (void)s;
  int ends[2];
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  child_ends_well(ends[1], NULL, 0);
  char byte[8];
  assert_int_equal(recv(ends[0], byte, 8, MSG_DONTWAIT), 8);
  assert_memory_equal(byte, "mtasts: ", 8);
  child_ends_well(ends[1], ends, 1);
  close(ends[0]);
  child_ends_well(ends[1], NULL, 0);
  close(ends[1]);
}

static void a_sigpipe_of_the_host_is_not_swallowed(void **s) {
  (void)s;
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    int ends[2];
    sigset_t set;
    if (pipe(ends) != 0) _exit(3);
    close(ends[0]);
    dup2(ends[1], STDERR_FILENO);
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGPIPE); /* pending from now on */
    say_much(MTS_LOG_TO_STDERR);
    sigpending(&set);
    _exit(sigismember(&set, SIGPIPE) ? 0 : 4);
  }
  int status = 0;
  waitpid(child, &status, 0);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

/* Where stderr is closed, the next file opened gets its number. */
static void a_file_in_the_place_of_a_closed_stderr_stays_clean(void **s) {
  (void)s;
  char path[] = "/tmp/mtasts-test-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    struct mts_log *log = NULL;
    close(STDERR_FILENO);
    if (mts_log_new(MTS_LOG_TO_STDERR, MTS_LOG_DEBUG, NULL, &log)) _exit(3);
    if (open(path, O_WRONLY) != STDERR_FILENO) _exit(5);
    mts_log_write(log, MTS_LOG_ERROR, NULL, "not in there");
    mts_log_free(&log);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  assert_int_equal(fgetc(file), EOF);
  fclose(file);
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_line_names_level_and_domain),
      cmocka_unit_test(only_levels_asked_for_are_written),
      cmocka_unit_test(without_a_log_or_with_none_nothing_happens),
      cmocka_unit_test(control_characters_cannot_forge_a_line),
      cmocka_unit_test(json_is_escaped_and_has_the_time),
      cmocka_unit_test(the_longest_line_fits_a_pipe_and_json_stays_whole),
      cmocka_unit_test(the_same_key_is_heard_once_a_minute_with_what_was_held_back),
      cmocka_unit_test(many_keys_never_silence_a_new_one),
      cmocka_unit_test(a_long_message_still_says_how_many_were_held_back),
      cmocka_unit_test(a_closed_stderr_is_survived),
      cmocka_unit_test(a_pipe_nobody_reads_never_blocks),
      cmocka_unit_test(a_pipe_without_a_reader_never_kills),
      cmocka_unit_test(a_socket_nobody_reads_never_blocks_nor_kills),
      cmocka_unit_test(a_sigpipe_of_the_host_is_not_swallowed),
      cmocka_unit_test(a_file_in_the_place_of_a_closed_stderr_stays_clean),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
