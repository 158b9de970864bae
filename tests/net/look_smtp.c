/* SPDX-License-Identifier: ISC
 * Looking at mail hosts, against servers.py: every reply, and TLS whatever the certificate is. */
#include "looking.h"

static struct {
  int calls;
  struct mts_smtp_seen seen;
  struct mts_tls_seen tls;
  char ehlo[70000];
} got;

static void keep(void *arg, const struct mts_smtp_seen *seen) {
  (void)arg;
  got.calls++;
  got.seen = *seen;
  if (seen->tls) got.tls = *seen->tls;
  assert_true(seen->ehlo.n < sizeof got.ehlo);
  if (seen->ehlo.n) memcpy(got.ehlo, seen->ehlo.p, seen->ehlo.n);
}

static const char *line_of(size_t index) {
  const char *line = got.ehlo;
  for (; index > 0; index--) line += strlen(line) + 1;
  return line;
}

static struct mts_smtp_look look_of(const char *host, const char *server) {
  return (struct mts_smtp_look){.host = host, .port = port_of(server), .address = loopback, .deadline_ms = 5000};
}

static enum mts_err start(const struct mts_smtp_look *look, struct mts_job **job) {
  memset(&got, 0, sizeof got);
  return net->ops->look_smtp(net, look, keep, NULL, job);
}

static void run(const struct mts_smtp_look *look) {
  struct mts_job *job = NULL;
  assert_int_equal(start(look, &job), MTS_OK);
  run_job(net, &got.calls);
  assert_true(got.seen.err == MTS_OK || got.seen.detail[0]);
}

static void see(const char *host, const char *server) {
  struct mts_smtp_look look = look_of(host, server);
  run(&look);
}

static void expect(const char *server, enum mts_err err) {
  see("good.example.com", server);
  if (got.seen.err != err) fail_msg("%s: %s (%s), not %s", server, mts_err_name(got.seen.err), got.seen.detail, mts_err_name(err));
}

static void the_whole_dialogue(void **state) {
  (void)state;
  expect("smtp-whole", MTS_OK);
  assert_true(got.seen.connected);
  assert_int_equal(got.seen.banner_code, 220);
  assert_string_equal(got.seen.banner, "220 mx.example.com ESMTP");
  assert_int_equal(got.seen.ehlo_code, 250);
  assert_int_equal(got.seen.ehlo_count, 3);
  assert_string_equal(line_of(0), "PIPELINING");
  assert_string_equal(line_of(1), "SIZE 1000");
  assert_string_equal(line_of(2), "STARTTLS");
  assert_int_equal(got.seen.starttls_code, 220);
  assert_string_equal(got.seen.starttls_reply, "220 go ahead");
  assert_non_null(got.seen.tls);
  assert_int_equal(got.tls.err, MTS_OK);
  assert_string_equal(got.tls.protocol, "TLSv1.3");
  assert_int_equal(got.tls.count, 2);
  assert_string_equal(got.tls.chain[0].subject, "CN=good");
  assert_string_equal(got.tls.chain[0].curve, "P-256");
  assert_false(got.seen.tried_injection || got.seen.injected);
  assert_true(got.seen.connect_ms <= got.seen.ms && got.seen.ms <= 5000);
  struct mts_smtp_look look = look_of("good.example.com", "smtp-pieces");
  look.deadline_ms = 700; /* it is silent after the handshake */
  run(&look);
  assert_string_equal(got.seen.banner, "220-mx");
  assert_non_null(got.seen.tls);
}

static void a_certificate_problem_is_noted_and_the_dialogue_goes_on(void **state) {
  (void)state;
  static const struct {
    const char *host;
    enum mts_err err;
  } cases[] = {{"expired.example.com", MTS_ERR_CERT_EXPIRED},
               {"other.example.com", MTS_ERR_CERT_NAME},
               {"selfsigned.example.com", MTS_ERR_CERT_UNTRUSTED},
               {"cnonly.example.com", MTS_ERR_CERT_NAME},
               {"wild.example.com", MTS_OK}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    see(cases[i].host, "smtp-whole");
    if (got.tls.err != cases[i].err) fail_msg("%s: %s", cases[i].host, mts_err_name(got.tls.err));
    assert_int_equal(got.seen.err, MTS_OK);
    assert_true(got.tls.count >= 1 && got.tls.chain[0].fingerprint[0]);
  }
}

static void what_ends_it_is_an_error_and_the_replies_are_there(void **state) {
  (void)state;
  expect("smtp-554", MTS_ERR_SMTP_PROTOCOL);
  assert_int_equal(got.seen.banner_code, 554);
  assert_string_equal(got.seen.banner, "554 no");
  assert_int_equal(got.seen.ehlo_code, 0);
  expect("smtp-421", MTS_ERR_SMTP_PROTOCOL);
  assert_string_equal(got.seen.banner, "421-busy \xff"); /* as it came */
  expect("smtp-no-starttls", MTS_ERR_STARTTLS_MISSING);
  assert_int_equal(got.seen.ehlo_code, 250);
  assert_int_equal(got.seen.ehlo_count, 1);
  assert_string_equal(line_of(0), "XXXXXXXA");
  assert_int_equal(got.seen.starttls_code, 0);
  expect("smtp-ehlo-502", MTS_ERR_STARTTLS_MISSING);
  assert_int_equal(got.seen.ehlo_code, 502);
  expect("smtp-454", MTS_ERR_STARTTLS_REFUSED);
  assert_int_equal(got.seen.starttls_code, 454);
  assert_string_equal(got.seen.starttls_reply, "454 TLS not available");
  expect("smtp-inject", MTS_ERR_STARTTLS_INJECTION);
  assert_int_equal(got.seen.starttls_code, 220);
  expect("smtp-inject-behind", MTS_ERR_STARTTLS_INJECTION);
  assert_int_equal(got.seen.starttls_code, 220);
  static const char *const failing[] = {"smtp-close-tls", "smtp-reset-tls", "smtp-garbage-tls", "smtp-alert", "smtp-reset-go"};
  for (size_t i = 0; i < 5; i++) {
    expect(failing[i], MTS_ERR_TLS_HANDSHAKE);
    assert_int_equal(got.seen.starttls_code, 220);
    assert_null(got.seen.tls);
  }
  static const char *const senseless[] = {"smtp-nul", "smtp-http", "smtp-codes", "smtp-long", "smtp-flood", "smtp-twice", "close"};
  for (size_t i = 0; i < sizeof senseless / sizeof *senseless; i++) expect(senseless[i], MTS_ERR_SMTP_PROTOCOL);
}

static void the_reply_to_ehlo_is_kept_within_bounds(void **state) {
  (void)state;
  expect("smtp-many-lines", MTS_ERR_STARTTLS_MISSING);
  assert_int_equal(got.seen.ehlo_count, MTS_SEEN_LINES);
  for (size_t i = 0; i < got.seen.ehlo_count; i++) assert_true(strlen(line_of(i)) < MTS_SEEN_LINE_BYTES);
  assert_int_equal(strncmp(line_of(63), "X63 yyy", 7), 0);
}

static void slow_hosts_end_at_the_deadline(void **state) {
  (void)state;
  static const struct {
    const char *server;
    bool up;
  } cases[] = {{"mute", false},         {"smtp-drip", false},     {"smtp-mute-ehlo", false},
               {"smtp-mute-go", false}, {"smtp-mute-tls", false}, {"smtp-quiet-inside", true}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mts_smtp_look look = look_of("good.example.com", cases[i].server);
    look.deadline_ms = cases[i].up ? 2000 : 400; /* time for a handshake where there is one */
    int64_t began_ms = mono_ms();
    run(&look);
    if (got.seen.err != MTS_ERR_SMTP_TIMEOUT) fail_msg("%s: %s", cases[i].server, mts_err_name(got.seen.err));
    ended_in_time(began_ms, look.deadline_ms);
    assert_int_equal(got.seen.tls != NULL, cases[i].up);
  }
}

static void old_versions_only_when_asked_for(void **state) {
  (void)state;
  expect("smtp-old", MTS_ERR_TLS_HANDSHAKE);
  static const struct {
    enum mts_newest_tls newest;
    const char *protocol;
  } cases[] = {{MTS_TLS_1_1, "TLSv1.1"}, {MTS_TLS_1_0, "TLSv1"}, {MTS_TLS_1_2, "TLSv1.2"}, {MTS_TLS_ANY, "TLSv1.3"}};
  struct mts_smtp_look look = look_of("good.example.com", "smtp-both-tls");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    look.newest_tls = cases[i].newest;
    run(&look);
    assert_int_equal(got.seen.err, MTS_OK);
    assert_string_equal(got.tls.protocol, cases[i].protocol);
  }
  look = look_of("good.example.com", "smtp-whole"); /* refuses what is old */
  look.newest_tls = MTS_TLS_1_1;
  run(&look);
  assert_int_equal(got.seen.err, MTS_ERR_TLS_HANDSHAKE);
  assert_null(got.seen.tls);
  /* And no probe after it speaks it. */
  struct outcome outcome = run_errand(net, &(struct errand){.server = "smtp-old"});
  assert_int_equal(outcome.err, MTS_ERR_TLS_HANDSHAKE);
}

static void without_sni_the_server_chooses(void **state) {
  (void)state;
  struct mts_smtp_look look = look_of("wild.example.com", "smtp-whole");
  run(&look);
  assert_string_equal(got.tls.chain[0].subject, "CN=wild");
  look.no_sni = true;
  run(&look);
  assert_string_equal(got.tls.chain[0].subject, "CN=good");
  assert_int_equal(got.tls.err, MTS_ERR_CERT_NAME);
}

static void what_is_injected_is_obeyed_or_not(void **state) {
  (void)state;
  static const struct {
    const char *server;
    enum mts_err err;
    bool injected;
  } cases[] = {{"smtp-obeys", MTS_OK, true},
               {"smtp-obeys-late", MTS_OK, true}, /* after our own command has gone out */
               {"smtp-forgets", MTS_OK, false},
               {"smtp-whole", MTS_ERR_TLS_HANDSHAKE, false}, /* takes it for TLS */
               {"smtp-454", MTS_ERR_STARTTLS_REFUSED, false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mts_smtp_look look = look_of("good.example.com", cases[i].server);
    look.inject = true;
    run(&look);
    if (got.seen.err != cases[i].err) fail_msg("%s: %s (%s)", cases[i].server, mts_err_name(got.seen.err), got.seen.detail);
    assert_true(got.seen.tried_injection);
    assert_int_equal(got.seen.injected, cases[i].injected);
    assert_int_equal(got.seen.tls != NULL, cases[i].err == MTS_OK);
    look.inject = false;
    run(&look);
    assert_false(got.seen.tried_injection || got.seen.injected);
  }
  struct mts_smtp_look look = look_of("good.example.com", "smtp-no-starttls");
  look.inject = true;
  run(&look);
  assert_false(got.seen.tried_injection); /* it did not come that far */
}

static void address_and_port_are_those_given(void **state) {
  (void)state;
  struct mts_smtp_look look = look_of("good.example.com", "smtp-whole");
  look.address = nobody;
  run(&look);
  assert_int_equal(got.seen.err, MTS_ERR_SMTP_CONNECT);
  assert_false(got.seen.connected);
  struct hole hole;
  dig_hole(&hole, look.port);
  look.address = hole_address;
  look.connect_ms = 300;
  int64_t began_ms = mono_ms();
  run(&look);
  assert_int_equal(got.seen.err, MTS_ERR_SMTP_TIMEOUT);
  assert_false(got.seen.connected);
  ended_in_time(began_ms, look.connect_ms);
  fill_hole(&hole);
  struct mts_job *job = NULL;
  look.host = "a b";
  assert_int_equal(start(&look, &job), MTS_ERR_ARGUMENT);
  look = look_of("good.example.com", "smtp-whole");
  look.port = 0;
  assert_int_equal(start(&look, &job), MTS_ERR_ARGUMENT);
  look = look_of("good.example.com", "smtp-whole");
  look.address = (struct mts_address){AF_INET6, {[15] = 1}};
  run(&look);
  if (got.seen.err == MTS_ERR_SMTP_CONNECT) skip(); /* no IPv6 here */
  assert_int_equal(got.seen.err, MTS_OK);
}

static enum mts_err start_slow(struct mts_job **job) {
  struct mts_smtp_look look = look_of("good.example.com", "smtp-quiet-inside");
  return start(&look, job);
}

static void a_look_that_is_cancelled_is_silent(void **state) {
  (void)state;
  cancel_everywhere(start_slow, &got.calls);
}

static int open_usual(void **state) {
  (void)state;
  open_net(NULL, "");
  return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_usual, close_net)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_whole_dialogue),
      TEST(a_certificate_problem_is_noted_and_the_dialogue_goes_on),
      TEST(what_ends_it_is_an_error_and_the_replies_are_there),
      TEST(the_reply_to_ehlo_is_kept_within_bounds),
      TEST(slow_hosts_end_at_the_deadline),
      TEST(old_versions_only_when_asked_for),
      TEST(without_sni_the_server_chooses),
      TEST(what_is_injected_is_obeyed_or_not),
      TEST(address_and_port_are_those_given),
      TEST(a_look_that_is_cancelled_is_silent),
  };
  return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
