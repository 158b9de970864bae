/* SPDX-License-Identifier: ISC
 * Which texts are addresses, and which addresses are public: what is not, no policy is fetched from. */
#include <sys/socket.h>

#include "base/name.h"
#include "tools.h"

static bool is_public(const char *text) {
  struct mts_address address;
  if (!mts_address_parse(mts_span_of(text), &address)) fail_msg("%s is no address", text);
  return mts_address_is_public(&address);
}

static void all_are(bool expected, const char *const *texts, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (is_public(texts[i]) != expected) fail_msg("%s: expected %s", texts[i], expected ? "public" : "not public");
}

static void ipv4_blocks_end_where_the_registry_says(void **s) {
  (void)s;
  static const char *const closed[] = {
      "0.0.0.0",   "0.255.255.255",   "10.0.0.0",    "10.255.255.255",  "100.64.0.0", "100.127.255.255",
      "127.0.0.1", "127.255.0.1",     "169.254.0.0", "169.254.169.254", "172.16.0.0", "172.31.255.255",
      "192.0.0.1", "192.88.99.1",     "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255",
      "224.0.0.1", "239.255.255.255", "240.0.0.1",   "255.255.255.255",
  };
  static const char *const open[] = {
      "1.0.0.0",         "9.255.255.255", "11.0.0.0",       "100.63.255.255", "100.128.0.0",     "126.255.255.255", "128.0.0.1",
      "169.253.255.255", "169.255.0.0",   "172.15.255.255", "172.32.0.0",     "192.0.1.0",       "192.88.98.255",   "192.88.100.0",
      "192.167.255.255", "192.169.0.0",   "198.17.255.255", "198.20.0.0",     "223.255.255.255", "8.8.8.8",
  };
  all_are(false, closed, COUNT(closed));
  all_are(true, open, COUNT(open));
}

static void only_global_unicast_is_public_in_ipv6(void **s) {
  (void)s;
  static const char *const closed[] = {
      "::",
      "::1",
      "::10.0.0.1",
      "::8.8.8.8",
      "fe80::1",
      "febf:ffff::1",
      "fec0::1",
      "fc00::1",
      "fdff:ffff::1",
      "ff02::1",
      "ff0e::1",
      "100::1",
      "2001::1" /* Teredo */,
      "2001:20::1",
      "2001:1ff:ffff::1",
      "64:ff9b:1::808:808",
      "5f00::1",
      "1fff:ffff::1",
      "4000::1",
  };
  static const char *const open[] = {"2000::1",         "2001:200::1",  "2001:4860:4860::8888",
                                     "2606:4700::1111", "3fff:ffff::1", "2a00::1"};
  all_are(false, closed, COUNT(closed));
  all_are(true, open, COUNT(open));
}

static void an_ipv4_address_inside_of_ipv6_counts_as_itself(void **s) {
  (void)s;
  static const char *const closed[] = {
      "::ffff:10.0.0.1",   "::ffff:127.0.0.1",   "::ffff:169.254.169.254", "::ffff:0.0.0.0",    "::ffff:a00:1", /* mapped */
      "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::192.168.1.1",                        /* NAT64 (RFC 6052) */
      "2002:a00:1::",      "2002:7f00:1::1",     "2002:c0a8:101::1",       "2002:a9fe:a9fe::1", /* 6to4 (RFC 3056) */
  };
  static const char *const open[] = {"::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"};
  all_are(false, closed, COUNT(closed));
  all_are(true, open, COUNT(open));
}

/* Routed nowhere, so nothing inside is reached through them; worlds for tests live there. */
static void documentation_addresses_are_no_way_inside(void **s) {
  (void)s;
  static const char *const open[] = {"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1", "::ffff:192.0.2.1"};
  all_are(true, open, COUNT(open));
}

static void what_is_no_address_is_not_public(void **s) {
  (void)s;
  struct mts_address none = {0};
  assert_false(mts_address_is_public(&none));
  char text[MTS_ADDRESS_SIZE] = "x";
  mts_address_format(&none, text);
  assert_string_equal(text, "");
}

/* Forms that inet_aton takes have led to wrong decisions elsewhere. */
static void only_the_plain_forms_are_addresses(void **s) {
  (void)s;
  static const char *const bad[] = {
      "",
      "1",
      "127.1",
      "1.2.3",
      "1.2.3.4.",
      "1.2.3.4.5",
      "256.1.1.1",
      "01.2.3.4",
      "0x7f.0.0.1",
      "1.2.3.4 ",
      " 1.2.3.4",
      "1.2.3.-4",
      "[::1]",
      "fe80::1%1",
      ":::",
      "1::2::3",
      "::g",
      "12345::",
      "1:2:3:4:5:6:7:8:9",
      "::1.2.3",
      "1.2.3.4:25",
      "example.com",
      "IPv6:::1",
      "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
  };
  for (size_t i = 0; i < COUNT(bad); i++) {
    struct mts_address address = {.family = 77};
    char *copy = exact_copy(mts_span_of(bad[i]));
    if (mts_address_parse(mts_span(copy, strlen(bad[i])), &address)) fail_msg("%s was taken", bad[i]);
    assert_int_equal(address.family, 77);
    free(copy);
  }
  struct mts_address address;
  assert_false(mts_address_parse(SPAN("1.2.3.4\0"), &address));
  assert_false(mts_address_parse((struct mts_span){NULL, 0}, &address));
}

static void an_address_is_written_in_its_shortest_form(void **s) {
  (void)s;
  static const char *const pairs[][2] = {
      {"192.0.2.1", "192.0.2.1"},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
      {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
  };
  for (size_t i = 0; i < COUNT(pairs); i++) {
    struct mts_address address;
    char text[MTS_ADDRESS_SIZE];
    assert_true(mts_address_parse(mts_span_of(pairs[i][0]), &address));
    mts_address_format(&address, text);
    assert_string_equal(text, pairs[i][1]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ipv4_blocks_end_where_the_registry_says),
      cmocka_unit_test(only_global_unicast_is_public_in_ipv6),
      cmocka_unit_test(an_ipv4_address_inside_of_ipv6_counts_as_itself),
      cmocka_unit_test(documentation_addresses_are_no_way_inside),
      cmocka_unit_test(what_is_no_address_is_not_public),
      cmocka_unit_test(only_the_plain_forms_are_addresses),
      cmocka_unit_test(an_address_is_written_in_its_shortest_form),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
