/* SPDX-License-Identifier: ISC
 * The maps that Postfix asks: "policy", and "policy-tlsrpt" with what TLS reports of Postfix 3.10 need. */
#ifndef MTASTS_SERVE_POLICY_MAP_H
#define MTASTS_SERVE_POLICY_MAP_H

#include "connections.h"
#include "metrics.h"

struct policy_map;

/* All but the settings are lent and outlive the map. */
enum mts_err policy_map_new(struct rules *rules, const struct mts_settings *settings, struct mts_log *log, struct metrics *metrics,
                            struct policy_map **map);
void policy_map_free(struct policy_map **map); /* after its connections */
/* The socketmap protocol; its arg is the map. */
extern const struct service policy_map_service;

#endif
