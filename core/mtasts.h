/* SPDX-License-Identifier: ISC
 *
 * libmtasts: from a mail destination to a decision under MTA-STS (RFC 8461).
 *
 * Order of this file: errors, pure functions (bytes in, values out), settings, the context, lookups, probes, hooks.
 * Functions return an enum mts_err, results come last and are untouched on failure. X_new/X_free(&p) own; what a callback is
 * handed is lent until it returns unless it says otherwise. Units stand in the names: _s seconds, _ms milliseconds; times of day
 * are Unix seconds. A context belongs to one thread.
 */
#ifndef MTASTS_H
#define MTASTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MTS_VERSION "0.1.0"
#define MTS_API 1 /* grows by one with each change of this header or of the Lua API */

#define MTS_PUBLIC __attribute__((visibility("default")))

/* Bytes with a length; never owned, need not end in NUL. */
struct mts_span {
  const char *p;
  size_t n;
};

/* ---- errors ------------------------------------------------------------------------------------------------------------ */

/* clang-format off */
/* code, stable name, 1 when trying again later may help, result type of RFC 8460 4.3 or NULL, message */
#define MTS_ERR_LIST(X)                                                                                                            \
  X(OK, "ok", 0, NULL, "no error")                                                                                                 \
  X(NO_MEMORY, "no-memory", 1, NULL, "out of memory")                                                                              \
  X(INTERNAL, "internal", 1, NULL, "internal error")                                                                               \
  X(ARGUMENT, "argument", 0, NULL, "wrong argument")                                                                               \
  X(SETTING, "setting", 0, NULL, "wrong setting")                                                                                  \
  X(CANCELLED, "cancelled", 1, NULL, "cancelled")                                                                                  \
  X(DEADLINE, "deadline", 1, NULL, "the deadline passed")                                                                          \
  X(NET_MODULE, "net-module", 1, NULL, "the network module cannot be loaded")                                                      \
  /* destinations */                                                                                                               \
  X(NAME_EMPTY, "name-empty", 0, NULL, "the name is empty")                                                                        \
  X(NAME_SYNTAX, "name-syntax", 0, NULL, "not a domain name")                                                                      \
  X(NAME_LONG, "name-long", 0, NULL, "the name is too long")                                                                       \
  X(NAME_LITERAL, "name-literal", 0, NULL, "an address literal has no MTA-STS policy (RFC 8461 3.4)")                              \
  /* DNS */                                                                                                                        \
  X(DNS_NXDOMAIN, "dns-nxdomain", 0, NULL, "the name does not exist in DNS")                                                       \
  X(DNS_NODATA, "dns-nodata", 0, NULL, "the name has no record of this type")                                                      \
  X(DNS_SERVFAIL, "dns-servfail", 1, NULL, "the name server answered SERVFAIL")                                                    \
  X(DNS_REFUSED, "dns-refused", 1, NULL, "the name server refused the question")                                                   \
  X(DNS_BOGUS, "dns-bogus", 1, "dnssec-invalid", "DNSSEC validation failed")                                                       \
  X(DNS_TIMEOUT, "dns-timeout", 1, NULL, "no name server answered in time")                                                        \
  X(DNS_MALFORMED, "dns-malformed", 1, NULL, "the name server's answer is malformed")                                              \
  X(DNS_LIMIT, "dns-limit", 1, NULL, "the answer exceeds a limit (records, bytes or CNAME chain)")                                 \
  X(DNS_NETWORK, "dns-network", 1, NULL, "no name server can be reached")                                                          \
  /* the TXT record _mta-sts */                                                                                                    \
  X(RECORD_NONE, "record-none", 0, NULL, "no MTA-STS record")                                                                      \
  X(RECORD_SEVERAL, "record-several", 0, NULL, "several records of this kind, exactly one must remain (RFC 8461 3.1, RFC 8460 3)")                  \
  X(RECORD_SYNTAX, "record-syntax", 0, NULL, "the MTA-STS record does not fit its syntax (RFC 8461 3.1)")                          \
  /* fetching the policy */                                                                                                        \
  X(HTTPS_HELD, "https-held", 1, "sts-policy-fetch-error", "the last fetch of this policy id failed; the next waits (RFC 8461 3.3)") \
  X(HTTPS_ADDRESS, "https-address", 1, "sts-policy-fetch-error", "the policy host has no address")                                 \
  X(HTTPS_FORBIDDEN, "https-forbidden", 0, "sts-policy-fetch-error", "the policy host has only private or loopback addresses")      \
  X(HTTPS_CONNECT, "https-connect", 1, "sts-policy-fetch-error", "the policy host cannot be reached")                              \
  X(HTTPS_DEADLINE, "https-deadline", 1, "sts-policy-fetch-error", "the policy host did not answer in time")                       \
  X(HTTPS_TLS, "https-tls", 1, "sts-policy-fetch-error", "no TLS 1.2 or newer with the policy host")                               \
  X(HTTPS_CERT_NAME, "https-cert-name", 0, "sts-webpki-invalid", "the certificate is not for the policy host")                     \
  X(HTTPS_CERT_EXPIRED, "https-cert-expired", 0, "sts-webpki-invalid", "the policy host's certificate has expired")                \
  X(HTTPS_CERT_UNTRUSTED, "https-cert-untrusted", 0, "sts-webpki-invalid", "the policy host's certificate is not trusted")         \
  X(HTTPS_CERT_INVALID, "https-cert-invalid", 0, "sts-webpki-invalid", "the policy host's certificate is not valid")               \
  X(HTTPS_REDIRECT, "https-redirect", 0, "sts-policy-fetch-error", "the policy host redirects, which is not followed (RFC 8461 3.3)") \
  X(HTTPS_STATUS, "https-status", 1, "sts-policy-fetch-error", "the policy host's HTTP status is not 200")                         \
  X(HTTPS_TYPE, "https-type", 0, "sts-policy-fetch-error", "the policy's media type is not text/plain")                            \
  X(HTTPS_SIZE, "https-size", 0, "sts-policy-fetch-error", "the policy is larger than the limit")                                  \
  X(HTTPS_PROTOCOL, "https-protocol", 1, "sts-policy-fetch-error", "the policy host does not speak HTTP as it should")             \
  X(POLICY_SYNTAX, "policy-syntax", 0, "sts-policy-invalid", "the policy does not fit its syntax (RFC 8461 3.2)")                  \
  X(POLICY_VERSION, "policy-version", 0, "sts-policy-invalid", "the policy's version is missing or not STSv1")                     \
  X(POLICY_MODE, "policy-mode", 0, "sts-policy-invalid", "the policy's mode is missing or unknown")                                \
  X(POLICY_MAX_AGE, "policy-max-age", 0, "sts-policy-invalid", "the policy's max_age is missing or not a number of 1 to 10 digits") \
  X(POLICY_MX, "policy-mx", 0, "sts-policy-invalid", "the policy has no usable mx")                                                \
  X(POLICY_SIZE, "policy-size", 0, "sts-policy-invalid", "the policy is larger than the limit")                                    \
  X(TLSRPT_SYNTAX, "tlsrpt-syntax", 0, NULL, "the TLSRPT record does not fit its syntax (RFC 8460 3)")                             \
  /* reports of TLS that others send */                                                                                            \
  X(REPORT_NONE, "report-none", 0, NULL, "there is no TLS report in it")                                                           \
  X(REPORT_SIZE, "report-size", 0, NULL, "the report exceeds a limit (bytes, expansion, nesting or number of values)")             \
  X(REPORT_GZIP, "report-gzip", 0, NULL, "the gzip data is damaged or breaks off (RFC 8460 5.2)")                                  \
  X(REPORT_SYNTAX, "report-syntax", 0, NULL, "the report is no JSON as RFC 7493 wants it")                                         \
  X(REPORT_FIELDS, "report-fields", 0, NULL, "the text does not fit the schema of a TLS report (RFC 8460 4.4)")                    \
  X(REPORT_COUNT, "report-count", 0, NULL, "a count of the report is no whole number from 0 to 2^53-1 (RFC 8460 4.4)")             \
  /* mail hosts */                                                                                                                 \
  X(MX_NONE, "mx-none", 0, NULL, "the domain accepts no mail (null MX, RFC 7505)")                                                 \
  X(MX_UNMATCHED, "mx-unmatched", 1, "validation-failure", "the MX is not in the policy (RFC 8461 4.1)")                           \
  X(MX_ADDRESS, "mx-address", 1, NULL, "the MX has no address")                                                                    \
  X(SMTP_CONNECT, "smtp-connect", 1, NULL, "the mail host cannot be reached")                                                      \
  X(SMTP_TIMEOUT, "smtp-timeout", 1, NULL, "the mail host did not answer in time")                                                 \
  X(SMTP_PROTOCOL, "smtp-protocol", 1, NULL, "the mail host does not speak SMTP as it should")                                     \
  X(STARTTLS_MISSING, "starttls-missing", 1, "starttls-not-supported", "the mail host does not offer STARTTLS")                    \
  X(STARTTLS_REFUSED, "starttls-refused", 1, "starttls-not-supported", "the mail host offers STARTTLS and then refuses it")        \
  X(STARTTLS_INJECTION, "starttls-injection", 1, "validation-failure", "bytes follow the STARTTLS reply before TLS")               \
  X(TLS_HANDSHAKE, "tls-handshake", 1, "validation-failure", "the TLS handshake failed")                                           \
  X(CERT_NAME, "cert-name", 1, "certificate-host-mismatch", "the certificate is not for the mail host")                            \
  X(CERT_EXPIRED, "cert-expired", 1, "certificate-expired", "the mail host's certificate has expired")                             \
  X(CERT_UNTRUSTED, "cert-untrusted", 1, "certificate-not-trusted", "the mail host's certificate is not trusted")                  \
  X(CERT_INVALID, "cert-invalid", 1, "validation-failure", "the mail host's certificate is not valid")                             \
  X(TLSA_INVALID, "tlsa-invalid", 1, "tlsa-invalid", "the certificate does not match the TLSA records")                            \
  /* the store */                                                                                                                  \
  X(STORE_NONE, "store-none", 0, NULL, "not in the store")                                                                         \
  X(STORE_OPEN, "store-open", 1, NULL, "the store cannot be opened")                                                               \
  X(STORE_VERSION, "store-version", 0, NULL, "the store was written by a newer mtasts")                                            \
  X(STORE_DAMAGED, "store-damaged", 0, NULL, "the store is damaged")                                                               \
  X(STORE_FULL, "store-full", 1, NULL, "no space for the store")                                                                   \
  X(STORE_BUSY, "store-busy", 1, NULL, "the store is locked by another process")                                                   \
  X(STORE_IO, "store-io", 1, NULL, "the store cannot be read or written")                                                          \
  X(STORE_SHARED, "store-shared", 1, NULL, "the shared store does not answer as it should")
/* clang-format on */

enum mts_err {
#define X(code, name, temporary, type, message) MTS_ERR_##code,
  MTS_ERR_LIST(X)
#undef X
      MTS_ERR_COUNT
};
#define MTS_OK MTS_ERR_OK

MTS_PUBLIC const char *mts_err_name(enum mts_err err);        /* stable, e.g. "https-cert-name" */
MTS_PUBLIC const char *mts_err_message(enum mts_err err);     /* one line for people, no full stop */
MTS_PUBLIC bool mts_err_temporary(enum mts_err err);          /* may pass by itself */
MTS_PUBLIC const char *mts_err_result_type(enum mts_err err); /* RFC 8460 4.3, NULL when not reportable */

/* Runtime versions: what the loaded library says, to be compared with MTS_VERSION and MTS_API. */
MTS_PUBLIC const char *mts_version(void);
MTS_PUBLIC int mts_api(void);

/* ---- names ------------------------------------------------------------------------------------------------------------- */

#define MTS_NAME_SIZE 254 /* 253 octets of text (RFC 1035 2.3.4) and the NUL */

enum mts_destination_kind { MTS_DEST_DOMAIN, MTS_DEST_SMARTHOST, MTS_DEST_LITERAL };

/* A destination as mail servers write it, normalised: A-labels, lower case, no trailing dot, no port, no brackets. */
struct mts_destination {
  enum mts_destination_kind kind;
  char domain[MTS_NAME_SIZE]; /* the policy domain; empty for a literal */
  uint16_t port;              /* 0: none was given */
};

/* text: "User@Dom", "dom.", "dom:25", "[host]:25" (smart host: its own name is the policy domain, RFC 8461 3.4), U-labels in
 * UTF-8 (IDNA 2008; A-labels are taken as they stand), "[192.0.2.1]", "[IPv6:…]", bare addresses (literal). Errors: NAME_EMPTY,
 * NAME_SYNTAX, NAME_LONG, NO_MEMORY. */
MTS_PUBLIC enum mts_err mts_destination_parse(struct mts_span text, struct mts_destination *destination);

/* ---- what deviates from a syntax --------------------------------------------------------------------------------------- */

#define MTS_FINDINGS_MAX 256 /* deviations kept of one text; more are counted, not kept */

struct mts_deviation {
  const char *code;    /* stable, e.g. "policy-blank-line"; static */
  uint32_t line;       /* from 1; 0: not known */
  uint32_t column;     /* from 1, in bytes; 0: not known */
  bool strict_refuses; /* the ABNF of the RFC does not allow it */
  char message[120];   /* one line for people, printable ASCII */
  const char *clause;  /* the clause of an RFC that has the rule; static; NULL: the message tells it, or none */
  char path[80];       /* which value of a JSON text, "policies[0].summary"; printable ASCII; empty: not JSON, or the whole */
};

/* Zero-initialise; free with mts_findings_free. */
struct mts_findings {
  struct mts_deviation *list;
  size_t count;   /* kept in list */
  size_t dropped; /* beyond MTS_FINDINGS_MAX */
  bool strict;    /* the text fits the RFC's ABNF and rules to the letter */
};
MTS_PUBLIC void mts_findings_free(struct mts_findings *findings);

/* strict: the RFC's ABNF to the letter. default: forgives what cannot be misread (each named as a deviation). */
enum mts_profile { MTS_PROFILE_DEFAULT, MTS_PROFILE_STRICT };

/* ---- the TXT record (RFC 8461 3.1) --------------------------------------------------------------------------------------- */

#define MTS_ID_SIZE 33 /* 1*32(ALPHA / DIGIT) and the NUL */

struct mts_record {
  char id[MTS_ID_SIZE];
};

/* One record, its strings already joined. findings may be NULL. Error: RECORD_SYNTAX. */
MTS_PUBLIC enum mts_err mts_record_parse(struct mts_span text, struct mts_record *record, struct mts_findings *findings);

/* All TXT records of _mta-sts.DOMAIN: with several, those not beginning "v=STSv1;" are dropped, exactly one must remain and fit.
 * Errors: RECORD_NONE, RECORD_SEVERAL, RECORD_SYNTAX. */
MTS_PUBLIC enum mts_err mts_record_select(const struct mts_span *texts, size_t count, struct mts_record *record,
                                          struct mts_findings *findings);

/* ---- the policy (RFC 8461 3.2) ------------------------------------------------------------------------------------------- */

#define MTS_POLICY_MAX_BYTES 65536     /* RFC 8461 3.3 suggests 64 kilobytes */
#define MTS_POLICY_MAX_AGE_S 31557600u /* RFC 8461 3.2 */

enum mts_mode { MTS_MODE_NONE, MTS_MODE_TESTING, MTS_MODE_ENFORCE };
MTS_PUBLIC const char *mts_mode_name(enum mts_mode mode);                  /* "none", "testing", "enforce" */
MTS_PUBLIC bool mts_mode_from_name(const char *name, enum mts_mode *mode); /* exact, as the RFC wants it */

/* Immutable, reference counted, one allocation. mx[]: A-labels, lower case, "*." in front where the policy has it. */
struct mts_policy {
  uint32_t refs;
  enum mts_mode mode;
  uint32_t max_age_s; /* clamped to MTS_POLICY_MAX_AGE_S */
  size_t mx_count;
  const char *const *mx;
};

/* body: at most MTS_POLICY_MAX_BYTES. findings may be NULL; findings->strict is set whatever the profile. Errors: POLICY_*, NO_MEMORY. */
MTS_PUBLIC enum mts_err mts_policy_parse(struct mts_span body, enum mts_profile profile, struct mts_policy **policy,
                                         struct mts_findings *findings);
/* From values already checked (the store, a rule). mx[] are validated and normalised. */
MTS_PUBLIC enum mts_err mts_policy_new(enum mts_mode mode, uint32_t max_age_s, const char *const *mx, size_t mx_count,
                                       struct mts_policy **policy);
MTS_PUBLIC struct mts_policy *mts_policy_ref(struct mts_policy *policy);
MTS_PUBLIC void mts_policy_free(struct mts_policy **policy);
MTS_PUBLIC bool mts_policy_permits(const struct mts_policy *policy, const char *host);

/* RFC 8461 4.1: "*" is exactly one whole left-most label; case-blind; a trailing dot of the host does not count. A host with
 * U-labels is normalised first; a pattern with U-labels never matches (3.2). */
MTS_PUBLIC bool mts_mx_matches(const char *pattern, const char *host);

/* Is this Content-Type text/plain (RFC 8461 3.2)? Parameters are ignored. */
MTS_PUBLIC bool mts_media_type_is_text(const char *content_type);

/* ---- the TLSRPT record (RFC 8460 3) ----------------------------------------------------------------------------------------- */

#define MTS_TLSRPT_RUA_MAX 64

struct mts_tlsrpt {
  size_t rua_count;
  char **rua;   /* as published, in order */
  bool *usable; /* a mailto: with one address, or an https: URI with a host */
};
MTS_PUBLIC enum mts_err mts_tlsrpt_parse(struct mts_span text, struct mts_tlsrpt **tlsrpt, struct mts_findings *findings);
MTS_PUBLIC enum mts_err mts_tlsrpt_select(const struct mts_span *texts, size_t count, struct mts_tlsrpt **tlsrpt,
                                          struct mts_findings *findings);
MTS_PUBLIC void mts_tlsrpt_free(struct mts_tlsrpt **tlsrpt);

/* ---- reports that others send (RFC 8460 4, 5.2) ------------------------------------------------------------------------------- */

#define MTS_REPORT_MAX_BYTES (64u << 20) /* of the text, and of what is handed in */
#define MTS_REPORT_MAX_RATIO 200u        /* how much larger than its gzip form a text beyond 1 MiB may be */
#define MTS_REPORT_MAX_DEPTH 32u         /* of JSON */
#define MTS_REPORT_MAX_VALUES 1000000u   /* of JSON, about */
#define MTS_REPORT_MAX_POLICIES 10000u
#define MTS_REPORT_MAX_FAILURES 100000u               /* of all policies together */
#define MTS_REPORT_MAX_LINES 1000u                    /* of one policy-string or mx-host */
#define MTS_REPORT_MAX_TEXT 4096u                     /* bytes of one text; a longer one is cut, and noted */
#define MTS_REPORT_COUNT_MAX ((INT64_C(1) << 53) - 1) /* RFC 7493 2.2: whole numbers that every program reads alike */
#define MTS_REPORT_UNKNOWN (-1)                       /* a count that the report does not tell */

/* Texts are UTF-8 without control characters: those, and bytes that are no UTF-8, stand as \xNN. Names are normalised and addresses in the
 * form of RFC 5952 where they are such, else as the report has them. NULL or 0 members: the report does not tell. */
struct mts_report_failure {
  const char *result;  /* result-type */
  const char *source;  /* sending-mta-ip */
  const char *mx;      /* receiving-mx-hostname */
  const char *helo;    /* receiving-mx-helo */
  const char *address; /* receiving-ip */
  int64_t count;       /* failed-session-count, or MTS_REPORT_UNKNOWN */
  const char *info;    /* additional-information */
  const char *reason;  /* failure-reason-code */
};

struct mts_report_policy {
  const char *type;   /* policy-type, one of mts_policy_type_name or whatever stands there */
  const char *domain; /* policy-domain */
  size_t line_count;
  const char **lines; /* policy-string */
  size_t pattern_count;
  const char **patterns;      /* mx-host */
  int64_t successful, failed; /* sessions, or MTS_REPORT_UNKNOWN */
  size_t failure_count;
  struct mts_report_failure *failures;
};

struct mts_report {
  const char *organization, *contact, *id;
  int64_t begins_at, ends_at; /* Unix seconds */
  size_t policy_count;
  struct mts_report_policy *policies;
  struct mts_report_memory *memory; /* holds all the rest */
};

/* bytes: a report as JSON, or that in gzip form. The default profile takes whatever cannot be misread, be it ever so incomplete, and notes
 * each departure from RFC 8460 4.4 and RFC 7493; strict refuses those that break a rule. findings may be NULL. What is lent is not kept.
 * Errors: REPORT_*, NO_MEMORY. */
MTS_PUBLIC enum mts_err mts_report_parse(struct mts_span bytes, enum mts_profile profile, struct mts_report **report,
                                         struct mts_findings *findings);
MTS_PUBLIC void mts_report_free(struct mts_report **report);

/* ---- sessions (RFC 8460) ------------------------------------------------------------------------------------------------------ */

enum mts_policy_type { MTS_POLICY_TYPE_NONE, MTS_POLICY_TYPE_STS, MTS_POLICY_TYPE_TLSA };
MTS_PUBLIC const char *mts_policy_type_name(enum mts_policy_type type); /* RFC 8460 4.4: "no-policy-found", "sts", "tlsa" */

/* One session, or the try at one, with a mail host. NULL or "": not known. */
struct mts_session {
  const char *domain; /* the destination, in whatever way mts_destination_parse takes */
  enum mts_policy_type type;
  const struct mts_policy *policy; /* as applied; looked at with MTS_POLICY_TYPE_STS only */
  const char *mx;                  /* receiving-mx-hostname */
  const char *address;             /* receiving-ip, also "[ADDRESS]:PORT" */
  const char *source;              /* sending-mta-ip, likewise */
  const char *helo;                /* receiving-mx-helo */
  enum mts_err err;                /* MTS_OK: TLS as the policy wants; else an error with a result type (4.3) */
  const char *reason;              /* failure-reason-code, one line */
};
struct mts;
/* Adds one to the counter of today (UTC) for sessions like this one, in the store; "mtasts store sessions" shows them. Exact over all
 * processes: counted once on MTS_OK, else not at all. Of sessions that went well only domain, policy and mx are kept. Texts are made
 * printable and cut at the limits of the store; an address that is none is left out. Errors: ARGUMENT (err without a result type, a
 * domain that is none, an unknown type), STORE_NONE (setting store is "none"; not logged), STORE_*, NO_MEMORY. */
MTS_PUBLIC enum mts_err mts_session_record(struct mts *m, const struct mts_session *session);

/* ---- reports that are sent (RFC 8460 4) ------------------------------------------------------------------------------------------ */

#define MTS_REPORT_ID_SIZE 288   /* the day, a hash and a domain */
#define MTS_REPORT_FILE_SIZE 640 /* two domains, two times and a hash */
/* One counter: how many sessions of a UTC day ended alike. Texts are printable ASCII, "" when not known. */
struct mts_session_row {
  int64_t day; /* from 1970-01-01 = 0 */
  const char *domain;
  enum mts_policy_type type;
  const char *policy; /* RFC 8460 4.4 policy-string: lines separated by \n */
  const char *result; /* RFC 8460 4.3; "": it went well */
  const char *mx, *address, *source, *helo, *reason;
  uint64_t count;
  int64_t first_at, last_at;
};

struct mts_report_terms {
  const char *organization, *contact; /* UTF-8, at most 200 bytes; LOCAL@DOMAIN, of which the domain is the submitter (5.3) */
  const char *domain;                 /* whom the report is for, normalised */
  int64_t day;                        /* from 1970-01-01 = 0 */
};
struct mts_report_written {
  char id[MTS_REPORT_ID_SIZE];     /* of day, domain and organization alone; what stands left of the "@" in an address */
  char file[MTS_REPORT_FILE_SIZE]; /* RFC 8460 5.1, ending in ".json"; of the compressed bytes ".json.gz" */
  char contact[2 * MTS_NAME_SIZE], submitter[MTS_NAME_SIZE]; /* the domain in A-labels */
  struct mts_span json, gzip;                                /* both end in a NUL that does not count */
  size_t policies, details, folded; /* folded: counters that became part of another detail, for the limits above */
  uint64_t successful, failed;      /* over all policies */
};

/* What the id of such a report is and who submits it: the rest of *written is zero. Errors: ARGUMENT for an organization or contact that
 * has no place in a report. */
MTS_PUBLIC enum mts_err mts_report_name(const struct mts_report_terms *terms, struct mts_report_written *written);
/* The counters of one day and domain as a report; rows of others are not looked at. The same rows in the same order give the same bytes. Limits
 * (tlsrpt/report_write.h) cost details, no counts. Free with mts_report_written_free. Errors: ARGUMENT as above, NO_MEMORY. */
MTS_PUBLIC enum mts_err mts_report_write(const struct mts_report_terms *terms, const struct mts_session_row *rows, size_t count,
                                         struct mts_report_written *written);
MTS_PUBLIC void mts_report_written_free(struct mts_report_written *written);

/* ---- settings ------------------------------------------------------------------------------------------------------------- */

/* clang-format off */
/* name, type (text, list, number, bool, choice), default, meaning. A list is separated by commas or blanks. */
#define MTS_SETTING_LIST(X)                                                                                                        \
  X(store, text, "", "file of the store; empty: /var/lib/mtasts/mtasts.db if it can be written, else under $XDG_STATE_HOME; \"none\": memory only; a URL: that place, and the shared_store") \
  X(shared_store, text, "", "Redis or Valkey that machines share, redis://[USER[:PASSWORD]@]HOST[:PORT][/DB], rediss:// with TLS, or unix://[USER[:PASSWORD]@]/PATH[?db=DB]; empty: none") \
  X(shared_password_file, text, "", "file whose first line is the password for shared_store, instead of one in the URL; empty: none")        \
  X(shared_ca_file, text, "", "file with trusted certificates (PEM) for rediss://; empty: those of ca_file and ca_path")            \
  X(shared_cert_file, text, "", "file with certificate and key (PEM) that rediss:// shows to the server; empty: none")              \
  X(shared_timeout_ms, number, "200", "longest wait for one answer of shared_store, connecting included")                          \
  X(nameservers, list, "", "addresses of DNS resolvers, [address]:port or address; empty: those of /etc/resolv.conf")               \
  X(dnssec, choice, "auto", "auto (ad when all name servers are loopback, else off), ad (believe the AD bit), validate, off")      \
  X(trust_anchors, text, "", "file with DNSSEC trust anchors for dnssec=validate; empty: the system's root anchor")                \
  X(on_dns_failure, choice, "deliver", "deliver or defer, when DNS fails temporarily and nothing is cached")                       \
  X(ca_file, text, "", "file with trusted certificates (PEM); empty: the system's")                                                \
  X(ca_path, text, "", "folder of hashed trusted certificates; empty: the system's")                                               \
  X(https_port, number, "443", "port of policy hosts")                                                                             \
  X(https_proxy, text, "", "HTTP proxy for fetching policies, http://host:port; empty: none, whatever the environment says")       \
  X(smtp_port, number, "25", "port of mail hosts when probing")                                                                    \
  X(helo, text, "", "name said in EHLO when probing; empty: the host name")                                                        \
  X(allow_private, bool, "no", "fetch policies from private and loopback addresses too")                                           \
  X(strict, bool, "no", "refuse policies that deviate from the RFC's syntax")                                                      \
  X(dns_deadline_ms, number, "6000", "longest wait for one DNS answer, all servers and tries together")                            \
  X(mail_deadline_ms, number, "10000", "longest wait of a lookup while mail waits")                                                \
  X(fetch_deadline_ms, number, "60000", "longest fetch of a policy when nothing waits")                                            \
  X(probe_deadline_ms, number, "15000", "longest STARTTLS probe of one mail host")                                                 \
  X(refresh_s, number, "86400", "fetch a cached policy anew after this time, even if its id did not change")                       \
  X(retry_s, number, "300", "no new fetch of the same policy id within this time of a failed one; grows up to a day")              \
  X(background, bool, "no", "check and refresh cached policies while the program runs; for long-lived programs")                    \
  X(rules, text, "", "file with rules in Lua; empty: /etc/mtasts/rules.lua if it exists; \"none\": none")                              \
  X(rules_allow, list, "", "what else rules may use: execute (os.execute), popen (io.popen), loadlib (package.loadlib), debug, all; empty: none of these") \
  X(record, text, "", "file to which filter-mtasts appends what smtpd says, for mtasts replay; empty: none")                       \
  X(count_sessions, bool, "yes", "count in the store how TLS with mail hosts and fetches of policies went, for TLS reporting (RFC 8460)")      \
  X(report_organization, text, "", "name of who sends TLS reports (RFC 8460), for people; without it and report_contact none are written")     \
  X(report_contact, text, "", "address for questions about reports, LOCAL@DOMAIN; its domain is who submits them, and must sign their mail")  \
  X(report_sendmail, text, "/usr/sbin/sendmail -t -oi -f {contact}", "program and arguments that a report is handed to as mail, with recipients in its header; {contact}: report_contact")\
  X(report_delay_s, number, "14400", "a report is sent after a random time of at most this, so that not all arrive at once")                \
  X(report_senders, list, "", "envelope senders whose sessions are not counted where the mail server tells the sender; empty: report_contact")  \
  X(memory_entries, number, "20000", "domains kept in memory by a long-lived program")                                             \
  X(memory_s, number, "10", "how long memory is believed before the store is asked again")                                         \
  X(serve_socketmap, list, "", "where mtasts serve answers Postfix: unix:/PATH, inet:ADDRESS:PORT, inet:[ADDRESS]:PORT; with none of the "   \
                               "serve_ lists unix:/run/mtasts/socketmap, unix:/run/mtasts/lines and unix:/run/mtasts/json")               \
  X(serve_lines, list, "", "where it answers lines, for Exim's ${readsocket}")                                                     \
  X(serve_json, list, "", "where it answers one JSON object per line")                                                             \
  X(serve_metrics, list, "", "where it tells Prometheus its metrics, over HTTP")                                                   \
  X(serve_mode, text, "0660", "mode of the files of its Unix sockets, octal")                                                      \
  X(serve_connections, number, "2000", "connections to it at once; further ones wait")                                             \
  X(serve_requests, number, "10000", "requests under way at once; further ones are told to come again")                            \
  X(serve_pipeline, number, "64", "requests under way at once on one connection; further ones are not read yet")                   \
  X(serve_idle_s, number, "3600", "a connection without a request for so long is closed")                                          \
  X(log, choice, "stderr", "stderr, syslog, json (lines on stderr) or none")                                                       \
  X(log_level, choice, "warning", "error, warning, info or debug")
/* clang-format on */

struct mts_settings;
MTS_PUBLIC enum mts_err mts_settings_new(struct mts_settings **settings);
MTS_PUBLIC void mts_settings_free(struct mts_settings **settings);
/* Sets one by name from text. On SETTING, mts_settings_why names the setting, what is wrong and the nearest known name. */
MTS_PUBLIC enum mts_err mts_settings_set(struct mts_settings *settings, const char *name, const char *value);
MTS_PUBLIC const char *mts_settings_get(const struct mts_settings *settings, const char *name); /* NULL: no such setting */
MTS_PUBLIC const char *mts_settings_why(const struct mts_settings *settings);
/* The table: index from 0; false past the end. Strings are static. */
MTS_PUBLIC bool mts_settings_describe(size_t index, const char **name, const char **type, const char **fallback,
                                      const char **meaning);

/* ---- the context ------------------------------------------------------------------------------------------------------------ */

/* The settings are copied. Nothing is opened before it is needed; a store that cannot be opened is logged, not an error. */
MTS_PUBLIC enum mts_err mts_new(const struct mts_settings *settings, struct mts **m);
/* Cancels what is under way. In a forked child the context forgets what the parent has under way with its first use there: handles of
 * lookups and probes from before the fork are dead in the child, and their callbacks come in the parent alone. */
MTS_PUBLIC void mts_free(struct mts **m);
/* Runs what is ready, waiting at most max_wait_ms (-1: until something happens). false: nothing is under way. */
MTS_PUBLIC bool mts_turn(struct mts *m, int max_wait_ms);
/* Lends a loop, a libevent 2.1 struct event_base *, to a program that has one: the network lives on it instead of on a loop of its
 * own, and goes on whenever the program runs it. Before the first lookup; the loop outlives the context. Functions that wait
 * (mts_turn, mts_lookup) must then not be called from the loop's own callbacks. */
MTS_PUBLIC void mts_lend_loop(struct mts *m, void *event_base);
MTS_PUBLIC int64_t mts_now(const struct mts *m); /* the context's clock: Unix seconds */

/* ---- lookups ---------------------------------------------------------------------------------------------------------------- */

enum mts_depth {
  MTS_DEPTH_POLICY, /* which policy applies */
  MTS_DEPTH_HOSTS,  /* and which MX hosts it permits, and where DANE applies */
  MTS_DEPTH_TLS,    /* and what each answers to STARTTLS */
};

enum mts_freshness {
  MTS_USE_CACHED,   /* an unexpired policy answers at once; due checks go on in the background (RFC 8461 5.1) */
  MTS_CHECK_DUE,    /* due checks first, then answer */
  MTS_CHECK_ALWAYS, /* ask DNS and fetch now; the cache only helps when that fails (respects no back-off) */
  MTS_CACHE_ONLY,   /* never touch the network */
};

struct mts_lookup_opts {
  enum mts_depth depth;
  enum mts_freshness freshness;
  uint32_t deadline_ms; /* 0: mail_deadline_ms */
  uint16_t port;        /* of the mail hosts, for TLSA records and probes; 0: smtp_port */
  bool no_rules;        /* the RFC's answer, without hooks */
  bool no_trace;        /* the answer has no trace, neither for a hook; quicker where memory answers */
  /* MX hosts as any program learned them from DNS, within their TTL, instead of asking DNS: without DANE (guard and dnssec are those of a
   * world without DNSSEC). With MTS_DEPTH_HOSTS; not for smart hosts. Before they make mail wait (MTS_ACTION_DEFER) DNS is asked; with
   * MTS_CACHE_ONLY, which cannot, such hosts count as not known. */
  bool stored_hosts;
};

enum mts_from { MTS_FROM_NOTHING, MTS_FROM_MEMORY, MTS_FROM_STORE, MTS_FROM_NETWORK, MTS_FROM_RULE };
enum mts_dnssec { MTS_DNSSEC_UNKNOWN, MTS_DNSSEC_INSECURE, MTS_DNSSEC_SECURE };

/* What a sender does. */
enum mts_action {
  MTS_ACTION_DELIVER, /* as without MTA-STS */
  MTS_ACTION_RECORD,  /* testing: as without MTA-STS, failures are recorded (RFC 8461 5) */
  MTS_ACTION_REQUIRE, /* enforce: only to hosts that are permitted and verified, in MX order (5, 8.4) */
  MTS_ACTION_DEFER,   /* temporary failure: no host may be used, or the decision waits for DNS */
};
MTS_PUBLIC const char *mts_action_name(enum mts_action action); /* "deliver", "record", "require", "defer" */

/* Which mechanism guards a host. DANE with usable, DNSSEC-valid TLSA records always comes first (RFC 8461 2). */
enum mts_guard { MTS_GUARD_NONE, MTS_GUARD_STS, MTS_GUARD_DANE, MTS_GUARD_UNKNOWN };

struct mts_failure {
  enum mts_err err; /* MTS_OK: none */
  int64_t at;
  char detail[160]; /* one line, printable ASCII; may be empty */
};

struct mts_tls {
  enum mts_err err; /* MTS_OK: STARTTLS and a certificate that satisfies the guard */
  char detail[160];
  char address[64]; /* that was tried last */
  char protocol[16], cipher[64];
  char subject[256], issuer[256], names[512]; /* names: the DNS names of the certificate, separated by blanks */
  int64_t not_before, not_after;
  char fingerprint[65]; /* SHA-256 of the certificate, hexadecimal */
  char banner[128];
  uint32_t ms;
};

struct mts_host {
  const char *name; /* A-labels, lower case */
  uint16_t preference;
  bool permitted; /* by the policy that applies; true when none applies */
  enum mts_guard guard;
  enum mts_dnssec dnssec;
  size_t address_count;
  const char *const *addresses;
  enum mts_err err;          /* why this host cannot be used, MTS_OK when nothing speaks against it */
  const struct mts_tls *tls; /* NULL: not probed */
};

struct mts_step {
  const char *what;    /* "store", "txt", "record", "address", "https", "policy", "mx", "tlsa", "probe", "rule", "verdict" … */
  const char *outcome; /* one line for people */
  enum mts_err err;
  uint32_t at_ms; /* since the lookup began */
  uint32_t ms;    /* it took */
};

struct mts_answer {
  char domain[MTS_NAME_SIZE];
  bool smarthost;
  enum mts_action action;
  enum mts_mode mode;              /* of the policy that applies */
  const struct mts_policy *policy; /* NULL: none; mode none included when a policy says so */
  char id[MTS_ID_SIZE];
  enum mts_from from;
  int64_t fetched_at, expires_at, checked_at; /* 0: never */
  struct mts_failure refresh_error;           /* the last failure to learn the live policy; MTS_OK if the last attempt went well */
  char reason[160];                           /* a rule's, when from is MTS_FROM_RULE */
  int64_t exception_until;                    /* 0: open end */
  enum mts_dnssec dnssec;                     /* of the MX answer */
  bool hosts_known;                           /* DNS answered; hosts may still be empty */
  enum mts_err hosts_err;
  uint32_t hosts_ttl_s; /* so long what DNS said of the hosts, DANE included, may be believed; 0: not known */
  size_t host_count;
  struct mts_host *hosts; /* in the order of DNS preference, never reordered by policy */
  size_t step_count;
  const struct mts_step *trace;
  uint32_t references; /* not for callers: others may hold the same answer, which nobody changes */
};
MTS_PUBLIC void mts_answer_free(struct mts_answer **answer);

struct mts_lookup;
/* err is MTS_OK and the answer is the callee's to free, not to change; or another error (NO_MEMORY, INTERNAL) and answer is NULL. Bad
 * weather is no error here: the answer says what to do and refresh_error what went wrong. */
typedef void (*mts_lookup_fn)(void *arg, enum mts_err err, struct mts_answer *answer);
/* The callback may come before this returns (a policy in memory); then *lookup is NULL. opts may be NULL: all zero. */
MTS_PUBLIC enum mts_err mts_lookup_start(struct mts *m, const char *destination, const struct mts_lookup_opts *opts,
                                         mts_lookup_fn done, void *arg, struct mts_lookup **lookup);
MTS_PUBLIC void mts_lookup_cancel(struct mts_lookup **lookup); /* its callback is not called */
/* Starts and drives the loop until done. The answer is the caller's. */
MTS_PUBLIC enum mts_err mts_lookup(struct mts *m, const char *destination, const struct mts_lookup_opts *opts,
                                   struct mts_answer **answer);

/* ---- probes --------------------------------------------------------------------------------------------------------------- */

struct mts_probe_opts {
  uint16_t port;        /* 0: smtp_port */
  uint32_t deadline_ms; /* 0: probe_deadline_ms */
  const char *address;  /* the one address to probe, text of IPv4 or IPv6; NULL: those that DNS has for the host */
};
struct mts_probe;
/* tls is lent for the call; NULL when err is not MTS_OK: a wrong name, cancelled, DNS. */
typedef void (*mts_probe_fn)(void *arg, enum mts_err err, const struct mts_tls *tls);
/* STARTTLS and certificate of host as an MTA-STS sender sees them: SNI and name check are the host's name, SAN only. Errors: NAME_*,
 * ARGUMENT for an address that is none, NET_MODULE, NO_MEMORY. */
MTS_PUBLIC enum mts_err mts_probe_start(struct mts *m, const char *host, const struct mts_probe_opts *opts, mts_probe_fn done,
                                        void *arg, struct mts_probe **probe);
MTS_PUBLIC void mts_probe_cancel(struct mts_probe **probe);
/* A certificate that another program was shown by host, judged as by a probe (RFC 8461 4.2), at once: chain holds DER or base64 of it, the
 * host's own certificate first. tls: err and detail (CERT_*, or MTS_OK), subject, issuer, names, dates, fingerprint; the rest is zero. Errors:
 * NAME_*, ARGUMENT when the first is no certificate, SETTING when no trusted certificates are found (logged), NET_MODULE, NO_MEMORY. */
MTS_PUBLIC enum mts_err mts_certificate_check(struct mts *m, const char *host, const struct mts_span *chain, size_t count,
                                              struct mts_tls *tls);

/* ---- hooks ------------------------------------------------------------------------------------------------------------------ */

enum mts_hook { MTS_HOOK_POLICY, MTS_HOOK_VERDICT };

/* An exception: treat the domain as if its policy had this mode, with a reason, until a time (0: open end). */
struct mts_opinion {
  enum mts_mode mode;
  char reason[160];
  int64_t until;
};
enum mts_hook_result { MTS_HOOK_NO_OPINION, MTS_HOOK_OPINION, MTS_HOOK_WAITS };

/* so_far is lent. The hook may start other lookups; it must not cancel its own, nor free the context. MTS_HOOK_WAITS: the rule
 * yielded; mts_lookup_resume must follow (unless the lookup is cancelled). */
typedef enum mts_hook_result (*mts_hook_fn)(void *arg, enum mts_hook hook, struct mts_lookup *lookup,
                                            const struct mts_answer *so_far, struct mts_opinion *opinion);
/* A refresh that keeps failing (RFC 8461 10.2): domain, the cached policy's end, since when, the last failure. */
typedef void (*mts_alarm_fn)(void *arg, const char *domain, int64_t expires_at, int64_t failing_since,
                             const struct mts_failure *last);
MTS_PUBLIC void mts_set_hooks(struct mts *m, mts_hook_fn hook, mts_alarm_fn alarm, void *arg);
/* Told of a lookup that was cancelled while its rule waits: it must not be resumed any more. arg is that of the hooks. */
typedef void (*mts_hook_cancelled_fn)(void *arg, struct mts_lookup *lookup);
MTS_PUBLIC void mts_set_hook_cancelled(struct mts *m, mts_hook_cancelled_fn cancelled);
MTS_PUBLIC void mts_lookup_resume(struct mts_lookup *lookup, const struct mts_opinion *opinion); /* NULL: no opinion */

/* ---- the store ------------------------------------------------------------------------------------------------------------ */

struct mts_entry; /* see store/store.h */

/* Domains whose policy is due are refreshed, at most limit at once (0: 16); drive with mts_turn. started may be NULL. Once a day what is
 * over for more than 30 days is taken out of the store. */
MTS_PUBLIC enum mts_err mts_refresh_due(struct mts *m, size_t limit, size_t *started);
/* Forgets one domain, or all with NULL: at once here, and in a shared store while mts_turn runs; when that does not answer, the log says so.
 * removed, from here, may be NULL. Counters of sessions stay. Errors: STORE_*. */
MTS_PUBLIC enum mts_err mts_store_flush(struct mts *m, const char *domain, size_t *removed);

#endif
