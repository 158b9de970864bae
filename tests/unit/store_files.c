/* SPDX-License-Identifier: ISC
 * The store's file: place, mode, version, damage, replacement. */
#include "store/internal.h"
#include "store_tools.h"

static mode_t mode_of(const char *path, const char *end) {
  char name[128];
  struct stat st;
  snprintf(name, sizeof name, "%s%s", path, end);
  return stat(name, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void files_are_0660_whatever_the_umask(void **state) {
  struct tools *t = *state;
  const mode_t masks[] = {000, 022, 077, 0777};
  for (size_t i = 0; i < 4; i++) {
    mode_t before = umask(masks[i]);
    struct mts_store *store = tools_open(t);
    tools_put(store, "example.com", 1);
    umask(before);
    assert_int_equal(mode_of(t->path, ""), 0660);
    assert_int_equal(mode_of(t->path, "-wal"), 0660);
    assert_int_equal(mode_of(t->path, "-shm"), 0660);
    mts_store_close(&store);
    assert_int_equal(unlink(t->path), 0);
  }
}

static void only_a_regular_file_is_opened(void **state) {
  struct tools *t = *state;
  char other[128], linked[160];
  struct mts_store *store = tools_open(t);
  mts_store_close(&store);
  snprintf(other, sizeof other, "%s/other.db", t->folder);
  assert_int_equal(symlink(t->path, other), 0);
  assert_int_equal(tools_try_open(t, other), MTS_ERR_STORE_OPEN);
  assert_non_null(strstr(t->last, "symbolic link"));
  assert_int_equal(unlink(other), 0);
  assert_int_equal(symlink("/nowhere/at/all", other), 0); /* nor is its target made */
  assert_int_equal(tools_try_open(t, other), MTS_ERR_STORE_OPEN);
  assert_int_equal(unlink(other), 0);
  assert_int_equal(mkfifo(other, 0600), 0);
  assert_int_equal(tools_try_open(t, other), MTS_ERR_STORE_OPEN);
  assert_int_equal(unlink(other), 0);
  assert_int_equal(mkdir(other, 0700), 0);
  assert_int_equal(tools_try_open(t, other), MTS_ERR_STORE_OPEN);
  assert_int_equal(rmdir(other), 0);
  assert_int_equal(symlink(t->folder, other), 0); /* a folder may be reached through one */
  snprintf(linked, sizeof linked, "%s/mtasts.db", other);
  assert_int_equal(tools_try_open(t, linked), MTS_OK);
}

static void the_default_place_is_made_with_0700(void **state) {
  struct tools *t = *state;
  char home[96], state_home[96], want[160], *path = NULL;
  snprintf(home, sizeof home, "%s/home", t->folder);
  snprintf(state_home, sizeof state_home, "%s/state", t->folder);
  mode_t before = umask(0);
  assert_int_equal(store_default_path(t->folder, t->log, &path), MTS_OK);
  assert_string_equal(path, t->path);
  free(path);
  setenv("HOME", home, 1);
  setenv("XDG_STATE_HOME", state_home, 1);
  assert_int_equal(store_default_path("/nowhere/mtasts", t->log, &path), MTS_OK);
  snprintf(want, sizeof want, "%s/mtasts/mtasts.db", state_home);
  assert_string_equal(path, want);
  assert_int_equal(mode_of(state_home, "/mtasts"), 0700);
  assert_int_equal(tools_try_open(t, path), MTS_OK);
  free(path);
  setenv("XDG_STATE_HOME", "relative", 1); /* the specification: to be ignored */
  assert_int_equal(store_default_path("/nowhere/mtasts", t->log, &path), MTS_OK);
  snprintf(want, sizeof want, "%s/.local/state/mtasts/mtasts.db", home);
  assert_string_equal(path, want);
  assert_int_equal(mode_of(home, "/.local/state/mtasts"), 0700);
  free(path);
  unsetenv("XDG_STATE_HOME");
  umask(before);
}

/* ---- versions ---- */

static void another_program_s_database_is_left_alone(void **state) {
  struct tools *t = *state;
  static const char *const others[] = {"CREATE TABLE t(a)", "PRAGMA application_id=7", "PRAGMA user_version=1"};
  for (size_t i = 0; i < 3; i++) {
    tools_sql(t->path, others[i]);
    uint64_t before = tools_hash(t->path);
    assert_int_equal(tools_try_open(t, t->path), MTS_ERR_STORE_OPEN);
    assert_true(before != 0 && tools_hash(t->path) == before);
    assert_int_equal(unlink(t->path), 0);
  }
}

static void a_newer_version_is_refused_and_not_touched(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  mts_store_close(&store);
  tools_sql(t->path, "PRAGMA user_version=99");
  uint64_t before = tools_hash(t->path);
  assert_int_equal(tools_try_open(t, t->path), MTS_ERR_STORE_VERSION);
  assert_true(tools_hash(t->path) == before);
  assert_non_null(strstr(t->last, "99"));
}

static void an_older_version_is_brought_forward_in_one_step_or_not_at_all(void **state) {
  struct tools *t = *state;
  struct mts_store *store = tools_open(t);
  tools_put(store, "example.com", 1);
  const int version = store_schema_version;
  assert_int_equal(tools_sql(t->path, "PRAGMA user_version"), version);
  assert_int_equal(version, 5);
  const char *const broken[] = {store_schema_steps[0],
                                store_schema_steps[1],
                                store_schema_steps[2],
                                store_schema_steps[3],
                                store_schema_steps[4],
                                "CREATE TABLE extra(a); INSERT INTO extra VALUES(1)",
                                "CREATE TABLE extra2(a); SELECT * FROM missing"};
  assert_true(store_schema_ensure(store, broken, 7) != MTS_OK);
  assert_int_equal(tools_sql(t->path, "PRAGMA user_version"), version);
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'extra%'"), 0);
  assert_true(tools_has(store, "example.com", 1));
  const char *const good[] = {store_schema_steps[0],
                              store_schema_steps[1],
                              store_schema_steps[2],
                              store_schema_steps[3],
                              store_schema_steps[4],
                              "CREATE TABLE extra(a); INSERT INTO extra VALUES(1)",
                              "ALTER TABLE extra ADD COLUMN b; UPDATE extra SET b = 2"};
  assert_int_equal(store_schema_ensure(store, good, 7), MTS_OK);
  assert_int_equal(store_schema_ensure(store, good, 7), MTS_OK); /* nothing left to do */
  assert_int_equal(tools_sql(t->path, "PRAGMA user_version"), version + 2);
  assert_int_equal(tools_sql(t->path, "SELECT sum(b) FROM extra"), 2);
  assert_true(tools_has(store, "example.com", 1));
  mts_store_close(&store);
}

/* ---- replaced, damaged ---- */

static void two_handles_see_each_other_s_changes(void **state) {
  struct tools *t = *state;
  struct mts_store *one = tools_open(t), *two = tools_open(t);
  tools_put(one, "a.example", 1);
  assert_true(tools_has(two, "a.example", 1));
  tools_put(two, "a.example", 2);
  assert_true(tools_has(one, "a.example", 2));
  mts_store_close(&one);
  tools_put(two, "a.example", 3);
  one = tools_open(t);
  assert_true(tools_has(one, "a.example", 3));
  mts_store_close(&one);
  mts_store_close(&two);
}

static void a_removed_file_is_noticed_within_a_second(void **state) {
  struct tools *t = *state;
  struct mts_store *one = tools_open(t), *two = tools_open(t);
  tools_put(one, "old.example", 1);
  assert_true(tools_has(two, "old.example", 1));
  assert_int_equal(unlink(t->path), 0); /* -wal and -shm stay behind, as when people move the file */
  t->mono_ms += 1000;
  assert_false(tools_has(one, "old.example", 1));
  tools_put(one, "new.example", 2);
  assert_true(tools_has(two, "new.example", 2));
  tools_put(two, "new2.example", 3);
  assert_true(tools_has(one, "new2.example", 3));
  mts_store_close(&two);
  mts_store_close(&one);
  assert_true(tools_is_sound(t->path));
  assert_int_equal(tools_sql(t->path, "SELECT count(*) FROM policy"), 2);
}

static void no_database_is_damage_and_the_file_is_left_alone_until_it_is_moved(void **state) {
  struct tools *t = *state;
  char away[128];
  struct mts_store *store = tools_open(t);
  for (int i = 0; i < 300; i++) {
    char domain[32];
    snprintf(domain, sizeof domain, "d%d.example", i);
    tools_put(store, domain, i);
  }
  mts_store_close(&store);
  store = tools_open(t);
  FILE *file = fopen(t->path, "r+b"); /* closing drops SQLite's locks of this process: nobody else is here */
  struct stat st;
  assert_int_equal(fstat(fileno(file), &st), 0);
  for (off_t i = 0; i < st.st_size; i++) fputc('x', file);
  fclose(file);
  assert_false(tools_has(store, "d7.example", 7));
  uint64_t before = tools_hash(t->path);
  t->lines = 0;
  for (int i = 0; i < 5; i++) assert_int_equal(tools_try_put(store, "a.example", 1), MTS_ERR_STORE_DAMAGED);
  assert_int_equal(t->lines, 0); /* it was said once */
  assert_non_null(strstr(t->last, "move it away"));
  snprintf(away, sizeof away, "%s.bad", t->path);
  assert_int_equal(rename(t->path, away), 0);
  t->mono_ms += 1000;
  tools_put(store, "a.example", 1); /* a new file */
  assert_true(tools_has(store, "a.example", 1));
  assert_true(tools_hash(away) == before);
  mts_store_close(&store);
}

/* Opens, reads all, writes; returns the worst that was said. Wrong data ends the test. */
static int use_damaged(struct tools *t, int count, bool *damaged, uint64_t *hash) {
  struct mts_store *store = NULL;
  int right = 0;
  enum mts_err err = mts_store_open(t->path, &t->clock, t->log, &store);
  *damaged = err == MTS_ERR_STORE_DAMAGED;
  for (int i = 0; !err && i < count; i++) {
    char domain[32];
    struct mts_entry want, have = {0};
    snprintf(domain, sizeof domain, "d%d.example", i);
    err = mts_store_get(store, domain, &have);
    tools_entry(&want, domain, i);
    if (err == MTS_OK) {
      if (have.policy) assert_true(tools_policy_equal(have.policy, want.policy) && have.expires_at == want.expires_at);
      if (have.checked_at) assert_true(have.check_at == want.check_at && strcmp(have.detail, want.detail) == 0);
      right += tools_equal(&want, &have);
    }
    mts_entry_clear(&want);
    mts_entry_clear(&have);
    if (err == MTS_ERR_STORE_DAMAGED) *damaged = true;
    if (err == MTS_ERR_STORE_NONE) err = MTS_OK;
  }
  if (store && *damaged) {
    *hash = tools_hash(t->path);
    assert_int_equal(tools_try_put(store, "d1.example", 9), MTS_ERR_STORE_DAMAGED);
    assert_int_equal(mts_store_delete(store, NULL, NULL), MTS_ERR_STORE_DAMAGED);
  }
  mts_store_close(&store);
  return right;
}

static void damage_anywhere_gives_an_error_or_right_data(void **state) {
  struct tools *t = *state;
  char good[128];
  snprintf(good, sizeof good, "%s/good", t->folder);
  struct mts_store *store = tools_open(t);
  for (int i = 0; i < 200; i++) {
    char domain[32];
    snprintf(domain, sizeof domain, "d%d.example", i);
    tools_put(store, domain, i);
  }
  mts_store_close(&store);
  assert_int_equal(rename(t->path, good), 0);
  unsigned seed = 12345;
  int damaged_runs = 0, whole_runs = 0;
  for (int run = 0; run < 60; run++) {
    char bytes[300000];
    FILE *file = fopen(good, "rb");
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_in_range(n, 20000, sizeof bytes - 1);
    size_t at = (size_t)rand_r(&seed) % n, length = run % 2 ? 1 : 1 + (size_t)rand_r(&seed) % 5000;
    for (size_t i = at; i < at + length && i < n; i++) bytes[i] = (char)(bytes[i] ^ (1 + rand_r(&seed) % 255));
    if (run % 10 == 9) n = at; /* cut off */
    file = fopen(t->path, "wb");
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
    bool damaged = false;
    uint64_t hash = tools_hash(t->path);
    int right = use_damaged(t, 200, &damaged, &hash);
    if (damaged) assert_true(tools_hash(t->path) == hash); /* left alone */
    damaged_runs += damaged;
    whole_runs += right == 200;
    char other[128];
    unlink(t->path);
    snprintf(other, sizeof other, "%s-wal", t->path);
    unlink(other);
    snprintf(other, sizeof other, "%s-shm", t->path);
    unlink(other);
  }
  assert_true(damaged_runs > 5); /* the test does damage */
  assert_true(whole_runs < 60);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tools_setup, tools_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(files_are_0660_whatever_the_umask),
      TEST(only_a_regular_file_is_opened),
      TEST(the_default_place_is_made_with_0700),
      TEST(another_program_s_database_is_left_alone),
      TEST(a_newer_version_is_refused_and_not_touched),
      TEST(an_older_version_is_brought_forward_in_one_step_or_not_at_all),
      TEST(two_handles_see_each_other_s_changes),
      TEST(a_removed_file_is_noticed_within_a_second),
      TEST(no_database_is_damage_and_the_file_is_left_alone_until_it_is_moved),
      TEST(damage_anywhere_gives_an_error_or_right_data),
  };
  return cmocka_run_group_tests_name("the store's file", tests, NULL, NULL);
}
