/* SPDX-License-Identifier: ISC */
#include "fake/fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/buf.h"

#define NOW_MS INT64_C(1700000000000)
#define DEADLINE_MS 6000u

static struct mts_fake *fake;
static struct mts_net *net;

/* What the last callback was given, copied. */
static struct {
  unsigned calls;
  int64_t at_ms;
  enum mts_err err;
  struct mts_dns_answer dns;
  char texts[2][64];
  char hosts[2][MTS_NAME_SIZE];
  struct mts_address address;
  struct mts_rr_tlsa tlsa;
  char tlsa_bytes[8];
  struct mts_https_answer https;
  char body[64];
  struct mts_tls tls;
} got;

static int set_up(void **state) {
  (void)state;
  memset(&got, 0, sizeof got);
  if (mts_fake_new(NOW_MS, &fake) != MTS_OK) return -1;
  net = mts_fake_net(fake);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  mts_fake_free(&fake);
  return fake == NULL ? 0 : -1;
}

static void copy_text(char *to, size_t size, struct mts_span from) {
  assert_true(from.n < size);
  if (from.n) memcpy(to, from.p, from.n);
  to[from.n] = '\0';
}

static void dns_done(void *arg, const struct mts_dns_answer *answer) {
  got.calls++;
  got.at_ms = mts_clock_mono_ms(&net->clock);
  got.dns = *answer;
  got.err = answer->err;
  enum mts_rrtype type = *(const enum mts_rrtype *)arg;
  for (size_t i = 0; i < answer->count && i < 2; i++) {
    const struct mts_rr *rr = &answer->records[i];
    if (type == MTS_RR_TXT && rr->u.txt.n < sizeof got.texts[i]) copy_text(got.texts[i], sizeof got.texts[i], rr->u.txt);
    if (type == MTS_RR_MX) memcpy(got.hosts[i], rr->u.mx.host, sizeof got.hosts[i]);
    if (type == MTS_RR_A || type == MTS_RR_AAAA) got.address = rr->u.address;
    if (type == MTS_RR_TLSA) {
      got.tlsa = rr->u.tlsa;
      copy_text(got.tlsa_bytes, sizeof got.tlsa_bytes, rr->u.tlsa.data);
    }
  }
}

static void https_done(void *arg, const struct mts_https_answer *answer) {
  (void)arg;
  got.calls++;
  got.at_ms = mts_clock_mono_ms(&net->clock);
  got.https = *answer;
  got.err = answer->err;
  copy_text(got.body, sizeof got.body, answer->body);
}

static void tls_done(void *arg, const struct mts_tls *tls) {
  (void)arg;
  got.calls++;
  got.at_ms = mts_clock_mono_ms(&net->clock);
  got.tls = *tls;
  got.err = tls->err;
}

/* Asks and turns until nothing is left; gives how long it took by the fake's clock. */
static int64_t run(int64_t from_ms) {
  got.calls = 0;
  while (net->ops->turn(net, -1)) continue;
  assert_int_equal(got.calls, 1);
  return got.at_ms - from_ms;
}

static int64_t ask(const char *name, enum mts_rrtype type) {
  struct mts_job *job = NULL;
  int64_t from_ms = mts_clock_mono_ms(&net->clock);
  got.calls = 0;
  assert_int_equal(net->ops->dns(net, name, type, DEADLINE_MS, dns_done, &type, &job), MTS_OK);
  assert_non_null(job);
  assert_int_equal(got.calls, 0);
  return run(from_ms);
}

static const struct mts_address one_address = {.family = AF_INET, .bytes = {192, 0, 2, 200}};

static int64_t fetch(const char *host, size_t max_bytes) {
  struct mts_job *job = NULL;
  struct mts_https_request request = {.host = host,
                                      .path = "/.well-known/mta-sts.txt",
                                      .address_count = 1,
                                      .addresses = &one_address,
                                      .deadline_ms = DEADLINE_MS,
                                      .max_bytes = max_bytes};
  int64_t from_ms = mts_clock_mono_ms(&net->clock);
  assert_int_equal(net->ops->https(net, &request, https_done, NULL, &job), MTS_OK);
  return run(from_ms);
}

static int64_t probe(const char *host) {
  struct mts_job *job = NULL;
  struct mts_probe_request request = {
      .host = host, .port = 25, .address_count = 1, .addresses = &one_address, .deadline_ms = DEADLINE_MS};
  int64_t from_ms = mts_clock_mono_ms(&net->clock);
  assert_int_equal(net->ops->probe(net, &request, tls_done, NULL, &job), MTS_OK);
  return run(from_ms);
}

static enum mts_err tell(const char *name, enum mts_rrtype type, const char *record) {
  struct mts_span span = mts_span_of(record);
  return mts_fake_dns(fake, name, type, MTS_OK, &span, 1, 0, MTS_DNSSEC_INSECURE, 0);
}

static enum mts_err tell_failure(const char *name, enum mts_rrtype type, enum mts_err err, uint32_t delay_ms) {
  return mts_fake_dns(fake, name, type, err, NULL, 0, 0, MTS_DNSSEC_UNKNOWN, delay_ms);
}

static enum mts_err tell_page(const char *host, unsigned status, const char *type, const char *body, uint32_t delay_ms) {
  return mts_fake_https(fake, host, MTS_OK, status, type, mts_span_of(body), delay_ms);
}

/* ---- DNS ---- */

static void dns_untold_names_do_not_exist(void **state) {
  (void)state;
  ask("nowhere.example", MTS_RR_TXT);
  assert_int_equal(got.err, MTS_ERR_DNS_NXDOMAIN);
  assert_int_equal(got.dns.ttl_s, 300);
  assert_string_equal(got.dns.canonical, "nowhere.example");
  assert_int_equal(got.dns.count, 0);
}

static void dns_a_name_told_of_with_another_type_has_no_data(void **state) {
  (void)state;
  assert_int_equal(tell("example.com", MTS_RR_MX, "10 mx.example.com."), MTS_OK);
  ask("example.com", MTS_RR_A);
  assert_int_equal(got.err, MTS_ERR_DNS_NODATA);
  assert_int_equal(tell_failure("gone.example", MTS_RR_MX, MTS_ERR_DNS_NXDOMAIN, 0), MTS_OK);
  ask("gone.example", MTS_RR_A);
  assert_int_equal(got.err, MTS_ERR_DNS_NXDOMAIN);
}

static void dns_records_come_in_the_order_told(void **state) {
  (void)state;
  struct mts_span records[] = {mts_span_of("20 B.example."), mts_span_of("10\ta.example")};
  assert_int_equal(mts_fake_dns(fake, "Example.COM.", MTS_RR_MX, MTS_OK, records, 2, 77, MTS_DNSSEC_SECURE, 0), MTS_OK);
  assert_int_equal(ask("example.com", MTS_RR_MX), 0);
  assert_int_equal(got.err, MTS_OK);
  assert_int_equal(got.dns.count, 2);
  assert_string_equal(got.hosts[0], "b.example");
  assert_string_equal(got.hosts[1], "a.example");
  assert_int_equal(got.dns.ttl_s, 77);
  assert_int_equal(got.dns.dnssec, MTS_DNSSEC_SECURE);
}

static void dns_the_null_mx_and_useless_hosts_keep_their_meaning(void **state) {
  (void)state;
  assert_int_equal(tell("null.example", MTS_RR_MX, "0 ."), MTS_OK);
  ask("null.example", MTS_RR_MX);
  assert_string_equal(got.hosts[0], ".");
  assert_int_equal(tell("bad.example", MTS_RR_MX, "10 192.0.2.1"), MTS_OK);
  ask("bad.example", MTS_RR_MX);
  assert_string_equal(got.hosts[0], "");
}

static void dns_text_is_kept_byte_for_byte(void **state) {
  (void)state;
  struct mts_span records[] = {mts_span_of("v=STSv1; id=1;"), mts_span_of("")};
  assert_int_equal(mts_fake_dns(fake, "_mta-sts.example", MTS_RR_TXT, MTS_OK, records, 2, 0, MTS_DNSSEC_UNKNOWN, 0), MTS_OK);
  ask("_mta-sts.example", MTS_RR_TXT);
  assert_int_equal(got.dns.count, 2);
  assert_string_equal(got.texts[0], "v=STSv1; id=1;");
  assert_string_equal(got.texts[1], "");
}

static void dns_addresses_and_tlsa_are_read(void **state) {
  (void)state;
  assert_int_equal(tell("a.example", MTS_RR_A, "192.0.2.7"), MTS_OK);
  ask("a.example", MTS_RR_A);
  assert_int_equal(got.address.family, AF_INET);
  assert_memory_equal(got.address.bytes, "\xc0\x00\x02\x07", 4);
  assert_int_equal(tell("a.example", MTS_RR_AAAA, "2001:db8::1"), MTS_OK);
  ask("a.example", MTS_RR_AAAA);
  assert_int_equal(got.address.family, AF_INET6);
  assert_int_equal(tell("_25._tcp.a.example", MTS_RR_TLSA, "3 1 2 4142 5a"), MTS_OK);
  ask("_25._tcp.a.example", MTS_RR_TLSA);
  assert_int_equal(got.tlsa.usage, 3);
  assert_int_equal(got.tlsa.selector, 1);
  assert_int_equal(got.tlsa.matching, 2);
  assert_string_equal(got.tlsa_bytes, "ABZ");
}

static void dns_records_it_cannot_read_are_refused(void **state) {
  (void)state;
  static const struct {
    enum mts_rrtype type;
    const char *record;
  } bad[] = {
      {MTS_RR_A, ""},
      {MTS_RR_A, "192.0.2.256"},
      {MTS_RR_A, "2001:db8::1"},
      {MTS_RR_A, "192.0.2.1 "},
      {MTS_RR_AAAA, "192.0.2.1"},
      {MTS_RR_MX, "mx.example"},
      {MTS_RR_MX, "10"},
      {MTS_RR_MX, "-1 mx.example"},
      {MTS_RR_MX, "65536 mx.example"},
      {MTS_RR_MX, "10 mx.example and"},
      {MTS_RR_TLSA, "3 1 1"},
      {MTS_RR_TLSA, "3 1 1 abc"},
      {MTS_RR_TLSA, "3 1 1 zz"},
      {MTS_RR_TLSA, "256 1 1 ab"},
      {(enum mts_rrtype)99, "x"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    if (tell("x.example", bad[i].type, bad[i].record) != MTS_ERR_ARGUMENT) fail_msg("taken: %d %s", bad[i].type, bad[i].record);
  }
  assert_int_equal(tell("", MTS_RR_TXT, "x"), MTS_ERR_ARGUMENT);
  assert_int_equal(tell_failure("x.example", MTS_RR_TXT, MTS_OK, 0), MTS_ERR_ARGUMENT);
  assert_int_equal(tell_failure("x.example", MTS_RR_TXT, MTS_ERR_HTTPS_TLS, 0), MTS_ERR_ARGUMENT);
  ask("x.example", MTS_RR_TXT);
  assert_int_equal(got.err, MTS_ERR_DNS_NXDOMAIN);
}

static void dns_what_is_told_again_replaces_but_not_for_who_asked_before(void **state) {
  (void)state;
  enum mts_rrtype type = MTS_RR_TXT;
  struct mts_job *job = NULL;
  tell("x.example", type, "old");
  assert_int_equal(net->ops->dns(net, "x.example", type, DEADLINE_MS, dns_done, &type, &job), MTS_OK);
  tell("x.example", type, "new");
  run(0);
  assert_string_equal(got.texts[0], "old");
  ask("x.example", type);
  assert_string_equal(got.texts[0], "new");
}

static void dns_cnames_are_followed_to_their_end(void **state) {
  (void)state;
  assert_int_equal(mts_fake_cname(fake, "_mta-sts.example", "one.example"), MTS_OK);
  assert_int_equal(mts_fake_cname(fake, "one.example", "Two.example."), MTS_OK);
  struct mts_span record = mts_span_of("v=STSv1; id=2;");
  assert_int_equal(mts_fake_dns(fake, "two.example", MTS_RR_TXT, MTS_OK, &record, 1, 3600, MTS_DNSSEC_INSECURE, 0), MTS_OK);
  ask("_mta-sts.example", MTS_RR_TXT);
  assert_int_equal(got.err, MTS_OK);
  assert_string_equal(got.dns.canonical, "two.example");
  assert_int_equal(got.dns.cname_count, 2);
  assert_int_equal(got.dns.ttl_s, 300); /* the least of the chain */
  assert_int_equal(mts_fake_cname(fake, "_mta-sts.example", ""), MTS_OK);
  ask("_mta-sts.example", MTS_RR_TXT);
  assert_int_equal(got.err, MTS_ERR_DNS_NXDOMAIN);
}

static void dns_a_chain_of_sixteen_is_followed_and_no_more(void **state) {
  (void)state;
  char from[32], to[32];
  for (int i = 0; i < MTS_DNS_MAX_CNAMES; i++) {
    mts_text_format(from, sizeof from, "c%d.example", i);
    mts_text_format(to, sizeof to, "c%d.example", i + 1);
    assert_int_equal(mts_fake_cname(fake, from, to), MTS_OK);
  }
  assert_int_equal(tell(to, MTS_RR_TXT, "end"), MTS_OK);
  ask("c0.example", MTS_RR_TXT);
  assert_int_equal(got.err, MTS_OK);
  assert_int_equal(mts_fake_cname(fake, "c.example", "c0.example"), MTS_OK);
  ask("c.example", MTS_RR_TXT);
  assert_int_equal(got.err, MTS_ERR_DNS_LIMIT);
  assert_int_equal(mts_fake_cname(fake, "loop.example", "loop.example"), MTS_OK);
  ask("loop.example", MTS_RR_TXT);
  assert_int_equal(got.err, MTS_ERR_DNS_LIMIT);
  assert_int_equal(got.dns.ttl_s, 0);
}

static void dns_more_records_or_bytes_than_the_limits_are_no_answer(void **state) {
  (void)state;
  static struct mts_span many[MTS_DNS_MAX_RECORDS + 1];
  static char text[MTS_DNS_MAX_TXT_BYTES + 1];
  memset(text, 'x', sizeof text);
  for (size_t i = 0; i < MTS_DNS_MAX_RECORDS + 1; i++) many[i] = mts_span_of("a");
  mts_fake_dns(fake, "x.example", MTS_RR_TXT, MTS_OK, many, MTS_DNS_MAX_RECORDS, 0, MTS_DNSSEC_UNKNOWN, 0);
  ask("x.example", MTS_RR_TXT);
  assert_int_equal(got.err, MTS_OK);
  assert_int_equal(got.dns.count, MTS_DNS_MAX_RECORDS);
  mts_fake_dns(fake, "x.example", MTS_RR_TXT, MTS_OK, many, MTS_DNS_MAX_RECORDS + 1, 0, MTS_DNSSEC_UNKNOWN, 0);
  ask("x.example", MTS_RR_TXT);
  assert_int_equal(got.err, MTS_ERR_DNS_LIMIT);
  assert_int_equal(got.dns.count, 0);
  struct mts_span one = mts_span(text, MTS_DNS_MAX_TXT_BYTES);
  mts_fake_dns(fake, "x.example", MTS_RR_TXT, MTS_OK, &one, 1, 0, MTS_DNSSEC_UNKNOWN, 0);
  ask("x.example", MTS_RR_TXT);
  assert_int_equal(got.err, MTS_OK);
  one.n++;
  mts_fake_dns(fake, "x.example", MTS_RR_TXT, MTS_OK, &one, 1, 0, MTS_DNSSEC_UNKNOWN, 0);
  ask("x.example", MTS_RR_TXT);
  assert_int_equal(got.err, MTS_ERR_DNS_LIMIT);
}

static void dns_delays_count_and_the_deadline_ends_them(void **state) {
  (void)state;
  struct mts_span record = mts_span_of("x");
  mts_fake_dns(fake, "x.example", MTS_RR_TXT, MTS_OK, &record, 1, 0, MTS_DNSSEC_UNKNOWN, DEADLINE_MS);
  assert_int_equal(ask("x.example", MTS_RR_TXT), DEADLINE_MS);
  assert_int_equal(got.err, MTS_OK);
  mts_fake_dns(fake, "x.example", MTS_RR_TXT, MTS_OK, &record, 1, 0, MTS_DNSSEC_UNKNOWN, DEADLINE_MS + 1);
  assert_int_equal(ask("x.example", MTS_RR_TXT), DEADLINE_MS);
  assert_int_equal(got.err, MTS_ERR_DNS_TIMEOUT);
  assert_int_equal(got.dns.count, 0);
  assert_int_equal(got.dns.ttl_s, 0);
}

static void dns_told_failures_come_as_told(void **state) {
  (void)state;
  tell_failure("x.example", MTS_RR_TXT, MTS_ERR_DNS_SERVFAIL, 40);
  assert_int_equal(ask("x.example", MTS_RR_TXT), 40);
  assert_int_equal(got.err, MTS_ERR_DNS_SERVFAIL);
  assert_true(got.dns.detail[0] != '\0');
  tell_failure("x.example", MTS_RR_TXT, MTS_ERR_DNS_TIMEOUT, 0);
  assert_int_equal(ask("x.example", MTS_RR_TXT), DEADLINE_MS);
  assert_int_equal(got.err, MTS_ERR_DNS_TIMEOUT);
}

static void hosts_that_are_told_have_an_address_unless_dns_says_otherwise(void **state) {
  (void)state;
  tell_page("mta-sts.example", 200, "text/plain", "x", 0);
  mts_fake_smtp(fake, "mx.example", MTS_OK, 0);
  ask("mta-sts.example", MTS_RR_A);
  assert_int_equal(got.err, MTS_OK);
  assert_int_equal(got.address.family, AF_INET);
  assert_true(mts_address_is_public(&got.address)); /* else policies would not be fetched from there */
  unsigned char first = got.address.bytes[3];
  ask("mta-sts.example", MTS_RR_AAAA);
  assert_int_equal(got.err, MTS_ERR_DNS_NODATA);
  ask("mx.example", MTS_RR_A);
  assert_int_equal(got.err, MTS_OK);
  assert_int_not_equal(got.address.bytes[3], first);
  tell_failure("mx.example", MTS_RR_A, MTS_ERR_DNS_NODATA, 0);
  ask("mx.example", MTS_RR_A);
  assert_int_equal(got.err, MTS_ERR_DNS_NODATA);
  tell("mta-sts.example", MTS_RR_AAAA, "2001:db8::1");
  ask("mta-sts.example", MTS_RR_A);
  assert_int_equal(got.err, MTS_ERR_DNS_NODATA);
}

/* ---- HTTPS and SMTP ---- */

static void https_a_plain_page_comes_whole(void **state) {
  (void)state;
  assert_int_equal(tell_page("mta-sts.example", 200, "text/plain; charset=utf-8", "version: STSv1", 25), MTS_OK);
  assert_int_equal(fetch("mta-sts.example", 14), 25);
  assert_int_equal(got.err, MTS_OK);
  assert_string_equal(got.body, "version: STSv1");
  assert_int_equal(got.https.status, 200);
  assert_string_equal(got.https.address, "192.0.2.200");
  assert_string_equal(got.https.content_type, "text/plain; charset=utf-8");
}

static void https_answers_are_judged_as_the_real_world_does(void **state) {
  (void)state;
  tell_page("a.example", 301, "text/plain", "x", 0);
  fetch("a.example", 64);
  assert_int_equal(got.err, MTS_ERR_HTTPS_REDIRECT);
  assert_int_equal(got.https.status, 301);
  tell_page("a.example", 404, "text/plain", "x", 0);
  fetch("a.example", 64);
  assert_int_equal(got.err, MTS_ERR_HTTPS_STATUS);
  tell_page("a.example", 204, "text/plain", "x", 0);
  fetch("a.example", 64);
  assert_int_equal(got.err, MTS_ERR_HTTPS_STATUS);
  tell_page("a.example", 200, "text/html", "x", 0);
  fetch("a.example", 64);
  assert_int_equal(got.err, MTS_ERR_HTTPS_TYPE);
  tell_page("a.example", 200, NULL, "x", 0);
  fetch("a.example", 64);
  assert_int_equal(got.err, MTS_ERR_HTTPS_TYPE);
  tell_page("a.example", 200, "text/plain", "xyz", 0);
  fetch("a.example", 2);
  assert_int_equal(got.err, MTS_ERR_HTTPS_SIZE);
  assert_string_equal(got.body, "");
  tell_page("a.example", 200, "text/plain", "xyz", DEADLINE_MS + 1);
  assert_int_equal(fetch("a.example", 64), DEADLINE_MS);
  assert_int_equal(got.err, MTS_ERR_HTTPS_DEADLINE);
  assert_int_equal(got.https.status, 0);
  assert_int_equal(mts_fake_https(fake, "a.example", MTS_ERR_HTTPS_CERT_NAME, 0, NULL, mts_span(NULL, 0), 0), MTS_OK);
  fetch("a.example", 64);
  assert_int_equal(got.err, MTS_ERR_HTTPS_CERT_NAME);
  fetch("untold.example", 64);
  assert_int_equal(got.err, MTS_ERR_HTTPS_CONNECT);
  assert_int_equal(mts_fake_https(fake, "a.example", MTS_ERR_DNS_BOGUS, 0, NULL, mts_span(NULL, 0), 0), MTS_ERR_ARGUMENT);
  assert_int_equal(tell_page("a.example", 0, "text/plain", "x", 0), MTS_ERR_ARGUMENT);
}

static void smtp_probes_give_what_was_told(void **state) {
  (void)state;
  mts_fake_smtp(fake, "mx.example", MTS_OK, 30);
  assert_int_equal(probe("mx.example"), 30);
  assert_int_equal(got.err, MTS_OK);
  assert_int_equal(got.tls.ms, 30);
  assert_string_equal(got.tls.names, "mx.example");
  assert_true(got.tls.not_after > NOW_MS / 1000);
  mts_fake_smtp(fake, "mx.example", MTS_ERR_CERT_EXPIRED, 0);
  probe("mx.example");
  assert_int_equal(got.err, MTS_ERR_CERT_EXPIRED);
  assert_string_equal(got.tls.names, "");
  mts_fake_smtp(fake, "mx.example", MTS_OK, DEADLINE_MS + 1);
  assert_int_equal(probe("mx.example"), DEADLINE_MS);
  assert_int_equal(got.err, MTS_ERR_SMTP_TIMEOUT);
  probe("untold.example");
  assert_int_equal(got.err, MTS_ERR_SMTP_CONNECT);
  assert_int_equal(mts_fake_smtp(fake, "mx.example", MTS_ERR_HTTPS_TLS, 0), MTS_ERR_ARGUMENT);
}

/* ---- time ---- */

static char order[16];
static void mark(void *arg) { order[strlen(order)] = *(const char *)arg; }

static struct mts_job *timer(uint32_t ms, mts_timer_fn done, const char *name) {
  struct mts_job *job = NULL;
  assert_int_equal(net->ops->timer(net, ms, done, (void *)(uintptr_t)name, &job), MTS_OK);
  return job;
}

static void time_turn_jumps_to_the_next_event_and_fires_only_what_is_due(void **state) {
  (void)state;
  memset(order, 0, sizeof order);
  int64_t from_ms = mts_clock_mono_ms(&net->clock);
  timer(50, mark, "d");
  timer(10, mark, "a");
  timer(10, mark, "b");
  timer(20, mark, "c");
  assert_true(net->ops->turn(net, -1));
  assert_string_equal(order, "ab");
  assert_int_equal(mts_clock_mono_ms(&net->clock) - from_ms, 10);
  assert_int_equal(mts_clock_now_ms(&net->clock), NOW_MS + 10);
  assert_true(net->ops->turn(net, 4));
  assert_string_equal(order, "ab");
  assert_int_equal(mts_clock_now_ms(&net->clock), NOW_MS + 14);
  mts_fake_advance(fake, 100);
  assert_string_equal(order, "ab");
  assert_true(net->ops->turn(net, 0));
  assert_string_equal(order, "abcd");
  assert_int_equal(mts_clock_now_ms(&net->clock), NOW_MS + 114);
  assert_false(net->ops->turn(net, -1));
}

static void time_wall_clock_may_jump_and_durations_do_not_see_it(void **state) {
  (void)state;
  int64_t from_ms = mts_clock_mono_ms(&net->clock);
  mts_fake_set_now(fake, NOW_MS - 5000);
  assert_int_equal(mts_clock_now_ms(&net->clock), NOW_MS - 5000);
  assert_int_equal(mts_clock_mono_ms(&net->clock), from_ms);
  mts_fake_advance(fake, -3);
  assert_int_equal(mts_clock_mono_ms(&net->clock), from_ms);
}

static void again(void *arg) {
  mark(arg);
  if (strlen(order) < 3) timer(0, again, "x");
}

static void time_what_a_callback_starts_waits_for_the_next_turn(void **state) {
  (void)state;
  memset(order, 0, sizeof order);
  timer(0, again, "x");
  assert_true(net->ops->turn(net, 0));
  assert_string_equal(order, "x");
  assert_true(net->ops->turn(net, 0));
  assert_string_equal(order, "xx");
}

static struct mts_job *victim;
static void cancels_the_victim(void *arg) {
  mark(arg);
  net->ops->cancel(net, &victim);
}

static void time_cancelled_jobs_never_call_back(void **state) {
  (void)state;
  memset(order, 0, sizeof order);
  timer(5, cancels_the_victim, "k");
  victim = timer(5, mark, "v");
  timer(5, mark, "z");
  while (net->ops->turn(net, -1)) continue;
  assert_null(victim);
  assert_string_equal(order, "kz");
  struct mts_job *job = timer(5, mark, "v");
  net->ops->cancel(net, &job);
  assert_null(job);
  net->ops->cancel(net, &job);
  assert_false(net->ops->turn(net, -1));
}

static void time_jobs_left_when_the_world_ends_are_freed(void **state) {
  (void)state;
  enum mts_rrtype type = MTS_RR_TXT;
  struct mts_job *job = NULL;
  tell("x.example", type, "x");
  timer(5, mark, "v");
  assert_int_equal(net->ops->dns(net, "x.example", type, DEADLINE_MS, dns_done, &type, &job), MTS_OK);
  /* tear_down frees; the leak checker watches */
}

static void the_fake_outlives_those_it_is_lent_to(void **state) {
  (void)state;
  tell("x.example", MTS_RR_TXT, "x");
  net->ops->forget(net);
  net->ops->free(net);
  ask("x.example", MTS_RR_TXT);
  assert_int_equal(got.err, MTS_OK);
}

static void requests_are_counted(void **state) {
  (void)state;
  tell_page("mta-sts.example", 200, "text/plain", "x", 0);
  ask("a.example", MTS_RR_TXT);
  ask("a.example", MTS_RR_TXT);
  ask("a.example", MTS_RR_MX);
  fetch("mta-sts.example", 64);
  probe("mx.example");
  assert_int_equal(mts_fake_count_dns(fake, "A.example.", MTS_RR_TXT), 2);
  assert_int_equal(mts_fake_count_dns(fake, "a.example", MTS_RR_MX), 1);
  assert_int_equal(mts_fake_count_dns(fake, "b.example", MTS_RR_MX), 0);
  assert_int_equal(mts_fake_count_dns(fake, NULL, MTS_RR_TXT), 3);
  assert_int_equal(mts_fake_count_https(fake, "mta-sts.example"), 1);
  assert_int_equal(mts_fake_count_https(fake, "x.example"), 0);
  assert_int_equal(mts_fake_count_https(fake, NULL), 1);
  assert_int_equal(mts_fake_count_smtp(fake, "mx.example"), 1);
  assert_int_equal(mts_fake_count_smtp(fake, NULL), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  static const struct CMUnitTest tests[] = {
      TEST(dns_untold_names_do_not_exist),
      TEST(dns_a_name_told_of_with_another_type_has_no_data),
      TEST(dns_records_come_in_the_order_told),
      TEST(dns_the_null_mx_and_useless_hosts_keep_their_meaning),
      TEST(dns_text_is_kept_byte_for_byte),
      TEST(dns_addresses_and_tlsa_are_read),
      TEST(dns_records_it_cannot_read_are_refused),
      TEST(dns_what_is_told_again_replaces_but_not_for_who_asked_before),
      TEST(dns_cnames_are_followed_to_their_end),
      TEST(dns_a_chain_of_sixteen_is_followed_and_no_more),
      TEST(dns_more_records_or_bytes_than_the_limits_are_no_answer),
      TEST(dns_delays_count_and_the_deadline_ends_them),
      TEST(dns_told_failures_come_as_told),
      TEST(hosts_that_are_told_have_an_address_unless_dns_says_otherwise),
      TEST(https_a_plain_page_comes_whole),
      TEST(https_answers_are_judged_as_the_real_world_does),
      TEST(smtp_probes_give_what_was_told),
      TEST(time_turn_jumps_to_the_next_event_and_fires_only_what_is_due),
      TEST(time_wall_clock_may_jump_and_durations_do_not_see_it),
      TEST(time_what_a_callback_starts_waits_for_the_next_turn),
      TEST(time_cancelled_jobs_never_call_back),
      TEST(time_jobs_left_when_the_world_ends_are_freed),
      TEST(the_fake_outlives_those_it_is_lent_to),
      TEST(requests_are_counted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
