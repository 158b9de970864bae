/* SPDX-License-Identifier: ISC
 * A decision as Exim's routers read it. */
#ifndef MTASTS_EXIM_POLICY_TEXT_H
#define MTASTS_EXIM_POLICY_TEXT_H

#include "base/buf.h"
#include "mtasts.h"

/* Longer than the longest policy (64 KiB) makes. */
#define POLICY_TEXT_MAX ((size_t)256 << 10)

/* mode=none, mode=testing id=ID or mode=enforce id=ID ignore=LIST: values without blanks, for ${extract{mode}{$address_data}}. LIST is for
 * the option ignore_target_hosts: anchored expressions of the hosts that the policy permits, each negated, and * for all others; empty
 * when an exception of the operator's enforces TLS without a policy. Nothing in it is of a foreign alphabet: it may be used untainted. Not
 * for MTS_ACTION_DEFER. Errors: NO_MEMORY. */
enum mts_err policy_text(const struct mts_answer *answer, struct mts_buf *text);
/* For MTS_ACTION_DEFER: why mail has to wait, a line. Errors: NO_MEMORY. */
enum mts_err policy_text_why(const struct mts_answer *answer, struct mts_buf *text);

#endif
