/* SPDX-License-Identifier: ISC
 * table-mtasts, with this program in the place of smtpd 7.6: how long smtpd, which looks nothing else up meanwhile, waits for one answer.
 * Policies are in the store; MX records come from a responder on loopback that answers at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "osmtpd/peer.h"

#define DOMAINS 2000
#define RELAYS 400 /* fewer than the table remembers, and all asked for again within 10 s: nothing is probed */
#define AGAIN 20000

static const char hello[] = "config|smtpd-version|7.9.0-portable\nconfig|protocol|0.1\nconfig|tablename|stsdom\nconfig|ready\n";

static struct peer table;

/* Seconds until its answer. */
static double question(const char *what, int domain, int id) {
  char text[256], expected[128];
  int n = snprintf(text, sizeof text, "table|0.1|1795502638.263995|stsdom|%s|%08x|domain-%d.bench.test\n", what, id, domain);
  if (what[0] == 'c')
    snprintf(expected, sizeof expected, "check-result|%08x|found", id);
  else
    snprintf(expected, sizeof expected, "lookup-result|%08x|found|smtp+tls://mx1.domain-%d.bench.test", id, domain);
  double from = bench_seconds();
  peer_say(&table, text, (size_t)n);
  const char *line = peer_hear(&table);
  double took = bench_seconds() - from;
  if (!line || strcmp(line, expected) != 0) bench_fail("not the answer that was expected", line ? line : "it ended, or is silent");
  return took;
}

static void measure(const char *name, const char *what, int domains, int count) {
  double *took = malloc((size_t)count * sizeof *took);
  if (!took) bench_fail(name, NULL);
  double from = bench_seconds();
  for (int i = 0; i < count; i++) took[i] = question(what, i % domains, i + 1);
  double all = bench_seconds() - from;
  double middle = bench_median(took, (size_t)count); /* sorts */
  printf("%-54s %7.0f/s   median %6.3f ms   99 of 100 within %6.3f ms   (aim: 5 ms)\n", name, count / all, middle * 1e3,
         took[(size_t)count * 99 / 100] * 1e3);
  fflush(stdout);
  free(took);
}

int main(void) {
  static const char *const none[] = {NULL};
  const char *folder = bench_folder(DOMAINS);
  const char *nameserver = bench_nameserver();
  peer_start(&table, folder, MTASTS_BENCH_BUILD "/table-mtasts", bench_settings("table.conf", nameserver, none));
  if (!peer_greet(&table, hello)) bench_fail("table-mtasts", "does not start");
  measure("check|domain, each domain for the first time: store", "check|domain", DOMAINS, DOMAINS);
  measure("check|domain, again: memory", "check|domain", DOMAINS, AGAIN);
  question("lookup|relayhost", DOMAINS - 1, 1); /* loads the network module */
  measure("lookup|relayhost, first time: store, MX on loopback", "lookup|relayhost", RELAYS, RELAYS);
  measure("lookup|relayhost, again: memory", "lookup|relayhost", RELAYS, AGAIN);
  peer_end(&table);
  bench_remove();
  return 0;
}
