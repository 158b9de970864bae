/* SPDX-License-Identifier: ISC
 * Fetching a policy (RFC 8461 3.3), against servers.py. */
#include "harness.h"

struct got {
  int calls;
  struct mts_https_answer answer;
  char body[70000];
};

static void keep(void *arg, const struct mts_https_answer *answer) {
  struct got *got = arg;
  got->calls++;
  got->answer = *answer;
  if (answer->body.n < sizeof got->body) {
    if (answer->body.n) memcpy(got->body, answer->body.p, answer->body.n);
    got->body[answer->body.n] = '\0';
  }
}

static struct got got;

static struct mts_https_request request_of(const char *host, const char *path) {
  return (struct mts_https_request){
      .host = host, .path = path, .address_count = 1, .addresses = &loopback, .deadline_ms = 5000, .max_bytes = 65536};
}

static void run(struct mts_net *net, const struct mts_https_request *request) {
  memset(&got, 0, sizeof got);
  struct mts_job *job = NULL;
  assert_int_equal(net->ops->https(net, request, keep, &got, &job), MTS_OK);
  run_job(net, &got.calls);
}

static void expect(struct mts_net *net, const char *host, const char *path, enum mts_err err) {
  struct mts_https_request request = request_of(host, path);
  run(net, &request);
  if (got.answer.err != err) {
    fail_msg("%s%s: %s (%s), not %s", host, path, mts_err_name(got.answer.err), got.answer.detail, mts_err_name(err));
  }
  if (err != MTS_OK) assert_true(got.answer.detail[0] != '\0' && got.answer.body.n == 0);
}

static void status_200_alone_is_a_policy(void **state) {
  (void)state;
  struct mts_net *net = open_world("https", "");
  expect(net, "good.example.com", "/.well-known/mta-sts.txt", MTS_OK);
  assert_string_equal(got.body, "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmax_age: 604800\r\n");
  assert_int_equal(got.answer.status, 200);
  assert_string_equal(got.answer.address, "127.0.0.1");
  assert_string_equal(got.answer.content_type, "text/plain");
  const char *others[] = {"/201", "/202", "/204", "/206", "/304", "/404", "/500", "/503"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    expect(net, "good.example.com", others[i], MTS_ERR_HTTPS_STATUS);
    assert_int_equal(got.answer.status, strtoul(others[i] + 1, NULL, 10));
    assert_non_null(strstr(got.answer.detail, others[i] + 1));
  }
  expect(net, "good.example.com", "/announced-404", MTS_ERR_HTTPS_STATUS);
  close_world(net);
}

static void redirects_are_named_and_not_followed(void **state) {
  (void)state;
  struct mts_net *net = open_world("https", "");
  const char *codes[] = {"/301", "/302", "/303", "/307", "/308"};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    expect(net, "good.example.com", codes[i], MTS_ERR_HTTPS_REDIRECT);
    assert_non_null(strstr(got.answer.detail, "https://other.example.net/"));
    assert_null(strchr(got.answer.detail, '\x1b'));
  }
  close_world(net);
}

static void the_request_is_a_plain_get(void **state) {
  (void)state;
  struct mts_net *net = open_world("https", "");
  for (int twice = 0; twice < 2; twice++) { /* the second knows an ETag */
    expect(net, "good.example.com", "/no-store", MTS_OK);
    expect(net, "good.example.com", "/echo", MTS_OK);
    assert_non_null(strstr(got.body, "GET /echo HTTP/1.1\r\nHost: good.example.com:"));
    assert_non_null(strstr(got.body, "User-Agent: mtasts/" MTS_VERSION));
    assert_non_null(strstr(got.body, "Accept: text/plain"));
    const char *never[] = {"If-None", "If-Mod", "Cookie", "Encoding", "Authorization", "Range"};
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) assert_null(strcasestr(got.body, never[i]));
  }
  close_world(net);
}

static void size_is_bounded(void **state) {
  (void)state;
  struct mts_net *net = open_world("https", "");
  expect(net, "good.example.com", "/announced", MTS_ERR_HTTPS_SIZE); /* before reading: the body never comes */
  expect(net, "good.example.com", "/chunked-big", MTS_ERR_HTTPS_SIZE);
  expect(net, "good.example.com", "/valid-then-more", MTS_ERR_HTTPS_SIZE);
  expect(net, "good.example.com", "/full-and-one", MTS_ERR_HTTPS_SIZE);
  expect(net, "good.example.com", "/full", MTS_OK);
  assert_int_equal(strlen(got.body), 65536);
  expect(net, "good.example.com", "/chunked", MTS_OK);
  assert_int_equal(strncmp(got.body, "version: STSv1\r\n", 16), 0);
  close_world(net);
}

static void only_text_plain(void **state) {
  (void)state;
  struct mts_net *net = open_world("https", "");
  expect(net, "good.example.com", "/html", MTS_ERR_HTTPS_TYPE);
  assert_string_equal(got.answer.content_type, "text/html");
  expect(net, "good.example.com", "/no-type", MTS_ERR_HTTPS_TYPE);
  close_world(net);
}

static void broken_http_is_an_error(void **state) {
  (void)state;
  struct mts_net *net = open_world("https", "");
  const char *paths[] = {"/short", "/bad-chunk", "/cut", "/http09", "/long-header", "/many-headers", "/flood", "/gzip"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) expect(net, "good.example.com", paths[i], MTS_ERR_HTTPS_PROTOCOL);
  expect(net, "good.example.com", "/close-notify", MTS_OK); /* the same as /cut, but ended by TLS */
  close_world(net);
}

static void the_certificate_must_bear_the_host_as_san(void **state) {
  (void)state;
  struct mts_net *net = open_world("https", "");
  expect(net, "selfsigned.example.com", "/", MTS_ERR_HTTPS_CERT_UNTRUSTED);
  expect(net, "other.example.com", "/", MTS_ERR_HTTPS_CERT_NAME);
  expect(net, "cnonly.example.com", "/", MTS_ERR_HTTPS_CERT_NAME);
  expect(net, "provider.example.com", "/", MTS_ERR_HTTPS_CERT_NAME);
  expect(net, "partial.example.com", "/", MTS_ERR_HTTPS_CERT_NAME);
  expect(net, "wild.sub.example.com", "/", MTS_ERR_HTTPS_CERT_NAME);
  expect(net, "expired.example.com", "/", MTS_ERR_HTTPS_CERT_EXPIRED);
  expect(net, "future.example.com", "/", MTS_ERR_HTTPS_CERT_INVALID);
  expect(net, "wild.example.com", "/", MTS_OK);
  close_world(net);
}

static void tls_1_2_at_least(void **state) {
  (void)state;
  const char *servers[] = {"https-old", "garbage", "close"};
  for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
    struct mts_net *net = open_world(servers[i], "");
    expect(net, "good.example.com", "/", MTS_ERR_HTTPS_TLS);
    close_world(net);
  }
}

static void a_reset_connection_is_a_temporary_error(void **state) {
  (void)state;
  struct mts_net *net = open_world("reset", "");
  struct outcome outcome = run_errand(net, &(struct errand){.path = "/"});
  /* It depends on who is faster. */
  assert_true(outcome.err == MTS_ERR_HTTPS_TLS || outcome.err == MTS_ERR_HTTPS_CONNECT);
  assert_true(mts_err_temporary(outcome.err));
  close_world(net);
}

static int64_t elapsed(struct mts_net *net, const struct mts_https_request *request) {
  int64_t began = mts_clock_mono_ms(&mts_clock_real);
  run(net, request);
  return mts_clock_mono_ms(&mts_clock_real) - began;
}

static void the_deadline_is_for_all_together(void **state) {
  (void)state;
  struct mts_net *net = open_world("https", "");
  const char *paths[] = {"/trickle", "/silent"};
  for (size_t i = 0; i < 2; i++) {
    struct mts_https_request request = request_of("good.example.com", paths[i]);
    request.deadline_ms = 700;
    int64_t took = elapsed(net, &request);
    assert_int_equal(got.answer.err, MTS_ERR_HTTPS_DEADLINE);
    assert_true(took >= 650 && took < 2500);
  }
  close_world(net);
}

static void addresses_are_tried_in_order(void **state) {
  (void)state;
  struct mts_net *net = open_world("https", "");
  struct mts_address both[] = {nobody, loopback};
  struct mts_https_request request = request_of("good.example.com", "/");
  request.addresses = both;
  request.address_count = 2;
  run(net, &request);
  assert_int_equal(got.answer.err, MTS_OK);
  assert_string_equal(got.answer.address, "127.0.0.1");
  request.address_count = 1;
  run(net, &request);
  assert_int_equal(got.answer.err, MTS_ERR_HTTPS_CONNECT);
  assert_string_equal(got.answer.address, "127.9.9.9");
  assert_non_null(strstr(got.answer.detail, "refused"));
  close_world(net);
}

static void a_proxy_only_when_configured(void **state) {
  (void)state;
  char url[64];
  snprintf(url, sizeof url, "http://127.0.0.1:%u", port_of("proxy"));
  setenv("https_proxy", "http://127.0.0.1:1", 1);
  setenv("no_proxy", "*", 1);
  struct mts_net *net = open_world("https", "");
  expect(net, "good.example.com", "/", MTS_OK); /* the environment does not count */
  close_world(net);
  net = open_world("https", url);
  struct mts_https_request request = request_of("good.example.com", "/");
  request.addresses = &nobody; /* ignored */
  run(net, &request);
  assert_int_equal(got.answer.err, MTS_OK);
  expect(net, "refused.example.com", "/", MTS_ERR_HTTPS_CONNECT);
  close_world(net);
  unsetenv("https_proxy");
  unsetenv("no_proxy");
}

static void wrong_requests_do_not_start(void **state) {
  (void)state;
  struct mts_net *net = open_world("https", "");
  const char *hosts[] = {"", "a b", "a/b", "user@a.example", "a.example:1", "127.0.0.1", "0x7f.1", "[::1]", "\xc3\xa4.example"};
  struct mts_job *job = NULL;
  for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
    struct mts_https_request request = request_of(hosts[i], "/");
    assert_int_equal(net->ops->https(net, &request, keep, &got, &job), MTS_ERR_ARGUMENT);
  }
  struct mts_https_request request = request_of("a.example", "/a b");
  assert_int_equal(net->ops->https(net, &request, keep, &got, &job), MTS_ERR_ARGUMENT);
  assert_null(job);
  close_world(net);
}

#define MANY 150
static struct got *all;
static struct mts_job *jobs[MANY];
static struct mts_net *shared;

static void cancels_the_next(void *arg, const struct mts_https_answer *answer) {
  size_t i = *(const size_t *)arg;
  jobs[i] = NULL;
  keep(&all[i], answer);
  if (i + 1 < MANY) shared->ops->cancel(shared, &jobs[i + 1]);
}

static void many_at_once_and_cancelled_inside_callbacks(void **state) {
  (void)state;
  shared = open_world("https", "");
  all = calloc(MANY, sizeof *all);
  static size_t indexes[MANY];
  struct mts_https_request request = request_of("good.example.com", "/");
  request.deadline_ms = 60000;
  for (size_t i = 0; i < MANY; i++) {
    indexes[i] = i;
    assert_int_equal(shared->ops->https(shared, &request, cancels_the_next, &indexes[i], &jobs[i]), MTS_OK);
  }
  while (shared->ops->turn(shared, -1)) {
  }
  int done = 0;
  for (size_t i = 0; i < MANY; i++) {
    if (all[i].calls) assert_int_equal(all[i].answer.err, MTS_OK);
    done += all[i].calls;
  }
  assert_true(done >= MANY / 2 && done <= MANY);
  free(all);
  close_world(shared);
}

static void a_world_may_end_with_fetches_pending(void **state) {
  (void)state;
  memset(&got, 0, sizeof got);
  for (int turns = 0; turns < 30; turns += 3) {
    struct mts_net *net = open_world("https", "");
    struct mts_https_request request = request_of("good.example.com", "/silent");
    struct mts_job *job = NULL;
    assert_int_equal(net->ops->https(net, &request, keep, &got, &job), MTS_OK);
    for (int i = 0; i < turns; i++) net->ops->turn(net, 2);
    close_world(net);
  }
  assert_int_equal(got.calls, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(status_200_alone_is_a_policy),
      cmocka_unit_test(redirects_are_named_and_not_followed),
      cmocka_unit_test(the_request_is_a_plain_get),
      cmocka_unit_test(size_is_bounded),
      cmocka_unit_test(only_text_plain),
      cmocka_unit_test(broken_http_is_an_error),
      cmocka_unit_test(the_certificate_must_bear_the_host_as_san),
      cmocka_unit_test(tls_1_2_at_least),
      cmocka_unit_test(a_reset_connection_is_a_temporary_error),
      cmocka_unit_test(the_deadline_is_for_all_together),
      cmocka_unit_test(addresses_are_tried_in_order),
      cmocka_unit_test(a_proxy_only_when_configured),
      cmocka_unit_test(wrong_requests_do_not_start),
      cmocka_unit_test(many_at_once_and_cancelled_inside_callbacks),
      cmocka_unit_test(a_world_may_end_with_fetches_pending),
  };
  return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
