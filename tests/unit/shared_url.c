/* SPDX-License-Identifier: ISC
 * Where the shared store is: what is no such URL is refused without showing it. */
#include "base/shared_url.h"

#include "told_world.h"

static void a_url_names_a_host_or_a_socket_a_user_a_password_and_a_database(void **state) {
  (void)state;
  static const struct {
    const char *text;
    struct mts_shared_url url;
  } good[] = {
      {"redis://r.example", {.host = "r.example", .port = 6379}},
      {"rediss://R.Example:6380/2", {.tls = true, .host = "r.example", .port = 6380, .db = 2}},
      {"redis://192.0.2.1/", {.host = "192.0.2.1", .port = 6379}},
      {"redis://[2001:DB8::1]:7000/15", {.host = "2001:db8::1", .port = 7000, .db = 15}},
      {"redis://:secret@localhost", {.host = "localhost", .port = 6379, .password = "secret"}},
      {"redis://u%20v:p%40%3a%2F:@r.example", {.host = "r.example", .port = 6379, .user = "u v", .password = "p@:/:"}},
      {"redis://u@r.example", {.host = "r.example", .port = 6379, .user = "u"}},
      {"redis://u:a@b@r.example", {.host = "r.example", .port = 6379, .user = "u", .password = "a@b"}},
      {"unix:///run/redis/redis.sock", {.path = "/run/redis/redis.sock"}},
      {"unix://u:p@/run/a%3fb?db=7", {.path = "/run/a?b", .user = "u", .password = "p", .db = 7}},
  };
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    struct mts_shared_url url;
    assert_null(mts_shared_url_parse(good[i].text, &url));
    assert_memory_equal(&url, &good[i].url, sizeof url);
    assert_true(mts_shared_url_is(good[i].text));
  }
}

static void what_is_no_such_url_is_refused_and_never_shown(void **state) {
  (void)state;
  static const char *const bad[] = {"http://r.example",
                                    "redis:r.example",
                                    "redis://",
                                    "redis:///1",
                                    "redis://u:hidden%@r.example",
                                    "redis://u:hidden%0@r.example",
                                    "redis://u:hidden%00@r.example",
                                    "redis://u:hidden@r.example:0",
                                    "redis://u:hidden@r.example:65536",
                                    "redis://u:hidden@r.example:",
                                    "redis://u:hidden@r.example/x",
                                    "redis://u:hidden@r.example/65536",
                                    "redis://u:hidden@[192.0.2.1]",
                                    "redis://u:hidden@[2001:db8::1",
                                    "redis://u:hidden@[2001:db8::1]x",
                                    "redis://u:hidden@bad name",
                                    "unix://run/redis.sock",
                                    "unix:///run/redis.sock?hidden=1",
                                    "unix:///run/redis.sock?db=",
                                    "unix://hidden"};
  struct mts_settings *settings = NULL;
  assert_int_equal(mts_settings_new(&settings), MTS_OK);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(mts_settings_set(settings, "shared_store", bad[i]), MTS_ERR_SETTING);
    assert_null(strstr(mts_settings_why(settings), "hidden"));
    assert_non_null(strstr(mts_settings_why(settings), "shared_store: "));
  }
  char path[200] = "unix:///";
  memset(path + 8, 'x', 150);
  path[158] = '\0';
  assert_int_equal(mts_settings_set(settings, "shared_store", path), MTS_ERR_SETTING);
  assert_int_equal(mts_settings_set(settings, "store", "redis://u:hidden@r.example:x"), MTS_ERR_SETTING);
  assert_int_equal(mts_settings_set(settings, "shared_store", ""), MTS_OK);
  assert_int_equal(mts_settings_set(settings, "store", "redis.db"), MTS_OK);
  mts_settings_free(&settings);
}

static void a_url_is_shown_without_its_password(void **state) {
  (void)state;
  static const char *const shown[][2] = {{"redis://u:p@ss:w@r.example/1", "redis://u:***@r.example/1"},
                                         {"rediss://:p@r.example", "rediss://:***@r.example"},
                                         {"redis://u@r.example", "redis://***@r.example"},
                                         {"unix://u:p@/run/x@y", "unix://u:***@/run/x@y"},
                                         {"redis://r.example/a@b:c", "redis://r.example/a@b:c"},
                                         {"/var/lib/x:y@z", "/var/lib/x:y@z"},
                                         {"", ""}};
  char text[64];
  for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
    assert_true(mts_shared_url_show(shown[i][0], text, sizeof text));
    assert_string_equal(text, shown[i][1]);
  }
  assert_false(mts_shared_url_show("redis://u:p@r.example", text, 12));
}

static void a_url_as_store_keeps_the_store_in_its_default_place(void **state) {
  (void)state;
  struct mts_settings *settings = NULL;
  assert_int_equal(mts_settings_new(&settings), MTS_OK);
  assert_string_equal(settings_shared_store(settings), "");
  assert_int_equal(mts_settings_set(settings, "store", "redis://r.example"), MTS_OK);
  assert_string_equal(settings_store(settings), "");
  assert_string_equal(settings_shared_store(settings), "redis://r.example");
  assert_int_equal(mts_settings_set(settings, "store", "/x"), MTS_OK);
  assert_int_equal(mts_settings_set(settings, "shared_store", "unix:///y"), MTS_OK);
  assert_string_equal(settings_store(settings), "/x");
  assert_string_equal(settings_shared_store(settings), "unix:///y");
  mts_settings_free(&settings);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_url_names_a_host_or_a_socket_a_user_a_password_and_a_database),
      cmocka_unit_test(what_is_no_such_url_is_refused_and_never_shown),
      cmocka_unit_test(a_url_is_shown_without_its_password),
      cmocka_unit_test(a_url_as_store_keeps_the_store_in_its_default_place),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
