/* SPDX-License-Identifier: ISC
 *
 * The outside world as one small table of functions. The real one (net/) is a shared object that is loaded on the first miss; a fake
 * one (fake/) replays a world with its own clock.
 *
 * Rules for every start function: on success *job is set and the callback comes exactly once, later, out of turn(), never before the
 * start function has returned; then *job is dead. On failure there is no callback. cancel() ends a job without a callback and nulls it; it
 * may be called inside any callback, for any other job. What a callback is handed is lent until it returns.
 */
#ifndef MTASTS_NET_H
#define MTASTS_NET_H

#include "base/clock.h"
#include "base/log.h"
#include "base/name.h"
#include "mtasts.h"

/* ---- DNS ---- */

enum mts_rrtype { MTS_RR_A = 1, MTS_RR_MX = 15, MTS_RR_TXT = 16, MTS_RR_AAAA = 28, MTS_RR_TLSA = 52 };

#define MTS_DNS_MAX_RECORDS 256     /* of one answer; more is DNS_LIMIT */
#define MTS_DNS_MAX_CNAMES 16       /* of one chain; more is DNS_LIMIT */
#define MTS_DNS_MAX_TXT_BYTES 16384 /* of one TXT record, strings joined */

struct mts_rr_mx {
  uint16_t preference;
  char host[MTS_NAME_SIZE]; /* normalised by mts_name_normalise_host; "." stands for the root (null MX); "" a name we cannot use */
  struct mts_span raw;      /* such a name as it came, in presentation form (RFC 1035 5.1); empty unless a look asked */
};
struct mts_rr_tlsa {
  uint8_t usage, selector, matching;
  struct mts_span data;
};
struct mts_rr {
  union {
    struct mts_span txt; /* strings joined without blanks (RFC 8461 3.1) */
    struct mts_rr_mx mx;
    struct mts_address address;
    struct mts_rr_tlsa tlsa;
  } u;
  uint16_t strings; /* of how many a TXT record was joined */
};

struct mts_dns_answer {
  enum mts_err err; /* MTS_OK: at least one record; DNS_NODATA, DNS_NXDOMAIN: surely none; other DNS_*: not known */
  char detail[160]; /* which server said what, for people */
  uint32_t
      ttl_s; /* least over the CNAME chain and the records; for surely none: of the negative answer (RFC 2308), 0 if not told */
  enum mts_dnssec dnssec;
  char canonical[MTS_NAME_SIZE]; /* the end of the CNAME chain, or the name asked */
  size_t cname_count;
  size_t count;
  const struct mts_rr *records; /* all of the type asked; MX not sorted */
  /* Of look_dns alone: */
  size_t hop_count;                  /* at most MTS_DNS_MAX_CNAMES */
  const char (*hops)[MTS_NAME_SIZE]; /* where each CNAME led, in order */
  bool loops;                        /* it led where it had been */
};
typedef void (*mts_dns_fn)(void *arg, const struct mts_dns_answer *answer);

/* ---- HTTPS ---- */

struct mts_https_request {
  const char *host; /* SNI, Host and the name the certificate must bear as SAN */
  const char *path;
  size_t address_count;
  const struct mts_address *addresses; /* tried in order until one connects; ignored with a proxy */
  uint32_t deadline_ms;                /* for all together, from start to the last byte */
  size_t max_bytes;
};
struct mts_https_answer {
  enum mts_err err; /* MTS_OK: status 200 and text/plain and a whole body; HTTPS_* */
  char detail[160];
  unsigned status; /* 0: none came */
  char content_type[128];
  char address[64]; /* that answered or was tried last */
  struct mts_span body;
};
typedef void (*mts_https_fn)(void *arg, const struct mts_https_answer *answer);

/* ---- SMTP ---- */

struct mts_probe_request {
  const char *host; /* SNI and the name to verify */
  uint16_t port;
  size_t address_count;
  const struct mts_address *addresses; /* tried in order until one connects */
  uint32_t deadline_ms;
  size_t tlsa_count; /* 0: verified against the trusted certificates (RFC 8461 4.2); else DANE (RFC 7672 3.1) */
  const struct mts_rr_tlsa *tlsa;
  const char *next_hop; /* with DANE a name as good as host (RFC 7672 3.2.2); NULL: none */
};
typedef void (*mts_tls_fn)(void *arg, const struct mts_tls *tls);

/* ---- looking ----
 *
 * For who wants to see all that is wrong with a domain: a look goes on where an ordinary request ends, and nothing that it meets ever decides
 * about mail. It verifies certificates, but a problem is only noted. It has one address, and follows nothing. */

#define MTS_SEEN_CERTS 10
#define MTS_SEEN_HEADERS 64
#define MTS_SEEN_HEADER_BYTES 1024 /* of one value */
#define MTS_SEEN_LINES 64          /* of the reply to EHLO */
#define MTS_SEEN_LINE_BYTES 512    /* RFC 5321 4.5.3.1.5 */

struct mts_cert {
  char subject[256], issuer[256]; /* cleaned, as in mts_tls */
  char names[4096];               /* DNS names of the SAN, separated by blanks; "..." last: there are more */
  int64_t not_before, not_after;
  char key[16]; /* "RSA", "EC", "ED25519" … */
  unsigned key_bits;
  char curve[32];     /* "P-256"; empty: no elliptic curve */
  char signature[64]; /* "sha256WithRSAEncryption" */
  bool self_issued;
  char fingerprint[65], spki[65]; /* SHA-256 of the certificate and of its SubjectPublicKeyInfo (RFC 6698 2.1.2), hexadecimal */
};
struct mts_tls_seen {
  enum mts_err err; /* of verification, CERT_*; MTS_OK: verified */
  char detail[160];
  char protocol[16], cipher[64];
  size_t count;
  struct mts_cert chain[MTS_SEEN_CERTS]; /* as sent */
};

struct mts_https_look {
  const char *host; /* SNI, Host and the name the certificate must bear as SAN */
  const char *path;
  uint16_t port; /* 0: that of the settings */
  struct mts_address address;
  uint32_t connect_ms, deadline_ms; /* connect_ms: longest wait for the connection, within the deadline */
  size_t max_bytes;                 /* of the body; the rest is not read */
  const char *user_agent;           /* NULL: the usual one */
  bool head, no_sni;
  struct mts_span post;   /* sent with POST, where p is not NULL; copied */
  const char *media_type; /* of it */
};
struct mts_https_seen {
  enum mts_err err; /* HTTPS_*, what kept it from a whole answer; a status of whatever kind does not, nor a certificate */
  char detail[160];
  bool connected;
  bool posted;     /* all of what was to be sent with POST was sent */
  unsigned status; /* 0: none came */
  size_t header_count;
  struct mts_span headers; /* name NUL value NUL, for each; names in lower case, the first of each */
  struct mts_span body;
  uint64_t body_bytes; /* as far as read */
  bool truncated;
  uint32_t connect_ms, tls_ms, first_byte_ms, ms; /* each step's own time, and all */
  const struct mts_tls_seen *tls;                 /* NULL: no handshake succeeded */
};
typedef void (*mts_https_seen_fn)(void *arg, const struct mts_https_seen *seen);

/* The newest version of TLS that a look may speak. */
enum mts_newest_tls { MTS_TLS_ANY, MTS_TLS_1_0, MTS_TLS_1_1, MTS_TLS_1_2 };

struct mts_smtp_look {
  const char *host; /* SNI and the name the certificate must bear */
  uint16_t port;
  struct mts_address address;
  uint32_t connect_ms, deadline_ms;
  enum mts_newest_tls newest_tls; /* MTS_TLS_1_0, MTS_TLS_1_1: what is too old for all else is allowed */
  bool no_sni;
  bool inject; /* sends a command in plain text behind STARTTLS, to see whether it is obeyed inside TLS (CVE-2011-0411) */
};
struct mts_smtp_seen {
  enum mts_err err; /* what kept it from going on */
  char detail[160];
  bool connected;
  unsigned banner_code, ehlo_code, starttls_code;                        /* 0: none came */
  char banner[MTS_SEEN_LINE_BYTES], starttls_reply[MTS_SEEN_LINE_BYTES]; /* first lines, as they came */
  size_t ehlo_count;
  struct mts_span ehlo; /* lines after the first, without the code, each ending in NUL */
  uint32_t connect_ms, ms;
  bool tried_injection, injected; /* injected: it was obeyed */
  const struct mts_tls_seen *tls; /* NULL: no handshake succeeded */
};
typedef void (*mts_smtp_seen_fn)(void *arg, const struct mts_smtp_seen *seen);

/* ---- the shared store ----
 *
 * One command of Redis's protocol to the one server of the settings. Only who has a shared store ever asks. */

#define MTS_SHARED_ITEMS_MAX 200000
#define MTS_SHARED_BYTES_MAX (8u << 20)

struct mts_shared_answer {
  enum mts_err err; /* MTS_OK, or STORE_SHARED: no answer in time, no connection, an answer that is none, an error of the server */
  char detail[160];
  size_t count;                 /* of an array; else 1 */
  const struct mts_span *texts; /* numbers as text, nothing as an empty text; each ends in a NUL that does not count */
};
typedef void (*mts_shared_fn)(void *arg, const struct mts_shared_answer *answer);

typedef void (*mts_timer_fn)(void *arg);

/* ---- the table ---- */

struct mts_job; /* of the world that made it */

struct mts_net;
struct mts_net_ops {
  void (*free)(struct mts_net *net);   /* cancels all jobs; must not be called from a callback */
  void (*forget)(struct mts_net *net); /* after fork, in the child: frees what can be freed without a word to the outside */
  /* name: normalised, may begin with labels such as _mta-sts or _25._tcp */
  enum mts_err (*dns)(struct mts_net *net, const char *name, enum mts_rrtype type, uint32_t deadline_ms, mts_dns_fn done, void *arg,
                      struct mts_job **job);
  enum mts_err (*https)(struct mts_net *net, const struct mts_https_request *request, mts_https_fn done, void *arg,
                        struct mts_job **job);
  enum mts_err (*probe)(struct mts_net *net, const struct mts_probe_request *request, mts_tls_fn done, void *arg,
                        struct mts_job **job);
  /* As dns, with all that is to be seen. DNS_BOGUS also for what others only call SERVFAIL, where it can be told. */
  enum mts_err (*look_dns)(struct mts_net *net, const char *name, enum mts_rrtype type, uint32_t deadline_ms, mts_dns_fn done,
                           void *arg, struct mts_job **job);
  enum mts_err (*look_https)(struct mts_net *net, const struct mts_https_look *look, mts_https_seen_fn done, void *arg,
                             struct mts_job **job);
  enum mts_err (*look_smtp)(struct mts_net *net, const struct mts_smtp_look *look, mts_smtp_seen_fn done, void *arg,
                            struct mts_job **job);
  /* The work of mts_certificate_check; at once, no job. host: normalised */
  enum mts_err (*certificate)(struct mts_net *net, const char *host, const struct mts_span *chain, size_t count,
                              struct mts_tls *tls);
  /* words are copied. done NULL: nobody waits for the answer, job must be NULL, and turn does not wait for it either. Errors: STORE_SHARED
   * also when the server is not asked, because it failed a moment ago (says itself in the log why). NULL: a world without one. */
  enum mts_err (*shared)(struct mts_net *net, const struct mts_span *words, size_t count, uint32_t deadline_ms, mts_shared_fn done,
                         void *arg, struct mts_job **job);
  enum mts_err (*timer)(struct mts_net *net, uint32_t ms, mts_timer_fn done, void *arg, struct mts_job **job);
  void (*cancel)(struct mts_net *net, struct mts_job **job);
  /* Dispatches what is ready; waits at most max_wait_ms for the first (-1: as long as jobs are left). false: no job is left. */
  bool (*turn)(struct mts_net *net, int max_wait_ms);
};
struct mts_net {
  const struct mts_net_ops *ops;
  struct mts_clock clock;
};

enum mts_net_dnssec { MTS_NET_DNSSEC_OFF, MTS_NET_DNSSEC_AD, MTS_NET_DNSSEC_VALIDATE, MTS_NET_DNSSEC_AUTO };

/* What the real world needs to know; lent for the call of mts_net_open. */
struct mts_net_config {
  const char *nameservers; /* list as in the settings; "" = /etc/resolv.conf */
  enum mts_net_dnssec dnssec;
  const char *trust_anchors;
  const char *ca_file, *ca_path;
  uint16_t https_port;
  const char *https_proxy;
  const char *helo;
  const char *shared_store, *shared_password_file, *shared_ca_file, *shared_cert_file; /* as in the settings */
  void *event_base; /* struct event_base * to live on, NULL: an own one */
  struct mts_log *log;
};
/* The one symbol of the network module. clock->arg must outlive the world. */
#define MTS_NET_OPEN_SYMBOL "mts_net_open_4"
typedef enum mts_err (*mts_net_open_fn)(const struct mts_net_config *config, const struct mts_clock *clock, struct mts_net **net);
MTS_PUBLIC enum mts_err mts_net_open_4(const struct mts_net_config *config, const struct mts_clock *clock, struct mts_net **net);

#endif
