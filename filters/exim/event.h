/* SPDX-License-Identifier: ISC
 * One call of Exim's event_action, as the printed configuration makes it. */
#ifndef MTASTS_EXIM_EVENT_H
#define MTASTS_EXIM_EVENT_H

#include "base/name.h"
#include "mtasts.h"

struct exim_event {
  const char *name, *data, *domain, *host, *address; /* the caller's; never NULL */
  char source[MTS_ADDRESS_SIZE];                     /* from where mail is sent; empty: not known */
  bool filtered;                                     /* Exim was told to leave out hosts that the policy does not permit */
  bool judged;                                       /* a policy in mode enforce or testing was told */
  bool tls;                                          /* a cipher is in use */
  bool verified;                                     /* Exim is content with the certificate */
  bool dane;                                         /* by TLSA records */
  bool report;                                       /* the message is a report of ours, whose sessions do not count (RFC 8460 3) */
  struct mts_span sender;                            /* of the message's envelope; empty: not told */
  struct mts_span certificate;                       /* tls:cert: DER, or base64 of it */
};

/* One that is missing is empty. */
static inline const char *exim_argument(int argc, const char *const *argv, int i) { return i < argc && argv[i] ? argv[i] : ""; }

/* NAME DATA ERRNO DOMAIN HOST ADDRESS INFO, each of which may be missing; INFO: key=value pairs with blanks between. */
void exim_event_read(int argc, const char *const *argv, struct exim_event *event);
/* Mail of these senders (see settings_reporters) are our reports; a configuration may say so by itself. */
void exim_event_know_reports(struct exim_event *event, const char *senders);

#endif
