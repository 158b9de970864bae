/* SPDX-License-Identifier: ISC
 * STARTTLS probes (RFC 3207, RFC 8461 4.2, RFC 7672), against servers.py. */
#include "harness.h"

static struct {
  int calls;
  struct mts_tls tls;
} got;

static void keep(void *arg, const struct mts_tls *tls) {
  (void)arg;
  got.calls++;
  got.tls = *tls;
}

static struct mts_probe_request request_of(const char *server, const char *host) {
  return (struct mts_probe_request){
      .host = host, .port = port_of(server), .address_count = 1, .addresses = &loopback, .deadline_ms = 5000};
}

static void run(struct mts_net *net, const struct mts_probe_request *request, enum mts_err err) {
  memset(&got, 0, sizeof got);
  struct mts_job *job = NULL;
  assert_int_equal(net->ops->probe(net, request, keep, NULL, &job), MTS_OK);
  run_job(net, &got.calls);
  if (got.tls.err != err)
    fail_msg("%s: %s (%s), not %s", request->host, mts_err_name(got.tls.err), got.tls.detail, mts_err_name(err));
  if (err != MTS_OK) assert_true(got.tls.detail[0] != '\0');
}

static void expect(const char *server, const char *host, enum mts_err err) {
  struct mts_net *net = open_world(NULL, "");
  struct mts_probe_request request = request_of(server, host);
  print_message("%s %s\n", server, host);
  run(net, &request, err);
  close_world(net);
}

static void a_good_host_and_its_facts(void **state) {
  (void)state;
  expect("smtp", "good.example.com", MTS_OK);
  assert_string_equal(got.tls.protocol, "TLSv1.3");
  assert_string_equal(got.tls.subject, "CN=good");
  assert_string_equal(got.tls.issuer, "CN=Test CA");
  assert_string_equal(got.tls.names, "good.example.com 127.example.com");
  assert_string_equal(got.tls.banner, "220 mx.example.com ESMTP");
  assert_string_equal(got.tls.address, "127.0.0.1");
  assert_int_equal(strlen(got.tls.fingerprint), 64);
  int64_t now = (int64_t)time(NULL);
  assert_true(got.tls.not_before < now - 80000 && got.tls.not_before > now - 90000);
  assert_true(got.tls.not_after > now + 29 * 86400 && got.tls.not_after < now + 31 * 86400);
  expect("smtp", "many.example.com", MTS_OK);
  assert_string_equal(got.tls.names + strlen(got.tls.names) - 4, " ...");
  expect("smtp-pieces", "good.example.com", MTS_OK);
  expect("smtp-quits", "good.example.com", MTS_ERR_SMTP_PROTOCOL); /* that server tells how many said QUIT */
  assert_string_not_equal(got.tls.banner, "220 0");
}

static void the_certificate_must_be_for_the_host(void **state) {
  (void)state;
  expect("smtp", "selfsigned.example.com", MTS_ERR_CERT_UNTRUSTED);
  expect("smtp", "other.example.com", MTS_ERR_CERT_NAME);
  expect("smtp", "cnonly.example.com", MTS_ERR_CERT_NAME);
  expect("smtp", "partial.example.com", MTS_ERR_CERT_NAME);
  expect("smtp", "wild.sub.example.com", MTS_ERR_CERT_NAME);
  expect("smtp", "expired.example.com", MTS_ERR_CERT_EXPIRED);
  assert_string_equal(got.tls.names, "expired.example.com"); /* facts come with failures too */
  expect("smtp", "future.example.com", MTS_ERR_CERT_INVALID);
  expect("smtp", "expiredother.example.com", MTS_ERR_CERT_NAME); /* OpenSSL looks at the name first */
  expect("smtp", "wild.example.com", MTS_OK);
}

static void each_misbehaviour_has_its_name(void **state) {
  (void)state;
  static const struct {
    const char *server;
    enum mts_err err;
  } rows[] = {
      {"smtp-554", MTS_ERR_SMTP_PROTOCOL},
      {"smtp-no-starttls", MTS_ERR_STARTTLS_MISSING},
      {"smtp-ehlo-502", MTS_ERR_STARTTLS_MISSING},
      {"smtp-ehlo-421", MTS_ERR_SMTP_PROTOCOL},
      {"smtp-454", MTS_ERR_STARTTLS_REFUSED},
      {"smtp-inject", MTS_ERR_STARTTLS_INJECTION},
      {"smtp-inject-behind", MTS_ERR_STARTTLS_INJECTION},
      {"smtp-inject-late", MTS_ERR_TLS_HANDSHAKE}, /* in place of TLS: nothing of it is believed */
      {"smtp-twice", MTS_ERR_SMTP_PROTOCOL},
      {"smtp-close-ehlo", MTS_ERR_SMTP_PROTOCOL},
      {"smtp-close-tls", MTS_ERR_TLS_HANDSHAKE},
      {"smtp-reset-tls", MTS_ERR_TLS_HANDSHAKE},
      {"smtp-garbage-tls", MTS_ERR_TLS_HANDSHAKE},
      {"smtp-alert", MTS_ERR_TLS_HANDSHAKE},
      {"smtp-old", MTS_ERR_TLS_HANDSHAKE},
      {"smtp-nul", MTS_ERR_SMTP_PROTOCOL},
      {"smtp-http", MTS_ERR_SMTP_PROTOCOL},
      {"smtp-codes", MTS_ERR_SMTP_PROTOCOL},
      {"smtp-long", MTS_ERR_SMTP_PROTOCOL},
      {"smtp-flood", MTS_ERR_SMTP_PROTOCOL},
      {"close", MTS_ERR_SMTP_PROTOCOL},
      {"garbage", MTS_ERR_SMTP_PROTOCOL},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) expect(rows[i].server, "good.example.com", rows[i].err);
}

static void a_reset_connection_is_a_temporary_error(void **state) {
  (void)state;
  struct mts_net *net = open_world(NULL, "");
  struct outcome outcome = run_errand(net, &(struct errand){.server = "reset"});
  /* It depends on who is faster. */
  assert_true(outcome.err == MTS_ERR_SMTP_PROTOCOL || outcome.err == MTS_ERR_SMTP_CONNECT);
  assert_true(mts_err_temporary(outcome.err));
  assert_non_null(strstr(outcome.detail, "reset"));
  close_world(net);
}

/* RFC 3207 6 and CVE-2011-0411: in a segment of its own it may come before or after our first TLS byte; refused either way. */
static void bytes_behind_the_reply_to_starttls_are_refused_however_they_come(void **state) {
  (void)state;
  for (int i = 0; i < 10; i++) {
    struct mts_net *net = open_world(NULL, "");
    struct mts_probe_request request = request_of("smtp-inject-next", "good.example.com");
    struct mts_job *job = NULL;
    memset(&got, 0, sizeof got);
    assert_int_equal(net->ops->probe(net, &request, keep, NULL, &job), MTS_OK);
    do usleep(i % 2 ? 10000 : 0); /* late turns find both segments */
    while (net->ops->turn(net, -1));
    assert_int_equal(got.calls, 1);
    if (i % 2) assert_int_equal(got.tls.err, MTS_ERR_STARTTLS_INJECTION);
    assert_true(got.tls.err == MTS_ERR_STARTTLS_INJECTION || got.tls.err == MTS_ERR_TLS_HANDSHAKE);
    close_world(net);
  }
}

static void an_unanswered_quit_changes_nothing(void **state) {
  (void)state;
  int64_t began = mono_ms();
  expect("smtp-mute-quit", "good.example.com", MTS_OK);
  assert_in_range(mono_ms() - began, 400, 1500);
  assert_true(got.tls.ms < 400); /* the wait for it does not count */
}

static void the_deadline_is_total(void **state) {
  (void)state;
  struct mts_net *net = open_world(NULL, "");
  const char *servers[] = {"mute", "smtp-drip", "smtp-mute-ehlo", "smtp-mute-go", "smtp-mute-tls"};
  for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
    struct mts_probe_request request = request_of(servers[i], "good.example.com");
    request.deadline_ms = 300;
    int64_t began = mts_clock_mono_ms(&mts_clock_real);
    run(net, &request, MTS_ERR_SMTP_TIMEOUT);
    int64_t took = mts_clock_mono_ms(&mts_clock_real) - began;
    assert_true(took >= 280 && took < 2000);
  }
  close_world(net);
}

static void the_next_address_after_a_refusal(void **state) {
  (void)state;
  struct mts_net *net = open_world(NULL, "");
  struct mts_address both[] = {nobody, loopback};
  struct mts_probe_request request = request_of("smtp", "good.example.com");
  request.addresses = both;
  request.address_count = 2;
  run(net, &request, MTS_OK);
  request.address_count = 1;
  run(net, &request, MTS_ERR_SMTP_CONNECT);
  assert_string_equal(got.tls.address, "127.9.9.9");
  close_world(net);
}

struct tlsa_of {
  const char *host, *next_hop;
  uint8_t usage, selector, matching;
  const X509 *x;
  bool altered;
};

/* The certificate association data of RFC 6698 2.1, as a record of its own. */
static struct mts_rr_tlsa record_of(const struct tlsa_of *of) {
  unsigned char *der = NULL, digest[64];
  int n = of->selector ? i2d_PUBKEY(X509_get0_pubkey(of->x), &der) : i2d_X509(of->x, &der);
  assert_true(n > 64);
  unsigned digest_n = (unsigned)n;
  const EVP_MD *md = of->matching == 1 ? EVP_sha256() : EVP_sha512();
  if (of->matching) assert_int_equal(EVP_Digest(der, (size_t)n, digest, &digest_n, md, NULL), 1);
  char *data = malloc(digest_n);
  assert_non_null(data);
  memcpy(data, of->matching ? digest : der, digest_n);
  if (of->altered) data[digest_n - 1] = (char)(data[digest_n - 1] ^ 1);
  OPENSSL_free(der);
  return (struct mts_rr_tlsa){
      .usage = of->usage, .selector = of->selector, .matching = of->matching, .data = {.p = data, .n = digest_n}};
}

static void dane_with(const struct tlsa_of *of, size_t count, enum mts_err err) {
  struct mts_rr_tlsa tlsa[4];
  for (size_t i = 0; i < count; i++) tlsa[i] = record_of(&of[i]);
  struct mts_net *net = open_world(NULL, "");
  struct mts_probe_request request = request_of("smtp", of->host);
  request.next_hop = of->next_hop;
  request.tlsa = tlsa;
  request.tlsa_count = count;
  run(net, &request, err);
  close_world(net);
  for (size_t i = 0; i < count; i++) free((void *)(uintptr_t)tlsa[i].data.p);
}

static void dane(const char *host, uint8_t usage, const X509 *x, bool altered, enum mts_err err) {
  dane_with(&(struct tlsa_of){host, NULL, usage, 0, 1, x, altered}, 1, err);
}

static void dane_as_rfc_7672(void **state) {
  (void)state;
  X509 *own = read_leaf("selfsigned"), *expired = read_leaf("expiredother"), *good = read_leaf("good");
  dane("selfsigned.example.com", 3, own, false, MTS_OK);
  dane("selfsigned.example.com", 3, own, true, MTS_ERR_TLSA_INVALID);
  dane("expiredother.example.com", 3, expired, false, MTS_OK); /* 3.1.1: neither name nor dates */
  dane("good.example.com", 2, ca, false, MTS_OK);
  dane("good.example.com", 3, good, true, MTS_ERR_TLSA_INVALID); /* trusted certificates do not rescue it */
  dane("other.example.com", 2, ca, false, MTS_ERR_TLSA_INVALID); /* 3.1.2: the name counts */
  dane("expired.example.com", 2, ca, false, MTS_ERR_TLSA_INVALID);
  dane("selfsigned.example.com", 1, own, false, MTS_ERR_CERT_UNTRUSTED); /* 3.1.3: unusable, as if absent */
  X509_free(own), X509_free(expired), X509_free(good);
}

static void dane_selectors_and_digests(void **state) {
  (void)state;
  X509 *own = read_leaf("selfsigned"), *good = read_leaf("good");
  for (uint8_t selector = 0; selector < 2; selector++) {
    for (uint8_t matching = 0; matching < 3; matching++) {
      const char *host = "selfsigned.example.com";
      struct tlsa_of ee = {host, NULL, 3, selector, matching, own, false}, wrong = {host, NULL, 3, selector, matching, good, false};
      dane_with(&ee, 1, MTS_OK);
      dane_with(&wrong, 1, MTS_ERR_TLSA_INVALID);
      struct tlsa_of ta = {"good.example.com", NULL, 2, selector, matching, ca, false};
      dane_with(&ta, 1, MTS_OK);
    }
  }
  X509_free(own), X509_free(good);
}

static void one_tlsa_record_that_matches_is_enough(void **state) {
  (void)state;
  X509 *own = read_leaf("selfsigned"), *good = read_leaf("good");
  const char *host = "selfsigned.example.com";
  struct tlsa_of set[] = {
      {host, NULL, 3, 1, 1, good, false}, /* RFC 7672 4: the key to come */
      {host, NULL, 1, 0, 1, own, false},  /* not for SMTP */
      {host, NULL, 3, 1, 2, own, false},
  };
  dane_with(set, 3, MTS_OK);
  dane_with(set, 2, MTS_ERR_TLSA_INVALID);
  struct tlsa_of unknown = {host, NULL, 3, 0, 1, own, false};
  struct mts_rr_tlsa tlsa = record_of(&unknown);
  tlsa.matching = 9; /* RFC 7671 10.3: as if absent */
  struct mts_net *net = open_world(NULL, "");
  struct mts_probe_request request = request_of("smtp", host);
  request.tlsa = &tlsa;
  request.tlsa_count = 1;
  run(net, &request, MTS_ERR_CERT_UNTRUSTED);
  close_world(net);
  free((void *)(uintptr_t)tlsa.data.p);
  X509_free(own), X509_free(good);
}

/* RFC 7672 3.2.2, 3.2.3 */
static void dane_ta_takes_the_next_hop_for_a_name_but_mta_sts_does_not(void **state) {
  (void)state;
  struct tlsa_of other = {"other.example.com", "elsewhere.example.com", 2, 0, 1, ca, false};
  dane_with(&other, 1, MTS_OK); /* the certificate is for the next hop */
  other.next_hop = "third.example.com";
  dane_with(&other, 1, MTS_ERR_TLSA_INVALID);
  struct mts_net *net = open_world(NULL, "");
  struct mts_probe_request request = request_of("smtp", "other.example.com");
  request.next_hop = "elsewhere.example.com";
  run(net, &request, MTS_ERR_CERT_NAME); /* RFC 8461 4.2 */
  close_world(net);
  dane("cnonly.example.com", 2, ca, false, MTS_OK); /* no DNS-ID: the CN counts */
  dane("partial.example.com", 2, ca, false, MTS_ERR_TLSA_INVALID);
  dane("wild.example.com", 2, ca, false, MTS_OK);
}

#define MANY 200
static struct mts_job *jobs[MANY];
static struct mts_net *shared;
static int good_calls;

static void cancels_the_next(void *arg, const struct mts_tls *tls) {
  size_t i = *(const size_t *)arg;
  jobs[i] = NULL;
  good_calls += tls->err == MTS_OK;
  if (i + 1 < MANY) shared->ops->cancel(shared, &jobs[i + 1]);
}

static void many_at_once_cancelled_and_left_pending(void **state) {
  (void)state;
  static size_t indexes[MANY];
  shared = open_world(NULL, "");
  for (int round = 0; round < 2; round++) {
    struct mts_probe_request request = request_of("smtp", "good.example.com");
    request.deadline_ms = 60000;
    for (size_t i = 0; i < MANY; i++) {
      indexes[i] = i;
      assert_int_equal(shared->ops->probe(shared, &request, cancels_the_next, &indexes[i], &jobs[i]), MTS_OK);
    }
    for (int turns = 0; round == 1 && turns < 40; turns++) shared->ops->turn(shared, 1);
    while (round == 0 && shared->ops->turn(shared, -1)) {
    }
    if (round == 0) assert_true(good_calls >= MANY / 2);
  }
  close_world(shared);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_good_host_and_its_facts),
      cmocka_unit_test(the_certificate_must_be_for_the_host),
      cmocka_unit_test(each_misbehaviour_has_its_name),
      cmocka_unit_test(a_reset_connection_is_a_temporary_error),
      cmocka_unit_test(bytes_behind_the_reply_to_starttls_are_refused_however_they_come),
      cmocka_unit_test(an_unanswered_quit_changes_nothing),
      cmocka_unit_test(the_deadline_is_total),
      cmocka_unit_test(the_next_address_after_a_refusal),
      cmocka_unit_test(dane_as_rfc_7672),
      cmocka_unit_test(dane_selectors_and_digests),
      cmocka_unit_test(one_tlsa_record_that_matches_is_enough),
      cmocka_unit_test(dane_ta_takes_the_next_hop_for_a_name_but_mta_sts_does_not),
      cmocka_unit_test(many_at_once_cancelled_and_left_pending),
  };
  return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
