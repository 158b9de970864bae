/* SPDX-License-Identifier: ISC
 * The side of smtpd, for benchmarks: starts a filter or a table on a socket, as smtpd does, and talks with it line by line. And a
 * folder with a store full of policies. What goes wrong ends the benchmark with a message. */
#ifndef MTASTS_BENCH_PEER_H
#define MTASTS_BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PEER_BUFFER (256 * 1024)

struct peer {
  pid_t pid;
  int fd;
  char input[PEER_BUFFER];
  size_t begin, end;
};

/* argument: NULL for none. What it says on stderr goes to the file "stderr" of the folder. */
void peer_start(struct peer *peer, const char *folder, const char *program, const char *argument);
/* Sends hello and reads until register|ready. false: it ended instead. */
bool peer_greet(struct peer *peer, const char *hello);
void peer_say(struct peer *peer, const char *text, size_t n);
/* The next line, without its LF but with a NUL; lent until the next call. NULL: the program ended, or is silent. */
char *peer_hear(struct peer *peer);
bool peer_has_line(const struct peer *peer);
/* Ends it; seconds of processor time it used, all in all. */
double peer_end(struct peer *peer);

/* Starts a DNS server on loopback that answers at once, and returns its address: each name has the MX host mx1 below it, at 127.0.0.1.
 * Nothing leaves the machine. */
const char *bench_nameserver(void);
/* A folder below TMPDIR with a store of so many policies, enforce, for domain-N.bench.test with the MX hosts below it. */
const char *bench_folder(int domains);
/* NAME of the folder with these lines, beside those that name the store and the DNS server; a NULL ends them. */
const char *bench_settings(const char *name, const char *nameserver, const char *const *lines);
void bench_remove(void); /* ends the DNS server, too */
const char *bench_path(const char *name);
_Noreturn void bench_fail(const char *what, const char *why);

double bench_seconds(void);
int bench_compare(const void *a, const void *b);
double bench_median(double *values, size_t count); /* sorts them */

#endif
