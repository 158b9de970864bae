/* SPDX-License-Identifier: ISC
 * One curl_multi on the world's event loop. */
#ifndef MTASTS_NET_MULTI_H
#define MTASTS_NET_MULTI_H

#include <curl/curl.h>

#include "net/world.h"

/* Who gets a finished transfer: taken out of the multi already, and never from inside of curl. */
struct multi_end {
  void (*ended)(void *arg, CURLcode result);
  void *arg;
};
/* The multi is opened by its first use. end lives as long as the handle is in it; it is the handle's CURLOPT_PRIVATE. */
enum mts_err multi_add(struct world *world, CURL *easy, struct multi_end *end);
void multi_remove(struct world *world, CURL *easy);

#endif
