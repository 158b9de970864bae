/* SPDX-License-Identifier: ISC
 * The filter protocol of OpenSMTPD, versions 0.4 to 0.7: lines of fields between bars, and only the last field may hold a bar.
 * smtpd dies of a filter that exits, that answers twice, or that says anything else than this; it never tires of waiting. */
#ifndef MTASTS_FILTERS_FILTER_LINE_H
#define MTASTS_FILTERS_FILTER_LINE_H

#include "base/buf.h"
#include "mtasts.h"

#define FILTER_REPLY_MAX 1024 /* bytes that an answer has room in; also an SMTP reply's line with room to spare */
#define FILTER_ID_MAX 32      /* smtpd's sessions and tokens are 16 hexadecimal digits */

/* clang-format off */
#define FILTER_PHASES(X)                                                                                                           \
  X(CONNECT, "connect") X(HELO, "helo") X(EHLO, "ehlo") X(STARTTLS, "starttls") X(AUTH, "auth") X(MAIL_FROM, "mail-from")           \
  X(RCPT_TO, "rcpt-to") X(DATA, "data") X(RSET, "rset") X(QUIT, "quit") X(NOOP, "noop") X(COMMIT, "commit")
#define FILTER_EVENTS(X)                                                                                                           \
  X(LINK_CONNECT, "link-connect") X(LINK_GREETING, "link-greeting") X(LINK_IDENTIFY, "link-identify") X(LINK_TLS, "link-tls")       \
  X(LINK_AUTH, "link-auth") X(LINK_DISCONNECT, "link-disconnect") X(TIMEOUT, "timeout") X(TX_BEGIN, "tx-begin")                     \
  X(TX_RESET, "tx-reset") X(TX_ROLLBACK, "tx-rollback") X(TX_MAIL, "tx-mail") X(TX_RCPT, "tx-rcpt")                                 \
  X(TX_ENVELOPE, "tx-envelope") X(TX_DATA, "tx-data") X(TX_COMMIT, "tx-commit") X(PROTOCOL_CLIENT, "protocol-client")               \
  X(PROTOCOL_SERVER, "protocol-server") X(FILTER_RESPONSE, "filter-response")
/* clang-format on */

enum filter_phase {
  FILTER_PHASE_UNKNOWN,
#define X(code, name) FILTER_PHASE_##code,
  FILTER_PHASES(X)
#undef X
};
enum filter_event {
  FILTER_EVENT_UNKNOWN,
#define X(code, name) FILTER_EVENT_##code,
  FILTER_EVENTS(X)
#undef X
};
const char *filter_phase_name(enum filter_phase phase); /* NULL: unknown */
const char *filter_event_name(enum filter_event event);

enum filter_kind {
  FILTER_CONFIG,  /* key, value */
  FILTER_READY,   /* config|ready: smtpd waits for what we register */
  FILTER_REPORT,  /* direction, event, session, rest */
  FILTER_REQUEST, /* phase, session, token, rest: wants one answer, whatever its phase */
};

/* Spans are lent from the line. rest: all that follows the fields every line of its kind has; it may be empty. */
struct filter_line {
  enum filter_kind kind;
  unsigned version; /* of the protocol, minor number: 4 to 7, or later */
  enum filter_phase phase;
  enum filter_event event;
  bool outgoing; /* smtp-out */
  struct mts_span key, value, session, token, rest;
};

/* false: not a line of the protocol, or a request that cannot be answered because its session or token is missing. */
bool filter_line_parse(struct mts_span line, struct filter_line *found);
/* Takes the next field off rest; the last field is what remains. false: there is none left. */
bool filter_field(struct mts_span *rest, struct mts_span *field);
/* tx-mail and tx-rcpt: message|result|address since 0.6, message|address|result before. */
bool filter_tx_address(const struct filter_line *line, struct mts_span *message, struct mts_span *result, struct mts_span *address);

enum filter_decision { FILTER_PROCEED, FILTER_JUNK, FILTER_REJECT, FILTER_DISCONNECT };
/* The one answer to a request, as a line with its LF but without a NUL: the bytes it takes, 0: this is no request, or its ids are too long.
 * text: of reject and disconnect; made a valid reply by filter_reply_text. */
size_t filter_answer(const struct filter_line *request, enum filter_decision decision, const char *text,
                     char line[FILTER_REPLY_MAX]);
/* Any text as one line that SMTP takes as a refusal: it begins with 4xx or 5xx ("451 4.7.1 " before it if not), printable ASCII. */
void filter_reply_text(const char *text, char *to, size_t size);
enum mts_err filter_register(bool outgoing_event, enum filter_event event, struct mts_buf *out);
enum mts_err filter_register_phase(enum filter_phase phase, struct mts_buf *out);
extern const char filter_ready[];

#endif
