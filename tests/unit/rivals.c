/* SPDX-License-Identifier: ISC
 * Several that share one store, and a store that takes nothing: whatever the order, no newer policy is lost to an older one. */
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "resolve/cache.h"
#include "store/internal.h"
#include "store_folder.h"

static struct mts *open_rival(struct told *told) { return told_context(told, (const char *[]){"store", store_path, NULL}); }
static void open_both(struct told *told, struct mts **other) {
  told_open(told, (const char *[]){"store", store_path, NULL});
  tell_a_test(told);
  *other = open_rival(told);
}

static void count_done(void *arg, enum mts_err err, struct mts_answer *answer) {
  assert_int_equal(err, MTS_OK);
  ++*(unsigned *)arg;
  mts_answer_free(&answer);
}

static void expect_mode(struct mts *m, enum mts_mode mode, const char *id) {
  struct mts_answer *answer = NULL;
  struct mts_lookup_opts opts = {.freshness = MTS_CACHE_ONLY};
  assert_int_equal(mts_lookup(m, "a.test", &opts, &answer), MTS_OK);
  assert_int_equal(answer->mode, mode);
  assert_string_equal(answer->id, id);
  mts_answer_free(&answer);
}

/* What a rival process writes that fetched a policy just now. */
static void rival_fetches(struct told *told, struct mts *other, const char *id) {
  struct mts_entry entry = {.domain = "a.test"};
  snprintf(entry.id, sizeof entry.id, "%s", id);
  assert_int_equal(mts_policy_new(MTS_MODE_ENFORCE, 604800, (const char *[]){"mx1.a.test"}, 1, &entry.policy), MTS_OK);
  entry.fetched_at = entry.checked_at = mts_now(told->m);
  entry.expires_at = entry.fetched_at + 604800;
  entry.check_at = entry.fetched_at + 300;
  entry.refresh_at = entry.fetched_at + DAY_S;
  cache_put(other, &entry);
  mts_entry_clear(&entry);
}

static void a_failed_fetch_does_not_undo_the_policy_that_another_process_fetched_meanwhile(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  unsigned done = 0;
  open_both(&told, &other);
  assert_int_equal(mts_fake_https(told.fake, "mta-sts.a.test", MTS_ERR_HTTPS_CONNECT, 0, NULL, mts_span_of(""), 3000), MTS_OK);
  struct mts_lookup *lookup = NULL;
  assert_int_equal(mts_lookup_start(told.m, "a.test", NULL, count_done, &done, &lookup), MTS_OK);
  while (get_count(&told) == 0) assert_true(mts_turn(told.m, -1));
  rival_fetches(&told, other, "1"); /* it took the lease over while we stood still */
  while (done == 0) assert_true(mts_turn(told.m, -1));
  expect_mode(told.m, MTS_MODE_ENFORCE, "1");
  mts_free(&told.m);
  told.m = open_rival(&told);
  expect_mode(told.m, MTS_MODE_ENFORCE, "1");
  mts_free(&other);
  told_close(&told);
}

static void an_older_policy_does_not_replace_the_one_that_another_process_fetched_later(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  unsigned done = 0;
  open_both(&told, &other);
  tell_policy(&told, "mta-sts.a.test", TESTING_MX1);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  pass_s(&told, 400);
  tell_txt(&told, "_mta-sts.a.test", "v=STSv1; id=2", 300);
  assert_int_equal(mts_fake_https(told.fake, "mta-sts.a.test", MTS_ERR_HTTPS_CONNECT, 0, NULL, mts_span_of(""), 3000), MTS_OK);
  struct mts_lookup_opts opts = {.freshness = MTS_CHECK_DUE};
  struct mts_lookup *lookup = NULL;
  assert_int_equal(mts_lookup_start(told.m, "a.test", &opts, count_done, &done, &lookup), MTS_OK);
  while (get_count(&told) == 1) assert_true(mts_turn(told.m, -1));
  rival_fetches(&told, other, "2");
  while (done == 0) assert_true(mts_turn(told.m, -1));
  expect_mode(told.m, MTS_MODE_ENFORCE, "2");
  mts_free(&other);
  told_close(&told);
}

/* The deadline comes between the other's answer and our next look at its lease. */
static void mail_that_waits_no_longer_for_another_process_takes_what_that_one_has_found(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  unsigned done = 0;
  open_both(&told, &other);
  assert_true(cache_lease(other, "a.test", "another process", 5000));
  struct mts_lookup *lookup = NULL;
  struct mts_lookup_opts opts = {.deadline_ms = 2001};
  assert_int_equal(mts_lookup_start(told.m, "a.test", &opts, count_done, &done, &lookup), MTS_OK);
  for (int64_t start = told.m->clock.mono_ms(told.m->clock.arg); told.m->clock.mono_ms(told.m->clock.arg) < start + 1800;)
    assert_true(mts_turn(told.m, -1));
  rival_fetches(&told, other, "1");
  while (done == 0) assert_true(mts_turn(told.m, -1));
  expect_mode(told.m, MTS_MODE_ENFORCE, "1");
  mts_free(&told.m);
  told.m = open_rival(&told);
  expect_mode(told.m, MTS_MODE_ENFORCE, "1");
  assert_int_equal(txt_count(&told), 0);
  mts_free(&other);
  told_close(&told);
}

static void back_off_that_another_process_noted_survives_our_deadline(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  unsigned done = 0;
  open_both(&told, &other);
  assert_true(cache_lease(other, "a.test", "another process", 5000));
  struct mts_lookup *lookup = NULL;
  struct mts_lookup_opts opts = {.deadline_ms = 2001};
  assert_int_equal(mts_lookup_start(told.m, "a.test", &opts, count_done, &done, &lookup), MTS_OK);
  mts_turn(told.m, -1);
  mts_turn(told.m, -1);
  struct mts_entry entry = {.domain = "a.test", .err = MTS_ERR_HTTPS_CONNECT, .failed_id = "1", .tries = 1};
  entry.failed_at = entry.failing_since = entry.checked_at = mts_now(told.m);
  entry.check_at = entry.failed_at; /* due again: our deadline may not make it forgotten */
  entry.retry_at = entry.failed_at + 300;
  cache_put(other, &entry);
  while (done == 0) assert_true(mts_turn(told.m, -1));
  cache_unlease(other, "a.test", "another process");
  run_out(&told);
  pass_s(&told, 60);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  assert_int_equal(txt_count(&told), 1);
  assert_int_equal(get_count(&told), 0);
  mts_answer_free(&answer);
  mts_free(&other);
  told_close(&told);
}

static void a_store_that_cannot_be_written_takes_nothing_from_memory(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  open_both(&told, &other);
  struct mts_answer *answer = ask_policy(&told, "nothing.test"); /* opens the store */
  mts_answer_free(&answer);
  assert_int_equal(sqlite3_exec(told.m->store->db, "PRAGMA query_only=1", NULL, NULL, NULL), SQLITE_OK);
  answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  pass_s(&told, 30); /* memory is no longer believed alone */
  answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
  assert_int_equal(txt_count(&told), 1);
  assert_int_equal(get_count(&told), 1);
  mts_answer_free(&answer);
  /* When it can be written again, it learns what it missed. */
  assert_int_equal(sqlite3_exec(told.m->store->db, "PRAGMA query_only=0", NULL, NULL, NULL), SQLITE_OK);
  pass_s(&told, 30);
  expect_mode(told.m, MTS_MODE_ENFORCE, "1");
  expect_mode(other, MTS_MODE_ENFORCE, "1");
  mts_free(&other);
  told_close(&told);
}

static void the_back_off_holds_though_the_store_cannot_be_written(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  open_both(&told, &other);
  struct mts_answer *answer = ask_policy(&told, "nothing.test");
  mts_answer_free(&answer);
  assert_int_equal(sqlite3_exec(told.m->store->db, "PRAGMA query_only=1", NULL, NULL, NULL), SQLITE_OK);
  tell_fetch_error(&told, "mta-sts.a.test", MTS_ERR_HTTPS_CONNECT);
  for (int i = 0; i < 10; i++) {
    answer = ask_policy(&told, "a.test");
    mts_answer_free(&answer);
    pass_s(&told, 29);
  }
  assert_int_equal(get_count(&told), 1);
  mts_free(&other);
  told_close(&told);
}

static void the_back_off_of_a_reader_survives_what_others_write(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  open_both(&told, &other);
  rival_fetches(&told, other, "1");
  expect_mode(told.m, MTS_MODE_ENFORCE, "1"); /* opens the store */
  assert_int_equal(sqlite3_exec(told.m->store->db, "PRAGMA query_only=1", NULL, NULL, NULL), SQLITE_OK);
  pass_s(&told, 400);
  tell_txt(&told, "_mta-sts.a.test", "v=STSv1; id=2", 300);
  tell_fetch_error(&told, "mta-sts.a.test", MTS_ERR_HTTPS_CONNECT);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  pass_s(&told, 30);
  struct mts_entry entry = {0};
  enum mts_from from;
  assert_int_equal(cache_get(other, "a.test", true, &entry, &from), MTS_OK);
  entry.err = MTS_ERR_DNS_SERVFAIL;
  entry.failed_at = mts_now(told.m);
  cache_put(other, &entry);
  mts_entry_clear(&entry);
  pass_s(&told, 90);
  answer = ask_policy(&told, "a.test");
  assert_int_equal(get_count(&told), 1);
  mts_answer_free(&answer);
  mts_free(&other);
  told_close(&told);
}

/* Another process fetched a newer policy; ours could not be written before that. */
static void memory_that_was_not_saved_hides_no_newer_policy(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  open_both(&told, &other);
  struct mts_answer *answer = ask_policy(&told, "nothing.test");
  mts_answer_free(&answer);
  assert_int_equal(sqlite3_exec(told.m->store->db, "PRAGMA query_only=1", NULL, NULL, NULL), SQLITE_OK);
  tell_policy(&told, "mta-sts.a.test", TESTING_MX1);
  answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->mode, MTS_MODE_TESTING);
  mts_answer_free(&answer);
  pass_s(&told, 20);
  rival_fetches(&told, other, "2");
  expect_mode(told.m, MTS_MODE_ENFORCE, "2");
  mts_free(&other);
  told_close(&told);
}

static void a_lease_from_before_the_clock_was_set_back_is_not_waited_for(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  open_both(&told, &other);
  assert_true(cache_lease(other, "a.test", "a process that is no more", 5000));
  mts_fake_set_now(told.fake, START_MS - 1800000);
  int64_t before = mts_now(told.m);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
  assert_int_equal(mts_now(told.m), before);
  mts_answer_free(&answer);
  mts_free(&other);
  told_close(&told);
}

static void what_a_wrong_clock_planned_far_ahead_is_refreshed_now(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  size_t started = 0;
  open_both(&told, &other);
  mts_fake_set_now(told.fake, START_MS + INT64_C(400) * DAY_S * 1000);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  mts_fake_set_now(told.fake, START_MS);
  assert_int_equal(mts_refresh_due(told.m, 0, &started), MTS_OK);
  assert_int_equal(started, 1);
  run_out(&told);
  assert_int_equal(mts_refresh_due(told.m, 0, &started), MTS_OK);
  assert_int_equal(started, 0);
  mts_free(&other);
  told_close(&told);
}

static void the_lease_is_renewed_while_a_fetch_takes_long_and_given_back_after(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  unsigned done = 0;
  open_both(&told, &other);
  assert_int_equal(mts_fake_https(told.fake, "mta-sts.a.test", MTS_OK, 200, "text/plain", mts_span_of(ENFORCE_MX1), 20000), MTS_OK);
  struct mts_lookup *lookup = NULL;
  assert_int_equal(mts_lookup_start(told.m, "a.test", NULL, count_done, &done, &lookup), MTS_OK);
  int64_t start = mts_now(told.m);
  while (mts_now(told.m) < start + 15) assert_true(mts_turn(told.m, -1));
  assert_false(cache_lease(other, "a.test", "a rival", 5000));
  run_out(&told);
  assert_int_equal(done, 1);
  assert_true(cache_lease(other, "a.test", "a rival", 5000));
  mts_free(&other);
  told_close(&told);
}

/* Stopped, swapped out, or busy elsewhere: its lease ran out between the TXT answer and the GET. */
static void a_process_that_stood_still_makes_no_second_get(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  unsigned done = 0;
  open_both(&told, &other);
  struct mts_span record = mts_span_of("v=STSv1; id=1");
  assert_int_equal(mts_fake_dns(told.fake, "_mta-sts.a.test", MTS_RR_TXT, MTS_OK, &record, 1, 300, MTS_DNSSEC_INSECURE, 300),
                   MTS_OK);
  struct mts_lookup *lookup = NULL;
  assert_int_equal(mts_lookup_start(told.m, "a.test", NULL, count_done, &done, &lookup), MTS_OK);
  mts_turn(told.m, 0);
  pass_s(&told, 6);
  assert_true(cache_lease(other, "a.test", "a rival", 5000));
  while (txt_count(&told) == 0 || mts_now(told.m) < START_MS / 1000 + 7) assert_true(mts_turn(told.m, -1));
  assert_int_equal(done, 0);
  assert_int_equal(get_count(&told), 0);
  rival_fetches(&told, other, "2");
  cache_unlease(other, "a.test", "a rival");
  while (done == 0) assert_true(mts_turn(told.m, -1));
  assert_int_equal(get_count(&told), 0);
  expect_mode(told.m, MTS_MODE_ENFORCE, "2");
  mts_free(&other);
  told_close(&told);
}

static void what_another_process_flushed_is_forgotten_here_within_seconds(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  open_both(&told, &other);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  assert_int_equal(mts_store_flush(other, "a.test", NULL), MTS_OK);
  pass_s(&told, 11);
  expect_mode(told.m, MTS_MODE_NONE, "");
  mts_free(&other);
  told_close(&told);
}

static void what_another_process_learned_a_moment_ago_is_not_asked_again(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  open_both(&told, &other);
  struct mts_answer *answer = ask_policy(&told, "a.test");
  mts_answer_free(&answer);
  pass_s(&told, 400);
  expect_mode(told.m, MTS_MODE_ENFORCE, "1"); /* memory is fresh, and due */
  rival_fetches(&told, other, "9");
  answer = ask_policy(&told, "a.test");
  assert_string_equal(answer->id, "9");
  assert_int_equal(txt_count(&told), 1);
  mts_answer_free(&answer);
  mts_free(&other);
  told_close(&told);
}

static void check_always_asks_though_the_store_has_an_answer(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  open_both(&told, &other);
  for (size_t i = 1; i <= 2; i++) {
    struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_POLICY, MTS_CHECK_ALWAYS);
    assert_int_equal(get_count(&told), i);
    mts_answer_free(&answer);
  }
  mts_free(&other);
  told_close(&told);
}

static void two_contexts_of_one_process_that_start_together_ask_once(void **state) {
  (void)state;
  struct told told;
  struct mts *other = NULL;
  unsigned done = 0;
  open_both(&told, &other);
  struct mts_lookup *first = NULL, *second = NULL;
  assert_int_equal(mts_lookup_start(told.m, "a.test", NULL, count_done, &done, &first), MTS_OK);
  assert_int_equal(mts_lookup_start(other, "a.test", NULL, count_done, &done, &second), MTS_OK);
  run_out(&told);
  assert_int_equal(done, 2);
  assert_int_equal(txt_count(&told), 1);
  assert_int_equal(get_count(&told), 1);
  mts_free(&other);
  told_close(&told);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_FOLDER(a_failed_fetch_does_not_undo_the_policy_that_another_process_fetched_meanwhile),
      WITH_FOLDER(an_older_policy_does_not_replace_the_one_that_another_process_fetched_later),
      WITH_FOLDER(mail_that_waits_no_longer_for_another_process_takes_what_that_one_has_found),
      WITH_FOLDER(back_off_that_another_process_noted_survives_our_deadline),
      WITH_FOLDER(a_store_that_cannot_be_written_takes_nothing_from_memory),
      WITH_FOLDER(the_back_off_holds_though_the_store_cannot_be_written),
      WITH_FOLDER(a_lease_from_before_the_clock_was_set_back_is_not_waited_for),
      WITH_FOLDER(what_a_wrong_clock_planned_far_ahead_is_refreshed_now),
      WITH_FOLDER(the_back_off_of_a_reader_survives_what_others_write),
      WITH_FOLDER(the_lease_is_renewed_while_a_fetch_takes_long_and_given_back_after),
      WITH_FOLDER(a_process_that_stood_still_makes_no_second_get),
      WITH_FOLDER(what_another_process_flushed_is_forgotten_here_within_seconds),
      WITH_FOLDER(what_another_process_learned_a_moment_ago_is_not_asked_again),
      WITH_FOLDER(check_always_asks_though_the_store_has_an_answer),
      WITH_FOLDER(two_contexts_of_one_process_that_start_together_ask_once),
      WITH_FOLDER(memory_that_was_not_saved_hides_no_newer_policy),
  };
  return cmocka_run_group_tests_name("rivals", tests, NULL, NULL);
}
