/* SPDX-License-Identifier: ISC
 * Fetching a policy with curl_multi (RFC 8461 3.3). */
#ifndef MTASTS_NET_HTTPS_H
#define MTASTS_NET_HTTPS_H

#include "net/world.h"

enum mts_err https_start(struct world *world, const struct mts_https_request *request, mts_https_fn done, void *arg,
                         struct mts_job **job);
/* A host that curl takes for a name, and a path that is one line. */
bool https_can_ask(const char *host, const char *path);
/* The value of a header line if it is this header; without blanks around it. */
bool https_header_is(struct mts_span line, const char *name, struct mts_span *value);
/* RFC 8461 3.3 and what keeps a request from depending on anything else: https alone, HTTP/1.1, no redirect, TLS 1.2 or newer, no session, no
 * connection, no netrc, no certificates of curl's own. easy: a CURL *. */
void https_set_rules(void *easy);
void https_close(struct https **https);

#endif
