/* SPDX-License-Identifier: ISC */
#include "net/starttls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "net/attempt.h"
#include "net/certificate.h"
#include "net/smtp.h"
#include "net/trust.h"

#define QUIT_MAX_MS 500 /* for the answer to QUIT, when all is known already */

enum stage { STAGE_CONNECT, STAGE_BANNER, STAGE_EHLO, STAGE_STARTTLS, STAGE_HANDSHAKE, STAGE_QUIT };

struct probe {
  struct mts_job job;
  struct event *io; /* for what we wait for on fd; persistent */
  short waiting;    /* EV_READ or EV_WRITE of io */
  struct event *timer;
  int fd; /* -1: none */
  SSL *ssl;
  enum stage stage;
  bool dane;
  char host[MTS_NAME_SIZE], next_hop[MTS_NAME_SIZE];
  struct mts_probe_request request; /* points to the copies */
  size_t index;                     /* of the address being tried */
  int64_t began_ms, ends_ms;        /* mono */
  int connect_errno;                /* of the last address; 0: it timed out */
  mts_tls_fn done;
  void *arg;
  char out[300];
  size_t out_n, out_done;
  struct smtp_reply reply;
  struct mts_tls tls;
};

static void hang_up(struct probe *probe) {
  if (probe->io) event_free(probe->io);
  probe->io = NULL;
  SSL_free(probe->ssl);
  probe->ssl = NULL;
  if (probe->fd >= 0) close(probe->fd);
  probe->fd = -1;
}

static void free_tlsa(struct mts_probe_request *request) {
  struct mts_rr_tlsa *list = (struct mts_rr_tlsa *)(uintptr_t)request->tlsa;
  for (size_t i = 0; list && i < request->tlsa_count; i++) free((void *)(uintptr_t)list[i].data.p);
  free(list);
}

static void probe_end(struct mts_job *job) {
  struct probe *probe = (struct probe *)job;
  hang_up(probe);
  if (probe->timer) event_free(probe->timer);
  free_tlsa(&probe->request);
  free((void *)(uintptr_t)probe->request.addresses);
  free(probe);
}

static int64_t now_ms(const struct probe *probe) { return mts_clock_mono_ms(&probe->job.world->net.clock); }

/* The probe is dead afterwards: callers return at once. */
static void finish(struct probe *probe) {
  struct mts_tls tls = probe->tls;
  mts_tls_fn done = probe->done;
  void *arg = probe->arg;
  job_end(&probe->job);
  done(arg, &tls);
}

/* ms counts until the verdict, without QUIT. */
static void conclude(struct probe *probe, enum mts_err err) {
  probe->tls.err = err;
  int64_t took_ms = now_ms(probe) - probe->began_ms;
  probe->tls.ms = took_ms > 0 ? (uint32_t)took_ms : 0;
}

static void fail(struct probe *probe, enum mts_err err, const char *why, const char *text) {
  conclude(probe, err);
  mts_text_format(probe->tls.detail, sizeof probe->tls.detail, "%s%s%s", why, text && text[0] ? ": " : "", text ? text : "");
  finish(probe);
}

static const char *stage_name(enum stage stage) {
  switch (stage) {
    case STAGE_CONNECT:
      return "while connecting";
    case STAGE_BANNER:
      return "before its greeting";
    case STAGE_EHLO:
      return "after EHLO";
    case STAGE_STARTTLS:
      return "after STARTTLS";
    case STAGE_HANDSHAKE:
      return "during the TLS handshake";
    case STAGE_QUIT:
      return "after QUIT";
  }
  return "";
}

/* Without its timer a probe might never end. */
static bool arm(struct probe *probe, int64_t ms) {
  if (ms < 0) ms = 0;
  struct timeval after = {.tv_sec = (time_t)(ms / 1000), .tv_usec = (suseconds_t)(ms % 1000) * 1000};
  return evtimer_add(probe->timer, &after) == 0;
}

static void ready(evutil_socket_t fd, short what, void *arg);

/* The probe may be dead afterwards: callers return at once. */
static void wait_for(struct probe *probe, short what) {
  if (probe->io && probe->waiting == what) return;
  if (probe->io) event_free(probe->io);
  probe->io = event_new(probe->job.world->base, probe->fd, (short)(what | EV_PERSIST), ready, probe);
  probe->waiting = what;
  if (!probe->io || event_add(probe->io, NULL) != 0) fail(probe, MTS_ERR_NO_MEMORY, "out of memory", NULL);
}

/* The same for at most so long. */
static void wait_at_most(struct probe *probe, short what, int64_t ms) {
  if (arm(probe, ms)) {
    wait_for(probe, what);
  } else {
    fail(probe, MTS_ERR_NO_MEMORY, "out of memory", NULL);
  }
}

/* ---- connecting ---- */

static void try_addresses(struct probe *probe) {
  for (; probe->index < probe->request.address_count; probe->index++) {
    int64_t left_ms = probe->ends_ms - now_ms(probe);
    if (left_ms <= 0) break;
    const struct mts_address *address = &probe->request.addresses[probe->index];
    mts_address_format(address, probe->tls.address);
    probe->connect_errno = attempt_connect(address, probe->request.port, &probe->fd);
    if (probe->connect_errno == 0) {
      probe->stage = STAGE_CONNECT;
      wait_at_most(probe, EV_WRITE, attempt_ms(left_ms, probe->request.address_count - probe->index));
      return;
    }
    hang_up(probe);
  }
  enum mts_err err = probe->connect_errno == 0 || probe->connect_errno == ETIMEDOUT ? MTS_ERR_SMTP_TIMEOUT : MTS_ERR_SMTP_CONNECT;
  fail(probe, err, probe->connect_errno ? strerror(probe->connect_errno) : "no answer while connecting", NULL);
}

static void connect_failed(struct probe *probe, int error) {
  probe->connect_errno = error;
  hang_up(probe);
  probe->index++;
  try_addresses(probe);
}

static void next_reply(struct probe *probe, enum stage stage) {
  memset(&probe->reply, 0, sizeof probe->reply);
  probe->stage = stage;
}

static void connected(struct probe *probe) {
  int error = 0;
  socklen_t n = sizeof error;
  if (getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0) error = errno;
  if (error != 0) {
    connect_failed(probe, error);
    return;
  }
  next_reply(probe, STAGE_BANNER);
  wait_at_most(probe, EV_READ, probe->ends_ms - now_ms(probe));
}

/* ---- TLS ---- */

static void say_quit(struct probe *probe) {
  static const char quit[] = "QUIT\r\n";
  ERR_clear_error();
  struct hush hush;
  hush_begin(&hush);
  int n = SSL_write(probe->ssl, quit, (int)sizeof quit - 1);
  hush_end(&hush);
  if (n <= 0) {
    finish(probe);
    return;
  }
  probe->stage = STAGE_QUIT;
  int64_t left_ms = probe->ends_ms - now_ms(probe);
  if (arm(probe, left_ms < QUIT_MAX_MS ? left_ms : QUIT_MAX_MS)) {
    wait_for(probe, EV_READ);
  } else {
    finish(probe);
  }
}

/* Whatever comes back is enough: nobody can take the verdict away any more. */
static void quit_answered(struct probe *probe) {
  char bytes[512];
  ERR_clear_error();
  struct hush hush;
  hush_begin(&hush);
  int n = SSL_read(probe->ssl, bytes, sizeof bytes);
  bool ticket_only = n <= 0 && SSL_get_error(probe->ssl, n) == SSL_ERROR_WANT_READ;
  if (n > 0) SSL_shutdown(probe->ssl);
  hush_end(&hush);
  if (ticket_only) {
    wait_for(probe, EV_READ);
    return;
  }
  ERR_clear_error();
  finish(probe);
}

static void handshake_failed(struct probe *probe, int error) {
  const char *why = "the connection was closed";
  unsigned long code = ERR_peek_error();
  if (error == SSL_ERROR_SYSCALL && errno != 0) why = strerror(errno);
  if (code != 0 && ERR_reason_error_string(code)) why = ERR_reason_error_string(code);
  char text[120];
  mts_text_format(text, sizeof text, "%s", why);
  ERR_clear_error();
  fail(probe, MTS_ERR_TLS_HANDSHAKE, text, NULL);
}

static void handshake(struct probe *probe) {
  ERR_clear_error();
  errno = 0;
  struct hush hush;
  hush_begin(&hush);
  int result = SSL_connect(probe->ssl);
  hush_end(&hush);
  if (result == 1) {
    certificate_judge(probe->ssl, probe->dane, &probe->tls);
    conclude(probe, probe->tls.err);
    say_quit(probe);
    return;
  }
  int error = SSL_get_error(probe->ssl, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
    wait_for(probe, error == SSL_ERROR_WANT_READ ? EV_READ : EV_WRITE);
  } else {
    handshake_failed(probe, error);
  }
}

static void begin_tls(struct probe *probe) {
  char byte;
  /* The client speaks first in TLS: what is here already was put before it by someone on the path (CVE-2011-0411 and its kin). */
  if (recv(probe->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1) {
    fail(probe, MTS_ERR_STARTTLS_INJECTION, "bytes came together with the reply to STARTTLS", NULL);
    return;
  }
  SSL_CTX *context;
  enum mts_err err = trust_context(probe->job.world, &context);
  if (err == MTS_OK && !(probe->ssl = SSL_new(context))) err = MTS_ERR_NO_MEMORY;
  if (err == MTS_OK) err = certificate_expect(probe->ssl, &probe->request, &probe->dane);
  if (err == MTS_OK && SSL_set_fd(probe->ssl, probe->fd) != 1) err = MTS_ERR_NO_MEMORY;
  if (err != MTS_OK) {
    fail(probe, err, "no TLS context", NULL);
    return;
  }
  probe->stage = STAGE_HANDSHAKE;
  handshake(probe);
}

/* ---- the dialogue ---- */

static void send_out(struct probe *probe) {
  while (probe->out_done < probe->out_n) {
    ssize_t n = send(probe->fd, probe->out + probe->out_done, probe->out_n - probe->out_done, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      wait_for(probe, EV_WRITE);
      return;
    }
    if (n <= 0) {
      fail(probe, MTS_ERR_SMTP_PROTOCOL, "the connection was lost", stage_name(probe->stage));
      return;
    }
    probe->out_done += (size_t)n;
  }
  wait_for(probe, EV_READ);
}

static void say(struct probe *probe, enum stage stage, const char *verb, const char *argument) {
  mts_text_format(probe->out, sizeof probe->out - 2, "%s%s%s", verb, argument[0] ? " " : "", argument);
  probe->out_n = strlen(probe->out);
  probe->out[probe->out_n++] = '\r';
  probe->out[probe->out_n++] = '\n';
  probe->out_done = 0;
  next_reply(probe, stage);
  send_out(probe);
}

void starttls_own_name(const struct world *world, char name[256]) {
  memset(name, 0, 256);
  if (world->config.helo[0])
    mts_text_format(name, 256, "%s", world->config.helo);
  else if (gethostname(name, 255) != 0 || !name[0])
    mts_text_format(name, 256, "localhost");
}

static void say_ehlo(struct probe *probe) {
  char name[256];
  starttls_own_name(probe->job.world, name);
  say(probe, STAGE_EHLO, "EHLO", name);
}

static void take_reply(struct probe *probe) {
  const struct smtp_reply *reply = &probe->reply;
  if (probe->stage == STAGE_BANNER) {
    mts_text_format(probe->tls.banner, sizeof probe->tls.banner, "%s", reply->text);
    if (reply->code == 220) {
      say_ehlo(probe);
    } else {
      fail(probe, MTS_ERR_SMTP_PROTOCOL, "refused with", reply->text);
    }
  } else if (probe->stage == STAGE_EHLO) {
    if (reply->code / 100 == 4) {
      fail(probe, MTS_ERR_SMTP_PROTOCOL, "EHLO answered with", reply->text);
    } else if (reply->code != 250) {
      fail(probe, MTS_ERR_STARTTLS_MISSING, "EHLO refused with", reply->text);
    } else if (!reply->starttls) {
      fail(probe, MTS_ERR_STARTTLS_MISSING, "the reply to EHLO has no STARTTLS", NULL);
    } else {
      say(probe, STAGE_STARTTLS, "STARTTLS", "");
    }
  } else if (reply->code == 220) {
    begin_tls(probe);
  } else {
    fail(probe, MTS_ERR_STARTTLS_REFUSED, "STARTTLS answered with", reply->text);
  }
}

static void read_reply(struct probe *probe) {
  char bytes[4096];
  ssize_t n = recv(probe->fd, bytes, sizeof bytes, 0);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
    wait_for(probe, EV_READ);
    return;
  }
  if (n <= 0) {
    fail(probe, MTS_ERR_SMTP_PROTOCOL, n == 0 ? "the connection was closed" : strerror(errno), stage_name(probe->stage));
    return;
  }
  size_t used = 0;
  enum smtp_progress progress = smtp_reply_feed(&probe->reply, mts_span(bytes, (size_t)n), &used);
  if (progress == SMTP_MORE) {
    wait_for(probe, EV_READ);
  } else if (progress == SMTP_BAD) {
    fail(probe, MTS_ERR_SMTP_PROTOCOL, probe->reply.why, stage_name(probe->stage));
  } else if (used < (size_t)n && probe->stage == STAGE_STARTTLS && probe->reply.code == 220) {
    fail(probe, MTS_ERR_STARTTLS_INJECTION, "bytes came together with the reply to STARTTLS", NULL);
  } else if (used < (size_t)n) {
    fail(probe, MTS_ERR_SMTP_PROTOCOL, "more than one reply", stage_name(probe->stage));
  } else {
    take_reply(probe);
  }
}

/* ---- events ---- */

static void ready(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  struct probe *probe = arg;
  switch (probe->stage) {
    case STAGE_CONNECT:
      connected(probe);
      return;
    case STAGE_BANNER:
    case STAGE_EHLO:
    case STAGE_STARTTLS:
      if (what & EV_WRITE) {
        send_out(probe);
      } else {
        read_reply(probe);
      }
      return;
    case STAGE_HANDSHAKE:
      handshake(probe);
      return;
    case STAGE_QUIT:
      quit_answered(probe);
      return;
  }
}

static void time_over(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct probe *probe = arg;
  if (probe->stage == STAGE_QUIT) {
    finish(probe);
  } else if (probe->stage != STAGE_CONNECT) {
    fail(probe, MTS_ERR_SMTP_TIMEOUT, "no answer in time", stage_name(probe->stage));
  } else if (probe->fd < 0) {
    try_addresses(probe); /* the first, deferred so that no callback comes before start has returned */
  } else {
    connect_failed(probe, 0);
  }
}

/* ---- start ---- */

static bool copy_tlsa(struct probe *probe, const struct mts_probe_request *request) {
  struct mts_rr_tlsa *list = calloc(request->tlsa_count, sizeof *list);
  if (!list) return false;
  probe->request.tlsa = list;
  for (size_t i = 0; i < request->tlsa_count; i++) {
    char *bytes = malloc(request->tlsa[i].data.n + 1);
    if (!bytes) return false;
    if (request->tlsa[i].data.n) memcpy(bytes, request->tlsa[i].data.p, request->tlsa[i].data.n);
    list[i] = request->tlsa[i];
    list[i].data.p = bytes;
    probe->request.tlsa_count = i + 1;
  }
  return true;
}

static bool is_host(const char *host) {
  size_t n = strlen(host);
  return n > 0 && n < MTS_NAME_SIZE && strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-._") == n;
}

static bool copy_request(struct probe *probe, const struct mts_probe_request *request) {
  mts_text_format(probe->host, sizeof probe->host, "%s", request->host);
  probe->request = (struct mts_probe_request){.host = probe->host, .port = request->port, .address_count = request->address_count};
  if (request->next_hop && is_host(request->next_hop)) {
    mts_text_format(probe->next_hop, sizeof probe->next_hop, "%s", request->next_hop);
    probe->request.next_hop = probe->next_hop;
  }
  struct mts_address *addresses = calloc(request->address_count, sizeof *addresses);
  if (!addresses) return false;
  memcpy(addresses, request->addresses, request->address_count * sizeof *addresses);
  probe->request.addresses = addresses;
  return request->tlsa_count == 0 || copy_tlsa(probe, request);
}

/* A name or an address literal; never a second command. */
static bool is_helo(const char *name) {
  size_t n = strlen(name);
  return n < MTS_NAME_SIZE && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]") == n;
}

enum mts_err starttls_can_ask(const struct world *world, const char *host) {
  if (!is_host(host)) return MTS_ERR_ARGUMENT;
  if (is_helo(world->config.helo)) return MTS_OK;
  mts_log_seldom(world->config.log, MTS_LOG_ERROR, "helo", NULL, "helo is no host name: %s", world->config.helo);
  return MTS_ERR_SETTING;
}

enum mts_err starttls_start(struct world *world, const struct mts_probe_request *request, mts_tls_fn done, void *arg,
                            struct mts_job **job) {
  if (!is_host(request->host) || request->port == 0) return MTS_ERR_ARGUMENT;
  if (request->address_count == 0) return MTS_ERR_MX_ADDRESS;
  SSL_CTX *context;
  enum mts_err err = starttls_can_ask(world, request->host);
  if (err == MTS_OK) err = trust_context(world, &context);
  if (err != MTS_OK) return err;
  struct probe *probe = calloc(1, sizeof *probe);
  if (!probe) return MTS_ERR_NO_MEMORY;
  probe->fd = -1;
  probe->done = done;
  probe->arg = arg;
  probe->began_ms = mts_clock_mono_ms(&world->net.clock);
  probe->ends_ms = probe->began_ms + request->deadline_ms;
  job_begin(world, &probe->job, probe_end);
  probe->timer = evtimer_new(world->base, time_over, probe);
  if (!probe->timer || !copy_request(probe, request) || !arm(probe, 0)) {
    job_end(&probe->job);
    return MTS_ERR_NO_MEMORY;
  }
  *job = &probe->job;
  return MTS_OK;
}
