/* SPDX-License-Identifier: ISC
 * A session as rules see it: what smtpd reported can be read, and fields of the rule's own can be kept in it. */
#ifndef MTASTS_FILTERS_SESSION_OBJECT_H
#define MTASTS_FILTERS_SESSION_OBJECT_H

#include <lua.h>

#include "sessions.h"

/* These raise errors (longjmp). */
void session_object_open(lua_State *L);
/* Pushes the one object of the session. session NULL: nothing but its id is known. */
void session_object_push(lua_State *L, struct session *session, struct mts_span id);
/* Has it an object in this Lua state? Raises nothing. */
bool session_object_is_of(lua_State *L, const struct session *session);
/* What rules in from keep of sessions that go on, texts, numbers and booleans, goes to objects in L; for from this raises nothing. */
void session_object_move_all(lua_State *from, lua_State *L);
/* The session is over: the object lives as long as a rule holds it. */
void session_object_let_go(lua_State *L, const struct session *session);

#endif
