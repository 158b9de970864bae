/* SPDX-License-Identifier: ISC */
#include "net/starttls_look.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/attempt.h"
#include "net/cert_seen.h"
#include "net/smtp.h"
#include "net/starttls.h"
#include "net/trust.h"

#define QUIT_MAX_MS 500    /* for the answer to QUIT, when all is known already */
#define INJECT_MAX_MS 1500 /* for an answer to what should have been forgotten */

enum stage { CONNECT, BANNER, EHLO, STARTTLS, HANDSHAKE, INJECT, EHLO_INSIDE, QUIT };

struct look {
  struct mts_job job;
  struct event *io; /* for what we wait for on fd; persistent */
  short waiting;    /* EV_READ or EV_WRITE of io */
  struct event *timer;
  int fd; /* -1: none */
  SSL *ssl;
  bool inside; /* TLS is up */
  enum stage stage;
  char host[MTS_NAME_SIZE];
  struct mts_smtp_look request;
  int64_t began_ms, ends_ms; /* mono */
  mts_smtp_seen_fn done;
  void *arg;
  char out[400];
  size_t out_n, out_done;
  struct smtp_reply reply;
  struct mts_buf lines, ehlo;
  struct mts_tls_seen *tls;
  struct mts_smtp_seen seen;
};

static int64_t now_ms(const struct look *look) { return mts_clock_mono_ms(&look->job.world->net.clock); }

static void look_end(struct mts_job *job) {
  struct look *look = (struct look *)job;
  if (look->io) event_free(look->io);
  if (look->timer) event_free(look->timer);
  SSL_free(look->ssl);
  if (look->fd >= 0) close(look->fd);
  mts_buf_free(&look->lines);
  mts_buf_free(&look->ehlo);
  free(look->tls);
  free(look);
}

/* The look is dead afterwards: callers return at once. */
static void finish(struct look *look) {
  struct mts_smtp_seen seen = look->seen;
  struct mts_buf ehlo = look->ehlo; /* they outlive it until the callback has returned */
  struct mts_tls_seen *tls = look->tls;
  look->ehlo = (struct mts_buf){.limit = 0};
  look->tls = NULL;
  seen.ms = (uint32_t)(now_ms(look) - look->began_ms);
  seen.ehlo = mts_span(ehlo.p, ehlo.n);
  mts_smtp_seen_fn done = look->done;
  void *arg = look->arg;
  job_end(&look->job);
  done(arg, &seen);
  mts_buf_free(&ehlo);
  free(tls);
}

static void fail(struct look *look, enum mts_err err, const char *why, const char *text) {
  look->seen.err = err;
  mts_text_format(look->seen.detail, sizeof look->seen.detail, "%s%s%s", why, text && text[0] ? ": " : "", text ? text : "");
  finish(look);
}

static const char *stage_name(enum stage stage) {
  switch (stage) {
    case CONNECT:
      return "while connecting";
    case BANNER:
      return "before its greeting";
    case EHLO:
      return "after EHLO";
    case STARTTLS:
      return "after STARTTLS";
    case HANDSHAKE:
      return "during the TLS handshake";
    case INJECT:
    case EHLO_INSIDE:
      return "after EHLO inside TLS";
    case QUIT:
      return "after QUIT";
  }
  return "";
}

static void ready(evutil_socket_t fd, short what, void *arg);

/* Waits until the socket is ready, or for so long. The look may be dead afterwards: callers return at once. */
static void wait_until(struct look *look, short what, int64_t ms) {
  if (ms < 0) ms = 0;
  struct timeval after = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};
  if (!look->io || look->waiting != what) {
    if (look->io) event_free(look->io);
    look->io = event_new(look->job.world->base, look->fd, (short)(what | EV_PERSIST), ready, look);
    look->waiting = what;
    if (look->io && event_add(look->io, NULL) != 0) {
      event_free(look->io);
      look->io = NULL;
    }
  }
  /* Without its timer it might never end. */
  if (!look->io || evtimer_add(look->timer, &after) != 0) fail(look, MTS_ERR_NO_MEMORY, "out of memory", NULL);
}

static void wait_for(struct look *look, short what) {
  int64_t left_ms = look->ends_ms - now_ms(look);
  if (look->stage == QUIT && left_ms > QUIT_MAX_MS) left_ms = QUIT_MAX_MS;
  if (look->stage == INJECT && left_ms > INJECT_MAX_MS) left_ms = INJECT_MAX_MS;
  wait_until(look, what, left_ms);
}

/* ---- bytes, in plain text and in TLS ---- */

enum moved { MOVED, MUST_WAIT, LOST };

/* By the sign of what the last call on the socket or on TLS gave. */
static enum moved outcome(struct look *look, ssize_t n, short *what) {
  if (n > 0) return MOVED;
  if (!look->inside) return n < 0 && (errno == EAGAIN || errno == EINTR) ? MUST_WAIT : LOST;
  int error = SSL_get_error(look->ssl, (int)n);
  ERR_clear_error();
  if (error == SSL_ERROR_WANT_READ) *what = EV_READ;
  if (error == SSL_ERROR_WANT_WRITE) *what = EV_WRITE;
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? MUST_WAIT : LOST;
}

static ssize_t move(struct look *look, bool out, char *bytes, size_t n) {
  if (!look->inside) return out ? send(look->fd, bytes, n, MSG_NOSIGNAL) : recv(look->fd, bytes, n, 0);
  ERR_clear_error();
  struct hush hush;
  hush_begin(&hush);
  int moved = out ? SSL_write(look->ssl, bytes, (int)n) : SSL_read(look->ssl, bytes, (int)n);
  hush_end(&hush);
  return moved;
}

static void send_out(struct look *look) {
  while (look->out_done < look->out_n) {
    short what = EV_WRITE;
    ssize_t n = move(look, true, look->out + look->out_done, look->out_n - look->out_done);
    enum moved moved = outcome(look, n, &what);
    if (moved == MUST_WAIT) {
      wait_for(look, what);
      return;
    }
    if (moved == LOST) {
      if (look->stage == QUIT)
        finish(look);
      else
        fail(look, MTS_ERR_SMTP_PROTOCOL, "the connection was lost", stage_name(look->stage));
      return;
    }
    look->out_done += (size_t)n;
  }
  wait_for(look, EV_READ);
}

static void next_reply(struct look *look, enum stage stage) {
  mts_bytes_clear(&look->reply, sizeof look->reply);
  mts_buf_reset(&look->lines);
  look->reply.kept = &look->lines;
  look->stage = stage;
}

static void say(struct look *look, enum stage stage, const char *text) {
  next_reply(look, stage);
  look->out_n = strlen(text);
  if (look->out_n > sizeof look->out) look->out_n = 0; /* a name has at most 255 bytes */
  memcpy(look->out, text, look->out_n);
  look->out_done = 0;
  send_out(look);
}

static void say_ehlo(struct look *look, enum stage stage) {
  char name[256], text[300];
  starttls_own_name(look->job.world, name);
  mts_text_format(text, sizeof text - 2, "EHLO %s", name);
  size_t n = strlen(text);
  memcpy(text + n, "\r\n", 3);
  say(look, stage, text);
}

/* ---- TLS ---- */

static void handshake_failed(struct look *look, int error) {
  const char *why = "the connection was closed";
  unsigned long code = ERR_peek_error();
  if (error == SSL_ERROR_SYSCALL && errno != 0) why = strerror(errno);
  if (code != 0 && ERR_reason_error_string(code)) why = ERR_reason_error_string(code);
  char text[120];
  mts_text_format(text, sizeof text, "%s", why);
  ERR_clear_error();
  fail(look, MTS_ERR_TLS_HANDSHAKE, text, NULL);
}

static void read_reply(struct look *look);

static void handshake_done(struct look *look) {
  look->inside = true;
  look->tls = calloc(1, sizeof *look->tls);
  if (!look->tls) {
    fail(look, MTS_ERR_NO_MEMORY, "out of memory", NULL);
    return;
  }
  if (!cert_seen(look->ssl, look->tls)) { /* an anonymous cipher */
    fail(look, MTS_ERR_TLS_HANDSHAKE, "no certificate came", NULL);
    return;
  }
  look->seen.tls = look->tls;
  if (!look->request.inject) {
    say_ehlo(look, EHLO_INSIDE);
    return;
  }
  next_reply(look, INJECT);
  read_reply(look); /* an answer may have come along with the end of the handshake */
}

static void handshake(struct look *look) {
  ERR_clear_error();
  errno = 0;
  struct hush hush;
  hush_begin(&hush);
  int result = SSL_connect(look->ssl);
  hush_end(&hush);
  if (result == 1) {
    handshake_done(look);
    return;
  }
  int error = SSL_get_error(look->ssl, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
    wait_for(look, error == SSL_ERROR_WANT_READ ? EV_READ : EV_WRITE);
  else
    handshake_failed(look, error);
}

static bool prepare_tls(struct look *look, SSL_CTX *context) {
  look->ssl = SSL_new(context);
  if (!look->ssl || !trust_limit_version(look->ssl, look->request.newest_tls)) return false;
  if (!look->request.no_sni && SSL_set_tlsext_host_name(look->ssl, look->host) != 1) return false;
  return trust_expect_host(look->ssl, look->host) == MTS_OK && SSL_set_fd(look->ssl, look->fd) == 1;
}

static void begin_tls(struct look *look) {
  char byte;
  if (recv(look->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1) {
    fail(look, MTS_ERR_STARTTLS_INJECTION, "bytes came together with the reply to STARTTLS", NULL);
    return;
  }
  SSL_CTX *context;
  enum mts_err err = trust_context(look->job.world, &context);
  if (!err && !prepare_tls(look, context)) err = MTS_ERR_NO_MEMORY;
  ERR_clear_error();
  if (err) {
    fail(look, err, "no TLS context", NULL);
    return;
  }
  look->stage = HANDSHAKE;
  handshake(look);
}

/* ---- the dialogue ---- */

/* The first line stands in the reply; those that offer something follow it, with code and separator. */
static void keep_ehlo(struct look *look) {
  const struct mts_buf *lines = &look->lines;
  size_t at = lines->n ? strlen(lines->p) + 1 : 0;
  for (size_t n; at < lines->n && look->seen.ehlo_count < MTS_SEEN_LINES; at += n + 1) {
    n = strlen(lines->p + at);
    size_t skip = n < 4 ? n : 4;
    if (mts_buf_add(&look->ehlo, lines->p + at + skip, n - skip + 1) != MTS_OK) return;
    look->seen.ehlo_count++;
  }
}

static void copy_line(char to[MTS_SEEN_LINE_BYTES], const struct mts_buf *lines) {
  if (lines->n) memccpy(to, lines->p, 0, MTS_SEEN_LINE_BYTES - 1);
}

static void take_ehlo(struct look *look) {
  const struct smtp_reply *reply = &look->reply;
  look->seen.ehlo_code = reply->code;
  keep_ehlo(look);
  if (reply->code / 100 == 4) {
    fail(look, MTS_ERR_SMTP_PROTOCOL, "EHLO answered with", reply->text);
  } else if (reply->code != 250) {
    fail(look, MTS_ERR_STARTTLS_MISSING, "EHLO refused with", reply->text);
  } else if (!reply->starttls) {
    fail(look, MTS_ERR_STARTTLS_MISSING, "the reply to EHLO has no STARTTLS", NULL);
  } else {
    /* One segment: RFC 3207 4.2 has the server forget what it knew, but some kept what they had read already. */
    look->seen.tried_injection = look->request.inject;
    say(look, STARTTLS, look->request.inject ? "STARTTLS\r\nRSET\r\n" : "STARTTLS\r\n");
  }
}

static void take_reply(struct look *look) {
  const struct smtp_reply *reply = &look->reply;
  switch (look->stage) {
    case BANNER:
      look->seen.banner_code = reply->code;
      copy_line(look->seen.banner, &look->lines);
      if (reply->code == 220)
        say_ehlo(look, EHLO);
      else
        fail(look, MTS_ERR_SMTP_PROTOCOL, "refused with", reply->text);
      return;
    case EHLO:
      take_ehlo(look);
      return;
    case STARTTLS:
      look->seen.starttls_code = reply->code;
      copy_line(look->seen.starttls_reply, &look->lines);
      if (reply->code == 220)
        begin_tls(look);
      else
        fail(look, MTS_ERR_STARTTLS_REFUSED, "STARTTLS answered with", reply->text);
      return;
    case INJECT: /* nothing was said inside TLS yet */
      look->seen.injected = true;
      say_ehlo(look, EHLO_INSIDE);
      return;
    case EHLO_INSIDE:
      say(look, QUIT, "QUIT\r\n");
      return;
    case QUIT: /* a reply too many: the first was to what should have been forgotten */
      if (look->request.inject && reply->code != 221 && reply->code / 100 == 2) look->seen.injected = true;
      finish(look);
      return;
    case CONNECT:
    case HANDSHAKE:
      return;
  }
}

/* More came than was asked for. */
static void too_much(struct look *look) {
  if (look->stage == STARTTLS && look->reply.code == 220) {
    look->seen.starttls_code = 220;
    copy_line(look->seen.starttls_reply, &look->lines);
    fail(look, MTS_ERR_STARTTLS_INJECTION, "bytes came together with the reply to STARTTLS", NULL);
  } else if (look->inside) { /* all is known; what comes out of turn is not of interest, unless it was provoked */
    look->seen.injected |= look->request.inject && (look->stage == INJECT || look->stage == EHLO_INSIDE);
    finish(look);
  } else {
    fail(look, MTS_ERR_SMTP_PROTOCOL, "more than one reply", stage_name(look->stage));
  }
}

static void connection_lost(struct look *look) {
  if (look->stage == QUIT || look->stage == INJECT)
    finish(look);
  else
    fail(look, MTS_ERR_SMTP_PROTOCOL, "the connection was closed", stage_name(look->stage));
}

static void read_reply(struct look *look) {
  for (;;) { /* TLS may hold more than the socket shows */
    char bytes[4096];
    short what = EV_READ;
    ssize_t n = move(look, false, bytes, sizeof bytes);
    enum moved moved = outcome(look, n, &what);
    if (moved == MUST_WAIT) {
      wait_for(look, what);
      return;
    }
    if (moved == LOST) {
      connection_lost(look);
      return;
    }
    size_t used = 0;
    enum smtp_progress progress = smtp_reply_feed(&look->reply, mts_span(bytes, (size_t)n), &used);
    if (progress == SMTP_MORE) continue;
    if (progress == SMTP_BAD)
      fail(look, MTS_ERR_SMTP_PROTOCOL, look->reply.why, stage_name(look->stage));
    else if (used < (size_t)n)
      too_much(look);
    else
      take_reply(look);
    return;
  }
}

/* ---- events ---- */

static void connect_failed(struct look *look, int error) {
  if (error == 0 || error == ETIMEDOUT)
    fail(look, MTS_ERR_SMTP_TIMEOUT, "no answer while connecting", NULL);
  else
    fail(look, MTS_ERR_SMTP_CONNECT, strerror(error), NULL);
}

static void connected(struct look *look) {
  int error = 0;
  socklen_t n = sizeof error;
  if (getsockopt(look->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0) error = errno;
  if (error != 0) {
    connect_failed(look, error);
    return;
  }
  look->seen.connected = true;
  look->seen.connect_ms = (uint32_t)(now_ms(look) - look->began_ms);
  next_reply(look, BANNER);
  wait_for(look, EV_READ);
}

static void ready(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct look *look = arg;
  if (look->stage == CONNECT) {
    connected(look);
  } else if (look->stage == HANDSHAKE) {
    handshake(look);
  } else if (look->out_done < look->out_n) {
    send_out(look);
  } else {
    read_reply(look);
  }
}

static void begin(struct look *look) {
  int error = attempt_connect(&look->request.address, look->request.port, &look->fd);
  int64_t most_ms = look->ends_ms - now_ms(look);
  if (look->request.connect_ms && most_ms > look->request.connect_ms) most_ms = look->request.connect_ms;
  if (error)
    connect_failed(look, error);
  else
    wait_until(look, EV_WRITE, most_ms);
}

static void time_over(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct look *look = arg;
  if (look->stage == CONNECT && look->fd < 0) {
    begin(look); /* deferred, so that no callback comes before start has returned */
  } else if (look->stage == CONNECT) {
    connect_failed(look, 0);
  } else if (look->stage == QUIT) {
    finish(look);
  } else if (look->stage == INJECT && now_ms(look) < look->ends_ms) {
    say_ehlo(look, EHLO_INSIDE);
  } else {
    fail(look, MTS_ERR_SMTP_TIMEOUT, "no answer in time", stage_name(look->stage));
  }
}

/* ---- start ---- */

enum mts_err starttls_look_start(struct world *world, const struct mts_smtp_look *request, mts_smtp_seen_fn done, void *arg,
                                 struct mts_job **job) {
  SSL_CTX *context;
  enum mts_err err = starttls_can_ask(world, request->host);
  if (!err && request->port == 0) err = MTS_ERR_ARGUMENT;
  if (!err) err = trust_context(world, &context);
  if (err) return err;
  struct look *look = calloc(1, sizeof *look);
  if (!look) return MTS_ERR_NO_MEMORY;
  look->fd = -1;
  look->done = done;
  look->arg = arg;
  look->request = *request;
  mts_text_format(look->host, sizeof look->host, "%s", request->host);
  look->request.host = look->host;
  look->lines.limit = SMTP_MAX_LINES * SMTP_KEPT_BYTES;
  look->ehlo.limit = MTS_SEEN_LINES * MTS_SEEN_LINE_BYTES;
  look->began_ms = mts_clock_mono_ms(&world->net.clock);
  look->ends_ms = look->began_ms + request->deadline_ms;
  job_begin(world, &look->job, look_end);
  look->timer = evtimer_new(world->base, time_over, look);
  if (!look->timer || evtimer_add(look->timer, &(struct timeval){0}) != 0) {
    job_end(&look->job);
    return MTS_ERR_NO_MEMORY;
  }
  *job = &look->job;
  return MTS_OK;
}
