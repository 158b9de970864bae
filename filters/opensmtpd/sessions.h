/* SPDX-License-Identifier: ISC
 * The sessions of smtpd's clients (smtp-in): what it reported of each, for rules. */
#ifndef MTASTS_FILTERS_SESSIONS_H
#define MTASTS_FILTERS_SESSIONS_H

#include "by_id.h"

#define SESSIONS_MAX 20000
#define SESSION_TEXT_MAX 1024       /* of a field; no name and no address is that long */
#define SESSION_RECIPIENTS_MAX 1000 /* smtpd's own limit by default */

/* clang-format off */
/* code, name in Lua */
#define SESSION_FIELDS(X)                                                                                                          \
  X(RDNS, "rdns") X(FCRDNS, "fcrdns") X(ADDRESS, "address") X(LISTENER, "listener") X(HELO, "helo") X(TLS, "tls") X(USER, "user")   \
  X(MESSAGE, "message") X(SENDER, "sender")
/* clang-format on */
enum session_field {
#define X(code, name) SESSION_##code,
  SESSION_FIELDS(X)
#undef X
      SESSION_FIELD_COUNT
};

struct session {
  struct by_id by_id;               /* first */
  char *field[SESSION_FIELD_COUNT]; /* NULL: not known */
  char **recipients;
  size_t recipient_count, recipient_room;
  void *object; /* of the rules, that show it; while there is one it outlives the session */
  int object_ref;
  unsigned shown; /* a bit for each field that the object holds as a text of Lua's */
  bool ended;     /* and is no longer in the table */
};

/* What to register to be told of sessions; ends with FILTER_EVENT_UNKNOWN. */
extern const enum filter_event session_events[];

struct sessions;
/* ending may be NULL: told of a session that has an object, when it is about to end. */
enum mts_err sessions_new(void (*ending)(void *arg, struct session *session), void *arg, struct sessions **sessions);
/* After the rules, which let go of their objects. */
void sessions_free(struct sessions **sessions);
void sessions_report(struct sessions *sessions, const struct filter_line *report);
struct session *sessions_find(const struct sessions *sessions, struct mts_span id); /* NULL: nothing was reported of it */
/* One that is in no table, for its object alone. */
struct session *session_apart(struct mts_span id);
void session_set(struct session *session, enum session_field field, struct mts_span text);
/* Frees it if it ended and has no object. */
void session_release(struct session *session);

#endif
