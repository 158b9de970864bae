/* SPDX-License-Identifier: ISC
 * OpenSMTPD's two table protocols, the input they are read from, and the settings file. */
#include "tools.h"

#include "conf.h"
#include "input.h"
#include "request.h"

static struct table_request text(const char *line) {
  struct table_request request;
  char *copy = exact_copy(mts_span_of(line));
  if (!table_text_parse(mts_span(copy, strlen(line)), &request)) fail_msg("not taken: %s", line);
  /* spans are lent from the line: take them from the literal instead of the copy */
  if (request.id.p) request.id.p = line + (request.id.p - copy);
  if (request.key.p) request.key.p = line + (request.key.p - copy);
  free(copy);
  return request;
}

static void refused(const char *line) {
  struct table_request request;
  if (table_text_parse(mts_span_of(line), &request)) fail_msg("taken: %s", line);
  assert_int_equal(request.op, TABLE_NOTHING);
}

static void answers(const char *line, enum table_result result, const char *value, const char *expected) {
  struct table_request request = text(line);
  struct mts_buf out = {.limit = TABLE_ANSWER_MAX};
  assert_int_equal(table_text_answer(&request, result, value, &out), MTS_OK);
  assert_string_equal(out.p, expected);
  mts_buf_free(&out);
}

#define CHECK "table|0.1|1795502638.263995|stsdom|check|domain|59b6796d|good.test"
#define LOOKUP "table|0.1|1795502638.263995|stsmx|lookup|relayhost|55796cd3|good.test"

static void text_questions_are_taken_apart(void **s) {
  (void)s;
  struct table_request request = text(CHECK);
  assert_int_equal(request.op, TABLE_CHECK);
  assert_int_equal(request.service, TABLE_SERVICE_DOMAIN);
  assert_true(mts_span_equals(request.id, "59b6796d"));
  assert_true(mts_span_equals(request.key, "good.test"));
  request = text("table|0.9|1|a|lookup|relayhost|id|a|b|");
  assert_true(mts_span_equals(request.key, "a|b|")); /* bars belong to the last field */
  assert_int_equal(text("table|0.1|1|a|check|userinfo|id|joe").service, TABLE_SERVICE_OTHER);
  assert_int_equal(text("table|0.1|1|a|check|domain|id|").key.n, 0);
  assert_int_equal(text("config|ready").op, TABLE_READY);
  assert_int_equal(text("config|protocol|0.1").op, TABLE_NOTHING);
  assert_int_equal(text("config|what-comes-later|a|b").op, TABLE_NOTHING);
}

static void text_that_cannot_be_answered_is_refused(void **s) {
  (void)s;
  static const char *const bad[] = {
      "",
      "table",
      "hello",
      "table|0.1|1|a",
      "table|0.1|1|a|check",
      "table|0.1|1|a|check|domain|id",
      "table|0.1|1|a|check|domain||key",
      "table|0.1|1|a|dance|domain|id|key",
      "table|0.1|1|a|update|",
      "table|0.1|1|a|check|domain|0123456789012345678901234567890123456789012345678901234567890123456789|k",
      "table|0.1|1|a|check|domain|a\nb|k",
      "table|0.1|1|a|update|\r",
      "table|0.1|1|a|update|\xc3\xa4",
      "\xff\xfe|x"};
  for (size_t i = 0; i < COUNT(bad); i++) refused(bad[i]);
}

static void text_answers_carry_the_id_of_their_question(void **s) {
  (void)s;
  answers(CHECK, TABLE_FOUND, NULL, "check-result|59b6796d|found\n");
  answers(CHECK, TABLE_NOT_FOUND, NULL, "check-result|59b6796d|not-found\n");
  answers(CHECK, TABLE_ERROR, "no DNS", "check-result|59b6796d|error|no DNS\n");
  answers(CHECK, TABLE_ERROR, NULL, "check-result|59b6796d|error|temporary failure\n");
  answers(LOOKUP, TABLE_FOUND, "smtp+tls://mx1.good.test", "lookup-result|55796cd3|found|smtp+tls://mx1.good.test\n");
  answers(LOOKUP, TABLE_NOT_FOUND, NULL, "lookup-result|55796cd3|not-found\n");
  answers("table|0.1|1|a|update|77", TABLE_FOUND, NULL, "update-result|77|ok\n");
  answers("table|0.1|1|a|fetch|source|77", TABLE_NOT_FOUND, NULL, "fetch-result|77|not-found\n");
  answers("config|ready", TABLE_FOUND, NULL, "register|domain\nregister|relayhost\nregister|ready\n");
}

static void a_value_never_breaks_the_line(void **s) {
  (void)s;
  answers(CHECK, TABLE_ERROR, "two\nlines\r", "check-result|59b6796d|error|two\\x0alines\\x0d\n");
  char endless[5000];
  memset(endless, 'x', sizeof endless - 1);
  endless[sizeof endless - 1] = 0;
  struct table_request request = text(CHECK);
  struct mts_buf out = {.limit = TABLE_ANSWER_MAX};
  assert_int_equal(table_text_answer(&request, TABLE_ERROR, endless, &out), MTS_OK);
  assert_ptr_equal(memchr(out.p, '\n', out.n), out.p + out.n - 1);
  mts_buf_free(&out);
}

/* ---- imsg ---- */

static size_t frame(char *to, uint32_t type, const void *body, size_t n) {
  struct {
    uint32_t type;
    uint16_t length, flags;
    uint32_t peer, pid;
  } head = {.type = type, .length = (uint16_t)(16 + n), .pid = 4711};
  memcpy(to, &head, 16);
  if (n) memcpy(to + 16, body, n);
  return 16 + n;
}

static size_t question(char *to, uint32_t type, uint32_t service, const char *key, size_t key_n) {
  char body[1024] = {0};
  memcpy(body, &service, 4);
  memcpy(body + 4 + sizeof(size_t), key, key_n);
  return frame(to, type, body, 4 + sizeof(size_t) + key_n);
}

static void imsg_questions_are_taken_when_they_are_whole(void **s) {
  (void)s;
  char bytes[2048];
  size_t n = question(bytes, 5, 0x2, "good.test", 10), used = 99;
  for (size_t part = 0; part < n; part++) {
    char *copy = exact_copy(mts_span(bytes, part));
    struct table_request request;
    request.op = TABLE_CHECK;
    assert_int_equal(table_imsg_parse(mts_span(copy, part), &request, &used), MTS_OK);
    assert_int_equal(used, 0);
    assert_int_equal(request.op, TABLE_NOTHING);
    free(copy);
  }
  struct table_request request;
  assert_int_equal(table_imsg_parse(mts_span(bytes, sizeof bytes), &request, &used), MTS_OK);
  assert_int_equal(used, n);
  assert_int_equal(request.op, TABLE_CHECK);
  assert_int_equal(request.service, TABLE_SERVICE_DOMAIN);
  assert_true(mts_span_equals(request.key, "good.test"));
  n = question(bytes, 6, 0x200, "good.test", 10);
  assert_int_equal(table_imsg_parse(mts_span(bytes, n), &request, &used), MTS_OK);
  assert_int_equal(request.op, TABLE_LOOKUP);
  assert_int_equal(request.service, TABLE_SERVICE_RELAYHOST);
  n = question(bytes, 5, 0x4, "joe", 4);
  assert_int_equal(table_imsg_parse(mts_span(bytes, n), &request, &used), MTS_OK);
  assert_int_equal(request.service, TABLE_SERVICE_OTHER);
}

static void imsg_that_is_broken_is_told_from_what_is_not_whole(void **s) {
  (void)s;
  char bytes[2048];
  size_t n = question(bytes, 5, 0x2, "no end", 6), used;
  struct table_request request;
  assert_int_equal(table_imsg_parse(mts_span(bytes, n), &request, &used), MTS_ERR_ARGUMENT);
  assert_int_equal(used, n);
  assert_int_equal(request.op, TABLE_CHECK); /* it waits for an answer all the same */
  n = frame(bytes, 99, "", 0);
  assert_int_equal(table_imsg_parse(mts_span(bytes, n), &request, &used), MTS_ERR_ARGUMENT);
  assert_int_equal(request.op, TABLE_NOTHING);
  assert_int_equal(used, n);
  memset(bytes, 0, 16); /* a length of 0 can never be */
  assert_int_equal(table_imsg_parse(mts_span(bytes, 16), &request, &used), MTS_ERR_ARGUMENT);
  assert_int_equal(used, 0);
  memset(bytes, 0xff, 16);
  assert_int_equal(table_imsg_parse(mts_span(bytes, 16), &request, &used), MTS_ERR_ARGUMENT);
  assert_int_equal(used, 0);
}

static void check_imsg(enum table_op op, enum table_result result, const char *value, int status, const char *text_expected) {
  struct table_request request = {.op = op};
  struct mts_buf out = {.limit = TABLE_ANSWER_MAX};
  uint32_t type;
  uint16_t length;
  int32_t got;
  assert_int_equal(table_imsg_answer(&request, result, value, &out), MTS_OK);
  memcpy(&type, out.p, 4);
  memcpy(&length, out.p + 4, 2);
  assert_int_equal(type, 0);
  assert_int_equal(length, out.n);
  if (op == TABLE_OPEN) {
    assert_int_equal(out.n, 16);
  } else {
    memcpy(&got, out.p + 16, 4);
    assert_int_equal(got, status);
    assert_int_equal(out.n, 20 + (text_expected ? strlen(text_expected) + 1 : 0));
    if (text_expected) assert_string_equal(out.p + 20, text_expected);
  }
  mts_buf_free(&out);
}

static void imsg_answers_say_found_not_found_or_error(void **s) {
  (void)s;
  check_imsg(TABLE_OPEN, TABLE_FOUND, NULL, 0, NULL);
  check_imsg(TABLE_UPDATE, TABLE_FOUND, NULL, 1, NULL);
  check_imsg(TABLE_CHECK, TABLE_FOUND, "unused", 1, NULL);
  check_imsg(TABLE_CHECK, TABLE_NOT_FOUND, NULL, 0, NULL);
  check_imsg(TABLE_CHECK, TABLE_ERROR, "why", -1, NULL);
  check_imsg(TABLE_LOOKUP, TABLE_FOUND, "smtp+tls://mx1.good.test", 1, "smtp+tls://mx1.good.test");
  check_imsg(TABLE_LOOKUP, TABLE_ERROR, "why", -1, NULL);
  check_imsg(TABLE_FETCH, TABLE_NOT_FOUND, NULL, 0, NULL);
  struct mts_buf out = {.limit = TABLE_ANSWER_MAX};
  assert_int_equal(table_imsg_answer(&(struct table_request){.op = TABLE_CLOSE}, TABLE_FOUND, NULL, &out), MTS_ERR_ARGUMENT);
  assert_int_equal(out.n, 0);
}

static void the_first_bytes_tell_the_protocols_apart(void **s) {
  (void)s;
  bool is_text = false;
  for (size_t n = 0; n < 7; n++) assert_false(table_is_text(mts_span("config|", n), &is_text));
  assert_true(table_is_text(SPAN("config|ready\n"), &is_text) && is_text);
  assert_true(table_is_text(SPAN("\2\0\0\0"), &is_text) && !is_text);
  assert_true(table_is_text(SPAN("cono"), &is_text) && !is_text);
}

/* ---- input ---- */

static void feed(struct input *input, const char *bytes, size_t n) {
  while (n) {
    char *to;
    size_t room;
    assert_int_equal(input_room(input, &to, &room), MTS_OK);
    assert_true(room > 0);
    size_t part = n < room ? n : room;
    memcpy(to, bytes, part);
    input_got(input, part);
    bytes += part;
    n -= part;
  }
}

static void lines_come_whole_however_they_were_cut(void **s) {
  (void)s;
  static const char two[] = "first|line\nsecond\n\nrest";
  for (size_t step = 1; step < sizeof two; step++) {
    struct input input = {0};
    struct mts_span line;
    bool cut;
    size_t found = 0;
    static const char *const expected[] = {"first|line", "second", ""};
    for (size_t at = 0; at < sizeof two - 1; at += step) {
      feed(&input, two + at, at + step < sizeof two ? step : sizeof two - 1 - at);
      while (input_line(&input, &line, &cut)) {
        assert_true(mts_span_equals(line, expected[found++]));
        assert_false(cut);
      }
    }
    assert_int_equal(found, 3);
    assert_int_equal(input_rest(&input).n, 4);
    input_free(&input);
  }
}

static void an_endless_line_keeps_its_beginning_and_the_next_is_whole(void **s) {
  (void)s;
  struct input input = {0};
  struct mts_span line;
  bool cut;
  char *x = malloc(1000000);
  assert_non_null(x);
  memset(x, 'x', 1000000);
  feed(&input, "begin|", 6);
  feed(&input, x, 1000000);
  assert_false(input_line(&input, &line, &cut));
  feed(&input, "\nnext\n", 6);
  assert_true(input_line(&input, &line, &cut));
  assert_true(cut);
  assert_int_equal(line.n, INPUT_LINE_MAX);
  assert_true(mts_span_begins(line, "begin|xxx"));
  assert_true(input_line(&input, &line, &cut));
  assert_false(cut);
  assert_true(mts_span_equals(line, "next"));
  free(x);
  input_free(&input);
}

static void no_more_is_read_than_fits(void **s) {
  (void)s;
  struct input input = {0};
  char *to;
  size_t room;
  assert_int_equal(input_room(&input, &to, &room), MTS_OK);
  assert_int_equal(room, INPUT_SIZE);
  memset(to, '\n', room);
  input_got(&input, room);
  assert_int_equal(input_room(&input, &to, &room), MTS_OK);
  assert_int_equal(room, 0); /* whole lines wait to be taken */
  input_free(&input);
}

/* ---- the settings file ---- */

static enum mts_err read_conf(const char *body, struct mts_settings **settings, char why[CONF_WHY_SIZE]) {
  FILE *file = tmpfile();
  assert_non_null(file);
  fputs(body, file);
  rewind(file);
  assert_int_equal(mts_settings_new(settings), MTS_OK);
  enum mts_err err = conf_read(file, "/etc/table", *settings, why);
  fclose(file);
  return err;
}

static void a_settings_file_has_names_values_and_comments(void **s) {
  (void)s;
  struct mts_settings *settings = NULL;
  char why[CONF_WHY_SIZE] = "";
  assert_int_equal(read_conf("# comment\n\n  store = /a b/c=d.db \r\n\thelo=x\nca_file =\nstrict = yes", &settings, why), MTS_OK);
  assert_string_equal(mts_settings_get(settings, "store"), "/a b/c=d.db");
  assert_string_equal(mts_settings_get(settings, "helo"), "x");
  assert_string_equal(mts_settings_get(settings, "strict"), "yes");
  mts_settings_free(&settings);
}

static void what_is_wrong_in_a_settings_file_is_named_with_its_line(void **s) {
  (void)s;
  struct mts_settings *settings = NULL;
  char why[CONF_WHY_SIZE] = "";
  assert_int_equal(read_conf("helo = x\nstoer = y\n", &settings, why), MTS_ERR_SETTING);
  assert_non_null(strstr(why, "/etc/table:2: "));
  assert_non_null(strstr(why, "store"));
  mts_settings_free(&settings);
  assert_int_equal(read_conf("store\n", &settings, why), MTS_ERR_SETTING);
  assert_non_null(strstr(why, "/etc/table:1: a line is NAME = VALUE"));
  mts_settings_free(&settings);
  assert_int_equal(read_conf("https_port = many\n", &settings, why), MTS_ERR_SETTING);
  mts_settings_free(&settings);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(text_questions_are_taken_apart),
      cmocka_unit_test(text_that_cannot_be_answered_is_refused),
      cmocka_unit_test(text_answers_carry_the_id_of_their_question),
      cmocka_unit_test(a_value_never_breaks_the_line),
      cmocka_unit_test(imsg_questions_are_taken_when_they_are_whole),
      cmocka_unit_test(imsg_that_is_broken_is_told_from_what_is_not_whole),
      cmocka_unit_test(imsg_answers_say_found_not_found_or_error),
      cmocka_unit_test(the_first_bytes_tell_the_protocols_apart),
      cmocka_unit_test(lines_come_whole_however_they_were_cut),
      cmocka_unit_test(an_endless_line_keeps_its_beginning_and_the_next_is_whole),
      cmocka_unit_test(no_more_is_read_than_fits),
      cmocka_unit_test(a_settings_file_has_names_values_and_comments),
      cmocka_unit_test(what_is_wrong_in_a_settings_file_is_named_with_its_line),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
