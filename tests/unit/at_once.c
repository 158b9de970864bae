/* SPDX-License-Identifier: ISC
 * Answers that take no walk, and how long they hold. */
#include "resolve/at_once.h"

#include "told_world.h"

static const char *const patient[] = {"memory_s", "3600", NULL}; /* so that other limits come first */

static const struct mts_lookup_opts opts = {.freshness = MTS_USE_CACHED, .no_trace = true};

static bool answer_now(struct told *told, const char *text, struct at_once *basis) {
  struct mts_destination to;
  struct mts_answer *answer = NULL;
  assert_int_equal(mts_destination_parse(mts_span_of(text), &to), MTS_OK);
  bool made = at_once_answer(told->m, &to, &opts, basis, &answer);
  mts_answer_free(&answer);
  return made;
}

static bool holds(const struct told *told, const struct at_once *basis) {
  const struct mts_clock *clock = &told->m->clock;
  return at_once_holds(told->m, basis, &opts, mts_clock_mono_ms(clock), mts_clock_now_s(clock));
}

/* Memory knows a.test. */
static struct at_once learn(struct told *told, const char *const *settings) {
  struct at_once basis = {0};
  told_open(told, settings);
  tell_a_test(told);
  assert_false(answer_now(told, "a.test", &basis));
  struct mts_answer *answer = ask_policy(told, "a.test");
  mts_answer_free(&answer);
  assert_true(answer_now(told, "a.test", &basis));
  assert_true(holds(told, &basis));
  return basis;
}

static void an_answer_at_once_is_what_a_lookup_would_give(void **state) {
  (void)state;
  struct told told;
  struct at_once basis = learn(&told, NULL);
  struct mts_destination to;
  struct mts_answer *answer = NULL, *looked_up = ask_policy(&told, "[a.test]");
  assert_int_equal(mts_destination_parse(mts_span_of("[A.test]:25"), &to), MTS_OK);
  assert_true(at_once_answer(told.m, &to, &opts, &basis, &answer));
  assert_string_equal(answer->domain, looked_up->domain);
  assert_true(answer->smarthost && looked_up->smarthost);
  assert_ptr_equal(answer->policy, looked_up->policy);
  assert_int_equal(answer->mode, looked_up->mode);
  assert_int_equal(answer->action, looked_up->action);
  assert_int_equal(answer->from, MTS_FROM_MEMORY);
  assert_string_equal(answer->id, looked_up->id);
  assert_int_equal(answer->expires_at, looked_up->expires_at);
  mts_answer_free(&answer);
  mts_answer_free(&looked_up);
  told_close(&told);
}

static void without_a_basis_nothing_holds(void **state) {
  (void)state;
  struct told told;
  const struct at_once none = {0};
  learn(&told, NULL);
  assert_false(holds(&told, &none));
  told_close(&told);
}

static void it_ends_when_the_domain_is_learned_anew(void **state) {
  (void)state;
  struct told told;
  struct at_once basis = learn(&told, NULL);
  struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_POLICY, MTS_CHECK_ALWAYS);
  assert_false(holds(&told, &basis));
  assert_true(answer_now(&told, "a.test", &basis));
  assert_true(holds(&told, &basis));
  mts_answer_free(&answer);
  told_close(&told);
}

static void it_ends_when_the_domain_is_forgotten(void **state) {
  (void)state;
  struct told told;
  struct at_once basis = learn(&told, NULL);
  assert_int_equal(mts_store_flush(told.m, "a.test", NULL), MTS_OK);
  assert_false(holds(&told, &basis));
  told_close(&told);
}

static void it_ends_when_the_store_may_know_more(void **state) {
  (void)state;
  struct told told;
  struct at_once basis = learn(&told, (const char *[]){"memory_s", "5", NULL});
  pass_s(&told, 5);
  assert_true(holds(&told, &basis));
  mts_fake_advance(told.fake, 1);
  assert_false(holds(&told, &basis));
  assert_false(answer_now(&told, "a.test", &basis));
  told_close(&told);
}

static void it_ends_when_a_look_is_due(void **state) {
  (void)state;
  struct told told;
  struct at_once basis = learn(&told, patient); /* the record's TTL is 300 s */
  pass_s(&told, 299);
  assert_true(holds(&told, &basis));
  pass_s(&told, 1);
  assert_false(holds(&told, &basis));
  assert_false(answer_now(&told, "a.test", &basis));
  told_close(&told);
}

static void it_ends_with_the_policy(void **state) {
  (void)state;
  struct told told;
  int64_t now_s = START_MS / 1000;
  struct mts_entry entry = {.domain = "a.test",
                            .id = "1",
                            .fetched_at = now_s,
                            .expires_at = now_s + 10,
                            .refresh_at = now_s + 99,
                            .check_at = now_s + 99};
  struct at_once basis;
  told_open(&told, patient);
  assert_int_equal(mts_policy_new(MTS_MODE_ENFORCE, 10, (const char *[]){"mx.a.test"}, 1, &entry.policy), MTS_OK);
  assert_int_equal(memory_put(told.m->memory, &entry, mts_clock_mono_ms(&told.m->clock)), MTS_OK);
  mts_entry_clear(&entry);
  assert_true(answer_now(&told, "a.test", &basis));
  pass_s(&told, 10);
  assert_true(holds(&told, &basis));
  pass_s(&told, 1);
  assert_false(holds(&told, &basis));
  told_close(&told);
}

static void an_absence_ends_with_its_ttl(void **state) {
  (void)state;
  struct told told;
  struct at_once basis;
  told_open(&told, patient);
  struct mts_answer *answer = ask_policy(&told, "b.test");
  int64_t left_s = 0;
  assert_true(answer_now(&told, "b.test", &basis));
  while (holds(&told, &basis)) {
    pass_s(&told, 1);
    left_s++;
  }
  assert_in_range(left_s, 60, 3600);
  assert_false(answer_now(&told, "b.test", &basis)); /* it is asked for again */
  mts_answer_free(&answer);
  told_close(&told);
}

static int64_t earlier_ms(void *arg) {
  (void)arg;
  return START_MS - 1000;
}

static void it_does_not_hold_while_the_clock_is_set_back(void **state) {
  (void)state;
  struct told told;
  struct at_once basis = learn(&told, NULL);
  struct mts_clock clock = told.m->clock;
  told.m->clock.now_ms = earlier_ms;
  assert_false(holds(&told, &basis));
  told.m->clock = clock;
  assert_true(holds(&told, &basis));
  told_close(&told);
}

static enum mts_hook_result no_opinion(void *arg, enum mts_hook hook, struct mts_lookup *lookup, const struct mts_answer *so_far,
                                       struct mts_opinion *opinion) {
  (void)arg, (void)hook, (void)lookup, (void)so_far, (void)opinion;
  return MTS_HOOK_NO_OPINION;
}

static void it_does_not_hold_while_there_are_rules(void **state) {
  (void)state;
  struct told told;
  struct at_once basis = learn(&told, NULL);
  mts_set_hooks(told.m, no_opinion, NULL, NULL);
  assert_false(holds(&told, &basis));
  assert_false(answer_now(&told, "a.test", &basis));
  mts_set_hooks(told.m, NULL, NULL, NULL);
  assert_true(holds(&told, &basis));
  told_close(&told);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_answer_at_once_is_what_a_lookup_would_give),
      cmocka_unit_test(without_a_basis_nothing_holds),
      cmocka_unit_test(it_ends_when_the_domain_is_learned_anew),
      cmocka_unit_test(it_ends_when_the_domain_is_forgotten),
      cmocka_unit_test(it_ends_when_the_store_may_know_more),
      cmocka_unit_test(it_ends_when_a_look_is_due),
      cmocka_unit_test(it_ends_with_the_policy),
      cmocka_unit_test(an_absence_ends_with_its_ttl),
      cmocka_unit_test(it_does_not_hold_while_the_clock_is_set_back),
      cmocka_unit_test(it_does_not_hold_while_there_are_rules),
  };
  return cmocka_run_group_tests_name("at_once", tests, NULL, NULL);
}
