/* SPDX-License-Identifier: ISC
 * The table of answers to Postfix that are kept. When one stops to count is seen in at_once.c and in the tests of the server. */
#include "kept_answers.h"

#include <stdio.h>

#include "told_world.h"

static struct kept_answer *keep(struct kept_answers *answers, const char *key, const char *text) {
  char reply[64];
  int n = snprintf(reply, sizeof reply, "OK %s,", text);
  return kept_answers_keep(answers, mts_span_of(key), NULL, TLS_POLICY_ENTRY, 5, mts_span(reply, (size_t)n),
                           mts_span(reply + 3, strlen(text)));
}

static bool has(const struct kept_answers *answers, const char *key, const char *text) {
  const struct kept_answer *kept = kept_answers_find(answers, mts_span_of(key));
  return kept && mts_span_equals(kept_text(kept), text);
}

static void an_answer_is_found_by_all_bytes_of_its_key(void **state) {
  (void)state;
  struct kept_answers *answers = NULL;
  assert_int_equal(kept_answers_new(100, &answers), MTS_OK);
  const struct kept_answer *kept = keep(answers, "a.test", "text");
  assert_non_null(kept);
  assert_true(mts_span_equals(kept_reply(kept), "OK text,"));
  assert_true(mts_span_equals(kept_text(kept), "text"));
  assert_int_equal(kept->basis.mark.number, 0);
  assert_true(has(answers, "a.test", "text"));
  static const char *const others[] = {"A.test", "a.tes", "a.test.", "[a.test]", "a.test:25", "", " a.test"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_null(kept_answers_find(answers, mts_span_of(others[i])));
  assert_null(kept_answers_find(answers, mts_span("a.test", sizeof "a.test"))); /* with its NUL */
  kept_answers_free(&answers);
}

static void a_newer_one_takes_the_place_of_the_same_key(void **state) {
  (void)state;
  struct kept_answers *answers = NULL;
  assert_int_equal(kept_answers_new(2, &answers), MTS_OK);
  keep(answers, "a.test", "1");
  keep(answers, "b.test", "2");
  for (int i = 0; i < 5; i++) keep(answers, "a.test", "3");
  assert_true(has(answers, "a.test", "3"));
  assert_true(has(answers, "b.test", "2"));
  kept_answers_free(&answers);
}

static void the_oldest_makes_room(void **state) {
  (void)state;
  struct kept_answers *answers = NULL;
  char key[32];
  assert_int_equal(kept_answers_new(100, &answers), MTS_OK);
  for (int i = 0; i < 1000; i++) {
    snprintf(key, sizeof key, "d%d.test", i);
    assert_non_null(keep(answers, key, key));
  }
  size_t found = 0;
  for (int i = 0; i < 1000; i++) {
    snprintf(key, sizeof key, "d%d.test", i);
    bool there = has(answers, key, key);
    found += there;
    assert_true(i >= 900 || !there);
  }
  assert_in_range(found, 90, 100);
  kept_answers_free(&answers);
}

static void names_that_share_a_bucket_put_each_other_out_beyond_a_few(void **state) {
  (void)state;
  struct kept_answers *answers = NULL;
  char key[32];
  uint32_t wanted = 0;
  size_t kept = 0, found = 0;
  assert_int_equal(kept_answers_new(1024, &answers), MTS_OK);
  static char keys[100][32];
  for (int i = 0; kept < 100; i++) {
    int n = snprintf(key, sizeof key, "d%d.test", i);
    uint32_t bucket = mts_span_hash(mts_span(key, (size_t)n)) % 1024;
    if (i == 0) wanted = bucket;
    if (bucket != wanted) continue;
    memcpy(keys[kept++], key, sizeof key);
    keep(answers, key, key);
    assert_true(has(answers, key, key));
  }
  for (size_t i = 0; i < 100; i++) found += has(answers, keys[i], keys[i]);
  assert_in_range(found, 2, 16);
  kept_answers_free(&answers);
}

static void a_long_one_is_not_kept(void **state) {
  (void)state;
  struct kept_answers *answers = NULL;
  static char long_text[5000];
  memset(long_text, 'x', sizeof long_text);
  struct mts_span text = mts_span(long_text, sizeof long_text), shorter = mts_span(long_text, 100);
  assert_int_equal(kept_answers_new(10, &answers), MTS_OK);
  assert_null(kept_answers_keep(answers, mts_span_of("a.test"), NULL, TLS_POLICY_ENTRY, 5, text, text));
  assert_null(kept_answers_keep(answers, mts_span(long_text, 300), NULL, TLS_POLICY_ENTRY, 5, shorter, shorter));
  assert_null(kept_answers_find(answers, mts_span_of("a.test")));
  kept_answers_free(&answers);
}

static void no_entries_means_that_none_is_kept(void **state) {
  (void)state;
  struct kept_answers *answers = NULL;
  assert_int_equal(kept_answers_new(0, &answers), MTS_OK);
  assert_null(keep(answers, "a.test", "text"));
  assert_null(kept_answers_find(answers, mts_span_of("a.test")));
  kept_answers_free(&answers);
}

/* Else a request that is a key could be about something else than the answer that has this key. */
static void a_key_read_as_a_request_is_what_it_was_made_of(void **state) {
  (void)state;
  static const char *const requests[] = {
      "A.Test.",  "joe@a.test", "[A.test]:587", "a.test:025", "[a.test]", "b\xc3\xbc\x63her.test", "xn--bcher-kva.test:1",
      "_x.a.test"};
  for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
    struct mts_destination asked, again;
    char key[KEPT_KEY_SIZE], second[KEPT_KEY_SIZE];
    if (mts_destination_parse(mts_span_of(requests[i]), &asked)) continue;
    struct mts_span made = kept_key(asked.domain, asked.kind == MTS_DEST_SMARTHOST, asked.port, key);
    assert_int_equal(mts_destination_parse(made, &again), MTS_OK);
    assert_int_equal(asked.kind, again.kind);
    assert_int_equal(asked.port, again.port);
    assert_string_equal(asked.domain, again.domain);
    kept_key(again.domain, again.kind == MTS_DEST_SMARTHOST, again.port, second);
    assert_string_equal(key, second);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_answer_is_found_by_all_bytes_of_its_key),
      cmocka_unit_test(a_newer_one_takes_the_place_of_the_same_key),
      cmocka_unit_test(the_oldest_makes_room),
      cmocka_unit_test(names_that_share_a_bucket_put_each_other_out_beyond_a_few),
      cmocka_unit_test(a_long_one_is_not_kept),
      cmocka_unit_test(no_entries_means_that_none_is_kept),
      cmocka_unit_test(a_key_read_as_a_request_is_what_it_was_made_of),
  };
  return cmocka_run_group_tests_name("serve_kept_answers", tests, NULL, NULL);
}
