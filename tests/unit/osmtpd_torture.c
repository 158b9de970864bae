/* SPDX-License-Identifier: ISC
 * The filter with rules while allocations fail, Lua's too (the linker puts ours in place of malloc and its like): whatever is lost, no
 * request is answered twice, each has an answer or waits for its deadline, and afterwards all is as before. */
#include <event2/event.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "engine.h"
#include "tools.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static long until_failure = -1; /* allocations that still work; below 0: all */
static long failures;           /* so many fail then: Lua tries again after it has collected garbage */

static bool fails(void) {
  if (until_failure < 0) return false;
  if (until_failure > 0) {
    until_failure--;
    return false;
  }
  if (--failures <= 0) until_failure = -1;
  return true;
}

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return fails() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return n && fails() ? NULL : __real_realloc(p, n); }

/* Lua drops a finalizer that it has no memory to call, and with it the session of an object. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) { return "leak:session_apart\n"; }

static const char rules_text[] =
    "local mtasts, osmtpd = require 'mtasts', require 'mtasts.osmtpd'\n"
    "world = mtasts.fake {\n"
    "  dns = { ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=1;' }, ['a.test MX'] = { '10 mx1.a.test' }, ['mx1.a.test A'] = { "
    "'192.0.2.1' } },\n"
    "  https = { ['mta-sts.a.test'] = 'version: STSv1\\nmode: enforce\\nmx: mx1.a.test\\nmax_age: 604800\\n' },\n"
    "}\n"
    "local kept = {}\n"
    "mtasts.on('policy', function(answer) mtasts.lookup('b.test') end)\n"
    "mtasts.on('verdict', function(answer) return mtasts.treat_as('testing', 'a friend') end)\n"
    "osmtpd.on('connect', function(s, address) s.first = address; kept[#kept + 1] = s end)\n"
    "osmtpd.on('ehlo', function(s, name)\n"
    "  local guard <close> = setmetatable({}, { __close = function() s.closed = true end })\n"
    "  if name == 'fail' then error 'oh dear' end\n"
    "  if name == 'wait' then mtasts.all { 'a.test', 'b.test' } end\n"
    "  return osmtpd.reject(550, '5.7.1', ('%s %s'):format(s.id, s.first))\n"
    "end)\n"
    "osmtpd.on('rcpt-to', function(s, to)\n"
    "  local answer = mtasts.lookup(to, { depth = 'policy' })\n"
    "  if answer and answer.mode == 'none' then return osmtpd.junk() end\n"
    "end)\n";

#define HEAD "|0.7|1.0|smtp-in|"
#define ONE "00000000000000a1"
#define TWO "00000000000000b2"
static const char *const script[] = {
    "report" HEAD "link-connect|" ONE "|x.test|pass|192.0.2.7:4711|192.0.2.1:25",
    "filter" HEAD "connect|" ONE "|01|x.test|192.0.2.7",
    "filter" HEAD "ehlo|" ONE "|02|fail",
    "filter" HEAD "ehlo|" ONE "|03|wait",
    "report" HEAD "link-identify|" ONE "|EHLO|wait",
    "filter" HEAD "connect|" TWO "|04|x.test|192.0.2.8", /* nothing was reported of it */
    "filter" HEAD "ehlo|" TWO "|05|other",
    "filter" HEAD "rcpt-to|" ONE "|06|joe@a.test",
    "report" HEAD "link-disconnect|" ONE,
    "filter" HEAD "rcpt-to|" TWO "|07|joe@nothing.test",
};
#define REQUESTS 7
#define STEP 5 /* 1 takes five times as long */
#define AFTER "filter" HEAD "ehlo|" TWO "|%02x|after"

struct seen {
  int answers[REQUESTS + 3];
  enum filter_decision last;
};

static void say(void *arg, struct mts_span lines) {
  (void)arg;
  (void)lines;
}

static void told(void *arg, const struct filter_line *request, enum filter_decision decision, const char *text,
                 const struct request_story *story) {
  struct seen *seen = arg;
  (void)text;
  (void)story;
  char token[4] = "";
  memcpy(token, request->token.p, 2);
  seen->answers[strtol(token, NULL, 16)]++;
  seen->last = decision;
}

static void line(struct engine *engine, const char *text) {
  engine_line(engine, mts_span_of(text));
  engine_settle(engine);
  for (int i = 0; i < 100 && engine_step(engine); i++) continue;
}

/* The number of requests that were not answered; they wait for their deadline. */
static int play(const struct mts_settings *settings, long fail_at, long count) {
  struct seen seen = {0};
  struct engine *engine = NULL;
  struct mts_log *log = NULL;
  char why[RULES_WHY_SIZE], after[128];
  struct event_base *base = event_base_new();
  assert_int_equal(mts_log_new(MTS_LOG_TO_NONE, MTS_LOG_ERROR, NULL, &log), MTS_OK);
  const struct engine_config config = {.settings = settings, .base = base, .log = log, .say = say, .told = told, .arg = &seen};
  if (engine_new(&config, why, &engine)) fail_msg("%s", why);
  until_failure = fail_at;
  failures = count;
  for (size_t i = 0; i < COUNT(script); i++) line(engine, script[i]);
  bool reached = until_failure < 0 || failures < count;
  until_failure = -1;
  int missing = 0;
  for (int i = 1; i <= REQUESTS; i++) {
    if (seen.answers[i] > 1) fail_msg("allocation %ld: request %d has %d answers", fail_at, i, seen.answers[i]);
    missing += seen.answers[i] == 0;
  }
  if (event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) < missing)
    fail_msg("allocation %ld: nobody wakes a request", fail_at);
  for (int i = 1; i <= 2; i++) {
    snprintf(after, sizeof after, AFTER, REQUESTS + i);
    line(engine, after);
    if (seen.answers[REQUESTS + i] != 1 || seen.last != FILTER_REJECT) fail_msg("allocation %ld: rules are asked no more", fail_at);
  }
  engine_free(&engine);
  event_base_free(base);
  mts_log_free(&log);
  return reached ? missing : -1;
}

static void whatever_cannot_be_allocated_no_request_is_answered_twice(void **s) {
  (void)s;
  char path[] = "/tmp/mtasts-rules-XXXXXX";
  int fd = mkstemp(path), missing = 0, runs = 0;
  assert_true(fd >= 0 && write(fd, rules_text, sizeof rules_text - 1) == (ssize_t)sizeof rules_text - 1);
  close(fd);
  struct mts_settings *settings = NULL;
  assert_int_equal(mts_settings_new(&settings), MTS_OK);
  static const char *const values[] = {"store", "none", "log", "none", "background", "no", "mail_deadline_ms", "60000", "rules"};
  for (size_t i = 0; i + 1 < COUNT(values); i += 2) assert_int_equal(mts_settings_set(settings, values[i], values[i + 1]), MTS_OK);
  assert_int_equal(mts_settings_set(settings, "rules", path), MTS_OK);
  assert_int_equal(play(settings, -1, 0), 0);
  static const long bursts[] = {1, 2, 3, 1000};
  for (size_t i = 0; i < COUNT(bursts); i++) {
    int lost = 0;
    for (long at = (long)i; (lost = play(settings, at, bursts[i])) >= 0; at += STEP, runs++) missing += lost;
  }
  print_message("%d runs, %d requests left to their deadline\n", runs, missing);
  mts_settings_free(&settings);
  unlink(path);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_cannot_be_allocated_no_request_is_answered_twice)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
