/* SPDX-License-Identifier: ISC
 * MX hosts between lookups: what DNS said to one is there for others, in whatever process, for as long as its TTL. */
#include "resolve/cache.h"
#include "resolve/hosts.h"

/* RFC 1035 3.2.1. A row from the future, or one that would last too long, was dated by a clock that was wrong. */
static bool is_fresh(const struct mts_store_hosts *hosts, int64_t now_s) {
  return hosts->learned_at <= now_s && hosts->expires_at > now_s && hosts->expires_at <= now_s + STORED_HOSTS_MAX_S;
}

bool stored_hosts_take(struct mts *m, struct mts_answer *answer, int64_t *age_s) {
  struct mts_store *store = cache_store(m);
  struct mts_store_hosts hosts = {0};
  int64_t now = mts_clock_now_s(&m->clock);
  if (!store || mts_store_hosts_get(store, answer->domain, &hosts)) return false;
  if (!is_fresh(&hosts, now)) {
    mts_store_hosts_clear(&hosts);
    return false;
  }
  answer->hosts = hosts.list; /* moves */
  answer->host_count = hosts.count;
  answer->hosts_known = true;
  answer->hosts_err = MTS_OK;
  answer->dnssec = MTS_DNSSEC_UNKNOWN;
  *age_s = now - hosts.learned_at;
  return true;
}

/* A failure of DNS about every host teaches nothing. */
static bool is_worth_keeping(const struct mts_answer *answer) {
  for (size_t i = 0; i < answer->host_count; i++) {
    const struct mts_host *host = &answer->hosts[i];
    if (host->name[0] && (host->address_count > 0 || host->err == MTS_ERR_MX_ADDRESS)) return true;
  }
  return false;
}

void stored_hosts_keep(struct mts *m, const struct mts_answer *answer, int64_t learned_at, uint32_t ttl_s) {
  if (!answer->hosts_known || answer->hosts_err || !is_worth_keeping(answer)) return;
  struct mts_store *store = cache_store(m);
  if (!store) return;
  if (ttl_s > STORED_HOSTS_MAX_S) ttl_s = STORED_HOSTS_MAX_S;
  const struct mts_store_hosts hosts = {
      .learned_at = learned_at, .expires_at = learned_at + ttl_s, .count = answer->host_count, .list = answer->hosts};
  mts_store_hosts_put(store, answer->domain, &hosts); /* says itself what failed */
}
