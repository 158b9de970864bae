/* SPDX-License-Identifier: ISC */
#include "net/starttls_look.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "net/cert_seen.h"
#include "net/starttls_dialogue.h"
#include "net/trust.h"

#define QUIT_MAX_MS 500    /* for the answer to QUIT, when all is known already */
#define INJECT_MAX_MS 1500 /* for an answer to what should have been forgotten */

struct look {
  struct dialogue dialogue;
  char host[MTS_NAME_SIZE];
  struct mts_smtp_look request;
  mts_smtp_seen_fn done;
  void *arg;
  struct mts_buf lines, ehlo;
  struct mts_tls_seen *tls;
  struct mts_smtp_seen seen;
};

static void look_end(struct mts_job *job) {
  struct look *look = (struct look *)job;
  dialogue_end(&look->dialogue);
  mts_buf_free(&look->lines);
  mts_buf_free(&look->ehlo);
  free(look->tls);
  free(look);
}

/* The look is dead afterwards: callers return at once. */
static void finish(struct look *look) {
  const struct dialogue *dialogue = &look->dialogue;
  struct mts_smtp_seen seen = look->seen;
  struct mts_buf ehlo = look->ehlo; /* they outlive it until the callback has returned */
  struct mts_tls_seen *tls = look->tls;
  look->ehlo = (struct mts_buf){.limit = 0};
  look->tls = NULL;
  seen.connected = dialogue->stage != DIALOGUE_CONNECT;
  if (seen.connected) seen.connect_ms = (uint32_t)(dialogue->connected_ms - dialogue->began_ms);
  seen.tried_injection = look->request.inject && dialogue->stage >= DIALOGUE_STARTTLS;
  seen.ms = (uint32_t)(dialogue_now_ms(dialogue) - dialogue->began_ms);
  seen.ehlo = mts_span(ehlo.p, ehlo.n);
  mts_smtp_seen_fn done = look->done;
  void *arg = look->arg;
  job_end(&look->dialogue.job);
  done(arg, &seen);
  mts_buf_free(&ehlo);
  free(tls);
}

/* ---- connecting ---- */

static void unreachable(struct dialogue *dialogue, int error) {
  if (error == 0 || error == ETIMEDOUT) {
    dialogue_fail(dialogue, MTS_ERR_SMTP_TIMEOUT, "no answer while connecting", NULL);
  } else {
    dialogue_fail(dialogue, MTS_ERR_SMTP_CONNECT, strerror(error), NULL);
  }
}

static void begin(struct dialogue *dialogue) {
  const struct mts_smtp_look *request = &((struct look *)dialogue)->request;
  int64_t most_ms = request->connect_ms ? request->connect_ms : DIALOGUE_TO_DEADLINE;
  int error = dialogue_connect(dialogue, &request->address, request->port, most_ms);
  if (error != 0) unreachable(dialogue, error);
}

/* ---- in plain text ---- */

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

static void heard(struct dialogue *dialogue) {
  struct look *look = (struct look *)dialogue;
  if (dialogue->stage == DIALOGUE_BANNER) {
    look->seen.banner_code = dialogue->reply.code;
    copy_line(look->seen.banner, &look->lines);
  } else if (dialogue->stage == DIALOGUE_EHLO) {
    look->seen.ehlo_code = dialogue->reply.code;
    keep_ehlo(look);
  } else {
    look->seen.starttls_code = dialogue->reply.code;
    copy_line(look->seen.starttls_reply, &look->lines);
  }
}

/* ---- TLS ---- */

static enum mts_err prepare(struct dialogue *dialogue) {
  struct look *look = (struct look *)dialogue;
  if (!trust_limit_version(dialogue->ssl, look->request.newest_tls)) return MTS_ERR_NO_MEMORY;
  if (!look->request.no_sni && SSL_set_tlsext_host_name(dialogue->ssl, look->host) != 1) return MTS_ERR_NO_MEMORY;
  return trust_expect_host(dialogue->ssl, look->host);
}

static void secured(struct dialogue *dialogue) {
  struct look *look = (struct look *)dialogue;
  look->tls = calloc(1, sizeof *look->tls);
  if (!look->tls) {
    dialogue_fail(dialogue, MTS_ERR_NO_MEMORY, "out of memory", NULL);
    return;
  }
  if (!cert_seen(dialogue->ssl, look->tls)) { /* an anonymous cipher */
    dialogue_fail(dialogue, MTS_ERR_TLS_HANDSHAKE, "no certificate came", NULL);
    return;
  }
  look->seen.tls = look->tls;
  if (look->request.inject) {
    dialogue_listen(dialogue, DIALOGUE_UNASKED, INJECT_MAX_MS); /* an answer may have come along with the end of the handshake */
  } else {
    dialogue_say_ehlo(dialogue, DIALOGUE_EHLO_INSIDE);
  }
}

static void answered(struct dialogue *dialogue, bool surplus) {
  struct look *look = (struct look *)dialogue;
  const struct smtp_reply *reply = &dialogue->reply;
  bool quit = dialogue->stage == DIALOGUE_QUIT;
  if (surplus) { /* all is known; what comes out of turn is not of interest, unless it was provoked */
    look->seen.injected |= look->request.inject && !quit;
    finish(look);
  } else if (quit) { /* a reply too many: the first was to what should have been forgotten */
    look->seen.injected |= look->request.inject && reply->code != 221 && reply->code / 100 == 2;
    finish(look);
  } else if (dialogue->stage == DIALOGUE_UNASKED) {
    look->seen.injected = true;
    dialogue_say_ehlo(dialogue, DIALOGUE_EHLO_INSIDE);
  } else {
    dialogue_say(dialogue, DIALOGUE_QUIT, "QUIT\r\n", QUIT_MAX_MS);
  }
}

/* ---- what ends it ---- */

static void lost(struct dialogue *dialogue, const char *why, int error) {
  (void)error;
  if (dialogue->stage == DIALOGUE_QUIT || dialogue->stage == DIALOGUE_UNASKED) {
    finish((struct look *)dialogue);
  } else {
    dialogue_fail(dialogue, MTS_ERR_SMTP_PROTOCOL, why, dialogue_where(dialogue));
  }
}

static void failed(struct dialogue *dialogue, enum mts_err err, const char *detail) {
  struct look *look = (struct look *)dialogue;
  bool late = err == MTS_ERR_SMTP_TIMEOUT;
  if (late && dialogue->stage == DIALOGUE_UNASKED && dialogue_left_ms(dialogue) > 0) {
    dialogue_say_ehlo(dialogue, DIALOGUE_EHLO_INSIDE); /* what was injected is forgotten, as it should be */
    return;
  }
  if (!late || dialogue->stage != DIALOGUE_QUIT) {
    look->seen.err = err;
    mts_text_format(look->seen.detail, sizeof look->seen.detail, "%s", detail);
  }
  finish(look);
}

static const struct dialogue_ops ops = {
    .begin = begin,
    .unreachable = unreachable,
    .heard = heard,
    .prepare = prepare,
    .secured = secured,
    .answered = answered,
    .lost = lost,
    .failed = failed,
};

/* ---- start ---- */

enum mts_err starttls_look_start(struct world *world, const struct mts_smtp_look *request, mts_smtp_seen_fn done, void *arg,
                                 struct mts_job **job) {
  enum mts_err err = dialogue_can_begin(world, request->host, request->port);
  if (err) return err;
  struct look *look = calloc(1, sizeof *look);
  if (!look) return MTS_ERR_NO_MEMORY;
  look->done = done;
  look->arg = arg;
  look->request = *request;
  mts_text_format(look->host, sizeof look->host, "%s", request->host);
  look->request.host = look->host;
  look->lines.limit = SMTP_MAX_LINES * SMTP_KEPT_BYTES;
  look->ehlo.limit = MTS_SEEN_LINES * MTS_SEEN_LINE_BYTES;
  if (!dialogue_begin(&look->dialogue, world, look_end, &ops, request->deadline_ms)) {
    job_end(&look->dialogue.job);
    return MTS_ERR_NO_MEMORY;
  }
  look->dialogue.kept = &look->lines;
  /* One segment: RFC 3207 4.2 has the server forget what it knew, but some kept what they had read already. */
  if (request->inject) look->dialogue.starttls = "STARTTLS\r\nRSET\r\n";
  *job = &look->dialogue.job;
  return MTS_OK;
}
