/* SPDX-License-Identifier: ISC */
#include "session.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/name.h"

static void keep(char *to, size_t size, const char *from) { mts_text_clean(to, size, mts_span_of(from)); }

static void drop_chain(struct exim_session *session) {
  for (size_t i = 0; i < SESSION_CHAIN_MOST; i++) free((void *)(uintptr_t)session->chain[i].p);
  memset(session->chain, 0, sizeof session->chain);
  session->chain_count = 0;
}

void exim_session_reported(struct exim_session *session) { drop_chain(session); }

void exim_session_clear(struct exim_session *session) {
  drop_chain(session);
  memset(session, 0, sizeof *session);
}

void exim_session_keep(struct exim_session *session, uint64_t depth, struct mts_span der) {
  if (depth >= SESSION_CHAIN_MOST || !der.n || der.n > SESSION_CERT_MAX) return;
  char *copy = malloc(der.n);
  if (!copy) return;
  memcpy(copy, der.p, der.n);
  free((void *)(uintptr_t)session->chain[depth].p);
  session->chain[depth] = mts_span(copy, der.n);
  if (depth >= session->chain_count) session->chain_count = (size_t)depth + 1;
}

/* ---- beginning ---- */

static void begin(struct exim_session *session, const struct exim_event *event) {
  char address[sizeof session->failed_address], domain[sizeof session->failed_domain];
  memcpy(address, session->failed_address, sizeof address);
  memcpy(domain, session->failed_domain, sizeof domain);
  exim_session_clear(session);
  session->open = true;
  keep(session->domain, sizeof session->domain, event->domain);
  session->filtered = event->filtered;
  session->judged = event->judged;
  if (mts_name_normalise_host(mts_span_of(event->host), session->host)) keep(session->host, sizeof session->host, event->host);
  keep(session->address, sizeof session->address, event->address);
  /* Exim comes back without TLS to whom TLS has just failed with. */
  session->told = address[0] && strcmp(address, session->address) == 0 && strcmp(domain, session->domain) == 0;
  session->told |= event->report;
}

/* ---- the reply to EHLO, RFC 5321 4.1.1.1: lines, with or without their codes ---- */

static struct mts_span next_line(const char **text) {
  const char *end = strchrnul(*text, '\n');
  struct mts_span line = mts_span(*text, (size_t)(end - *text));
  *text = *end ? end + 1 : end;
  if (line.n && line.p[line.n - 1] == '\r') line.n--;
  if (line.n >= 4 && strspn(line.p, "0123456789") == 3 && (line.p[3] == '-' || line.p[3] == ' ')) {
    line.p += 4;
    line.n -= 4;
  }
  return line;
}

static void listed(struct exim_session *session, const char *reply) {
  struct mts_span first = next_line(&reply);
  const char *blank = first.n ? memchr(first.p, ' ', first.n) : NULL;
  if (blank) first.n = (size_t)(blank - first.p);
  session->listed = true;
  session->offered = false;
  mts_text_clean(session->helo, sizeof session->helo, first);
  while (*reply) {
    struct mts_span line = next_line(&reply);
    if (line.n == strlen("STARTTLS") && strncasecmp(line.p, "STARTTLS", line.n) == 0) session->offered = true;
  }
}

/* ---- failures ---- */

static void failed(struct exim_session *session, const struct exim_event *event) {
  session->failed = true;
  if (!session->reason[0]) keep(session->reason, sizeof session->reason, event->data);
}

/* The event's data is a result type of RFC 8460 4.3.2.2. */
static void dane_failed(struct exim_session *session, const char *type) {
  session->dane_err = MTS_ERR_TLSA_INVALID;
  if (strcmp(type, mts_err_result_type(MTS_ERR_DNS_BOGUS)) == 0) session->dane_err = MTS_ERR_DNS_BOGUS;
  if (strcmp(type, mts_err_result_type(MTS_ERR_STARTTLS_MISSING)) == 0) session->dane_err = MTS_ERR_STARTTLS_MISSING;
  mts_text_format(session->reason, sizeof session->reason, "DANE: %s", type);
}

/* ---- the end ---- */

static bool tell(struct exim_session *session, struct exim_outcome *outcome, struct exim_outcome known) {
  if (session->told) return false;
  session->told = true;
  *outcome = known;
  return true;
}

static bool with_tls(struct exim_session *session, const struct exim_event *event, struct exim_outcome *outcome) {
  return tell(session, outcome, (struct exim_outcome){.dane = event->dane, .verified = event->verified});
}

static void remember_failure(struct exim_session *session) {
  memcpy(session->failed_address, session->address, sizeof session->failed_address);
  memcpy(session->failed_domain, session->domain, sizeof session->failed_domain);
}

static bool without_tls(struct exim_session *session, struct exim_outcome *outcome) {
  struct exim_outcome known = {.err = MTS_ERR_STARTTLS_MISSING};
  bool tried = session->failed || session->chain_count > 0;
  if (session->dane_err) {
    known = (struct exim_outcome){.err = session->dane_err, .dane = true};
  } else if (tried) {
    known.err = MTS_ERR_TLS_HANDSHAKE;
  } else if (!session->listed) {
    return false; /* it never came to EHLO: nothing to say of its TLS */
  } else if (session->offered) {
    known.err = MTS_ERR_STARTTLS_REFUSED;
  }
  bool fresh = tell(session, outcome, known);
  if (fresh && tried) remember_failure(session);
  return fresh;
}

static bool closed(struct exim_session *session, const struct exim_event *event, struct exim_outcome *outcome) {
  session->open = false;
  /* With GnuTLS DANE fails after the handshake: there is a cipher, and no mail goes. */
  return event->tls && !session->dane_err ? with_tls(session, event, outcome) : without_tls(session, outcome);
}

bool exim_session_event(struct exim_session *session, const struct exim_event *event, struct exim_outcome *outcome) {
  const char *name = event->name, *data = event->data;
  if (strcmp(name, "tcp:connect") == 0) {
    begin(session, event);
  } else if (!session->open) {
    return false; /* a connection that another process began */
  } else if (strcmp(name, "smtp:ehlo") == 0) {
    if (event->tls) return with_tls(session, event, outcome); /* now: another process may end it (-MC) */
    listed(session, data);
  } else if (strcmp(name, "tls:cert") == 0) {
    uint64_t depth;
    if (mts_number_parse(mts_span_of(data), SESSION_CHAIN_MOST, &depth)) exim_session_keep(session, depth, event->certificate);
  } else if (strcmp(name, "tls:fail:connect") == 0) {
    failed(session, event);
  } else if (strcmp(name, "dane:fail") == 0) {
    dane_failed(session, data);
  } else if (strcmp(name, "tcp:close") == 0) {
    return closed(session, event, outcome);
  }
  return false;
}
