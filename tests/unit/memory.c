/* SPDX-License-Identifier: ISC
 * The bounded first level of the cache. */
#include "resolve/memory.h"

#include <stdio.h>

#include "told_world.h"

static void put(struct memory *memory, const char *domain, int64_t checked_at) {
  struct mts_entry entry = {.checked_at = checked_at, .id = "id1", .failed_id = "id0", .detail = "why", .tries = 3};
  memccpy(entry.domain, domain, 0, sizeof entry.domain);
  assert_int_equal(mts_policy_new(MTS_MODE_ENFORCE, 600, (const char *[]){"mx.a.test"}, 1, &entry.policy), MTS_OK);
  assert_int_equal(memory_put(memory, &entry, 5), MTS_OK);
  mts_entry_clear(&entry);
}

static struct memory_mark mark_of(struct memory *memory, const char *domain) {
  struct mts_entry entry = {0};
  int64_t put_ms;
  struct memory_mark mark = {0};
  memory_get(memory, domain, &entry, &put_ms, &mark);
  mts_entry_clear(&entry);
  return mark;
}

static bool has(struct memory *memory, const char *domain) { return mark_of(memory, domain).number != 0; }

static void what_was_put_comes_back_whole(void **state) {
  (void)state;
  struct memory *memory = NULL;
  struct mts_entry entry = {0};
  int64_t put_ms = 0;
  struct memory_mark mark;
  assert_int_equal(memory_new(10, &memory), MTS_OK);
  put(memory, "a.test", 1);
  put(memory, "a.test", 2);
  assert_int_equal(memory_get(memory, "a.test", &entry, &put_ms, &mark), MTS_OK);
  assert_int_equal(put_ms, 5);
  assert_int_equal(entry.checked_at, 2);
  assert_string_equal(entry.domain, "a.test");
  assert_string_equal(entry.id, "id1");
  assert_string_equal(entry.failed_id, "id0");
  assert_string_equal(entry.detail, "why");
  assert_int_equal(entry.tries, 3);
  assert_string_equal(entry.policy->mx[0], "mx.a.test");
  mts_entry_clear(&entry);
  assert_int_equal(memory_delete(memory, NULL), 1);
  memory_free(&memory);
}

static void what_was_not_used_goes_first(void **state) {
  (void)state;
  struct memory *memory = NULL;
  assert_int_equal(memory_new(3, &memory), MTS_OK);
  put(memory, "a.test", 1);
  put(memory, "b.test", 1);
  put(memory, "c.test", 1);
  assert_true(has(memory, "a.test"));
  put(memory, "d.test", 1);
  assert_true(has(memory, "a.test"));
  assert_false(has(memory, "b.test"));
  assert_true(has(memory, "c.test"));
  memory_free(&memory);
}

static void what_is_used_stays_however_much_is_put(void **state) {
  (void)state;
  struct memory *memory = NULL;
  char domain[32];
  assert_int_equal(memory_new(3, &memory), MTS_OK);
  put(memory, "by-name.test", 1);
  put(memory, "by-mark.test", 1);
  struct memory_mark mark = mark_of(memory, "by-mark.test");
  for (int i = 0; i < 100; i++) {
    snprintf(domain, sizeof domain, "d%d.test", i);
    put(memory, domain, i);
    assert_true(has(memory, "by-name.test"));
    assert_true(memory_has(memory, &mark));
  }
  for (int i = 0; i < 3; i++) { /* one round of grace */
    snprintf(domain, sizeof domain, "e%d.test", i);
    put(memory, domain, i);
  }
  assert_false(memory_has(memory, &mark));
  memory_free(&memory);
}

static void a_mark_is_of_one_entry_as_it_was_put(void **state) {
  (void)state;
  struct memory *memory = NULL;
  const struct memory_mark none = {0};
  assert_int_equal(memory_new(3, &memory), MTS_OK);
  assert_false(memory_has(memory, &none));
  put(memory, "a.test", 1);
  struct memory_mark mark = mark_of(memory, "a.test");
  assert_true(memory_has(memory, &mark));
  put(memory, "b.test", 1);
  assert_true(memory_has(memory, &mark));
  put(memory, "a.test", 1);
  assert_false(memory_has(memory, &mark));
  mark = mark_of(memory, "a.test");
  assert_true(memory_has(memory, &mark));
  assert_int_equal(memory_delete(memory, "a.test"), 1);
  assert_false(memory_has(memory, &mark));
  put(memory, "c.test", 1); /* where a.test was */
  assert_false(memory_has(memory, &mark));
  memory_delete(memory, NULL);
  assert_false(memory_has(memory, &none));
  memory_free(&memory);
}

static void ten_thousand_domains_are_all_found_and_all_forgotten(void **state) {
  (void)state;
  struct memory *memory = NULL;
  char domain[32];
  assert_int_equal(memory_new(20000, &memory), MTS_OK);
  for (int i = 0; i < 10000; i++) {
    snprintf(domain, sizeof domain, "d%d.test", i);
    put(memory, domain, i);
  }
  for (int i = 0; i < 10000; i++) {
    snprintf(domain, sizeof domain, "d%d.test", i);
    assert_true(has(memory, domain));
    assert_int_equal(memory_delete(memory, domain), 1);
  }
  assert_int_equal(memory_delete(memory, NULL), 0);
  memory_free(&memory);
}

static void no_entries_means_no_memory(void **state) {
  (void)state;
  struct memory *memory = NULL;
  assert_int_equal(memory_new(0, &memory), MTS_OK);
  put(memory, "a.test", 1);
  assert_false(has(memory, "a.test"));
  memory_free(&memory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_put_comes_back_whole),
      cmocka_unit_test(what_was_not_used_goes_first),
      cmocka_unit_test(what_is_used_stays_however_much_is_put),
      cmocka_unit_test(a_mark_is_of_one_entry_as_it_was_put),
      cmocka_unit_test(ten_thousand_domains_are_all_found_and_all_forgotten),
      cmocka_unit_test(no_entries_means_no_memory),
  };
  return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
