/* SPDX-License-Identifier: ISC
 * Looks in a context: which address, whose network, and who is called back. */
#include "resolve/look.h"

#include "told_world.h"

static struct told told;

static struct {
  int calls;
  char address[MTS_ADDRESS_SIZE];
  uint16_t port;
  enum mts_err err;
  enum mts_err verified;
  unsigned status, hops;
  size_t body_n;
  bool has_tls;
  uint32_t ms;
} got;

static void https_done(void *arg, const char *address, uint16_t port, const struct mts_https_seen *seen) {
  (void)arg;
  got.calls++;
  memccpy(got.address, address, 0, sizeof got.address);
  got.port = port;
  got.err = seen->err;
  got.status = seen->status;
  got.body_n = seen->body.n;
  got.has_tls = seen->tls != NULL;
  got.verified = seen->tls ? seen->tls->err : MTS_OK;
  got.ms = seen->ms;
}

static void smtp_done(void *arg, const char *address, uint16_t port, const struct mts_smtp_seen *seen) {
  (void)arg;
  got.calls++;
  memccpy(got.address, address, 0, sizeof got.address);
  got.port = port;
  got.err = seen->err;
  got.has_tls = seen->tls != NULL;
  got.verified = seen->tls ? seen->tls->err : MTS_OK;
}

static void dns_done(void *arg, uint32_t ms, const struct mts_dns_answer *answer) {
  (void)arg;
  got.calls++;
  got.err = answer->err;
  got.hops = (unsigned)answer->hop_count;
  got.ms = ms;
}

static int set_up(void **state) {
  (void)state;
  memset(&got, 0, sizeof got);
  told_open(&told, NULL);
  return 0;
}
static int tear_down(void **state) {
  (void)state;
  told_close(&told);
  return 0;
}

static void tell_a(const char *name, const char *const *addresses) {
  tell_records(&told, name, MTS_RR_A, MTS_DNSSEC_INSECURE, addresses);
}

static void see_https(const char *host, const struct look_opts *opts) {
  struct look *look = NULL;
  struct look_opts none = {.max_bytes = 1000};
  memset(&got, 0, sizeof got);
  assert_int_equal(look_https_start(told.m, host, opts ? opts : &none, https_done, NULL, &look), MTS_OK);
  assert_int_equal(got.calls, 0);
  run_out(&told);
  assert_int_equal(got.calls, 1);
}

static void tell_site(const char *host, enum mts_fake_only only, const char *key, enum mts_err err) {
  struct mts_fake_site site = {.err = err, .status = err ? 0 : 200, .content_type = "text/plain", .body = mts_span_of("body")};
  assert_int_equal(mts_fake_site(told.fake, host, only, key, &site), MTS_OK);
}

static void the_first_address_that_connects(void **state) {
  (void)state;
  tell_a("mta-sts.a.test", (const char *[]){"8.8.8.1", "8.8.8.2", "8.8.8.3", NULL});
  tell_site("mta-sts.a.test", MTS_FAKE_ALL, "", MTS_OK);
  tell_site("mta-sts.a.test", MTS_FAKE_ADDRESS, "8.8.8.1", MTS_ERR_HTTPS_CONNECT);
  see_https("mta-sts.A.test.", NULL);
  assert_string_equal(got.address, "8.8.8.2");
  assert_int_equal(got.status, 200);
  assert_int_equal(got.port, 443);
  /* One that answers badly is an answer, too. */
  tell_site("mta-sts.a.test", MTS_FAKE_ADDRESS, "8.8.8.2", MTS_ERR_HTTPS_TLS);
  see_https("mta-sts.a.test", NULL);
  assert_string_equal(got.address, "8.8.8.2");
  assert_int_equal(got.err, MTS_ERR_HTTPS_TLS);
  for (char last = '1'; last <= '3'; last++) {
    const char address[] = {'8', '.', '8', '.', '8', '.', last, '\0'};
    tell_site("mta-sts.a.test", MTS_FAKE_ADDRESS, address, MTS_ERR_HTTPS_CONNECT);
  }
  see_https("mta-sts.a.test", NULL);
  assert_string_equal(got.address, "8.8.8.3");
  assert_int_equal(got.err, MTS_ERR_HTTPS_CONNECT);
}

static void the_address_that_is_given_and_no_other(void **state) {
  (void)state;
  tell_a("mta-sts.a.test", (const char *[]){"8.8.8.1", NULL});
  tell_site("mta-sts.a.test", MTS_FAKE_ALL, "", MTS_OK);
  tell_site("mta-sts.a.test", MTS_FAKE_ADDRESS, "8.8.4.4", MTS_ERR_HTTPS_CONNECT);
  struct look_opts opts = {.port = 8443, .max_bytes = 2};
  assert_true(mts_address_parse(mts_span_of("8.8.4.4"), &opts.address));
  see_https("mta-sts.a.test", &opts);
  assert_int_equal(got.err, MTS_ERR_HTTPS_CONNECT);
  assert_string_equal(got.address, "8.8.4.4");
  assert_true(mts_address_parse(mts_span_of("2001:4860::1"), &opts.address));
  see_https("mta-sts.a.test", &opts);
  assert_string_equal(got.address, "2001:4860::1");
  assert_int_equal(got.port, 8443);
  assert_int_equal(got.body_n, 2);
  assert_int_equal(mts_fake_count_dns(told.fake, NULL, MTS_RR_A), 0); /* nothing was asked */
}

static void private_addresses_only_if_allowed(void **state) {
  (void)state;
  tell_a("mta-sts.a.test", (const char *[]){"10.0.0.1", "127.0.0.1", NULL});
  tell_site("mta-sts.a.test", MTS_FAKE_ALL, "", MTS_OK);
  see_https("mta-sts.a.test", NULL);
  assert_int_equal(got.err, MTS_ERR_HTTPS_FORBIDDEN);
  tell_a("mta-sts.a.test", (const char *[]){"10.0.0.1", "8.8.8.8", NULL});
  see_https("mta-sts.a.test", NULL);
  assert_string_equal(got.address, "8.8.8.8");
  struct look_opts opts = {.max_bytes = 10};
  struct look *look = NULL;
  assert_true(mts_address_parse(mts_span_of("::1"), &opts.address));
  assert_int_equal(look_https_start(told.m, "mta-sts.a.test", &opts, https_done, NULL, &look), MTS_ERR_HTTPS_FORBIDDEN);
  assert_null(look);
  told_close(&told);
  told_open(&told, (const char *[]){"allow_private", "yes", NULL});
  tell_a("mta-sts.a.test", (const char *[]){"10.0.0.1", NULL});
  tell_site("mta-sts.a.test", MTS_FAKE_ALL, "", MTS_OK);
  see_https("mta-sts.a.test", NULL);
  assert_string_equal(got.address, "10.0.0.1");
  assert_int_equal(got.status, 200);
}

static void no_address_is_an_error(void **state) {
  (void)state;
  see_https("nowhere.test", NULL);
  assert_int_equal(got.err, MTS_ERR_HTTPS_ADDRESS);
  assert_string_equal(got.address, "");
  tell_dns_error(&told, "lost.test", MTS_RR_A, MTS_ERR_DNS_SERVFAIL);
  see_https("lost.test", NULL);
  assert_int_equal(got.err, MTS_ERR_DNS_SERVFAIL);
}

static void a_mail_host_at_each_of_its_addresses(void **state) {
  (void)state;
  tell_a("mx1.a.test", (const char *[]){"192.0.2.1", "192.0.2.2", NULL});
  struct mts_fake_mailer mailer = {.err = MTS_ERR_SMTP_CONNECT};
  assert_int_equal(mts_fake_smtp(told.fake, "mx1.a.test", MTS_ERR_CERT_EXPIRED, 0), MTS_OK);
  assert_int_equal(mts_fake_mailer(told.fake, "mx1.a.test", MTS_FAKE_ADDRESS, "192.0.2.1", &mailer), MTS_OK);
  struct look *look = NULL;
  struct look_opts opts = {.max_bytes = 0};
  assert_int_equal(look_smtp_start(told.m, "MX1.a.test", &opts, smtp_done, NULL, &look), MTS_OK);
  run_out(&told);
  assert_string_equal(got.address, "192.0.2.2");
  assert_int_equal(got.err, MTS_OK);
  assert_int_equal(got.verified, MTS_ERR_CERT_EXPIRED);
  assert_int_equal(got.port, 25);
}

static void a_look_at_dns(void **state) {
  (void)state;
  assert_int_equal(mts_fake_cname(told.fake, "a.test", "b.test"), MTS_OK);
  tell_txt(&told, "b.test", "x", 60);
  struct look *look = NULL;
  assert_int_equal(look_dns_start(told.m, "_a..test", MTS_RR_TXT, 0, dns_done, NULL, &look), MTS_ERR_NAME_SYNTAX);
  assert_int_equal(look_dns_start(told.m, "A.test", MTS_RR_TXT, 0, dns_done, NULL, &look), MTS_OK);
  run_out(&told);
  assert_int_equal(got.calls, 1);
  assert_int_equal(got.err, MTS_OK);
  assert_int_equal(got.hops, 1);
}

static void ended_it_calls_nobody(void **state) {
  (void)state;
  struct look *look = NULL, *looks[3] = {0};
  struct look_opts opts = {.max_bytes = 10, .path = "/x", .user_agent = "y"};
  tell_site("mta-sts.a.test", MTS_FAKE_ALL, "", MTS_OK);
  for (int turns = 0; turns < 3; turns++) { /* while it asks for addresses, and after */
    assert_int_equal(look_https_start(told.m, "mta-sts.a.test", &opts, https_done, NULL, &look), MTS_OK);
    for (int i = 0; i < turns && !got.calls; i++) mts_turn(told.m, 0);
    if (got.calls) break;
    look_cancel(&look);
    assert_null(look);
  }
  got.calls = 0;
  assert_int_equal(look_https_start(told.m, "mta-sts.a.test", &opts, https_done, NULL, &looks[0]), MTS_OK);
  assert_int_equal(look_smtp_start(told.m, "mx.a.test", &opts, smtp_done, NULL, &looks[1]), MTS_OK);
  assert_int_equal(look_dns_start(told.m, "a.test", MTS_RR_TXT, 0, dns_done, NULL, &looks[2]), MTS_OK);
  mts_free(&told.m);
  while (mts_fake_net(told.fake)->ops->turn(mts_fake_net(told.fake), -1)) continue;
  assert_int_equal(got.calls, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_first_address_that_connects, set_up, tear_down),
      cmocka_unit_test_setup_teardown(the_address_that_is_given_and_no_other, set_up, tear_down),
      cmocka_unit_test_setup_teardown(private_addresses_only_if_allowed, set_up, tear_down),
      cmocka_unit_test_setup_teardown(no_address_is_an_error, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_mail_host_at_each_of_its_addresses, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_look_at_dns, set_up, tear_down),
      cmocka_unit_test_setup_teardown(ended_it_calls_nobody, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
