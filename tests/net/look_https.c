/* SPDX-License-Identifier: ISC
 * Looking at policy hosts, against servers.py: what ends a fetch is only noted. */
#define WITH_RSA
#include "looking.h"

static struct {
  int calls;
  struct mts_https_seen seen;
  struct mts_tls_seen tls;
  char body[70000], headers[70000];
} got;

static void keep(void *arg, const struct mts_https_seen *seen) {
  (void)arg;
  got.calls++;
  got.seen = *seen;
  if (seen->tls) got.tls = *seen->tls;
  assert_true(seen->body.n < sizeof got.body && seen->headers.n < sizeof got.headers);
  if (seen->body.n) memcpy(got.body, seen->body.p, seen->body.n);
  if (seen->headers.n) memcpy(got.headers, seen->headers.p, seen->headers.n);
}

static const char *header(const char *name) {
  for (size_t at = 0; at < got.seen.headers.n;) {
    const char *each = got.headers + at, *value = each + strlen(each) + 1;
    if (strcmp(each, name) == 0) return value;
    at += strlen(each) + strlen(value) + 2;
  }
  return NULL;
}

static struct mts_https_look look_of(const char *host, const char *path) {
  return (struct mts_https_look){.host = host, .path = path, .address = loopback, .deadline_ms = 5000, .max_bytes = 65537};
}

static enum mts_err start(const struct mts_https_look *look, struct mts_job **job) {
  memset(&got, 0, sizeof got);
  return net->ops->look_https(net, look, keep, NULL, job);
}

static void run(const struct mts_https_look *look) {
  struct mts_job *job = NULL;
  assert_int_equal(start(look, &job), MTS_OK);
  run_job(net, &got.calls);
  assert_true(got.seen.err == MTS_OK || got.seen.detail[0]);
}

static void see_at(const char *host, const char *path) {
  struct mts_https_look look = look_of(host, path);
  run(&look);
}

static void see(const char *path) { see_at("good.example.com", path); }

static void see_whole(const char *path, unsigned status) {
  see(path);
  assert_int_equal(got.seen.err, MTS_OK);
  assert_int_equal(got.seen.status, status);
}

static void see_status(unsigned status) {
  char path[16];
  snprintf(path, sizeof path, "/%u", status);
  see_whole(path, status);
}

/* RFC 6698 2.1.2: the whole SubjectPublicKeyInfo. */
static void expect_spki(const char *name, const char *spki) {
  X509 *x = read_leaf(name);
  unsigned char *der = NULL, digest[32];
  int n = i2d_PUBKEY(X509_get0_pubkey(x), &der);
  assert_true(n > 0 && EVP_Digest(der, (size_t)n, digest, NULL, EVP_sha256(), NULL) == 1);
  for (size_t i = 0; i < 32; i++) {
    char byte[3];
    snprintf(byte, sizeof byte, "%02x", digest[i]);
    assert_memory_equal(spki + 2 * i, byte, 2);
  }
  OPENSSL_free(der);
  X509_free(x);
}

static void the_policy_and_all_about_it(void **state) {
  (void)state;
  see_whole("/.well-known/mta-sts.txt", 200);
  assert_true(got.seen.connected && !got.seen.truncated);
  assert_string_equal(got.body, "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmax_age: 604800\r\n");
  assert_int_equal(got.seen.body_bytes, strlen(got.body));
  assert_string_equal(header("content-type"), "text/plain");
  assert_non_null(got.seen.tls);
  assert_int_equal(got.tls.err, MTS_OK);
  assert_string_equal(got.tls.protocol, "TLSv1.3");
  assert_true(got.tls.cipher[0]);
  assert_int_equal(got.tls.count, 2); /* the host's and the authority's, as sent */
  const struct mts_cert *leaf = &got.tls.chain[0];
  assert_string_equal(leaf->subject, "CN=good");
  assert_string_equal(leaf->issuer, "CN=Test CA");
  assert_string_equal(leaf->names, "good.example.com 127.example.com");
  assert_string_equal(leaf->key, "EC");
  assert_int_equal(leaf->key_bits, 256);
  assert_string_equal(leaf->curve, "P-256");
  assert_string_equal(leaf->signature, "ecdsa-with-SHA256");
  assert_int_equal(strlen(leaf->fingerprint), 64);
  expect_spki("good", leaf->spki);
  assert_false(leaf->self_issued);
  assert_true(got.tls.chain[1].self_issued);
  int64_t now_s = mts_clock_now_s(&mts_clock_real);
  assert_true(leaf->not_before < now_s && leaf->not_after > now_s + 29 * 86400 && leaf->not_after < now_s + 31 * 86400);
  assert_true(got.seen.ms <= 5000 && got.seen.connect_ms <= got.seen.ms && got.seen.tls_ms <= got.seen.ms);
  see_at("rsa.example.com", "/");
  assert_string_equal(got.tls.chain[0].key, "RSA");
  assert_int_equal(got.tls.chain[0].key_bits, 2048);
  assert_string_equal(got.tls.chain[0].curve, "");
  see_at("many.example.com", "/"); /* more names than a probe shows */
  assert_null(strstr(got.tls.chain[0].names, "..."));
}

static void a_certificate_problem_is_noted_and_the_body_comes(void **state) {
  (void)state;
  static const struct {
    const char *host;
    enum mts_err err;
  } cases[] = {{"expired.example.com", MTS_ERR_CERT_EXPIRED},
               {"other.example.com", MTS_ERR_CERT_NAME},
               {"selfsigned.example.com", MTS_ERR_CERT_UNTRUSTED},
               {"cnonly.example.com", MTS_ERR_CERT_NAME},
               {"partial.example.com", MTS_ERR_CERT_NAME},
               {"future.example.com", MTS_ERR_CERT_INVALID},
               {"wild.example.com", MTS_OK}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    see_at(cases[i].host, "/.well-known/mta-sts.txt");
    if (got.tls.err != cases[i].err) fail_msg("%s: %s", cases[i].host, mts_err_name(got.tls.err));
    assert_true(got.tls.err == MTS_OK || got.tls.detail[0]);
    assert_int_equal(got.seen.err, MTS_OK);
    assert_int_equal(got.seen.status, 200);
    assert_int_equal(strncmp(got.body, "version: STSv1\r\n", 16), 0);
  }
  /* And the next fetch of a policy is as strict as ever. */
  struct outcome outcome = run_errand(net, &(struct errand){.host = "expired.example.com"});
  assert_int_equal(outcome.err, MTS_ERR_HTTPS_CERT_EXPIRED);
}

static void redirects_are_shown_and_not_followed(void **state) {
  (void)state;
  static const unsigned codes[] = {301, 302, 303, 307, 308};
  for (size_t i = 0; i < 5; i++) {
    see_status(codes[i]);
    assert_string_equal(header("location"), "https://other.example.net/\x1b[2J"); /* as it came */
    assert_true(got.seen.body.n > 0);
  }
}

static void a_status_of_any_kind_comes_with_its_body(void **state) {
  (void)state;
  static const unsigned codes[] = {404, 403, 500, 503, 201};
  for (size_t i = 0; i < 5; i++) {
    see_status(codes[i]);
    assert_int_equal(strncmp(got.body, "version: STSv1\r\n", 16), 0);
  }
  see_status(204);
  assert_int_equal(got.seen.body.n, 0);
  see("/html");
  assert_string_equal(header("content-type"), "text/html");
  see("/no-type");
  assert_null(header("content-type"));
}

static void headers_are_kept_within_bounds(void **state) {
  (void)state;
  see_whole("/headers", 404);
  assert_string_equal(got.body, "body");
  assert_null(header("x-early")); /* of an interim answer */
  assert_string_equal(header("etag"), "\"a\"");
  assert_string_equal(header("age"), "7");
  assert_null(header("bad name"));
  assert_true(strlen(header("x-long")) <= MTS_SEEN_HEADER_BYTES && strlen(header("x-long")) > 900);
  assert_int_equal(got.seen.header_count, MTS_SEEN_HEADERS);
  see("/long-header");
  assert_int_equal(got.seen.err, MTS_OK);
  assert_true(strlen(header("x")) <= MTS_SEEN_HEADER_BYTES);
  static const char *const floods[] = {"/header-flood", "/flood"};
  for (size_t i = 0; i < 2; i++) {
    see(floods[i]);
    assert_int_equal(got.seen.err, MTS_ERR_HTTPS_PROTOCOL);
    assert_non_null(strstr(got.seen.detail, "too many HTTP headers"));
  }
}

static void a_body_too_long_is_cut(void **state) {
  (void)state;
  see("/chunked-big");
  assert_int_equal(got.seen.err, MTS_OK);
  assert_true(got.seen.truncated);
  assert_int_equal(got.seen.body.n, 65537);
  assert_true(got.seen.body_bytes > 65537);
  see("/full-and-one");
  assert_false(got.seen.truncated);
  assert_int_equal(got.seen.body.n, 65537);
  struct mts_https_look look = look_of("good.example.com", "/full");
  look.max_bytes = 10;
  run(&look);
  assert_true(got.seen.truncated);
  assert_int_equal(got.seen.body.n, 10);
}

static void what_breaks_off_is_an_error_and_what_came_is_there(void **state) {
  (void)state;
  static const char *const paths[] = {"/short", "/cut", "/bad-chunk"};
  for (size_t i = 0; i < 3; i++) {
    see(paths[i]);
    assert_int_equal(got.seen.err, MTS_ERR_HTTPS_PROTOCOL);
    assert_int_equal(got.seen.status, 200);
    assert_non_null(got.seen.tls);
  }
  see("/close-notify");
  assert_int_equal(got.seen.err, MTS_OK);
}

static void slow_hosts_end_at_the_deadline(void **state) {
  (void)state;
  static const char *const paths[] = {"/silent", "/half-headers", "/trickle", "/announced"};
  for (size_t i = 0; i < 4; i++) {
    struct mts_https_look look = look_of("good.example.com", paths[i]);
    look.deadline_ms = 2000; /* time for a handshake */
    int64_t began_ms = mono_ms();
    run(&look);
    assert_int_equal(got.seen.err, MTS_ERR_HTTPS_DEADLINE);
    ended_in_time(began_ms, look.deadline_ms);
    assert_non_null(got.seen.tls);
    assert_int_equal(got.seen.status, i == 0 ? 0 : 200);
  }
  open_net("mute", "");
  struct mts_https_look look = look_of("good.example.com", "/");
  look.deadline_ms = 300;
  run(&look);
  assert_int_equal(got.seen.err, MTS_ERR_HTTPS_DEADLINE);
  assert_true(got.seen.connected);
  assert_null(got.seen.tls);
}

static void without_sni_the_host_is_named_in_the_request_alone(void **state) {
  (void)state;
  struct mts_https_look look = look_of("expired.example.com", "/echo");
  look.no_sni = true;
  run(&look);
  assert_int_equal(got.seen.err, MTS_OK);
  assert_string_equal(got.tls.chain[0].subject, "CN=good"); /* the server was told no name */
  assert_int_equal(got.tls.err, MTS_ERR_CERT_NAME);
  assert_non_null(strstr(got.body, "Host: expired.example.com:"));
  look.host = "good.example.com";
  run(&look);
  assert_int_equal(got.tls.err, MTS_OK);
}

static void the_request_is_as_wanted(void **state) {
  (void)state;
  struct mts_https_look look = look_of("good.example.com", "/echo");
  look.user_agent = "Mozilla/5.0 (plain)";
  run(&look);
  assert_non_null(strstr(got.body, "GET /echo HTTP/1.1\r\n"));
  assert_non_null(strstr(got.body, "User-Agent: Mozilla/5.0 (plain)"));
  assert_null(strstr(got.body, "mtasts"));
  look.user_agent = NULL;
  run(&look);
  assert_non_null(strstr(got.body, "User-Agent: mtasts/" MTS_VERSION));
  look.head = true;
  run(&look);
  assert_int_equal(got.seen.err, MTS_OK);
  assert_int_equal(got.seen.status, 200);
  assert_int_equal(got.seen.body.n, 0);
  assert_non_null(header("content-length"));
  struct mts_job *job = NULL;
  look.user_agent = "two\r\nX-Lines: 1";
  assert_int_equal(start(&look, &job), MTS_ERR_ARGUMENT);
  look = look_of("good.example.com", "/a b");
  assert_int_equal(start(&look, &job), MTS_ERR_ARGUMENT);
  look = look_of("127.1", "/");
  assert_int_equal(start(&look, &job), MTS_ERR_ARGUMENT);
}

static void address_and_port_are_those_given(void **state) {
  (void)state;
  open_net(NULL, ""); /* the setting is 443, where nobody listens */
  struct mts_https_look look = look_of("good.example.com", "/");
  look.port = port_of("https");
  run(&look);
  assert_int_equal(got.seen.status, 200);
  look.address = nobody;
  run(&look);
  assert_int_equal(got.seen.err, MTS_ERR_HTTPS_CONNECT);
  assert_false(got.seen.connected);
  assert_non_null(strstr(got.seen.detail, "refused"));
  look.address = (struct mts_address){AF_INET6, {[15] = 1}};
  run(&look);
  if (got.seen.err == MTS_ERR_HTTPS_CONNECT && strstr(got.seen.detail, "assign")) skip(); /* no IPv6 here */
  assert_int_equal(got.seen.status, 200);
  look.no_sni = true;
  run(&look);
  assert_int_equal(got.seen.status, 200);
}

static void connecting_ends_at_its_own_deadline(void **state) {
  (void)state;
  struct hole hole;
  dig_hole(&hole, port_of("https"));
  struct mts_https_look look = look_of("good.example.com", "/");
  look.address = hole_address;
  look.connect_ms = 300;
  int64_t began_ms = mono_ms();
  run(&look);
  assert_false(got.seen.connected);
  assert_int_equal(got.seen.err, MTS_ERR_HTTPS_DEADLINE);
  ended_in_time(began_ms, look.connect_ms);
  fill_hole(&hole);
}

static void no_tls_is_an_error_of_its_own(void **state) {
  (void)state;
  static const char *const names[] = {"https-old", "garbage", "close", "reset"};
  for (size_t i = 0; i < 4; i++) {
    open_net(names[i], "");
    see("/");
    if (i == 3 && got.seen.err == MTS_ERR_HTTPS_CONNECT) continue; /* it was faster than TLS could begin */
    if (got.seen.err != MTS_ERR_HTTPS_TLS) fail_msg("%s: %s (%s)", names[i], mts_err_name(got.seen.err), got.seen.detail);
    assert_true(got.seen.connected);
    assert_null(got.seen.tls);
  }
}

static enum mts_err start_slow(struct mts_job **job) {
  struct mts_https_look look = look_of("good.example.com", "/trickle");
  return start(&look, job);
}

static void a_look_that_is_cancelled_is_silent(void **state) {
  (void)state;
  cancel_everywhere(start_slow, &got.calls);
}

static void a_proxy_is_used_for_looks_too(void **state) {
  (void)state;
  char proxy[64];
  snprintf(proxy, sizeof proxy, "http://127.0.0.1:%u", port_of("proxy"));
  open_net("https", proxy);
  see("/");
  assert_int_equal(got.seen.status, 200);
  assert_int_equal(got.tls.err, MTS_OK);
}

static int open_usual(void **state) {
  (void)state;
  open_net("https", "");
  return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_usual, close_net)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_policy_and_all_about_it),
      TEST(a_certificate_problem_is_noted_and_the_body_comes),
      TEST(redirects_are_shown_and_not_followed),
      TEST(a_status_of_any_kind_comes_with_its_body),
      TEST(headers_are_kept_within_bounds),
      TEST(a_body_too_long_is_cut),
      TEST(what_breaks_off_is_an_error_and_what_came_is_there),
      TEST(slow_hosts_end_at_the_deadline),
      TEST(without_sni_the_host_is_named_in_the_request_alone),
      TEST(the_request_is_as_wanted),
      TEST(address_and_port_are_those_given),
      TEST(connecting_ends_at_its_own_deadline),
      TEST(no_tls_is_an_error_of_its_own),
      TEST(a_look_that_is_cancelled_is_silent),
      TEST(a_proxy_is_used_for_looks_too),
  };
  return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
