/* SPDX-License-Identifier: ISC
 * One DNS message (RFC 1035 4) from its bytes to an answer. Pure: trusts no length, no count, no pointer. */
#ifndef MTASTS_NET_DNS_WIRE_H
#define MTASTS_NET_DNS_WIRE_H

#include "net.h"

struct dns_reply {
  struct mts_dns_answer answer; /* detail and dnssec are left alone; canonical and ttl_s also hold for what is surely none */
  bool truncated;               /* TC: nothing else is filled in */
  bool authentic;               /* AD */
  const char *why;              /* a static text with every error */
  unsigned rcode;
  struct mts_rr *records; /* answer.records, owned */
  char *text;             /* what the records' spans point into */
  bool looks;             /* set before: the hops of the chain and names that cannot be used are kept, too */
  char (*hops)[MTS_NAME_SIZE];
};

/* Reads the reply to the question (name, type). answer.err tells what it is worth; NO_MEMORY is the only failure. Zero the reply
 * first, but for looks; dns_reply_free also after a failure. */
enum mts_err dns_wire_read(struct mts_span packet, const char *name, enum mts_rrtype type, struct dns_reply *reply);
bool dns_wire_can_ask(const char *name); /* no label is empty or too long, nor the whole (RFC 1035 2.3.4) */
void dns_reply_free(struct dns_reply *reply);

#endif
