/* SPDX-License-Identifier: ISC
 * The store's contents: entries, what is due, leases, statistics, cleaning. */
#include "store_tools.h"

static void every_field_comes_back(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_entry out = {0};
  tools_put(store, "example.com", 7);
  mts_store_close(&store);
  assert_null(store);
  store = tools_open(t);
  assert_true(tools_has(store, "example.com", 7));
  assert_false(tools_has(store, "example.com", 8));
  assert_int_equal(mts_store_get(store, "example.org", &out), MTS_ERR_STORE_NONE);
  assert_string_equal(out.domain, "");
  mts_store_close(&store);
  assert_int_equal(t->lines, 0);
}

static void every_error_and_mode_comes_back(void **state) {
  struct mts_store *store = tools_open(*state);
  struct mts_entry in, out = {0};
  tools_entry(&in, "example.com", 1);
  for (int i = 0; i < MTS_ERR_COUNT; i++) {
    in.err = (enum mts_err)i;
    assert_int_equal(mts_store_put(store, &in), MTS_OK);
    assert_int_equal(mts_store_get(store, in.domain, &out), MTS_OK);
    assert_int_equal(out.err, i);
    mts_entry_clear(&out);
  }
  static const char *const mx[] = {"a.example"};
  for (int mode = MTS_MODE_NONE; mode <= MTS_MODE_ENFORCE; mode++) {
    mts_policy_free(&in.policy);
    size_t count = mode == MTS_MODE_NONE ? 0 : 1;
    assert_int_equal(mts_policy_new((enum mts_mode)mode, MTS_POLICY_MAX_AGE_S, mx, count, &in.policy), MTS_OK);
    assert_int_equal(mts_store_put(store, &in), MTS_OK);
    assert_int_equal(mts_store_get(store, in.domain, &out), MTS_OK);
    assert_true(tools_equal(&in, &out));
    mts_entry_clear(&out);
  }
  mts_entry_clear(&in);
  mts_store_close(&store);
}

static void an_entry_without_policy_drops_the_policy_row(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_entry in = {.domain = "example.com", .checked_at = NOW, .err = MTS_ERR_RECORD_NONE}, out = {0};
  tools_put(store, "example.com", 1);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM policy"), 1);
  assert_int_equal(mts_store_put(store, &in), MTS_OK);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM policy"), 0);
  assert_int_equal(mts_store_get(store, "example.com", &out), MTS_OK);
  assert_true(tools_equal(&in, &out));
  mts_entry_clear(&out);
  mts_store_close(&store);
}

static void a_policy_with_2000_hosts_comes_back(void **state) {
  struct mts_store *store = tools_open(*state);
  static char names[2000][32];
  static const char *mx[2000];
  for (int i = 0; i < 2000; i++) {
    snprintf(names[i], sizeof names[i], "host-number-%d.example.net", i);
    mx[i] = names[i];
  }
  struct mts_entry in, out = {0};
  tools_entry(&in, "example.com", 1);
  mts_policy_free(&in.policy);
  assert_int_equal(mts_policy_new(MTS_MODE_ENFORCE, 86400, mx, 2000, &in.policy), MTS_OK);
  assert_int_equal(mts_store_put(store, &in), MTS_OK);
  assert_int_equal(mts_store_get(store, "example.com", &out), MTS_OK);
  assert_true(tools_equal(&in, &out));
  mts_entry_clear(&in);
  mts_entry_clear(&out);
  mts_store_close(&store);
}

static void what_cannot_be_read_back_is_not_written(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_entry entry;
  tools_entry(&entry, "example.com", 1);
  struct mts_entry bad[6];
  for (size_t i = 0; i < 6; i++) bad[i] = entry;
  snprintf(bad[0].domain, sizeof bad[0].domain, "Example.com");
  bad[1].domain[0] = '\0';
  snprintf(bad[2].id, sizeof bad[2].id, "a;b");
  snprintf(bad[3].detail, sizeof bad[3].detail, "a\nb");
  memset(bad[4].detail, 'x', sizeof bad[4].detail);
  bad[5].err = MTS_ERR_COUNT;
  for (size_t i = 0; i < 6; i++) assert_int_equal(mts_store_put(store, &bad[i]), MTS_ERR_ARGUMENT);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM attempt"), 0);
  mts_entry_clear(&entry);
  mts_store_close(&store);
}

static void a_copy_is_independent_and_may_be_of_itself(void **state) {
  (void)state;
  struct mts_entry a, b = {0};
  tools_entry(&a, "example.com", 1);
  assert_int_equal(mts_entry_copy(&a, &b), MTS_OK);
  assert_true(tools_equal(&a, &b));
  assert_int_equal(mts_entry_copy(&b, &b), MTS_OK);
  mts_entry_clear(&a);
  assert_null(a.policy);
  assert_string_equal(a.domain, "");
  assert_string_equal(b.policy->mx[1], "*.mail.example.net");
  mts_entry_clear(&b);
}

/* ---- rows others have touched ---- */

static void an_edited_policy_counts_as_absent(void **state) {
  struct tools *t = *state;
  static const char *const edits[] = {
      "UPDATE policy SET mode = 'none'",
      "UPDATE policy SET mode = 'ENFORCE'",
      "UPDATE policy SET mx = 'evil.example'",
      "UPDATE policy SET mx = mx || ' '",
      "UPDATE policy SET mx = zeroblob(100)",
      "UPDATE policy SET mx = replace(hex(zeroblob(100000)), '0', 'a')",
      "UPDATE policy SET max_age = -1",
      "UPDATE policy SET max_age = 'long'",
      "UPDATE policy SET max_age = 1e300",
      "UPDATE policy SET id = 'x y'",
      "UPDATE policy SET id = '012345678901234567890123456789012'",
      "UPDATE policy SET expires_at = expires_at + 1",
      "UPDATE policy SET refresh_at = 'never'",
      "UPDATE policy SET sum = sum - 1",
  };
  for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
    struct mts_store *store = tools_open(t);
    struct mts_entry out = {0};
    tools_put(store, "example.com", 1);
    t->now_ms += 3600 * 1000;
    t->mono_ms += 3600 * 1000;
    t->lines = 0;
    tools_sql(t->path, edits[i]);
    assert_int_equal(mts_store_get(store, "example.com", &out), MTS_OK);
    if (out.policy || out.id[0] || out.expires_at) fail_msg("believed: %s", edits[i]);
    assert_int_equal(out.tries, 3000000001u); /* the attempt stays */
    assert_true(t->lines >= 1);
    mts_entry_clear(&out);
    tools_put(store, "example.com", 1); /* learnt anew */
    assert_true(tools_has(store, "example.com", 1));
    mts_store_close(&store);
  }
}

static void a_row_moved_to_another_domain_counts_as_absent(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_entry out = {0};
  tools_put(store, "example.com", 1);
  tools_sql(t->path, "UPDATE policy SET domain = 'moved.example'; UPDATE attempt SET domain = 'moved.example'");
  assert_int_equal(mts_store_get(store, "moved.example", &out), MTS_ERR_STORE_NONE);
  mts_store_close(&store);
}

static void an_edited_attempt_counts_as_absent_and_the_policy_stays(void **state) {
  struct tools *t = *state;
  static const char *const edits[] = {
      "UPDATE attempt SET check_at = 9223372036854775807",
      "UPDATE attempt SET err = 'ok'",
      "UPDATE attempt SET tries = -1",
      "UPDATE attempt SET detail = x'0a'",
      "UPDATE attempt SET failed_id = ';'",
  };
  struct mts_store *store = tools_open(t);
  for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
    struct mts_entry out = {0};
    tools_put(store, "example.com", 1);
    tools_sql(t->path, edits[i]);
    assert_int_equal(mts_store_get(store, "example.com", &out), MTS_OK);
    assert_non_null(out.policy);
    assert_int_equal(out.check_at, 0);
    assert_int_equal(out.tries, 0);
    assert_string_equal(out.detail, "");
    mts_entry_clear(&out);
  }
  mts_store_close(&store);
}

static void planted_triggers_do_not_run(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  tools_sql(t->path, "CREATE TRIGGER evil AFTER INSERT ON policy BEGIN UPDATE policy SET mode = 'none'; END");
  tools_put(store, "example.com", 1);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM policy WHERE mode = 'enforce'"), 1);
  mts_store_close(&store);
}

/* ---- lists ---- */

static bool collect_entry(void *arg, const struct mts_entry *entry) {
  char *list = arg;
  size_t n = strlen(list);
  snprintf(list + n, 1000 - n, "%s ", entry->domain);
  return strcmp(entry->domain, "stop.example") != 0;
}

static void each_goes_in_the_order_of_names_and_can_stop(void **state) {
  struct mts_store *store = tools_open(*state);
  char list[1000] = "";
  struct mts_entry entry = {.domain = "c.example", .checked_at = NOW};
  assert_int_equal(mts_store_each(store, collect_entry, list), MTS_OK);
  assert_string_equal(list, "");
  tools_put(store, "b.example", 1);
  tools_put(store, "zz.example", 1);
  tools_put(store, "a.example", 1);
  assert_int_equal(mts_store_put(store, &entry), MTS_OK);
  assert_int_equal(mts_store_each(store, collect_entry, list), MTS_OK);
  assert_string_equal(list, "a.example b.example c.example zz.example ");
  tools_put(store, "stop.example", 1);
  list[0] = '\0';
  assert_int_equal(mts_store_each(store, collect_entry, list), MTS_OK);
  assert_string_equal(list, "a.example b.example c.example stop.example ");
  tools_put(store, "after.example", 1);
  mts_store_close(&store);
}

static void delete_removes_one_or_all_and_counts(void **state) {
  struct mts_store *store = tools_open(*state);
  size_t removed = 99;
  for (int i = 0; i < 5; i++) {
    char domain[32];
    snprintf(domain, sizeof domain, "d%d.example", i);
    tools_put(store, domain, i);
  }
  assert_int_equal(mts_store_delete(store, "none.example", &removed), MTS_OK);
  assert_int_equal(removed, 0);
  assert_int_equal(mts_store_delete(store, "d3.example", &removed), MTS_OK);
  assert_int_equal(removed, 1);
  assert_false(tools_has(store, "d3.example", 3));
  assert_true(tools_has(store, "d4.example", 4));
  assert_int_equal(mts_store_delete(store, NULL, &removed), MTS_OK);
  assert_int_equal(removed, 4);
  assert_false(tools_has(store, "d4.example", 4));
  mts_store_close(&store);
}

static void put_times(struct mts_store *store, const char *domain, enum mts_mode mode, int64_t expires, int64_t refresh,
                      int64_t check, int64_t retry) {
  struct mts_entry entry;
  static const char *const mx[] = {"mx.example"};
  tools_entry(&entry, domain, 0);
  mts_policy_free(&entry.policy);
  assert_int_equal(mts_policy_new(mode, 86400, mx, 1, &entry.policy), MTS_OK);
  entry.expires_at = NOW + expires;
  entry.refresh_at = NOW + refresh;
  entry.check_at = NOW + check;
  entry.retry_at = NOW + retry;
  assert_int_equal(mts_store_put(store, &entry), MTS_OK);
  mts_entry_clear(&entry);
}

static void collect_domain(void *arg, const char *domain) {
  char *list = arg;
  size_t n = strlen(list);
  snprintf(list + n, 1000 - n, "%s ", domain);
}

static void due_gives_what_expires_first_and_leaves_out_what_must_wait(void **state) {
  struct mts_store *store = tools_open(*state);
  char list[1000] = "";
  struct mts_entry entry = {.domain = "nopolicy.example", .checked_at = 1};
  put_times(store, "fresh.example", MTS_MODE_ENFORCE, 1000, 10, 10, 0);
  put_times(store, "expired.example", MTS_MODE_ENFORCE, 0, -10, -10, 0);
  put_times(store, "late.example", MTS_MODE_ENFORCE, 9000, -10, 10, 0);
  put_times(store, "soon.example", MTS_MODE_TESTING, 100, 10, 0, 0);
  put_times(store, "none.example", MTS_MODE_NONE, 50, -10, -10, 0);
  put_times(store, "held.example", MTS_MODE_ENFORCE, 20, -10, 10, 5);      /* no GET before retry_at */
  put_times(store, "heldcheck.example", MTS_MODE_ENFORCE, 20, -10, -1, 5); /* but the TXT query may tell a new id */
  assert_int_equal(mts_store_put(store, &entry), MTS_OK);
  assert_int_equal(mts_store_due(store, NOW, 100, collect_domain, list), MTS_OK);
  assert_string_equal(list, "heldcheck.example soon.example late.example none.example ");
  list[0] = '\0';
  assert_int_equal(mts_store_due(store, NOW, 2, collect_domain, list), MTS_OK);
  assert_string_equal(list, "heldcheck.example soon.example ");
  list[0] = '\0';
  assert_int_equal(mts_store_due(store, NOW, 0, collect_domain, list), MTS_OK);
  assert_string_equal(list, "");
  mts_store_close(&store);
}

/* ---- leases ---- */

static bool lease(struct mts_store *store, const char *owner, int64_t now, int64_t end, int64_t *until) {
  bool taken = false;
  assert_int_equal(mts_store_lease(store, "example.com", owner, now, end, &taken, until), MTS_OK);
  return taken;
}

static void a_lease_has_one_owner_until_it_ends(void **state) {
  struct tools *t = *state;
  struct mts_store *one = tools_open(t), *two = tools_open(t);
  const int64_t now = t->now_ms;
  int64_t until = -1;
  assert_true(lease(one, "p1", now, now + 1000, &until));
  assert_int_equal(until, -1);
  assert_false(lease(two, "p2", now + 999, now + 5000, &until));
  assert_int_equal(until, now + 1000);
  assert_int_equal(mts_store_unlease(two, "example.com", "p2"), MTS_OK); /* not the owner: nothing happens */
  assert_false(lease(two, "p2", now + 1, now + 5000, &until));
  assert_true(lease(one, "p1", now + 500, now + 2000, &until)); /* its owner may prolong it */
  assert_false(lease(two, "p2", now + 1500, now + 5000, &until));
  assert_true(lease(two, "p2", now + 2000, now + 5000, &until)); /* its time is over: its owner died */
  assert_false(lease(one, "p1", now + 2001, now + 5000, &until));
  assert_int_equal(mts_store_unlease(two, "example.com", "p2"), MTS_OK);
  assert_true(lease(one, "p1", now + 2001, now + 5000, &until));
  mts_store_close(&one);
  mts_store_close(&two);
}

static void a_lease_of_a_wrong_clock_does_not_last(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  bool taken = false;
  int64_t until = 0, year = INT64_C(365) * 86400 * 1000, now = t->now_ms;
  assert_true(lease(store, "p1", now + year, now + year + 1000, &until));
  assert_true(lease(store, "p2", now, now + 1000, &until));
  assert_int_equal(mts_store_lease(store, "example.com", "p2", now, now, &taken, &until), MTS_ERR_ARGUMENT);
  assert_int_equal(mts_store_lease(store, "example.com", "p2", now, now + year, &taken, &until), MTS_ERR_ARGUMENT);
  assert_int_equal(mts_store_lease(store, "example.com", "", now, now + 1, &taken, &until), MTS_ERR_ARGUMENT);
  mts_store_close(&store);
}

/* ---- statistics and cleaning ---- */

static void statistics_count_what_is_there(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_store_stats stats;
  struct mts_entry entry = {.domain = "e.example", .checked_at = NOW, .err = MTS_ERR_RECORD_NONE};
  int64_t until;
  assert_int_equal(mts_store_stats(store, NOW, &stats), MTS_OK);
  assert_true(stats.domains == 0 && stats.oldest_fetch == 0 && stats.next_expiry == 0);
  put_times(store, "a.example", MTS_MODE_ENFORCE, 1000, 10, 10, 0);
  put_times(store, "b.example", MTS_MODE_ENFORCE, -5, 10, 10, 0);
  put_times(store, "c.example", MTS_MODE_TESTING, 500, 10, 10, 0);
  put_times(store, "d.example", MTS_MODE_NONE, 700, 10, 10, 0);
  assert_int_equal(mts_store_put(store, &entry), MTS_OK);
  assert_true(lease(store, "p", t->now_ms, t->now_ms + 1000, &until));
  assert_int_equal(mts_store_stats(store, NOW, &stats), MTS_OK);
  assert_int_equal(stats.domains, 5);
  assert_int_equal(stats.policies, 4);
  assert_int_equal(stats.enforce, 2);
  assert_int_equal(stats.testing, 1);
  assert_int_equal(stats.none, 1);
  assert_int_equal(stats.expired, 1);
  assert_int_equal(stats.failing, 4);
  assert_int_equal(stats.absent, 1);
  assert_int_equal(stats.leases, 1);
  assert_int_equal(stats.oldest_fetch, NOW);
  assert_int_equal(stats.next_expiry, NOW + 500);
  assert_true(stats.bytes > 0);
  mts_store_close(&store);
}

static void sweep_forgets_what_is_over_for_30_days(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  const int64_t days = 86400;
  size_t removed = 99;
  char list[1000] = "";
  int64_t until;
  struct mts_entry old = {.domain = "e-old-failure.example", .checked_at = NOW, .failed_at = NOW};
  struct mts_entry young = {.domain = "f-young-failure.example", .checked_at = NOW + 5 * days, .failed_at = NOW};
  put_times(store, "a-live.example", MTS_MODE_ENFORCE, 40 * days, 0, 0, 0);
  put_times(store, "b-expired-29.example", MTS_MODE_ENFORCE, 1 * days, 0, 0, 0);
  put_times(store, "c-expired-30.example", MTS_MODE_ENFORCE, 0, 0, 0, 0);
  put_times(store, "d-expired-but-tried.example", MTS_MODE_ENFORCE, 0, 0, 20 * days, 0);
  assert_int_equal(mts_store_put(store, &old), MTS_OK);
  assert_int_equal(mts_store_put(store, &young), MTS_OK);
  assert_true(lease(store, "p", t->now_ms, t->now_ms + 1000, &until));
  assert_int_equal(mts_store_sweep(store, NOW, &removed), MTS_OK);
  assert_int_equal(removed, 0);
  assert_int_equal(mts_store_sweep(store, NOW + 30 * days + 1000, &removed), MTS_OK);
  assert_int_equal(removed, 3);
  assert_int_equal(mts_store_each(store, collect_entry, list), MTS_OK);
  assert_string_equal(list, "a-live.example b-expired-29.example d-expired-but-tried.example f-young-failure.example ");
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM policy"), 2);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM lease"), 0);
  mts_store_close(&store);
}

static void the_public_view_is_there_for_other_programs(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_entry entry = {.domain = "c.example", .checked_at = NOW};
  put_times(store, "a.example", MTS_MODE_ENFORCE, 1000, 10, 10, 0);
  put_times(store, "b.example", MTS_MODE_TESTING, -1000, 10, 10, 0);
  assert_int_equal(mts_store_put(store, &entry), MTS_OK);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM sts_domain"), 2); /* expired too; without policy none */
  assert_int_equal(tools_sql(t->path, "SELECT expires FROM sts_domain WHERE domain = 'a.example' AND mode = 'enforce'"),
                   NOW + 1000);
  assert_int_equal(tools_sql(t->path, "SELECT expires FROM sts_domain WHERE domain = 'b.example' AND mode = 'testing'"),
                   NOW - 1000);
  mts_store_close(&store);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tools_setup, tools_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_field_comes_back),
      TEST(every_error_and_mode_comes_back),
      TEST(an_entry_without_policy_drops_the_policy_row),
      TEST(a_policy_with_2000_hosts_comes_back),
      TEST(what_cannot_be_read_back_is_not_written),
      TEST(a_copy_is_independent_and_may_be_of_itself),
      TEST(an_edited_policy_counts_as_absent),
      TEST(a_row_moved_to_another_domain_counts_as_absent),
      TEST(an_edited_attempt_counts_as_absent_and_the_policy_stays),
      TEST(planted_triggers_do_not_run),
      TEST(each_goes_in_the_order_of_names_and_can_stop),
      TEST(delete_removes_one_or_all_and_counts),
      TEST(due_gives_what_expires_first_and_leaves_out_what_must_wait),
      TEST(a_lease_has_one_owner_until_it_ends),
      TEST(a_lease_of_a_wrong_clock_does_not_last),
      TEST(statistics_count_what_is_there),
      TEST(sweep_forgets_what_is_over_for_30_days),
      TEST(the_public_view_is_there_for_other_programs),
  };
  return cmocka_run_group_tests_name("the store's contents", tests, NULL, NULL);
}
