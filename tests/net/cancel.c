/* SPDX-License-Identifier: ISC
 * A fetch or a probe may be cancelled, or its world freed, at any stage: no callback comes, nothing is left open. */
#include "harness.h"

#include <dirent.h>

static size_t open_descriptors(void) {
  size_t count = 0;
  DIR *list = opendir("/proc/self/fd");
  assert_non_null(list);
  while (readdir(list)) count++;
  closedir(list);
  return count;
}

/* Where each of them stands still. */
static const struct {
  const char *name;
  struct errand errand;
  bool hole, proxy;
} stages[] = {
    {.name = "probe: connecting", .errand = {.server = "smtp"}, .hole = true},
    {.name = "probe: before the greeting", .errand = {.server = "mute"}},
    {.name = "probe: in the greeting", .errand = {.server = "smtp-drip"}},
    {.name = "probe: after EHLO", .errand = {.server = "smtp-mute-ehlo"}},
    {.name = "probe: after STARTTLS", .errand = {.server = "smtp-mute-go"}},
    {.name = "probe: handshake", .errand = {.server = "smtp-mute-tls"}},
    {.name = "probe: after QUIT", .errand = {.server = "smtp-mute-quit"}},
    {.name = "fetch: connecting", .hole = true},
    {.name = "fetch: handshake", .errand = {.path = "/"}},
    {.name = "fetch: no answer", .errand = {.path = "/silent"}},
    {.name = "fetch: in the headers", .errand = {.path = "/half-headers"}},
    {.name = "fetch: in the body", .errand = {.path = "/trickle"}},
    {.name = "fetch: proxy", .proxy = true},
};
enum { STAGES = sizeof stages / sizeof *stages };

static struct mts_net *world_for(size_t i) {
  char url[64] = "";
  if (stages[i].proxy) snprintf(url, sizeof url, "http://127.0.0.1:%u", port_of("mute"));
  return open_world(strcmp(stages[i].name, "fetch: handshake") == 0 ? "mute" : "https", url);
}

/* Turns for some time; the errand stands still then, and is not over. */
static struct mts_job *stand_still(struct mts_net *net, size_t i, int ms, struct outcome *outcome) {
  struct errand errand = stages[i].errand;
  if (stages[i].hole) errand.addresses = &hole_address, errand.address_count = 1;
  struct mts_job *job = NULL;
  assert_int_equal(start_errand(net, &errand, outcome, &job), MTS_OK);
  for (int64_t until = mono_ms() + ms; mono_ms() < until;) net->ops->turn(net, 5);
  if (outcome->calls) fail_msg("%s: %s (%s)", stages[i].name, mts_err_name(outcome->err), outcome->detail);
  return job;
}

static void at_stage(size_t i, int ms, bool by_free) {
  struct hole hole;
  if (stages[i].hole) dig_hole(&hole, port_of(stages[i].errand.server ? "smtp" : "https"));
  struct outcome outcome;
  size_t before = open_descriptors();
  struct mts_net *net = world_for(i);
  struct mts_job *job = stand_still(net, i, ms, &outcome);
  if (!by_free) {
    net->ops->cancel(net, &job);
    assert_null(job);
    assert_false(net->ops->turn(net, 20)); /* no job is left */
    net->ops->cancel(net, &job);           /* nothing to cancel is no error */
  }
  close_world(net);
  assert_int_equal(outcome.calls, 0);
  assert_int_equal(open_descriptors(), before);
  if (stages[i].hole) fill_hole(&hole);
}

static void cancelled_at_each_stage(void **state) {
  (void)state;
  for (size_t i = 0; i < STAGES; i++) at_stage(i, 120, false);
}

static void cancelled_on_the_way_there(void **state) {
  (void)state;
  for (size_t i = 0; i < STAGES; i++) {
    for (int ms = 0; ms <= 8; ms = ms * 2 + (ms == 0)) at_stage(i, ms, false);
  }
}

static void freed_at_each_stage(void **state) {
  (void)state;
  for (size_t i = 0; i < STAGES; i++) at_stage(i, 120, true);
}

static void a_cancelled_one_leaves_the_others_alone(void **state) {
  (void)state;
  struct mts_net *net = open_world("https", "");
  struct mts_job *slow = NULL, *silent = NULL, *fetching = NULL, *probing = NULL;
  struct outcome never, never_either, fetched, probed;
  assert_int_equal(start_errand(net, &(struct errand){.server = "smtp-mute-tls"}, &never, &slow), MTS_OK);
  assert_int_equal(start_errand(net, &(struct errand){.path = "/silent"}, &never_either, &silent), MTS_OK);
  for (int i = 0; i < 10; i++) net->ops->turn(net, 5);
  assert_int_equal(start_errand(net, &(struct errand){.server = "smtp"}, &probed, &probing), MTS_OK);
  assert_int_equal(start_errand(net, &(struct errand){.path = "/"}, &fetched, &fetching), MTS_OK);
  net->ops->turn(net, 5);
  net->ops->cancel(net, &slow);
  net->ops->cancel(net, &silent);
  while (net->ops->turn(net, -1)) {
  }
  assert_int_equal(never.calls + never_either.calls, 0);
  assert_true(probed.calls == 1 && probed.err == MTS_OK && fetched.calls == 1 && fetched.err == MTS_OK);
  close_world(net);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cancelled_at_each_stage),
      cmocka_unit_test(cancelled_on_the_way_there),
      cmocka_unit_test(freed_at_each_stage),
      cmocka_unit_test(a_cancelled_one_leaves_the_others_alone),
  };
  return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
