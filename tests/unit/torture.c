/* SPDX-License-Identifier: ISC
 * Each allocation of the pure rooms, of the store's hosts and sessions and of lookups that use them fails in turn (the linker puts ours in
 * place of malloc and its like): no crash, no leak, results untouched, and never a verdict other than the usual one or NO_MEMORY. */
#include "base/log.h"
#include "base/name.h"
#include "resolve/look.h"
#include "store_folder.h"
#include "tools.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static long until_failure = -1; /* allocations that still work; below 0: all */
static bool failed;

static bool fails(void) {
  if (until_failure < 0 || until_failure-- > 0) return false;
  until_failure = -1;
  return failed = true;
}

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return fails() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }

/* Runs call with the first, the second … allocation failing, until none is left to fail; at_least so many must there be. */
static void torture(enum mts_err (*call)(void), size_t at_least) {
  size_t count = 0;
  enum mts_err usual = call();
  for (;; count++) {
    until_failure = (long)count;
    failed = false;
    enum mts_err err = call();
    until_failure = -1;
    if (!failed) break;
    if (err != usual && err != MTS_ERR_NO_MEMORY) fail_msg("allocation %zu: %s", count, mts_err_name(err));
  }
  assert_true(count >= at_least);
}

static enum mts_err parse(const char *text, bool with_findings) {
  struct mts_policy untouched = {0}, *p = &untouched;
  struct mts_findings f = {0};
  enum mts_err err = mts_policy_parse(mts_span_of(text), MTS_PROFILE_DEFAULT, &p, with_findings ? &f : NULL);
  mts_findings_free(&f);
  if (err && p != &untouched) return MTS_ERR_INTERNAL;
  if (!err && (p == &untouched || strcmp(p->mx[p->mx_count - 1], "z.test") != 0)) return MTS_ERR_INTERNAL;
  if (!err) mts_policy_free(&p);
  return err;
}

#define LINES "mx: a.test\nmx: b.test\nmx: c.test\nmx: d.test\nmx: e.test\nmx: f.test\nmx: g.test\nmx: h.test\nmx: a.test\n"
#define POLICY "version: STSv1\nmode: enforce\nmax_age: 86400\n" LINES "\n\n\n\n\nmx: .\nmx: y.test.\nmx: z.test\n"

static enum mts_err policy_with_findings(void) { return parse(POLICY, true); }
static enum mts_err policy_without_findings(void) { return parse(POLICY, false); }
static enum mts_err bad_policy(void) { return parse("mode: enforced\n\n\n\n\n" LINES "mx\n", true); }

static enum mts_err policy_of_values(void) {
  struct mts_policy *p = NULL;
  enum mts_err err = mts_policy_new(MTS_MODE_ENFORCE, 1, (const char *[]){"a.test", "*.b.test"}, 2, &p);
  if ((err != MTS_OK) != (p == NULL)) return MTS_ERR_INTERNAL;
  mts_policy_free(&p);
  return err;
}

static enum mts_err tlsrpt(void) {
  struct mts_tlsrpt *t = NULL;
  struct mts_findings f = {0};
  enum mts_err err = mts_tlsrpt_parse(SPAN("v=TLSRPTv1;rua=tel:1,mailto:a@a.test;rua=tel:2"), &t, &f);
  if ((err != MTS_OK) != (t == NULL)) return MTS_ERR_INTERNAL;
  mts_tlsrpt_free(&t);
  mts_findings_free(&f);
  return err;
}

/* What jansson and zlib allocate is theirs. */
static enum mts_err report(void) {
  struct mts_report *r = NULL;
  struct mts_findings f = {0};
  enum mts_err err =
      mts_report_parse(SPAN("{\"report-id\":\"\xff\",\"policies\":[{\"policy\":{\"policy-domain\":\"B.test\",\"mx-host\":\"a\"},"
                            "\"failure-details\":[{\"sending-mta-ip\":\"192.0.2.1\"},{\"result-type\":5}]}]}"),
                       MTS_PROFILE_DEFAULT, &r, &f);
  bool whole = r && r->policy_count == 1 && r->policies[0].failure_count == 2 && r->policies[0].pattern_count == 1;
  mts_report_free(&r);
  mts_findings_free(&f);
  return (err == MTS_OK) == whole ? err : MTS_ERR_INTERNAL;
}

static enum mts_err record(void) {
  struct mts_record r = {""};
  struct mts_findings f = {0};
  enum mts_err err = mts_record_parse(SPAN("v=STSv1;id=1;id=2;id=3"), &r, &f);
  mts_findings_free(&f);
  return strcmp(r.id, err ? "" : "1") == 0 ? err : MTS_ERR_INTERNAL;
}

static enum mts_err name(void) {
  char to[MTS_NAME_SIZE] = "";
  enum mts_err err = mts_name_normalise(SPAN("\xc3\xb1"
                                             "aca.a23456789012345678901234567890123456789012345678901234567890.com"),
                                        to);
  return (err == MTS_OK) == (to[0] == 'x') ? err : MTS_ERR_INTERNAL;
}

static enum mts_err new_log(void) {
  struct mts_log *log = NULL;
  enum mts_err err = mts_log_new(MTS_LOG_TO_NONE, MTS_LOG_DEBUG, NULL, &log);
  if ((err != MTS_OK) != (log == NULL)) return MTS_ERR_INTERNAL;
  mts_log_free(&log);
  return err;
}

/* ---- with a store ---- */

static struct told told;
static struct mts_store *store;

static enum mts_err hosts_put_and_get(void) {
  static const char *const addresses[] = {"192.0.2.1", "2001:db8::1"};
  struct mts_host list[] = {{.name = "mx1.test", .address_count = 2, .addresses = addresses},
                            {.name = "mx2.test", .err = MTS_ERR_MX_ADDRESS}};
  struct mts_store_hosts in = {.learned_at = START_MS / 1000, .expires_at = START_MS / 1000 + 300, .count = 2, .list = list},
                         out = {0};
  enum mts_err err = mts_store_hosts_put(store, "b.test", &in);
  if (!err) err = mts_store_hosts_get(store, "b.test", &out);
  if (err ? out.list != NULL : out.count != 2 || out.list[0].address_count != 2) return MTS_ERR_INTERNAL;
  mts_store_hosts_clear(&out);
  return err;
}

static bool count_call(void *arg, const char *domain, const char *host, int64_t learned_at) {
  (void)learned_at;
  ++*(int *)arg;
  return strcmp(domain, "b.test") == 0 && strcmp(host, "mx1.test") == 0;
}

static enum mts_err hosts_of_address(void) {
  int calls = 0;
  enum mts_err err = mts_store_hosts_of_address(store, "192.0.2.1", count_call, &calls);
  return err || calls == 1 ? err : MTS_ERR_INTERNAL;
}

static enum mts_err session(void) {
  static struct mts_policy *policy;
  if (!policy && mts_policy_new(MTS_MODE_ENFORCE, 1, (const char *[]){"mx.b.test"}, 1, &policy)) return MTS_ERR_NO_MEMORY;
  const struct mts_session it = {.domain = "\xc3\xb1.test", .type = MTS_POLICY_TYPE_STS, .policy = policy, .mx = "\xc3\xb1.test"};
  enum mts_err err = mts_session_record(told.m, &it);
  mts_policy_free(&policy);
  return err;
}

/* Whatever is lost on the way: an answer is right, or says that it does not know. */
static enum mts_err look(bool stored) {
  struct mts_lookup_opts opts = {.depth = MTS_DEPTH_HOSTS, .stored_hosts = stored};
  struct mts_answer *answer = NULL;
  enum mts_err err = mts_lookup(told.m, "a.test", &opts, &answer);
  if (err) return answer ? MTS_ERR_INTERNAL : err;
  bool right = answer->action == MTS_ACTION_REQUIRE || answer->policy == NULL;
  for (size_t i = 0; i < answer->host_count; i++) right &= strcmp(answer->hosts[i].name, i ? "mx2.a.test" : "mx1.a.test") == 0;
  mts_answer_free(&answer);
  return right ? MTS_OK : MTS_ERR_INTERNAL;
}
static enum mts_err look_with_dns(void) { return look(false); }
static enum mts_err look_with_store(void) { return look(true); }

static struct {
  enum mts_err err;
  bool complete;
} seen;

static void https_seen(void *arg, const char *address, uint16_t port, const struct mts_https_seen *https) {
  (void)arg;
  (void)port;
  seen.err = https->err;
  seen.complete = address[0] && https->tls && https->header_count == 2 && https->body.n == 4;
}
static void smtp_seen(void *arg, const char *address, uint16_t port, const struct mts_smtp_seen *smtp) {
  (void)arg;
  (void)port;
  seen.err = smtp->err;
  seen.complete = address[0] && smtp->tls && smtp->ehlo_count == 1;
}

/* Told and looked at: all, or out of memory, or no address because a question was lost. */
static enum mts_err outcome(enum mts_err err) {
  if (!err) run_out(&told);
  if (!err && !seen.err && !seen.complete) return MTS_ERR_INTERNAL;
  if (!err) err = seen.err;
  return err == MTS_ERR_HTTPS_ADDRESS || err == MTS_ERR_MX_ADDRESS ? MTS_ERR_NO_MEMORY : err;
}

static enum mts_err tell_and_look_at_site(void) {
  const struct mts_fake_site site = {
      .status = 200, .content_type = "text/plain", .body = SPAN("body"), .headers = mts_span("age\0001", 6)};
  struct look *look = NULL;
  struct look_opts opts = {.max_bytes = 10, .path = "/.well-known/mta-sts.txt", .user_agent = "x"};
  enum mts_err err = mts_fake_site(told.fake, "mta-sts.c.test", MTS_FAKE_ALL, "", &site);
  if (!err) err = mts_fake_site(told.fake, "mta-sts.c.test", MTS_FAKE_ADDRESS, "192.0.2.1", &site);
  return err ? err : outcome(look_https_start(told.m, "mta-sts.c.test", &opts, https_seen, NULL, &look));
}

static enum mts_err tell_and_look_at_mailer(void) {
  const struct mts_fake_mailer mailer = {.has_ehlo = true, .ehlo = mts_span("STARTTLS", 9)};
  struct look *look = NULL;
  struct look_opts opts = {.max_bytes = 0};
  enum mts_err err = mts_fake_mailer(told.fake, "mx.c.test", MTS_FAKE_ALL, "", &mailer);
  return err ? err : outcome(look_smtp_start(told.m, "mx.c.test", &opts, smtp_seen, NULL, &look));
}

static int open_store(void **s) {
  if (make_folder(s)) return -1;
  told_open(&told, (const char *[]){"store", store_path, NULL});
  tell_a_test(&told);
  return mts_store_open(store_path, &told.m->clock, told.m->log, &store) ? -1 : 0;
}

static int close_store(void **s) {
  mts_store_close(&store);
  told_close(&told);
  return remove_folder(s);
}

static void stored_hosts_survive(void **s) {
  (void)s;
  torture(hosts_put_and_get, 4);
  torture(hosts_of_address, 2);
}
static void sessions_survive(void **s) {
  (void)s;
  torture(session, 3);
}
static void lookups_with_stored_hosts_survive(void **s) {
  (void)s;
  torture(look_with_dns, 5);
  torture(look_with_store, 3);
}

static void looks_survive(void **s) {
  (void)s;
  torture(tell_and_look_at_site, 10);
  torture(tell_and_look_at_mailer, 7);
}

static void policies_survive(void **s) {
  (void)s;
  torture(policy_with_findings, 7);
  torture(policy_without_findings, 4);
  torture(bad_policy, 3);
  torture(policy_of_values, 2);
}
static void records_survive(void **s) {
  (void)s;
  torture(record, 1);
  torture(report, 5);
  torture(tlsrpt, 2);
}
static void names_survive(void **s) {
  (void)s;
  torture(name, 2);
}
static void the_log_survives(void **s) {
  (void)s;
  torture(new_log, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(policies_survive),
      cmocka_unit_test(records_survive),
      cmocka_unit_test(names_survive),
      cmocka_unit_test(the_log_survives),
      cmocka_unit_test_setup_teardown(stored_hosts_survive, open_store, close_store),
      cmocka_unit_test_setup_teardown(sessions_survive, open_store, close_store),
      cmocka_unit_test_setup_teardown(looks_survive, open_store, close_store),
      cmocka_unit_test_setup_teardown(lookups_with_stored_hosts_survive, open_store, close_store),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
