/* SPDX-License-Identifier: ISC
 * Certificates that another program was shown, judged as a connection would judge them. */
#include "harness.h"

static EVP_PKEY *middle_key, *below_key;
static X509 *middle, *below; /* signed by the CA, and by middle */

static struct mts_span der_of(X509 *certificate) {
  unsigned char *bytes = NULL;
  int n = i2d_X509(certificate, &bytes);
  assert_true(n > 0);
  return (struct mts_span){(const char *)bytes, (size_t)n};
}

static void drop(struct mts_span der) { OPENSSL_free((void *)(uintptr_t)der.p); }

static struct mts_tls judged(const char *host, const struct mts_span *chain, size_t count) {
  struct mts_net *net = open_world(NULL, "");
  struct mts_tls tls;
  memset(&tls, 0xff, sizeof tls);
  assert_int_equal(net->ops->certificate(net, host, chain, count, &tls), MTS_OK);
  close_world(net);
  return tls;
}

static void expect_verdict(const char *leaf, const char *host, enum mts_err err) {
  X509 *certificate = read_leaf(leaf);
  struct mts_span der = der_of(certificate);
  struct mts_tls tls = judged(host, &der, 1);
  if (tls.err != err) fail_msg("%s for %s: %s (%s)", leaf, host, mts_err_name(tls.err), tls.detail);
  assert_int_equal(strlen(tls.fingerprint), 64);
  assert_true(tls.not_after > tls.not_before);
  assert_true((tls.detail[0] != 0) == (err != MTS_OK));
  drop(der);
  X509_free(certificate);
}

static void expired_wrong_name_and_untrusted_are_told_apart(void **state) {
  (void)state;
  expect_verdict("good", "good.example.com", MTS_OK);
  expect_verdict("wild", "mx.example.com", MTS_OK);
  expect_verdict("wild", "a.mx.example.com", MTS_ERR_CERT_NAME);
  expect_verdict("partial", "partner.example.com", MTS_ERR_CERT_NAME);
  expect_verdict("cnonly", "cnonly.example.com", MTS_ERR_CERT_NAME);
  expect_verdict("other", "other.example.com", MTS_ERR_CERT_NAME);
  expect_verdict("expired", "expired.example.com", MTS_ERR_CERT_EXPIRED);
  expect_verdict("future", "future.example.com", MTS_ERR_CERT_INVALID);
  expect_verdict("selfsigned", "selfsigned.example.com", MTS_ERR_CERT_UNTRUSTED);
}

static void what_came_with_the_certificate_helps_to_find_a_trusted_one(void **state) {
  (void)state;
  struct mts_span chain[] = {der_of(below), {"no certificate", 14}, der_of(middle)};
  assert_int_equal(judged("below.example.com", chain, 3).err, MTS_OK);
  assert_int_equal(judged("other.example.com", chain, 3).err, MTS_ERR_CERT_NAME);
  assert_int_equal(judged("below.example.com", chain, 1).err, MTS_ERR_CERT_UNTRUSTED);
  drop(chain[0]), drop(chain[2]);
}

static void base64_is_as_good_as_der(void **state) {
  (void)state;
  struct mts_span der = der_of(below), der_middle = der_of(middle);
  unsigned char text[4096], lines[4096];
  assert_true(der.n * 4 / 3 + 4 < sizeof text);
  int n = EVP_EncodeBlock(text, (const unsigned char *)der.p, (int)der.n), lines_n = 0, last = 0;
  EVP_ENCODE_CTX *context = EVP_ENCODE_CTX_new();
  EVP_EncodeInit(context);
  EVP_EncodeUpdate(context, lines, &lines_n, (const unsigned char *)der_middle.p, (int)der_middle.n);
  EVP_EncodeFinal(context, lines + lines_n, &last);
  EVP_ENCODE_CTX_free(context);
  struct mts_span chain[] = {{(const char *)text, (size_t)n}, {(const char *)lines, (size_t)(lines_n + last)}};
  assert_int_equal(judged("below.example.com", chain, 2).err, MTS_OK);
  chain[0].n--; /* cut */
  struct mts_net *net = open_world(NULL, "");
  struct mts_tls tls;
  assert_int_equal(net->ops->certificate(net, "below.example.com", chain, 2, &tls), MTS_ERR_ARGUMENT);
  close_world(net);
  drop(der), drop(der_middle);
}

static void what_came_with_the_certificate_is_not_trusted_itself(void **state) {
  (void)state;
  X509 *certificate = read_leaf("selfsigned");
  struct mts_span chain[] = {der_of(certificate), der_of(certificate)};
  assert_int_equal(judged("selfsigned.example.com", chain, 2).err, MTS_ERR_CERT_UNTRUSTED);
  drop(chain[0]), drop(chain[1]);
  X509_free(certificate);
}

static void garbage_is_refused_and_changes_nothing(void **state) {
  (void)state;
  struct mts_net *net = open_world(NULL, "");
  struct mts_span der = der_of(below), none = {NULL, 0};
  char longer[4096];
  assert_true(der.n < sizeof longer - 1);
  memcpy(longer, der.p, der.n);
  longer[der.n] = 'x';
  const struct mts_span bad[] = {none, {"", 0}, {"x", 1}, {der.p, der.n - 1}, {longer, der.n + 1}};
  struct mts_tls tls = {.ms = 7};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(net->ops->certificate(net, "below.example.com", &bad[i], 1, &tls), MTS_ERR_ARGUMENT);
  assert_int_equal(net->ops->certificate(net, "below.example.com", NULL, 0, &tls), MTS_ERR_ARGUMENT);
  assert_int_equal(tls.ms, 7);
  close_world(net);
  drop(der);
}

static void without_trusted_certificates_there_is_no_verdict(void **state) {
  (void)state;
  char missing[128];
  in_folder(missing, "missing");
  struct mts_net *net = open_trusting(NULL, "", missing, "");
  struct mts_span der = der_of(below);
  struct mts_tls tls;
  assert_int_equal(net->ops->certificate(net, "below.example.com", &der, 1, &tls), MTS_ERR_SETTING);
  close_world(net);
  drop(der);
}

static int start(void **state) {
  (void)state;
  make_certificates();
  X509 *root = ca;
  EVP_PKEY *root_key = ca_key;
  middle_key = EVP_EC_gen("P-256");
  below_key = EVP_EC_gen("P-256");
  middle = make_certificate(&(struct leaf){.cn = "Middle CA", .from_days = -1, .to_days = 30}, middle_key, true);
  /* make_certificate signs an authority by itself; this one is to be signed by the root. */
  X509_set_issuer_name(middle, X509_get_subject_name(root));
  assert_true(X509_sign(middle, root_key, EVP_sha256()) > 0);
  ca = middle;
  ca_key = middle_key;
  below = make_certificate(&(struct leaf){.cn = "below", .san = "DNS:below.example.com", .from_days = -1, .to_days = 30}, below_key,
                           false);
  ca = root;
  ca_key = root_key;
  return 0;
}

static int end(void **state) {
  (void)state;
  char path[128];
  for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) {
    in_folder(path, leaves[i].name);
    unlink(path);
  }
  in_folder(path, "ca");
  unlink(path);
  X509_free(below), X509_free(middle), X509_free(ca);
  EVP_PKEY_free(below_key), EVP_PKEY_free(middle_key), EVP_PKEY_free(ca_key);
  return rmdir(folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(expired_wrong_name_and_untrusted_are_told_apart),
      cmocka_unit_test(what_came_with_the_certificate_helps_to_find_a_trusted_one),
      cmocka_unit_test(what_came_with_the_certificate_is_not_trusted_itself),
      cmocka_unit_test(base64_is_as_good_as_der),
      cmocka_unit_test(garbage_is_refused_and_changes_nothing),
      cmocka_unit_test(without_trusted_certificates_there_is_no_verdict),
  };
  return cmocka_run_group_tests(tests, start, end);
}
