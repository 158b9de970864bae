/* SPDX-License-Identifier: ISC
 * The inside of a fake world, for the files of this room. */
#ifndef MTASTS_FAKE_INSIDE_H
#define MTASTS_FAKE_INSIDE_H

#include "fake/events.h"
#include "fake/fake.h"
#include "fake/told.h"

#define FAKE_TTL_S 300
#define FAKE_POLICY_PATH "/.well-known/mta-sts.txt"

struct mts_fake {
  struct mts_net net; /* first: the table's functions get its address */
  struct events events;
  struct topics topics;
  unsigned addresses; /* given out so far */
  size_t asked_dns, asked_https, asked_smtp;
};

static inline struct mts_fake *fake_of(struct mts_net *net) { return (struct mts_fake *)net; }

/* dns.c: a question, and with looks the hops of its chain. */
enum mts_err fake_ask_dns(struct mts_net *net, const char *name, enum mts_rrtype type, uint32_t deadline_ms, mts_dns_fn done,
                          void *arg, struct mts_job **job);
enum mts_err fake_look_dns(struct mts_net *net, const char *name, enum mts_rrtype type, uint32_t deadline_ms, mts_dns_fn done,
                           void *arg, struct mts_job **job);
/* look.c */
enum mts_err fake_look_https(struct mts_net *net, const struct mts_https_look *look, mts_https_seen_fn done, void *arg,
                             struct mts_job **job);
enum mts_err fake_look_smtp(struct mts_net *net, const struct mts_smtp_look *look, mts_smtp_seen_fn done, void *arg,
                            struct mts_job **job);

/* tell.c: the chain and the rest of what a host shows, defaults filled in; now_s is the world's. */
void fake_tls_seen(const struct told *told, const char *host, bool no_sni, int64_t now_s, struct mts_tls_seen *seen);

/* fake.c */
const struct told *fake_told_of(const struct mts_fake *fake, enum subject subject, unsigned type, const char *name);
/* Takes the told over. */
enum mts_err fake_tell(struct mts_fake *fake, enum subject subject, unsigned type, const char *name, struct told *told);
enum mts_err fake_name_of(const char *text, char name[MTS_NAME_SIZE]);
/* Hosts that are told get an address, used only as long as DNS is told nothing of theirs. */
enum mts_err fake_give_address(struct mts_fake *fake, const char *host);
static inline bool fake_between(enum mts_err err, enum mts_err first, enum mts_err last) { return err >= first && err <= last; }
/* When the answer comes: never after the asker's deadline, where *err becomes timeout. A failure that is a timeout comes then too. */
uint32_t fake_due_in(uint32_t delay_ms, uint32_t deadline_ms, enum mts_err timeout, enum mts_err *err);

#endif
