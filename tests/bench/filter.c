/* SPDX-License-Identifier: ISC
 * filter-mtasts beside the least a filter can do (osmtpd/reference.c), with this program in the place of smtpd: requests at rcpt-to for
 * domains whose policy and MX hosts are known, one session and many; then reports, which smtpd sends far more of. The two take turns, and
 * medians count: whatever else the machine does meets both. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "filter_line.h"
#include "osmtpd/peer.h"

#define DOMAINS 100
#define STARTS 7
#define PAIRS 25
#define ALONE 400 /* round trips of a run, one session: short, for a machine has moods of a tenth of a second and more */
#define MANY 4000 /* and with many sessions */
#define SESSIONS 64
#define REPORTS 300000
#define ROUNDS 9

static const char hello[] =
    "config|smtpd-version|7.4.0-portable\nconfig|smtp-session-timeout|300\nconfig|subsystem|smtp-in\n"
    "config|subsystem|smtp-out\nconfig|ready\n";

/* With which settings filter-mtasts runs. */
struct variant {
  const char *name;
  double aim;         /* of what the reference does */
  const char *sender; /* the example rule looks up where mail of some goes */
  const char *lines[8];
};
static char rules[1000] = "rules = " MTASTS_BENCH_EXAMPLES "/opensmtpd.lua";
static const struct variant variants[] = {
    {"no rules", 0.9, "ann@relay.test", {NULL}},
    {"examples/opensmtpd.lua, mail that it lets pass", 0.8, "ann@relay.test", {rules, NULL}},
    {"examples/opensmtpd.lua, mail whose domain it looks up", 0.8, "payroll@relay.test", {rules, NULL}},
};

static struct peer reference, ours;
static const char *folder, *nameserver;

static double cpu_seconds(clockid_t which) {
  struct timespec now;
  if (clock_gettime(which, &now) != 0) bench_fail("clock", NULL);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Of another process, so far. */
static double its_cpu_seconds(pid_t pid) {
  clockid_t its;
  if (clock_getcpuclockid(pid, &its) != 0) bench_fail("clock of the filter", NULL);
  return cpu_seconds(its);
}

static const char *first_error(void) {
  static char text[300];
  FILE *file = fopen(bench_path("stderr"), "re");
  if (!file || !fgets(text, sizeof text, file)) snprintf(text, sizeof text, "it ended without a word");
  if (file) fclose(file);
  text[strcspn(text, "\n")] = 0;
  return text;
}

/* ---- requests ---- */

static size_t ask(char *to, size_t size, unsigned session, unsigned turn) {
  int n = snprintf(to, size, "filter|0.7|1576146008.006099|smtp-in|rcpt-to|%016x|%016x|joe@domain-%u.bench.test\n",
                   0x7641df00u + session, 0x1ef1c200u + session, turn % DOMAINS);
  return (size_t)n;
}

/* The session that may go on. */
static unsigned take_answer(struct peer *peer) {
  static const char head[] = "filter-result|";
  const char *line = peer_hear(peer);
  if (!line) bench_fail("the filter", "it ended, or is silent");
  unsigned session = (unsigned)strtoul(line + sizeof head - 1, NULL, 16) - 0x7641df00u;
  char expected[128];
  snprintf(expected, sizeof expected, "filter-result|%016x|%016x|proceed", 0x7641df00u + session, 0x1ef1c200u + session);
  if (session >= SESSIONS || strcmp(line, expected) != 0) bench_fail("not the answer that was expected", line);
  return session;
}

/* As smtpd reports each session before it asks anything. */
static void connect_sessions(struct peer *peer, const char *sender) {
  char line[256];
  for (unsigned session = 0; session < SESSIONS; session++) {
    int n = snprintf(line, sizeof line,
                     "report|0.7|1576146008.006099|smtp-in|link-connect|%016x|client.test|pass|192.0.2.77:40123|192.0.2.1:25\n"
                     "report|0.7|1576146008.006099|smtp-in|tx-mail|%016x|0d8bcc43|ok|%s\n",
                     0x7641df00u + session, 0x7641df00u + session, sender);
    peer_say(peer, line, (size_t)n);
  }
}

/* Round trips a second, so many sessions with one request each under way. */
static double round_trips(struct peer *peer, unsigned sessions, unsigned count) {
  static char out[SESSIONS * 160];
  size_t n = 0;
  unsigned asked = 0, answered = 0;
  double from = bench_seconds();
  while (asked < sessions) {
    n += ask(out + n, sizeof out - n, asked, asked);
    asked++;
  }
  peer_say(peer, out, n);
  while (answered < count) {
    n = 0;
    do {
      unsigned session = take_answer(peer);
      answered++;
      if (asked < count) n += ask(out + n, sizeof out - n, session, asked++);
    } while (peer_has_line(peer) && sizeof out - n > 160);
    if (n) peer_say(peer, out, n);
  }
  return count / (bench_seconds() - from);
}

static void start_filter(const char *settings) {
  peer_start(&ours, folder, MTASTS_BENCH_BUILD "/filter-mtasts", settings);
  if (!peer_greet(&ours, hello)) bench_fail("filter-mtasts does not start", first_error());
}

static void start_both(const struct variant *variant, const char *settings) {
  start_filter(settings);
  peer_start(&reference, folder, MTASTS_BENCH_BUILD "/tests/bench_osmtpd_reference", NULL);
  if (!peer_greet(&reference, hello)) bench_fail("the reference", "does not start");
  connect_sessions(&ours, variant->sender);
  connect_sessions(&reference, variant->sender);
}

/* Where its memory comes to lie makes a start of the same program half as fast again as another one: several count. */
static void compare(const struct variant *variant, const char *settings, unsigned sessions, unsigned count) {
  double least[STARTS * PAIRS], mine[STARTS * PAIRS], part[STARTS * PAIRS], of_start[STARTS], least_cpu = 0, my_cpu = 0;
  for (int start = 0; start < STARTS; start++) {
    start_both(variant, settings);
    round_trips(&reference, sessions, count);
    round_trips(&ours, sessions, count);
    least_cpu -= its_cpu_seconds(reference.pid);
    my_cpu -= its_cpu_seconds(ours.pid);
    for (int i = start * PAIRS; i < (start + 1) * PAIRS; i++) {
      /* Who begins changes, so that neither always follows the other. */
      if (i % 2) mine[i] = round_trips(&ours, sessions, count);
      least[i] = round_trips(&reference, sessions, count);
      if (i % 2 == 0) mine[i] = round_trips(&ours, sessions, count);
      part[i] = 100 * mine[i] / least[i];
    }
    least_cpu += its_cpu_seconds(reference.pid);
    my_cpu += its_cpu_seconds(ours.pid);
    peer_end(&ours);
    peer_end(&reference);
    double pairs[PAIRS];
    memcpy(pairs, part + start * PAIRS, sizeof pairs);
    of_start[start] = bench_median(pairs, PAIRS);
  }
  double each_us = 1e6 / ((double)count * PAIRS * STARTS);
  double limit = bench_median(least, STARTS * PAIRS), rate = bench_median(mine, STARTS * PAIRS);
  printf("  rcpt-to, %2u session%s  filter-mtasts %6.0f/s (%.1f us)   reference %6.0f/s (%.1f us)   %.0f %%   (aim: %.0f %%)\n",
         sessions, sessions == 1 ? ": " : "s:", rate, 1e6 / rate, limit, 1e6 / limit, bench_median(part, STARTS * PAIRS),
         100 * variant->aim);
  bench_median(of_start, STARTS);
  printf("%28sthe %d starts of both: %.0f to %.0f %%; processor time %.1f us, reference %.1f us\n", "", STARTS, of_start[0],
         of_start[STARTS - 1], my_cpu * each_us, least_cpu * each_us);
  fflush(stdout);
}

/* ---- reports ---- */

/* What smtpd reports of one message that comes in and goes out. */
static const char *const dialogue[] = {
    "in|link-connect|S|client.example.org|pass|192.0.2.7:41332|198.51.100.1:25",
    "in|link-greeting|S|relay.example.test",
    "in|protocol-server|S|220 relay.example.test ESMTP OpenSMTPD",
    "in|protocol-client|S|EHLO client.example.org",
    "in|link-identify|S|EHLO|client.example.org",
    "in|filter-response|S|ehlo|proceed",
    "in|protocol-server|S|250-relay.example.test Hello client.example.org [192.0.2.7], pleased to meet you",
    "in|protocol-server|S|250 HELP",
    "in|protocol-client|S|MAIL FROM:<ann@client.example.org> SIZE=4711",
    "in|tx-begin|S|f36bc761",
    "in|tx-mail|S|f36bc761|ok|ann@client.example.org",
    "in|protocol-server|S|250 2.0.0 Ok",
    "in|protocol-client|S|RCPT TO:<joe@domain-1.bench.test>",
    "in|filter-response|S|rcpt-to|proceed",
    "in|tx-envelope|S|f36bc761|f36bc76183ef94bd",
    "in|tx-rcpt|S|f36bc761|ok|joe@domain-1.bench.test",
    "in|protocol-server|S|250 2.1.5 Destination address valid: Recipient ok",
    "in|protocol-client|S|DATA",
    "in|tx-data|S|f36bc761|ok",
    "in|protocol-server|S|354 Enter mail, end with \".\" on a line by itself",
    "in|tx-commit|S|f36bc761|4711",
    "in|protocol-server|S|250 2.0.0 f36bc761 Message accepted for delivery",
    "in|protocol-client|S|QUIT",
    "in|link-disconnect|S",
    "out|link-connect|S|mx1.domain-1.bench.test|pass|198.51.100.1:41332|203.0.113.7:25",
    "out|protocol-server|S|220 mx1.domain-1.bench.test ESMTP ready",
    "out|link-greeting|S|mx1.domain-1.bench.test",
    "out|protocol-client|S|EHLO relay.example.test",
    "out|link-identify|S|EHLO|relay.example.test",
    "out|protocol-server|S|250-mx1.domain-1.bench.test",
    "out|protocol-server|S|250 STARTTLS",
    "out|protocol-client|S|STARTTLS",
    "out|protocol-server|S|220 2.0.0 go ahead",
    "out|link-tls|S|TLSv1.3:TLS_AES_256_GCM_SHA384:256",
    "out|protocol-client|S|MAIL FROM:<ann@client.example.org>",
    "out|tx-begin|S|f36bc761",
    "out|tx-mail|S|f36bc761|ok|ann@client.example.org",
    "out|protocol-client|S|RCPT TO:<joe@domain-1.bench.test>",
    "out|tx-envelope|S|f36bc761|f36bc76183ef94bd",
    "out|tx-rcpt|S|f36bc761|ok|joe@domain-1.bench.test",
    "out|protocol-client|S|DATA",
    "out|tx-data|S|f36bc761|ok",
    "out|tx-commit|S|f36bc761|4711",
    "out|link-disconnect|S"};

/* So many whole lines, of sessions that follow each other. */
static char *reports(size_t count, size_t *size) {
  const size_t each = sizeof dialogue / sizeof *dialogue;
  char *text = malloc(count * 200);
  if (!text) bench_fail("reports", NULL);
  size_t n = 0;
  for (size_t i = 0; i < count; i++) {
    const char *line = dialogue[i % each], *mark = strstr(line, "|S");
    n += (size_t)snprintf(text + n, 200, "report|0.7|1576146008.006099|smtp-%.*s|%016zx%s\n", (int)(mark - line), line,
                          0x7641df9700000000u + 2 * (i / each) + (*line == 'o'), mark + 2);
  }
  *size = n;
  return text;
}

static void print_rate(const char *what, double rate) { printf("  %-46s %8.0f lines/s on one core   (aim: 300000)\n", what, rate); }

static void parse_all(const char *text, size_t size) {
  size_t good = 0, addresses = 0;
  for (const char *line = text, *lf; line < text + size; line = lf + 1) {
    struct filter_line found = {0};
    struct mts_span message, result, address;
    lf = memchr(line, '\n', (size_t)(text + size - line));
    good += filter_line_parse(mts_span(line, (size_t)(lf - line)), &found) && found.event != FILTER_EVENT_UNKNOWN;
    if (found.event == FILTER_EVENT_TX_MAIL || found.event == FILTER_EVENT_TX_RCPT)
      addresses += filter_tx_address(&found, &message, &result, &address);
  }
  if (good != REPORTS || addresses < REPORTS / 50) bench_fail("reports", "not every line was understood");
}

static void bench_parser(const char *text, size_t size) {
  double rate[ROUNDS];
  for (int i = 0; i < ROUNDS; i++) {
    double from = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID);
    parse_all(text, size);
    rate[i] = REPORTS / (cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - from);
  }
  print_rate("reports, the parser in this process", bench_median(rate, ROUNDS));
}

/* The whole program, by the time its own process takes. The answer to a request behind them tells that all were read. */
static void bench_stream(const char *text, size_t size) {
  double rate[ROUNDS];
  char request[160];
  for (int i = 0; i < ROUNDS; i++) {
    double from = its_cpu_seconds(ours.pid);
    peer_say(&ours, text, size);
    peer_say(&ours, request, ask(request, sizeof request, 0, 0));
    take_answer(&ours);
    rate[i] = REPORTS / (its_cpu_seconds(ours.pid) - from);
  }
  print_rate("reports, filter-mtasts as a whole", bench_median(rate, ROUNDS));
}

/* ---- all of it ---- */

static void bench_variant(const struct variant *variant, const char *text, size_t size) {
  const char *settings = bench_settings("filter.conf", nameserver, variant->lines);
  printf("with %s:\n", variant->name);
  compare(variant, settings, 1, ALONE);
  compare(variant, settings, SESSIONS, MANY);
  start_filter(settings);
  bench_stream(text, size);
  peer_end(&ours);
  fflush(stdout);
}

/* filter [RULES]: another file with rules instead of the example. */
int main(int argc, char **argv) {
  size_t size;
  if (argc > 1) snprintf(rules, sizeof rules, "rules = %s", argv[1]);
  char *text = reports(REPORTS, &size);
  folder = bench_folder(DOMAINS);
  nameserver = bench_nameserver();
  bench_parser(text, size);
  for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) bench_variant(&variants[i], text, size);
  free(text);
  bench_remove();
  return 0;
}
