/* SPDX-License-Identifier: ISC
 * Do the values of a report mean what RFC 8460 4.4 wants? What does not is noted and kept, but for what has one form: that is given it. */
#ifndef MTASTS_TLSRPT_REPORT_CHECK_H
#define MTASTS_TLSRPT_REPORT_CHECK_H

#include "tlsrpt/report.h"

void report_check_type(struct report_reader *r, struct mts_report_policy *p, const char *at);
void report_check_result(struct report_reader *r, const char *result, const char *at);
bool report_is_of_policy(const char *result); /* sts-policy-fetch-error and its like */
void report_check_address(struct report_reader *r, const char **text, const char *key, const char *at);
void report_check_name(struct report_reader *r, const char **text, const char *key, const char *at, bool pattern);
void report_check_contact(struct report_reader *r, const char *contact, const char *at);
void report_check_uri(struct report_reader *r, const char *uri, const char *at);
void report_check_range(struct report_reader *r, int64_t begins_at, int64_t ends_at, const char *at);
void report_check_sum(struct report_reader *r, const struct mts_report_policy *p, const char *at);

#endif
