/* SPDX-License-Identifier: ISC
 * An answer as an entry of Postfix's smtp_tls_policy_maps. Pure. */
#ifndef MTASTS_SERVE_TLS_POLICY_H
#define MTASTS_SERVE_TLS_POLICY_H

#include "base/buf.h"

#define TLS_POLICY_MAX 90000 /* bytes of a value, less than SOCKETMAP_REPLY_MAX */

enum tls_policy {
  TLS_POLICY_ENTRY,     /* text is the value */
  TLS_POLICY_NONE,      /* Postfix proceeds as without MTA-STS */
  TLS_POLICY_TEMPORARY, /* mail waits; text says why */
  TLS_POLICY_ASK_HOSTS, /* it takes the MX hosts to decide */
};

/* What Postfix is told. Postfix looks MX hosts up by itself, without proof of who answered, and compares the certificate with a list of names,
 * not the MX host with the policy. So the list has the hosts that the policy permits, each as a whole name: those that the policy names, and
 * those of DNS that its wildcards permit (RFC 8461 4.1: exactly one label, where Postfix's ".domain" is any number). Never "hostname", which is
 * whatever Postfix's own lookup says. Where DANE guards a host, or may guard it, the entry is "dane-only", for Postfix itself would let a
 * certificate rescue what DANE refuses (RFC 8461 2).
 *
 * hosts_asked: the answer is of MTS_DEPTH_HOSTS. dane: TLSA records count on this machine, so an entry takes the hosts. text: empty, gets the
 * value or the reason. Errors: NO_MEMORY; ARGUMENT for what does not fit, which is no entry either. */
enum mts_err tls_policy_make(const struct mts_answer *answer, bool hosts_asked, bool dane, struct mts_buf *text,
                             enum tls_policy *policy);
/* What Postfix 3.10 needs for TLS reports of this policy (TLSRPT_README), to be added to the value; nothing for "dane-only", or without a
 * policy. now_s: Unix seconds. Errors as above, then text is as it was. */
enum mts_err tls_policy_add_tlsrpt(const struct mts_answer *answer, int64_t now_s, struct mts_buf *text);

#endif
