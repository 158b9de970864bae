/* SPDX-License-Identifier: ISC
 * Files that older versions have written: their statements as they were, and what becomes of them. */
#include "store_tools.h"

/* What version 1 of the tables wrote: a policy with a failed attempt (tools_entry 1), a domain without record, a lease. */
static const char version_1[] =
    "PRAGMA journal_mode=WAL;"
    "CREATE TABLE attempt( domain TEXT NOT NULL PRIMARY KEY, checked_at INTEGER NOT NULL, check_at INTEGER NOT NULL, err TEXT NOT "
    "NULL,"
    " detail TEXT NOT NULL, failed_at INTEGER NOT NULL, failing_since INTEGER NOT NULL, failed_id TEXT NOT NULL, retry_at INTEGER "
    "NOT"
    " NULL, tries INTEGER NOT NULL, alarmed_at INTEGER NOT NULL, sum INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO attempt VALUES('example.com',1800000011,1800000311,'https-cert-name','the certificate is for other.example, try "
    "1',"
    "1800000021,1800000006,'failed1',1800000601,3000000001,1800000031,2012058233378768992);"
    "INSERT INTO attempt VALUES('none.example',1800000000,1800000300,'record-none','',0,0,'',0,0,0,-2884684373930246105);"
    "CREATE TABLE lease( domain TEXT NOT NULL PRIMARY KEY, owner TEXT NOT NULL, until_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO lease VALUES('example.com','process 7',1800000005000);"
    "CREATE TABLE policy( domain TEXT NOT NULL PRIMARY KEY, mode TEXT NOT NULL, max_age INTEGER NOT NULL, mx TEXT NOT NULL, id "
    "TEXT NOT"
    " NULL, fetched_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, refresh_at INTEGER NOT NULL, sum INTEGER NOT NULL) WITHOUT "
    "ROWID;"
    "INSERT INTO policy VALUES('example.com','enforce',86401,'mx1.example.net *.mail.example.net "
    "mx2.example.net','20261',1800000001,"
    "1800086402,1800040001,6920397850420407378);"
    "CREATE VIEW sts_domain(domain, mode, expires) AS SELECT domain, mode, expires_at FROM policy;"
    "PRAGMA user_version=1; PRAGMA application_id=1834177619";

/* What version 2 added to it, with MX hosts and a counter. */
static const char version_2[] =
    "CREATE TABLE hosts( domain TEXT NOT NULL PRIMARY KEY, hosts TEXT NOT NULL, learned_at INTEGER NOT NULL, expires_at INTEGER "
    "NOT "
    "NULL, sum INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE session( day INTEGER NOT NULL, domain TEXT NOT NULL, type TEXT NOT NULL, policy TEXT NOT NULL, result TEXT NOT "
    "NULL,"
    " mx TEXT NOT NULL, address TEXT NOT NULL, source TEXT NOT NULL, helo TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT "
    "NULL,"
    " first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, PRIMARY KEY(day, domain, type, policy, result, mx, address, source, "
    "helo, "
    "reason)) WITHOUT ROWID;"
    "INSERT INTO session "
    "VALUES(20832,'old.example','no-policy-found','','starttls-not-supported','mx.old.example','192.0.2.1','','mx',"
    "'',41,1799900000,1799900001);"
    "PRAGMA user_version=2;";
static const char version_3[] =
    "CREATE TABLE delivery( day INTEGER NOT NULL, domain TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, owner TEXT NOT NULL,"
    " until_ms INTEGER NOT NULL, tries INTEGER NOT NULL, first_at INTEGER NOT NULL, next_at INTEGER NOT NULL, changed_at INTEGER "
    "NOT NULL,"
    " uri TEXT NOT NULL, detail TEXT NOT NULL, PRIMARY KEY(day, domain)) WITHOUT ROWID;"
    "PRAGMA user_version=3;";
static const char version_4[] =
    "ALTER TABLE session ADD COLUMN moved INTEGER DEFAULT 0;"
    "CREATE TABLE batch( id TEXT NOT NULL, day INTEGER NOT NULL, domain TEXT NOT NULL, type TEXT NOT NULL, policy TEXT NOT NULL,"
    " result TEXT NOT NULL, mx TEXT NOT NULL, address TEXT NOT NULL, source TEXT NOT NULL, helo TEXT NOT NULL, reason TEXT NOT "
    "NULL,"
    " count INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,"
    " PRIMARY KEY(id, day, domain, type, policy, result, mx, address, source, helo, reason)) WITHOUT ROWID;"
    "CREATE TABLE shared(generation TEXT NOT NULL, moved_at INTEGER NOT NULL);"
    "INSERT INTO shared VALUES('generation1', 1799900000);"
    "PRAGMA user_version=4;";

/* A report can be claimed, handed over and noted, once. */
static enum mts_err deliver(struct tools *t, struct mts_store *store) {
  const struct mts_delivery_claim claim = {
      .day = 20832, .domain = "old.example", .id = "id", .owner = "me", .now_ms = t->now_ms, .until_ms = t->now_ms + 60000};
  struct mts_delivery delivery;
  bool unsure = true, ours = false;
  enum mts_err err = mts_store_delivery_claim(store, &claim, &delivery, &unsure);
  if (!err && (delivery.state != MTS_DELIVERY_CLAIMED || unsure)) return MTS_ERR_INTERNAL;
  if (!err)
    err = mts_store_delivery_hand(store, 20832, "old.example", "me", "mailto:a@b.example", t->now_ms, t->now_ms + 60000, &ours);
  if (!err && !ours) return MTS_ERR_INTERNAL;
  return err ? err : mts_store_delivery_note(store, 20832, "old.example", "me", MTS_DELIVERY_SENT, "", "", t->now_ms, &delivery);
}

/* All of the old version and the new tables, which work. */
static enum mts_err use(struct tools *t, struct mts_store *store) {
  static const struct mts_session_row session = {
      .domain = "example.com", .policy = "", .result = "", .mx = "", .address = "", .source = "", .helo = "", .reason = ""};
  struct mts_host host = {.name = "mx1.example.net"};
  struct mts_store_hosts hosts = {.learned_at = NOW, .expires_at = NOW + 300, .count = 1, .list = &host}, out = {0};
  struct mts_entry none = {0};
  bool kept = tools_has(store, "example.com", 1) && mts_store_get(store, "none.example", &none) == MTS_OK &&
              none.err == MTS_ERR_RECORD_NONE && none.check_at == NOW + 300;
  mts_entry_clear(&none);
  if (!kept || t->lines) return MTS_ERR_INTERNAL;
  enum mts_err err = mts_store_hosts_put(store, "example.com", &hosts);
  if (!err) err = mts_store_hosts_get(store, "example.com", &out);
  mts_store_hosts_clear(&out);
  return err ? err : mts_store_session_add(store, &session, NOW);
}

static void a_file_of_version_1_is_brought_forward_with_all_that_is_in_it(void **state) {
  struct tools *t = *state;
  bool taken = true;
  int64_t until = 0;
  tools_sql(t->path, version_1);
  struct mts_store *store = tools_open(t);
  assert_int_equal(tools_sql(t->path, "PRAGMA user_version"), 5);
  assert_int_equal(use(t, store), MTS_OK);
  assert_int_equal(mts_store_lease(store, "example.com", "us", t->now_ms, t->now_ms + 1, &taken, &until), MTS_OK);
  assert_true(!taken && until == INT64_C(1800000005000));
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM sts_domain"), 1);
  mts_store_close(&store);
  store = tools_open(t); /* and stays so */
  assert_int_equal(use(t, store), MTS_OK);
  mts_store_close(&store);
  assert_true(tools_is_sound(t->path));
}

static void a_file_of_version_2_keeps_its_counters_and_can_note_reports(void **state) {
  struct tools *t = *state;
  tools_sql(t->path, version_1);
  tools_sql(t->path, version_2);
  struct mts_store *store = tools_open(t);
  assert_int_equal(tools_sql(t->path, "PRAGMA user_version"), 5);
  assert_int_equal(tools_sql(t->path, "SELECT count FROM session WHERE domain = 'old.example'"), 41);
  assert_int_equal(use(t, store), MTS_OK);
  assert_int_equal(deliver(t, store), MTS_OK);
  mts_store_close(&store);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM delivery WHERE state = 'sent'"), 1);
  assert_true(tools_is_sound(t->path));
}

static void a_file_of_version_3_keeps_its_counters_and_counts_on(void **state) {
  struct tools *t = *state;
  tools_sql(t->path, version_1);
  tools_sql(t->path, version_2);
  tools_sql(t->path, version_3);
  struct mts_store *store = tools_open(t);
  assert_int_equal(tools_sql(t->path, "PRAGMA user_version"), 5);
  assert_int_equal(tools_sql(t->path, "SELECT count - moved FROM session WHERE domain = 'old.example'"), 41);
  assert_int_equal(use(t, store), MTS_OK);
  assert_int_equal(deliver(t, store), MTS_OK);
  mts_store_close(&store);
  assert_true(tools_is_sound(t->path));
}

static void a_file_of_version_4_keeps_what_it_knows_of_the_shared_store(void **state) {
  struct tools *t = *state;
  bool silent = true;
  tools_sql(t->path, version_1);
  tools_sql(t->path, version_2);
  tools_sql(t->path, version_3);
  tools_sql(t->path, version_4);
  struct mts_store *store = tools_open(t);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM shared WHERE generation = 'generation1' AND moved_at = 1799900000"), 1);
  assert_int_equal(mts_store_silence_get(store, t->now_ms, &silent), MTS_OK);
  assert_false(silent);
  assert_int_equal(use(t, store), MTS_OK);
  mts_store_close(&store);
  assert_true(tools_is_sound(t->path));
}

static void of_several_that_open_an_old_file_at_once_each_can_use_it(void **state) {
  struct tools *t = *state;
  enum { CHILDREN = 8 };
  pid_t pids[CHILDREN];
  tools_sql(t->path, version_1);
  for (int i = 0; i < CHILDREN; i++) {
    pids[i] = fork();
    assert_true(pids[i] >= 0);
    if (pids[i] == 0) {
      struct mts_store *store = NULL;
      enum mts_err err = mts_store_open(t->path, &t->clock, t->log, &store);
      if (!err) err = use(t, store);
      mts_store_close(&store);
      _exit(err != MTS_OK);
    }
  }
  for (int i = 0; i < CHILDREN; i++) {
    int status = 1;
    assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
    assert_int_equal(status, 0);
  }
  assert_int_equal(tools_sql(t->path, "SELECT count FROM session"), CHILDREN);
  assert_true(tools_is_sound(t->path));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tools_setup, tools_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_file_of_version_1_is_brought_forward_with_all_that_is_in_it),
      TEST(a_file_of_version_2_keeps_its_counters_and_can_note_reports),
      TEST(a_file_of_version_3_keeps_its_counters_and_counts_on),
      TEST(a_file_of_version_4_keeps_what_it_knows_of_the_shared_store),
      TEST(of_several_that_open_an_old_file_at_once_each_can_use_it),
  };
  return cmocka_run_group_tests_name("files of older versions", tests, NULL, NULL);
}
