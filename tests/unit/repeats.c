/* SPDX-License-Identifier: ISC
 * Questions that are asked again, as by a filter behind its rule. */
#include "resolve/repeats.h"

#include "store_folder.h"

/* As what answers mail asks. */
static struct mts_answer *ask_plainly(struct mts *m, const char *destination) {
  struct mts_answer *answer = NULL;
  const struct mts_lookup_opts opts = {.depth = MTS_DEPTH_POLICY, .freshness = MTS_USE_CACHED, .no_trace = true};
  assert_int_equal(mts_lookup(m, destination, &opts, &answer), MTS_OK);
  assert_non_null(answer);
  return answer;
}

static void open_with_a_test_known(struct told *told, const char *const *settings) {
  told_open(told, settings);
  tell_a_test(told);
  struct mts_answer *answer = ask_plainly(told->m, "a.test");
  assert_int_equal(answer->from, MTS_FROM_NETWORK);
  mts_answer_free(&answer);
}

static void the_same_question_has_the_same_answer_until_something_is_due(void **state) {
  (void)state;
  struct told told;
  open_with_a_test_known(&told, NULL);
  struct mts_answer *first = ask_plainly(told.m, "joe@a.test"), *second = ask_plainly(told.m, "joe@a.test");
  assert_ptr_equal(first, second);
  mts_answer_free(&first);
  assert_null(first);
  assert_string_equal(second->domain, "a.test"); /* each holds it for itself */
  assert_int_equal(second->mode, MTS_MODE_ENFORCE);
  assert_int_equal(second->from, MTS_FROM_MEMORY);
  pass_s(&told, 301); /* the record's TTL */
  struct mts_answer *later = ask_plainly(told.m, "joe@a.test");
  assert_ptr_not_equal(later, second);
  assert_string_equal(later->id, second->id);
  mts_answer_free(&later);
  mts_answer_free(&second);
  told_close(&told);
}

static void it_outlives_the_context(void **state) {
  (void)state;
  struct told told;
  open_with_a_test_known(&told, NULL);
  struct mts_answer *first = ask_plainly(told.m, "a.test");
  told_close(&told);
  assert_string_equal(first->policy->mx[0], "mx1.a.test");
  mts_answer_free(&first);
}

static void what_is_learned_counts_at_once(void **state) {
  (void)state;
  struct told told;
  open_with_a_test_known(&told, NULL);
  struct mts_answer *before = ask_plainly(told.m, "a.test");
  tell_txt(&told, "_mta-sts.a.test", "v=STSv1; id=2", 300);
  tell_policy(&told, "mta-sts.a.test", TESTING_MX1);
  struct mts_answer *fetched = ask(&told, "a.test", MTS_DEPTH_POLICY, MTS_CHECK_ALWAYS);
  int64_t now_s = mts_now(told.m);
  struct mts_answer *after = ask_plainly(told.m, "a.test");
  assert_int_equal(mts_now(told.m), now_s); /* no second passed */
  assert_string_equal(before->id, "1");
  assert_string_equal(after->id, "2");
  assert_int_equal(after->mode, MTS_MODE_TESTING);
  mts_answer_free(&before);
  mts_answer_free(&fetched);
  mts_answer_free(&after);
  told_close(&told);
}

static void what_is_forgotten_is_asked_for_again(void **state) {
  (void)state;
  struct told told;
  size_t removed;
  open_with_a_test_known(&told, NULL);
  struct mts_answer *answer = ask_plainly(told.m, "a.test");
  mts_answer_free(&answer);
  assert_int_equal(txt_count(&told), 1);
  assert_int_equal(mts_store_flush(told.m, "a.test", &removed), MTS_OK);
  answer = ask_plainly(told.m, "a.test");
  assert_int_equal(answer->from, MTS_FROM_NETWORK);
  assert_int_equal(txt_count(&told), 2);
  mts_answer_free(&answer);
  told_close(&told);
}

static enum mts_hook_result excepts(void *arg, enum mts_hook hook, struct mts_lookup *lookup, const struct mts_answer *so_far,
                                    struct mts_opinion *opinion) {
  (void)hook;
  (void)lookup;
  (void)so_far;
  (*(unsigned *)arg)++;
  *opinion = (struct mts_opinion){.mode = MTS_MODE_NONE, .reason = "because"};
  return MTS_HOOK_OPINION;
}

static void a_rule_is_asked_each_time(void **state) {
  (void)state;
  struct told told;
  unsigned asked = 0;
  open_with_a_test_known(&told, NULL);
  struct mts_answer *answer = ask_plainly(told.m, "a.test");
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
  mts_answer_free(&answer);
  mts_set_hooks(told.m, excepts, NULL, &asked);
  for (unsigned i = 1; i <= 2; i++) {
    answer = ask_plainly(told.m, "a.test");
    assert_int_equal(answer->mode, MTS_MODE_NONE);
    assert_int_equal(asked, i);
    mts_answer_free(&answer);
  }
  mts_set_hooks(told.m, NULL, NULL, NULL);
  answer = ask_plainly(told.m, "a.test");
  assert_int_equal(answer->mode, MTS_MODE_ENFORCE);
  mts_answer_free(&answer);
  told_close(&told);
}

/* memory_s 0: another process may have written the store a moment ago. */
static void memory_is_believed_no_longer_than_it_would_be_else(void **state) {
  (void)state;
  struct told told;
  const char *const settings[] = {"store", store_path, "memory_s", "0", NULL};
  open_with_a_test_known(&told, settings);
  struct mts_answer *answer = ask_plainly(told.m, "a.test");
  mts_answer_free(&answer);
  struct mts *mine = told.m;
  told.m = told_context(&told, settings);
  tell_txt(&told, "_mta-sts.a.test", "v=STSv1; id=2", 300);
  answer = ask(&told, "a.test", MTS_DEPTH_POLICY, MTS_CHECK_ALWAYS);
  mts_answer_free(&answer);
  mts_free(&told.m);
  told.m = mine;
  int64_t now_s = mts_now(mine);
  mts_fake_advance(told.fake, 1);
  answer = ask_plainly(mine, "a.test");
  assert_int_equal(mts_now(mine), now_s);
  assert_string_equal(answer->id, "2");
  mts_answer_free(&answer);
  told_close(&told);
}

static void each_spelling_has_its_answer(void **state) {
  (void)state;
  struct told told;
  struct mts_answer *none = NULL;
  char longest[300];
  open_with_a_test_known(&told, NULL);
  for (int i = 0; i < 2; i++) {
    struct mts_answer *plain = ask_plainly(told.m, "a.test"), *loud = ask_plainly(told.m, "A.TEST.");
    struct mts_answer *smart = ask_plainly(told.m, "[a.test]:587");
    assert_string_equal(loud->domain, "a.test");
    assert_false(plain->smarthost);
    assert_true(smart->smarthost);
    mts_answer_free(&plain);
    mts_answer_free(&loud);
    mts_answer_free(&smart);
    assert_int_equal(mts_lookup(told.m, "[192.0.2.1]", NULL, &none), MTS_ERR_NAME_LITERAL);
  }
  memset(longest, 'j', sizeof longest);
  memcpy(longest + sizeof longest - sizeof "@a.test", "@a.test", sizeof "@a.test");
  for (int i = 0; i < 2; i++) {
    struct mts_answer *answer = ask_plainly(told.m, longest);
    assert_string_equal(answer->domain, "a.test");
    mts_answer_free(&answer);
  }
  told_close(&told);
}

/* More of them than there are places to keep answers in. */
static void whoever_shares_a_place_gets_the_answer_to_the_own_question(void **state) {
  (void)state;
  struct told told;
  told_open(&told, NULL);
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 1500; i++) {
      char domain[MTS_NAME_SIZE];
      snprintf(domain, sizeof domain, "d%04d.test", i);
      struct mts_answer *answer = ask_plainly(told.m, domain);
      assert_string_equal(answer->domain, domain);
      mts_answer_free(&answer);
    }
  }
  told_close(&told);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_same_question_has_the_same_answer_until_something_is_due),
      cmocka_unit_test(it_outlives_the_context),
      cmocka_unit_test(what_is_learned_counts_at_once),
      cmocka_unit_test(what_is_forgotten_is_asked_for_again),
      cmocka_unit_test(a_rule_is_asked_each_time),
      WITH_FOLDER(memory_is_believed_no_longer_than_it_would_be_else),
      cmocka_unit_test(each_spelling_has_its_answer),
      cmocka_unit_test(whoever_shares_a_place_gets_the_answer_to_the_own_question),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
