/* SPDX-License-Identifier: ISC
 * Is the certificate good that a mail host shows? smtpd does not say why TLS failed, nor, where it does not verify, whether it would have.
 * So the host is probed, at the address that smtpd used; what came of it is believed for some minutes. */
#ifndef MTASTS_FILTERS_VERIFY_H
#define MTASTS_FILTERS_VERIFY_H

#include "mtasts.h"

#define VERIFY_HOSTS_MAX 256    /* pairs of a host and an address that are remembered */
#define VERIFY_AT_ONCE 16       /* probes */
#define VERIFY_KNOWN_MS 600000

struct verify;
/* m is lent and outlives it. */
enum mts_err verify_new(struct mts *m, struct verify **verify);
void verify_free(struct verify **verify); /* who waits is told CANCELLED */

/* err: MTS_OK, what is wrong with TLS there, or why it cannot be told (SMTP_CONNECT, NO_MEMORY when too many are asked for, CANCELLED …). detail: one
 * line, may be empty. */
typedef void (*verify_fn)(void *arg, enum mts_err err, const char *detail);
/* The callback comes once, perhaps before this returns. */
void verify_host(struct verify *verify, const char *host, const char *address, verify_fn done, void *arg);

#endif
