/* SPDX-License-Identifier: ISC
 * What smtpd asks of the filter. Each request gets just one answer, whatever happens, and after the deadline at the latest. */
#ifndef MTASTS_FILTERS_REQUESTS_H
#define MTASTS_FILTERS_REQUESTS_H

#include "filter_line.h"
#include "phases.h"
#include "recent.h"
#include "sessions.h"

#define REQUESTS_WAITING_MAX 2000 /* held at once; beyond that they proceed, and the table looks the domain up */

/* How an answer came about, for the log and for who replays a session. */
struct request_story {
  int hook;               /* of the rules, from 1, that decided; 0: none did */
  bool hook_failed;       /* a hook was stopped or failed */
  bool overdue;           /* the deadline passed */
  const char *looked_up;  /* the domain whose policy was looked up; NULL: none was */
  enum mts_action action; /* what came of it */
};

struct requests_config {
  struct event_base *base;
  struct rules *rules;
  const struct sessions *sessions;
  struct recent *recent; /* is told of the domains that are asked for */
  struct mts_log *log;
  uint32_t deadline_ms;
  /* text NULL but for a refusal. */
  void (*answer)(void *arg, const struct filter_line *request, enum filter_decision decision, const char *text,
                 const struct request_story *story);
  void *arg;
};
struct requests;
enum mts_err requests_new(const struct requests_config *config, struct requests **requests);
void requests_free(struct requests **requests); /* those that wait get no answer */
/* request: lent, and what it is made of until requests_settle has dealt with it. The answer may come before this returns. */
void requests_take(struct requests *requests, const struct filter_line *request);
/* The rules, about those taken. Before what they know of a session changes. */
void requests_ask(struct requests *requests);
/* Those taken since the last time get the answers that are to be had at once; the others wait from now on. true: some are left, for rules
 * take their time, and this must be called again. */
bool requests_settle(struct requests *requests);
size_t requests_waiting(const struct requests *requests);

#endif
