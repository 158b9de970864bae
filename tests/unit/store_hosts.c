/* SPDX-License-Identifier: ISC
 * The MX hosts in the store: what comes back, what is not written, what others have touched, which hosts have an address. */
#include "store_tools.h"

static const char *const two_addresses[] = {"192.0.2.1", "2001:db8::1"};
static const char *const turned_addresses[] = {"2001:db8::1", "192.0.2.1"};
static const char *const one_address[] = {"192.0.2.10"};

static struct mts_host mx1 = {.name = "mx1.example", .preference = 10, .address_count = 2, .addresses = two_addresses};
static struct mts_host mx2 = {.name = "_mx2.example", .preference = 20, .address_count = 1, .addresses = one_address};
static struct mts_host none = {.name = "none.example", .preference = 30, .err = MTS_ERR_MX_ADDRESS};
static struct mts_host unknown = {.name = "unknown.example", .preference = 30};
static struct mts_host unusable = {.name = "", .preference = 5};

static enum mts_err try_put(struct mts_store *store, const char *domain, const struct mts_host *const *list, int64_t learned_at,
                            int64_t expires_at) {
  struct mts_host hosts[300];
  struct mts_store_hosts put = {.learned_at = learned_at, .expires_at = expires_at, .list = hosts};
  for (; list[put.count]; put.count++) hosts[put.count] = *list[put.count];
  return mts_store_hosts_put(store, domain, &put);
}

static void put(struct mts_store *store, const char *domain, const struct mts_host *const *list, int64_t learned_at) {
  assert_int_equal(try_put(store, domain, list, learned_at, learned_at + 300), MTS_OK);
}

#define HOSTS(...) ((const struct mts_host *const[]){__VA_ARGS__, NULL})

static int64_t learned_at(struct tools *t) { return tools_sql(t->path, "SELECT max(learned_at) FROM hosts"); }

/* ---- what comes back ---- */

static void hosts_come_back_in_their_order_with_what_is_known_of_their_addresses(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_store_hosts out = {0};
  assert_int_equal(mts_store_hosts_get(store, "a.example", &out), MTS_ERR_STORE_NONE);
  put(store, "a.example", HOSTS(&unusable, &mx2, &mx1, &none, &unknown), NOW);
  mts_store_close(&store);
  store = tools_open(t);
  assert_int_equal(mts_store_hosts_get(store, "a.example", &out), MTS_OK);
  assert_true(out.learned_at == NOW && out.expires_at == NOW + 300);
  const struct mts_host *const want[] = {&mx2, &mx1, &none, &unknown};
  assert_int_equal(out.count, 4);
  for (size_t i = 0; i < 4; i++) {
    assert_string_equal(out.list[i].name, want[i]->name);
    assert_int_equal(out.list[i].preference, want[i]->preference);
    assert_int_equal(out.list[i].err, want[i]->err);
    assert_int_equal(out.list[i].address_count, want[i]->address_count);
    for (size_t a = 0; a < want[i]->address_count; a++) assert_string_equal(out.list[i].addresses[a], want[i]->addresses[a]);
  }
  mts_store_hosts_clear(&out);
  assert_true(out.list == NULL && out.count == 0);
  mts_store_close(&store);
  assert_int_equal(t->lines, 0);
}

static void what_cannot_be_read_back_is_not_written(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  static const char *const bad_address[] = {"192.0.2.1;"};
  struct mts_host bad_names[] = {{.name = "MX.example"}, {.name = "mx example"}, {.name = "a;b.example"}, {.name = "mx.example."}};
  struct mts_host bad = {.name = "mx.example", .address_count = 1, .addresses = bad_address};
  for (size_t i = 0; i < sizeof bad_names / sizeof bad_names[0]; i++)
    assert_int_equal(try_put(store, "a.example", HOSTS(&mx1, &bad_names[i]), NOW, NOW + 1), MTS_ERR_ARGUMENT);
  assert_int_equal(try_put(store, "a.example", HOSTS(&bad), NOW, NOW + 1), MTS_ERR_ARGUMENT);
  assert_int_equal(try_put(store, "a.example", HOSTS(&unusable), NOW, NOW + 1), MTS_ERR_ARGUMENT);
  assert_int_equal(try_put(store, "A.example", HOSTS(&mx1), NOW, NOW + 1), MTS_ERR_ARGUMENT);
  assert_int_equal(mts_store_hosts_get(store, NULL, NULL), MTS_ERR_ARGUMENT);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM hosts"), 0);
  mts_store_close(&store);
}

static void the_most_and_longest_hosts_that_dns_may_give_come_back(void **state) {
  struct mts_store *store = tools_open(*state);
  static char names[257][MTS_NAME_SIZE];
  static struct mts_host hosts[257];
  const struct mts_host *list[258] = {NULL};
  for (int i = 0; i < 257; i++) {
    static const char label[] = ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefgh";
    snprintf(names[i], sizeof names[i], "h%03d%s%s%s%s", i, label, label, label, label);
    hosts[i] = (struct mts_host){.name = names[i], .preference = 65535, .address_count = 2, .addresses = two_addresses};
    list[i] = &hosts[i];
  }
  struct mts_store_hosts out = {0};
  assert_int_equal(try_put(store, "a.example", list, NOW, NOW + 1), MTS_ERR_ARGUMENT);
  list[256] = NULL;
  put(store, "a.example", list, NOW);
  assert_int_equal(mts_store_hosts_get(store, "a.example", &out), MTS_OK);
  assert_int_equal(out.count, 256);
  assert_string_equal(out.list[255].name, names[255]);
  mts_store_hosts_clear(&out);
  mts_store_close(&store);
}

/* ---- when it is written ---- */

static void a_row_that_says_the_same_is_written_anew_only_when_it_has_expired(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_host turned = mx1;
  turned.addresses = turned_addresses;
  put(store, "a.example", HOSTS(&mx1, &mx2), NOW);
  t->now_ms += 400 * 1000;
  put(store, "a.example", HOSTS(&mx1, &mx2), NOW + 299);
  assert_int_equal(learned_at(t), NOW);
  put(store, "a.example", HOSTS(&mx2, &turned), NOW + 299); /* in another order */
  assert_int_equal(learned_at(t), NOW);
  put(store, "a.example", HOSTS(&mx1, &mx2), NOW + 300);
  assert_int_equal(learned_at(t), NOW + 300);
  mts_store_close(&store);
}

static void a_row_that_says_something_else_is_written_at_once(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_host preferred = mx1, fewer = mx1, failing = unknown;
  preferred.preference = 1;
  fewer.address_count = 1;
  failing.err = MTS_ERR_MX_ADDRESS;
  const struct mts_host *const *const changes[] = {
      HOSTS(&mx1), HOSTS(&preferred), HOSTS(&fewer), HOSTS(&fewer, &unknown), HOSTS(&fewer, &failing), HOSTS(&failing),
  };
  t->now_ms += 100 * 1000;
  for (int i = 0; i < (int)(sizeof changes / sizeof changes[0]); i++) {
    put(store, "a.example", changes[i], NOW + i);
    assert_int_equal(learned_at(t), NOW + i);
  }
  mts_store_close(&store);
}

static void a_row_without_ttl_is_written_once_an_hour(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  t->now_ms += 7200 * 1000;
  for (int at = 0; at <= 3600; at += 600) {
    assert_int_equal(try_put(store, "a.example", HOSTS(&mx1), NOW + at, NOW + at), MTS_OK);
    assert_int_equal(learned_at(t), at < 3600 ? NOW : NOW + 3600);
  }
  mts_store_close(&store);
}

static void a_row_dated_by_a_clock_that_was_wrong_is_written_anew(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  put(store, "a.example", HOSTS(&mx1), NOW + 86400);
  put(store, "a.example", HOSTS(&mx1), NOW);
  assert_int_equal(learned_at(t), NOW);
  mts_store_close(&store);
}

/* ---- rows others have touched ---- */

static void a_damaged_row_counts_as_absent_and_is_learned_anew(void **state) {
  struct tools *t = *state;
  static const char *const edits[] = {
      "UPDATE hosts SET hosts = '10 evil.example 192.0.2.66'",
      "UPDATE hosts SET hosts = ''",
      "UPDATE hosts SET hosts = hosts || ';'",
      "UPDATE hosts SET hosts = x'00'",
      "UPDATE hosts SET hosts = replace(hex(zeroblob(200000)), '0', 'a')",
      "UPDATE hosts SET expires_at = expires_at + 1",
      "UPDATE hosts SET learned_at = 'never'",
      "UPDATE hosts SET sum = sum - 1",
      "UPDATE hosts SET sum = 'x'",
  };
  for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
    struct mts_store *store = tools_open(t);
    struct mts_store_hosts out = {0};
    put(store, "a.example", HOSTS(&mx1), NOW);
    t->now_ms += 3600 * 1000;
    t->mono_ms += 3600 * 1000;
    t->lines = 0;
    tools_sql(t->path, edits[i]);
    if (mts_store_hosts_get(store, "a.example", &out) != MTS_ERR_STORE_NONE) fail_msg("believed: %s", edits[i]);
    assert_true(out.list == NULL && t->lines >= 1);
    put(store, "a.example", HOSTS(&mx1), NOW);
    assert_int_equal(mts_store_hosts_get(store, "a.example", &out), MTS_OK);
    mts_store_hosts_clear(&out);
    mts_store_close(&store);
  }
}

static uint64_t sum_bytes(uint64_t sum, const void *bytes, size_t n) {
  const unsigned char *p = bytes;
  for (size_t i = 0; i < n; i++) sum = (sum ^ p[i]) * UINT64_C(1099511628211);
  return sum;
}

/* A row whose sum is right, whatever its text: as from another version of this program. */
static void plant(struct tools *t, const char *text) {
  const int64_t times[] = {NOW, NOW + 300};
  const char *const texts[] = {"a.example", text};
  uint64_t sum = UINT64_C(14695981039346656037);
  char sql[512];
  for (size_t i = 0; i < 2; i++) {
    int64_t n = (int64_t)strlen(texts[i]);
    sum = sum_bytes(sum_bytes(sum, &n, sizeof n), texts[i], (size_t)n);
  }
  for (size_t i = 0; i < 2; i++) sum = sum_bytes(sum, &times[i], sizeof times[i]);
  snprintf(sql, sizeof sql, "INSERT OR REPLACE INTO hosts VALUES('a.example', '%s', %d, %d, %lld)", text, NOW, NOW + 300,
           (long long)(int64_t)sum);
  tools_sql(t->path, sql);
}

static void a_text_that_is_no_list_of_hosts_counts_as_absent_even_with_the_right_sum(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_store_hosts out = {0};
  static const char *const bad[] = {
      "",
      "10",
      " ",
      "10 ",
      "x mx.test",
      "-1 mx.test",
      "65536 mx.test",
      "10 mx..test",
      "10 mx.test x",
      "10 MX.test",
      "10  mx.test",
      "10 mx.test 192.0.2.1  192.0.2.2",
      "10 mx.test 192.0.2.1;",
      ";10 mx.test",
      "10 mx.test ? 192.0.2.1",
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    plant(t, bad[i]);
    if (mts_store_hosts_get(store, "a.example", &out) != MTS_ERR_STORE_NONE) fail_msg("believed: %s", bad[i]);
    assert_null(out.list);
  }
  plant(t, "10 mx.test 192.0.2.1"); /* the test plants what is read */
  assert_int_equal(mts_store_hosts_get(store, "a.example", &out), MTS_OK);
  mts_store_hosts_clear(&out);
  mts_store_close(&store);
}

/* ---- addresses ---- */

struct seen {
  char text[2000];
  size_t calls, stop;
};

static bool see(void *arg, const char *domain, const char *host, int64_t learned) {
  struct seen *seen = arg;
  size_t n = strlen(seen->text);
  snprintf(seen->text + n, sizeof seen->text - n, "%s/%s/%d ", domain, host, (int)(learned - NOW));
  return ++seen->calls != seen->stop;
}

static void an_address_names_its_hosts_latest_first_expired_or_not(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct seen seen = {.text = ""};
  put(store, "old.example", HOSTS(&mx1), NOW - 5000);
  put(store, "new.example", HOSTS(&none, &mx2, &mx1), NOW);
  put(store, "other.example", HOSTS(&mx2), NOW);
  tools_sql(t->path, "INSERT INTO hosts VALUES('damaged.example', '10 mx1.example 192.0.2.1', 1, 2, 3)");
  assert_int_equal(mts_store_hosts_of_address(store, "192.0.2.1", see, &seen), MTS_OK);
  assert_string_equal(seen.text, "new.example/mx1.example/0 old.example/mx1.example/-5000 ");
  seen = (struct seen){.text = ""};
  assert_int_equal(mts_store_hosts_of_address(store, "2001:DB8:0::1", see, &seen), MTS_OK); /* in any way of writing */
  assert_int_equal(seen.calls, 2);
  seen = (struct seen){.stop = 1};
  assert_int_equal(mts_store_hosts_of_address(store, "192.0.2.1", see, &seen), MTS_OK);
  assert_int_equal(seen.calls, 1);
  assert_int_equal(mts_store_hosts_of_address(store, "192.0.2.99", see, &seen), MTS_OK);
  assert_int_equal(seen.calls, 1);
  assert_int_equal(mts_store_hosts_of_address(store, "192.0.2", see, &seen), MTS_ERR_ARGUMENT);
  assert_int_equal(mts_store_hosts_of_address(store, NULL, see, &seen), MTS_ERR_ARGUMENT);
  put(store, "old.example", HOSTS(&mx2), NOW); /* no statement was left open */
  mts_store_close(&store);
}

static void an_address_of_very_many_domains_names_a_bounded_number(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct seen seen = {.text = ""};
  for (int i = 0; i < MTS_STORE_HOSTS_MAX + 10; i++) {
    char domain[32];
    snprintf(domain, sizeof domain, "d%d.example", i);
    put(store, domain, HOSTS(&mx1), NOW);
  }
  assert_int_equal(mts_store_hosts_of_address(store, "192.0.2.1", see, &seen), MTS_OK);
  assert_int_equal(seen.calls, MTS_STORE_HOSTS_MAX);
  mts_store_close(&store);
}

/* ---- forgetting and counting ---- */

static void a_flush_drops_the_hosts_too_and_statistics_count_them(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  struct mts_store_hosts out = {0};
  struct mts_store_stats stats;
  size_t removed = 0;
  for (int i = 0; i < 3; i++) {
    char domain[32];
    snprintf(domain, sizeof domain, "d%d.example", i);
    tools_put(store, domain, i);
    put(store, domain, HOSTS(&mx1), NOW);
  }
  assert_int_equal(mts_store_stats(store, NOW, &stats), MTS_OK);
  assert_int_equal(stats.hosts, 3);
  assert_int_equal(stats.oldest_fetch, NOW);
  assert_int_equal(mts_store_delete(store, "d1.example", &removed), MTS_OK);
  assert_int_equal(removed, 1);
  assert_int_equal(mts_store_hosts_get(store, "d1.example", &out), MTS_ERR_STORE_NONE);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM hosts"), 2);
  assert_int_equal(mts_store_delete(store, NULL, &removed), MTS_OK);
  assert_int_equal(removed, 2);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM hosts"), 0);
  mts_store_close(&store);
}

static void a_sweep_forgets_hosts_expired_for_30_days(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  put(store, "old.example", HOSTS(&mx1), NOW - 300);
  put(store, "young.example", HOSTS(&mx1), NOW - 299);
  assert_int_equal(mts_store_sweep(store, NOW + 30 * 86400, NULL), MTS_OK);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM hosts WHERE domain = 'young.example'"), 1);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM hosts"), 1);
  mts_store_close(&store);
}

static int reads_only(struct tools *t) {
  struct mts_store *store = NULL;
  struct mts_store_hosts out = {0};
  if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) return 99;
  if (mts_store_open(t->path, &t->clock, t->log, &store)) return 1;
  t->lines = 0;
  if (mts_store_hosts_get(store, "a.example", &out)) return 2;
  mts_store_hosts_clear(&out);
  if (try_put(store, "a.example", HOSTS(&mx2), NOW, NOW + 1) != MTS_ERR_STORE_IO) return 3;
  if (t->lines) return 4;
  mts_store_close(&store);
  return 0;
}

static void who_may_only_read_is_not_told_so_with_each_lookup(void **state) {
  struct tools *t = *state;
  static const char *const ends[] = {"", "-wal", "-shm"};
  struct mts_store *store = tools_open(t);
  put(store, "a.example", HOSTS(&mx1), NOW);
  mts_store_close(&store);
  for (size_t i = 0; i < 3; i++) {
    char name[128];
    snprintf(name, sizeof name, "%s%s", t->path, ends[i]);
    assert_int_equal(chmod(name, 0444), 0);
  }
  assert_int_equal(chmod(t->folder, 0555), 0);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) _exit(reads_only(t));
  int status = 0;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tools_setup, tools_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(hosts_come_back_in_their_order_with_what_is_known_of_their_addresses),
      TEST(what_cannot_be_read_back_is_not_written),
      TEST(the_most_and_longest_hosts_that_dns_may_give_come_back),
      TEST(a_row_that_says_the_same_is_written_anew_only_when_it_has_expired),
      TEST(a_row_that_says_something_else_is_written_at_once),
      TEST(a_row_without_ttl_is_written_once_an_hour),
      TEST(a_row_dated_by_a_clock_that_was_wrong_is_written_anew),
      TEST(a_damaged_row_counts_as_absent_and_is_learned_anew),
      TEST(a_text_that_is_no_list_of_hosts_counts_as_absent_even_with_the_right_sum),
      TEST(an_address_names_its_hosts_latest_first_expired_or_not),
      TEST(an_address_of_very_many_domains_names_a_bounded_number),
      TEST(a_flush_drops_the_hosts_too_and_statistics_count_them),
      TEST(a_sweep_forgets_hosts_expired_for_30_days),
      TEST(who_may_only_read_is_not_told_so_with_each_lookup),
  };
  return cmocka_run_group_tests_name("MX hosts in the store", tests, NULL, NULL);
}
