/* SPDX-License-Identifier: ISC
 * A destination as mail servers write it becomes the policy domain (RFC 8461 3.4). */
#include "tools.h"

static enum mts_err parse(struct mts_span text, struct mts_destination *d) {
  char *copy = exact_copy(text);
  enum mts_err err = mts_destination_parse(mts_span(copy, text.n), d);
  free(copy);
  return err;
}

static void gives(const char *text, enum mts_destination_kind kind, const char *domain, uint16_t port) {
  struct mts_destination d;
  memset(&d, 0x55, sizeof d);
  assert_err(parse(mts_span_of(text), &d), MTS_OK, text);
  if (d.kind != kind || strcmp(d.domain, domain) != 0 || d.port != port)
    fail_msg("%s: kind %d, domain \"%s\", port %u", text, (int)d.kind, d.domain, (unsigned)d.port);
}

static void refuses(const char *text, enum mts_err expected) {
  struct mts_destination d, before;
  memset(&d, 0x55, sizeof d);
  before = d;
  assert_err(parse(mts_span_of(text), &d), expected, text);
  assert_memory_equal(&d, &before, sizeof d);
}

static void a_domain_is_its_own_policy_domain(void **s) {
  (void)s;
  gives("example.com", MTS_DEST_DOMAIN, "example.com", 0);
  gives("Example.COM.", MTS_DEST_DOMAIN, "example.com", 0);
  gives("localhost", MTS_DEST_DOMAIN, "localhost", 0);
  gives(
      "\xc3\xb1"
      "aca.com",
      MTS_DEST_DOMAIN, "xn--aca-6ma.com", 0);
  gives("xn--i-7iq.ws", MTS_DEST_DOMAIN, "xn--i-7iq.ws", 0); /* an emoji: no round trip through IDNA */
}

static void a_port_is_taken_off(void **s) {
  (void)s;
  gives("example.com:25", MTS_DEST_DOMAIN, "example.com", 25);
  gives("example.com.:65535", MTS_DEST_DOMAIN, "example.com", 65535);
  gives(
      "\xc3\xb1"
      "aca.com:587",
      MTS_DEST_DOMAIN, "xn--aca-6ma.com", 587);
  static const char *const bad[] = {"a.b:",
                                    "a.b:0",
                                    "a.b:65536",
                                    "a.b:-1",
                                    "a.b:+25",
                                    "a.b: 25",
                                    "a.b:25 ",
                                    "a.b:25:25",
                                    "a.b:smtp",
                                    "a.b:0x19",
                                    "a.b::25",
                                    "a.b:25.",
                                    "a.b:99999999999999999999"};
  for (size_t i = 0; i < COUNT(bad); i++) refuses(bad[i], MTS_ERR_NAME_SYNTAX);
  refuses(":25", MTS_ERR_NAME_EMPTY);
}

static void a_mailbox_gives_what_follows_its_last_at(void **s) {
  (void)s;
  gives("User@Dom.example", MTS_DEST_DOMAIN, "dom.example", 0);
  gives("user@dom.example.", MTS_DEST_DOMAIN, "dom.example", 0);
  gives("\"a@b\"@dom.example", MTS_DEST_DOMAIN, "dom.example", 0);
  gives("@dom.example", MTS_DEST_DOMAIN, "dom.example", 0);
  gives("us er;|`$(x)@dom.example", MTS_DEST_DOMAIN, "dom.example", 0);
  gives("u\xc3\xb1@dom.example", MTS_DEST_DOMAIN, "dom.example", 0);
  gives("user@[192.0.2.1]", MTS_DEST_LITERAL, "", 0);
  gives("user@[relay.example]:26", MTS_DEST_SMARTHOST, "relay.example", 26);
  refuses("user@", MTS_ERR_NAME_EMPTY);
  refuses("@", MTS_ERR_NAME_EMPTY);
}

static void a_smart_host_in_brackets_is_its_own_policy_domain(void **s) {
  (void)s;
  gives("[Relay.Example]", MTS_DEST_SMARTHOST, "relay.example", 0);
  gives("[relay.example.]:25", MTS_DEST_SMARTHOST, "relay.example", 25);
  gives(
      "[\xc3\xb1"
      "aca.com]",
      MTS_DEST_SMARTHOST, "xn--aca-6ma.com", 0);
  static const char *const bad[] = {"[relay.example",
                                    "[relay.example]x",
                                    "[relay.example]25",
                                    "[relay.example]:",
                                    "[[a.b]]",
                                    "[a.b]]",
                                    "[a b]",
                                    "[a.b:25]",
                                    "[user@a.b]",
                                    "a[b]",
                                    "[a.b].c",
                                    "]",
                                    "["};
  for (size_t i = 0; i < COUNT(bad); i++) refuses(bad[i], MTS_ERR_NAME_SYNTAX);
  refuses("[]", MTS_ERR_NAME_EMPTY);
  refuses("[.]", MTS_ERR_NAME_EMPTY);
}

static void an_address_has_no_policy_domain(void **s) {
  (void)s;
  gives("[192.0.2.1]", MTS_DEST_LITERAL, "", 0);
  gives("[192.0.2.1]:25", MTS_DEST_LITERAL, "", 25);
  gives("[IPv6:2001:db8::1]", MTS_DEST_LITERAL, "", 0);
  gives("[ipv6:2001:DB8::1]:2525", MTS_DEST_LITERAL, "", 2525);
  gives("[2001:db8::1]", MTS_DEST_LITERAL, "", 0);
  gives("192.0.2.1", MTS_DEST_LITERAL, "", 0);
  gives("192.0.2.1:25", MTS_DEST_LITERAL, "", 25);
  gives("2001:db8::1", MTS_DEST_LITERAL, "", 0);
  gives("::1", MTS_DEST_LITERAL, "", 0);
  static const char *const bad[] = {"[IPv6:192.0.2.1]", "[IPv6:example.com]", "[IPv6:]", "IPv6:::1",
                                    "[fe80::1%eth0]",   "192.0.2.1.",         "192.0.2", "[127.1]",
                                    "192.0.2.256",      "2130706433"};
  for (size_t i = 0; i < COUNT(bad); i++) refuses(bad[i], MTS_ERR_NAME_SYNTAX);
}

static void no_lookup_comes_of_a_bad_name(void **s) {
  (void)s;
  static const char *const bad[] = {".good.loc", "a..b",     "-a.b",   "a_b.c", "a b",
                                    " a.b",      "a.b ",     "a,b",    "a/b",   "*.a.b",
                                    "a%00.b",    "a\\b",     "\xff.b", "a.b\n", "a.b\r\nRCPT TO:<x>",
                                    "x\n@a.b",   "\x7f@a.b", "\t"};
  for (size_t i = 0; i < COUNT(bad); i++) refuses(bad[i], MTS_ERR_NAME_SYNTAX);
  refuses("", MTS_ERR_NAME_EMPTY);
  refuses(".", MTS_ERR_NAME_EMPTY);
  struct mts_destination d;
  assert_int_equal(mts_destination_parse((struct mts_span){NULL, 0}, &d), MTS_ERR_NAME_EMPTY);
  assert_int_equal(parse(SPAN("a.b\0.c"), &d), MTS_ERR_NAME_SYNTAX);
  assert_int_equal(parse(SPAN("x\0@a.b"), &d), MTS_ERR_NAME_SYNTAX);
}

static void a_name_too_long_is_refused_whatever_stands_around_it(void **s) {
  (void)s;
  char text[400];
  memset(text, 'a', sizeof text);
  for (size_t i = 10; i < 300; i += 10) text[i] = '.';
  memcpy(text + 300, ":25", 4);
  refuses(text, MTS_ERR_NAME_LONG);
  text[0] = '[';
  memcpy(text + 300, "]:25", 5);
  refuses(text, MTS_ERR_NAME_LONG);
  memcpy(text, "xn--", 4);
  memset(text + 4, 'a', 60);
  text[64] = '\0';
  refuses(text, MTS_ERR_NAME_LONG);
  char *huge = malloc(1 << 20);
  assert_non_null(huge);
  memset(huge, '@', 1 << 20);
  struct mts_destination d;
  assert_int_equal(mts_destination_parse(mts_span(huge, 1 << 20), &d), MTS_ERR_NAME_EMPTY);
  memset(huge, ':', 1 << 20);
  assert_int_equal(mts_destination_parse(mts_span(huge, 1 << 20), &d), MTS_ERR_NAME_SYNTAX);
  memset(huge, 0xc3, 1 << 20);
  assert_int_equal(mts_destination_parse(mts_span(huge, 1 << 20), &d), MTS_ERR_NAME_LONG);
  free(huge);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_domain_is_its_own_policy_domain),
      cmocka_unit_test(a_port_is_taken_off),
      cmocka_unit_test(a_mailbox_gives_what_follows_its_last_at),
      cmocka_unit_test(a_smart_host_in_brackets_is_its_own_policy_domain),
      cmocka_unit_test(an_address_has_no_policy_domain),
      cmocka_unit_test(no_lookup_comes_of_a_bad_name),
      cmocka_unit_test(a_name_too_long_is_refused_whatever_stands_around_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
