/* SPDX-License-Identifier: ISC
 * Where the shared store is: redis://[USER[:PASSWORD]@]HOST[:PORT][/DB], rediss:// for TLS, unix://[USER[:PASSWORD]@]/PATH[?db=DB]. */
#ifndef MTASTS_BASE_SHARED_URL_H
#define MTASTS_BASE_SHARED_URL_H

#include "mtasts.h"

#define MTS_SHARED_USER_SIZE 128
#define MTS_SHARED_PASSWORD_SIZE 512
#define MTS_SHARED_PATH_SIZE 108 /* of sun_path */

struct mts_shared_url {
  bool tls;
  char path[MTS_SHARED_PATH_SIZE]; /* of a Unix socket; empty: host and port */
  char host[MTS_NAME_SIZE];        /* normalised, or an address */
  uint16_t port;
  char user[MTS_SHARED_USER_SIZE], password[MTS_SHARED_PASSWORD_SIZE];
  unsigned db;
};

/* Does the text claim to be such a URL? */
bool mts_shared_url_is(const char *text);
/* NULL and *url; else what is wrong with it, a static text without anything that the URL holds. */
const char *mts_shared_url_parse(const char *text, struct mts_shared_url *url);
/* The URL as it may be shown: without the password. Other texts as they are. false: it was cut. */
bool mts_shared_url_show(const char *text, char *to, size_t size);

#endif
