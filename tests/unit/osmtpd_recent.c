/* SPDX-License-Identifier: ISC
 * Which domains filter-mtasts was asked for lately. */
#include "recent.h"

#include <stdio.h>
#include <stdlib.h>

#include "tools.h"

#define DOMAINS 200

static const char *name(unsigned i) {
  static char text[64];
  snprintf(text, sizeof text, "domain-%u.test", i);
  return text;
}

static void domains_do_not_push_each_other_out_while_there_is_room(void **state) {
  struct recent *recent = calloc(1, sizeof *recent);
  (void)state;
  assert_non_null(recent);
  for (unsigned i = 0; i < DOMAINS; i++) recent_note(recent, name(i), 1000 + i)->hosts_until_ms = 5000 + i;
  for (unsigned i = 0; i < DOMAINS; i++) {
    assert_int_equal(recent_asked_ms(recent, name(i)), 1000 + i);
    assert_int_equal(recent_note(recent, name(i), 2000)->hosts_until_ms, 5000 + i);
    assert_int_equal(recent_asked_ms(recent, name(i)), 2000);
  }
  free(recent);
}

static void who_was_asked_for_longest_ago_goes_first(void **state) {
  struct recent *recent = calloc(1, sizeof *recent);
  (void)state;
  assert_non_null(recent);
  unsigned many = 20 * RECENT_SETS * RECENT_WAYS, kept = 0;
  for (unsigned i = 0; i < many; i++) {
    recent_note(recent, name(i), 1 + i);
    recent_note(recent, "asked-always.test", 1 + i);
  }
  for (unsigned i = 0; i < many; i++) kept += recent_asked_ms(recent, name(i)) != 0;
  assert_true(kept > RECENT_SETS * (RECENT_WAYS - 1) && kept < RECENT_SETS * RECENT_WAYS);
  assert_int_equal(recent_asked_ms(recent, "asked-always.test"), many);
  assert_int_equal(recent_asked_ms(recent, "never.test"), 0);
  free(recent);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(domains_do_not_push_each_other_out_while_there_is_room),
                                     cmocka_unit_test(who_was_asked_for_longest_ago_goes_first)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
