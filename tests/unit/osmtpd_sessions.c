/* SPDX-License-Identifier: ISC
 * What is known of the sessions of smtpd's clients. */
#include "sessions.h"

#include "tools.h"

#define ID "7641df9771b4ed00"

static void report_as(struct sessions *sessions, const char *version, const char *event, const char *fields) {
  char text[4096];
  struct filter_line line;
  snprintf(text, sizeof text, "report|%s|1.0|smtp-in|%s|" ID "%s%s", version, event, fields ? "|" : "", fields ? fields : "");
  assert_true(filter_line_parse(mts_span_of(text), &line));
  sessions_report(sessions, &line);
}
static void report(struct sessions *sessions, const char *event, const char *fields) { report_as(sessions, "0.7", event, fields); }

static struct sessions *opened(void) {
  struct sessions *sessions = NULL;
  assert_int_equal(sessions_new(NULL, NULL, &sessions), MTS_OK);
  report(sessions, "link-connect", "client.test|pass|192.0.2.7:4711|192.0.2.1:25");
  return sessions;
}

static struct session *session(const struct sessions *sessions) { return sessions_find(sessions, mts_span_of(ID)); }

static void field(const struct sessions *sessions, enum session_field which, const char *expected) {
  const char *got = session(sessions)->field[which];
  if (expected) {
    assert_non_null(got);
    assert_string_equal(got, expected);
  } else {
    assert_null(got);
  }
}

static void a_connection_has_names_and_addresses(void **s) {
  (void)s;
  struct sessions *sessions = opened();
  field(sessions, SESSION_RDNS, "client.test");
  field(sessions, SESSION_FCRDNS, "pass");
  field(sessions, SESSION_ADDRESS, "192.0.2.7");
  field(sessions, SESSION_LISTENER, "192.0.2.1:25");
  field(sessions, SESSION_HELO, NULL);
  report(sessions, "link-connect", "|error|[2001:db8::1]:4711|[2001:db8::2]:25");
  field(sessions, SESSION_RDNS, NULL);
  field(sessions, SESSION_ADDRESS, "2001:db8::1");
  report(sessions, "link-connect", "localhost|pass|unix:/var/run/smtpd.sock|unix:/var/run/smtpd.sock");
  field(sessions, SESSION_ADDRESS, "unix:/var/run/smtpd.sock");
  sessions_free(&sessions);
}

static void tls_makes_what_was_said_before_forgotten(void **s) {
  (void)s;
  struct sessions *sessions = opened();
  report(sessions, "link-identify", "EHLO|liar.test");
  field(sessions, SESSION_HELO, "liar.test");
  report(sessions, "link-tls", "TLSv1.3:X:256");
  field(sessions, SESSION_HELO, NULL);
  field(sessions, SESSION_TLS, "TLSv1.3:X:256");
  sessions_free(&sessions);
}

static void only_who_passed_is_a_user_in_the_order_of_each_version(void **s) {
  (void)s;
  struct sessions *sessions = opened();
  report_as(sessions, "0.6", "link-auth", "joe|fail");
  field(sessions, SESSION_USER, NULL);
  report_as(sessions, "0.6", "link-auth", "joe|pass");
  field(sessions, SESSION_USER, "joe");
  report(sessions, "link-auth", "fail|eve");
  field(sessions, SESSION_USER, NULL);
  report(sessions, "link-auth", "pass|ann|x");
  field(sessions, SESSION_USER, "ann|x");
  sessions_free(&sessions);
}

static void a_name_that_looks_like_a_result_is_none(void **s) {
  (void)s;
  struct sessions *sessions = opened();
  static const char *const failed[][2] = {{"0.6", "pass|fail"}, {"0.6", "pass|error"}, {"0.6", "x|pass|fail"},
                                          {"0.6", "pass"},      {"0.7", "fail|pass"},  {"0.7", "error|pass"},
                                          {"0.7", "joe|pass"},  {"0.7", ""},           {"0.7", "fail|a|pass"}};
  for (size_t i = 0; i < COUNT(failed); i++) {
    report_as(sessions, failed[i][0], "link-auth", failed[i][1]);
    field(sessions, SESSION_USER, NULL);
  }
  report_as(sessions, "0.6", "link-auth", "pass|pass");
  field(sessions, SESSION_USER, "pass");
  report_as(sessions, "0.6", "link-auth", "a|b|pass");
  field(sessions, SESSION_USER, "a|b");
  sessions_free(&sessions);
}

static void a_transaction_has_a_sender_and_the_recipients_that_were_accepted(void **s) {
  (void)s;
  struct sessions *sessions = opened();
  report(sessions, "tx-mail", "0d8bcc43|ok|from@client.test");
  report(sessions, "tx-rcpt", "0d8bcc43|ok|joe@a.test");
  report(sessions, "tx-rcpt", "0d8bcc43|permfail|eve@a.test");
  report(sessions, "tx-rcpt", "0d8bcc43|ok|\"a|b\"@b.test");
  field(sessions, SESSION_SENDER, "from@client.test");
  field(sessions, SESSION_MESSAGE, "0d8bcc43");
  assert_int_equal(session(sessions)->recipient_count, 2);
  assert_string_equal(session(sessions)->recipients[1], "\"a|b\"@b.test");
  static const char *const ends[] = {"tx-reset", "tx-rollback", "tx-commit"};
  for (size_t i = 0; i < 3; i++) {
    report(sessions, "tx-mail", "1|ok|from@client.test");
    report(sessions, "tx-rcpt", "1|ok|joe@a.test");
    report(sessions, ends[i], "1|300");
    field(sessions, SESSION_SENDER, NULL);
    field(sessions, SESSION_MESSAGE, NULL);
    assert_int_equal(session(sessions)->recipient_count, 0);
  }
  sessions_free(&sessions);
}

static void what_smtpd_tells_of_a_session_that_is_over_makes_no_new_one(void **s) {
  (void)s;
  struct sessions *sessions = opened();
  report(sessions, "link-disconnect", NULL);
  assert_null(session(sessions));
  static const char *const events[] = {"tx-reset", "link-identify", "tx-mail", "link-disconnect", "timeout", "new-event"};
  for (size_t i = 0; i < sizeof events / sizeof *events; i++) report(sessions, events[i], "1|ok|x");
  assert_null(session(sessions));
  sessions_free(&sessions);
}

static void an_id_that_connects_again_is_a_new_session(void **s) {
  (void)s;
  struct sessions *sessions = opened();
  report(sessions, "link-auth", "pass|joe");
  report(sessions, "tx-mail", "1|ok|joe@a.test");
  report(sessions, "tx-rcpt", "1|ok|ann@a.test");
  report(sessions, "link-connect", "other.test|pass|192.0.2.8:4711|192.0.2.1:25");
  field(sessions, SESSION_ADDRESS, "192.0.2.8");
  field(sessions, SESSION_USER, NULL);
  field(sessions, SESSION_SENDER, NULL);
  assert_int_equal(session(sessions)->recipient_count, 0);
  report(sessions, "link-disconnect", NULL);
  assert_null(session(sessions));
  sessions_free(&sessions);
}

static void memory_is_bounded(void **s) {
  (void)s;
  struct sessions *sessions = opened();
  char endless[3000];
  memset(endless, 'x', sizeof endless - 1);
  endless[sizeof endless - 1] = 0;
  report(sessions, "link-identify", endless);
  field(sessions, SESSION_HELO, NULL);
  for (int i = 0; i < SESSION_RECIPIENTS_MAX + 10; i++) report(sessions, "tx-rcpt", "1|ok|joe@a.test");
  assert_int_equal(session(sessions)->recipient_count, SESSION_RECIPIENTS_MAX);
  for (unsigned i = 0; i < SESSIONS_MAX + 100; i++) {
    char text[128];
    struct filter_line line;
    snprintf(text, sizeof text, "report|0.7|1.0|smtp-in|link-connect|%016x|x|pass|192.0.2.7:1|192.0.2.1:25", i);
    assert_true(filter_line_parse(mts_span_of(text), &line));
    sessions_report(sessions, &line);
    bool kept = sessions_find(sessions, line.session) != NULL;
    assert_int_equal(kept, i < SESSIONS_MAX - 1); /* one is there already */
  }
  sessions_free(&sessions);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_connection_has_names_and_addresses),
      cmocka_unit_test(tls_makes_what_was_said_before_forgotten),
      cmocka_unit_test(only_who_passed_is_a_user_in_the_order_of_each_version),
      cmocka_unit_test(a_name_that_looks_like_a_result_is_none),
      cmocka_unit_test(a_transaction_has_a_sender_and_the_recipients_that_were_accepted),
      cmocka_unit_test(what_smtpd_tells_of_a_session_that_is_over_makes_no_new_one),
      cmocka_unit_test(an_id_that_connects_again_is_a_new_session),
      cmocka_unit_test(memory_is_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
