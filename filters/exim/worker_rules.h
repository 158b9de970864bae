/* SPDX-License-Identifier: ISC
 * The operator's rules, in a process of their own (worker.h): their state begins and ends with it. */
#ifndef MTASTS_EXIM_WORKER_RULES_H
#define MTASTS_EXIM_WORKER_RULES_H

#include "process.h"
#include "result.h"
#include "worker.h"

#define RULES_ARGUMENTS_MOST 6

bool rules_are_set(const struct process *process);
/* The lookup with the hooks asked, driven to its end. false: the rules cannot be loaded, which is logged, and done was not called. */
bool rules_look_up(const struct process *process, const char *domain, const struct mts_lookup_opts *opts, mts_lookup_fn done,
                   void *arg);
/* Tells the hook "session" of one that was counted. */
void rules_session_counted(const struct process *process, const struct mts_session *session);
/* Calls what exim.provide has under this name, and answers: an exim_result and a text. */
void rules_call(const struct process *process, struct worker *worker, const char *name, int count, const char *const *arguments);

#endif
