/* SPDX-License-Identifier: ISC
 * What Exim's events tell of a session, in the orders in which it sends them. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "between.h"

static struct exim_session session;
static struct exim_outcome outcome;
static const char with_starttls[] = "mx.good.test Hello relay.test [192.0.2.1]\nSIZE 1000\nSTARTTLS\nHELP\n";

static bool say_so(const char *name, const char *data, const char *info) {
  const char *const arguments[] = {name, data, "0", "good.test", "MX.good.test", "192.0.2.7", info};
  struct exim_event event;
  exim_event_read(7, arguments, &event);
  return exim_session_event(&session, &event, &outcome);
}

static bool say(const char *name, const char *data) {
  return say_so(name, data,
                strcmp(name, "tls:cert") == 0 ? "dane=no cv=0 cipher= cert=cert" : "dane=no cv=0 cipher= cert= mode=enforce");
}

static bool say_with_tls(const char *name, bool verified, bool dane) {
  char info[100];
  /* 4.100 prints numbers such as 257 there */
  snprintf(info, sizeof info, "dane=%s cv=%d cipher=TLS1.3:X cert= mode=enforce id=1", dane ? "yes" : "no", 256 + verified);
  return say_so(name, with_starttls, info);
}

static int fresh(void **state) {
  (void)state;
  exim_session_clear(&session);
  memset(&outcome, 0xff, sizeof outcome);
  return 0;
}
static int clear(void **state) {
  (void)state;
  exim_session_clear(&session);
  return 0;
}

static void a_session_with_tls_is_known_at_its_second_ehlo_and_counts_once(void **state) {
  (void)state;
  assert_false(say("tcp:connect", "25"));
  assert_false(say("smtp:connect", "220 mx.good.test ESMTP"));
  assert_false(say("smtp:ehlo", with_starttls));
  assert_false(say("tls:cert", "1"));
  assert_false(say("tls:cert", "0"));
  assert_true(say_with_tls("smtp:ehlo", true, false));
  assert_int_equal(outcome.err, MTS_OK);
  assert_true(outcome.verified);
  assert_false(outcome.dane);
  assert_string_equal(session.host, "mx.good.test");
  assert_string_equal(session.helo, "mx.good.test");
  assert_int_equal(session.chain_count, 2);
  assert_false(say_with_tls("smtp:ehlo", true, false));
  assert_false(say_with_tls("tcp:close", true, false));
}

static void tls_without_a_second_ehlo_is_known_at_the_close(void **state) {
  (void)state;
  say("tcp:connect", "25");
  assert_true(say_with_tls("tcp:close", false, true));
  assert_true(outcome.dane);
  assert_false(outcome.verified);
}

static void no_starttls_in_the_reply_to_ehlo(void **state) {
  (void)state;
  static const char *const replies[] = {"mx.good.test Hello\nSIZE\n", "", "250-mx.good.test\r\n250-XSTARTTLS\r\n250 STARTTLSX",
                                        "STARTTLS"};
  for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
    say("tcp:connect", "25");
    say("smtp:ehlo", replies[i]);
    assert_true(say("tcp:close", ""));
    assert_int_equal(outcome.err, MTS_ERR_STARTTLS_MISSING);
  }
}

static void starttls_that_is_offered_and_refused(void **state) {
  (void)state;
  static const char *const replies[] = {with_starttls, "250-mx.good.test\r\n250-SIZE\r\n250 starttls\r\n", "x\nSTARTTLS"};
  for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
    say("tcp:connect", "25");
    say("smtp:ehlo", replies[i]);
    assert_true(say("tcp:close", ""));
    assert_int_equal(outcome.err, MTS_ERR_STARTTLS_REFUSED);
    assert_false(say("tcp:close", ""));
  }
}

static void a_handshake_that_fails_keeps_the_first_reason(void **state) {
  (void)state;
  say("tcp:connect", "25");
  say("smtp:ehlo", with_starttls);
  say("tls:cert", "0");
  assert_false(say("tls:fail:connect", "certificate verification failed"));
  say("tls:fail:connect", "and more");
  assert_true(say("tcp:close", ""));
  assert_int_equal(outcome.err, MTS_ERR_TLS_HANDSHAKE);
  assert_string_equal(session.reason, "certificate verification failed");
  assert_int_equal(session.chain_count, 1);
}

static void the_retry_without_tls_belongs_to_the_session_that_failed(void **state) {
  (void)state;
  say("tcp:connect", "25");
  say("smtp:ehlo", with_starttls);
  say("tls:fail:connect", "handshake");
  assert_true(say("tcp:close", ""));
  say("tcp:connect", "25");
  say("smtp:ehlo", with_starttls);
  assert_false(say("tcp:close", ""));
  /* but not the next one */
  say("tcp:connect", "25");
  say("smtp:ehlo", with_starttls);
  assert_true(say("tcp:close", ""));
}

static void a_host_that_never_answers_ehlo_says_nothing_of_its_tls(void **state) {
  (void)state;
  say("tcp:connect", "25");
  say("smtp:connect", "421 go away");
  assert_false(say("tcp:close", ""));
}

static void a_failure_of_dane_is_one_of_dane(void **state) {
  (void)state;
  static const struct {
    const char *type;
    enum mts_err err;
  } cases[] = {
      {"dnssec-invalid", MTS_ERR_DNS_BOGUS}, {"tlsa-invalid", MTS_ERR_TLSA_INVALID}, {"dane-required", MTS_ERR_TLSA_INVALID}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    say("tcp:connect", "25");
    say("smtp:ehlo", with_starttls);
    say("dane:fail", cases[i].type);
    assert_true(say("tcp:close", ""));
    assert_int_equal(outcome.err, cases[i].err);
    assert_true(outcome.dane);
  }
}

static void what_another_process_began_and_what_is_not_known_change_nothing(void **state) {
  (void)state;
  assert_false(say_with_tls("tcp:close", true, false));
  assert_false(say("smtp:ehlo", with_starttls));
  say("tcp:connect", "25");
  static const char *const names[] = {"", "msg:delivery", "msg:host:defer", "dns:fail", "tls:cert", "x"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) assert_false(say(names[i], "no number"));
  assert_int_equal(session.chain_count, 0);
  struct exim_event nothing;
  exim_event_read(0, NULL, &nothing);
  assert_false(exim_session_event(&session, &nothing, &outcome));
}

static void what_a_host_says_is_bounded(void **state) {
  (void)state;
  char *huge = calloc(1, 200000);
  memset(huge, 'x', 199999);
  const char *const arguments[] = {"tcp:connect", huge, huge, huge, huge, huge, huge};
  struct exim_event connect;
  exim_event_read(7, arguments, &connect);
  exim_session_event(&session, &connect, &outcome);
  say("smtp:ehlo", huge);
  say("tls:fail:connect", huge);
  exim_session_keep(&session, 0, (struct mts_span){huge, 199999});
  exim_session_keep(&session, SESSION_CHAIN_MOST, (struct mts_span){huge, 10});
  exim_session_keep(&session, UINT64_MAX, (struct mts_span){huge, 10});
  assert_int_equal(session.chain_count, 0);
  assert_int_equal(strlen(session.reason), sizeof session.reason - 1);
  assert_int_equal(strlen(session.domain), sizeof session.domain - 1);
  free(huge);
}

static void what_exim_says_besides_is_read_by_its_names(void **state) {
  (void)state;
  static const char *const infos[] = {
      "dane=yes cv=1 cipher=TLS1.3:X cert=QUJD source=2001:db8::1 mode=enforce id=cv=0",
      "source=2001:db8::1  mode=enforce cert=QUJD cv=257   cipher=x dane=yes cv=0 dane=no mode=none",
  };
  for (size_t i = 0; i < 2; i++) {
    const char *const arguments[] = {"", "", "", "", "", "", infos[i]};
    struct exim_event event;
    exim_event_read(7, arguments, &event);
    assert_true(event.dane && event.verified && event.tls && event.filtered);
    assert_string_equal(event.source, "2001:db8::1");
    assert_true(event.certificate.n == 4 && memcmp(event.certificate.p, "QUJD", 4) == 0);
  }
  static const char *const nothing[] = {
      "", "xdane=yes xcv=1 xcipher=1", "dane= cv= cipher= cert= source= mode=", "dane cv cipher", "=", " = "};
  for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
    const char *const arguments[] = {"", "", "", "", "", "", nothing[i]};
    struct exim_event event;
    exim_event_read(7, arguments, &event);
    assert_false(event.dane || event.verified || event.tls || event.filtered || event.source[0] || event.certificate.n);
  }
}

/* ---- between programs ---- */

static char folder[] = "/tmp/mtasts-test-XXXXXX", store[64], path[96];

static int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/mtasts-test-XXXXXX");
  if (!mkdtemp(folder)) return 1;
  snprintf(store, sizeof store, "%s/mtasts.db", folder);
  snprintf(path, sizeof path, "%s/exim-4711.session", folder);
  return fresh(state);
}
static int drop_folder(void **state) {
  unlink(path);
  clear(state);
  return rmdir(folder);
}

static void a_session_goes_on_in_the_next_program(void **state) {
  (void)state;
  between_load(store, 4711, &session);
  say("tcp:connect", "25");
  say("smtp:ehlo", with_starttls);
  say("tls:cert", "2");
  between_save(store, 4711, &session);
  exim_session_clear(&session);
  between_load(store, 4712, &session);
  assert_false(session.open);
  between_load(store, 4711, &session);
  assert_true(session.open && session.offered);
  assert_int_equal(session.chain_count, 3);
  assert_memory_equal(session.chain[2].p, "cert", 4);
  assert_int_equal(session.chain[1].n, 0);
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  assert_true(say("tcp:close", ""));
  between_save(store, 4711, &session);
  assert_int_equal(access(path, F_OK), 0); /* the retry without TLS is still to come */
}

static void a_session_that_is_over_leaves_no_file(void **state) {
  (void)state;
  say("tcp:connect", "25");
  between_save(store, 4711, &session);
  assert_true(say_with_tls("tcp:close", true, false));
  between_save(store, 4711, &session);
  assert_int_equal(access(path, F_OK), -1);
}

static void what_others_left_an_hour_ago_goes(void **state) {
  (void)state;
  char old[96], fresh[96], other[96];
  snprintf(old, sizeof old, "%s/exim-1.session", folder);
  snprintf(fresh, sizeof fresh, "%s/exim-2.session", folder);
  snprintf(other, sizeof other, "%s/exim-notes", folder);
  const char *const all[] = {old, fresh, other};
  const struct timespec long_ago[] = {{.tv_sec = time(NULL) - 7200}, {.tv_sec = time(NULL) - 7200}};
  for (size_t i = 0; i < 3; i++) fclose(fopen(all[i], "w"));
  assert_int_equal(utimensat(AT_FDCWD, old, long_ago, 0), 0);
  assert_int_equal(utimensat(AT_FDCWD, other, long_ago, 0), 0);
  say("tcp:connect", "25");
  between_save(store, 4711, &session);
  assert_int_equal(access(old, F_OK), -1);
  assert_int_equal(unlink(fresh), 0);
  assert_int_equal(unlink(other), 0);
}

static void write_bytes(const void *bytes, size_t n, mode_t mode) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, n, file), n);
  fclose(file);
  chmod(path, mode);
}

static void a_file_that_is_damaged_or_no_file_counts_as_none(void **state) {
  (void)state;
  say("tcp:connect", "25");
  say("tls:cert", "0");
  between_save(store, 4711, &session);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  static char whole[65536], bad[65536];
  size_t n = fread(whole, 1, sizeof whole, file);
  fclose(file);
  for (size_t cut = 0; cut < n; cut += 13) {
    write_bytes(whole, cut, 0600);
    between_load(store, 4711, &session);
    assert_false(session.open);
  }
  for (size_t at = 0; at < n; at += 3) { /* whatever stands in it: no crash, and texts that end */
    memcpy(bad, whole, n);
    bad[at] = (char)(bad[at] ^ 0xff);
    write_bytes(bad, n, 0600);
    between_load(store, 4711, &session);
    assert_true(session.chain_count <= SESSION_CHAIN_MOST);
    assert_non_null(memchr(session.reason, 0, sizeof session.reason));
  }
  unlink(path);
  assert_int_equal(mkfifo(path, 0600), 0); /* must not hang */
  between_load(store, 4711, &session);
  assert_false(session.open);
  unlink(path);
  assert_int_equal(symlink("/etc/passwd", path), 0);
  between_load(store, 4711, &session);
  assert_false(session.open);
}

static void a_report_of_ours_counts_nowhere_and_the_next_message_does(void **state) {
  (void)state;
  assert_false(say_so("tcp:connect", "25", "dane=no cv=0 cipher= cert= report=yes mode=enforce"));
  assert_false(say_so("smtp:ehlo", with_starttls, "dane=no cv=0 cipher= cert= report=yes mode=enforce"));
  assert_false(say_so("tls:fail:connect", "why", "dane=no cv=0 cipher= cert= report=yes mode=enforce"));
  assert_false(say_so("tcp:close", "", "dane=no cv=0 cipher= cert= report=yes mode=enforce"));
  assert_false(say_so("tcp:connect", "25", "dane=no cv=0 cipher= cert= report= mode=enforce"));
  assert_false(say("smtp:ehlo", "mx.good.test\n"));
  assert_true(say("tcp:close", ""));
  assert_int_equal(outcome.err, MTS_ERR_STARTTLS_MISSING);
}

int main(void) {
#define ALONE(f) cmocka_unit_test_setup_teardown(f, fresh, clear)
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, drop_folder)
  const struct CMUnitTest tests[] = {
      ALONE(a_session_with_tls_is_known_at_its_second_ehlo_and_counts_once),
      ALONE(a_report_of_ours_counts_nowhere_and_the_next_message_does),
      ALONE(tls_without_a_second_ehlo_is_known_at_the_close),
      ALONE(no_starttls_in_the_reply_to_ehlo),
      ALONE(starttls_that_is_offered_and_refused),
      ALONE(a_handshake_that_fails_keeps_the_first_reason),
      ALONE(the_retry_without_tls_belongs_to_the_session_that_failed),
      ALONE(a_host_that_never_answers_ehlo_says_nothing_of_its_tls),
      ALONE(a_failure_of_dane_is_one_of_dane),
      ALONE(what_another_process_began_and_what_is_not_known_change_nothing),
      ALONE(what_a_host_says_is_bounded),
      ALONE(what_exim_says_besides_is_read_by_its_names),
      IN_FOLDER(a_session_goes_on_in_the_next_program),
      IN_FOLDER(a_session_that_is_over_leaves_no_file),
      IN_FOLDER(what_others_left_an_hour_ago_goes),
      IN_FOLDER(a_file_that_is_damaged_or_no_file_counts_as_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
