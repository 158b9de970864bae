/* SPDX-License-Identifier: ISC
 * A policy host as it shows itself to who looks: whatever the certificate, the status and the media type are. */
#ifndef MTASTS_NET_HTTPS_LOOK_H
#define MTASTS_NET_HTTPS_LOOK_H

#include "net/world.h"

enum mts_err https_look_start(struct world *world, const struct mts_https_look *request, mts_https_seen_fn done, void *arg,
                              struct mts_job **job);

#endif
