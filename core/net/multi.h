/* SPDX-License-Identifier: ISC
 * One curl_multi on the world's event loop. */
#ifndef MTASTS_NET_MULTI_H
#define MTASTS_NET_MULTI_H

#include <curl/curl.h>

#include "net/world.h"

/* Opened by its first use. ended gets each finished transfer, taken out of the multi already, and never from inside of curl;
 * private is the handle's CURLOPT_PRIVATE. */
typedef void (*multi_ended_fn)(void *private, CURLcode result);
enum mts_err multi_add(struct world *world, CURL *easy, multi_ended_fn ended);
void multi_remove(struct world *world, CURL *easy);

#endif
