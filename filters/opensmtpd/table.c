/* SPDX-License-Identifier: ISC
 *
 * table-mtasts: started by OpenSMTPD for a table of the type "mtasts", it answers the services domain and relayhost.
 *
 * smtpd dies with a table that exits or answers twice, and waits for ever for one that does not answer. So: after the start nothing
 * ends this program but the end of its input, and each request gets just one answer.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "input.h"
#include "phases.h"
#include "program.h"
#include "request.h"
#include "resolve/settings.h"
#include "service.h"
#include "setup.h"

#define REFRESH_EVERY_S 600
#define REFRESH_AT_ONCE 4
#define KEY_MAX 1024 /* no domain is that long; what is longer is cut, and no domain either */
#define ID_SIZE 80
#define WATCHDOG_SLACK_MS 2000 /* an answer later than its deadline by this much will not come any more */

enum protocol { PROTOCOL_UNKNOWN, PROTOCOL_TEXT, PROTOCOL_IMSG };

struct table {
  struct rules *rules;
  struct mts_log *log;
  struct service *service;
  struct event_base *base;
  struct event *readable, *refresh, *watchdog, *hangup;
  struct timeval patience;
  int in, out_fd;
  struct input input;
  enum protocol protocol;
  struct mts_buf out;
  bool busy;    /* a request waits for its answer */
  bool pumping; /* requests are being taken */
  struct table_request now;
  char id[ID_SIZE], key[KEY_MAX]; /* of it */
};

/* ---- answering ---- */

static void leave(struct table *table) { event_base_loopbreak(table->base); }

static void write_out(struct table *table) {
  int fd = table->protocol == PROTOCOL_IMSG ? table->in : table->out_fd; /* imsg: one socket for both directions */
  size_t at = 0;
  while (at < table->out.n) {
    ssize_t n = write(fd, table->out.p + at, table->out.n - at);
    if (n > 0) {
      at += (size_t)n;
    } else if (n < 0 && errno == EAGAIN) {
      struct pollfd writable = {.fd = fd, .events = POLLOUT};
      poll(&writable, 1, -1);
    } else if (n == 0 || errno != EINTR) {
      mts_log_write(table->log, MTS_LOG_ERROR, NULL, "smtpd takes no answers any more: %s", strerror(errno));
      leave(table);
      return;
    }
  }
}

static void answer(struct table *table, const struct table_request *request, enum table_result result, const char *value) {
  mts_buf_reset(&table->out);
  enum mts_err err = table->protocol == PROTOCOL_IMSG ? table_imsg_answer(request, result, value, &table->out)
                                                      : table_text_answer(request, result, value, &table->out);
  if (err) {
    mts_log_write(table->log, MTS_LOG_ERROR, NULL, "cannot answer smtpd: %s", mts_err_message(err));
    return;
  }
  write_out(table);
}

static void pump(struct table *table);

static void served(void *arg, enum table_result result, const char *value) {
  struct table *table = arg;
  if (!table->busy) return;
  table->busy = false;
  event_del(table->watchdog);
  if (result == TABLE_ERROR) {
    mts_log_write(table->log, MTS_LOG_WARNING, table->key, "smtpd is told to try again later: %s", value ? value : "");
  } else {
    mts_log_write(table->log, MTS_LOG_INFO, table->key, "%s", value ? value : result == TABLE_FOUND ? "enforce" : "not enforce");
  }
  answer(table, &table->now, result, value);
  pump(table);
}

static void keep(char *to, size_t size, struct mts_span from) {
  size_t n = from.n < size - 1 ? from.n : size - 1;
  if (n) memcpy(to, from.p, n);
  to[n] = 0;
}

/* The answer may come much later, when the input is gone. */
static void serve(struct table *table, const struct table_request *request) {
  table->busy = true;
  keep(table->id, sizeof table->id, request->id);
  keep(table->key, sizeof table->key, request->key);
  table->now = *request;
  table->now.id = mts_span_of(table->id);
  table->now.key = mts_span_of(table->key);
  event_add(table->watchdog, &table->patience);
  if (memchr(request->key.p, 0, request->key.n)) {
    served(table, request->op == TABLE_CHECK ? TABLE_NOT_FOUND : TABLE_ERROR, "a NUL in a domain");
  } else if (request->op == TABLE_CHECK && request->service == TABLE_SERVICE_DOMAIN) {
    service_domain(table->service, table->key);
  } else if (request->op == TABLE_LOOKUP && request->service == TABLE_SERVICE_RELAYHOST) {
    service_relayhost(table->service, table->key);
  } else {
    served(table, TABLE_ERROR, "this table is only for \"match ... for domain <table>\" and \"relay tls domain <table>\"");
  }
}

static void handle(struct table *table, const struct table_request *request) {
  switch (request->op) {
    case TABLE_NOTHING:
    case TABLE_CLOSE: /* smtpd closes its end next */
      break;
    case TABLE_READY:
    case TABLE_OPEN:
    case TABLE_UPDATE:
      answer(table, request, TABLE_FOUND, NULL);
      break;
    case TABLE_FETCH: /* there is nothing to list */
      answer(table, request, TABLE_NOT_FOUND, NULL);
      break;
    case TABLE_CHECK:
    case TABLE_LOOKUP:
      if (request->key.n)
        serve(table, request);
      else
        answer(table, request, request->op == TABLE_CHECK ? TABLE_NOT_FOUND : TABLE_ERROR, "no domain");
      break;
  }
}

/* ---- reading ---- */

static bool next_line(struct table *table) {
  struct mts_span line;
  struct table_request request;
  bool cut;
  if (!input_line(&table->input, &line, &cut)) return false;
  if (table_text_parse(line, &request))
    handle(table, &request);
  else
    mts_log_seldom(table->log, MTS_LOG_ERROR, "line", NULL, "smtpd said what is not understood: %.*s",
                   (int)(line.n < 200 ? line.n : 200), line.p);
  return true;
}

static bool next_frame(struct table *table) {
  struct table_request request;
  struct mts_span rest = input_rest(&table->input);
  size_t used;
  enum mts_err err = table_imsg_parse(rest, &request, &used);
  if (!err && !used) return false;
  if (err) mts_log_seldom(table->log, MTS_LOG_ERROR, "frame", NULL, "smtpd sent a frame that is not understood");
  input_skip(&table->input, used ? used : rest.n);
  if (err && request.op != TABLE_NOTHING && used)
    answer(table, &request, TABLE_ERROR, NULL);
  else if (!err)
    handle(table, &request);
  return true;
}

static bool next(struct table *table) {
  if (table->protocol == PROTOCOL_UNKNOWN) {
    bool is_text;
    if (!table->input.p || !table_is_text(input_rest(&table->input), &is_text)) return false;
    table->protocol = is_text ? PROTOCOL_TEXT : PROTOCOL_IMSG;
  }
  return table->protocol == PROTOCOL_TEXT ? next_line(table) : next_frame(table);
}

/* Takes requests until one has to wait. */
static void pump(struct table *table) {
  if (table->pumping) return;
  table->pumping = true;
  while (!table->busy && next(table)) continue;
  table->pumping = false;
  if (table->busy)
    event_del(table->readable);
  else
    event_add(table->readable, NULL);
}

static void can_read(evutil_socket_t fd, short what, void *arg) {
  (void)what;
  struct table *table = arg;
  char *to;
  size_t room;
  if (input_room(&table->input, &to, &room)) {
    mts_log_seldom(table->log, MTS_LOG_ERROR, "memory", NULL, "out of memory; trying again");
    return;
  }
  ssize_t n = read(fd, to, room);
  if (n > 0) {
    input_got(&table->input, (size_t)n);
    rules_look(table->rules, false);
    pump(table);
  } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
    leave(table); /* smtpd closed it, or died */
  }
}

/* Whatever went wrong within: smtpd must not wait for ever. */
static void overdue(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct table *table = arg;
  service_cancel(table->service);
  served(table, TABLE_ERROR, mts_err_message(MTS_ERR_DEADLINE));
}

static void refresh(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct table *table = arg;
  mts_refresh_due(rules_context(table->rules), REFRESH_AT_ONCE, NULL); /* RFC 8461 10.2; its failures are logged and tried again */
}

static void hangup(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  const struct table *table = arg;
  program_hung_up = 0;
  rules_look(table->rules, true);
}

/* ---- beginning and end ---- */

/* What differs from the library: mail waits here, and smtpd answers nobody meanwhile; a daemon's stderr is read by nobody. */
static const char *const defaults[][2] = {
    {"mail_deadline_ms", "5000"}, {"dns_deadline_ms", "3000"}, {"background", "yes"}, {"log", "syslog"}, {NULL, NULL}};

static bool start(struct table *table, const struct mts_settings *settings, char why[RULES_WHY_SIZE]) {
  memccpy(why, "out of memory or of file descriptors", 0, RULES_WHY_SIZE);
  uint32_t deadline_ms = settings_number(settings, SETTING_mail_deadline_ms);
  table->out.limit = TABLE_ANSWER_MAX;
  table->base = event_base_new();
  if (!table->base || program_log(settings, &table->log) || !setup_channels(&table->in, &table->out_fd)) return false;
  if (rules_new(settings, &phases_kind, table->base, table->log, false, why, &table->rules)) return false;
  if (service_new(rules_context(table->rules), &mts_clock_real, deadline_ms, served, table, &table->service)) return false;
  table->readable = event_new(table->base, table->in, EV_READ | EV_PERSIST, can_read, table);
  table->refresh = event_new(table->base, -1, EV_PERSIST, refresh, table);
  table->watchdog = evtimer_new(table->base, overdue, table);
  table->hangup = program_hangup(table->base, hangup, table);
  deadline_ms += WATCHDOG_SLACK_MS;
  table->patience = (struct timeval){.tv_sec = (time_t)(deadline_ms / 1000), .tv_usec = (suseconds_t)(deadline_ms % 1000) * 1000};
  const struct timeval every = {.tv_sec = REFRESH_EVERY_S};
  return table->readable && table->refresh && table->watchdog && table->hangup && event_add(table->readable, NULL) == 0 &&
         (!settings_bool(settings, SETTING_background) || event_add(table->refresh, &every) == 0);
}

static void stop(struct table *table) {
  service_free(&table->service);
  rules_free(&table->rules);
  if (table->readable) event_free(table->readable);
  if (table->refresh) event_free(table->refresh);
  if (table->watchdog) event_free(table->watchdog);
  if (table->hangup) event_free(table->hangup);
  if (table->base) event_base_free(table->base);
  mts_log_free(&table->log);
  input_free(&table->input);
  mts_buf_free(&table->out);
}

int main(int argc, char **argv) {
  bool only_check = false;
  const struct setup_words words = {.program = "table-mtasts",
                                    .usage =
                                        "table-mtasts [-n] [-s NAME=VALUE] [/path/to/settings]\n"
                                        "started by smtpd: table NAME \"mtasts:/path/to/settings\"",
                                    .defaults = defaults,
                                    .only_check = &only_check};
  struct mts_settings *settings = NULL;
  int code = setup_read(&words, argc, argv, &settings);
  if (code) return code;
  if (only_check) {
    code = rules_check("table-mtasts", &phases_kind, settings);
    mts_settings_free(&settings);
    return code;
  }
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  sigaction(SIGPIPE, &ignore, NULL);
  struct table table = {0};
  char why[RULES_WHY_SIZE];
  bool started = start(&table, settings, why);
  mts_settings_free(&settings);
  if (started)
    event_base_loop(table.base, EVLOOP_NO_EXIT_ON_EMPTY);
  else
    setup_fail("table-mtasts", why);
  stop(&table);
  return started ? 0 : 1;
}
