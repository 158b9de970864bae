/* SPDX-License-Identifier: ISC
 *
 * filter-mtasts: asks the operator's rules about smtpd's sessions, and holds rcpt-to of one session while the policy of the domain is
 * looked up. What was found lies in the store, from where table-mtasts answers at once: smtpd itself waits for nobody.
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
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine.h"
#include "input.h"
#include "overtime.h"
#include "program.h"
#include "recording.h"
#include "replay.h"
#include "resolve/settings.h"
#include "setup.h"

#define OUT_MAX (4 * 1024 * 1024) /* answers that smtpd has not read yet: more than all that can wait at once */
#define OUT_PAUSE (64 * 1024)     /* with more of them no further request is read */
/* Lines that came together are worked off some at a time: each write costs more than the answer, but smtpd shall not stand still. */
#define TOGETHER_LINES 8
#define TOGETHER_MS 2 /* or until the kernel's clock ticks */

struct filter {
  struct mts_log *log;
  struct event_base *base;
  struct event *readable, *writable, *hangup;
  struct engine *engine;
  struct recording *recording; /* NULL: none */
  int in, out_fd;
  bool socket; /* in and out_fd are: a socket can be told each time whether to wait, a pipe only once for all */
  struct input input;
  struct mts_buf out;
  size_t sent;   /* of out */
  bool left;     /* smtpd is gone */
  bool together; /* further lines are there already */
};

/* ---- output ---- */

static void leave(struct filter *filter) {
  filter->left = true;
  event_base_loopbreak(filter->base);
}

static void flush(struct filter *filter) {
  while (filter->sent < filter->out.n) {
    const char *from = filter->out.p + filter->sent;
    size_t left = filter->out.n - filter->sent;
    ssize_t n = filter->socket ? send(filter->out_fd, from, left, MSG_DONTWAIT) : write(filter->out_fd, from, left);
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

/* The room for what was sent already is used again before the limit counts. */
static void say(void *arg, struct mts_span lines) {
  struct filter *filter = arg;
  if (filter->recording) recording_add(filter->recording, lines);
  if (filter->sent > 0 && filter->out.n + lines.n > filter->out.limit) {
    memmove(filter->out.p, filter->out.p + filter->sent, filter->out.n - filter->sent);
    filter->out.n -= filter->sent;
    filter->sent = 0;
  }
  enum mts_err err = mts_buf_add(&filter->out, lines.p, lines.n);
  if (err) mts_log_write(filter->log, MTS_LOG_ERROR, NULL, "cannot answer smtpd: %s", mts_err_message(err));
  if (!filter->together) flush(filter);
}

/* ---- input ---- */

/* false: there was none. */
static bool take_some(struct filter *filter) {
  struct mts_span line;
  bool cut;
  int64_t until_ms = mts_clock_coarse_ms() + TOGETHER_MS;
  int count = 0;
  filter->together = true;
  while (count < TOGETHER_LINES && input_line(&filter->input, &line, &cut)) {
    if (filter->recording) recording_add(filter->recording, line);
    engine_line(filter->engine, line);
    count = mts_clock_coarse_ms() < until_ms ? count + 1 : TOGETHER_LINES;
  }
  bool more;
  do {
    more = engine_settle(filter->engine);
    flush(filter);
  } while (more);
  filter->together = false;
  return count > 0;
}

static void take_lines(struct filter *filter) {
  engine_look(filter->engine, false);
  while (filter->out.n - filter->sent < OUT_PAUSE && take_some(filter)) continue;
  if (filter->out.n - filter->sent >= OUT_PAUSE)
    event_del(filter->readable); /* until smtpd has read what it was told */
  else
    event_add(filter->readable, NULL);
}

static void read_on(struct filter *filter, bool wait) {
  char *to;
  size_t room;
  if (input_room(&filter->input, &to, &room)) {
    mts_log_seldom(filter->log, MTS_LOG_ERROR, "memory", NULL, "out of memory; trying again");
    return;
  }
  if (room == 0) { /* complete lines fill it; to read nothing would look like the end */
    take_lines(filter);
    return;
  }
  ssize_t n = filter->socket ? recv(filter->in, to, room, wait ? 0 : MSG_DONTWAIT) : read(filter->in, to, room);
  if (n > 0) {
    input_got(&filter->input, (size_t)n);
    take_lines(filter);
  } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
    leave(filter); /* smtpd closed it, or died */
  }
}

static void can_read(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  read_on(arg, false);
}

static void can_write(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct filter *filter = arg;
  flush(filter);
  take_lines(filter);
}

static void hangup(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  const struct filter *filter = arg;
  program_hung_up = 0;
  engine_look(filter->engine, true);
}

/* ---- the loop ---- */

#define IDLE_EVENTS 2 /* readable and hangup */

/* Nothing is under way but smtpd's next word. */
static bool only_smtpd_can_wake(const struct filter *filter) {
  return event_pending(filter->readable, EV_READ, NULL) &&
         event_base_get_num_events(filter->base, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE) == IDLE_EVENTS;
}

/* Who waits in recv is woken sooner than who waits for an event, and most of the time this is all there is to wait for. */
static void run(struct filter *filter) {
  while (!filter->left) {
    if (filter->socket && !program_hung_up && only_smtpd_can_wake(filter))
      read_on(filter, true); /* or until SIGHUP */
    else
      event_base_loop(filter->base, EVLOOP_ONCE);
  }
}

/* ---- beginning and end ---- */

/* smtpd writes a filter's stderr into its own log. */
static const char *const defaults[][2] = {{"background", "yes"}, {"log", "stderr"}, {NULL, NULL}};

static bool is_socket(int fd) {
  int type;
  socklen_t n = sizeof type;
  return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0;
}

static bool start(struct filter *filter, const struct mts_settings *settings, char why[RULES_WHY_SIZE]) {
  memccpy(why, "out of memory or of file descriptors", 0, RULES_WHY_SIZE);
  filter->out.limit = OUT_MAX;
  filter->base = event_base_new();
  if (!filter->base || program_log(settings, &filter->log) || !setup_channels(&filter->in, &filter->out_fd)) return false;
  const struct engine_config config = {.settings = settings, .base = filter->base, .log = filter->log, .say = say, .arg = filter};
  if (engine_new(&config, why, &filter->engine)) return false;
  recording_new(settings_text(settings, SETTING_record), filter->log, &filter->recording);
  filter->socket = is_socket(filter->in) && is_socket(filter->out_fd);
  int flags = fcntl(filter->out_fd, F_GETFL);
  if (flags < 0 || fcntl(filter->out_fd, F_SETFL, filter->socket ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) < 0) return false;
  filter->readable = event_new(filter->base, filter->in, EV_READ | EV_PERSIST, can_read, filter);
  filter->writable = event_new(filter->base, filter->out_fd, EV_WRITE, can_write, filter);
  filter->hangup = program_hangup(filter->base, hangup, filter);
  return filter->readable && filter->writable && filter->hangup && event_add(filter->readable, NULL) == 0;
}

static void stop(struct filter *filter) {
  engine_free(&filter->engine);
  recording_free(&filter->recording);
  if (filter->readable) event_free(filter->readable);
  if (filter->writable) event_free(filter->writable);
  if (filter->hangup) event_free(filter->hangup);
  if (filter->base) event_base_free(filter->base);
  mts_log_free(&filter->log);
  input_free(&filter->input);
  mts_buf_free(&filter->out);
}

static int serve(const struct mts_settings *settings) {
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  sigaction(SIGPIPE, &ignore, NULL);
  overtime_allow();
  struct filter filter = {0};
  char why[RULES_WHY_SIZE];
  bool started = start(&filter, settings, why);
  if (started)
    run(&filter);
  else
    setup_fail("filter-mtasts", why);
  stop(&filter);
  return started ? 0 : 1;
}

int main(int argc, char **argv) {
  const char *log = NULL;
  bool only_check = false;
  const struct setup_words words = {.program = "filter-mtasts",
                                    .usage =
                                        "filter-mtasts [-n] [-s NAME=VALUE] [settings]\n"
                                        "       filter-mtasts -r LOG [-s NAME=VALUE] [settings]\n"
                                        "started by smtpd: filter NAME proc-exec \"/path/to/filter-mtasts settings\"",
                                    .defaults = defaults,
                                    .replay = &log,
                                    .only_check = &only_check};
  struct mts_settings *settings = NULL;
  int code = setup_read(&words, argc, argv, &settings);
  if (code) return code;
  code = only_check ? rules_check("filter-mtasts", &phases_kind, settings) : log ? replay(log, settings) : serve(settings);
  mts_settings_free(&settings);
  return code;
}
