/* SPDX-License-Identifier: ISC
 * Looks at one name, one policy host, one mail host, for who wants to see all that is wrong with a domain. */
#ifndef MTASTS_RESOLVE_LOOK_H
#define MTASTS_RESOLVE_LOOK_H

#include "resolve/context.h"

#define LOOK_TEXT_BYTES 1024 /* at most, of a path and of a user agent */

/* What all looks have in common, and what only some have: zero is a good default. */
struct look_opts {
  struct mts_address address; /* family 0: those that DNS has, the first that connects */
  uint16_t port;              /* 0: that of the settings */
  uint32_t deadline_ms;       /* 0: that of the settings */
  bool no_sni;
  /* HTTPS */
  const char *path; /* lent for the call */
  const char *user_agent;
  size_t max_bytes;
  bool head;
  struct mts_span post; /* lent for the call, as its media type */
  const char *media_type;
  /* SMTP */
  enum mts_newest_tls newest_tls;
  bool inject;
};

struct look;
/* Each calls back once, later, unless cancelled. host and name: as people write them. The address is that which answered or was tried last, as text;
 * empty: there was none. Errors at once: NAME_*, ARGUMENT, NET_MODULE, NO_MEMORY. */
typedef void (*look_dns_fn)(void *arg, uint32_t ms, const struct mts_dns_answer *answer);
enum mts_err look_dns_start(struct mts *m, const char *name, enum mts_rrtype type, uint32_t deadline_ms, look_dns_fn done,
                            void *arg, struct look **look);
typedef void (*look_https_fn)(void *arg, const char *address, uint16_t port, const struct mts_https_seen *seen);
enum mts_err look_https_start(struct mts *m, const char *host, const struct look_opts *opts, look_https_fn done, void *arg,
                              struct look **look);
typedef void (*look_smtp_fn)(void *arg, const char *address, uint16_t port, const struct mts_smtp_seen *seen);
enum mts_err look_smtp_start(struct mts *m, const char *host, const struct look_opts *opts, look_smtp_fn done, void *arg,
                             struct look **look);
void look_cancel(struct look **look);

#endif
