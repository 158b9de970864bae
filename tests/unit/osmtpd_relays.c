/* SPDX-License-Identifier: ISC
 * Which host of a domain smtpd is told to use, ask by ask. */
#include "tools.h"

#include "relays.h"

static const char *const hosts[] = {"mx1.a.test", "mx2.a.test", "mx3.a.test"};

static struct relay *asked(struct relays *relays, int64_t now_ms) {
  struct relay *relay = relays_find(relays, "a.test", now_ms);
  return relay ? relay : relays_put(relays, "a.test", hosts, COUNT(hosts), now_ms);
}

static void a_burst_of_recipients_gets_the_same_host(void **s) {
  (void)s;
  struct relays *relays = NULL;
  assert_int_equal(relays_new(&relays), MTS_OK);
  for (int64_t now = 1000; now < 1000 + RELAY_BURST_MS; now += 100) {
    struct relay *relay = asked(relays, now);
    assert_false(relay_needs_check(relay, now));
    assert_int_equal(relay->current, 0);
    relay_answered(relay, now);
  }
  assert_true(relay_needs_check(asked(relays, 1000 + RELAY_BURST_MS), 1000 + RELAY_BURST_MS));
  relays_free(&relays);
}

static void the_first_host_that_passes_serves_for_some_minutes(void **s) {
  (void)s;
  struct relays *relays = NULL;
  assert_int_equal(relays_new(&relays), MTS_OK);
  struct relay *relay = asked(relays, 0);
  relay_answered(relay, 0);
  int64_t now = RELAY_BURST_MS;
  relay_checked(relay, 1, now);
  relay_answered(relay, now);
  assert_int_equal(relay->current, 1);
  assert_false(relay_needs_check(relay, now + RELAY_CHECKED_MS - 1));
  assert_true(relay_needs_check(relay, now + RELAY_CHECKED_MS));
  relay_checked(relay, 0, now + RELAY_CHECKED_MS); /* the first is back */
  assert_int_equal(relay->current, 0);
  relays_free(&relays);
}

static void when_none_passes_each_has_its_turn(void **s) {
  (void)s;
  struct relays *relays = NULL;
  assert_int_equal(relays_new(&relays), MTS_OK);
  struct relay *relay = asked(relays, 0);
  relay_answered(relay, 0);
  static const size_t turns[] = {1, 2, 0, 1};
  for (size_t i = 0; i < COUNT(turns); i++) {
    int64_t now = (int64_t)(i + 1) * RELAY_BURST_MS;
    assert_true(relay_needs_check(relay, now));
    relay_checked(relay, relay->count, now);
    assert_int_equal(relay->current, turns[i]);
    assert_false(relay_needs_check(relay, now + RELAY_BURST_MS - 1));
  }
  relays_free(&relays);
}

static void hosts_are_asked_for_again_and_the_one_in_use_stays(void **s) {
  (void)s;
  struct relays *relays = NULL;
  assert_int_equal(relays_new(&relays), MTS_OK);
  struct relay *relay = asked(relays, 0);
  relay_answered(relay, 0);
  relay_checked(relay, 1, RELAY_BURST_MS);
  assert_null(relays_find(relays, "a.test", RELAY_KNOWN_MS));
  static const char *const others[] = {"mx0.a.test", "mx1.a.test", "mx2.a.test"};
  relay = relays_put(relays, "a.test", others, COUNT(others), RELAY_KNOWN_MS);
  assert_string_equal(relay->host[relay->current], "mx2.a.test");
  assert_false(relay_needs_check(relay, RELAY_KNOWN_MS));
  relay = relays_put(relays, "a.test", others, 1, RELAY_KNOWN_MS); /* now it is gone: what is new has not failed yet */
  assert_string_equal(relay->host[relay->current], "mx0.a.test");
  assert_false(relay_needs_check(relay, RELAY_KNOWN_MS));
  relays_free(&relays);
}

static void a_full_memory_forgets_who_was_asked_for_longest_ago(void **s) {
  (void)s;
  struct relays *relays = NULL;
  char name[32];
  assert_int_equal(relays_new(&relays), MTS_OK);
  for (int i = 0; i < RELAYS_MAX; i++) {
    snprintf(name, sizeof name, "d%d.test", i);
    assert_non_null(relays_put(relays, name, hosts, 1, i));
  }
  assert_non_null(relays_find(relays, "d0.test", RELAYS_MAX));
  assert_non_null(relays_put(relays, "new.test", hosts, COUNT(hosts), RELAYS_MAX + 1));
  assert_non_null(relays_find(relays, "d0.test", RELAYS_MAX + 2));
  assert_null(relays_find(relays, "d1.test", RELAYS_MAX + 2));
  assert_int_equal(relays_find(relays, "new.test", RELAYS_MAX + 2)->count, COUNT(hosts));
  relays_free(&relays);
}

static void the_longest_name_and_too_many_hosts_fit(void **s) {
  (void)s;
  struct relays *relays = NULL;
  char longest[MTS_NAME_SIZE];
  memset(longest, 'a', sizeof longest - 1);
  longest[sizeof longest - 1] = 0;
  const char *many[RELAY_HOSTS_MAX + 3];
  for (size_t i = 0; i < COUNT(many); i++) many[i] = longest;
  assert_int_equal(relays_new(&relays), MTS_OK);
  struct relay *relay = relays_put(relays, longest, many, COUNT(many), 0);
  assert_int_equal(relay->count, RELAY_HOSTS_MAX);
  assert_string_equal(relay->host[RELAY_HOSTS_MAX - 1], longest);
  assert_ptr_equal(relays_find(relays, longest, 1), relay);
  relays_free(&relays);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_burst_of_recipients_gets_the_same_host),
      cmocka_unit_test(the_first_host_that_passes_serves_for_some_minutes),
      cmocka_unit_test(when_none_passes_each_has_its_turn),
      cmocka_unit_test(hosts_are_asked_for_again_and_the_one_in_use_stays),
      cmocka_unit_test(a_full_memory_forgets_who_was_asked_for_longest_ago),
      cmocka_unit_test(the_longest_name_and_too_many_hosts_fit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
