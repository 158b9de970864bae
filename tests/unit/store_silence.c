/* SPDX-License-Identifier: ISC
 * That the shared store did not answer is known to all processes for some seconds, and never longer. */
#include "store_tools.h"

static bool is_silent(struct mts_store *store, int64_t now_ms) {
  bool silent = false;
  assert_int_equal(mts_store_silence_get(store, now_ms, &silent), MTS_OK);
  return silent;
}

static void what_one_process_finds_silent_others_leave_alone_for_some_seconds(void **state) {
  struct tools *t = *state;
  struct mts_store *one = tools_open(t), *two = tools_open(t);
  assert_false(is_silent(two, t->now_ms));
  assert_int_equal(mts_store_silence_put(one, t->now_ms), MTS_OK);
  assert_true(is_silent(two, t->now_ms));
  assert_true(is_silent(two, t->now_ms + MTS_SILENCE_MS - 1));
  assert_false(is_silent(two, t->now_ms + MTS_SILENCE_MS));
  mts_store_close(&one);
  mts_store_close(&two);
}

static void who_finds_it_silent_meanwhile_does_not_make_it_longer(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  assert_int_equal(mts_store_silence_put(store, t->now_ms), MTS_OK);
  assert_int_equal(mts_store_silence_put(store, t->now_ms + MTS_SILENCE_MS - 1), MTS_OK);
  assert_false(is_silent(store, t->now_ms + MTS_SILENCE_MS));
  assert_int_equal(mts_store_silence_put(store, t->now_ms + MTS_SILENCE_MS), MTS_OK);
  assert_true(is_silent(store, t->now_ms + MTS_SILENCE_MS));
  mts_store_close(&store);
}

static void after_the_clock_was_set_back_it_does_not_count(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  assert_int_equal(mts_store_silence_put(store, t->now_ms), MTS_OK);
  assert_false(is_silent(store, t->now_ms - 1));
  assert_false(is_silent(store, t->now_ms - 3600000));
  assert_int_equal(mts_store_silence_put(store, t->now_ms - 3600000), MTS_OK);
  assert_true(is_silent(store, t->now_ms - 3600000));
  assert_false(is_silent(store, t->now_ms));
  mts_store_close(&store);
}

static void a_row_that_was_edited_to_nonsense_counts_as_none(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  tools_sql(t->path, "UPDATE shared SET silent_at_ms = 'x'");
  assert_false(is_silent(store, t->now_ms));
  tools_sql(t->path, "UPDATE shared SET silent_at_ms = 9223372036854775807");
  assert_false(is_silent(store, t->now_ms));
  tools_sql(t->path, "UPDATE shared SET silent_at_ms = -9223372036854775807");
  assert_false(is_silent(store, t->now_ms));
  tools_sql(t->path, "DELETE FROM shared");
  assert_false(is_silent(store, t->now_ms));
  assert_int_equal(mts_store_silence_put(store, t->now_ms), MTS_OK);
  mts_store_close(&store);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tools_setup, tools_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(what_one_process_finds_silent_others_leave_alone_for_some_seconds),
      TEST(who_finds_it_silent_meanwhile_does_not_make_it_longer),
      TEST(after_the_clock_was_set_back_it_does_not_count),
      TEST(a_row_that_was_edited_to_nonsense_counts_as_none),
  };
  return cmocka_run_group_tests_name("silence of the shared store", tests, NULL, NULL);
}
