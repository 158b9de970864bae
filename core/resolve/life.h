/* SPDX-License-Identifier: ISC
 * The life of a policy: what a live answer makes of what is known. Times only, no network. */
#ifndef MTASTS_RESOLVE_LIFE_H
#define MTASTS_RESOLVE_LIFE_H

#include "resolve/context.h"

#define LIFE_CHECK_LEAST_S 60 /* the id is checked at most once per TTL of the record, within these bounds */
#define LIFE_CHECK_MOST_S 86400
#define LIFE_ABSENT_MOST_S 3600 /* a domain without a policy is asked again at least this often */
#define LIFE_DNS_RETRY_S 10     /* after a temporary DNS failure */
#define LIFE_RETRY_MOST_S 86400
#define LIFE_FAR_S 691200  /* eight days: no check or refresh is ever planned that far ahead */
#define LIFE_ALARM_S 86400 /* refreshes that failed this long raise the alarm, and again after as long */

bool life_policy_holds(const struct mts_entry *entry, int64_t now_s); /* there is one, and it has not expired */
bool life_is_due(const struct mts_entry *entry, int64_t now_s);       /* a look at the live policy is due */
/* Of what is not due: the first time at which a look is due, or the policy no longer holds. Before now_s all may be otherwise, where the clock
 * is set back. */
int64_t life_quiet_until(const struct mts_entry *entry, int64_t now_s);
bool life_refresh_is_due(const struct mts_entry *entry, int64_t now_s);          /* a GET is due, whatever the id */
bool life_is_held(const struct mts_entry *entry, const char *id, int64_t now_s); /* the last GET of id failed not long ago */
/* The record was read: its id is valid until its TTL is over. */
void life_record(struct mts_entry *entry, int64_t now_s, uint32_t ttl_s);
/* No usable record: RECORD_*, or DNS_* when it is not known. */
void life_no_record(struct mts_entry *entry, int64_t now_s, enum mts_err err, uint32_t ttl_s, const char *detail);
/* A GET under this id failed: HTTPS_*, POLICY_*. */
void life_fetch_failed(struct mts_entry *entry, int64_t now_s, const char *id, enum mts_err err, const char *detail,
                       uint32_t retry_s);
/* A GET gave this policy (a reference is taken). id "": the record could not be read, the policy host was asked all the same. */
void life_fetched(struct mts_entry *entry, int64_t now_s, const char *id, struct mts_policy *policy, uint32_t refresh_s);
/* The record's id is the one whose GET failed, and its time has not come. */
void life_held(struct mts_entry *entry, int64_t now_s);
/* The policy in force has this id and is not due: whatever failed before is over. */
void life_confirmed(struct mts_entry *entry, int64_t now_s);
/* RFC 8461 10.2: refreshes fail for long, or the policy is past half of its life; never for mode none. Notes that it was raised. */
bool life_alarm_due(struct mts_entry *entry, int64_t now_s);

#endif
