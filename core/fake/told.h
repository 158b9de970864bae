/* SPDX-License-Identifier: ISC
 * What a fake world was told, and how often it was asked. */
#ifndef MTASTS_FAKE_TOLD_H
#define MTASTS_FAKE_TOLD_H

#include "fake/fake.h"

enum subject { ABOUT_DNS, ABOUT_CNAME, ABOUT_HTTPS, ABOUT_SMTP };

/* Immutable and reference counted: a job under way keeps the answer it was started with, whatever is told meanwhile. */
struct told {
  size_t refs;
  enum mts_err err;
  uint32_t delay_ms;
  /* DNS */
  uint32_t ttl_s;
  enum mts_dnssec dnssec;
  size_t count;
  struct mts_rr *records;
  char target[MTS_NAME_SIZE]; /* of a CNAME */
  /* HTTPS */
  unsigned status;
  char content_type[128];
  size_t body_n;
  char *bytes; /* the body, or what the records' spans point to */
  /* HTTPS and SMTP, for looks */
  struct mts_fake_tls *tls; /* NULL: the defaults */
  struct mts_span headers;  /* in bytes, behind the body */
  struct mts_fake_mailer *mailer;
  /* Others get another answer. */
  enum mts_fake_only only;
  char key[MTS_FAKE_KEY_BYTES];
  struct told *variants; /* a list by next, of a reference each */
  struct told *next;
};
enum mts_err told_new(size_t count, size_t bytes, struct told **told);
struct told *told_ref(struct told *told); /* NULL stays NULL */
void told_free(struct told **told);
/* What those get who differ in this way; NULL: what all get. */
const struct told *told_variant(const struct told *told, enum mts_fake_only only, const char *key);
/* One record from its presentation form; its bytes are appended at *used. */
enum mts_err told_record(struct told *told, size_t index, enum mts_rrtype type, struct mts_span text, size_t *used);

/* One question that can be asked. */
struct topic {
  enum subject subject;
  unsigned type; /* enum mts_rrtype; 0 unless ABOUT_DNS */
  char name[MTS_NAME_SIZE];
  struct told *told;          /* NULL: it was only asked */
  struct mts_address address; /* of a host DNS was told nothing of */
  size_t asked;
};
struct topics {
  void *tree; /* of tsearch(3) */
};
const struct topic *topics_find(const struct topics *topics, enum subject subject, unsigned type, const char *name);
/* Finds or makes; NULL: out of memory. */
struct topic *topics_get(struct topics *topics, enum subject subject, unsigned type, const char *name);
void topics_free(struct topics *topics);

#endif
