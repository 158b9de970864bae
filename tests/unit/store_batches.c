/* SPDX-License-Identifier: ISC
 * Counters on their way to a shared store: each is in one batch, a batch stays until it is done, and nothing is given back twice. */
#include "store_tools.h"

#define TODAY (NOW / 86400)
static const char first_life[] = "00112233445566778899aabbccddeeff", second_life[] = "ffeeddccbbaa99887766554433221100";

static void count(struct mts_store *store, const char *domain, int days_ago, int times) {
  const struct mts_session_row row = {.domain = domain,
                                      .type = MTS_POLICY_TYPE_STS,
                                      .policy = "",
                                      .result = "",
                                      .mx = "mx.example",
                                      .address = "",
                                      .source = "",
                                      .helo = "",
                                      .reason = ""};
  for (int i = 0; i < times; i++) assert_int_equal(mts_store_session_add(store, &row, NOW - days_ago * INT64_C(86400)), MTS_OK);
}

struct sum {
  uint64_t count, rows;
};

static bool add(void *arg, const struct mts_session_row *row) {
  struct sum *sum = arg;
  sum->count += row->count;
  sum->rows++;
  return true;
}

/* How many sessions the next batch has. */
static uint64_t next(struct mts_store *store, struct mts_batch *batch) {
  struct sum sum = {0};
  enum mts_err err = mts_store_batch_next(store, batch, add, &sum);
  if (err == MTS_ERR_STORE_NONE) return 0;
  assert_int_equal(err, MTS_OK);
  assert_in_range(sum.rows, 0, MTS_BATCH_ROWS_MAX);
  return sum.count;
}

static bool settle(struct mts_store *store, const char *generation) {
  bool lost = false;
  assert_int_equal(mts_store_batch_settle(store, generation, NOW, &lost), MTS_OK);
  return lost;
}

static void before_the_shared_store_is_known_there_is_nothing_to_send(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_batch batch;
  count(store, "a.example", 0, 3);
  assert_int_equal(next(store, &batch), 0);
  assert_string_equal(batch.generation, "");
  assert_false(settle(store, first_life));
  assert_int_equal(next(store, &batch), 3);
  assert_string_equal(batch.generation, first_life);
  bool lost;
  assert_int_equal(mts_store_batch_settle(store, "x", NOW, &lost), MTS_ERR_ARGUMENT);
  assert_int_equal(mts_store_batch_done(store, "x", NULL, 0), MTS_ERR_ARGUMENT);
  mts_store_close(&store);
}

static void a_batch_stays_as_it_is_until_it_is_done(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t), *other = tools_open(t);
  struct mts_batch batch, again;
  settle(store, first_life);
  count(store, "a.example", 0, 3);
  assert_int_equal(next(store, &batch), 3);
  count(store, "a.example", 0, 4);
  assert_int_equal(next(other, &again), 3);
  assert_string_equal(again.id, batch.id);
  assert_int_equal(mts_store_batch_done(store, batch.id, NULL, 0), MTS_OK);
  assert_int_equal(next(other, &again), 4);
  assert_string_not_equal(again.id, batch.id);
  assert_int_equal(mts_store_batch_done(other, batch.id, NULL, 0), MTS_OK); /* another process was slower: nothing happens */
  assert_int_equal(mts_store_batch_done(other, again.id, NULL, 0), MTS_OK);
  assert_int_equal(next(store, &batch), 0);
  assert_int_equal(tools_sql(t->path, "SELECT sum(count) FROM session"), 7); /* the machine still knows what it counted */
  mts_store_close(&store);
  mts_store_close(&other);
}

static void what_is_refused_for_now_goes_with_a_later_batch_and_only_once(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_batch batch, again;
  settle(store, first_life);
  count(store, "a.example", 1, 3);
  count(store, "b.example", 1, 5);
  count(store, "c.example", 1, 7);
  assert_int_equal(next(store, &batch), 15);
  const struct mts_batch_refused refused[] = {
      {TODAY - 1, "b.example", false}, {TODAY - 1, "c.example", true}, {TODAY - 9, "x.example", false}};
  assert_int_equal(mts_store_batch_done(store, batch.id, refused, 3), MTS_OK);
  assert_int_equal(mts_store_batch_done(store, batch.id, refused, 3), MTS_OK);
  assert_int_equal(next(store, &again), 5);
  assert_int_equal(mts_store_batch_done(store, again.id, NULL, 0), MTS_OK);
  assert_int_equal(next(store, &again), 0);
  mts_store_close(&store);
}

static void a_new_life_of_the_shared_store_gets_todays_counters_anew(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_batch batch;
  settle(store, first_life);
  count(store, "a.example", 0, 3);
  count(store, "a.example", 1, 10);
  assert_int_equal(next(store, &batch), 13);
  assert_int_equal(mts_store_batch_done(store, batch.id, NULL, 0), MTS_OK);
  count(store, "a.example", 0, 4);
  count(store, "a.example", 1, 20);
  assert_int_equal(next(store, &batch), 24); /* on its way when the shared store is lost */
  assert_true(settle(store, second_life));
  assert_false(settle(store, second_life));
  assert_int_equal(next(store, &batch), 20); /* what may or may not have come there was lost with it */
  assert_string_equal(batch.generation, second_life);
  assert_int_equal(mts_store_batch_done(store, batch.id, NULL, 0), MTS_OK);
  assert_int_equal(next(store, &batch), 7);
  assert_int_equal(mts_store_batch_done(store, batch.id, NULL, 0), MTS_OK);
  assert_int_equal(next(store, &batch), 0);
  mts_store_close(&store);
}

static void what_was_counted_long_before_there_was_a_shared_store_stays(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_batch batch;
  for (int ago = 0; ago < 6; ago++) count(store, "a.example", ago, 1);
  settle(store, first_life);
  assert_int_equal(next(store, &batch), 3);
  mts_store_close(&store);
}

static void one_process_of_a_machine_sends_every_few_minutes(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t), *other = tools_open(t);
  bool ours = false;
  assert_int_equal(mts_store_batch_turn(store, NOW, 300, &ours), MTS_OK);
  assert_true(ours);
  assert_int_equal(mts_store_batch_turn(other, NOW + 299, 300, &ours), MTS_OK);
  assert_false(ours);
  assert_int_equal(mts_store_batch_turn(other, NOW + 300, 300, &ours), MTS_OK);
  assert_true(ours);
  assert_int_equal(mts_store_batch_turn(store, NOW - 5000, 300, &ours), MTS_OK); /* the clock was set back */
  assert_true(ours);
  mts_store_close(&store);
  mts_store_close(&other);
}

static void many_rows_make_several_batches(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_batch batch;
  uint64_t total = 0, batches = 0;
  settle(store, first_life);
  for (int i = 0; i < 450; i++) {
    char domain[32];
    snprintf(domain, sizeof domain, "d%d.example", i);
    count(store, domain, 0, 2);
  }
  for (uint64_t sent; (sent = next(store, &batch)) > 0; batches++) {
    total += sent;
    assert_int_equal(mts_store_batch_done(store, batch.id, NULL, 0), MTS_OK);
  }
  assert_int_equal(total, 900);
  assert_int_equal(batches, 3);
  mts_store_close(&store);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tools_setup, tools_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(before_the_shared_store_is_known_there_is_nothing_to_send),
      TEST(a_batch_stays_as_it_is_until_it_is_done),
      TEST(what_is_refused_for_now_goes_with_a_later_batch_and_only_once),
      TEST(a_new_life_of_the_shared_store_gets_todays_counters_anew),
      TEST(what_was_counted_long_before_there_was_a_shared_store_stays),
      TEST(one_process_of_a_machine_sends_every_few_minutes),
      TEST(many_rows_make_several_batches),
  };
  return cmocka_run_group_tests_name("batches", tests, NULL, NULL);
}
