/* SPDX-License-Identifier: ISC */
#include "sessions.h"

#include <stdlib.h>
#include <string.h>

const enum filter_event session_events[] = {FILTER_EVENT_LINK_CONNECT, FILTER_EVENT_LINK_IDENTIFY,   FILTER_EVENT_LINK_TLS,
                                            FILTER_EVENT_LINK_AUTH,    FILTER_EVENT_LINK_DISCONNECT, FILTER_EVENT_TX_MAIL,
                                            FILTER_EVENT_TX_RCPT,      FILTER_EVENT_TX_RESET,        FILTER_EVENT_TX_ROLLBACK,
                                            FILTER_EVENT_TX_COMMIT,    FILTER_EVENT_UNKNOWN};

struct sessions {
  struct by_id_table table;
  void (*ending)(void *arg, struct session *session);
  void *arg;
};

enum mts_err sessions_new(void (*ending)(void *arg, struct session *session), void *arg, struct sessions **sessions) {
  struct sessions *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  made->table.most = SESSIONS_MAX;
  made->ending = ending;
  made->arg = arg;
  *sessions = made;
  return MTS_OK;
}

/* ---- one session ---- */

static void forget_recipients(struct session *session) {
  for (size_t i = 0; i < session->recipient_count; i++) free(session->recipients[i]);
  free(session->recipients);
  session->recipients = NULL;
  session->recipient_count = session->recipient_room = 0;
}

static char *copy(struct mts_span text) { return text.n && text.n <= SESSION_TEXT_MAX ? mts_span_copy(text) : NULL; }

void session_set(struct session *session, enum session_field field, struct mts_span text) {
  free(session->field[field]);
  session->field[field] = copy(text);
  session->shown &= ~(1u << field);
}

static void add_recipient(struct session *session, struct mts_span text) {
  if (session->recipient_count >= SESSION_RECIPIENTS_MAX) return;
  if (session->recipient_count == session->recipient_room) {
    size_t room = session->recipient_room ? session->recipient_room * 2 : 4;
    char **more = realloc(session->recipients, room * sizeof *more);
    if (!more) return;
    session->recipients = more;
    session->recipient_room = room;
  }
  char *made = copy(text);
  if (made) session->recipients[session->recipient_count++] = made;
}

void session_release(struct session *session) {
  if (!session->ended || session->object) return;
  for (size_t i = 0; i < SESSION_FIELD_COUNT; i++) free(session->field[i]);
  forget_recipients(session);
  free(session);
}

struct session *session_apart(struct mts_span id) {
  struct session *made = (struct session *)by_id_alone(id, sizeof *made);
  if (made) made->ended = true;
  return made;
}

/* ---- all ---- */

struct session *sessions_find(const struct sessions *sessions, struct mts_span id) {
  return (struct session *)by_id_find(&sessions->table, id);
}

static void end(struct sessions *sessions, struct session *session) {
  by_id_remove(&sessions->table, &session->by_id);
  if (session->object && sessions->ending) sessions->ending(sessions->arg, session);
  session->ended = true;
  session_release(session);
}

void sessions_free(struct sessions **sessions) {
  if (!*sessions) return;
  struct by_id *entry;
  (*sessions)->ending = NULL;
  while ((entry = by_id_take(&(*sessions)->table)) != NULL) end(*sessions, (struct session *)entry);
  free(*sessions);
  *sessions = NULL;
}

/* "[2001:db8::1]:25" or "192.0.2.1:25" without the port; "unix:/path" as it stands. */
static struct mts_span without_port(struct mts_span endpoint) {
  if (mts_span_begins(endpoint, "unix:")) return endpoint;
  const char *colon = endpoint.n ? memrchr(endpoint.p, ':', endpoint.n) : NULL;
  struct mts_span address = colon ? mts_span(endpoint.p, (size_t)(colon - endpoint.p)) : endpoint;
  if (address.n > 1 && address.p[0] == '[' && address.p[address.n - 1] == ']') address = mts_span(address.p + 1, address.n - 2);
  return address;
}

/* rdns|fcrdns|source|destination */
static void connected(struct session *session, struct mts_span rest) {
  struct mts_span text;
  if (filter_field(&rest, &text)) session_set(session, SESSION_RDNS, text);
  if (filter_field(&rest, &text)) session_set(session, SESSION_FCRDNS, text);
  if (filter_field(&rest, &text)) session_set(session, SESSION_ADDRESS, without_port(text));
  if (filter_field(&rest, &text)) session_set(session, SESSION_LISTENER, text);
}

static void end_transaction(struct session *session) {
  session_set(session, SESSION_MESSAGE, mts_span(NULL, 0));
  session_set(session, SESSION_SENDER, mts_span(NULL, 0));
  forget_recipients(session);
}

static void envelope(struct session *session, const struct filter_line *report) {
  struct mts_span message, result, address;
  if (!filter_tx_address(report, &message, &result, &address) || !mts_span_equals(result, "ok")) return;
  session_set(session, SESSION_MESSAGE, message);
  if (report->event == FILTER_EVENT_TX_MAIL)
    session_set(session, SESSION_SENDER, address);
  else
    add_recipient(session, address);
}

#define RESULT_FIRST 7 /* 0.7: auth has the result before the name */

/* identify: method|name; auth: name|result, since 0.7 result|name. The client chooses the name, and it may look like a result. */
static struct mts_span name_in(const struct filter_line *report) {
  struct mts_span rest = report->rest, first = {0};
  if (report->event == FILTER_EVENT_LINK_IDENTIFY || report->version >= RESULT_FIRST) {
    filter_field(&rest, &first);
    bool is_name = report->event == FILTER_EVENT_LINK_IDENTIFY || mts_span_equals(first, "pass");
    return is_name ? rest : mts_span(NULL, 0);
  }
  const char *bar = rest.n ? memrchr(rest.p, '|', rest.n) : NULL;
  bool passed = bar && mts_span_equals(mts_span(bar + 1, rest.n - (size_t)(bar - rest.p) - 1), "pass");
  return passed ? mts_span(rest.p, (size_t)(bar - rest.p)) : mts_span(NULL, 0);
}

void sessions_report(struct sessions *sessions, const struct filter_line *report) {
  struct session *session = sessions_find(sessions, report->session);
  bool connects = report->event == FILTER_EVENT_LINK_CONNECT;
  if (session && connects) { /* nothing of one whose end was missed, a user least of all, is true of the next */
    end(sessions, session);
    session = NULL;
  }
  if (connects) session = (struct session *)by_id_add(&sessions->table, report->session, sizeof *session);
  if (!session) return;
  switch (report->event) {
    case FILTER_EVENT_LINK_CONNECT:
      connected(session, report->rest);
      break;
    case FILTER_EVENT_LINK_IDENTIFY:
      session_set(session, SESSION_HELO, name_in(report));
      break;
    case FILTER_EVENT_LINK_TLS:
      session_set(session, SESSION_TLS, report->rest);
      session_set(session, SESSION_HELO, mts_span(NULL, 0)); /* RFC 3207 4.2: what was said before does not count */
      break;
    case FILTER_EVENT_LINK_AUTH:
      session_set(session, SESSION_USER, name_in(report));
      break;
    case FILTER_EVENT_LINK_DISCONNECT:
      end(sessions, session);
      break;
    case FILTER_EVENT_TX_MAIL:
    case FILTER_EVENT_TX_RCPT:
      envelope(session, report);
      break;
    case FILTER_EVENT_TX_RESET:
    case FILTER_EVENT_TX_ROLLBACK:
    case FILTER_EVENT_TX_COMMIT:
      end_transaction(session);
      break;
    case FILTER_EVENT_UNKNOWN:
    case FILTER_EVENT_LINK_GREETING:
    case FILTER_EVENT_TIMEOUT:
    case FILTER_EVENT_TX_BEGIN:
    case FILTER_EVENT_TX_ENVELOPE:
    case FILTER_EVENT_TX_DATA:
    case FILTER_EVENT_PROTOCOL_CLIENT:
    case FILTER_EVENT_PROTOCOL_SERVER:
    case FILTER_EVENT_FILTER_RESPONSE:
      break;
  }
}
