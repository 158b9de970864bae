/* SPDX-License-Identifier: ISC
 * The IPv4 and IPv6 addresses of one host, asked side by side. */
#ifndef MTASTS_RESOLVE_ADDRESSES_H
#define MTASTS_RESOLVE_ADDRESSES_H

#include "resolve/context.h"

#define ADDRESSES_RETRY_S 60
#define ADDRESSES_MAX 16 /* of one host that are tried; the rest would only cost time */

struct addresses {
  struct mts *m;
  struct mts_job *jobs[2]; /* A, AAAA */
  enum mts_err errs[2];
  unsigned waiting;
  void (*done)(void *arg, struct addresses *addresses);
  void *arg;

  /* Valid in done: */
  enum mts_err err; /* MTS_OK: at least one address; MX_ADDRESS: surely none; DNS_*: not known */
  char detail[160];
  enum mts_dnssec dnssec, dnssecs[2]; /* the weaker one of those that gave addresses; each, as answered */
  uint32_t ttl_s;                     /* least of both answers; one that failed or names no time counts ADDRESSES_RETRY_S */
  size_t count;
  struct mts_address list[ADDRESSES_MAX]; /* IPv4 and IPv6 in turn, IPv4 first */
};
/* done comes later, once, unless cancelled. addresses is the caller's memory. */
enum mts_err addresses_start(struct mts *m, const char *host, void (*done)(void *arg, struct addresses *addresses), void *arg,
                             struct addresses *addresses);
void addresses_cancel(struct addresses *addresses);

#endif
