/* SPDX-License-Identifier: ISC
 * The sessions of smtpd with mail hosts (smtp-out), as far as TLS goes. smtpd reports no verdict of its own: what happened is read off the
 * order of its reports, which differs between releases. */
#ifndef MTASTS_FILTERS_OUTGOING_H
#define MTASTS_FILTERS_OUTGOING_H

#include "by_id.h"

#define OUTGOING_MAX 10000
#define OUTGOING_DOMAINS_MAX 100 /* of one session; those of further recipients do not count */

/* How TLS went, told once for each session and domain of its recipients; for a session that failed before it named one, once without a
 * domain. Texts are lent and may be empty. */
struct outgoing_outcome {
  const char *domain;  /* as in the recipient's address; NULL: no recipient was named */
  const char *address; /* of the mail host, without port */
  const char *source;  /* our own */
  const char *helo;    /* the host's name by its greeting */
  enum mts_err err;    /* MTS_OK: TLS; STARTTLS_MISSING, STARTTLS_REFUSED, TLS_HANDSHAKE (also: its certificate did not pass) */
  const char *reason;  /* what the host said */
};
typedef void (*outgoing_fn)(void *arg, const struct outgoing_outcome *outcome);

/* What to register to be told; ends with FILTER_EVENT_UNKNOWN. Not protocol-client: it would bring credentials. */
extern const enum filter_event outgoing_events[];

struct outgoing;
enum mts_err outgoing_new(outgoing_fn done, void *arg, struct outgoing **outgoing);
void outgoing_free(struct outgoing **outgoing);
/* Envelope senders of reports, separated by commas or blanks: what they send is not told (RFC 8460 3). A session that fails before it names
 * its sender is, for nobody can tell whose it was. */
enum mts_err outgoing_set_reporters(struct outgoing *outgoing, const char *senders);
void outgoing_report(struct outgoing *outgoing, const struct filter_line *report);

#endif
