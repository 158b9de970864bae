/* SPDX-License-Identifier: ISC */
#include "sts/verdict.h"

void mts_verdict_host(struct mts_host *host, bool applies, enum mts_mode mode) {
  /* RFC 7672 2.1: a TLSA answer that failed may hide DANE, so the host counts as unreachable. */
  if (host->guard == MTS_GUARD_UNKNOWN && host->err) return;
  if (host->err == MTS_ERR_MX_ADDRESS) return;
  host->err = MTS_OK;
  bool policy_judges = applies && mode != MTS_MODE_NONE && host->guard != MTS_GUARD_DANE;
  if (policy_judges && !host->permitted) {
    host->err = MTS_ERR_MX_UNMATCHED;
  } else if (host->tls && (policy_judges || host->guard == MTS_GUARD_DANE)) {
    host->err = host->tls->err;
  }
}

enum mts_action mts_verdict(enum mts_mode mode, const struct mts_host *hosts, size_t count, bool hosts_known) {
  switch (mode) {
    case MTS_MODE_NONE:
      return MTS_ACTION_DELIVER;
    case MTS_MODE_TESTING:
      return MTS_ACTION_RECORD;
    case MTS_MODE_ENFORCE:
      break;
  }
  /* RFC 8461 8.4: a host that fails counts as unreachable; when all do, that is a temporary failure (5). */
  if (!hosts_known || count == 0) return MTS_ACTION_REQUIRE;
  for (size_t i = 0; i < count; i++) {
    if (hosts[i].err == MTS_OK) return MTS_ACTION_REQUIRE;
  }
  return MTS_ACTION_DEFER;
}
