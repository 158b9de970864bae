/* SPDX-License-Identifier: ISC
 * How reports fare in the store: who may send one, when it is tried again, when no more, and what others have touched. */
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include "store_crowd.h"

#define DAY (NOW / 86400 - 1)
#define HOUR_MS INT64_C(3600000)

struct try {
  const char *domain, *owner;
  uint32_t delay_s;
  bool at_once;
};

static struct mts_delivery claim(struct tools *t, struct mts_store *store, struct try try) {
  const struct mts_delivery_claim claim = {.day = DAY,
                                           .domain = try.domain ? try.domain : "a.example",
                                           .id = "2026.a.example",
                                           .owner = try.owner ? try.owner : "me",
                                           .now_ms = t->now_ms,
                                           .until_ms = t->now_ms + 60000,
                                           .delay_s = try.delay_s,
                                           .at_once = try.at_once};
  struct mts_delivery delivery;
  bool unsure = false;
  assert_int_equal(mts_store_delivery_claim(store, &claim, &delivery, &unsure), MTS_OK);
  return delivery;
}

static bool hand(struct tools *t, struct mts_store *store, const char *owner) {
  bool ours = false;
  assert_int_equal(
      mts_store_delivery_hand(store, DAY, "a.example", owner, "https://r.example/", t->now_ms, t->now_ms + 60000, &ours), MTS_OK);
  return ours;
}

static struct mts_delivery note(struct tools *t, struct mts_store *store, enum mts_delivery_state state) {
  struct mts_delivery delivery;
  assert_int_equal(
      mts_store_delivery_note(store, DAY, "a.example", "me", state, "https://r.example/", "a\nb", t->now_ms, &delivery), MTS_OK);
  return delivery;
}

static void a_first_look_waits_a_random_time_within_the_bound(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  int64_t least = INT64_MAX, most = 0;
  for (int i = 0; i < 40; i++) {
    char domain[32];
    snprintf(domain, sizeof domain, "d%d.example", i);
    struct mts_delivery delivery = claim(t, store, (struct try){.domain = domain, .delay_s = 14400});
    int64_t wait = delivery.next_at - NOW;
    assert_in_range(wait, 0, 14400);
    assert_int_equal(delivery.state, wait ? MTS_DELIVERY_WAITING : MTS_DELIVERY_CLAIMED);
    least = wait < least ? wait : least;
    most = wait > most ? wait : most;
  }
  assert_true(most - least > 1800);
  struct mts_delivery again = claim(t, store, (struct try){.domain = "d7.example", .delay_s = 14400});
  t->now_ms = again.next_at * 1000 - 1000;
  if (again.next_at > NOW + 1) assert_int_equal(claim(t, store, (struct try){.domain = "d7.example"}).state, MTS_DELIVERY_WAITING);
  t->now_ms += 1000; /* another process, with another bound: the time stays */
  assert_int_equal(claim(t, store, (struct try){.domain = "d7.example", .delay_s = 1}).state, MTS_DELIVERY_CLAIMED);
  mts_store_close(&store);
}

static void at_once_shortens_the_first_wait_alone(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  assert_int_equal(claim(t, store, (struct try){.delay_s = 43200, .at_once = true}).state, MTS_DELIVERY_CLAIMED);
  assert_true(hand(t, store, "me"));
  struct mts_delivery failed = note(t, store, MTS_DELIVERY_WAITING);
  assert_int_equal(failed.state, MTS_DELIVERY_WAITING);
  assert_int_equal(claim(t, store, (struct try){.at_once = true}).state, MTS_DELIVERY_WAITING);
  mts_store_close(&store);
}

static void a_claim_is_one_process_own_until_it_ends(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  assert_string_equal(claim(t, store, (struct try){0}).owner, "me");
  assert_string_equal(claim(t, store, (struct try){.owner = "other"}).owner, "me");
  assert_false(hand(t, store, "other"));
  t->now_ms += 60000; /* it died before the hand-over: another may */
  assert_string_equal(claim(t, store, (struct try){.owner = "other"}).owner, "other");
  assert_false(hand(t, store, "me")); /* it was only slow: it may not any more */
  struct mts_delivery delivery;
  assert_int_equal(mts_store_delivery_note(store, DAY, "a.example", "me", MTS_DELIVERY_SENT, "", "", t->now_ms, &delivery),
                   MTS_ERR_STORE_NONE);
  assert_true(hand(t, store, "other"));
  mts_store_close(&store);
}

static void what_may_have_been_handed_over_is_not_handed_over_again(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  claim(t, store, (struct try){0});
  assert_true(hand(t, store, "me"));
  assert_int_equal(claim(t, store, (struct try){.owner = "other"}).state, MTS_DELIVERY_HANDING);
  t->now_ms += 60000;
  const struct mts_delivery_claim other = {
      .day = DAY, .domain = "a.example", .id = "x", .owner = "other", .now_ms = t->now_ms, .until_ms = t->now_ms + 1};
  struct mts_delivery delivery;
  bool unsure = false;
  assert_int_equal(mts_store_delivery_claim(store, &other, &delivery, &unsure), MTS_OK);
  assert_true(unsure && delivery.state == MTS_DELIVERY_UNSURE);
  assert_int_equal(mts_store_delivery_claim(store, &other, &delivery, &unsure), MTS_OK);
  assert_true(!unsure && delivery.state == MTS_DELIVERY_UNSURE); /* told once */
  mts_store_close(&store);
}

static void a_failed_try_is_made_again_later_and_later_for_a_day_and_then_given_up(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  int64_t last = 0;
  int tries = 0;
  for (;; tries++) {
    struct mts_delivery delivery = claim(t, store, (struct try){.at_once = true});
    if (delivery.state == MTS_DELIVERY_GIVEN_UP) break;
    assert_int_equal(delivery.state, MTS_DELIVERY_CLAIMED);
    assert_true(hand(t, store, "me"));
    delivery = note(t, store, MTS_DELIVERY_WAITING);
    assert_string_equal(delivery.detail, "a\\x0ab");
    if (delivery.state == MTS_DELIVERY_GIVEN_UP) continue;
    int64_t now_s = t->now_ms / 1000, wait = delivery.next_at - now_s;
    assert_int_equal(delivery.first_at, NOW);
    assert_true(delivery.next_at <= NOW + 86400);
    if (delivery.next_at < NOW + 86400) {
      assert_in_range(wait, MTS_DELIVERY_RETRY_LEAST_S, MTS_DELIVERY_RETRY_MOST_S * 5 / 4);
      assert_true(wait >= (last * 4 / 5 < MTS_DELIVERY_RETRY_MOST_S ? last * 4 / 5 : MTS_DELIVERY_RETRY_MOST_S));
    }
    last = wait;
    t->now_ms = (delivery.next_at - 1) * 1000;
    assert_int_equal(claim(t, store, (struct try){0}).state, MTS_DELIVERY_WAITING);
    t->now_ms = delivery.next_at * 1000;
  }
  assert_in_range(tries, 8, 16);
  assert_int_equal(t->now_ms / 1000, NOW + 86400);
  mts_store_close(&store);
}

static void what_is_sent_or_unwanted_stays_so(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  claim(t, store, (struct try){0});
  assert_int_equal(note(t, store, MTS_DELIVERY_SENT).state, MTS_DELIVERY_SENT);
  t->now_ms += 25 * HOUR_MS;
  assert_int_equal(claim(t, store, (struct try){.at_once = true}).state, MTS_DELIVERY_SENT);
  mts_store_close(&store);
}

static void a_time_that_a_wrong_clock_set_holds_nobody_up(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  claim(t, store, (struct try){0});
  note(t, store, MTS_DELIVERY_WAITING);
  tools_sql(t->path, "UPDATE delivery SET next_at = next_at + 1000000");
  assert_int_equal(claim(t, store, (struct try){0}).state, MTS_DELIVERY_CLAIMED);
  tools_sql(t->path, "UPDATE delivery SET until_ms = until_ms + 100000000");
  assert_string_equal(claim(t, store, (struct try){.owner = "other"}).owner, "other");
  mts_store_close(&store);
}

static void a_row_that_was_edited_to_nonsense_is_rather_not_sent_than_twice(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  static const char *const columns[] = {"id", "state", "owner", "until_ms", "tries", "first_at", "next_at", "uri", "detail"};
  for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
    char sql[120];
    tools_sql(t->path, "DELETE FROM delivery");
    claim(t, store, (struct try){0});
    note(t, store, MTS_DELIVERY_WAITING);
    snprintf(sql, sizeof sql, "UPDATE delivery SET %s = x'00ff', next_at = 0", columns[i]);
    tools_sql(t->path, sql);
    if (strcmp(columns[i], "next_at") == 0) tools_sql(t->path, "UPDATE delivery SET next_at = 'x'");
    assert_int_equal(claim(t, store, (struct try){0}).state, MTS_DELIVERY_UNSURE);
  }
  mts_store_close(&store);
}

static void what_cannot_be_read_back_is_refused(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_delivery delivery;
  bool flag;
  struct mts_delivery_claim good = {
      .day = DAY, .domain = "a.example", .id = "id", .owner = "me", .now_ms = t->now_ms, .until_ms = t->now_ms + 1};
  struct mts_delivery_claim wrong[7] = {good, good, good, good, good, good, good};
  wrong[0].domain = "A.example";
  wrong[1].id = "a\nb";
  wrong[2].id = "";
  wrong[3].owner = "";
  wrong[4].until_ms = t->now_ms;
  wrong[5].day = -1;
  wrong[6].until_ms = t->now_ms + 2 * HOUR_MS;
  for (size_t i = 0; i < 7; i++) assert_int_equal(mts_store_delivery_claim(store, &wrong[i], &delivery, &flag), MTS_ERR_ARGUMENT);
  assert_int_equal(mts_store_delivery_hand(store, DAY, "a.example", "me", "a\rb", t->now_ms, t->now_ms + 1, &flag),
                   MTS_ERR_ARGUMENT);
  assert_int_equal(mts_store_delivery_note(store, DAY, "a.example", "me", MTS_DELIVERY_CLAIMED, "", "", t->now_ms, &delivery),
                   MTS_ERR_ARGUMENT);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM delivery"), 0);
  mts_store_close(&store);
}

static bool count_one(void *arg, const struct mts_delivery *delivery) {
  (void)delivery;
  ++*(int *)arg;
  return true;
}

static void a_sweep_forgets_what_is_long_over(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  int count = 0;
  claim(t, store, (struct try){0});
  assert_int_equal(mts_store_sweep(store, NOW + 29 * 86400, NULL), MTS_OK);
  assert_int_equal(mts_store_deliveries(store, DAY, DAY, "a.example", count_one, &count), MTS_OK);
  assert_int_equal(count, 1);
  assert_int_equal(mts_store_sweep(store, NOW + 31 * 86400, NULL), MTS_OK);
  assert_int_equal(mts_store_deliveries(store, 0, INT64_MAX, NULL, count_one, &count), MTS_OK);
  assert_int_equal(count, 1);
  mts_store_close(&store);
}

/* ---- many processes ---- */

#define REPORTS 50

static struct mts_delivery_claim claim_of(char domain[32], int number, const char *owner, int64_t now_ms) {
  snprintf(domain, 32, "d%d.example", number);
  return (struct mts_delivery_claim){
      .day = NOW / 86400, .domain = domain, .id = "id", .owner = owner, .now_ms = now_ms, .until_ms = now_ms + 60000};
}

/* As whoever sends does, the hand-over being a number that grows. */
static int send_all(struct tools *t, int number, void *arg) {
  int *handed = arg;
  struct mts_store *store = NULL;
  char owner[32], domain[32];
  enum mts_err err = mts_store_open(t->path, &t->clock, t->log, &store);
  snprintf(owner, sizeof owner, "process %d", number);
  for (int i = 0; !err && i < REPORTS; i++) {
    int which = (i + number) % REPORTS;
    struct mts_delivery_claim claim = claim_of(domain, which, owner, 1000);
    struct mts_delivery delivery;
    bool unsure = false, ours = false;
    err = mts_store_delivery_claim(store, &claim, &delivery, &unsure);
    if (err || unsure) return say(t, err);
    if (delivery.state != MTS_DELIVERY_CLAIMED || strcmp(delivery.owner, owner) != 0) continue;
    err = mts_store_delivery_hand(store, claim.day, domain, owner, "mailto:a@b.example", 1000, 61000, &ours);
    if (err || !ours) return say(t, err);
    __atomic_add_fetch(&handed[which], 1, __ATOMIC_SEQ_CST);
    err = mts_store_delivery_note(store, claim.day, domain, owner, MTS_DELIVERY_SENT, "mailto:a@b.example", "", 1000, &delivery);
  }
  mts_store_close(&store);
  return err ? say(t, err) : 0;
}

static void of_32_processes_that_send_each_report_goes_out_once(void **state) {
  struct tools *t = *state;
  int *handed = mmap(NULL, REPORTS * sizeof *handed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(handed != MAP_FAILED);
  assert_true(run_all(t, PROCESSES, send_all, handed));
  for (int i = 0; i < REPORTS; i++) assert_int_equal(handed[i], 1);
  munmap(handed, REPORTS * sizeof *handed);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM delivery WHERE state = 'sent'"), REPORTS);
  assert_true(tools_is_sound(t->path));
}

/* Killed at any moment between claim and note: once the hand-over may have begun it never begins again. */
static void a_report_whose_sender_was_killed_is_handed_over_at_most_once(void **state) {
  struct tools *t = *state;
  volatile int *handed = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true((void *)(uintptr_t)handed != MAP_FAILED);
  int64_t now_ms = 1000;
  for (int run = 0; run < 30; run++, now_ms += 100000) {
    int64_t before = 0;
    for (int i = 0; i < REPORTS; i++) before += handed[i];
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
      struct mts_store *store = NULL;
      char domain[32], owner[32];
      snprintf(owner, sizeof owner, "run %d", run);
      if (mts_store_open(t->path, &t->clock, t->log, &store)) _exit(1);
      for (int i = 0;; i = (i + 1) % REPORTS) {
        struct mts_delivery_claim claim = claim_of(domain, i, owner, now_ms);
        struct mts_delivery delivery;
        bool unsure, ours = false;
        if (mts_store_delivery_claim(store, &claim, &delivery, &unsure)) _exit(2);
        if (delivery.state != MTS_DELIVERY_CLAIMED) continue;
        if (mts_store_delivery_hand(store, claim.day, domain, owner, "", now_ms, now_ms + 60000, &ours) || !ours) _exit(3);
        handed[i]++;
        if (mts_store_delivery_note(store, claim.day, domain, owner, MTS_DELIVERY_SENT, "", "", now_ms, &delivery)) _exit(4);
      }
    }
    struct timespec pause = {.tv_nsec = 200 * 1000};
    for (int64_t sum = before, tries = 0; sum < before + 1 + run % 3 && sum < REPORTS && tries < 2000; tries++) {
      nanosleep(&pause, NULL);
      sum = 0;
      for (int i = 0; i < REPORTS; i++) sum += handed[i];
    }
    kill(pid, SIGKILL);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
  }
  int64_t total = 0;
  for (int i = 0; i < REPORTS; i++) {
    assert_in_range(handed[i], 0, 1);
    total += handed[i];
  }
  assert_true(total > 10);
  /* What the last one left in the midst of it is known as such. */
  struct mts_store *store = tools_open(t);
  for (int i = 0; i < REPORTS; i++) {
    char domain[32];
    struct mts_delivery_claim claim = claim_of(domain, i, "looks", now_ms);
    struct mts_delivery delivery;
    bool unsure;
    assert_int_equal(mts_store_delivery_claim(store, &claim, &delivery, &unsure), MTS_OK);
    assert_true(delivery.state != MTS_DELIVERY_HANDING);
    if (handed[i]) assert_true(delivery.state == MTS_DELIVERY_SENT || delivery.state == MTS_DELIVERY_UNSURE);
  }
  mts_store_close(&store);
  munmap((void *)(uintptr_t)handed, 4096);
  assert_true(tools_is_sound(t->path));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tools_setup, tools_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_first_look_waits_a_random_time_within_the_bound),
      TEST(at_once_shortens_the_first_wait_alone),
      TEST(a_claim_is_one_process_own_until_it_ends),
      TEST(what_may_have_been_handed_over_is_not_handed_over_again),
      TEST(a_failed_try_is_made_again_later_and_later_for_a_day_and_then_given_up),
      TEST(what_is_sent_or_unwanted_stays_so),
      TEST(a_time_that_a_wrong_clock_set_holds_nobody_up),
      TEST(a_row_that_was_edited_to_nonsense_is_rather_not_sent_than_twice),
      TEST(what_cannot_be_read_back_is_refused),
      TEST(a_sweep_forgets_what_is_long_over),
      TEST(of_32_processes_that_send_each_report_goes_out_once),
      TEST(a_report_whose_sender_was_killed_is_handed_over_at_most_once),
  };
  return cmocka_run_group_tests_name("reports in the store", tests, NULL, NULL);
}
