/* SPDX-License-Identifier: ISC
 * How a report fares, as it stands in the shared store: pure, a text in and out. */
#ifndef MTASTS_RESOLVE_SHARED_DELIVERY_H
#define MTASTS_RESOLVE_SHARED_DELIVERY_H

#include "base/buf.h"
#include "store/store.h"

/* Errors: NO_MEMORY, ARGUMENT beyond the buffer's limit. */
enum mts_err shared_delivery_write(const struct mts_delivery *delivery, struct mts_buf *text);
/* What makes no sense is UNSURE: the report may have been sent, and rather not at all than twice. */
void shared_delivery_read(struct mts_span text, int64_t day, const char *domain, struct mts_delivery *delivery);

#endif
