/* SPDX-License-Identifier: ISC */
#include "net/starttls_dialogue.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/attempt.h"
#include "net/trust.h"

int64_t dialogue_now_ms(const struct dialogue *dialogue) { return mts_clock_mono_ms(&dialogue->job.world->net.clock); }

int64_t dialogue_left_ms(const struct dialogue *dialogue) { return dialogue->ends_ms - dialogue_now_ms(dialogue); }

const char *dialogue_where(const struct dialogue *dialogue) {
  switch (dialogue->stage) {
    case DIALOGUE_CONNECT:
      return "while connecting";
    case DIALOGUE_BANNER:
      return "before its greeting";
    case DIALOGUE_EHLO:
      return "after EHLO";
    case DIALOGUE_STARTTLS:
      return "after STARTTLS";
    case DIALOGUE_HANDSHAKE:
      return "during the TLS handshake";
    case DIALOGUE_UNASKED:
    case DIALOGUE_EHLO_INSIDE:
      return "after EHLO inside TLS";
    case DIALOGUE_QUIT:
      return "after QUIT";
  }
  return "";
}

void dialogue_fail(struct dialogue *dialogue, enum mts_err err, const char *why, const char *text) {
  char detail[160];
  mts_text_format(detail, sizeof detail, "%s%s%s", why, text && text[0] ? ": " : "", text ? text : "");
  dialogue->ops->failed(dialogue, err, detail);
}

/* ---- waiting ---- */

static void ready(evutil_socket_t fd, short what, void *arg);

/* Without its timer a dialogue might never end. */
static bool arm(struct dialogue *dialogue, int64_t ms) {
  if (ms < 0) ms = 0;
  struct timeval after = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};
  return evtimer_add(dialogue->timer, &after) == 0;
}

static bool await(struct dialogue *dialogue, short what) {
  if (dialogue->io && dialogue->waiting == what) return true;
  if (dialogue->io) event_free(dialogue->io);
  dialogue->io = event_new(dialogue->job.world->base, dialogue->fd, (short)(what | EV_PERSIST), ready, dialogue);
  dialogue->waiting = what;
  return dialogue->io && event_add(dialogue->io, NULL) == 0;
}

/* The job may be dead afterwards: callers return at once. */
static void wait_for(struct dialogue *dialogue, short what) {
  if (!await(dialogue, what)) dialogue_fail(dialogue, MTS_ERR_NO_MEMORY, "out of memory", NULL);
}

/* A stage has one reply and a time of its own. */
static bool enter(struct dialogue *dialogue, enum dialogue_stage stage, int64_t most_ms) {
  mts_bytes_clear(&dialogue->reply, sizeof dialogue->reply);
  if (dialogue->kept) mts_buf_reset(dialogue->kept);
  dialogue->reply.kept = dialogue->kept;
  dialogue->stage = stage;
  int64_t left_ms = dialogue_left_ms(dialogue), ms = left_ms < most_ms ? left_ms : most_ms;
  dialogue->stage_ends_ms = dialogue_now_ms(dialogue) + ms;
  if (arm(dialogue, ms)) return true;
  dialogue_fail(dialogue, MTS_ERR_NO_MEMORY, "out of memory", NULL);
  return false;
}

/* ---- bytes, in plain text and in TLS ---- */

enum moved { MOVED, MUST_WAIT, LOST };

/* By what the last call on the socket or on TLS gave. */
static enum moved outcome(struct dialogue *dialogue, ssize_t n, short *what) {
  if (n > 0) return MOVED;
  if (!dialogue->inside) return n < 0 && (errno == EAGAIN || errno == EINTR) ? MUST_WAIT : LOST;
  int error = SSL_get_error(dialogue->ssl, (int)n);
  ERR_clear_error();
  if (error == SSL_ERROR_WANT_READ) *what = EV_READ;
  if (error == SSL_ERROR_WANT_WRITE) *what = EV_WRITE;
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? MUST_WAIT : LOST;
}

static ssize_t move(struct dialogue *dialogue, bool out, char *bytes, size_t n) {
  if (!dialogue->inside) return out ? send(dialogue->fd, bytes, n, MSG_NOSIGNAL) : recv(dialogue->fd, bytes, n, 0);
  ERR_clear_error();
  struct hush hush;
  hush_begin(&hush);
  int moved = out ? SSL_write(dialogue->ssl, bytes, (int)n) : SSL_read(dialogue->ssl, bytes, (int)n);
  hush_end(&hush);
  return moved;
}

static void send_out(struct dialogue *dialogue) {
  while (dialogue->out_done < dialogue->out_n) {
    short what = EV_WRITE;
    ssize_t n = move(dialogue, true, dialogue->out + dialogue->out_done, dialogue->out_n - dialogue->out_done);
    enum moved moved = outcome(dialogue, n, &what);
    if (moved == MUST_WAIT) {
      wait_for(dialogue, what);
      return;
    }
    if (moved == LOST) {
      dialogue->ops->lost(dialogue, "the connection was lost", 0);
      return;
    }
    dialogue->out_done += (size_t)n;
  }
  wait_for(dialogue, EV_READ);
}

void dialogue_say(struct dialogue *dialogue, enum dialogue_stage stage, const char *text, int64_t most_ms) {
  if (!enter(dialogue, stage, most_ms)) return;
  dialogue->out_n = strlen(text);
  memcpy(dialogue->out, text, dialogue->out_n);
  dialogue->out_done = 0;
  send_out(dialogue);
}

/* RFC 5321 4.1.1.1 wants a name. */
void dialogue_say_ehlo(struct dialogue *dialogue, enum dialogue_stage stage) {
  const char *helo = dialogue->job.world->config.helo;
  char own[256] = "", text[sizeof dialogue->out];
  if (!helo[0] && (gethostname(own, sizeof own - 1) != 0 || !own[0])) helo = "localhost";
  mts_text_format(text, sizeof text - 2, "EHLO %s", helo[0] ? helo : own);
  size_t n = strlen(text);
  memcpy(text + n, "\r\n", 3);
  dialogue_say(dialogue, stage, text, DIALOGUE_TO_DEADLINE);
}

/* ---- TLS ---- */

static void handshake_failed(struct dialogue *dialogue, int error) {
  const char *why = "the connection was closed";
  unsigned long code = ERR_peek_error();
  if (error == SSL_ERROR_SYSCALL && errno != 0) why = strerror(errno);
  if (code != 0 && ERR_reason_error_string(code)) why = ERR_reason_error_string(code);
  char text[120];
  mts_text_format(text, sizeof text, "%s", why);
  ERR_clear_error();
  dialogue_fail(dialogue, MTS_ERR_TLS_HANDSHAKE, text, NULL);
}

static void handshake(struct dialogue *dialogue) {
  ERR_clear_error();
  errno = 0;
  struct hush hush;
  hush_begin(&hush);
  int result = SSL_connect(dialogue->ssl);
  hush_end(&hush);
  if (result == 1) {
    dialogue->inside = true;
    dialogue->ops->secured(dialogue);
    return;
  }
  int error = SSL_get_error(dialogue->ssl, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    wait_for(dialogue, error == SSL_ERROR_WANT_READ ? EV_READ : EV_WRITE);
  } else {
    handshake_failed(dialogue, error);
  }
}

static void begin_tls(struct dialogue *dialogue, bool surplus) {
  char byte;
  /* The client speaks first in TLS: what is here already was put before it by someone on the path (CVE-2011-0411 and its kin). */
  if (surplus || recv(dialogue->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1) {
    dialogue_fail(dialogue, MTS_ERR_STARTTLS_INJECTION, "bytes came together with the reply to STARTTLS", NULL);
    return;
  }
  SSL_CTX *context;
  enum mts_err err = trust_context(dialogue->job.world, &context);
  if (err == MTS_OK && !(dialogue->ssl = SSL_new(context))) err = MTS_ERR_NO_MEMORY;
  if (err == MTS_OK) err = dialogue->ops->prepare(dialogue);
  if (err == MTS_OK && SSL_set_fd(dialogue->ssl, dialogue->fd) != 1) err = MTS_ERR_NO_MEMORY;
  ERR_clear_error();
  if (err != MTS_OK) {
    dialogue_fail(dialogue, err, "no TLS context", NULL);
    return;
  }
  dialogue->stage = DIALOGUE_HANDSHAKE;
  handshake(dialogue);
}

/* ---- replies ---- */

static void take_banner(struct dialogue *dialogue) {
  if (dialogue->reply.code == 220) {
    dialogue_say_ehlo(dialogue, DIALOGUE_EHLO);
  } else {
    dialogue_fail(dialogue, MTS_ERR_SMTP_PROTOCOL, "refused with", dialogue->reply.text);
  }
}

static void take_ehlo(struct dialogue *dialogue) {
  const struct smtp_reply *reply = &dialogue->reply;
  if (reply->code / 100 == 4) {
    dialogue_fail(dialogue, MTS_ERR_SMTP_PROTOCOL, "EHLO answered with", reply->text);
  } else if (reply->code != 250) {
    dialogue_fail(dialogue, MTS_ERR_STARTTLS_MISSING, "EHLO refused with", reply->text);
  } else if (!reply->starttls) {
    dialogue_fail(dialogue, MTS_ERR_STARTTLS_MISSING, "the reply to EHLO has no STARTTLS", NULL);
  } else {
    dialogue_say(dialogue, DIALOGUE_STARTTLS, dialogue->starttls, DIALOGUE_TO_DEADLINE);
  }
}

static void take_reply(struct dialogue *dialogue, bool surplus) {
  if (dialogue->inside) {
    dialogue->ops->answered(dialogue, surplus);
    return;
  }
  bool go_ahead = dialogue->stage == DIALOGUE_STARTTLS && dialogue->reply.code == 220;
  if (surplus && !go_ahead) {
    dialogue_fail(dialogue, MTS_ERR_SMTP_PROTOCOL, "more than one reply", dialogue_where(dialogue));
    return;
  }
  dialogue->ops->heard(dialogue);
  if (dialogue->stage == DIALOGUE_BANNER) {
    take_banner(dialogue);
  } else if (dialogue->stage == DIALOGUE_EHLO) {
    take_ehlo(dialogue);
  } else if (go_ahead) {
    begin_tls(dialogue, surplus);
  } else {
    dialogue_fail(dialogue, MTS_ERR_STARTTLS_REFUSED, "STARTTLS answered with", dialogue->reply.text);
  }
}

static void read_reply(struct dialogue *dialogue) {
  for (;;) { /* TLS may hold more than the socket shows */
    char bytes[4096];
    short what = EV_READ;
    ssize_t n = move(dialogue, false, bytes, sizeof bytes);
    enum moved moved = outcome(dialogue, n, &what);
    if (moved == MUST_WAIT) {
      wait_for(dialogue, what);
      return;
    }
    if (moved == LOST) {
      dialogue->ops->lost(dialogue, "the connection was closed", n < 0 && !dialogue->inside ? errno : 0);
      return;
    }
    size_t used = 0;
    enum smtp_progress progress = smtp_reply_feed(&dialogue->reply, mts_span(bytes, (size_t)n), &used);
    if (progress == SMTP_MORE) continue;
    if (progress == SMTP_DONE) {
      take_reply(dialogue, used < (size_t)n);
    } else {
      dialogue_fail(dialogue, MTS_ERR_SMTP_PROTOCOL, dialogue->reply.why, dialogue_where(dialogue));
    }
    return;
  }
}

void dialogue_listen(struct dialogue *dialogue, enum dialogue_stage stage, int64_t most_ms) {
  if (enter(dialogue, stage, most_ms)) read_reply(dialogue);
}

/* ---- connecting ---- */

static void hang_up(struct dialogue *dialogue) {
  if (dialogue->io) event_free(dialogue->io);
  dialogue->io = NULL;
  SSL_free(dialogue->ssl);
  dialogue->ssl = NULL;
  if (dialogue->fd >= 0) close(dialogue->fd);
  dialogue->fd = -1;
}

static void unreachable(struct dialogue *dialogue, int error) {
  hang_up(dialogue);
  dialogue->ops->unreachable(dialogue, error);
}

int dialogue_connect(struct dialogue *dialogue, const struct mts_address *address, uint16_t port, int64_t most_ms) {
  int error = attempt_connect(address, port, &dialogue->fd);
  if (error != 0) {
    hang_up(dialogue);
  } else if (enter(dialogue, DIALOGUE_CONNECT, most_ms)) {
    wait_for(dialogue, EV_WRITE);
  }
  return error;
}

static void connected(struct dialogue *dialogue) {
  int error = 0;
  socklen_t n = sizeof error;
  if (getsockopt(dialogue->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0) error = errno;
  if (error != 0) {
    unreachable(dialogue, error);
    return;
  }
  dialogue->connected_ms = dialogue_now_ms(dialogue);
  if (enter(dialogue, DIALOGUE_BANNER, DIALOGUE_TO_DEADLINE)) wait_for(dialogue, EV_READ);
}

/* ---- events ---- */

static void ready(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct dialogue *dialogue = arg;
  if (dialogue->stage == DIALOGUE_CONNECT) {
    connected(dialogue);
  } else if (dialogue->stage == DIALOGUE_HANDSHAKE) {
    handshake(dialogue);
  } else if (dialogue->out_done < dialogue->out_n) {
    send_out(dialogue);
  } else {
    read_reply(dialogue);
  }
}

static void time_over(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct dialogue *dialogue = arg;
  int64_t early_ms = dialogue->stage_ends_ms - dialogue_now_ms(dialogue);
  /* libevent counts from when its turn began, which may be long ago where the handshake took the turn. */
  if (early_ms > 0 && arm(dialogue, early_ms)) return;
  if (dialogue->stage != DIALOGUE_CONNECT) {
    dialogue_fail(dialogue, MTS_ERR_SMTP_TIMEOUT, "no answer in time", dialogue_where(dialogue));
  } else if (dialogue->fd < 0) {
    dialogue->ops->begin(dialogue); /* deferred, so that no callback comes before start has returned */
  } else {
    unreachable(dialogue, 0);
  }
}

/* ---- begin and end ---- */

bool dialogue_is_host(const char *host) {
  size_t n = strlen(host);
  return n > 0 && n < MTS_NAME_SIZE && strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-._") == n;
}

/* A name or an address literal; never a second command. */
static bool is_helo(const char *name) {
  size_t n = strlen(name);
  return n < MTS_NAME_SIZE && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]") == n;
}

enum mts_err dialogue_can_begin(struct world *world, const char *host, uint16_t port) {
  if (!dialogue_is_host(host)) return MTS_ERR_ARGUMENT;
  if (!is_helo(world->config.helo)) {
    mts_log_seldom(world->config.log, MTS_LOG_ERROR, "helo", NULL, "helo is no host name: %s", world->config.helo);
    return MTS_ERR_SETTING;
  }
  SSL_CTX *context;
  return port == 0 ? MTS_ERR_ARGUMENT : trust_context(world, &context);
}

bool dialogue_begin(struct dialogue *dialogue, struct world *world, void (*end)(struct mts_job *job),
                    const struct dialogue_ops *ops, uint32_t deadline_ms) {
  job_begin(world, &dialogue->job, end);
  dialogue->ops = ops;
  dialogue->fd = -1;
  dialogue->starttls = "STARTTLS\r\n";
  dialogue->began_ms = dialogue_now_ms(dialogue);
  dialogue->ends_ms = dialogue->began_ms + deadline_ms;
  dialogue->timer = evtimer_new(world->base, time_over, dialogue);
  return dialogue->timer && arm(dialogue, 0);
}

void dialogue_end(struct dialogue *dialogue) {
  hang_up(dialogue);
  if (dialogue->timer) event_free(dialogue->timer);
}
