/* SPDX-License-Identifier: ISC
 * Settings as text: what is wrong is named, and nothing wrong is taken. */
#include "told_world.h"

static void a_wrong_setting_is_named_with_the_nearest_known(void **state) {
  (void)state;
  struct mts_settings *settings = NULL;
  assert_int_equal(mts_settings_new(&settings), MTS_OK);
  assert_int_equal(mts_settings_set(settings, "nameserver", "192.0.2.1"), MTS_ERR_SETTING);
  assert_string_equal(mts_settings_why(settings), "no setting \"nameserver\"; did you mean \"nameservers\"?");
  assert_int_equal(mts_settings_set(settings, "zzz", "1"), MTS_ERR_SETTING);
  assert_string_equal(mts_settings_why(settings), "no setting \"zzz\"");
  assert_int_equal(mts_settings_set(settings, "retry_s", "299"), MTS_ERR_SETTING);
  assert_string_equal(mts_settings_why(settings), "retry_s: \"299\" is not a number from 300 to 86400");
  assert_int_equal(mts_settings_set(settings, "https_port", "-1"), MTS_ERR_SETTING);
  assert_int_equal(mts_settings_set(settings, "https_port", "0443"), MTS_OK);
  assert_int_equal(mts_settings_set(settings, "dnssec", "maybe"), MTS_ERR_SETTING);
  assert_string_equal(mts_settings_why(settings), "dnssec: \"maybe\" is none of: auto, ad, validate, off");
  assert_int_equal(mts_settings_set(settings, "strict", "perhaps"), MTS_ERR_SETTING);
  assert_int_equal(mts_settings_set(settings, "store", "/tmp/a\nb"), MTS_ERR_SETTING);
  assert_string_equal(mts_settings_get(settings, "retry_s"), "300");
  assert_null(mts_settings_get(settings, "zzz"));
  mts_settings_free(&settings);
}

static void every_setting_has_a_default_that_may_be_set(void **state) {
  (void)state;
  struct mts_settings *settings = NULL;
  const char *name, *type, *fallback, *meaning;
  assert_int_equal(mts_settings_new(&settings), MTS_OK);
  size_t count = 0;
  while (mts_settings_describe(count, &name, &type, &fallback, &meaning)) {
    assert_int_equal(mts_settings_set(settings, name, fallback), MTS_OK);
    assert_true(strlen(meaning) > 10);
    count++;
  }
  assert_true(count > 15);
  mts_settings_free(&settings);
}

static void a_name_server_is_an_address(void **state) {
  (void)state;
  struct mts_settings *settings = NULL;
  assert_int_equal(mts_settings_new(&settings), MTS_OK);
  static const char *const good[] = {"",
                                     "192.0.2.1",
                                     "192.0.2.1:53",
                                     "2001:db8::1",
                                     "[2001:db8::1]",
                                     "[2001:db8::1]:5353",
                                     " , ",
                                     "192.0.2.1,::1 ",
                                     "192.0.2.1 127.0.0.1:65535"};
  static const char *const bad[] = {
      "resolver",           "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "[2001:db8::1", "[2001:db8::1]53", "[2001:db8::1]:",
      "192.0.2.1 resolver", "[]",         ":53",         "192.0.2"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_int_equal(mts_settings_set(settings, "nameservers", good[i]), MTS_OK);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(mts_settings_set(settings, "nameservers", bad[i]), MTS_ERR_SETTING);
  }
  mts_settings_set(settings, "nameservers", "192.0.2.1, resolver");
  assert_string_equal(mts_settings_why(settings),
                      "nameservers: \"resolver\" is not an address; write 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53");
  mts_settings_free(&settings);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_wrong_setting_is_named_with_the_nearest_known),
      cmocka_unit_test(every_setting_has_a_default_that_may_be_set),
      cmocka_unit_test(a_name_server_is_an_address),
  };
  return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
