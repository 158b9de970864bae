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
/* What hosts show to looks besides, and to ordinary requests as far as it matters to them. What is zero has a good default: a certificate for
 * the very host, RSA 2048, 60 days left, TLSv1.3. */
struct mts_fake_tls {
  enum mts_err err;    /* of verification, CERT_* */
  enum mts_err no_sni; /* the same, where the host is not named in the handshake */
  char protocol[16], cipher[64];
  size_t count;
  struct mts_cert chain[MTS_SEEN_CERTS];
};
struct mts_fake_site {
  enum mts_err err; /* HTTPS_*; MTS_OK: as below */
  unsigned status;
  const char *content_type; /* NULL: no such header */
  struct mts_span headers;  /* name NUL value NUL, for each; names in lower case */
  struct mts_span body;
  uint32_t delay_ms;
  struct mts_fake_tls tls;
};
struct mts_fake_mailer {
  enum mts_err err; /* as for mts_fake_smtp; MTS_OK: as below */
  uint32_t delay_ms;
  char banner[MTS_SEEN_LINE_BYTES];
  unsigned banner_code, ehlo_code, starttls_code; /* 0: 220, 250, 220 */
  bool has_ehlo;
  struct mts_span ehlo; /* lines without the code, each ending in NUL; unless has_ehlo some usual ones */
  bool old_tls;         /* speaks TLS 1.1, too */
  bool injectable;      /* obeys what came in plain text behind STARTTLS */
  struct mts_fake_tls tls;
};
/* Who gets another answer than all others: those who connect to one address, ask for one path or with one user agent (its whole text). */
enum mts_fake_only { MTS_FAKE_ALL, MTS_FAKE_ADDRESS, MTS_FAKE_PATH, MTS_FAKE_AGENT };
#define MTS_FAKE_KEY_BYTES 256
/* Tells of a policy host or a mail host. With MTS_FAKE_ALL it replaces all that was told of the host; else it adds an answer, for which the
 * host must be told already (mail hosts have one path and no user agent). Errors: ARGUMENT. */
enum mts_err mts_fake_site(struct mts_fake *fake, const char *host, enum mts_fake_only only, const char *key,
                           const struct mts_fake_site *site);
enum mts_err mts_fake_mailer(struct mts_fake *fake, const char *host, enum mts_fake_only only, const char *key,
                             const struct mts_fake_mailer *mailer);
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
