/* SPDX-License-Identifier: ISC
 * What of sessions with mail hosts comes to be counted in the store. */
#include "tally.h"

#include <sys/stat.h>

#include "resolve/cache.h"
#include "store_folder.h"
#include "tools.h"

struct counted {
  struct told told;
  struct mts_log *log;
  struct recent recent;
  struct tally *tally;
  size_t lines;
  char last[512];
  /* of the store */
  size_t rows;
  uint64_t good, bad;
  char mx[MTS_NAME_SIZE], result[64], domain[MTS_NAME_SIZE];
};

static void line(void *arg, enum mts_log_level level, const char *text) {
  struct counted *counted = arg;
  (void)level;
  counted->lines++;
  snprintf(counted->last, sizeof counted->last, "%s", text);
}

static void open_with(struct counted *counted, const char *policy) {
  *counted = (struct counted){0};
  told_open(&counted->told, (const char *[]){"store", store_path, NULL});
  tell_a_test(&counted->told);
  if (policy) tell_policy(&counted->told, "mta-sts.a.test", policy);
  tell_records(&counted->told, "mx1.a.test", MTS_RR_A, MTS_DNSSEC_INSECURE, (const char *[]){"192.0.2.1", NULL});
  assert_int_equal(mts_log_new(MTS_LOG_TO_NONE, MTS_LOG_WARNING, NULL, &counted->log), MTS_OK);
  mts_log_redirect(counted->log, line, counted);
  assert_int_equal(tally_new(counted->told.m, counted->log, &counted->recent, NULL, NULL, &counted->tally), MTS_OK);
}

static void end(struct counted *counted) {
  tally_free(&counted->tally);
  told_close(&counted->told);
  mts_log_free(&counted->log);
}

/* The policy is known, and where its host is. */
static void learn(struct counted *counted) {
  struct mts_answer *answer = ask(&counted->told, "a.test", MTS_DEPTH_HOSTS, MTS_CHECK_DUE);
  mts_answer_free(&answer);
}

static void session(struct counted *counted, const char *domain, enum mts_err err) {
  const struct outgoing_outcome outcome = {
      .domain = domain, .address = "192.0.2.1", .source = "192.0.2.9", .helo = "mx1.a.test", .err = err, .reason = ""};
  tally_outcome(counted->tally, &outcome);
}

static bool row(void *arg, const struct mts_session_row *session) {
  struct counted *counted = arg;
  counted->rows++;
  if (session->result[0])
    counted->bad += session->count;
  else
    counted->good += session->count;
  snprintf(counted->mx, sizeof counted->mx, "%s", session->mx);
  snprintf(counted->result, sizeof counted->result, "%s", session->result);
  snprintf(counted->domain, sizeof counted->domain, "%s", session->domain);
  return true;
}

static void read_store(struct counted *counted) {
  counted->rows = 0;
  counted->good = counted->bad = 0;
  assert_int_equal(mts_store_sessions(cache_store(counted->told.m), 0, INT32_MAX, NULL, row, counted), MTS_OK);
}

static void a_store_in_trouble_costs_no_line_for_each_session(void **s) {
  (void)s;
  struct counted counted;
  char away[128];
  snprintf(away, sizeof away, "%s.away", folder);
  assert_int_equal(rename(folder, away), 0);
  open_with(&counted, NULL);
  for (int i = 0; i < 5; i++) session(&counted, "b.test", MTS_OK);
  assert_int_equal(counted.lines, 0);
  assert_int_equal(rename(away, folder), 0);
  pass_s(&counted.told, 60);
  for (int i = 0; i < 3; i++) session(&counted, "b.test", MTS_OK);
  assert_int_equal(counted.lines, 1);
  assert_non_null(strstr(counted.last, "5 sessions were not counted"));
  read_store(&counted);
  assert_int_equal(counted.good, 3);
  end(&counted);
}

static void a_failure_that_named_no_domain_is_that_of_the_one_asked_for_last(void **s) {
  (void)s;
  struct counted counted;
  open_with(&counted, NULL);
  learn(&counted);
  session(&counted, NULL, MTS_ERR_STARTTLS_MISSING);
  read_store(&counted);
  assert_int_equal(counted.bad, 1);
  assert_string_equal(counted.domain, "a.test");
  assert_string_equal(counted.mx, "mx1.a.test");
  assert_string_equal(counted.result, "starttls-not-supported");
  end(&counted);
}

static void a_domain_with_many_names_for_an_address_hides_no_other(void **s) {
  (void)s;
  struct counted counted;
  const char *const addresses[] = {"192.0.2.1"};
  struct mts_host hosts[100] = {{0}};
  char names[COUNT(hosts)][32];
  open_with(&counted, NULL);
  learn(&counted);
  for (size_t i = 0; i < COUNT(hosts); i++) {
    snprintf(names[i], sizeof names[i], "mx%zu.other.test", i);
    hosts[i] = (struct mts_host){.name = names[i], .addresses = (const char **)(uintptr_t)addresses, .address_count = 1};
  }
  int64_t now = mts_now(counted.told.m) + 10; /* learned after the other */
  const struct mts_store_hosts many = {.learned_at = now, .expires_at = now + 600, .count = COUNT(hosts), .list = hosts};
  assert_int_equal(mts_store_hosts_put(cache_store(counted.told.m), "other.test", &many), MTS_OK);
  session(&counted, NULL, MTS_ERR_STARTTLS_MISSING);
  read_store(&counted);
  assert_string_equal(counted.domain, "a.test");
  end(&counted);
}

static void under_testing_a_success_counts_when_a_probe_has_seen_the_certificate(void **s) {
  (void)s;
  struct counted counted;
  open_with(&counted, TESTING_MX1);
  learn(&counted);
  size_t before = mts_fake_count_smtp(counted.told.fake, "mx1.a.test");
  for (int i = 0; i < 5; i++) session(&counted, "a.test", MTS_OK);
  run_out(&counted.told);
  for (int i = 0; i < 5; i++) session(&counted, "a.test", MTS_OK);
  read_store(&counted);
  assert_int_equal(counted.good, 10);
  assert_int_equal(mts_fake_count_smtp(counted.told.fake, "mx1.a.test") - before, 1);
  end(&counted);
}

static void under_testing_a_certificate_that_fails_is_a_failure(void **s) {
  (void)s;
  struct counted counted;
  open_with(&counted, TESTING_MX1);
  assert_int_equal(mts_fake_smtp(counted.told.fake, "mx1.a.test", MTS_ERR_CERT_EXPIRED, 0), MTS_OK);
  learn(&counted);
  session(&counted, "a.test", MTS_OK);
  run_out(&counted.told);
  read_store(&counted);
  assert_int_equal(counted.good, 0);
  assert_int_equal(counted.bad, 1);
  assert_string_equal(counted.result, "certificate-expired");
  end(&counted);
}

/* Whatever is under way: a probe, a lookup of the hosts. */
static void what_waits_at_the_end_is_counted_where_the_result_is_known(void **s) {
  (void)s;
  struct counted counted;
  open_with(&counted, TESTING_MX1);
  assert_int_equal(mts_fake_smtp(counted.told.fake, "mx1.a.test", MTS_OK, 5000), MTS_OK);
  learn(&counted);
  session(&counted, "a.test", MTS_OK);
  session(&counted, "a.test", MTS_ERR_TLS_HANDSHAKE);
  tally_free(&counted.tally);
  read_store(&counted);
  assert_int_equal(counted.good, 0);
  assert_int_equal(counted.bad, 1);
  end(&counted);
}

static void more_sessions_than_lookups_and_probes_at_once_are_bounded(void **s) {
  (void)s;
  struct counted counted;
  open_with(&counted, NULL);
  struct mts_answer *answer = ask_policy(&counted.told, "a.test"); /* its hosts are not known */
  mts_answer_free(&answer);
  for (int i = 0; i < 500; i++) session(&counted, "a.test", MTS_OK);
  run_out(&counted.told);
  read_store(&counted);
  assert_int_equal(counted.good, 500);
  for (int i = 0; i < 100; i++) session(&counted, "a.test", MTS_ERR_TLS_HANDSHAKE);
  end(&counted);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_FOLDER(a_store_in_trouble_costs_no_line_for_each_session),
      WITH_FOLDER(a_failure_that_named_no_domain_is_that_of_the_one_asked_for_last),
      WITH_FOLDER(a_domain_with_many_names_for_an_address_hides_no_other),
      WITH_FOLDER(under_testing_a_success_counts_when_a_probe_has_seen_the_certificate),
      WITH_FOLDER(under_testing_a_certificate_that_fails_is_a_failure),
      WITH_FOLDER(what_waits_at_the_end_is_counted_where_the_result_is_known),
      WITH_FOLDER(more_sessions_than_lookups_and_probes_at_once_are_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
