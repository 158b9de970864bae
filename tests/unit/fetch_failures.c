/* SPDX-License-Identifier: ISC
 * Failures to fetch a policy, as TLS reporting counts them (RFC 8460 4.3.2.2): once for each attempt, never for each lookup. */
#include <sys/mman.h>
#include <sys/wait.h>

#include "store_folder.h"

struct counted {
  size_t rows;
  uint64_t total;
  char last[512];
};

static bool add(void *arg, const struct mts_session_row *row) {
  struct counted *counted = arg;
  counted->rows++;
  counted->total += row->count;
  snprintf(counted->last, sizeof counted->last, "%s %s %s|%.40s|%s%s%s", row->domain, mts_policy_type_name(row->type), row->result,
           row->policy, row->reason, row->mx, row->address);
  return true;
}

static struct counted count(struct told *told) {
  struct counted counted = {0};
  struct mts_store *store = NULL;
  assert_int_equal(mts_store_open(store_path, &told->m->clock, NULL, &store), MTS_OK);
  assert_int_equal(mts_store_sessions(store, 0, INT64_MAX, NULL, add, &counted), MTS_OK);
  mts_store_close(&store);
  return counted;
}

static void open_world(struct told *told, const char *counts) {
  told_open(told, (const char *[]){"store", store_path, "count_sessions", counts, NULL});
  tell_a_test(told);
}

static void look(struct told *told) {
  struct mts_answer *answer = ask_policy(told, "a.test");
  mts_answer_free(&answer);
}

static void each_kind_of_failure_has_its_result_type(void **state) {
  static const struct {
    enum mts_err err;
    const char *type;
  } kinds[] = {{MTS_ERR_HTTPS_CONNECT, "sts-policy-fetch-error"},  {MTS_ERR_HTTPS_STATUS, "sts-policy-fetch-error"},
               {MTS_ERR_HTTPS_SIZE, "sts-policy-fetch-error"},     {MTS_ERR_HTTPS_CERT_NAME, "sts-webpki-invalid"},
               {MTS_ERR_HTTPS_CERT_EXPIRED, "sts-webpki-invalid"}, {MTS_ERR_HTTPS_CERT_UNTRUSTED, "sts-webpki-invalid"},
               {MTS_ERR_POLICY_MODE, "sts-policy-invalid"}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    struct told told;
    char wanted[200];
    assert_int_equal(make_folder(state), 0);
    open_world(&told, "yes");
    if (kinds[i].err == MTS_ERR_POLICY_MODE)
      tell_policy(&told, "mta-sts.a.test", "version: STSv1\nmode: perhaps\nmx: mx1.a.test\nmax_age: 86400\n");
    else
      tell_fetch_error(&told, "mta-sts.a.test", kinds[i].err);
    look(&told);
    struct counted counted = count(&told);
    snprintf(wanted, sizeof wanted, "a.test no-policy-found %s||%s: ", kinds[i].type, mts_err_name(kinds[i].err));
    assert_memory_equal(counted.last, wanted, strlen(wanted));
    assert_int_equal(counted.total, 1);
    told_close(&told);
    assert_int_equal(remove_folder(state), 0);
  }
}

static void lookups_that_only_hear_of_the_failure_add_nothing(void **state) {
  (void)state;
  struct told told;
  open_world(&told, "yes");
  tell_fetch_error(&told, "mta-sts.a.test", MTS_ERR_HTTPS_CONNECT);
  for (int i = 0; i < 20; i++) look(&told);
  assert_int_equal(get_count(&told), 1);
  assert_int_equal(count(&told).total, 1);
  pass_s(&told, 400); /* a new attempt */
  for (int i = 0; i < 20; i++) look(&told);
  assert_int_equal(get_count(&told), 2);
  struct counted counted = count(&told);
  assert_int_equal(counted.total, 2);
  assert_int_equal(counted.rows, 1);
  told_close(&told);
}

static void a_cached_policy_is_the_one_that_was_applied(void **state) {
  (void)state;
  struct told told;
  open_world(&told, "yes");
  look(&told);
  assert_int_equal(count(&told).rows, 0);
  tell_txt(&told, "_mta-sts.a.test", "v=STSv1; id=2", 300);
  tell_fetch_error(&told, "mta-sts.a.test", MTS_ERR_HTTPS_CERT_EXPIRED);
  pass_s(&told, 400);
  look(&told);
  const char *wanted = "a.test sts sts-webpki-invalid|version: STSv1\nmode: enforce\nmx: mx1.a.t|https-cert-expired: ";
  assert_memory_equal(count(&told).last, wanted, strlen(wanted));
  pass_s(&told, 8 * DAY_S); /* it has expired */
  look(&told);
  struct counted counted = count(&told);
  assert_int_equal(counted.total, 2);
  told_close(&told);
}

static void a_private_policy_host_is_a_failure_to_fetch(void **state) {
  (void)state;
  struct told told;
  open_world(&told, "yes");
  tell_records(&told, "mta-sts.a.test", MTS_RR_A, MTS_DNSSEC_INSECURE, (const char *[]){"192.168.0.1", NULL});
  look(&told);
  assert_string_equal(count(&told).last, "a.test no-policy-found sts-policy-fetch-error||https-forbidden: 192.168.0.1");
  told_close(&told);
}

static void an_attempt_that_mail_did_not_wait_for_counts_by_its_end(void **state) {
  (void)state;
  struct told told;
  open_world(&told, "yes");
  const struct mts_span body = mts_span_of(ENFORCE_MX1);
  assert_int_equal(mts_fake_https(told.fake, "mta-sts.a.test", MTS_OK, 200, "text/plain", body, 30000), MTS_OK);
  look(&told); /* late: mail goes on without */
  run_out(&told);
  assert_int_equal(count(&told).rows, 0); /* and yet it went well */
  tell_txt(&told, "_mta-sts.a.test", "v=STSv1; id=2", 300);
  assert_int_equal(mts_fake_https(told.fake, "mta-sts.a.test", MTS_OK, 200, "text/plain", body, 3600000), MTS_OK);
  pass_s(&told, 400);
  look(&told);
  run_out(&told);
  assert_int_equal(count(&told).total, 1); /* at its own deadline, once */
  told_close(&told);
}

static void an_attempt_that_the_programs_end_broke_off_counts(void **state) {
  (void)state;
  struct told told;
  open_world(&told, "yes");
  assert_int_equal(mts_fake_https(told.fake, "mta-sts.a.test", MTS_OK, 200, "text/plain", mts_span_of(ENFORCE_MX1), 3600000),
                   MTS_OK);
  look(&told);
  mts_free(&told.m);
  told.m = told_context(&told, (const char *[]){"store", store_path, NULL});
  look(&told); /* opens the store */
  struct counted counted = count(&told);
  assert_int_equal(counted.total, 1);
  assert_string_equal(counted.last, "a.test no-policy-found sts-policy-fetch-error||https-deadline: while mail waited");
  told_close(&told);
}

/* Each has a world and a clock of its own, all have one store: who may fetch they agree on there. */
static void of_many_processes_each_attempt_counts_once(void **state) {
  (void)state;
  enum { PROCESSES = 16 };
  int *gets = mmap(NULL, sizeof *gets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t pids[PROCESSES];
  assert_true(gets != MAP_FAILED);
  for (int i = 0; i < PROCESSES; i++) {
    pids[i] = fork();
    assert_true(pids[i] >= 0);
    if (pids[i] > 0) continue;
    struct told told;
    open_world(&told, "yes");
    tell_fetch_error(&told, "mta-sts.a.test", MTS_ERR_HTTPS_CONNECT);
    for (int turn = 0; turn < 5; turn++) {
      look(&told);
      pass_s(&told, 4000);
    }
    __atomic_add_fetch(gets, (int)get_count(&told), __ATOMIC_SEQ_CST);
    told_close(&told);
    _exit(0);
  }
  for (int i = 0; i < PROCESSES; i++) {
    int status = 1;
    assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
    assert_int_equal(status, 0);
  }
  struct told told;
  open_world(&told, "yes");
  assert_true(*gets > 0);
  assert_int_equal(count(&told).total, *gets);
  told_close(&told);
  munmap(gets, sizeof *gets);
}

static void no_record_and_dns_failures_are_no_attempt(void **state) {
  (void)state;
  struct told told;
  open_world(&told, "yes");
  tell_dns_error(&told, "_mta-sts.a.test", MTS_RR_TXT, MTS_ERR_DNS_NXDOMAIN);
  look(&told);
  tell_dns_error(&told, "_mta-sts.b.test", MTS_RR_TXT, MTS_ERR_DNS_SERVFAIL);
  struct mts_answer *answer = ask_policy(&told, "b.test");
  mts_answer_free(&answer);
  assert_int_equal(count(&told).rows, 0);
  told_close(&told);
}

static void who_counts_no_sessions_counts_none_of_these(void **state) {
  (void)state;
  struct told told;
  open_world(&told, "no");
  tell_fetch_error(&told, "mta-sts.a.test", MTS_ERR_HTTPS_CONNECT);
  look(&told);
  assert_int_equal(get_count(&told), 1);
  assert_int_equal(count(&told).rows, 0);
  told_close(&told);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_kind_of_failure_has_its_result_type),
      WITH_FOLDER(lookups_that_only_hear_of_the_failure_add_nothing),
      WITH_FOLDER(a_cached_policy_is_the_one_that_was_applied),
      WITH_FOLDER(a_private_policy_host_is_a_failure_to_fetch),
      WITH_FOLDER(an_attempt_that_mail_did_not_wait_for_counts_by_its_end),
      WITH_FOLDER(an_attempt_that_the_programs_end_broke_off_counts),
      WITH_FOLDER(of_many_processes_each_attempt_counts_once),
      WITH_FOLDER(no_record_and_dns_failures_are_no_attempt),
      WITH_FOLDER(who_counts_no_sessions_counts_none_of_these),
  };
  return cmocka_run_group_tests_name("fetch failures", tests, NULL, NULL);
}
