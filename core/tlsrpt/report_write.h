/* SPDX-License-Identifier: ISC
 * Limits of reports that are sent, so that receivers take even the largest: counts stay exact. */
#ifndef MTASTS_TLSRPT_REPORT_WRITE_H
#define MTASTS_TLSRPT_REPORT_WRITE_H

#define REPORT_ORGANIZATION_MAX 200 /* bytes */
#define REPORT_DETAILS_MAX 1000     /* those with the most sessions; others of a policy and result type become one */
#define REPORT_POLICIES_MAX 100     /* others of a type become one, without the policy's text */

#endif
