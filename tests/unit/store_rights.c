/* SPDX-License-Identifier: ISC
 * Who may do what with the store's file: root in the folder of another, a group that shares one, users who may only read. */
#include <grp.h>

#include "store_tools.h"

static void for_root(const char *why) {
  if (geteuid() == 0) return;
  print_message("NOT TESTED: %s\n", why);
  skip();
}

/* Runs f in a child as an ordinary user; its exit status. */
static int as_user(struct tools *t, int (*f)(struct tools *t)) {
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(99);
    _exit(f(t));
  }
  int status = 0;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static int user_writes(struct tools *t) {
  struct mts_store *store = NULL;
  if (mts_store_open(t->path, &t->clock, t->log, &store)) return 1;
  if (!tools_has(store, "root.example", 1)) return 2;
  if (tools_try_put(store, "user.example", 2)) return 3;
  mts_store_close(&store);
  return 0;
}

static void what_root_makes_belongs_to_the_owner_of_the_folder(void **state) {
  struct tools *t = *state;
  for_root("only root can give files away");
  assert_int_equal(chown(t->folder, 65534, 65534), 0);
  struct mts_store *store = tools_open(t);
  tools_put(store, "root.example", 1);
  static const char *const ends[] = {"", "-wal", "-shm"};
  for (size_t i = 0; i < 3; i++) {
    char name[128];
    struct stat st;
    snprintf(name, sizeof name, "%s%s", t->path, ends[i]);
    assert_int_equal(stat(name, &st), 0);
    assert_int_equal(st.st_uid, 65534);
    assert_int_equal(st.st_gid, 65534);
  }
  assert_int_equal(as_user(t, user_writes), 0); /* while root has it open, */
  assert_true(tools_has(store, "user.example", 2));
  mts_store_close(&store);
  assert_int_equal(as_user(t, user_writes), 0); /* and after */
}

static void put_number(FILE *file, uint32_t number) {
  for (int shift = 24; shift >= 0; shift -= 8) fputc((int)(number >> shift & 0xff), file);
}

/* As SQLite leaves it when several databases were changed at once and all died: it ends in the name of a file that is over with the
 * transaction, which who finds the journal deletes. */
static void leave_journal(const char *database, const char *names) {
  static const unsigned char magic[] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
  char path[160];
  struct stat st;
  assert_int_equal(stat(database, &st), 0);
  snprintf(path, sizeof path, "%s-journal", database);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fwrite(magic, 1, sizeof magic, file);
  put_number(file, 0); /* pages to put back */
  put_number(file, 0);
  put_number(file, (uint32_t)(st.st_size / 4096));
  put_number(file, 512);
  put_number(file, 4096);
  for (long at = ftell(file); at < 512; at++) fputc(0, file);
  put_number(file, 0x40000000 / 4096 + 1); /* the page that holds the locks: here the name begins */
  uint32_t sum = 0;
  for (size_t i = 0; names[i]; i++) sum += (unsigned char)names[i];
  fputs(names, file);
  put_number(file, (uint32_t)strlen(names));
  put_number(file, sum);
  fwrite(magic, 1, sizeof magic, file);
  assert_int_equal(fclose(file), 0);
}

static void root_deletes_no_file_that_a_journal_in_the_folder_of_another_names(void **state) {
  struct tools *t = *state;
  for_root("only root has rights to lose");
  char safe[128], victim[160];
  snprintf(safe, sizeof safe, "%s/safe", t->folder);
  snprintf(victim, sizeof victim, "%s/victim", safe);
  assert_int_equal(mkdir(safe, 0755), 0);
  for (uid_t user = 0; user <= 65534; user += 65534) { /* root's own journal works: the test does what it says */
    sqlite3 *db = NULL;
    FILE *file = fopen(victim, "w");
    assert_non_null(file);
    fputs("precious", file);
    fclose(file);
    assert_int_equal(sqlite3_open(t->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE a(b)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    leave_journal(t->path, victim);
    assert_int_equal(chown(t->path, user, user), 0);
    assert_int_equal(chown(t->folder, user, user), 0);
    tools_try_open(t, t->path);
    assert_int_equal(access(victim, F_OK), user ? 0 : -1);
    unlink(victim);
    unlink(t->path);
  }
  rmdir(safe);
}

static void root_uses_no_store_where_all_may_write(void **state) {
  struct tools *t = *state;
  for_root("this is about root");
  assert_int_equal(chmod(t->folder, 01777), 0);
  assert_int_equal(tools_try_open(t, t->path), MTS_ERR_STORE_OPEN);
  assert_non_null(strstr(t->last, "every user can write in its folder"));
  assert_int_equal(access(t->path, F_OK), -1);
}

#define GROUP 4242

static int member_writes(struct tools *t) {
  const gid_t group = GROUP;
  if (setgroups(1, &group) != 0 || setgid(65533) != 0 || setuid(65533) != 0) return 99;
  return user_writes(t);
}

static void root_shares_a_folder_of_its_own_with_the_group_that_may_write_there(void **state) {
  struct tools *t = *state;
  struct stat st;
  for_root("this is about root");
  assert_int_equal(chown(t->folder, 0, GROUP), 0);
  assert_int_equal(chmod(t->folder, 02770), 0);
  struct mts_store *store = tools_open(t);
  tools_put(store, "root.example", 1);
  assert_int_equal(stat(t->path, &st), 0);
  assert_int_equal(st.st_gid, GROUP);
  assert_int_equal(st.st_mode & 07777, 0660);
  pid_t pid = fork();
  if (pid == 0) _exit(member_writes(t));
  int status = 0;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  assert_true(tools_has(store, "user.example", 2));
  mts_store_close(&store);
}

static int user_cannot_create(struct tools *t) {
  struct mts_store *store = NULL;
  return mts_store_open(t->path, &t->clock, t->log, &store) == MTS_ERR_STORE_OPEN && !store ? 0 : 1;
}

static void a_folder_that_cannot_be_written_is_an_error_that_says_so(void **state) {
  struct tools *t = *state;
  assert_int_equal(chmod(t->folder, 0555), 0);
  assert_int_equal(as_user(t, user_cannot_create), 0);
  char path[128];
  snprintf(path, sizeof path, "%s/none/mtasts.db", t->folder);
  assert_int_equal(tools_try_open(t, path), MTS_ERR_STORE_OPEN);
  assert_non_null(strstr(t->last, "its folder does not exist"));
  assert_non_null(strstr(t->last, path));
}

static int user_reads_only(struct tools *t) {
  struct mts_store *store = NULL;
  size_t removed = 0;
  if (mts_store_open(t->path, &t->clock, t->log, &store)) return 1;
  if (!tools_has(store, "root.example", 1)) return 2;
  if (tools_try_put(store, "user.example", 2) != MTS_ERR_STORE_IO) return 3;
  if (mts_store_delete(store, NULL, &removed) != MTS_ERR_STORE_IO) return 4;
  if (!tools_has(store, "root.example", 1)) return 5;
  const struct mts_session_row session = {
      .domain = "a.example", .policy = "", .result = "", .mx = "", .address = "", .source = "", .helo = "", .reason = ""};
  if (mts_store_session_add(store, &session, NOW) != MTS_ERR_STORE_IO) return 6;
  mts_store_close(&store);
  return 0;
}

static void who_may_only_read_can_get_and_not_put(void **state) {
  struct tools *t = *state;
  for (int folder = 0555; folder <= 0755; folder += 0200) {
    struct mts_store *store = tools_open(t);
    tools_put(store, "root.example", 1);
    for (int open = 1; open >= 0; open--) { /* while a writer has it open, and alone */
      static const char *const ends[] = {"", "-wal", "-shm"};
      if (!open) mts_store_close(&store);
      for (size_t i = 0; i < 3; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", t->path, ends[i]);
        assert_int_equal(chmod(name, 0444), 0);
      }
      assert_int_equal(chmod(t->folder, (mode_t)folder), 0);
      int result = as_user(t, user_reads_only);
      if (result != 0) fail_msg("folder %o, open %d: step %d", (unsigned)folder, open, result);
      assert_int_equal(chmod(t->folder, 0755), 0);
    }
    assert_int_equal(unlink(t->path), 0);
  }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tools_setup, tools_teardown)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(what_root_makes_belongs_to_the_owner_of_the_folder),
      TEST(root_deletes_no_file_that_a_journal_in_the_folder_of_another_names),
      TEST(root_uses_no_store_where_all_may_write),
      TEST(root_shares_a_folder_of_its_own_with_the_group_that_may_write_there),
      TEST(a_folder_that_cannot_be_written_is_an_error_that_says_so),
      TEST(who_may_only_read_can_get_and_not_put),
  };
  return cmocka_run_group_tests_name("rights to the store's file", tests, NULL, NULL);
}
