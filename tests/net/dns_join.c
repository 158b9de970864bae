/* SPDX-License-Identifier: ISC
 * Equal questions at once are one on the wire; each asker has its own deadline, and may go. */
#include "dns_harness.h"

#define MANY 100
#define COARSE_MS 10 /* by which a timer of the loop may be early */

static int64_t now_ms(void) { return mts_clock_mono_ms(&mts_clock_real); }

static void begin(struct mts_net *net, const char *name, enum mts_rrtype type, uint32_t deadline_ms, struct got *got,
                  struct mts_job **job) {
  asked = MTS_RR_TXT;
  memset(got, 0, sizeof *got);
  assert_int_equal(net->ops->dns(net, name, type, deadline_ms, take, got, job), MTS_OK);
}

static void drive(struct mts_net *net) {
  while (net->ops->turn(net, 1000)) continue;
}

/* How often the server was asked until now, this time counted. */
static int times_asked(struct mts_net *net, const char *name) {
  struct got got = ask_in(net, name, MTS_RR_TXT, 6000);
  assert_int_equal(got.answer.err, MTS_OK);
  return atoi(got.txt[0]);
}

static void equal_questions_at_once_are_one_and_later_ones_are_asked_anew(void **state) {
  (void)state;
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  static struct got got[MANY];
  struct mts_job *job = NULL;
  int before = times_asked(net, "slow-counted.test");
  for (int i = 0; i < MANY; i++) begin(net, "slow-counted.test", MTS_RR_TXT, 6000, &got[i], &job);
  drive(net);
  for (int i = 0; i < MANY; i++) {
    assert_int_equal(got[i].calls, 1);
    assert_int_equal(atoi(got[i].txt[0]), before + 1);
  }
  assert_int_equal(times_asked(net, "slow-counted.test"), before + 2);
  net->ops->free(net);
}

static void another_type_or_name_is_another_question(void **state) {
  (void)state;
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  struct got got[3];
  struct mts_job *job = NULL;
  int before = times_asked(net, "slow-counted.test");
  begin(net, "slow-counted.test", MTS_RR_TXT, 6000, &got[0], &job);
  begin(net, "slow-counted.test", MTS_RR_MX, 6000, &got[1], &job);
  begin(net, "slow-counted.b.test", MTS_RR_TXT, 6000, &got[2], &job);
  drive(net);
  assert_int_equal(times_asked(net, "slow-counted.test"), before + 4);
  net->ops->free(net);
}

static void who_goes_leaves_the_answer_to_the_others_and_the_last_ends_the_question(void **state) {
  (void)state;
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  struct got got[3];
  struct mts_job *jobs[3] = {NULL};
  for (int gone = 0; gone < 3; gone++) { /* whoever it is */
    for (int i = 0; i < 3; i++) begin(net, "slow.test", MTS_RR_TXT, 6000, &got[i], &jobs[i]);
    net->ops->turn(net, 10);
    net->ops->cancel(net, &jobs[gone]);
    drive(net);
    for (int i = 0; i < 3; i++) assert_int_equal(got[i].calls, i == gone ? 0 : 1);
  }
  for (int i = 0; i < 3; i++) begin(net, "silent.test", MTS_RR_TXT, 6000, &got[i], &jobs[i]);
  net->ops->turn(net, 10);
  for (int i = 0; i < 3; i++) net->ops->cancel(net, &jobs[i]);
  assert_false(net->ops->turn(net, 0)); /* nothing is under way */
  net->ops->free(net);
}

static void each_waits_as_long_as_it_wanted_to(void **state) {
  (void)state;
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  struct got early, late, between;
  struct mts_job *job = NULL;
  int64_t began = now_ms();
  begin(net, "silent.test", MTS_RR_TXT, 300, &early, &job);
  begin(net, "silent.test", MTS_RR_TXT, 5000, &late, &job);
  begin(net, "silent.test", MTS_RR_TXT, 2500, &between, &job);
  while (!early.calls) net->ops->turn(net, 1000);
  assert_true(now_ms() - began >= 300);
  assert_int_equal(between.calls + late.calls, 0);
  while (!between.calls) net->ops->turn(net, 1000);
  assert_true(now_ms() - began >= 2500);
  assert_int_equal(late.calls, 0);
  drive(net);
  assert_true(now_ms() - began >= 5000 - COARSE_MS);
  const struct got *all[] = {&early, &between, &late};
  for (int i = 0; i < 3; i++) {
    assert_int_equal(all[i]->calls, 1);
    assert_int_equal(all[i]->answer.err, MTS_ERR_DNS_TIMEOUT);
  }
  net->ops->free(net);
}

static void who_wants_to_wait_longer_gets_what_comes_after_the_deadline_of_the_first(void **state) {
  (void)state;
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  struct got first, second;
  struct mts_job *job = NULL;
  begin(net, "slow-lost.test", MTS_RR_TXT, 200, &first, &job); /* the first datagram is lost, the next is answered late */
  begin(net, "slow-lost.test", MTS_RR_TXT, 20000, &second, &job);
  drive(net);
  assert_int_equal(first.answer.err, MTS_ERR_DNS_TIMEOUT);
  assert_int_equal(second.answer.err, MTS_OK);
  net->ops->free(net);
}

static void an_error_is_told_to_each(void **state) {
  (void)state;
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
  struct got got[3];
  struct mts_job *job = NULL;
  for (int i = 0; i < 3; i++) begin(net, "servfail.test", MTS_RR_TXT, 6000, &got[i], &job);
  drive(net);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(got[i].answer.err, MTS_ERR_DNS_SERVFAIL);
    assert_non_null(strstr(got[i].answer.detail, "127.0.0.1"));
  }
  net->ops->free(net);
}

static void what_DNSSEC_says_is_told_to_each(void **state) {
  (void)state;
  struct mts_net *net = open_world(server, MTS_NET_DNSSEC_AD);
  struct got got[3];
  struct mts_job *job = NULL;
  for (int i = 0; i < 3; i++) begin(net, "ad.test", MTS_RR_TXT, 6000, &got[i], &job);
  drive(net);
  for (int i = 0; i < 3; i++) assert_int_equal(got[i].answer.dnssec, MTS_DNSSEC_SECURE);
  net->ops->free(net);
}

struct chain {
  struct mts_net *net;
  struct mts_job *jobs[3];
  struct got again;
  int calls;
};

/* The first that is told ends the second, and asks the same once more. */
static void end_and_ask(void *arg, const struct mts_dns_answer *answer) {
  struct chain *chain = arg;
  struct mts_job *job = NULL;
  assert_int_equal(answer->err, MTS_OK);
  if (chain->calls++) return;
  chain->net->ops->cancel(chain->net, &chain->jobs[1]);
  begin(chain->net, "slow-counted.test", MTS_RR_TXT, 6000, &chain->again, &job);
}

static void a_callback_may_end_others_and_ask_anew(void **state) {
  (void)state;
  struct chain chain = {.net = open_world(server, MTS_NET_DNSSEC_OFF)};
  struct mts_net *net = chain.net;
  int before = times_asked(net, "slow-counted.test");
  for (int i = 0; i < 3; i++)
    assert_int_equal(net->ops->dns(net, "slow-counted.test", MTS_RR_TXT, 6000, end_and_ask, &chain, &chain.jobs[i]), MTS_OK);
  drive(net);
  assert_int_equal(chain.calls, 2);
  assert_int_equal(chain.again.calls, 1);
  assert_int_equal(atoi(chain.again.txt[0]), before + 2);
  net->ops->free(net);
}

static void the_world_may_end_or_be_forgotten_with_equal_questions_under_way(void **state) {
  (void)state;
  struct got got[5];
  struct mts_job *job = NULL;
  for (int forked = 0; forked < 2; forked++) {
    struct mts_net *net = open_world(server, MTS_NET_DNSSEC_OFF);
    for (int i = 0; i < 5; i++) begin(net, i == 2 ? "tchang.test" : "silent.test", MTS_RR_TXT, i == 4 ? 300 : 6000, &got[i], &job);
    net->ops->turn(net, 10);
    int status = 0;
    pid_t pid = forked ? fork() : -1;
    if (pid == 0) {
      net->ops->forget(net);
      _exit(0);
    }
    net->ops->free(net);
    if (forked) assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    for (int i = 0; i < 5; i++) assert_int_equal(got[i].calls, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_questions_at_once_are_one_and_later_ones_are_asked_anew),
      cmocka_unit_test(another_type_or_name_is_another_question),
      cmocka_unit_test(who_goes_leaves_the_answer_to_the_others_and_the_last_ends_the_question),
      cmocka_unit_test(each_waits_as_long_as_it_wanted_to),
      cmocka_unit_test(who_wants_to_wait_longer_gets_what_comes_after_the_deadline_of_the_first),
      cmocka_unit_test(an_error_is_told_to_each),
      cmocka_unit_test(what_DNSSEC_says_is_told_to_each),
      cmocka_unit_test(a_callback_may_end_others_and_ask_anew),
      cmocka_unit_test(the_world_may_end_or_be_forgotten_with_equal_questions_under_way),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
