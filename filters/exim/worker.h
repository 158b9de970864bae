/* SPDX-License-Identifier: ISC
 * Work in a process of its own, so that Exim's stays whole: what it loads, opens, crashes in, waits for or runs for ever in happens there.
 * Exim's process only forks and reads a pipe: no signal handler, no alarm, nothing to reap later. */
#ifndef MTASTS_EXIM_WORKER_H
#define MTASTS_EXIM_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORKER_TEXT_MAX ((size_t)256 << 10)

struct mts;
struct worker; /* the process, seen from inside */
/* Runs there, and may go on after it has answered. It must not return into code of Exim's: longjmp, exit. */
typedef void (*worker_fn)(struct worker *worker, void *arg);
/* Once. */
void worker_answer(struct worker *worker, int code, const char *text, size_t n);

struct worker_terms {
  struct mts *m;      /* of which the process may make use */
  uint32_t answer_ms; /* how long its answer is waited for; 0: not at all */
  uint32_t
      life_ms; /* how long it may go on after its answer, or without one that is waited for; then it is ended, whatever it does */
  const char *store; /* run as root, it becomes the owner of this file's folder; nobody where there is none, or NULL */
};

enum worker_end { WORKER_ANSWERED, WORKER_DIED, WORKER_LATE, WORKER_NOT_STARTED };
struct worker_reply {
  int code;
  char *text; /* owned, ends in NUL; NULL unless WORKER_ANSWERED */
  size_t n;
};
/* Run as root, and in the folder of this file others may write: only such a process may open it. Who writes a database's journal says which
 * files SQLite removes. */
bool worker_leaves_root(const char *store);
enum worker_end worker_run(worker_fn work, void *arg, const struct worker_terms *terms, struct worker_reply *reply);

#endif
