/* SPDX-License-Identifier: ISC
 *
 * A world that is told instead of asked: DNS, policy hosts, mail hosts and the clock, for tests of rules and of ourselves. Its time
 * stands still but for turn(), which jumps to the next event (at most by the wait it is given) and never waits really. Parts that are
 * not told answer as an empty world does: NXDOMAIN, no address, no connection. An answer that is told later than the asker's deadline
 * is a timeout at the deadline. A question keeps the answer it had when it was asked, whatever is told meanwhile.
 */
#ifndef MTASTS_FAKE_H
#define MTASTS_FAKE_H

#include "net.h"

struct mts_fake;
enum mts_err mts_fake_new(int64_t now_ms, struct mts_fake **fake);
void mts_fake_free(struct mts_fake **fake);
/* Lent; stays valid until mts_fake_free. Its free and forget do nothing to the fake. */
struct mts_net *mts_fake_net(struct mts_fake *fake);
void mts_fake_advance(struct mts_fake *fake, int64_t ms);
void mts_fake_set_now(struct mts_fake *fake, int64_t now_ms);

/* Replaces what is told of one question. err: MTS_OK with records in presentation form ("10 mx.example.", "192.0.2.1", the joined text
 * of a TXT record, "3 1 1 hex"), or a DNS_* error without. ttl_s 0: 300. Errors: ARGUMENT for a name or a record it cannot read. */
enum mts_err mts_fake_dns(struct mts_fake *fake, const char *name, enum mts_rrtype type, enum mts_err err,
                          const struct mts_span *records, size_t count, uint32_t ttl_s, enum mts_dnssec dnssec, uint32_t delay_ms);
/* What is asked of name is answered by target, whatever is told of name itself; target "" ends that. */
enum mts_err mts_fake_cname(struct mts_fake *fake, const char *name, const char *target);
/* What the policy host answers. err: MTS_OK with status and body, or HTTPS_*; the status, the media type (NULL: no such header) and the
 * size are judged as the real world does. Gives the host a public address if DNS was told none. */
enum mts_err mts_fake_https(struct mts_fake *fake, const char *host, enum mts_err err, unsigned status, const char *content_type,
                            struct mts_span body, uint32_t delay_ms);
/* What a probe of the mail host gives: MTS_OK or the failure. Gives the host an address likewise. */
enum mts_err mts_fake_smtp(struct mts_fake *fake, const char *host, enum mts_err err, uint32_t delay_ms);

/* Requests seen so far. name NULL: all. */
size_t mts_fake_count_dns(const struct mts_fake *fake, const char *name, enum mts_rrtype type);
size_t mts_fake_count_https(const struct mts_fake *fake, const char *host);
size_t mts_fake_count_smtp(const struct mts_fake *fake, const char *host);

#endif
