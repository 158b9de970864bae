/* SPDX-License-Identifier: ISC
 * What rules in Lua cost, asked as filter-mtasts and table-mtasts ask them, beside the same without: a hook of smtpd's sessions, lookups
 * that memory answers, loading a file; and whether a million calls leave anything behind. The sides take turns; medians, by the time of
 * the processor. The world is told: nothing leaves the machine. */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "osmtpd/peer.h"
#include "phases.h"

#define ROUNDS 15
#define CALLS 20000
#define LOADS 20
#define MANY 1000000
#define LINES 200

static const char head[] =
    "local mtasts = require 'mtasts'\n"
    "local osmtpd = require 'mtasts.osmtpd'\n"
    "world = mtasts.fake { dns = { ['_mta-sts.a.test TXT'] = { 'v=STSv1; id=1;' } },\n"
    "  https = { ['mta-sts.a.test'] = 'version: STSv1\\nmode: enforce\\nmx: *.a.test\\nmx: mx.b.test\\nmax_age: 604800\\n' } }\n"
    "local only_policy = { depth = 'policy', trace = false }\n"
    "osmtpd.on('ehlo', function() end)\n"
    "osmtpd.on('rcpt-to', function(_, recipient)\n"
    "  local answer = mtasts.lookup(recipient, only_policy)\n"
    "  if answer.mode == 'enforce' then return osmtpd.junk() end\n"
    "end)\n";
/* Of the one, lookups wait for a rule, and are resumed when it has ended. */
static const char with_rule[] = "mtasts.on('policy', function() end)\n", nothing[] = "";

static struct event_base *base;
/* Rules, and a session that smtpd reported, whose object is theirs. */
static struct place {
  struct rules *rules;
  struct sessions *sessions;
  struct session *session;
} plain, ruled;
static char folder[] = "/tmp/mtasts-bench-XXXXXX", path[64];

static double cpu_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static long resident_kb(void) {
  char text[128] = "", *end = text;
  FILE *file = fopen("/proc/self/statm", "re");
  if (file && fgets(text, sizeof text, file)) strtol(text, &end, 10);
  if (file) fclose(file);
  return strtol(end, NULL, 10) * (sysconf(_SC_PAGESIZE) / 1024);
}

/* ---- loading ---- */

static void write_rules(const char *first, const char *more) {
  FILE *file = fopen(path, "we");
  if (!file || fputs(first, file) < 0 || fputs(more, file) < 0 || fclose(file) != 0) bench_fail(path, NULL);
}

static struct rules *load(void) {
  struct mts_settings *settings = NULL;
  struct rules *rules = NULL;
  char why[RULES_WHY_SIZE];
  if (mts_settings_new(&settings) || mts_settings_set(settings, "store", "none") || mts_settings_set(settings, "rules", path) ||
      mts_settings_set(settings, "log", "none"))
    bench_fail("settings", NULL);
  if (rules_new(settings, &phases_kind, base, NULL, true, why, &rules)) bench_fail("rules", why);
  mts_settings_free(&settings);
  return rules;
}

/* As operators write them: tables, and short functions that look something up there. */
static const char *many_lines(void) {
  static struct mts_buf text = {.limit = 65536};
  mts_buf_addf(&text, "local mtasts = require 'mtasts'\n");
  for (int line = 1; line < LINES; line += 10)
    mts_buf_addf(
        &text,
        "-- Partners, number %d.\nlocal partners%d = {\n  ['a%d.example'] = 'contract',\n  ['b%d.example'] = 'agreed',\n}\n"
        "mtasts.on('policy', function(answer)\n  local why = partners%d[answer.domain]\n"
        "  if why and answer.mode ~= 'enforce' then return mtasts.treat_as('enforce', why) end\nend)\n\n",
        line, line, line, line, line);
  if (!text.p) bench_fail("memory", NULL);
  return text.p;
}

static double seconds_to_load(const char *text) {
  write_rules(text, nothing);
  double from = cpu_seconds();
  for (int i = 0; i < LOADS; i++) {
    struct rules *rules = load();
    rules_free(&rules);
  }
  return (cpu_seconds() - from) / LOADS;
}

static void print(const char *what, double value, const char *unit, const char *aim) {
  printf("  %-62s %8.2f %s%s%s%s\n", what, value, unit, aim ? "   (aim: " : "", aim ? aim : "", aim ? ")" : "");
}

static void bench_loading(void) {
  double empty[ROUNDS], whole[ROUNDS];
  const char *text = many_lines();
  for (int r = 0; r < ROUNDS; r++) {
    empty[r] = seconds_to_load("local mtasts = require 'mtasts'\n");
    whole[r] = seconds_to_load(text);
  }
  double without = bench_median(empty, ROUNDS) * 1e3, with = bench_median(whole, ROUNDS) * 1e3;
  printf("loading a file of %d lines:\n", LINES);
  print("a new Lua state and an empty file", without, "ms", NULL);
  print("and with the lines", with, "ms", NULL);
  print("so the lines take", with - without, "ms", "1");
}

/* ---- calling ---- */

static size_t opinions, answers;

static void decided(void *arg, const struct phase_decision *decision) {
  (void)arg;
  opinions += decision->opinion;
  answers++;
}

#define ID "7641df9771b4ed00"

static void report(const struct place *place, const char *event) {
  char text[200];
  struct filter_line line = {0};
  int n = snprintf(text, sizeof text, "report|0.7|1576146008.006099|smtp-in|%s", event);
  if (!filter_line_parse(mts_span(text, (size_t)n), &line)) bench_fail(event, "it was not understood");
  sessions_report(place->sessions, &line);
}

static void ending(void *arg, struct session *session) {
  const struct place *place = arg;
  phases_session_ending(place->rules, session);
}

static void begin_session(struct place *place) {
  report(place, "link-connect|" ID "|client.test|pass|192.0.2.77:40123|192.0.2.1:25");
  place->session = sessions_find(place->sessions, mts_span(ID, sizeof ID - 1));
  if (!place->session) bench_fail("session", "there is none");
}

static void begin(struct place *place, const char *more) {
  write_rules(head, more);
  place->rules = load();
  if (sessions_new(ending, place, &place->sessions)) bench_fail("sessions", NULL);
  begin_session(place);
}

static void end(struct place *place) {
  rules_free(&place->rules);
  sessions_free(&place->sessions);
}

/* As filter-mtasts does, which asks only where there is a hook. */
static void hook(const struct place *place, enum filter_phase phase) {
  static const char id[] = ID, recipient[] = "joe@a.test";
  const struct filter_line request = {.kind = FILTER_REQUEST, .phase = phase, .session = mts_span(id, sizeof id - 1)};
  struct rules_call *call;
  size_t before = answers;
  if (!rules_want(place->rules, phase)) {
    answers++;
    return;
  }
  if (phases_ask(place->rules, &request, place->session, mts_span(recipient, sizeof recipient - 1), decided, NULL, &call))
    bench_fail("hook", "no memory");
  rules_hand_on(place->rules);
  while (answers == before && rules_step(place->rules)) continue;
}

static void no_hook(void) { hook(&plain, FILTER_PHASE_HELO); }
static void empty_hook(void) { hook(&plain, FILTER_PHASE_EHLO); }
/* One that comes and goes: rules get an object for it. */
static void whole_session(void) {
  report(&plain, "link-disconnect|" ID);
  begin_session(&plain);
  empty_hook();
}
static void hook_looks_up(void) { hook(&plain, FILTER_PHASE_RCPT_TO); }
static void hook_is_resumed(void) { hook(&ruled, FILTER_PHASE_RCPT_TO); }

static void found(void *arg, enum mts_err err, struct mts_answer *answer) {
  (void)arg;
  opinions += !err && answer->mode == MTS_MODE_ENFORCE;
  answers++;
  mts_answer_free(&answer);
}

/* As table-mtasts does. */
static void look_up(const struct place *place) {
  static const struct mts_lookup_opts opts = {.depth = MTS_DEPTH_POLICY, .no_trace = true};
  struct mts_lookup *lookup = NULL;
  size_t before = answers;
  if (mts_lookup_start(rules_context(place->rules), "a.test", &opts, found, NULL, &lookup)) bench_fail("lookup", NULL);
  while (answers == before && rules_step(place->rules)) continue;
}
static void lookup_alone(void) { look_up(&plain); }
static void lookup_asks_a_rule(void) { look_up(&ruled); }

/* Microseconds of one call. */
static double run(void (*call)(void), int calls) {
  double from = cpu_seconds();
  answers = 0;
  for (int i = 0; i < calls; i++) call();
  if (answers != (size_t)calls) bench_fail("not every call was answered", NULL);
  return (cpu_seconds() - from) / calls * 1e6;
}

struct side {
  const char *name;
  void (*call)(void);
  bool has_opinion; /* each call ends with one: else something else was measured */
};

static void compare(const char *what, const struct side sides[2], const char *aim) {
  double took[2][ROUNDS];
  for (int s = 0; s < 2; s++) {
    opinions = 0;
    run(sides[s].call, CALLS / 10);
    if (opinions != (sides[s].has_opinion ? CALLS / 10 : 0)) bench_fail(sides[s].name, "not what it should answer");
  }
  for (int r = 0; r < ROUNDS; r++)
    for (int s = 0; s < 2; s++) took[s][r] = run(sides[s].call, CALLS);
  double without = bench_median(took[0], ROUNDS), with = bench_median(took[1], ROUNDS);
  printf("%s:\n", what);
  print(sides[0].name, without, "us", NULL);
  print(sides[1].name, with, "us", NULL);
  print("difference", with - without, "us", aim);
}

static void bench_growth(const char *name, void (*call)(void)) {
  run(call, MANY / 10);
  long before = resident_kb();
  run(call, MANY);
  long after = resident_kb();
  printf("  %-62s %5ld kB before, %5ld kB after   (aim: no growth)\n", name, before, after);
}

/* rules [NAME]: only calls of one kind, for a profiler: hook, lookup, resumed, asked. */
static int profile(const char *name) {
  static const struct {
    const char *name;
    void (*call)(void);
  } kinds[] = {{"hook", empty_hook}, {"lookup", hook_looks_up}, {"resumed", hook_is_resumed}, {"asked", lookup_asks_a_rule}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(kinds[i].name, name) != 0) continue;
    print(name, run(kinds[i].call, CALLS), "us", NULL);
    return 0;
  }
  return 64;
}

int main(int argc, char **argv) {
  base = event_base_new();
  if (!base || !mkdtemp(folder)) return 70;
  snprintf(path, sizeof path, "%s/rules.lua", folder);
  begin(&plain, nothing);
  begin(&ruled, with_rule);
  int code = 0;
  if (argc > 1) {
    code = profile(argv[1]);
  } else {
    const struct side hooks[] = {{"a phase that has no hook", no_hook, false}, {"one that has an empty hook", empty_hook, false}};
    const struct side lookups[] = {{"an empty hook", empty_hook, false},
                                   {"one that looks a domain up, which memory answers", hook_looks_up, true}};
    const struct side resumed[] = {{"an empty hook", empty_hook, false},
                                   {"the same, waiting for a rule, and resumed", hook_is_resumed, true}};
    const struct side asked[] = {{"a lookup in C that memory answers, no rules", lookup_alone, true},
                                 {"with an empty rule for policies", lookup_asks_a_rule, true}};
    compare("a hook of smtpd's sessions", hooks, "1");
    compare("a lookup in a hook", lookups, "3");
    compare("a lookup in a hook that is resumed", resumed, "3");
    compare("a rule for policies", asked, "1");
    bench_loading();
    printf("resident size, %d calls:\n", MANY);
    bench_growth("an empty hook", empty_hook);
    bench_growth("a hook whose lookup memory answers", hook_looks_up);
    bench_growth("a hook whose lookup waits for a rule", hook_is_resumed);
    bench_growth("a session that comes, has an empty hook, and goes", whole_session);
  }
  end(&plain);
  end(&ruled);
  event_base_free(base);
  unlink(path);
  rmdir(folder);
  return code;
}
