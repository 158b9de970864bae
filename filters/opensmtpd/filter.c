/* SPDX-License-Identifier: ISC
 *
 * filter-mtasts: holds rcpt-to of one session while the policy of the domain is looked up, and then lets it proceed. What was found
 * lies in the store, from where table-mtasts answers at once: smtpd itself waits for nobody.
 *
 * smtpd dies with a filter that exits or answers twice, and waits for ever for one that does not answer. So: after the start nothing
 * ends this program but the end of its input, each request gets just one answer, and has a deadline here.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "filter_line.h"
#include "input.h"
#include "resolve/settings.h"
#include "setup.h"

#define WAITING_MAX 2000      /* sessions held at once; beyond that they proceed, and the table looks the domain up */
#define OUT_MAX (1024 * 1024) /* answers that smtpd has not read yet */
#define OUT_PAUSE (64 * 1024) /* with more of them no further request is read */
#define RECIPIENT_MAX 1024    /* no address is that long */
#define WATCHDOG_SLACK_MS 2000

struct filter {
  struct mts *m;
  struct mts_log *log;
  struct event_base *base;
  struct event *readable, *writable;
  struct input input;
  struct mts_buf out;
  size_t sent; /* of out */
  uint32_t deadline_ms;
  size_t waiting;
  struct held *held; /* ring without a head */
};

/* A request that waits for its answer. */
struct held {
  struct filter *filter;
  struct held *previous, *next;
  struct mts_lookup *lookup;
  struct event *watchdog;
  struct filter_line request;
  char session[FILTER_ID_MAX + 1], token[FILTER_ID_MAX + 1];
};

/* ---- answering ---- */

static void leave(struct filter *filter) { event_base_loopbreak(filter->base); }

static void flush(struct filter *filter) {
  while (filter->sent < filter->out.n) {
    ssize_t n = write(STDOUT_FILENO, filter->out.p + filter->sent, filter->out.n - filter->sent);
    if (n > 0) {
      filter->sent += (size_t)n;
    } else if (n < 0 && errno == EAGAIN) {
      event_add(filter->writable, NULL);
      return;
    } else if (n == 0 || errno != EINTR) {
      leave(filter); /* smtpd is gone */
      return;
    }
  }
  mts_buf_reset(&filter->out);
  filter->sent = 0;
}

static void answer(struct filter *filter, const struct filter_line *request, enum filter_decision decision) {
  enum mts_err err = filter_answer(request, decision, NULL, &filter->out);
  if (err) mts_log_write(filter->log, MTS_LOG_ERROR, NULL, "cannot answer smtpd: %s", mts_err_message(err));
  flush(filter);
}

static void release(struct held *held) {
  struct filter *filter = held->filter;
  mts_lookup_cancel(&held->lookup);
  if (held->watchdog) event_free(held->watchdog);
  if (held->previous) held->previous->next = held->next;
  if (held->next) held->next->previous = held->previous;
  if (filter->held == held) filter->held = held->next;
  filter->waiting--;
  free(held);
}

static void let_go(struct held *held) {
  answer(held->filter, &held->request, FILTER_PROCEED);
  release(held);
}

static void found(void *arg, enum mts_err err, struct mts_answer *result) {
  struct held *held = arg;
  held->lookup = NULL;
  if (err) mts_log_write(held->filter->log, MTS_LOG_ERROR, NULL, "a lookup failed: %s", mts_err_message(err));
  if (result) mts_log_write(held->filter->log, MTS_LOG_INFO, result->domain, "%s", mts_action_name(result->action));
  mts_answer_free(&result);
  let_go(held);
}

/* Whatever went wrong within: the client must not wait for ever. */
static void overdue(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  let_go(arg);
}

/* ---- requests ---- */

static void keep(char to[FILTER_ID_MAX + 1], struct mts_span *id) {
  memcpy(to, id->p, id->n);
  to[id->n] = 0;
  *id = mts_span(to, id->n);
}

static struct held *hold(struct filter *filter, const struct filter_line *request) {
  struct held *held = filter->waiting < WAITING_MAX ? calloc(1, sizeof *held) : NULL;
  if (!held) return NULL;
  held->watchdog = evtimer_new(filter->base, overdue, held);
  uint32_t ms = filter->deadline_ms + WATCHDOG_SLACK_MS;
  const struct timeval patience = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};
  if (!held->watchdog || event_add(held->watchdog, &patience) != 0) {
    if (held->watchdog) event_free(held->watchdog);
    free(held);
    return NULL;
  }
  held->filter = filter;
  held->request = *request;
  keep(held->session, &held->request.session);
  keep(held->token, &held->request.token);
  held->next = filter->held;
  if (filter->held) filter->held->previous = held;
  filter->held = held;
  filter->waiting++;
  return held;
}

static void look_up(struct filter *filter, const struct filter_line *request) {
  char recipient[RECIPIENT_MAX];
  struct mts_span to = request->rest;
  bool fits = to.n > 0 && to.n < sizeof recipient && !memchr(to.p, 0, to.n);
  struct held *held = fits ? hold(filter, request) : NULL;
  if (!held) {
    if (fits) mts_log_seldom(filter->log, MTS_LOG_WARNING, "full", NULL, "too many sessions wait; further ones proceed at once");
    answer(filter, request, FILTER_PROCEED);
    return;
  }
  memcpy(recipient, to.p, to.n);
  recipient[to.n] = 0;
  const struct mts_lookup_opts opts = {.freshness = MTS_USE_CACHED, .deadline_ms = filter->deadline_ms};
  struct mts_lookup *lookup = NULL;
  /* When the answer is known at once, held is gone when this returns, and lookup is NULL. */
  enum mts_err err = mts_lookup_start(filter->m, recipient, &opts, found, held, &lookup);
  if (err)
    let_go(held); /* no domain, or no memory: smtpd's own rules and the table decide */
  else if (lookup)
    held->lookup = lookup;
}

static void introduce(struct filter *filter) {
  enum mts_err err = filter_register_phase(FILTER_PHASE_RCPT_TO, &filter->out);
  if (!err) err = mts_buf_add(&filter->out, filter_ready, strlen(filter_ready));
  if (err) mts_log_write(filter->log, MTS_LOG_ERROR, NULL, "cannot answer smtpd: %s", mts_err_message(err));
  flush(filter);
}

static void handle(struct filter *filter, struct mts_span line) {
  struct filter_line parsed;
  if (!filter_line_parse(line, &parsed)) {
    mts_log_seldom(filter->log, MTS_LOG_ERROR, "line", NULL, "smtpd said what is not understood: %.*s",
                   (int)(line.n < 200 ? line.n : 200), line.p);
    return;
  }
  switch (parsed.kind) {
    case FILTER_CONFIG:
    case FILTER_REPORT:
      break;
    case FILTER_READY:
      introduce(filter);
      break;
    case FILTER_REQUEST:
      if (parsed.phase == FILTER_PHASE_RCPT_TO)
        look_up(filter, &parsed);
      else
        answer(filter, &parsed, FILTER_PROCEED);
      break;
  }
}

/* ---- input and output ---- */

static void take_lines(struct filter *filter) {
  struct mts_span line;
  bool cut;
  while (filter->out.n - filter->sent < OUT_PAUSE && input_line(&filter->input, &line, &cut)) handle(filter, line);
  if (filter->out.n - filter->sent >= OUT_PAUSE)
    event_del(filter->readable); /* until smtpd has read what it was told */
  else
    event_add(filter->readable, NULL);
}

static void can_read(evutil_socket_t fd, short what, void *arg) {
  (void)what;
  struct filter *filter = arg;
  char *to;
  size_t room;
  if (input_room(&filter->input, &to, &room)) {
    mts_log_seldom(filter->log, MTS_LOG_ERROR, "memory", NULL, "out of memory; trying again");
    return;
  }
  ssize_t n = read(fd, to, room);
  if (n > 0) {
    input_got(&filter->input, (size_t)n);
    take_lines(filter);
  } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
    leave(filter); /* smtpd closed it, or died */
  }
}

static void can_write(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct filter *filter = arg;
  flush(filter);
  take_lines(filter);
}

/* ---- beginning and end ---- */

/* smtpd writes a filter's stderr into its own log. */
static const char *const defaults[][2] = {{"background", "yes"}, {"log", "stderr"}, {NULL, NULL}};

static bool start(struct filter *filter, const struct mts_settings *settings) {
  filter->out.limit = OUT_MAX;
  filter->deadline_ms = settings_number(settings, SETTING_mail_deadline_ms);
  filter->base = event_base_new();
  if (!filter->base || setup_log(settings, &filter->log) || mts_new(settings, &filter->m)) return false;
  mts_lend_loop(filter->m, filter->base);
  int flags = fcntl(STDOUT_FILENO, F_GETFL);
  if (flags < 0 || fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK) < 0) return false;
  filter->readable = event_new(filter->base, STDIN_FILENO, EV_READ | EV_PERSIST, can_read, filter);
  filter->writable = event_new(filter->base, STDOUT_FILENO, EV_WRITE, can_write, filter);
  return filter->readable && filter->writable && event_add(filter->readable, NULL) == 0;
}

static void stop(struct filter *filter) {
  while (filter->held) release(filter->held);
  mts_free(&filter->m);
  if (filter->readable) event_free(filter->readable);
  if (filter->writable) event_free(filter->writable);
  if (filter->base) event_base_free(filter->base);
  mts_log_free(&filter->log);
  input_free(&filter->input);
  mts_buf_free(&filter->out);
}

int main(int argc, char **argv) {
  if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
    fprintf(stderr,
            "usage: filter-mtasts [settings]\nstarted by smtpd: filter NAME proc-exec \"/path/to/filter-mtasts settings\"\n");
    return 64;
  }
  struct mts_settings *settings = setup_settings("filter-mtasts", argc > 1 ? argv[1] : NULL, defaults);
  if (!settings) return 1;
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  sigaction(SIGPIPE, &ignore, NULL);
  struct filter filter = {0};
  bool started = start(&filter, settings);
  mts_settings_free(&settings);
  if (started)
    event_base_loop(filter.base, EVLOOP_NO_EXIT_ON_EMPTY);
  else
    fprintf(stderr, "filter-mtasts: cannot start: out of memory or of file descriptors\n");
  stop(&filter);
  return started ? 0 : 1;
}
