/* SPDX-License-Identifier: ISC
 * The shared store: one connection to one Redis server, commands in a row. After a failure the server is left alone for a while, so that
 * what does not answer costs its time once. */
#ifndef MTASTS_NET_REDIS_H
#define MTASTS_NET_REDIS_H

#include "net/world.h"

/* The work of mts_net_ops.shared. */
enum mts_err redis_start(struct world *world, const struct mts_span *words, size_t count, uint32_t deadline_ms, mts_shared_fn done,
                         void *arg, struct mts_job **job);
/* Says nothing to the server. */
void redis_close(struct redis **redis);

#endif
