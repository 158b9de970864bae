/* SPDX-License-Identifier: ISC
 * Looking at mail hosts, against servers.py: every reply, and TLS whatever the certificate is. */
#include "harness.h"

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

static void run(struct mts_net *net, const struct mts_smtp_look *look) {
  memset(&got, 0, sizeof got);
  struct mts_job *job = NULL;
  assert_int_equal(net->ops->look_smtp(net, look, keep, NULL, &job), MTS_OK);
  assert_int_equal(got.calls, 0); /* never before start has returned */
  while (net->ops->turn(net, -1)) continue;
  assert_int_equal(got.calls, 1);
  assert_true(got.seen.err == MTS_OK || got.seen.detail[0]);
}

static void see(struct mts_net *net, const char *host, const char *server) {
  struct mts_smtp_look look = look_of(host, server);
  run(net, &look);
}

static void expect(struct mts_net *net, const char *server, enum mts_err err) {
  see(net, "good.example.com", server);
  if (got.seen.err != err) fail_msg("%s: %s (%s), not %s", server, mts_err_name(got.seen.err), got.seen.detail, mts_err_name(err));
}

static void the_whole_dialogue(void **state) {
  (void)state;
  struct mts_net *net = open_world(NULL, "");
  expect(net, "smtp-whole", MTS_OK);
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
  run(net, &look);
  assert_string_equal(got.seen.banner, "220-mx");
  assert_non_null(got.seen.tls);
  close_world(net);
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
               {"wild.example.com", MTS_OK},
               {"rsa.example.com", MTS_OK}};
  struct mts_net *net = open_world(NULL, "");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    see(net, cases[i].host, "smtp-whole");
    if (got.tls.err != cases[i].err) fail_msg("%s: %s", cases[i].host, mts_err_name(got.tls.err));
    assert_int_equal(got.seen.err, MTS_OK);
    assert_true(got.tls.count >= 1 && got.tls.chain[0].fingerprint[0]);
  }
  assert_string_equal(got.tls.chain[0].key, "RSA");
  close_world(net);
}

static void what_ends_it_is_an_error_and_the_replies_are_there(void **state) {
  (void)state;
  struct mts_net *net = open_world(NULL, "");
  expect(net, "smtp-554", MTS_ERR_SMTP_PROTOCOL);
  assert_int_equal(got.seen.banner_code, 554);
  assert_string_equal(got.seen.banner, "554 no");
  assert_int_equal(got.seen.ehlo_code, 0);
  expect(net, "smtp-421", MTS_ERR_SMTP_PROTOCOL);
  assert_string_equal(got.seen.banner, "421-busy \xff"); /* as it came */
  expect(net, "smtp-no-starttls", MTS_ERR_STARTTLS_MISSING);
  assert_int_equal(got.seen.ehlo_code, 250);
  assert_int_equal(got.seen.ehlo_count, 1);
  assert_string_equal(line_of(0), "XXXXXXXA");
  assert_int_equal(got.seen.starttls_code, 0);
  expect(net, "smtp-ehlo-502", MTS_ERR_STARTTLS_MISSING);
  assert_int_equal(got.seen.ehlo_code, 502);
  expect(net, "smtp-454", MTS_ERR_STARTTLS_REFUSED);
  assert_int_equal(got.seen.starttls_code, 454);
  assert_string_equal(got.seen.starttls_reply, "454 TLS not available");
  expect(net, "smtp-inject", MTS_ERR_STARTTLS_INJECTION);
  assert_int_equal(got.seen.starttls_code, 220);
  static const char *const failing[] = {"smtp-close-tls", "smtp-reset-tls", "smtp-garbage-tls", "smtp-alert", "smtp-reset-go"};
  for (size_t i = 0; i < 5; i++) {
    expect(net, failing[i], MTS_ERR_TLS_HANDSHAKE);
    assert_int_equal(got.seen.starttls_code, 220);
    assert_null(got.seen.tls);
  }
  static const char *const senseless[] = {"smtp-nul", "smtp-http", "smtp-codes", "smtp-long", "smtp-flood", "smtp-twice", "close"};
  for (size_t i = 0; i < sizeof senseless / sizeof *senseless; i++) expect(net, senseless[i], MTS_ERR_SMTP_PROTOCOL);
  close_world(net);
}

static void the_reply_to_ehlo_is_kept_within_bounds(void **state) {
  (void)state;
  struct mts_net *net = open_world(NULL, "");
  expect(net, "smtp-many-lines", MTS_ERR_STARTTLS_MISSING);
  assert_int_equal(got.seen.ehlo_count, MTS_SEEN_LINES);
  for (size_t i = 0; i < got.seen.ehlo_count; i++) assert_true(strlen(line_of(i)) < MTS_SEEN_LINE_BYTES);
  assert_int_equal(strncmp(line_of(63), "X63 yyy", 7), 0);
  close_world(net);
}

static void slow_hosts_end_at_the_deadline(void **state) {
  (void)state;
  struct mts_net *net = open_world(NULL, "");
  static const struct {
    const char *server;
    bool up;
  } cases[] = {{"mute", false},         {"smtp-drip", false},     {"smtp-mute-ehlo", false},
               {"smtp-mute-go", false}, {"smtp-mute-tls", false}, {"smtp-quiet-inside", true}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mts_smtp_look look = look_of("good.example.com", cases[i].server);
    look.deadline_ms = 400;
    int64_t began_ms = mono_ms();
    run(net, &look);
    if (got.seen.err != MTS_ERR_SMTP_TIMEOUT) fail_msg("%s: %s", cases[i].server, mts_err_name(got.seen.err));
    assert_true(mono_ms() - began_ms >= 390 && mono_ms() - began_ms < 3000);
    assert_int_equal(got.seen.tls != NULL, cases[i].up);
  }
  close_world(net);
}

static void old_versions_only_when_asked_for(void **state) {
  (void)state;
  struct mts_net *net = open_world(NULL, "");
  expect(net, "smtp-old", MTS_ERR_TLS_HANDSHAKE);
  struct mts_smtp_look look = look_of("good.example.com", "smtp-both-tls");
  look.newest_tls = MTS_TLS_1_1;
  run(net, &look);
  assert_int_equal(got.seen.err, MTS_OK);
  assert_string_equal(got.tls.protocol, "TLSv1.1");
  look.newest_tls = MTS_TLS_1_0;
  run(net, &look);
  assert_string_equal(got.tls.protocol, "TLSv1");
  look.newest_tls = MTS_TLS_1_2;
  run(net, &look);
  assert_string_equal(got.tls.protocol, "TLSv1.2");
  look.newest_tls = MTS_TLS_ANY;
  run(net, &look);
  assert_string_equal(got.tls.protocol, "TLSv1.3");
  look = look_of("good.example.com", "smtp-whole"); /* refuses what is old */
  look.newest_tls = MTS_TLS_1_1;
  run(net, &look);
  assert_int_equal(got.seen.err, MTS_ERR_TLS_HANDSHAKE);
  assert_null(got.seen.tls);
  /* And no probe after it speaks it. */
  struct outcome outcome = run_errand(net, &(struct errand){.server = "smtp-old"});
  assert_int_equal(outcome.err, MTS_ERR_TLS_HANDSHAKE);
  close_world(net);
}

static void without_sni_the_server_chooses(void **state) {
  (void)state;
  struct mts_net *net = open_world(NULL, "");
  struct mts_smtp_look look = look_of("wild.example.com", "smtp-whole");
  run(net, &look);
  assert_string_equal(got.tls.chain[0].subject, "CN=wild");
  look.no_sni = true;
  run(net, &look);
  assert_string_equal(got.tls.chain[0].subject, "CN=good");
  assert_int_equal(got.tls.err, MTS_ERR_CERT_NAME);
  close_world(net);
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
  struct mts_net *net = open_world(NULL, "");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mts_smtp_look look = look_of("good.example.com", cases[i].server);
    look.inject = true;
    run(net, &look);
    if (got.seen.err != cases[i].err) fail_msg("%s: %s (%s)", cases[i].server, mts_err_name(got.seen.err), got.seen.detail);
    assert_true(got.seen.tried_injection);
    assert_int_equal(got.seen.injected, cases[i].injected);
    assert_int_equal(got.seen.tls != NULL, cases[i].err == MTS_OK);
    look.inject = false;
    run(net, &look);
    assert_false(got.seen.tried_injection || got.seen.injected);
  }
  struct mts_smtp_look look = look_of("good.example.com", "smtp-no-starttls");
  look.inject = true;
  run(net, &look);
  assert_false(got.seen.tried_injection); /* it did not come that far */
  close_world(net);
}

static void address_and_port_are_those_given(void **state) {
  (void)state;
  struct mts_net *net = open_world(NULL, "");
  struct mts_smtp_look look = look_of("good.example.com", "smtp-whole");
  look.address = nobody;
  run(net, &look);
  assert_int_equal(got.seen.err, MTS_ERR_SMTP_CONNECT);
  assert_false(got.seen.connected);
  struct hole hole;
  dig_hole(&hole, look.port);
  look.address = hole_address;
  look.connect_ms = 300;
  int64_t began_ms = mono_ms();
  run(net, &look);
  assert_int_equal(got.seen.err, MTS_ERR_SMTP_TIMEOUT);
  assert_false(got.seen.connected);
  assert_true(mono_ms() - began_ms < 3000);
  fill_hole(&hole);
  struct mts_job *job = NULL;
  look.host = "a b";
  assert_int_equal(net->ops->look_smtp(net, &look, keep, NULL, &job), MTS_ERR_ARGUMENT);
  look = look_of("good.example.com", "smtp-whole");
  look.port = 0;
  assert_int_equal(net->ops->look_smtp(net, &look, keep, NULL, &job), MTS_ERR_ARGUMENT);
  look = look_of("good.example.com", "smtp-whole");
  look.address = (struct mts_address){AF_INET6, {[15] = 1}};
  run(net, &look);
  if (got.seen.err == MTS_ERR_SMTP_CONNECT) skip(); /* no IPv6 here */
  assert_int_equal(got.seen.err, MTS_OK);
  close_world(net);
}

static void a_look_that_is_cancelled_is_silent(void **state) {
  (void)state;
  struct mts_net *net = open_world(NULL, "");
  memset(&got, 0, sizeof got);
  for (int turns = 0; turns < 12; turns++) {
    struct mts_smtp_look look = look_of("good.example.com", "smtp-quiet-inside");
    struct mts_job *job = NULL;
    assert_int_equal(net->ops->look_smtp(net, &look, keep, NULL, &job), MTS_OK);
    for (int i = 0; i < turns; i++) net->ops->turn(net, 20);
    net->ops->cancel(net, &job);
    assert_null(job);
  }
  struct mts_smtp_look look = look_of("good.example.com", "smtp-quiet-inside");
  struct mts_job *left = NULL;
  assert_int_equal(net->ops->look_smtp(net, &look, keep, NULL, &left), MTS_OK);
  close_world(net); /* ends what is under way */
  assert_int_equal(got.calls, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_whole_dialogue),
      cmocka_unit_test(a_certificate_problem_is_noted_and_the_dialogue_goes_on),
      cmocka_unit_test(what_ends_it_is_an_error_and_the_replies_are_there),
      cmocka_unit_test(the_reply_to_ehlo_is_kept_within_bounds),
      cmocka_unit_test(slow_hosts_end_at_the_deadline),
      cmocka_unit_test(old_versions_only_when_asked_for),
      cmocka_unit_test(without_sni_the_server_chooses),
      cmocka_unit_test(what_is_injected_is_obeyed_or_not),
      cmocka_unit_test(address_and_port_are_those_given),
      cmocka_unit_test(a_look_that_is_cancelled_is_silent),
  };
  return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
