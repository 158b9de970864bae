/* SPDX-License-Identifier: ISC
 * The life of a policy, as times only. */
#include "resolve/life.h"

#include "told_world.h"

#define NOW 1767225600

static struct mts_policy *policy_of(enum mts_mode mode, uint32_t max_age_s) {
  struct mts_policy *policy = NULL;
  assert_int_equal(mts_policy_new(mode, max_age_s, (const char *[]){"mx.a.test"}, 1, &policy), MTS_OK);
  return policy;
}

static void fetched(struct mts_entry *entry, int64_t now_s, enum mts_mode mode, uint32_t max_age_s) {
  struct mts_policy *policy = policy_of(mode, max_age_s);
  life_record(entry, now_s, 300);
  life_fetched(entry, now_s, "1", policy, DAY_S);
  mts_policy_free(&policy);
}

static void the_next_get_is_within_a_day_and_spread(void **state) {
  (void)state;
  int64_t least = INT64_MAX, most = 0;
  for (int i = 0; i < 200; i++) {
    struct mts_entry entry = {0};
    fetched(&entry, NOW, MTS_MODE_ENFORCE, 604800);
    int64_t after = entry.refresh_at - NOW;
    assert_in_range(after, DAY_S * 3 / 4, DAY_S);
    if (after < least) least = after;
    if (after > most) most = after;
    mts_entry_clear(&entry);
  }
  assert_true(most - least > DAY_S / 20);
}

static void a_short_lived_policy_is_refreshed_before_it_ends(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  fetched(&entry, NOW, MTS_MODE_ENFORCE, 600);
  assert_in_range(entry.refresh_at, NOW + 300, NOW + 450);
  mts_entry_clear(&entry);
}

static void a_max_age_of_zero_holds_for_this_second_only(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  fetched(&entry, NOW, MTS_MODE_ENFORCE, 0);
  assert_true(life_policy_holds(&entry, NOW));
  assert_false(life_policy_holds(&entry, NOW + 1));
  mts_entry_clear(&entry);
}

static void the_id_check_waits_for_the_ttl_between_a_minute_and_a_day(void **state) {
  (void)state;
  static const struct {
    uint32_t ttl_s;
    int64_t after_s;
  } cases[] = {{0, 60}, {59, 60}, {61, 61}, {3600, 3600}, {86400, 86400}, {UINT32_MAX, 86400}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mts_entry entry = {0};
    life_record(&entry, NOW, cases[i].ttl_s);
    assert_int_equal(entry.check_at, NOW + cases[i].after_s);
  }
}

static void the_back_off_is_never_below_the_setting_grows_and_ends_at_a_day_and_a_quarter(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  int64_t before = 0;
  for (int i = 0; i < 40; i++) {
    life_fetch_failed(&entry, NOW, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
    int64_t wait = entry.retry_at - NOW;
    assert_true(wait >= 300);
    assert_true(wait <= LIFE_RETRY_MOST_S + LIFE_RETRY_MOST_S / 4);
    if (i < 8) assert_true(wait > before);
    before = wait;
  }
  life_fetch_failed(&entry, NOW, "2", MTS_ERR_HTTPS_CONNECT, "", 300);
  assert_int_equal(entry.tries, 1);
  assert_true(entry.retry_at - NOW <= 375);
}

static void the_alarm_comes_after_a_day_of_failures_and_daily_from_then_on(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  fetched(&entry, NOW, MTS_MODE_ENFORCE, 31557600);
  life_fetch_failed(&entry, NOW + 10, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  assert_false(life_alarm_due(&entry, NOW + 10));
  life_fetch_failed(&entry, NOW + DAY_S, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  assert_false(life_alarm_due(&entry, NOW + DAY_S));
  assert_true(life_alarm_due(&entry, NOW + 10 + DAY_S));
  assert_false(life_alarm_due(&entry, NOW + 11 + DAY_S));
  assert_true(life_alarm_due(&entry, NOW + 10 + 2 * DAY_S));
  mts_entry_clear(&entry);
}

static void the_alarm_comes_well_before_a_short_policy_ends(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  fetched(&entry, NOW, MTS_MODE_ENFORCE, DAY_S);
  life_fetch_failed(&entry, NOW + 30000, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  life_fetch_failed(&entry, NOW + 30300, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  assert_false(life_alarm_due(&entry, NOW + 30300));
  assert_true(life_alarm_due(&entry, NOW + DAY_S / 2 + 1));
  mts_entry_clear(&entry);
}

static void there_is_no_alarm_for_mode_none_nor_after_a_success(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  fetched(&entry, NOW, MTS_MODE_NONE, 31557600);
  life_fetch_failed(&entry, NOW, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  assert_false(life_alarm_due(&entry, NOW + 10 * DAY_S));
  mts_entry_clear(&entry);
  fetched(&entry, NOW, MTS_MODE_ENFORCE, 31557600);
  life_fetch_failed(&entry, NOW, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  fetched(&entry, NOW + 100, MTS_MODE_ENFORCE, 31557600);
  assert_false(life_alarm_due(&entry, NOW + 10 * DAY_S));
  assert_int_equal(entry.err, MTS_OK);
  mts_entry_clear(&entry);
}

static void a_time_set_by_a_wrong_clock_is_due(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  fetched(&entry, NOW + 400 * DAY_S, MTS_MODE_ENFORCE, 31557600);
  assert_true(life_is_due(&entry, NOW));
  mts_entry_clear(&entry);
}

static void a_temporary_dns_failure_is_asked_again_soon_and_is_no_check(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  life_no_record(&entry, NOW, MTS_ERR_DNS_TIMEOUT, 3600, "");
  assert_int_equal(entry.checked_at, 0);
  assert_int_equal(entry.check_at, NOW + LIFE_DNS_RETRY_S);
  assert_int_equal(entry.err, MTS_ERR_DNS_TIMEOUT);
}

static void a_back_off_set_by_a_wrong_clock_does_not_hold(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  life_fetch_failed(&entry, NOW + 400 * DAY_S, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  assert_true(life_is_held(&entry, "1", NOW + 400 * DAY_S));
  assert_false(life_is_held(&entry, "1", NOW));
  for (int i = 0; i < 40; i++) life_fetch_failed(&entry, NOW, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  assert_true(life_is_held(&entry, "1", NOW));
  assert_true(life_is_held(&entry, "1", entry.retry_at - 1));
  assert_false(life_is_held(&entry, "1", entry.retry_at));
}

static void a_failed_get_replaces_a_refresh_time_of_a_wrong_clock(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  fetched(&entry, NOW + 400 * DAY_S, MTS_MODE_ENFORCE, 31557600);
  life_fetch_failed(&entry, NOW, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  assert_int_equal(entry.refresh_at, entry.retry_at);
  assert_false(life_is_due(&entry, NOW));
  mts_entry_clear(&entry);
}

static void the_alarm_comes_though_the_clock_was_set_back(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  fetched(&entry, NOW, MTS_MODE_ENFORCE, 31557600);
  life_fetch_failed(&entry, NOW + 90 * DAY_S, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  assert_true(life_alarm_due(&entry, NOW + 91 * DAY_S));
  life_fetch_failed(&entry, NOW, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  assert_int_equal(entry.failing_since, NOW);
  assert_true(life_alarm_due(&entry, NOW + DAY_S));
  assert_false(life_alarm_due(&entry, NOW + DAY_S + 1));
  mts_entry_clear(&entry);
}

static void the_back_off_of_one_id_outlives_good_news_of_another(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  fetched(&entry, NOW, MTS_MODE_ENFORCE, 604800);
  life_fetch_failed(&entry, NOW + 10, "2", MTS_ERR_HTTPS_CONNECT, "", 300);
  life_confirmed(&entry, NOW + 20);
  assert_int_equal(entry.err, MTS_OK);
  assert_int_equal(entry.failing_since, 0);
  assert_true(life_is_held(&entry, "2", NOW + 309));
  fetched(&entry, NOW + 30, MTS_MODE_ENFORCE, 604800);
  assert_true(life_is_held(&entry, "2", NOW + 309));
  life_confirmed(&entry, entry.retry_at);
  assert_string_equal(entry.failed_id, "");
  assert_int_equal(entry.tries, 0);
  mts_entry_clear(&entry);
}

static void a_success_ends_the_back_off_of_its_id(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  life_fetch_failed(&entry, NOW, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  fetched(&entry, NOW + 10, MTS_MODE_ENFORCE, 604800);
  assert_false(life_is_held(&entry, "1", NOW + 11));
  assert_int_equal(entry.retry_at, 0);
  mts_entry_clear(&entry);
}

static void while_a_get_is_held_the_dns_failure_before_is_over(void **state) {
  (void)state;
  struct mts_entry entry = {0};
  life_fetch_failed(&entry, NOW, "1", MTS_ERR_HTTPS_CONNECT, "", 300);
  life_held(&entry, NOW + 60);
  assert_int_equal(entry.err, MTS_ERR_HTTPS_CONNECT);
  life_no_record(&entry, NOW + 120, MTS_ERR_DNS_BOGUS, 0, "");
  life_held(&entry, NOW + 180);
  assert_int_equal(entry.err, MTS_ERR_HTTPS_HELD);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_next_get_is_within_a_day_and_spread),
      cmocka_unit_test(a_short_lived_policy_is_refreshed_before_it_ends),
      cmocka_unit_test(a_max_age_of_zero_holds_for_this_second_only),
      cmocka_unit_test(the_id_check_waits_for_the_ttl_between_a_minute_and_a_day),
      cmocka_unit_test(the_back_off_is_never_below_the_setting_grows_and_ends_at_a_day_and_a_quarter),
      cmocka_unit_test(the_alarm_comes_after_a_day_of_failures_and_daily_from_then_on),
      cmocka_unit_test(the_alarm_comes_well_before_a_short_policy_ends),
      cmocka_unit_test(there_is_no_alarm_for_mode_none_nor_after_a_success),
      cmocka_unit_test(a_time_set_by_a_wrong_clock_is_due),
      cmocka_unit_test(a_back_off_set_by_a_wrong_clock_does_not_hold),
      cmocka_unit_test(a_failed_get_replaces_a_refresh_time_of_a_wrong_clock),
      cmocka_unit_test(the_alarm_comes_though_the_clock_was_set_back),
      cmocka_unit_test(the_back_off_of_one_id_outlives_good_news_of_another),
      cmocka_unit_test(a_success_ends_the_back_off_of_its_id),
      cmocka_unit_test(while_a_get_is_held_the_dns_failure_before_is_over),
      cmocka_unit_test(a_temporary_dns_failure_is_asked_again_soon_and_is_no_check),
  };
  return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
