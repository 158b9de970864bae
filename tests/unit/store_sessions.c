/* SPDX-License-Identifier: ISC
 * Counters of sessions (RFC 8460): what is counted together, what is kept of it, who chooses its texts, what others have touched. */
#include "store_tools.h"

#include "fake/fake.h"
#include "resolve/context.h"

#define DAY_S 86400
#define TODAY (NOW / DAY_S)

static struct mts_session_row session(const char *domain) {
  return (struct mts_session_row){.domain = domain,
                                  .type = MTS_POLICY_TYPE_STS,
                                  .policy = "version: STSv1\nmode: enforce\nmx: mx.a.example\nmax_age: 86400",
                                  .result = "certificate-expired",
                                  .mx = "mx.a.example",
                                  .address = "192.0.2.1",
                                  .source = "192.0.2.99",
                                  .helo = "mx.a.example",
                                  .reason = "expired yesterday"};
}

static void add(struct mts_store *store, const struct mts_session_row *row, int64_t now_s) {
  assert_int_equal(mts_store_session_add(store, row, now_s), MTS_OK);
}

/* ---- reading ---- */

struct rows {
  size_t count, stop;
  uint64_t sessions;
  char last[16384]; /* the last row, as one text */
};

static bool collect(void *arg, const struct mts_session_row *row) {
  struct rows *rows = arg;
  rows->sessions += row->count;
  snprintf(rows->last, sizeof rows->last, "%d %s %s|%s|%s|%s|%s|%s|%s|%s %d %d %d", (int)(row->day - TODAY), row->domain,
           mts_policy_type_name(row->type), row->policy, row->result, row->mx, row->address, row->source, row->helo, row->reason,
           (int)row->count, (int)(row->first_at - NOW), (int)(row->last_at - NOW));
  return ++rows->count != rows->stop;
}

static struct rows read_days(struct mts_store *store, int64_t first, int64_t last, const char *domain) {
  struct rows rows = {0};
  assert_int_equal(mts_store_sessions(store, first, last, domain, collect, &rows), MTS_OK);
  return rows;
}

static struct rows read_all(struct mts_store *store) { return read_days(store, 0, INT64_MAX, NULL); }

/* ---- counting ---- */

static void sessions_that_are_alike_are_one_row(void **state) {
  struct mts_store *store = tools_open(*state);
  struct mts_session_row row = session("a.example");
  for (int i = 0; i < 7; i++) add(store, &row, NOW + i);
  add(store, &row, NOW + 3); /* a clock that went back does not take the last one back */
  struct rows rows = read_all(store);
  assert_int_equal(rows.count, 1);
  assert_string_equal(rows.last,
                      "0 a.example sts|version: STSv1\nmode: enforce\nmx: mx.a.example\nmax_age: 86400|certificate-expired|"
                      "mx.a.example|192.0.2.1|192.0.2.99|mx.a.example|expired yesterday 8 0 6");
  mts_store_close(&store);
}

static void sessions_that_differ_in_anything_are_rows_of_their_own(void **state) {
  struct mts_store *store = tools_open(*state);
  struct mts_session_row others[10];
  for (size_t i = 0; i < 10; i++) others[i] = session("a.example");
  others[1].domain = "b.example";
  others[2].type = MTS_POLICY_TYPE_TLSA;
  others[3].policy = "3 1 1 00";
  others[4].result = "";
  others[5].mx = "mx2.a.example";
  others[6].address = "2001:db8::1";
  others[7].source = "";
  others[8].helo = "";
  others[9].reason = "";
  for (size_t twice = 0; twice < 2; twice++)
    for (size_t i = 0; i < 10; i++) add(store, &others[i], NOW);
  add(store, &others[0], NOW + DAY_S);
  struct rows rows = read_all(store);
  assert_int_equal(rows.count, 11);
  assert_int_equal(rows.sessions, 21);
  mts_store_close(&store);
}

static void rows_are_read_by_day_and_domain_and_reading_can_stop(void **state) {
  struct mts_store *store = tools_open(*state);
  for (int day = 0; day < 3; day++) {
    struct mts_session_row a = session("a.example"), b = session("b.example");
    add(store, &a, NOW + day * DAY_S);
    add(store, &b, NOW + day * DAY_S);
  }
  assert_int_equal(read_all(store).count, 6);
  assert_int_equal(read_days(store, TODAY + 1, TODAY + 1, NULL).count, 2);
  assert_int_equal(read_days(store, TODAY, TODAY + 1, "b.example").count, 2);
  assert_int_equal(read_days(store, TODAY + 3, TODAY + 9, NULL).count, 0);
  assert_int_equal(read_days(store, 0, TODAY + 9, "c.example").count, 0);
  struct rows rows = {.stop = 2};
  assert_int_equal(mts_store_sessions(store, 0, INT64_MAX, NULL, collect, &rows), MTS_OK);
  assert_int_equal(rows.count, 2);
  assert_int_equal(mts_store_sessions(store, 0, INT64_MAX, "B.example", collect, &rows), MTS_ERR_ARGUMENT);
  struct mts_session_row row = session("c.example"); /* no statement was left open */
  add(store, &row, NOW);
  mts_store_close(&store);
}

static void what_cannot_be_read_back_is_not_counted(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  static char endless[MTS_SESSION_POLICY_MAX + 2];
  memset(endless, 'x', sizeof endless - 1);
  struct mts_session_row bad[12];
  for (size_t i = 0; i < 12; i++) bad[i] = session("a.example");
  bad[0].domain = "A.example";
  bad[1].domain = NULL;
  bad[2].type = (enum mts_policy_type)3;
  bad[3].policy = endless;
  bad[4].policy = "mode: \x1b[31m";
  bad[5].result = "a\nb";
  bad[6].mx = endless;
  bad[7].address = endless;
  bad[8].source = "\x7f";
  bad[9].helo = endless;
  bad[10].reason = "\xc3\xa4";
  bad[11].reason = NULL;
  for (size_t i = 0; i < 12; i++) assert_int_equal(mts_store_session_add(store, &bad[i], NOW), MTS_ERR_ARGUMENT);
  bad[0].domain = "a.example";
  assert_int_equal(mts_store_session_add(store, &bad[0], -1), MTS_ERR_ARGUMENT);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM session"), 0);
  mts_store_close(&store);
}

/* ---- the texts are chosen by remote servers ---- */

static void beyond_the_limit_rows_tell_less_and_counts_stay_exact(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  char reason[32], mx[32], policy[32];
  struct mts_session_row row = session("a.example");
  row.reason = reason;
  for (int i = 0; i < MTS_SESSION_ROWS_MAX + 50; i++) {
    snprintf(reason, sizeof reason, "reason %d", i);
    add(store, &row, NOW);
  }
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM session"), MTS_SESSION_ROWS_MAX + 1);
  assert_int_equal(tools_sql(t->path, "SELECT count FROM session WHERE mx <> '' AND reason || helo || source || address = ''"), 50);
  snprintf(reason, sizeof reason, "reason 7"); /* rows that are there go on */
  add(store, &row, NOW);
  assert_int_equal(tools_sql(t->path, "SELECT count FROM session WHERE reason = 'reason 7'"), 2);
  row.mx = mx;
  row.policy = policy;
  for (int i = 0; i < MTS_SESSION_ROWS_MAX + 50; i++) {
    snprintf(mx, sizeof mx, "mx%d.a.example", i);
    snprintf(policy, sizeof policy, "policy %d", i);
    add(store, &row, NOW);
  }
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM session"), 2 * MTS_SESSION_ROWS_MAX + 1);
  assert_int_equal(tools_sql(t->path, "SELECT count FROM session WHERE mx || policy = ''"), 51);
  struct mts_session_row other = session("b.example"); /* another domain is not concerned, nor another day */
  add(store, &other, NOW);
  add(store, &row, NOW + DAY_S);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM session WHERE domain = 'b.example' AND reason <> ''"), 1);
  assert_int_equal(read_all(store).sessions, 2 * (MTS_SESSION_ROWS_MAX + 50) + 3);
  mts_store_close(&store);
}

/* ---- rows others have touched ---- */

static void a_row_edited_to_nonsense_is_left_out_and_said(void **state) {
  struct tools *t = *state;
  static const char *const edits[] = {
      "UPDATE session SET domain = 'A..b'",
      "UPDATE session SET domain = zeroblob(3)",
      "UPDATE session SET type = 'dane'",
      "UPDATE session SET type = ''",
      "UPDATE session SET policy = x'1b'",
      "UPDATE session SET policy = replace(hex(zeroblob(20000)), '0', 'a')",
      "UPDATE session SET result = char(27) || '[31m'",
      "UPDATE session SET mx = replace(hex(zeroblob(20000)), '0', 'a')",
      "UPDATE session SET address = 7.5e300 || char(10)",
      "UPDATE session SET reason = char(233)",
      "UPDATE session SET count = 0",
      "UPDATE session SET count = -5",
      "UPDATE session SET count = 'many'",
      "UPDATE session SET count = 1e300",
      "UPDATE session SET first_at = -1",
      "UPDATE session SET first_at = last_at + 1",
      "UPDATE session SET last_at = 'never'",
  };
  for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
    struct mts_store *store = tools_open(t);
    struct mts_session_row row = session("a.example"), next = session("z.example");
    add(store, &row, NOW);
    t->now_ms += 3600 * 1000;
    t->mono_ms += 3600 * 1000;
    t->lines = 0;
    tools_sql(t->path, edits[i]);
    add(store, &next, NOW); /* what stands behind is read */
    struct rows rows = read_all(store);
    if (rows.count != 1) fail_msg("believed: %s", edits[i]);
    assert_true(t->lines >= 1);
    add(store, &row, NOW); /* and counting goes on */
    tools_sql(t->path, "DELETE FROM session");
    mts_store_close(&store);
  }
}

static void a_count_at_the_end_of_numbers_harms_nobody(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_session_row row = session("a.example");
  add(store, &row, NOW);
  tools_sql(t->path, "UPDATE session SET count = 9223372036854775807");
  assert_int_equal(read_all(store).count, 1);
  add(store, &row, NOW);
  assert_int_equal(read_all(store).count, 0);
  mts_store_close(&store);
}

/* ---- cleaning ---- */

static void a_sweep_keeps_30_days_and_a_flush_keeps_what_has_happened(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_session_row row = session("a.example");
  for (int day = 0; day < 40; day++) add(store, &row, NOW + day * DAY_S);
  assert_int_equal(mts_store_delete(store, NULL, NULL), MTS_OK);
  assert_int_equal(read_all(store).count, 40);
  assert_int_equal(mts_store_sweep(store, NOW + 39 * DAY_S, NULL), MTS_OK);
  assert_int_equal(read_all(store).count, 31); /* today and 30 days */
  assert_int_equal(tools_sql(t->path, "SELECT min(day) FROM session"), TODAY + 9);
  mts_store_close(&store);
}

/* ---- mts_session_record ---- */

struct recorder {
  struct mts *m;
  struct mts_fake *fake;
};

static void open_recorder(struct recorder *r, const char *store) {
  struct mts_settings *settings = NULL;
  assert_int_equal(mts_settings_new(&settings), MTS_OK);
  assert_int_equal(mts_settings_set(settings, "store", store), MTS_OK);
  assert_int_equal(mts_settings_set(settings, "log", "none"), MTS_OK);
  assert_int_equal(mts_new(settings, &r->m), MTS_OK);
  mts_settings_free(&settings);
  assert_int_equal(mts_fake_new(INT64_C(1000) * NOW, &r->fake), MTS_OK);
  mts_lend_net(r->m, mts_fake_net(r->fake)); /* and its clock */
}

static void close_recorder(struct recorder *r) {
  mts_free(&r->m);
  mts_fake_free(&r->fake);
}

static void last_row(struct tools *t, char text[16384]) {
  struct mts_store *store = tools_open(t);
  struct rows rows = read_all(store);
  assert_int_equal(rows.count, 1);
  memcpy(text, rows.last, sizeof rows.last);
  mts_store_close(&store);
  tools_sql(t->path, "DELETE FROM session");
}

static struct mts_policy *policy_of(int count) {
  static const char *mx[2000];
  static char names[2000][32];
  struct mts_policy *policy = NULL;
  for (int i = 0; i < count; i++) {
    snprintf(names[i], sizeof names[i], "mx%d.a.example", i);
    mx[i] = names[i];
  }
  assert_int_equal(mts_policy_new(MTS_MODE_ENFORCE, 86400, mx, (size_t)count, &policy), MTS_OK);
  return policy;
}

static void a_failure_is_kept_with_all_that_a_report_wants(void **state) {
  struct tools *t = *state;
  struct recorder r;
  char row[16384];
  open_recorder(&r, t->path);
  struct mts_policy *policy = policy_of(2);
  const struct mts_session failure = {.domain = "User@A.Example.",
                                      .type = MTS_POLICY_TYPE_STS,
                                      .policy = policy,
                                      .mx = "MX1.a.example.",
                                      .address = "[2001:DB8::1]:25",
                                      .source = "192.0.2.99",
                                      .helo = "mx1 \x1b[31m",
                                      .err = MTS_ERR_CERT_NAME,
                                      .reason = "two\nlines"};
  assert_int_equal(mts_session_record(r.m, &failure), MTS_OK);
  last_row(t, row);
  assert_string_equal(row,
                      "0 a.example sts|version: STSv1\nmode: enforce\nmx: mx0.a.example\nmx: mx1.a.example\nmax_age: 86400|"
                      "certificate-host-mismatch|mx1.a.example|2001:db8::1|192.0.2.99|mx1 \\x1b[31m|two\\x0alines 1 0 0");
  mts_policy_free(&policy);
  close_recorder(&r);
}

static void of_a_session_that_went_well_only_policy_and_mx_are_kept(void **state) {
  struct tools *t = *state;
  struct recorder r;
  char row[16384];
  open_recorder(&r, t->path);
  const struct mts_session good = {.domain = "[a.example]:587",
                                   .type = MTS_POLICY_TYPE_TLSA,
                                   .mx = "mx1.a.example",
                                   .address = "192.0.2.1",
                                   .source = "192.0.2.99",
                                   .helo = "mx1",
                                   .reason = "none"};
  assert_int_equal(mts_session_record(r.m, &good), MTS_OK);
  last_row(t, row);
  assert_string_equal(row, "0 a.example tlsa|||mx1.a.example|||| 1 0 0");
  const struct mts_session least = {.domain = "a.example"};
  assert_int_equal(mts_session_record(r.m, &least), MTS_OK);
  last_row(t, row);
  assert_string_equal(row, "0 a.example no-policy-found||||||| 1 0 0");
  close_recorder(&r);
}

static void texts_without_end_are_cut_and_addresses_that_are_none_left_out(void **state) {
  struct tools *t = *state;
  struct recorder r;
  char row[16384], *endless = malloc(100001);
  assert_non_null(endless);
  memset(endless, 'x', 100000);
  endless[100000] = '\0';
  open_recorder(&r, t->path);
  struct mts_policy *policy = policy_of(2000);
  const struct mts_session failure = {.domain = "a.example",
                                      .type = MTS_POLICY_TYPE_STS,
                                      .policy = policy,
                                      .mx = endless,
                                      .address = endless,
                                      .source = "mx.example",
                                      .helo = endless,
                                      .err = MTS_ERR_TLS_HANDSHAKE,
                                      .reason = endless};
  assert_int_equal(mts_session_record(r.m, &failure), MTS_OK);
  assert_int_equal(tools_sql(t->path, "SELECT length(mx) FROM session"), MTS_NAME_SIZE - 1);
  assert_int_equal(tools_sql(t->path, "SELECT length(helo) FROM session"), MTS_SESSION_HELO_SIZE - 1);
  assert_int_equal(tools_sql(t->path, "SELECT length(reason) FROM session"), MTS_SESSION_REASON_SIZE - 1);
  assert_int_equal(tools_sql(t->path, "SELECT length(address) + length(source) FROM session"), 0);
  last_row(t, row);
  assert_non_null(strstr(row, "\nmx: mx100.a.example\n")); /* whole lines, and the last one */
  assert_non_null(strstr(row, ".a.example\nmax_age: 86400|"));
  mts_policy_free(&policy);
  free(endless);
  close_recorder(&r);
}

static void what_is_no_session_is_an_argument_error_and_no_store_is_no_news(void **state) {
  struct tools *t = *state;
  struct recorder r;
  open_recorder(&r, t->path);
  const struct mts_session wrong[] = {
      {.domain = "a.example", .err = MTS_ERR_SMTP_TIMEOUT}, /* RFC 8460 4.3.4: not reported */
      {.domain = "a.example", .err = MTS_ERR_COUNT},
      {.domain = "a.example", .type = (enum mts_policy_type)3},
      {.domain = "a..example"},
      {.domain = "[192.0.2.1]"},
      {.domain = ""},
      {.domain = NULL},
  };
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    assert_int_equal(mts_session_record(r.m, &wrong[i]), MTS_ERR_ARGUMENT);
  close_recorder(&r);
  const struct mts_session good = {.domain = "a.example"};
  open_recorder(&r, "none");
  assert_int_equal(mts_session_record(r.m, &good), MTS_ERR_STORE_NONE);
  close_recorder(&r);
  open_recorder(&r, "/nonexistent/folder/mtasts.db");
  assert_int_equal(mts_session_record(r.m, &good), MTS_ERR_STORE_OPEN);
  close_recorder(&r);
}

static void each_error_that_has_a_result_type_can_be_recorded(void **state) {
  struct tools *t = *state;
  struct recorder r;
  open_recorder(&r, t->path);
  for (int i = 0; i < MTS_ERR_COUNT; i++) {
    const struct mts_session s = {.domain = "a.example", .err = (enum mts_err)i};
    bool reported = i == MTS_OK || mts_err_result_type((enum mts_err)i);
    assert_int_equal(mts_session_record(r.m, &s), reported ? MTS_OK : MTS_ERR_ARGUMENT);
  }
  close_recorder(&r);
  struct mts_store *store = tools_open(t);
  assert_true(read_all(store).count >= 10);
  mts_store_close(&store);
}

static void policy_types_have_the_names_of_the_rfc(void **state) {
  (void)state;
  assert_string_equal(mts_policy_type_name(MTS_POLICY_TYPE_NONE), "no-policy-found");
  assert_string_equal(mts_policy_type_name(MTS_POLICY_TYPE_STS), "sts");
  assert_string_equal(mts_policy_type_name(MTS_POLICY_TYPE_TLSA), "tlsa");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tools_setup, tools_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(sessions_that_are_alike_are_one_row),
      TEST(sessions_that_differ_in_anything_are_rows_of_their_own),
      TEST(rows_are_read_by_day_and_domain_and_reading_can_stop),
      TEST(what_cannot_be_read_back_is_not_counted),
      TEST(beyond_the_limit_rows_tell_less_and_counts_stay_exact),
      TEST(a_row_edited_to_nonsense_is_left_out_and_said),
      TEST(a_count_at_the_end_of_numbers_harms_nobody),
      TEST(a_sweep_keeps_30_days_and_a_flush_keeps_what_has_happened),
      TEST(a_failure_is_kept_with_all_that_a_report_wants),
      TEST(of_a_session_that_went_well_only_policy_and_mx_are_kept),
      TEST(texts_without_end_are_cut_and_addresses_that_are_none_left_out),
      TEST(what_is_no_session_is_an_argument_error_and_no_store_is_no_news),
      TEST(each_error_that_has_a_result_type_can_be_recorded),
      cmocka_unit_test(policy_types_have_the_names_of_the_rfc),
  };
  return cmocka_run_group_tests_name("sessions in the store", tests, NULL, NULL);
}
