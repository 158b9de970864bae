/* SPDX-License-Identifier: ISC
 * TLS with the shared store's server, between two buffers in memory. */
#ifndef MTASTS_NET_REDIS_TLS_H
#define MTASTS_NET_REDIS_TLS_H

#include "base/buf.h"
#include "base/shared_url.h"
#include "net/world.h"

struct redis_tls;
/* TLS 1.2 or newer; the certificate must be trusted and bear the URL's host in its SAN, a name or an address. Errors: STORE_SHARED with a
 * reason in why; NO_MEMORY. */
enum mts_err redis_tls_new(struct world *world, const struct mts_shared_url *url, char *why, size_t why_size,
                           struct redis_tls **tls);
void redis_tls_free(struct redis_tls **tls);
bool redis_tls_is_up(const struct redis_tls *tls);
/* What came from the server (first none, to begin); what is to be sent is added to out, what it said to plain. false: over, why says it. */
bool redis_tls_take(struct redis_tls *tls, const char *bytes, size_t n, struct mts_buf *out, struct mts_buf *plain, char *why,
                    size_t why_size);
/* To the server, when it is up. */
bool redis_tls_send(struct redis_tls *tls, const char *bytes, size_t n, struct mts_buf *out);

#endif
