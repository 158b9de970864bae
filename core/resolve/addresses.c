/* SPDX-License-Identifier: ISC */
#include "resolve/addresses.h"

#include <string.h>

enum { V4, V6 };

static bool surely_none(enum mts_err err) { return err == MTS_ERR_DNS_NODATA || err == MTS_ERR_DNS_NXDOMAIN; }

static enum mts_dnssec weaker(enum mts_dnssec a, enum mts_dnssec b) { return a < b ? a : b; }

/* list holds IPv4 packed from the start and IPv6 packed from the end while answers come in. */
static void interleave(struct addresses *addresses, size_t v4, size_t v6) {
  struct mts_address all[ADDRESSES_MAX];
  memcpy(all, addresses->list, sizeof all);
  size_t a = 0, b = 0;
  addresses->count = 0;
  while (a < v4 || b < v6) {
    if (a < v4) addresses->list[addresses->count++] = all[a++];
    if (b < v6) addresses->list[addresses->count++] = all[ADDRESSES_MAX - 1 - b++];
  }
}

static void conclude(struct addresses *addresses) {
  size_t v4 = 0, v6 = 0;
  while (v4 < ADDRESSES_MAX / 2 && addresses->list[v4].family) v4++;
  while (v6 < ADDRESSES_MAX / 2 && addresses->list[ADDRESSES_MAX - 1 - v6].family) v6++;
  interleave(addresses, v4, v6);
  /* RFC 7672 2.2.2 asks about the addresses there are: who blocks one of both questions shall not switch DANE off. */
  const enum mts_dnssec *each = addresses->dnssecs;
  addresses->dnssec = v4 && !v6 ? each[V4] : v6 && !v4 ? each[V6] : weaker(each[V4], each[V6]);
  enum mts_err a = addresses->errs[V4], b = addresses->errs[V6];
  if (addresses->count > 0) {
    addresses->err = MTS_OK;
  } else if (surely_none(a) && surely_none(b)) {
    addresses->err = MTS_ERR_MX_ADDRESS;
  } else {
    addresses->err = surely_none(a) ? b : a;
  }
  addresses->done(addresses->arg, addresses);
}

static void answered(struct addresses *addresses, int which, const struct mts_dns_answer *answer) {
  addresses->jobs[which] = NULL;
  addresses->errs[which] = answer->err;
  addresses->dnssecs[which] = answer->dnssec;
  for (size_t i = 0; answer->err == MTS_OK && i < answer->count && i < ADDRESSES_MAX / 2; i++) {
    addresses->list[which == V4 ? i : ADDRESSES_MAX - 1 - i] = answer->records[i].u.address;
  }
  if (answer->err && (!surely_none(answer->err) || !addresses->detail[0])) {
    memccpy(addresses->detail, answer->detail, 0, sizeof addresses->detail);
  }
  /* A negative answer without SOA has no TTL (RFC 2308 5), nor has a failure: soon asked again, as it is not known for how long. */
  uint32_t ttl_s = answer->err && (!surely_none(answer->err) || answer->ttl_s == 0) ? ADDRESSES_RETRY_S : answer->ttl_s;
  if (ttl_s < addresses->ttl_s) addresses->ttl_s = ttl_s;
  if (--addresses->waiting == 0) conclude(addresses);
}

static void answered_v4(void *arg, const struct mts_dns_answer *answer) { answered(arg, V4, answer); }
static void answered_v6(void *arg, const struct mts_dns_answer *answer) { answered(arg, V6, answer); }

enum mts_err addresses_start(struct mts *m, const char *host, void (*done)(void *arg, struct addresses *addresses), void *arg,
                             struct addresses *addresses) {
  *addresses = (struct addresses){.m = m, .done = done, .arg = arg, .waiting = 2, .ttl_s = UINT32_MAX};
  enum mts_err err = m->net->ops->dns(m->net, host, MTS_RR_A, m->dns_deadline_ms, answered_v4, addresses, &addresses->jobs[V4]);
  if (err) return err;
  err = m->net->ops->dns(m->net, host, MTS_RR_AAAA, m->dns_deadline_ms, answered_v6, addresses, &addresses->jobs[V6]);
  if (err) addresses_cancel(addresses);
  return err;
}

void addresses_cancel(struct addresses *addresses) {
  for (int i = 0; i < 2; i++) context_cancel(addresses->m, &addresses->jobs[i]);
}
