/* SPDX-License-Identifier: ISC
 *
 * What is known of each policy domain, in one SQLite file that many processes share. The only room that knows SQL.
 *
 * A store never gets worse through us: damage is reported (STORE_DAMAGED) and the file is left alone from then on; a full disk, a lock
 * held too long (2 s) or an unreadable file is an error for this call and tried again with the next. The caller goes on without.
 */
#ifndef MTASTS_STORE_H
#define MTASTS_STORE_H

#include "base/clock.h"
#include "base/log.h"
#include "mtasts.h"

#define MTS_STORE_SYSTEM_FOLDER "/var/lib/mtasts" /* of the default place; who may write there uses it */

/* One domain: the policy in force, and how the last look at the live one went. Zero is "nothing known". */
struct mts_entry {
  char domain[MTS_NAME_SIZE];

  struct mts_policy *policy; /* owned reference; NULL: none */
  char id[MTS_ID_SIZE];      /* of the record under which the policy was fetched */
  int64_t fetched_at;        /* the last real GET that gave this policy */
  int64_t expires_at;        /* fetched_at + max_age */
  int64_t refresh_at;        /* a new GET is due, whatever the id */

  int64_t checked_at; /* the last TXT answer, of whatever kind */
  int64_t check_at;   /* before this time no TXT query is needed */
  enum mts_err err;   /* of the last live attempt: MTS_OK, RECORD_*, DNS_*, HTTPS_*, POLICY_* */
  char detail[160];
  int64_t failed_at;           /* the last failure; 0: the last attempt went well */
  int64_t failing_since;       /* the first failure in an unbroken row */
  char failed_id[MTS_ID_SIZE]; /* the id whose GET failed */
  int64_t retry_at;            /* no GET of failed_id before this time */
  uint32_t tries;              /* failed GETs of failed_id in a row */
  int64_t alarmed_at;          /* the last alarm of this row */
};
void mts_entry_clear(struct mts_entry *entry); /* drops the reference, zeroes all */
enum mts_err mts_entry_copy(const struct mts_entry *from, struct mts_entry *to);

/* Of two policies of one domain the one fetched later goes into to; an entry without policy takes any. A fetch in the future was
 * dated by a wrong clock and counts as the older. */
void mts_entry_take_newer_policy(struct mts_entry *to, const struct mts_entry *from, int64_t now_s);

struct mts_store;
/* path as in the settings, "" for the default place, never "none". Opens at once; creates file (0660) and, for the default place
 * under $XDG_STATE_HOME, its folder (0700). When run as root a new file is given to the owner of its folder. Symbolic links at the
 * file itself are refused. Errors: STORE_*. */
enum mts_err mts_store_open(const char *path, const struct mts_clock *clock, struct mts_log *log, struct mts_store **store);
void mts_store_close(struct mts_store **store);
/* After fork, in the child: frees memory, touches neither file nor locks. */
void mts_store_forget(struct mts_store **store);
const char *mts_store_path(const struct mts_store *store);

/* STORE_NONE when nothing is known. entry must be zero or cleared. */
enum mts_err mts_store_get(struct mts_store *store, const char *domain, struct mts_entry *entry);
/* Writes the whole entry in one transaction. */
enum mts_err mts_store_put(struct mts_store *store, const struct mts_entry *entry);
/* As put, for what was learned from what may have been old: a policy that the store has and that was fetched later than the entry's
 * stays, and comes into the entry. */
enum mts_err mts_store_learn(struct mts_store *store, struct mts_entry *entry);
/* One domain with its MX hosts, or all with NULL; sessions stay, they have happened. removed may be NULL. */
enum mts_err mts_store_delete(struct mts_store *store, const char *domain, size_t *removed);
/* In the order of names; the entry is lent. each returns false to stop. It must not call the store. */
enum mts_err mts_store_each(struct mts_store *store, bool (*each)(void *arg, const struct mts_entry *entry), void *arg);
/* Domains with an unexpired policy whose refresh_at or check_at has passed, most urgent first, at most limit. */
enum mts_err mts_store_due(struct mts_store *store, int64_t now_s, size_t limit, void (*each)(void *arg, const char *domain),
                           void *arg);

/* The right to ask the network about a domain, for all processes that share the file. owner: unique per process and lookup.
 * *taken false: another holds it, until *held_until_ms. A lease whose time is over is taken over (its owner died). */
enum mts_err mts_store_lease(struct mts_store *store, const char *domain, const char *owner, int64_t now_ms, int64_t until_ms,
                             bool *taken, int64_t *held_until_ms);
enum mts_err mts_store_unlease(struct mts_store *store, const char *domain, const char *owner);

/* The MX hosts of a domain as DNS last gave them: name, preference, addresses and err of each, the rest zero. A host whose addresses are
 * not known has none and no err; one that surely has none has MX_ADDRESS. */
struct mts_store_hosts {
  int64_t learned_at, expires_at;
  size_t count;
  struct mts_host *list; /* owned, in the order of DNS */
};
void mts_store_hosts_clear(struct mts_store_hosts *hosts);
/* Expired ones too. hosts must be zero or cleared. Errors: STORE_NONE when there are none or the row is damaged, ARGUMENT for a domain
 * that is not normalised, NO_MEMORY, other STORE_*. */
enum mts_err mts_store_hosts_get(struct mts_store *store, const char *domain, struct mts_store_hosts *hosts);
/* Writes only when the hosts or their addresses (in whatever order) are others than before, or what is there has expired at learned_at
 * (once an hour, if they expire at once). Hosts without a name that can be used are left out. Errors: ARGUMENT for what cannot be read
 * back, or when none is left; STORE_*. Who may only read the store gets STORE_IO, and nothing is logged. */
enum mts_err mts_store_hosts_put(struct mts_store *store, const char *domain, const struct mts_store_hosts *hosts);
#define MTS_STORE_HOSTS_MAX 256 /* calls of each */
/* Which MX hosts have this address (text of IPv4 or IPv6): expired rows too, latest learned first. It looks at every row: for logs, not
 * for each mail. each returns false to stop; it must not call the store. Errors: ARGUMENT for what is no address, STORE_*. */
enum mts_err mts_store_hosts_of_address(struct mts_store *store, const char *address,
                                        bool (*each)(void *arg, const char *domain, const char *host, int64_t learned_at),
                                        void *arg);

/* ---- sessions (RFC 8460) ---- */

#define MTS_SESSION_POLICY_MAX 8192 /* bytes of a policy's text; further mx lines are left out */
#define MTS_SESSION_HELO_SIZE 256   /* RFC 5321 4.5.3.1.2 and the NUL */
#define MTS_SESSION_REASON_SIZE 160
#define MTS_SESSION_ROWS_MAX 1000 /* of one domain and day: beyond, rows tell less, but count all the same */

/* Counts one session at now_s: the counter of its day with these texts grows by one; day, count, first_at, last_at of session are not
 * looked at. Exact, whoever else counts and whoever is killed: when this returns MTS_OK the session is counted once, and otherwise it is
 * not (only a machine that loses its power may lose the last ones). Days more than 30 days before now_s are forgotten. Remote servers
 * choose texts, so beyond MTS_SESSION_ROWS_MAX rows of a domain and day a new one has no address, source, helo and reason; beyond twice
 * as many no mx and policy either. Errors: ARGUMENT for a domain that is not normalised or a text that could not be read back; STORE_*. */
enum mts_err mts_store_session_add(struct mts_store *store, const struct mts_session_row *session, int64_t now_s);
/* The counters of these days, both included, of one domain or all with NULL, in the order of day, domain, type, policy, result, mx; each is
 * lent. each returns false to stop; it must not call the store. Rows that were edited to nonsense are left out and logged. Errors:
 * ARGUMENT for a domain that is not normalised, STORE_*. */
enum mts_err mts_store_sessions(struct mts_store *store, int64_t first_day, int64_t last_day, const char *domain,
                                bool (*each)(void *arg, const struct mts_session_row *session), void *arg);

/* Could the store count this row, and read it back the same? */
bool mts_session_row_is_sound(const struct mts_session_row *row);

/* ---- a shared store that does not answer ---- */

#define MTS_SILENCE_MS 5000

/* Did a process that uses this file find the shared store silent less than MTS_SILENCE_MS before now_ms (of the wall clock)? What was noted at
 * a later time than now does not count: the clock was set back. Errors: STORE_*. */
enum mts_err mts_store_silence_get(struct mts_store *store, int64_t now_ms, bool *silent);
/* Notes it for the others, unless that was done less than MTS_SILENCE_MS ago. Errors: STORE_*. */
enum mts_err mts_store_silence_put(struct mts_store *store, int64_t now_ms);

/* ---- counters on their way to a shared store, see batches.c ---- */

#define MTS_BATCH_ID_SIZE 33
#define MTS_BATCH_ROWS_MAX 200

struct mts_batch {
  char id[MTS_BATCH_ID_SIZE];
  char generation[MTS_BATCH_ID_SIZE]; /* of the shared store, as far as this store knows; "": not yet, and then there are no rows */
};
/* Rows of one day and domain that the shared store has not added: for now, as a report is being made of them, or for good. */
struct mts_batch_refused {
  int64_t day;
  const char *domain;
  bool too_late;
};
/* Hexadecimal digits that nobody else has. Errors: INTERNAL. */
enum mts_err mts_store_random(char text[MTS_BATCH_ID_SIZE]);
/* The batch that is to be sent next: one that nobody is known to have, or else one of what was counted since. Each of its rows is lent; each
 * returns false when it has no memory, and must not call the store. Errors: STORE_NONE when all is sent, NO_MEMORY, STORE_*. */
enum mts_err mts_store_batch_next(struct mts_store *store, struct mts_batch *batch,
                                  bool (*each)(void *arg, const struct mts_session_row *row), void *arg);
/* The shared store has this batch, but for what it refused; that becomes part of a later batch, or is given up. */
enum mts_err mts_store_batch_done(struct mts_store *store, const char *id, const struct mts_batch_refused *refused, size_t count);
/* What the shared store calls its generation. Is it another than before (*lost), what was sent there today will be sent anew; what was sent on
 * days before is not, as reports on them may be out. */
enum mts_err mts_store_batch_settle(struct mts_store *store, const char *generation, int64_t now_s, bool *lost);
/* Is it this process's turn to send, every_s after the last one's? */
enum mts_err mts_store_batch_turn(struct mts_store *store, int64_t now_s, int64_t every_s, bool *ours);

/* ---- reports that are sent (RFC 8460 5) ---- */

/* clang-format off */
/* code, name in the store, whether it may still be sent */
#define MTS_DELIVERY_STATES(X)                                                                                                    \
  X(WAITING, "waiting", 1)   /* for next_at */                                                                                    \
  X(CLAIMED, "claimed", 1)   /* a process works on it, until until_ms */                                                          \
  X(HANDING, "handing", 1)   /* that process hands it over right now, or did before it died */                                     \
  X(SENT, "sent", 0)         /* somebody has accepted it */                                                                       \
  X(UNWANTED, "unwanted", 0) /* the domain publishes no TLSRPT record */                                                           \
  X(UNSURE, "unsure", 0)     /* who handed it over died before saying how it went; it is not sent again */                         \
  X(GIVEN_UP, "given-up", 0)
/* clang-format on */
enum mts_delivery_state {
#define X(code, name, open) MTS_DELIVERY_##code,
  MTS_DELIVERY_STATES(X)
#undef X
};
const char *mts_delivery_state_name(enum mts_delivery_state state);

#define MTS_DELIVERY_OWNER_SIZE 128
#define MTS_DELIVERY_URI_SIZE 1025
#define MTS_DELIVERY_DETAIL_SIZE 200
#define MTS_DELIVERY_FOR_S 86400        /* RFC 8460 5.5: tried again for so long after the first try */
#define MTS_DELIVERY_RETRY_LEAST_S 900  /* doubles with each try, spread by a quarter */
#define MTS_DELIVERY_RETRY_MOST_S 14400 /* … up to this */
#define MTS_DELIVERY_DELAY_MOST_S 43200 /* of the first try (RFC 8460 4.1) */

/* How the report on a day and a domain fares. Texts are printable ASCII. */
struct mts_delivery {
  int64_t day;
  char domain[MTS_NAME_SIZE];
  char id[MTS_REPORT_ID_SIZE];
  enum mts_delivery_state state;
  char owner[MTS_DELIVERY_OWNER_SIZE]; /* of the claim */
  int64_t until_ms;
  uint32_t tries;                        /* that failed */
  int64_t first_at, next_at;             /* the first try (0: none yet); the next */
  int64_t changed_at;                    /* of state */
  char uri[MTS_DELIVERY_URI_SIZE];       /* where it went, or was tried last */
  char detail[MTS_DELIVERY_DETAIL_SIZE]; /* what came of it */
};

/* The right to send the report on this day and domain, for all processes that share the file. *delivery: how it fares now; claimed when its
 * state is CLAIMED and its owner the one given. A report that nobody has looked at yet waits a random time of at most delay_s seconds, unless
 * at_once; at_once shortens no wait after a failed try. A claim whose time is over is taken over, but not what may have been handed over: that
 * is UNSURE from then on (*became_unsure: just now). owner: unique per process. Errors: ARGUMENT, STORE_*. */
struct mts_delivery_claim {
  int64_t day;
  const char *domain, *id, *owner;
  int64_t now_ms, until_ms;
  uint32_t delay_s;
  int64_t from_s; /* not before this time, unless at_once; 0: any */
  bool at_once;
};
enum mts_err mts_store_delivery_claim(struct mts_store *store, const struct mts_delivery_claim *claim,
                                      struct mts_delivery *delivery, bool *became_unsure);
/* The owner of the claim is about to hand the report over. Only when *ours is true it may. */
enum mts_err mts_store_delivery_hand(struct mts_store *store, int64_t day, const char *domain, const char *owner, const char *uri,
                                     int64_t now_ms, int64_t until_ms, bool *ours);
/* How it went: SENT, UNWANTED, or WAITING for a failed try, after which it waits longer each time and at last is GIVEN_UP. uri may be "".
 * *delivery: as it is now. Of a claim that is another's by now nothing changes, and STORE_NONE is returned. */
enum mts_err mts_store_delivery_note(struct mts_store *store, int64_t day, const char *domain, const char *owner,
                                     enum mts_delivery_state state, const char *uri, const char *detail, int64_t now_ms,
                                     struct mts_delivery *delivery);
/* Of these days, both included, of one domain or all with NULL; each is lent and returns false to stop. It must not call the store. */
enum mts_err mts_store_deliveries(struct mts_store *store, int64_t first_day, int64_t last_day, const char *domain,
                                  bool (*each)(void *arg, const struct mts_delivery *delivery), void *arg);

/* The same as rules, for a row that stands elsewhere; found: it is there. *changed: row is to be written, in one step with having been read.
 * Errors: ARGUMENT. For hand and note *ours says what STORE_NONE and *ours say above. */
enum mts_err mts_delivery_claim_step(struct mts_delivery *row, bool found, const struct mts_delivery_claim *claim, bool *changed,
                                     bool *became_unsure);
struct mts_delivery_step {
  int64_t day, now_ms, until_ms; /* until_ms: to hand over */
  const char *domain, *owner, *uri, *detail;
  enum mts_delivery_state state; /* HANDING, or what came of it as for note */
};
enum mts_err mts_delivery_step(struct mts_delivery *row, bool found, const struct mts_delivery_step *step, bool *ours);
bool mts_delivery_state_from_name(struct mts_span name, enum mts_delivery_state *state);

struct mts_store_stats {
  uint64_t domains, policies, enforce, testing, none, expired, failing, absent, leases;
  uint64_t hosts;                    /* domains whose MX hosts are known, expired ones too */
  uint64_t bytes;                    /* of the file */
  int64_t oldest_fetch, next_expiry; /* 0: none */
};
enum mts_err mts_store_stats(struct mts_store *store, int64_t now_s, struct mts_store_stats *stats);
/* Forgets expired policies, old failures and MX hosts (expired for more than 30 days), and sessions of days before. removed counts the
 * domains of the former two and may be NULL. */
enum mts_err mts_store_sweep(struct mts_store *store, int64_t now_s, size_t *removed);

#endif
