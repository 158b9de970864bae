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
  /* The work of mts_certificate_check; at once, no job. host: normalised */
  enum mts_err (*certificate)(struct mts_net *net, const char *host, const struct mts_span *chain, size_t count,
                              struct mts_tls *tls);
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
  void *event_base; /* struct event_base * to live on, NULL: an own one */
  struct mts_log *log;
};
/* The one symbol of the network module. clock->arg must outlive the world. */
#define MTS_NET_OPEN_SYMBOL "mts_net_open_2"
typedef enum mts_err (*mts_net_open_fn)(const struct mts_net_config *config, const struct mts_clock *clock, struct mts_net **net);
MTS_PUBLIC enum mts_err mts_net_open_2(const struct mts_net_config *config, const struct mts_clock *clock, struct mts_net **net);

#endif
