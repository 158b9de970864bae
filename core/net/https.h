/* SPDX-License-Identifier: ISC
 * Fetching a policy with curl_multi (RFC 8461 3.3). */
#ifndef MTASTS_NET_HTTPS_H
#define MTASTS_NET_HTTPS_H

#include "net/world.h"

enum mts_err https_start(struct world *world, const struct mts_https_request *request, mts_https_fn done, void *arg,
                         struct mts_job **job);
void https_close(struct https **https);

#endif
