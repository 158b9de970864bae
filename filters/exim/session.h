/* SPDX-License-Identifier: ISC
 * What Exim's events tell of a session with a mail host: pure, no network, no store. */
#ifndef MTASTS_EXIM_SESSION_H
#define MTASTS_EXIM_SESSION_H

#include "event.h"

#define SESSION_CHAIN_MOST 10               /* certificates; beyond, they are not kept */
#define SESSION_CERT_MAX ((size_t)64 << 10) /* bytes of one */
#define SESSION_REASON_SIZE 160             /* a line */

struct exim_session {
  bool open, told; /* told: its outcome is known, and what follows does not count */
  bool filtered, judged;
  char domain[256], host[MTS_NAME_SIZE], address[64], helo[256];
  bool listed, offered; /* it answered EHLO, and STARTTLS stood in it */
  bool failed;          /* TLS began and failed */
  enum mts_err dane_err;
  char reason[SESSION_REASON_SIZE];
  size_t chain_count;
  struct mts_span chain[SESSION_CHAIN_MOST]; /* by depth, owned; the host's own first */
  /* Exim tries again without TLS where it may: that is the same session to RFC 8460. */
  char failed_address[64], failed_domain[256];
};

struct exim_outcome {
  enum mts_err err; /* of TLS; MTS_OK: TLS is in use */
  bool dane;        /* the certificate was judged by TLSA records */
  bool verified;    /* with MTS_OK: Exim is content with the certificate */
};

/* true: the session's outcome is known now, once for each session. Events that are not known change nothing. */
bool exim_session_event(struct exim_session *session, const struct exim_event *event, struct exim_outcome *outcome);
/* The certificate at this depth, kept until the next session. Too long, too deep or no memory: it is not kept. */
void exim_session_keep(struct exim_session *session, uint64_t depth, struct mts_span der);
/* The report is made: certificates are not needed any more. */
void exim_session_reported(struct exim_session *session);
void exim_session_clear(struct exim_session *session);

#endif
