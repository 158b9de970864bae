/* SPDX-License-Identifier: ISC
 * Whose certificates are trusted: the system's, or those that the settings name, for fetches and probes alike. */
#include "harness.h"

#include <limits.h>

static const struct errand fetch, probe = {.server = "smtp"};

static void both_end_with(const char *ca_file, const char *ca_path, enum mts_err fetch_err, enum mts_err probe_err) {
  struct mts_net *net = open_trusting("https", "", ca_file, ca_path);
  assert_int_equal(run_errand(net, &fetch).err, fetch_err);
  assert_int_equal(run_errand(net, &probe).err, probe_err);
  close_world(net);
}

static void both_refuse_the_setting(const char *ca_file, const char *ca_path) {
  struct mts_net *net = open_trusting("https", "", ca_file, ca_path);
  struct outcome outcome;
  struct mts_job *job = NULL;
  for (int twice = 0; twice < 2; twice++) { /* nothing half loaded is left for the second */
    assert_int_equal(start_errand(net, &fetch, &outcome, &job), MTS_ERR_SETTING);
    assert_int_equal(start_errand(net, &probe, &outcome, &job), MTS_ERR_SETTING);
    assert_null(job);
  }
  assert_false(net->ops->turn(net, 0));
  assert_int_equal(outcome.calls, 0);
  close_world(net);
}

static void a_ca_that_the_system_does_not_know_is_refused_by_default(void **state) {
  (void)state;
  both_end_with("", "", MTS_ERR_HTTPS_CERT_UNTRUSTED, MTS_ERR_CERT_UNTRUSTED);
}

static void ca_file_is_trusted_alone(void **state) {
  (void)state;
  char path[128];
  in_folder(path, "ca");
  both_end_with(path, "", MTS_OK, MTS_OK);
  in_folder(path, "foreign");
  both_end_with(path, "", MTS_ERR_HTTPS_CERT_UNTRUSTED, MTS_ERR_CERT_UNTRUSTED);
}

static void ca_path_is_a_folder_of_hashed_names(void **state) {
  (void)state;
  char path[128], from[128], link_path[PATH_MAX];
  in_folder(from, "ca");
  snprintf(path, sizeof path, "%s/hashed", folder);
  assert_int_equal(mkdir(path, 0700), 0);
  both_end_with("", path, MTS_ERR_HTTPS_CERT_UNTRUSTED, MTS_ERR_CERT_UNTRUSTED); /* empty: nobody is trusted */
  int good = 0;
  unsigned long hash = X509_NAME_hash_ex(X509_get_subject_name(ca), NULL, NULL, &good);
  assert_true(good);
  snprintf(link_path, sizeof link_path, "%s/%08lx.0", path, hash);
  assert_int_equal(symlink(from, link_path), 0);
  both_end_with("", path, MTS_OK, MTS_OK);
}

static void a_setting_that_cannot_be_read_is_an_error_not_a_default(void **state) {
  (void)state;
  char missing[128], file[128], garbage[128];
  in_folder(missing, "missing");
  in_folder(file, "ca");
  snprintf(garbage, sizeof garbage, "%s/garbage", folder);
  FILE *stream = fopen(garbage, "w");
  assert_non_null(stream);
  fputs("no certificate\n", stream);
  fclose(stream);
  both_refuse_the_setting(missing, "");
  both_refuse_the_setting(garbage, "");
  both_refuse_the_setting(folder, ""); /* a folder is no file */
  both_refuse_the_setting("", missing);
  both_refuse_the_setting("", file);
  both_refuse_the_setting(file, missing); /* one good of two is not enough */
  both_refuse_the_setting(garbage, folder);
}

static int start(void **state) {
  start_servers(state);
  EVP_PKEY *key = EVP_EC_gen("P-256");
  X509 *foreign =
      make_certificate(&(struct leaf){.cn = "Another CA", .from_days = -1, .to_days = 1, .self_signed = true}, key, true);
  char path[128];
  in_folder(path, "foreign");
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  PEM_write_X509(file, foreign);
  fclose(file);
  X509_free(foreign);
  EVP_PKEY_free(key);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_ca_that_the_system_does_not_know_is_refused_by_default),
      cmocka_unit_test(ca_file_is_trusted_alone),
      cmocka_unit_test(ca_path_is_a_folder_of_hashed_names),
      cmocka_unit_test(a_setting_that_cannot_be_read_is_an_error_not_a_default),
  };
  return cmocka_run_group_tests(tests, start, stop_servers);
}
