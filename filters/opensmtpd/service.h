/* SPDX-License-Identifier: ISC
 * What table-mtasts knows: does an enforce policy apply to a domain, and which mail host of it may be used now. */
#ifndef MTASTS_FILTERS_SERVICE_H
#define MTASTS_FILTERS_SERVICE_H

#include "base/clock.h"
#include "mtasts.h"
#include "request.h"

struct service;
/* value: the relay URL, an error's text, or NULL. May come before the asking function returns. */
typedef void (*service_fn)(void *arg, enum table_result result, const char *value);

/* m and clock are lent and outlive the service. deadline_ms: longest wait for any one answer. */
enum mts_err service_new(struct mts *m, const struct mts_clock *clock, uint32_t deadline_ms, service_fn done, void *arg,
                         struct service **service);
void service_free(struct service **service);
/* One question at a time: the next one after done. */
void service_domain(struct service *service, const char *domain);
void service_relayhost(struct service *service, const char *domain);

/* Forgets the question under way; done is not called. */
void service_cancel(struct service *service);

#endif
