/* SPDX-License-Identifier: ISC
 * The dialogue with one mail host that probes and looks have in common: greeting, EHLO, STARTTLS, handshake (RFC 3207), and then what its
 * leader wants to say inside TLS. One connection, one deadline for all. */
#ifndef MTASTS_NET_STARTTLS_DIALOGUE_H
#define MTASTS_NET_STARTTLS_DIALOGUE_H

#include <openssl/ssl.h>

#include "net/smtp.h"
#include "net/world.h"

/* In this order; what was last begun. */
enum dialogue_stage {
  DIALOGUE_CONNECT,
  DIALOGUE_BANNER,
  DIALOGUE_EHLO,
  DIALOGUE_STARTTLS,
  DIALOGUE_HANDSHAKE,
  DIALOGUE_UNASKED, /* inside TLS, where nothing was said yet */
  DIALOGUE_EHLO_INSIDE,
  DIALOGUE_QUIT,
};

struct dialogue;
/* What its leader adds. Each is called out of the event loop; all but prepare and heard may end the job. */
struct dialogue_ops {
  void (*begin)(struct dialogue *dialogue);                  /* once, first: connects */
  void (*unreachable)(struct dialogue *dialogue, int error); /* after dialogue_connect; errno, or 0: no answer in time */
  void (*heard)(struct dialogue *dialogue);                  /* a reply in plain text, to take notes: it goes on by itself */
  enum mts_err (*prepare)(struct dialogue *dialogue);        /* says to ssl what is expected of the handshake */
  void (*secured)(struct dialogue *dialogue);                /* the handshake succeeded, whatever the certificate is */
  /* A reply inside TLS. surplus: more came than this one. */
  void (*answered)(struct dialogue *dialogue, bool surplus);
  /* The connection, outside of a handshake. error: errno of a read in plain text; 0: why says all */
  void (*lost)(struct dialogue *dialogue, const char *why, int error);
  void (*failed)(struct dialogue *dialogue, enum mts_err err, const char *detail); /* SMTP_TIMEOUT: the stage's time is over */
};

/* First member of its leader's job. Of it the leader sets only kept and starttls, once it has begun. */
struct dialogue {
  struct mts_job job;
  const struct dialogue_ops *ops;
  struct event *io; /* for what we wait for on fd; persistent */
  short waiting;    /* EV_READ or EV_WRITE of io */
  struct event *timer;
  int fd; /* -1: none */
  SSL *ssl;
  bool inside; /* TLS is up */
  enum dialogue_stage stage;
  int64_t began_ms, connected_ms, ends_ms; /* mono */
  int64_t stage_ends_ms;                   /* no later than ends_ms */
  const char *starttls;                    /* static; what asks for it, and what is to be sent along with that */
  struct mts_buf *kept;                    /* NULL, or for the lines of each reply */
  struct smtp_reply reply;
  char out[300];
  size_t out_n, out_done;
};

bool dialogue_is_host(const char *host);
/* The host is a name that can be asked for, and so is ours in EHLO. Errors: ARGUMENT; SETTING, said in the log; those of trust_context. */
enum mts_err dialogue_can_begin(struct world *world, const char *host, uint16_t port);
/* Begins the job, whose memory is zeroed; end has to call dialogue_end. false: no memory; the caller ends the job. */
bool dialogue_begin(struct dialogue *dialogue, struct world *world, void (*end)(struct mts_job *job),
                    const struct dialogue_ops *ops, uint32_t deadline_ms);
/* Frees what it holds itself, and hangs up. */
void dialogue_end(struct dialogue *dialogue);

int64_t dialogue_now_ms(const struct dialogue *dialogue);    /* mono */
int64_t dialogue_left_ms(const struct dialogue *dialogue);   /* of the deadline */
const char *dialogue_where(const struct dialogue *dialogue); /* the stage, for people */

#define DIALOGUE_TO_DEADLINE INT64_MAX
/* The job may be dead after each of these: callers return at once. most_ms: for the answer, counted from now, within the deadline. */

/* 0, or errno: it failed at once. */
int dialogue_connect(struct dialogue *dialogue, const struct mts_address *address, uint16_t port, int64_t most_ms);
/* text: with CR LF, in all no longer than out */
void dialogue_say(struct dialogue *dialogue, enum dialogue_stage stage, const char *text, int64_t most_ms);
void dialogue_say_ehlo(struct dialogue *dialogue, enum dialogue_stage stage);
/* For a reply that was not asked for; it may have come already. */
void dialogue_listen(struct dialogue *dialogue, enum dialogue_stage stage, int64_t most_ms);
/* Calls failed, with the detail "why: text"; text may be NULL. */
void dialogue_fail(struct dialogue *dialogue, enum mts_err err, const char *why, const char *text);

#endif
