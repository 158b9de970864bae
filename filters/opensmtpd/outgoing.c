/* SPDX-License-Identifier: ISC */
#include "outgoing.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/name.h"
#include "reporters.h"

const enum filter_event outgoing_events[] = {FILTER_EVENT_LINK_CONNECT, FILTER_EVENT_LINK_GREETING,   FILTER_EVENT_LINK_IDENTIFY,
                                             FILTER_EVENT_LINK_TLS,     FILTER_EVENT_LINK_DISCONNECT, FILTER_EVENT_TX_BEGIN,
                                             FILTER_EVENT_TX_MAIL,      FILTER_EVENT_TX_RCPT,         FILTER_EVENT_PROTOCOL_SERVER,
                                             FILTER_EVENT_UNKNOWN};

#define ENDPOINT_SIZE 64 /* "[IPv6]:port" */
#define REASON_SIZE 160

struct outgoing_session {
  struct by_id by_id; /* first */
  char address[MTS_ADDRESS_SIZE], source[MTS_ADDRESS_SIZE];
  char helo[MTS_NAME_SIZE];
  char refusal[REASON_SIZE]; /* what the host said to STARTTLS; empty: it did not refuse */
  bool lmtp;                 /* RFC 2033: a store of mail, not a mail host of a domain; TLS is nobody's business there */
  bool greeted;
  bool offered;  /* STARTTLS stood in its reply to EHLO */
  bool listed;   /* that reply has ended */
  bool accepted; /* it said 220 to STARTTLS */
  bool tls;      /* smtpd says that TLS has begun; 6.8 says so before it looks at the certificate */
  bool heard;    /* the host has been heard since: the certificate passed, where smtpd asks for that */
  bool mail;     /* a transaction has begun */
  bool reports;  /* its sender is one of those whose mail does not count */
  size_t domain_count;
  char *domains[OUTGOING_DOMAINS_MAX];
};

struct outgoing {
  struct by_id_table table;
  outgoing_fn done;
  void *arg;
  char *reporters; /* NULL: none */
};

enum mts_err outgoing_new(outgoing_fn done, void *arg, struct outgoing **outgoing) {
  struct outgoing *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  made->table.most = OUTGOING_MAX;
  made->done = done;
  made->arg = arg;
  *outgoing = made;
  return MTS_OK;
}

static void release(struct outgoing_session *session) {
  for (size_t i = 0; i < session->domain_count; i++) free(session->domains[i]);
  free(session);
}

void outgoing_free(struct outgoing **outgoing) {
  if (!*outgoing) return;
  struct by_id *entry;
  while ((entry = by_id_take(&(*outgoing)->table)) != NULL) release((struct outgoing_session *)entry);
  free((*outgoing)->reporters);
  free(*outgoing);
  *outgoing = NULL;
}

enum mts_err outgoing_set_reporters(struct outgoing *outgoing, const char *senders) {
  char *copy = mts_span_copy(mts_span_of(senders));
  if (!copy) return MTS_ERR_NO_MEMORY;
  free(outgoing->reporters);
  outgoing->reporters = copy;
  return MTS_OK;
}

/* ---- what is learned ---- */

static void keep_address(struct mts_span endpoint, char to[MTS_ADDRESS_SIZE]) {
  struct mts_address address;
  uint16_t port = 0;
  if (mts_endpoint_parse(endpoint, &address, &port)) mts_address_format(&address, to);
}

/* rdns|fcrdns|source|destination */
static void connected(struct outgoing_session *session, struct mts_span rest) {
  struct mts_span rdns, fcrdns, source, destination;
  if (!filter_field(&rest, &rdns) || !filter_field(&rest, &fcrdns) || !filter_field(&rest, &source)) return;
  if (!filter_field(&rest, &destination)) return;
  keep_address(source, session->source);
  keep_address(destination, session->address);
}

/* RFC 5321 4.2: three digits, "-" where lines follow, text. Until TLS or mail the replies are those to EHLO and STARTTLS. */
static void heard(struct outgoing_session *session, struct mts_span line) {
  if (session->tls) session->heard = true;
  if (session->tls || session->mail || line.n < 3) return;
  bool last = line.n == 3 || line.p[3] != '-';
  if (!session->greeted) {
    session->greeted = last && mts_span_begins(line, "220");
  } else if (mts_span_begins(line, "250")) {
    if (line.n == strlen("250-STARTTLS") && strncasecmp(line.p + 4, "STARTTLS", strlen("STARTTLS")) == 0) session->offered = true;
    if (last) session->listed = true;
  } else if (session->offered && session->listed && !session->accepted && !session->refusal[0] && last) {
    if (mts_span_begins(line, "220"))
      session->accepted = true;
    else
      mts_text_clean(session->refusal, sizeof session->refusal, line);
  }
}

/* ---- what is told ---- */

static void tell(const struct outgoing *outgoing, const struct outgoing_session *session, const char *domain, enum mts_err err) {
  if (session->lmtp) return;
  const struct outgoing_outcome outcome = {.domain = domain,
                                           .address = session->address,
                                           .source = session->source,
                                           .helo = session->helo,
                                           .err = err,
                                           .reason = err == MTS_ERR_STARTTLS_REFUSED ? session->refusal : ""};
  outgoing->done(outgoing->arg, &outcome);
}

static enum mts_err without_tls(const struct outgoing_session *session) {
  if (session->refusal[0]) return MTS_ERR_STARTTLS_REFUSED;
  return session->offered ? MTS_ERR_TLS_HANDSHAKE
                          : MTS_ERR_STARTTLS_MISSING; /* offered: smtpd tried in a session before this one */
}

static void sender(const struct outgoing *outgoing, struct outgoing_session *session, const struct filter_line *report) {
  struct mts_span message, result, address;
  session->reports = filter_tx_address(report, &message, &result, &address) && reporters_have(outgoing->reporters, address);
}

static void recipient(const struct outgoing *outgoing, struct outgoing_session *session, const struct filter_line *report) {
  struct mts_span message, result, address;
  if (session->reports || !filter_tx_address(report, &message, &result, &address)) return;
  const char *at = address.n ? memrchr(address.p, '@', address.n) : NULL;
  struct mts_span domain = at ? mts_span(at + 1, address.n - (size_t)(at - address.p) - 1) : mts_span(NULL, 0);
  if (!domain.n || domain.n >= MTS_NAME_SIZE || session->domain_count == OUTGOING_DOMAINS_MAX) return;
  for (size_t i = 0; i < session->domain_count; i++) {
    if (strlen(session->domains[i]) == domain.n && strncasecmp(session->domains[i], domain.p, domain.n) == 0) return;
  }
  char *kept = mts_span_copy(domain);
  if (!kept) return;
  session->domains[session->domain_count++] = kept;
  tell(outgoing, session, kept, session->tls ? MTS_OK : without_tls(session));
}

/* A session without mail: did it end because of TLS? */
static void ended(const struct outgoing *outgoing, const struct outgoing_session *session) {
  if (session->mail || session->domain_count || !session->listed) return;
  if (session->tls) {
    if (!session->heard) tell(outgoing, session, NULL, MTS_ERR_TLS_HANDSHAKE);
  } else if (session->accepted) {
    tell(outgoing, session, NULL, MTS_ERR_TLS_HANDSHAKE);
  } else if (session->refusal[0] || !session->offered) {
    tell(outgoing, session, NULL, without_tls(session));
  }
}

static struct outgoing_session *session_of(struct outgoing *outgoing, const struct filter_line *report) {
  struct by_id *found = by_id_find(&outgoing->table, report->session);
  if (!found && report->event == FILTER_EVENT_LINK_CONNECT)
    found = by_id_add(&outgoing->table, report->session, sizeof(struct outgoing_session));
  return (struct outgoing_session *)found; /* NULL: smtpd did not come to connect, or there are too many */
}

void outgoing_report(struct outgoing *outgoing, const struct filter_line *report) {
  struct outgoing_session *session = session_of(outgoing, report);
  if (!session) return;
  switch (report->event) {
    case FILTER_EVENT_LINK_CONNECT:
      connected(session, report->rest);
      break;
    case FILTER_EVENT_LINK_GREETING:
      mts_text_clean(session->helo, sizeof session->helo, report->rest);
      break;
    case FILTER_EVENT_LINK_IDENTIFY:
      session->lmtp = mts_span_begins(report->rest, "LHLO|");
      break;
    case FILTER_EVENT_LINK_TLS:
      session->tls = true;
      break;
    case FILTER_EVENT_PROTOCOL_SERVER:
      heard(session, report->rest);
      break;
    case FILTER_EVENT_TX_BEGIN:
      session->mail = true;
      session->reports = false;
      break;
    case FILTER_EVENT_TX_MAIL:
      sender(outgoing, session, report);
      break;
    case FILTER_EVENT_TX_RCPT:
      recipient(outgoing, session, report);
      break;
    case FILTER_EVENT_LINK_DISCONNECT:
      by_id_remove(&outgoing->table, &session->by_id);
      ended(outgoing, session);
      release(session);
      break;
    case FILTER_EVENT_UNKNOWN:
    case FILTER_EVENT_LINK_AUTH:
    case FILTER_EVENT_TIMEOUT:
    case FILTER_EVENT_TX_RESET:
    case FILTER_EVENT_TX_ROLLBACK:
    case FILTER_EVENT_TX_ENVELOPE:
    case FILTER_EVENT_TX_DATA:
    case FILTER_EVENT_TX_COMMIT:
    case FILTER_EVENT_PROTOCOL_CLIENT:
    case FILTER_EVENT_FILTER_RESPONSE:
      break;
  }
}
