/* SPDX-License-Identifier: ISC
 * Reports are delivered with POST (RFC 8460 5.4), against servers.py: whole, to whatever certificate, following nothing. */
#include "base/buf.h"
#include "harness.h"

static struct {
  int calls;
  struct mts_https_seen seen;
  char body[70000];
} got;

static void keep(void *arg, const struct mts_https_seen *seen) {
  (void)arg;
  got.calls++;
  got.seen = *seen;
  assert_true(seen->body.n < sizeof got.body);
  if (seen->body.n) memcpy(got.body, seen->body.p, seen->body.n);
}

static struct mts_https_look look_of(const char *host, const char *path, struct mts_span post) {
  return (struct mts_https_look){.host = host,
                                 .path = path,
                                 .address = loopback,
                                 .deadline_ms = 5000,
                                 .max_bytes = 4096,
                                 .post = post,
                                 .media_type = "application/tlsrpt+gzip"};
}

static void post(struct mts_net *net, const char *host, const char *path, struct mts_span bytes) {
  memset(&got, 0, sizeof got);
  struct mts_job *job = NULL;
  struct mts_https_look look = look_of(host, path, bytes);
  assert_int_equal(net->ops->look_https(net, &look, keep, NULL, &job), MTS_OK);
  while (net->ops->turn(net, -1)) continue;
  assert_int_equal(got.calls, 1);
}

static void expect_digest(struct mts_span bytes) {
  unsigned char digest[32];
  char hex[65];
  assert_int_equal(EVP_Digest(bytes.p, bytes.n, digest, NULL, EVP_sha256(), NULL), 1);
  for (size_t i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
  assert_non_null(strstr(got.body, hex));
}

static void all_bytes_arrive_zeros_too_with_their_media_type(void **state) {
  (void)state;
  static char large[1 << 20];
  for (size_t i = 0; i < sizeof large; i++) large[i] = (char)(i * 2654435761u >> 13);
  const struct mts_span bodies[] = {{"a\0b", 3}, {"", 0}, {large, sizeof large}};
  struct mts_net *net = open_world("https", "");
  for (size_t i = 0; i < 3; i++) {
    post(net, "good.example.com", "/report?x=1", bodies[i]);
    assert_int_equal(got.seen.err, MTS_OK);
    assert_int_equal(got.seen.status, 200);
    assert_true(got.seen.posted);
    expect_digest(bodies[i]);
    assert_non_null(strstr(got.body, "POST /report?x=1 HTTP/1.1"));
    assert_non_null(strstr(got.body, "\r\nContent-Type: application/tlsrpt+gzip\r\n"));
    assert_null(strstr(got.body, "Expect"));
  }
  close_world(net);
}

static void no_certificate_stops_a_report(void **state) {
  (void)state;
  static const char *const hosts[] = {"expired.example.com", "other.example.com", "selfsigned.example.com", "future.example.com"};
  struct mts_net *net = open_world("https", "");
  for (size_t i = 0; i < 4; i++) {
    post(net, hosts[i], "/", mts_span("x", 1));
    assert_int_equal(got.seen.status, 200);
    assert_true(got.seen.posted && got.seen.err == MTS_OK);
  }
  close_world(net);
}

static void a_redirect_is_not_followed_and_other_statuses_are_told(void **state) {
  (void)state;
  static const unsigned statuses[] = {200, 201, 202, 204, 301, 307, 400, 404, 413, 500, 503};
  struct mts_net *net = open_world("https", "");
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
    char path[16];
    snprintf(path, sizeof path, "/%u", statuses[i]);
    post(net, "good.example.com", path, mts_span("x", 1));
    assert_int_equal(got.seen.status, statuses[i]);
    assert_true(got.seen.posted);
  }
  close_world(net);
}

static void of_an_endless_answer_only_the_beginning_is_read(void **state) {
  (void)state;
  struct mts_net *net = open_world("https", "");
  post(net, "good.example.com", "/huge", mts_span("x", 1));
  assert_int_equal(got.seen.status, 201);
  assert_true(got.seen.posted && got.seen.truncated);
  assert_int_equal(got.seen.body.n, 4096);
  close_world(net);
}

static void who_answers_before_all_was_sent_has_not_got_it(void **state) {
  (void)state;
  static char large[16 << 20];
  struct mts_net *net = open_world("https", "");
  post(net, "good.example.com", "/early", mts_span(large, sizeof large));
  assert_false(got.seen.posted);
  close_world(net);
}

static void what_is_no_request_is_refused(void **state) {
  (void)state;
  struct mts_net *net = open_world("https", "");
  struct mts_job *job = NULL;
  struct mts_https_look wrong[4];
  for (size_t i = 0; i < 4; i++) wrong[i] = look_of("good.example.com", "/", mts_span("x", 1));
  wrong[0].media_type = NULL;
  wrong[1].media_type = "a/b\r\nX: y";
  wrong[2].head = true;
  wrong[3].path = "/a b";
  for (size_t i = 0; i < 4; i++) assert_int_equal(net->ops->look_https(net, &wrong[i], keep, NULL, &job), MTS_ERR_ARGUMENT);
  close_world(net);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_bytes_arrive_zeros_too_with_their_media_type),
      cmocka_unit_test(no_certificate_stops_a_report),
      cmocka_unit_test(a_redirect_is_not_followed_and_other_statuses_are_told),
      cmocka_unit_test(of_an_endless_answer_only_the_beginning_is_read),
      cmocka_unit_test(who_answers_before_all_was_sent_has_not_got_it),
      cmocka_unit_test(what_is_no_request_is_refused),
  };
  return cmocka_run_group_tests_name("POST", tests, start_servers, stop_servers);
}
