/* SPDX-License-Identifier: ISC
 * Messages: stderr, syslog or JSON lines. A message that cannot be written at once is lost; mail goes on. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

#define LINE_SIZE 4096  /* PIPE_BUF: a writable pipe takes that much without blocking, in one piece */
#define CLEAN_SIZE 1500 /* fits LINE_SIZE even when JSON doubles each byte */
#define SELDOM_MS 60000
#define SELDOM_KEYS 64
#define KEY_SIZE 64

struct seldom {
  char key[KEY_SIZE];
  int64_t said_ms;
  unsigned long held_back;
};

struct mts_log {
  enum mts_log_to to;
  enum mts_log_level level;
  const struct mts_clock *clock;
  bool no_stderr; /* it was closed: a file opened later may have its number, and must not get our lines */
  void (*write)(void *arg, enum mts_log_level level, const char *line);
  void *arg;
  size_t seldom_count;
  struct seldom seldom[SELDOM_KEYS];
};

static const char *level_name(enum mts_log_level level) {
  switch (level) {
    case MTS_LOG_ERROR:
      return "error";
    case MTS_LOG_WARNING:
      return "warning";
    case MTS_LOG_INFO:
      return "info";
    case MTS_LOG_DEBUG:
      return "debug";
  }
  return "error";
}

static int syslog_priority(enum mts_log_level level) {
  switch (level) {
    case MTS_LOG_ERROR:
      return LOG_ERR;
    case MTS_LOG_WARNING:
      return LOG_WARNING;
    case MTS_LOG_INFO:
      return LOG_INFO;
    case MTS_LOG_DEBUG:
      return LOG_DEBUG;
  }
  return LOG_ERR;
}

enum mts_err mts_log_new(enum mts_log_to to, enum mts_log_level level, const struct mts_clock *clock, struct mts_log **log) {
  struct mts_log *l = calloc(1, sizeof *l);
  if (!l) return MTS_ERR_NO_MEMORY;
  l->to = to;
  l->level = level;
  l->clock = clock ? clock : &mts_clock_real;
  l->no_stderr = fcntl(STDERR_FILENO, F_GETFD) < 0;
  *log = l;
  return MTS_OK;
}

void mts_log_free(struct mts_log **log) {
  free(*log);
  *log = NULL;
}

void mts_log_redirect(struct mts_log *log, void (*write_line)(void *arg, enum mts_log_level level, const char *line), void *arg) {
  log->write = write_line;
  log->arg = arg;
}

bool mts_log_wants(const struct mts_log *log, enum mts_log_level level) {
  return log && level <= log->level && (log->write || log->to != MTS_LOG_TO_NONE);
}

/* One write(2) that neither blocks nor raises SIGPIPE, whatever stderr is. */
static void put_stderr(const char *line, size_t n) {
  if (send(STDERR_FILENO, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno != ENOTSOCK) return;
  struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
  if (poll(&fd, 1, 0) != 1 || !(fd.revents & POLLOUT)) return;
  sigset_t pipe_only, old, pending;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  if (sigpending(&pending) != 0 || pthread_sigmask(SIG_BLOCK, &pipe_only, &old) != 0) return;
  ssize_t written = write(STDERR_FILENO, line, n);
  if (written < 0 && errno == EPIPE && !sigismember(&pending, SIGPIPE)) {
    const struct timespec at_once = {0};
    while (sigtimedwait(&pipe_only, NULL, &at_once) < 0 && errno == EINTR) continue;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Printable ASCII into a JSON string; to has room for twice the text. Returns the end. */
static char *json_text(char *to, const char *text) {
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') *to++ = '\\';
    *to++ = *text;
  }
  *to = '\0';
  return to;
}

static void json_line(char line[LINE_SIZE], int64_t now_ms, enum mts_log_level level, const char *domain, const char *message) {
  char text[2 * CLEAN_SIZE], name[2 * MTS_NAME_SIZE];
  int64_t ms = now_ms % 1000, s = now_ms / 1000;
  if (ms < 0) ms += 1000, s--;
  time_t t = (time_t)s;
  struct tm tm = {0};
  char when[32] = "1970-01-01T00:00:00";
  if (gmtime_r(&t, &tm)) strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
  json_text(text, message);
  json_text(name, domain);
  const char *before = *domain ? "\"domain\":\"" : "", *after = *domain ? "\"," : "";
  snprintf(line, LINE_SIZE, "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",%s%s%s\"message\":\"%s\"}", when, (int)ms, level_name(level),
           before, name, after, text);
}

static void emit(struct mts_log *log, enum mts_log_level level, const char *domain, const char *raw) {
  char line[LINE_SIZE], message[CLEAN_SIZE], name[MTS_NAME_SIZE];
  mts_text_clean(message, sizeof message, mts_span_of(raw));
  mts_text_clean(name, sizeof name, mts_span_of(domain));
  const char *colon = *name ? ": " : "";
  if (log->to == MTS_LOG_TO_JSON) {
    json_line(line, mts_clock_now_ms(log->clock), level, name, message);
  } else if (log->to == MTS_LOG_TO_SYSLOG) {
    snprintf(line, sizeof line, "%s%s%s", name, colon, message);
  } else {
    snprintf(line, sizeof line, "mtasts: %s: %s%s%s", level_name(level), name, colon, message);
  }
  if (log->write) {
    log->write(log->arg, level, line);
    return;
  }
  if (log->to == MTS_LOG_TO_SYSLOG) {
    syslog(LOG_MAIL | syslog_priority(level), "%s", line);
    return;
  }
  size_t n = strlen(line);
  if (n > LINE_SIZE - 1) n = LINE_SIZE - 1;
  line[n] = '\n';
  if (!log->no_stderr) put_stderr(line, n + 1);
}

void mts_log_write(struct mts_log *log, enum mts_log_level level, const char *domain, const char *format, ...) {
  if (!mts_log_wants(log, level)) return;
  char raw[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(raw, sizeof raw, format, args);
  va_end(args);
  emit(log, level, domain, raw);
}

/* The key's row, or the one longest silent when all are taken. */
static struct seldom *seldom_row(struct mts_log *log, const char *key, bool *known) {
  struct seldom *oldest = &log->seldom[0];
  for (size_t i = 0; i < log->seldom_count; i++) {
    struct seldom *row = &log->seldom[i];
    *known = true;
    if (strcmp(row->key, key) == 0) return row;
    if (row->said_ms < oldest->said_ms) oldest = row;
  }
  *known = false;
  return log->seldom_count < SELDOM_KEYS ? &log->seldom[log->seldom_count++] : oldest;
}

void mts_log_seldom(struct mts_log *log, enum mts_log_level level, const char *key, const char *domain, const char *format, ...) {
  if (!mts_log_wants(log, level)) return;
  bool known = false;
  size_t key_n = strlen(key);
  if (key_n >= KEY_SIZE) key += key_n - (KEY_SIZE - 1);
  struct seldom *row = seldom_row(log, key, &known);
  int64_t now = mts_clock_mono_ms(log->clock);
  if (known && now - row->said_ms < SELDOM_MS) {
    row->held_back++;
    return;
  }
  unsigned long held_back = known ? row->held_back : 0;
  *row = (struct seldom){.said_ms = now};
  memccpy(row->key, key, 0, KEY_SIZE);
  char raw[1024 + 40];
  va_list args;
  va_start(args, format);
  int length = vsnprintf(raw, 1024, format, args);
  va_end(args);
  size_t n = length < 0 ? 0 : (length < 1024 ? (size_t)length : 1023);
  if (held_back) snprintf(raw + n, sizeof raw - n, " (%lu more held back)", held_back);
  emit(log, level, domain, raw);
}
