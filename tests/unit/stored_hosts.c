/* SPDX-License-Identifier: ISC
 * Lookups and the MX hosts in the store, in a told world: what DNS said is kept for its TTL, and who asks for it waits for no network. */
#include "store_folder.h"

static void open_world(struct told *told) {
  told_open(told, (const char *[]){"store", store_path, NULL});
  tell_a_test(told);
}

/* As another program would see it: nothing in memory. */
static void begin_anew(struct told *told) {
  mts_free(&told->m);
  told->m = told_context(told, (const char *[]){"store", store_path, NULL});
}

static void look_with_dns(struct told *told, const char *domain) {
  struct mts_answer *answer = ask(told, domain, MTS_DEPTH_HOSTS, MTS_USE_CACHED);
  mts_answer_free(&answer);
}

static struct mts_answer *look(struct told *told, const char *domain, enum mts_freshness freshness) {
  struct mts_answer *answer = NULL;
  struct mts_lookup_opts opts = {.depth = MTS_DEPTH_HOSTS, .freshness = freshness, .stored_hosts = true};
  assert_int_equal(mts_lookup(told->m, domain, &opts, &answer), MTS_OK);
  assert_non_null(answer);
  return answer;
}

static size_t dns_count(const struct told *told) { return mts_fake_count_dns(told->fake, NULL, MTS_RR_MX); /* of whatever type */ }

static size_t mx_count(const struct told *told, const char *domain) { return mts_fake_count_dns(told->fake, domain, MTS_RR_MX); }

static const char *step_of(const struct mts_answer *answer, const char *what) {
  for (size_t i = 0; i < answer->step_count; i++)
    if (strcmp(answer->trace[i].what, what) == 0) return answer->trace[i].outcome;
  return "";
}

static bool stored(struct told *told, const char *domain, struct mts_store_hosts *hosts) {
  struct mts_store *store = NULL;
  assert_int_equal(mts_store_open(store_path, &told->m->clock, told->m->log, &store), MTS_OK);
  enum mts_err err = mts_store_hosts_get(store, domain, hosts);
  mts_store_close(&store);
  return err == MTS_OK;
}

static bool is_stored(struct told *told, const char *domain) {
  struct mts_store_hosts hosts = {0};
  bool there = stored(told, domain, &hosts);
  mts_store_hosts_clear(&hosts);
  return there;
}

static int64_t lifetime(struct told *told, const char *domain) {
  struct mts_store_hosts hosts = {0};
  assert_true(stored(told, domain, &hosts));
  int64_t seconds = hosts.expires_at - hosts.learned_at;
  mts_store_hosts_clear(&hosts);
  return seconds;
}

/* ---- taking ---- */

static void stored_hosts_answer_without_any_question(void **state) {
  (void)state;
  struct told told;
  open_world(&told);
  tell_records(&told, "mx1.a.test", MTS_RR_A, MTS_DNSSEC_INSECURE, (const char *[]){"192.0.2.7", "192.0.2.8", NULL});
  tell_records(&told, "a.test", MTS_RR_MX, MTS_DNSSEC_INSECURE,
               (const char *[]){"20 mx1.a.test", "10 mx2.a.test", "30 gone.a.test", NULL});
  look_with_dns(&told, "a.test");
  begin_anew(&told);
  size_t before = dns_count(&told);
  pass_s(&told, 34);
  static const enum mts_freshness ways[] = {MTS_USE_CACHED, MTS_CACHE_ONLY};
  for (size_t i = 0; i < 2; i++) {
    struct mts_answer *answer = look(&told, "a.test", ways[i]);
    assert_true(answer->hosts_known);
    assert_int_equal(answer->hosts_err, MTS_OK);
    assert_int_equal(answer->action, MTS_ACTION_REQUIRE);
    assert_int_equal(answer->host_count, 3);
    static const char *const names[] = {"mx2.a.test", "mx1.a.test", "gone.a.test"};
    static const enum mts_err errs[] = {MTS_ERR_MX_UNMATCHED, MTS_OK, MTS_ERR_MX_ADDRESS};
    for (size_t h = 0; h < 3; h++) {
      assert_string_equal(answer->hosts[h].name, names[h]);
      assert_int_equal(answer->hosts[h].err, errs[h]);
      assert_int_equal(answer->hosts[h].permitted, h == 1);
    }
    assert_int_equal(answer->hosts[1].preference, 20);
    assert_int_equal(answer->hosts[1].address_count, 2);
    assert_string_equal(answer->hosts[1].addresses[0], "192.0.2.7");
    assert_string_equal(step_of(answer, "mx"), "3 hosts from the store, learned from DNS 34 s ago");
    mts_answer_free(&answer);
  }
  assert_int_equal(dns_count(&told), before);
  told_close(&told);
}

static void stored_hosts_have_no_dane_whatever_dns_said(void **state) {
  (void)state;
  struct told told;
  open_world(&told);
  tell_records(&told, "a.test", MTS_RR_MX, MTS_DNSSEC_SECURE, (const char *[]){"10 mx1.a.test", NULL});
  tell_records(&told, "mx1.a.test", MTS_RR_A, MTS_DNSSEC_SECURE, (const char *[]){"192.0.2.9", NULL});
  tell_records(&told, "mx1.a.test", MTS_RR_AAAA, MTS_DNSSEC_SECURE, (const char *[]){"2001:db8::9", NULL});
  tell_records(&told, "_25._tcp.mx1.a.test", MTS_RR_TLSA, MTS_DNSSEC_SECURE,
               (const char *[]){"3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL});
  struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_HOSTS, MTS_USE_CACHED);
  assert_int_equal(answer->hosts[0].guard, MTS_GUARD_DANE);
  mts_answer_free(&answer);
  answer = look(&told, "a.test", MTS_CACHE_ONLY);
  assert_int_equal(answer->hosts[0].guard, MTS_GUARD_STS);
  assert_int_equal(answer->hosts[0].dnssec, MTS_DNSSEC_UNKNOWN);
  assert_int_equal(answer->dnssec, MTS_DNSSEC_UNKNOWN);
  assert_int_equal(answer->hosts[0].address_count, 2);
  mts_answer_free(&answer);
  told_close(&told);
}

static void who_did_not_ask_for_stored_hosts_or_wants_probes_gets_those_of_dns(void **state) {
  (void)state;
  struct told told;
  open_world(&told);
  look_with_dns(&told, "a.test");
  look_with_dns(&told, "a.test");
  assert_int_equal(mx_count(&told, "a.test"), 2);
  struct mts_answer *answer = NULL;
  struct mts_lookup_opts opts = {.depth = MTS_DEPTH_TLS, .stored_hosts = true};
  assert_int_equal(mts_lookup(told.m, "a.test", &opts, &answer), MTS_OK);
  assert_int_equal(mx_count(&told, "a.test"), 3);
  mts_answer_free(&answer);
  told_close(&told);
}

static void hosts_past_their_ttl_are_asked_for_again(void **state) {
  (void)state;
  struct told told;
  open_world(&told);
  look_with_dns(&told, "a.test");
  pass_s(&told, lifetime(&told, "a.test") - 1);
  struct mts_answer *answer = look(&told, "a.test", MTS_USE_CACHED);
  assert_int_equal(mx_count(&told, "a.test"), 1);
  mts_answer_free(&answer);
  pass_s(&told, 1);
  answer = look(&told, "a.test", MTS_CACHE_ONLY); /* nor does the network help here */
  assert_false(answer->hosts_known);
  assert_int_equal(answer->host_count, 0);
  assert_int_equal(mx_count(&told, "a.test"), 1);
  mts_answer_free(&answer);
  answer = look(&told, "a.test", MTS_USE_CACHED);
  assert_int_equal(mx_count(&told, "a.test"), 2);
  mts_answer_free(&answer);
  answer = look(&told, "a.test", MTS_CACHE_ONLY); /* and were kept anew */
  assert_int_equal(answer->host_count, 2);
  mts_answer_free(&answer);
  told_close(&told);
}

static void hosts_dated_by_a_clock_that_was_wrong_are_not_believed(void **state) {
  (void)state;
  struct told told;
  open_world(&told);
  look_with_dns(&told, "a.test");
  mts_fake_set_now(told.fake, START_MS - 1000);
  struct mts_answer *answer = look(&told, "a.test", MTS_CACHE_ONLY);
  assert_int_equal(answer->host_count, 0);
  mts_answer_free(&answer);
  told_close(&told);
}

/* ---- when no stored host may be used ---- */

static void before_mail_waits_because_of_stored_hosts_dns_is_asked_once(void **state) {
  (void)state;
  struct told told;
  open_world(&told);
  tell_records(&told, "a.test", MTS_RR_MX, MTS_DNSSEC_INSECURE, (const char *[]){"10 mx9.a.test", NULL});
  tell_records(&told, "mx9.a.test", MTS_RR_A, MTS_DNSSEC_INSECURE, (const char *[]){"192.0.2.9", NULL});
  struct mts_answer *answer = ask(&told, "a.test", MTS_DEPTH_HOSTS, MTS_USE_CACHED);
  assert_int_equal(answer->action, MTS_ACTION_DEFER);
  mts_answer_free(&answer);
  tell_a_test(&told); /* they moved to mx1, which the policy permits */
  size_t txt = txt_count(&told);
  answer = look(&told, "a.test", MTS_USE_CACHED);
  assert_int_equal(answer->action, MTS_ACTION_REQUIRE);
  assert_int_equal(answer->host_count, 2);
  assert_string_equal(answer->hosts[0].name, "mx1.a.test");
  assert_int_equal(txt_count(&told), txt); /* the policy is not to blame */
  assert_int_equal(mx_count(&told, "a.test"), 2);
  mts_answer_free(&answer);
  answer = look(&told, "a.test", MTS_USE_CACHED); /* and what was learned is stored */
  assert_int_equal(answer->action, MTS_ACTION_REQUIRE);
  assert_int_equal(mx_count(&told, "a.test"), 2);
  mts_answer_free(&answer);
  told_close(&told);
}

static void when_dns_agrees_mail_waits_after_the_id_was_checked_again(void **state) {
  (void)state;
  struct told told;
  open_world(&told);
  tell_records(&told, "a.test", MTS_RR_MX, MTS_DNSSEC_INSECURE, (const char *[]){"10 mx9.a.test", NULL});
  tell_records(&told, "mx9.a.test", MTS_RR_A, MTS_DNSSEC_INSECURE, (const char *[]){"192.0.2.9", NULL});
  look_with_dns(&told, "a.test");
  size_t txt = txt_count(&told);
  struct mts_answer *answer = look(&told, "a.test", MTS_USE_CACHED);
  assert_int_equal(answer->action, MTS_ACTION_DEFER);
  assert_int_equal(answer->hosts[0].err, MTS_ERR_MX_UNMATCHED);
  assert_int_equal(mx_count(&told, "a.test"), 2); /* once more, not again and again */
  assert_int_equal(txt_count(&told), txt + 1);
  mts_answer_free(&answer);
  told_close(&told);
}

static void who_never_touches_the_network_is_not_told_to_wait_by_stored_hosts(void **state) {
  (void)state;
  struct told told;
  open_world(&told);
  tell_records(&told, "a.test", MTS_RR_MX, MTS_DNSSEC_INSECURE, (const char *[]){"10 mx9.a.test", NULL});
  tell_records(&told, "mx9.a.test", MTS_RR_A, MTS_DNSSEC_INSECURE, (const char *[]){"192.0.2.9", NULL});
  look_with_dns(&told, "a.test");
  begin_anew(&told);
  size_t before = dns_count(&told), txt = txt_count(&told);
  struct mts_answer *answer = look(&told, "a.test", MTS_CACHE_ONLY);
  assert_int_equal(answer->action, MTS_ACTION_REQUIRE); /* hosts not known, as without stored ones */
  assert_false(answer->hosts_known);
  assert_int_equal(answer->host_count, 0);
  assert_int_equal(dns_count(&told), before);
  assert_int_equal(txt_count(&told), txt);
  mts_answer_free(&answer);
  told_close(&told);
}

static void a_silent_dns_after_useless_stored_hosts_leaves_them_unknown(void **state) {
  (void)state;
  struct told told;
  open_world(&told);
  tell_records(&told, "a.test", MTS_RR_MX, MTS_DNSSEC_INSECURE, (const char *[]){"10 mx9.a.test", NULL});
  tell_records(&told, "mx9.a.test", MTS_RR_A, MTS_DNSSEC_INSECURE, (const char *[]){"192.0.2.9", NULL});
  look_with_dns(&told, "a.test");
  tell_dns_error(&told, "a.test", MTS_RR_MX, MTS_ERR_DNS_SERVFAIL);
  struct mts_answer *answer = look(&told, "a.test", MTS_USE_CACHED);
  assert_int_equal(answer->action, MTS_ACTION_REQUIRE);
  assert_int_equal(answer->hosts_err, MTS_ERR_DNS_SERVFAIL);
  mts_answer_free(&answer);
  told_close(&told);
}

static enum mts_hook_result enforce_all(void *arg, enum mts_hook hook, struct mts_lookup *lookup, const struct mts_answer *so_far,
                                        struct mts_opinion *opinion) {
  (void)lookup;
  (void)so_far;
  if (hook != *(enum mts_hook *)arg) return MTS_HOOK_NO_OPINION;
  *opinion = (struct mts_opinion){.mode = MTS_MODE_ENFORCE, .reason = "a test"};
  return MTS_HOOK_OPINION;
}

static void a_rule_that_enforces_asks_dns_before_mail_waits_too(void **state) {
  (void)state;
  for (enum mts_hook hook = MTS_HOOK_POLICY; hook <= MTS_HOOK_VERDICT; hook++) {
    struct told told;
    open_world(&told);
    tell_policy(&told, "mta-sts.a.test", TESTING_MX1);
    tell_records(&told, "a.test", MTS_RR_MX, MTS_DNSSEC_INSECURE, (const char *[]){"10 mx9.a.test", NULL});
    tell_records(&told, "mx9.a.test", MTS_RR_A, MTS_DNSSEC_INSECURE, (const char *[]){"192.0.2.9", NULL});
    look_with_dns(&told, "a.test");
    mts_set_hooks(told.m, enforce_all, NULL, &hook);
    tell_a_test(&told);
    struct mts_answer *answer = look(&told, "a.test", MTS_USE_CACHED);
    assert_int_equal(answer->from, MTS_FROM_RULE);
    assert_int_equal(answer->action, MTS_ACTION_REQUIRE);
    assert_int_equal(mx_count(&told, "a.test"), 2);
    mts_answer_free(&answer);
    told_close(&told);
    remove_folder(NULL);
    assert_int_equal(make_folder(NULL), 0);
  }
}

/* ---- keeping ---- */

static void the_least_ttl_counts_and_at_most_an_hour(void **state) {
  (void)state;
  struct told told;
  struct mts_span mx = mts_span_of("10 mx1.a.test"), address = mts_span_of("192.0.2.7");
  static const struct {
    uint32_t mx_s, a_s, none_s;
    int64_t want;
  } cases[] = {{200, 300, 400, 200}, {300, 120, 400, 120}, {300, 300, 30, 30}, {86400, 86400, 86400, 3600}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    open_world(&told);
    assert_int_equal(mts_fake_dns(told.fake, "a.test", MTS_RR_MX, MTS_OK, &mx, 1, cases[i].mx_s, MTS_DNSSEC_INSECURE, 0), MTS_OK);
    assert_int_equal(mts_fake_dns(told.fake, "mx1.a.test", MTS_RR_A, MTS_OK, &address, 1, cases[i].a_s, MTS_DNSSEC_INSECURE, 0),
                     MTS_OK);
    assert_int_equal(
        mts_fake_dns(told.fake, "mx1.a.test", MTS_RR_AAAA, MTS_ERR_DNS_NODATA, NULL, 0, cases[i].none_s, MTS_DNSSEC_INSECURE, 0),
        MTS_OK);
    look_with_dns(&told, "a.test");
    assert_int_equal(lifetime(&told, "a.test"), cases[i].want);
    told_close(&told);
    remove_folder(NULL);
    assert_int_equal(make_folder(NULL), 0);
  }
}

static void what_dns_does_not_say_of_one_host_keeps_the_others_for_a_minute(void **state) {
  (void)state;
  struct told told;
  open_world(&told);
  tell_dns_error(&told, "mx2.a.test", MTS_RR_A, MTS_ERR_DNS_SERVFAIL);
  tell_dns_error(&told, "mx2.a.test", MTS_RR_AAAA, MTS_ERR_DNS_SERVFAIL);
  look_with_dns(&told, "a.test");
  assert_int_equal(lifetime(&told, "a.test"), 60);
  struct mts_answer *answer = look(&told, "a.test", MTS_CACHE_ONLY);
  assert_int_equal(answer->host_count, 2);
  assert_int_equal(answer->hosts[1].address_count, 0);
  assert_int_equal(answer->hosts[1].err, MTS_ERR_MX_UNMATCHED); /* as with DNS: not that it has none */
  mts_answer_free(&answer);
  told_close(&told);
}

static void a_domain_without_mx_is_kept_as_its_own_host(void **state) {
  (void)state;
  struct told told;
  open_world(&told);
  tell_dns_error(&told, "b.test", MTS_RR_MX, MTS_ERR_DNS_NODATA);
  tell_records(&told, "b.test", MTS_RR_A, MTS_DNSSEC_INSECURE, (const char *[]){"192.0.2.9", NULL});
  look_with_dns(&told, "b.test");
  struct mts_answer *answer = look(&told, "b.test", MTS_CACHE_ONLY);
  assert_int_equal(answer->host_count, 1);
  assert_string_equal(answer->hosts[0].name, "b.test");
  assert_int_equal(answer->action, MTS_ACTION_DELIVER);
  mts_answer_free(&answer);
  told_close(&told);
}

static void null_mx_failures_and_smart_hosts_are_not_kept(void **state) {
  (void)state;
  struct told told;
  open_world(&told);
  tell_records(&told, "null.test", MTS_RR_MX, MTS_DNSSEC_INSECURE, (const char *[]){"0 .", NULL});
  tell_dns_error(&told, "fails.test", MTS_RR_MX, MTS_ERR_DNS_SERVFAIL);
  tell_records(&told, "lost.test", MTS_RR_MX, MTS_DNSSEC_INSECURE, (const char *[]){"10 mx.lost.test", NULL});
  tell_dns_error(&told, "mx.lost.test", MTS_RR_A, MTS_ERR_DNS_SERVFAIL);
  tell_dns_error(&told, "mx.lost.test", MTS_RR_AAAA, MTS_ERR_DNS_TIMEOUT);
  tell_records(&told, "smart.test", MTS_RR_A, MTS_DNSSEC_INSECURE, (const char *[]){"192.0.2.9", NULL});
  static const char *const destinations[] = {"null.test", "fails.test", "lost.test", "[smart.test]", "nxdomain.test"};
  for (size_t i = 0; i < 5; i++) {
    look_with_dns(&told, destinations[i]);
    assert_false(is_stored(&told, destinations[i][0] == '[' ? "smart.test" : destinations[i]));
  }
  /* A smart host is not looked for either: the MX hosts of its name are others. */
  tell_records(&told, "smart.test", MTS_RR_MX, MTS_DNSSEC_INSECURE, (const char *[]){"10 mx1.a.test", NULL});
  look_with_dns(&told, "smart.test");
  assert_true(is_stored(&told, "smart.test"));
  struct mts_answer *answer = look(&told, "[smart.test]", MTS_USE_CACHED);
  assert_string_equal(answer->hosts[0].name, "smart.test");
  mts_answer_free(&answer);
  told_close(&told);
}

static void what_was_given_up_at_the_deadline_is_not_kept(void **state) {
  (void)state;
  struct told told;
  struct mts_span address = mts_span_of("192.0.2.7");
  open_world(&told);
  assert_int_equal(mts_fake_dns(told.fake, "mx2.a.test", MTS_RR_A, MTS_OK, &address, 1, 300, MTS_DNSSEC_INSECURE, 5000), MTS_OK);
  struct mts_answer *answer = NULL;
  struct mts_lookup_opts opts = {.depth = MTS_DEPTH_HOSTS, .deadline_ms = 3000};
  assert_int_equal(mts_lookup(told.m, "a.test", &opts, &answer), MTS_OK);
  assert_int_equal(answer->hosts_err, MTS_ERR_DEADLINE);
  mts_answer_free(&answer);
  assert_false(is_stored(&told, "a.test"));
  told_close(&told);
}

static void without_a_store_stored_hosts_are_those_of_dns(void **state) {
  (void)state;
  static const char *const stores[] = {"none", "/nonexistent/folder/mtasts.db"};
  for (size_t i = 0; i < 2; i++) {
    struct told told;
    told_open(&told, (const char *[]){"store", stores[i], NULL});
    tell_a_test(&told);
    for (size_t twice = 1; twice <= 2; twice++) {
      struct mts_answer *answer = look(&told, "a.test", MTS_USE_CACHED);
      assert_int_equal(answer->host_count, 2);
      assert_int_equal(answer->action, MTS_ACTION_REQUIRE);
      assert_int_equal(mx_count(&told, "a.test"), twice);
      mts_answer_free(&answer);
    }
    told_close(&told);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_FOLDER(stored_hosts_answer_without_any_question),
      WITH_FOLDER(stored_hosts_have_no_dane_whatever_dns_said),
      WITH_FOLDER(who_did_not_ask_for_stored_hosts_or_wants_probes_gets_those_of_dns),
      WITH_FOLDER(hosts_past_their_ttl_are_asked_for_again),
      WITH_FOLDER(hosts_dated_by_a_clock_that_was_wrong_are_not_believed),
      WITH_FOLDER(before_mail_waits_because_of_stored_hosts_dns_is_asked_once),
      WITH_FOLDER(when_dns_agrees_mail_waits_after_the_id_was_checked_again),
      WITH_FOLDER(who_never_touches_the_network_is_not_told_to_wait_by_stored_hosts),
      WITH_FOLDER(a_silent_dns_after_useless_stored_hosts_leaves_them_unknown),
      WITH_FOLDER(a_rule_that_enforces_asks_dns_before_mail_waits_too),
      WITH_FOLDER(the_least_ttl_counts_and_at_most_an_hour),
      WITH_FOLDER(what_dns_does_not_say_of_one_host_keeps_the_others_for_a_minute),
      WITH_FOLDER(a_domain_without_mx_is_kept_as_its_own_host),
      WITH_FOLDER(null_mx_failures_and_smart_hosts_are_not_kept),
      WITH_FOLDER(what_was_given_up_at_the_deadline_is_not_kept),
      WITH_FOLDER(without_a_store_stored_hosts_are_those_of_dns),
  };
  return cmocka_run_group_tests_name("stored hosts", tests, NULL, NULL);
}
