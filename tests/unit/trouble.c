/* SPDX-License-Identifier: ISC
 * Trouble with the store, alarms, forks: mail goes on, and the log says so once. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resolve/cache.h"
#include "store_folder.h"

struct heard {
  unsigned lines, errors, warnings;
  char last_error[1200], last_warning[1200];
};

static void hear(void *arg, enum mts_log_level level, const char *line) {
  struct heard *heard = arg;
  heard->lines++;
  if (level == MTS_LOG_ERROR) {
    heard->errors++;
    snprintf(heard->last_error, sizeof heard->last_error, "%s", line);
  } else if (level == MTS_LOG_WARNING) {
    heard->warnings++;
    snprintf(heard->last_warning, sizeof heard->last_warning, "%s", line);
  }
}

static void open_with_store(struct told *told, struct heard *heard, const char *path) {
  told_open(told, (const char *[]){"store", path, "log", "stderr", "memory_s", "0", NULL});
  mts_log_redirect(told->m->log, hear, heard);
}

static void look_twice(struct told *told) {
  for (int i = 0; i < 2; i++) {
    struct mts_answer *answer = ask_policy(told, "a.test");
    assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
    assert_int_equal(answer->action, MTS_ACTION_REQUIRE);
    mts_answer_free(&answer);
  }
}

static void a_store_that_cannot_be_opened_is_said_once_and_mail_goes_on(void **state) {
  (void)state;
  struct told told;
  struct heard heard = {0};
  open_with_store(&told, &heard, "/nonexistent/folder/mtasts.db");
  tell_a_test(&told);
  look_twice(&told);
  assert_int_equal(heard.errors, 1);
  assert_non_null(strstr(heard.last_error, "/nonexistent/folder"));
  assert_int_equal(get_count(&told), 1); /* memory helps */
  told_close(&told);
}

static void a_damaged_store_is_left_alone_and_mail_goes_on(void **state) {
  (void)state;
  struct told told;
  struct heard heard = {0};
  char garbage[8192], after[8192];
  memset(garbage, 'x', sizeof garbage);
  int fd = open(store_path, O_CREAT | O_EXCL | O_WRONLY, 0600);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, garbage, sizeof garbage), sizeof garbage);
  close(fd);
  open_with_store(&told, &heard, store_path);
  tell_a_test(&told);
  look_twice(&told);
  assert_int_equal(heard.errors, 1);
  told_close(&told);
  fd = open(store_path, O_RDONLY);
  assert_int_equal(read(fd, after, sizeof after), sizeof after);
  close(fd);
  assert_memory_equal(garbage, after, sizeof garbage);
}

static void what_one_context_learned_the_next_knows(void **state) {
  (void)state;
  struct told told;
  struct heard heard = {0};
  open_with_store(&told, &heard, store_path);
  tell_a_test(&told);
  look_twice(&told);
  mts_free(&told.m);
  told.m = told_context(&told, (const char *[]){"store", store_path, NULL});
  struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_POLICY, MTS_CHECK_DUE);
  assert_int_equal(answer->from, MTS_FROM_STORE);
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
  assert_int_equal(get_count(&told), 1);
  mts_answer_free(&answer);
  told_close(&told);
  assert_int_equal(heard.errors, 0);
}

static void ignore(void *arg, enum mts_err err, struct mts_answer *answer) {
  (void)err;
  ++*(unsigned *)arg;
  mts_answer_free(&answer);
}

/* Another context answers while ours waits for the lease that it holds. */
static void a_process_that_holds_the_lease_is_waited_for_and_its_answer_taken(void **state) {
  (void)state;
  struct told told;
  struct heard heard = {0};
  unsigned answers = 0;
  open_with_store(&told, &heard, store_path);
  tell_a_test(&told);
  struct mts *other = told_context(&told, (const char *[]){"store", store_path, NULL});
  assert_true(cache_lease(other, "a.test", "another process", 5000));
  struct mts_lookup *lookup = NULL;
  assert_int_equal(mts_lookup_start(told.m, "a.test", NULL, ignore, &answers, &lookup), MTS_OK);
  for (int i = 0; i < 5; i++) mts_turn(told.m, -1);
  assert_int_equal(answers, 0);
  struct mts_entry entry = {.domain = "a.test", .id = "77"};
  assert_int_equal(mts_policy_new(MTS_MODE_TESTING, 600, (const char *[]){"mx.a.test"}, 1, &entry.policy), MTS_OK);
  entry.fetched_at = entry.checked_at = mts_now(told.m);
  entry.expires_at = entry.fetched_at + 600;
  entry.check_at = entry.refresh_at = entry.fetched_at + 60;
  cache_put(other, &entry);
  mts_entry_clear(&entry);
  cache_unlease(other, "a.test", "another process");
  while (answers == 0) assert_true(mts_turn(told.m, -1));
  struct mts_answer *answer = ask_policy(&told, "a.test");
  assert_string_equal(answer->id, "77");
  assert_int_equal(txt_count(&told), 0);
  mts_answer_free(&answer);
  mts_free(&other);
  told_close(&told);
}

/* The other's TXT answer came before ours began to wait, its policy after. */
static void an_answer_whose_record_was_read_before_we_waited_counts_too(void **state) {
  (void)state;
  struct told told;
  struct heard heard = {0};
  unsigned answers = 0;
  open_with_store(&told, &heard, store_path);
  tell_a_test(&told);
  struct mts *other = told_context(&told, (const char *[]){"store", store_path, NULL});
  assert_true(cache_lease(other, "a.test", "another process", 5000));
  struct mts_entry entry = {.domain = "a.test", .id = "78"};
  assert_int_equal(mts_policy_new(MTS_MODE_TESTING, 600, (const char *[]){"mx.a.test"}, 1, &entry.policy), MTS_OK);
  entry.checked_at = mts_now(told.m);
  pass_s(&told, 3);
  struct mts_lookup *lookup = NULL;
  assert_int_equal(mts_lookup_start(told.m, "a.test", NULL, ignore, &answers, &lookup), MTS_OK);
  for (int i = 0; i < 3; i++) mts_turn(told.m, -1);
  entry.fetched_at = mts_now(told.m);
  entry.expires_at = entry.fetched_at + 600;
  entry.check_at = entry.refresh_at = entry.fetched_at + 60;
  cache_put(other, &entry);
  mts_entry_clear(&entry);
  cache_unlease(other, "a.test", "another process");
  while (answers == 0) assert_true(mts_turn(told.m, -1));
  assert_int_equal(txt_count(&told), 0);
  mts_free(&other);
  told_close(&told);
}

static void the_lease_of_a_process_that_died_is_taken_over_in_time_for_the_mail(void **state) {
  (void)state;
  struct told told;
  struct heard heard = {0};
  open_with_store(&told, &heard, store_path);
  tell_a_test(&told);
  assert_true(cache_lease(told.m, "a.test", "a process that is no more", 5000));
  int64_t before = mts_now(told.m);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
  assert_in_range(mts_now(told.m) - before, 4, 6);
  assert_int_equal(txt_count(&told), 1);
  mts_answer_free(&answer);
  told_close(&told);
}

static void a_temporary_dns_failure_is_a_warning_once_a_minute(void **state) {
  (void)state;
  struct told told;
  struct heard heard = {0};
  told_open(&told, (const char *[]){"log", "stderr", NULL});
  mts_log_redirect(told.m->log, hear, &heard);
  tell_dns_error(&told, "_mta-sts.a.test", MTS_RR_TXT, MTS_ERR_DNS_SERVFAIL);
  tell_dns_error(&told, "_mta-sts.b.test", MTS_RR_TXT, MTS_ERR_DNS_SERVFAIL);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  answer = ask_policy(&told, "b.test");
  mts_answer_free(&answer);
  assert_int_equal(heard.warnings, 1);
  assert_non_null(strstr(heard.last_warning, "a.test: dns-servfail"));
  pass_s(&told, 61);
  answer = ask_policy(&told, "b.test");
  mts_answer_free(&answer);
  assert_int_equal(heard.warnings, 2);
  assert_non_null(strstr(heard.last_warning, "1 more held back"));
  told_close(&told);
}

struct alarms {
  unsigned count;
  char domain[MTS_NAME_SIZE];
  enum mts_err err;
};

static void raise_alarm(void *arg, const char *domain, int64_t expires_at, int64_t failing_since, const struct mts_failure *last) {
  struct alarms *alarms = arg;
  assert_true(expires_at > failing_since);
  alarms->count++;
  alarms->err = last->err;
  snprintf(alarms->domain, sizeof alarms->domain, "%s", domain);
}

static void keep_failing(struct told *told, int days) {
  for (int hour = 0; hour < days * 24; hour++) {
    pass_s(told, 3600);
    struct mts_answer *answer = ask_policy(told, "a.test");
    mts_answer_free(&answer);
  }
}

static void refreshes_that_keep_failing_raise_the_alarm_days_before_the_policy_ends(void **state) {
  (void)state;
  struct told told;
  struct heard heard = {0};
  struct alarms alarms = {0};
  open_with_store(&told, &heard, store_path);
  mts_set_hooks(told.m, NULL, raise_alarm, &alarms);
  tell_a_test(&told);
  look_twice(&told);
  tell_fetch_error(&told, "mta-sts.a.test", MTS_ERR_HTTPS_CERT_EXPIRED);
  keep_failing(&told, 4);
  assert_in_range(alarms.count, 1, 3);
  assert_string_equal(alarms.domain, "a.test");
  assert_int_equal(alarms.err, MTS_ERR_HTTPS_CERT_EXPIRED);
  assert_true(heard.warnings >= 1);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
  mts_answer_free(&answer);
  told_close(&told);
}

static void there_is_no_alarm_for_mode_none(void **state) {
  (void)state;
  struct told told;
  struct heard heard = {0};
  struct alarms alarms = {0};
  open_with_store(&told, &heard, store_path);
  mts_set_hooks(told.m, NULL, raise_alarm, &alarms);
  tell_a_test(&told);
  tell_policy(&told, "mta-sts.a.test", "version: STSv1\nmode: none\nmax_age: 604800\n");
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  tell_fetch_error(&told, "mta-sts.a.test", MTS_ERR_HTTPS_CONNECT);
  keep_failing(&told, 4);
  assert_int_equal(alarms.count, 0);
  assert_int_equal(heard.warnings, 0);
  told_close(&told);
}

static void what_is_due_is_refreshed_without_anybody_asking(void **state) {
  (void)state;
  struct told told;
  struct heard heard = {0};
  size_t started = 0;
  open_with_store(&told, &heard, store_path);
  tell_a_test(&told);
  look_twice(&told);
  assert_int_equal(mts_refresh_due(told.m, 0, &started), MTS_OK);
  assert_int_equal(started, 0);
  pass_s(&told, DAY_S + 1);
  assert_int_equal(mts_refresh_due(told.m, 0, &started), MTS_OK);
  assert_int_equal(started, 1);
  run_out(&told);
  assert_int_equal(get_count(&told), 2);
  told_close(&told);
}

/* Anybody can name a domain that does not exist as a recipient; each leaves a row. */
static void what_is_long_over_leaves_the_store_once_a_day(void **state) {
  (void)state;
  struct told told;
  struct heard heard = {0};
  struct mts_store_stats stats;
  open_with_store(&told, &heard, store_path);
  tell_a_test(&told);
  look_twice(&told);
  tell_dns_error(&told, "_mta-sts.nobody.test", MTS_RR_TXT, MTS_ERR_DNS_NXDOMAIN);
  struct mts_answer *answer = ask_policy(&told, "nobody.test");
  mts_answer_free(&answer);
  assert_int_equal(mts_refresh_due(told.m, 0, NULL), MTS_OK);
  assert_int_equal(mts_store_stats(told.m->store, mts_now(told.m), &stats), MTS_OK);
  assert_int_equal(stats.domains, 2);
  pass_s(&told, 40 * DAY_S);
  assert_int_equal(mts_refresh_due(told.m, 0, NULL), MTS_OK);
  assert_int_equal(mts_store_stats(told.m->store, mts_now(told.m), &stats), MTS_OK);
  assert_int_equal(stats.domains, 0);
  told_close(&told);
}

static void a_forked_child_starts_afresh_and_leaves_the_parents_lookups_alone(void **state) {
  (void)state;
  struct told told;
  struct heard heard = {0};
  unsigned answers = 0;
  open_with_store(&told, &heard, store_path);
  tell_a_test(&told);
  struct mts_lookup *lookup = NULL;
  assert_int_equal(mts_lookup_start(told.m, "a.test", NULL, ignore, &answers, &lookup), MTS_OK);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    struct mts_answer *answer = NULL;
    bool fine = mts_lookup(told.m, "other.test", NULL, &answer) == MTS_OK && answer->action == MTS_ACTION_DELIVER && answers == 0;
    mts_answer_free(&answer);
    mts_free(&told.m);
    _exit(fine ? 0 : 1);
  }
  int status = 1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  run_out(&told);
  assert_int_equal(answers, 1);
  assert_int_equal(get_count(&told), 1);
  told_close(&told);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_store_that_cannot_be_opened_is_said_once_and_mail_goes_on),
      WITH_FOLDER(a_damaged_store_is_left_alone_and_mail_goes_on),
      WITH_FOLDER(what_one_context_learned_the_next_knows),
      WITH_FOLDER(a_process_that_holds_the_lease_is_waited_for_and_its_answer_taken),
      WITH_FOLDER(an_answer_whose_record_was_read_before_we_waited_counts_too),
      WITH_FOLDER(the_lease_of_a_process_that_died_is_taken_over_in_time_for_the_mail),
      cmocka_unit_test(a_temporary_dns_failure_is_a_warning_once_a_minute),
      WITH_FOLDER(refreshes_that_keep_failing_raise_the_alarm_days_before_the_policy_ends),
      WITH_FOLDER(there_is_no_alarm_for_mode_none),
      WITH_FOLDER(what_is_due_is_refreshed_without_anybody_asking),
      WITH_FOLDER(what_is_long_over_leaves_the_store_once_a_day),
      WITH_FOLDER(a_forked_child_starts_afresh_and_leaves_the_parents_lookups_alone),
  };
  return cmocka_run_group_tests_name("trouble", tests, NULL, NULL);
}
