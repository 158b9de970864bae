/* SPDX-License-Identifier: ISC
 * The lines of OpenSMTPD's filter protocol, 0.4 to 0.7. */
#include "tools.h"

#include <ctype.h>

#include "filter_line.h"

#define SESSION "7641df9771b4ed00"
#define TOKEN "1ef1c203cc576e5d"
#define REQUEST(version, phase, value) "filter|" version "|1576146008.006099|smtp-in|" phase "|" SESSION "|" TOKEN value
#define REPORT(version, event, value) "report|" version "|1576146008.006099|smtp-in|" event "|" SESSION value

static struct filter_line line(const char *text) {
  struct filter_line found;
  if (!filter_line_parse(mts_span_of(text), &found)) fail_msg("not taken: %s", text);
  return found;
}

static void requests_are_taken_apart(void **s) {
  (void)s;
  struct filter_line found = line(REQUEST("0.7", "rcpt-to", "|joe@a.test"));
  assert_int_equal(found.kind, FILTER_REQUEST);
  assert_int_equal(found.phase, FILTER_PHASE_RCPT_TO);
  assert_int_equal(found.version, 7);
  assert_false(found.outgoing);
  assert_true(mts_span_equals(found.session, SESSION));
  assert_true(mts_span_equals(found.token, TOKEN));
  assert_true(mts_span_equals(found.rest, "joe@a.test"));
  assert_true(mts_span_equals(line(REQUEST("0.7", "rcpt-to", "|\"a|b\"@c|")).rest, "\"a|b\"@c|"));
  assert_int_equal(line(REQUEST("0.7", "commit", "|")).rest.n, 0);
  assert_int_equal(line(REQUEST("0.7", "commit", "")).rest.n, 0);
  found = line("filter|0.7|1|smtp-in|data|0123456789abcdefABCDEF0123456789|f"); /* as long as an id may be, and as short */
  assert_int_equal(found.session.n, FILTER_ID_MAX);
  assert_true(mts_span_equals(found.token, "f"));
}

static void every_phase_and_event_is_known_by_its_name(void **s) {
  (void)s;
  char text[200];
#define X(code, name)                                            \
  snprintf(text, sizeof text, REQUEST("0.6", "%s", "|x"), name); \
  assert_int_equal(line(text).phase, FILTER_PHASE_##code);       \
  assert_string_equal(filter_phase_name(FILTER_PHASE_##code), name);
  FILTER_PHASES(X)
#undef X
#define X(code, name)                                           \
  snprintf(text, sizeof text, REPORT("0.6", "%s", "|x"), name); \
  assert_int_equal(line(text).event, FILTER_EVENT_##code);      \
  assert_string_equal(filter_event_name(FILTER_EVENT_##code), name);
  FILTER_EVENTS(X)
#undef X
}

static void what_later_versions_add_is_no_error(void **s) {
  (void)s;
  struct filter_line found = line(REQUEST("0.19", "dance", "|value"));
  assert_int_equal(found.kind, FILTER_REQUEST); /* it waits for an answer all the same */
  assert_int_equal(found.phase, FILTER_PHASE_UNKNOWN);
  assert_int_equal(line(REPORT("0.19", "tx-dance", "|a|b|c")).event, FILTER_EVENT_UNKNOWN);
  found = line("config|what-comes-later|a|b");
  assert_int_equal(found.kind, FILTER_CONFIG);
  assert_true(mts_span_equals(found.value, "a|b"));
  assert_int_equal(line("config|ready").kind, FILTER_READY);
  assert_true(line("report|0.7|1.2|smtp-out|link-tls|" SESSION "|TLSv1.3").outgoing);
}

static void what_cannot_be_answered_is_refused(void **s) {
  (void)s;
  static const char *const bad[] = {"",
                                    "config",
                                    "hello|0.7|1|smtp-in|data|" SESSION "|" TOKEN,
                                    "filter",
                                    "filter|0.7|1|smtp-in|data",
                                    "filter|0.7|1|smtp-in|data|" SESSION,
                                    "filter|0.7|1|smtp-in|data|" SESSION "|",
                                    "filter|0.7|1|smtp-in|data||" TOKEN,
                                    "filter|0.7|1|smtp-in|data|" SESSION "|not-hex|x",
                                    "filter|1.0|1|smtp-in|data|" SESSION "|" TOKEN,
                                    "filter|0.7x|1|smtp-in|data|" SESSION "|" TOKEN,
                                    "filter|0.7|1|smtp-in|data|0123456789abcdef0123456789abcdef0|" TOKEN,
                                    "filter|0.7|1|smtp-in|data|" SESSION "|0123456789abcdef0123456789abcdef0",
                                    "filter|0.7|1|smtp-in|data|" SESSION "|" TOKEN "\n|x",
                                    "filter|0.7",
                                    "filter|0.|1|smtp-in|data|" SESSION "|" TOKEN,
                                    "report|0.7|1|smtp-in|tx-begin"};
  for (size_t i = 0; i < COUNT(bad); i++) {
    struct filter_line found = {.version = 99};
    if (filter_line_parse(mts_span_of(bad[i]), &found)) fail_msg("taken: %s", bad[i]);
    assert_int_equal(found.version, 99);
  }
}

static void an_id_is_hexadecimal_in_each_of_its_places(void **s) {
  (void)s;
  static const char head[] = "filter|0.7|1|smtp-in|data|";
  char text[] = "filter|0.7|1|smtp-in|data|" SESSION "|" TOKEN "|value";
  for (size_t at = 0; at < strlen(SESSION "|" TOKEN); at++) {
    char *p = text + strlen(head) + at, before = *p;
    for (int c = 0; before != '|' && c < 256; c++) {
      struct filter_line found;
      *p = (char)c;
      if (c != '|' && filter_line_parse(mts_span(text, sizeof text - 1), &found) != (isxdigit(c) != 0))
        fail_msg("\\x%02x at %zu", (unsigned)c, at);
    }
    *p = before;
  }
}

static void answers(const char *request, enum filter_decision decision, const char *text, const char *expected) {
  struct filter_line found = line(request);
  char said[FILTER_REPLY_MAX];
  struct mts_span answer = mts_span(said, filter_answer(&found, decision, text, said));
  if (!mts_span_equals(answer, expected)) fail_msg("%.*s, not %s", (int)answer.n, answer.p, expected);
}

static void an_answer_is_one_line_with_session_and_token(void **s) {
  (void)s;
  answers(REQUEST("0.7", "rcpt-to", "|a@b"), FILTER_PROCEED, NULL, "filter-result|" SESSION "|" TOKEN "|proceed\n");
  answers(REQUEST("0.5", "data", "|"), FILTER_JUNK, "unused", "filter-result|" SESSION "|" TOKEN "|junk\n");
  answers(REQUEST("0.6", "data", "|"), FILTER_REJECT, "550 5.7.1 no", "filter-result|" SESSION "|" TOKEN "|reject|550 5.7.1 no\n");
  answers(REQUEST("0.6", "quit", ""), FILTER_DISCONNECT, "421 bye", "filter-result|" SESSION "|" TOKEN "|disconnect|421 bye\n");
  answers(REQUEST("0.4", "data", "|"), FILTER_PROCEED, NULL, "filter-result|" TOKEN "|" SESSION "|proceed\n");
  struct filter_line report = line(REPORT("0.7", "tx-begin", "|1"));
  char said[FILTER_REPLY_MAX];
  assert_int_equal(filter_answer(&report, FILTER_PROCEED, NULL, said), 0);
}

static void replies(const char *text, const char *expected) {
  char to[600];
  filter_reply_text(text, to, sizeof to);
  assert_string_equal(to, expected);
}

static void any_text_becomes_a_valid_refusal(void **s) {
  (void)s;
  replies("550 5.7.1 no", "550 5.7.1 no");
  replies("  421 bye", "421 bye");
  replies("no", "451 4.7.1 no");
  replies("", "451 4.7.1 please try again later");
  replies(NULL, "451 4.7.1 please try again later");
  replies("250 fine", "451 4.7.1 250 fine"); /* a refusal never says yes */
  replies("550", "451 4.7.1 550");
  replies("560 x", "451 4.7.1 560 x");
  replies("550-no", "451 4.7.1 550-no");
  replies("550 a\r\nfilter-result|x\001", "550 a  filter-result|x\\x01");
  char endless[4000], to[4000];
  memset(endless, 'x', sizeof endless - 1);
  endless[sizeof endless - 1] = 0;
  filter_reply_text(endless, to, sizeof to);
  assert_true(strlen(to) < 510);
}

static void addresses_stand_where_the_version_has_them(void **s) {
  (void)s;
  static const struct {
    const char *text, *address;
  } cases[] = {{REPORT("0.7", "tx-rcpt", "|12|ok|a|b@c"), "a|b@c"},
               {REPORT("0.6", "tx-rcpt", "|12|ok|"), ""},
               {REPORT("0.5", "tx-rcpt", "|12|a|b@c|ok"), "a|b@c"},
               {REPORT("0.4", "tx-mail", "|12||ok"), ""}};
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct filter_line found = line(cases[i].text);
    struct mts_span message, result, address;
    assert_true(filter_tx_address(&found, &message, &result, &address));
    assert_true(mts_span_equals(message, "12"));
    assert_true(mts_span_equals(result, "ok"));
    assert_true(mts_span_equals(address, cases[i].address));
  }
  struct mts_span a, b, c;
  struct filter_line short_one = line(REPORT("0.7", "tx-rcpt", "|12|ok"));
  assert_false(filter_tx_address(&short_one, &a, &b, &c));
  short_one = line(REPORT("0.5", "tx-rcpt", "|12"));
  assert_false(filter_tx_address(&short_one, &a, &b, &c));
}

static void only_what_is_known_is_registered(void **s) {
  (void)s;
  struct mts_buf out = {.limit = FILTER_REPLY_MAX};
  assert_int_equal(filter_register(true, FILTER_EVENT_LINK_TLS, &out), MTS_OK);
  assert_int_equal(filter_register(false, FILTER_EVENT_TX_RCPT, &out), MTS_OK);
  assert_int_equal(filter_register_phase(FILTER_PHASE_RCPT_TO, &out), MTS_OK);
  assert_int_equal(filter_register(true, FILTER_EVENT_UNKNOWN, &out), MTS_ERR_ARGUMENT);
  assert_int_equal(filter_register_phase(FILTER_PHASE_UNKNOWN, &out), MTS_ERR_ARGUMENT);
  assert_string_equal(out.p,
                      "register|report|smtp-out|link-tls\nregister|report|smtp-in|tx-rcpt\nregister|filter|smtp-in|rcpt-to\n");
  mts_buf_free(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_are_taken_apart),
      cmocka_unit_test(every_phase_and_event_is_known_by_its_name),
      cmocka_unit_test(what_later_versions_add_is_no_error),
      cmocka_unit_test(what_cannot_be_answered_is_refused),
      cmocka_unit_test(an_id_is_hexadecimal_in_each_of_its_places),
      cmocka_unit_test(an_answer_is_one_line_with_session_and_token),
      cmocka_unit_test(any_text_becomes_a_valid_refusal),
      cmocka_unit_test(addresses_stand_where_the_version_has_them),
      cmocka_unit_test(only_what_is_known_is_registered),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
