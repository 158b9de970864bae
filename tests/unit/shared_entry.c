/* SPDX-License-Identifier: ISC
 * What machines tell each other of a domain: written and read back the same, and nonsense does not count. */
#include "resolve/shared_entry.h"

#include "resolve/life.h"
#include "told_world.h"

#define NOW INT64_C(1800000000)

static struct mts_entry known(void) {
  static const char *const mx[] = {"mx1.a.test", "*.b.test"};
  struct mts_entry entry = {.domain = "a.test", .id = "20260101", .fetched_at = NOW - 500, .refresh_at = NOW + 80000};
  assert_int_equal(mts_policy_new(MTS_MODE_ENFORCE, 604800, mx, 2, &entry.policy), MTS_OK);
  entry.expires_at = entry.fetched_at + 604800;
  entry.checked_at = NOW - 100;
  entry.check_at = NOW + 900;
  entry.err = MTS_ERR_HTTPS_STATUS;
  memcpy(entry.detail, "status 503", 11);
  entry.failed_at = NOW - 50;
  entry.failing_since = NOW - 7000;
  memcpy(entry.failed_id, "20260102", 9);
  entry.retry_at = NOW + 300;
  entry.tries = 3;
  entry.alarmed_at = NOW - 60;
  return entry;
}

static void write(const struct mts_entry *entry, struct mts_buf *bytes, struct mts_span fields[SHARED_FIELDS]) {
  *bytes = (struct mts_buf){.limit = 131072};
  assert_int_equal(shared_entry_write(entry, bytes, fields), MTS_OK);
}

static void an_entry_is_read_back_as_it_was_written(void **state) {
  (void)state;
  struct mts_entry entry = known(), read = {.domain = "a.test"};
  struct mts_span fields[SHARED_FIELDS];
  struct mts_buf bytes;
  write(&entry, &bytes, fields);
  assert_int_equal(shared_entry_read(fields, MTS_PROFILE_STRICT, NOW, &read), MTS_OK);
  assert_int_equal(read.policy->mode, MTS_MODE_ENFORCE);
  assert_int_equal(read.policy->mx_count, 2);
  assert_string_equal(read.policy->mx[1], "*.b.test");
  struct mts_policy *policy = read.policy;
  mts_policy_free(&policy);
  read.policy = entry.policy;
  assert_memory_equal(&read, &entry, sizeof read);
  mts_policy_free(&entry.policy);
  mts_buf_free(&bytes);
}

static void trouble_of_our_own_is_not_told(void **state) {
  (void)state;
  static const enum mts_err own[] = {MTS_ERR_DNS_SERVFAIL,  MTS_ERR_DNS_TIMEOUT, MTS_ERR_DNS_BOGUS, MTS_ERR_DNS_NETWORK,
                                     MTS_ERR_HTTPS_ADDRESS, MTS_ERR_NET_MODULE,  MTS_ERR_NO_MEMORY};
  for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
    struct mts_entry entry = known(), read = {.domain = "a.test"};
    struct mts_span fields[SHARED_FIELDS];
    struct mts_buf bytes;
    entry.err = own[i];
    write(&entry, &bytes, fields);
    assert_int_equal(fields[SHARED_ATTEMPT].n, 0);
    assert_int_equal(shared_entry_read(fields, MTS_PROFILE_DEFAULT, NOW, &read), MTS_OK);
    assert_int_equal(read.err, MTS_OK);
    assert_true(life_is_due(&read, NOW)); /* who reads it looks at the record itself */
    mts_entry_clear(&read);
    mts_policy_free(&entry.policy);
    mts_buf_free(&bytes);
    write(&entry, &bytes, fields);
    assert_int_equal(shared_entry_read(fields, MTS_PROFILE_DEFAULT, NOW, &read), MTS_ERR_STORE_NONE);
    mts_buf_free(&bytes);
  }
}

static void what_has_happened_by_a_clock_a_little_before_ours_happens_now(void **state) {
  (void)state;
  struct mts_entry entry = known(), read = {.domain = "a.test"};
  struct mts_span fields[SHARED_FIELDS];
  struct mts_buf bytes;
  entry.fetched_at = entry.checked_at = NOW;
  write(&entry, &bytes, fields);
  assert_int_equal(shared_entry_read(fields, MTS_PROFILE_DEFAULT, NOW - 3, &read), MTS_OK);
  assert_int_equal(read.fetched_at, NOW - 3);
  assert_int_equal(read.checked_at, NOW - 3);
  mts_entry_clear(&read);
  assert_int_equal(shared_entry_read(fields, MTS_PROFILE_DEFAULT, NOW - 3000, &read), MTS_ERR_STORE_NONE);
  mts_policy_free(&entry.policy);
  mts_buf_free(&bytes);
}

static void no_time_is_further_away_than_our_own_rules_set_it(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "\n",
      "1 2 3 4 5 6 7 ok",
      "1 2 3 4 5 6 7\n",
      "-1 2 3 4 5 6 7 ok -\n",
      "1800000000 1800000000 0 0 0 99999999999 0 ok -\n",
      "1800000000 1800003700 0 0 0 0 0 record-none -\n", /* no domain without a policy is left alone for longer than an hour */
      "1800000000 1800000600 0 0 1900000000 1 0 ok -\n", /* nor a fetch for more than a day */
      "1800000000 1800000600 0 0 0 1 0 store-damaged -\n",
      "1800000000 1800000600 0 0 0 1 0 cert-name -\n",
      "1800000000 1800000600 0 0 0 1 0 nonsense -\n",
      "1800000000 1800000600 0 0 0 1 0 ok a.b\n",
      "1800000000 1800000600 0 0 0 1 0 ok 012345678901234567890123456789012\n",
      "9999999999999999999999 1800000600 0 0 0 1 0 ok -\n",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct mts_span fields[SHARED_FIELDS] = {[SHARED_ATTEMPT] = mts_span_of(bad[i])};
    struct mts_entry read = {.domain = "a.test"};
    assert_int_equal(shared_entry_read(fields, MTS_PROFILE_DEFAULT, NOW, &read), MTS_ERR_STORE_NONE);
    assert_int_equal(read.check_at, 0);
  }
  struct mts_span fields[SHARED_FIELDS] = {[SHARED_ATTEMPT] =
                                               mts_span_of("1800000000 1800003600 0 0 0 0 0 record-none -\n\x1b[31m\xff")};
  struct mts_entry read = {.domain = "a.test"};
  assert_int_equal(shared_entry_read(fields, MTS_PROFILE_DEFAULT, NOW, &read), MTS_OK);
  assert_string_equal(read.detail, "\\x1b[31m\\xff");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_entry_is_read_back_as_it_was_written),
      cmocka_unit_test(trouble_of_our_own_is_not_told),
      cmocka_unit_test(what_has_happened_by_a_clock_a_little_before_ours_happens_now),
      cmocka_unit_test(no_time_is_further_away_than_our_own_rules_set_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
