/* SPDX-License-Identifier: ISC */
#include "net/dns_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { TYPE_NS = 2, TYPE_CNAME = 5, TYPE_SOA = 6, CLASS_IN = 1 };
enum { RCODE_OK = 0, RCODE_SERVFAIL = 2, RCODE_NXDOMAIN = 3, RCODE_REFUSED = 5 };
#define HEADER_BYTES 12
#define WIRE_NAME_BYTES 255 /* RFC 1035 2.3.4 */
#define RAW_NAME_BYTES 1024 /* each byte escaped */

struct wire {
  const unsigned char *p;
  size_t n, at;
};

/* A name in wire form without compression, lower case. */
struct wire_name {
  unsigned char b[WIRE_NAME_BYTES];
  size_t n;
};

struct record {
  struct wire_name owner;
  unsigned type, class;
  uint32_t ttl;
  size_t data, end; /* in the packet */
};

static unsigned u16_at(const struct wire *w, size_t at) { return (unsigned)w->p[at] << 8 | w->p[at + 1]; }

static uint32_t u32_at(const struct wire *w, size_t at) { return (uint32_t)u16_at(w, at) << 16 | u16_at(w, at + 2); }

static unsigned char lower(unsigned char c) { return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c; }

/* RFC 1035 4.1.4. Pointers must go backwards, so that none can loop. */
static bool name_at(const struct wire *w, size_t *at, struct wire_name *name) {
  size_t p = *at;
  size_t least = p;
  bool jumped = false;
  name->n = 0;
  for (;;) {
    if (p >= w->n) return false;
    unsigned length = w->p[p];
    if (length >= 0xc0) {
      if (p + 1 >= w->n) return false;
      size_t to = u16_at(w, p) & 0x3fff;
      if (!jumped) *at = p + 2;
      jumped = true;
      if (to >= least) return false;
      p = least = to;
      continue;
    }
    if (length > 63 || length + 1 > w->n - p || name->n + length + 1 > WIRE_NAME_BYTES) return false;
    name->b[name->n++] = (unsigned char)length;
    for (unsigned i = 1; i <= length; i++) name->b[name->n++] = lower(w->p[p + i]);
    p += length + 1;
    if (length == 0) break;
  }
  if (!jumped) *at = p;
  return true;
}

static bool name_equals(const struct wire_name *a, const struct wire_name *b) { return a->n == b->n && !memcmp(a->b, b->b, a->n); }

static bool name_from_text(const char *text, struct wire_name *name) {
  name->n = 0;
  while (*text) {
    size_t length = strcspn(text, ".");
    if (length == 0 || length > 63 || name->n + length + 2 > WIRE_NAME_BYTES) return false;
    name->b[name->n++] = (unsigned char)length;
    for (size_t i = 0; i < length; i++) name->b[name->n++] = lower((unsigned char)text[i]);
    text += length;
    if (*text) text++;
  }
  name->b[name->n++] = 0;
  return true;
}

/* Without a trailing dot. false: it cannot be written without escapes (dots, blanks, NUL … inside a label). */
static bool name_to_text(const struct wire_name *name, char text[MTS_NAME_SIZE]) {
  size_t n = 0;
  for (size_t p = 0; p < name->n && name->b[p]; p += name->b[p] + 1u) {
    if (n + name->b[p] + 2 > MTS_NAME_SIZE) return false;
    if (n) text[n++] = '.';
    for (unsigned i = 1; i <= name->b[p]; i++) {
      unsigned char c = name->b[p + i];
      if (c <= ' ' || c >= 127 || strchr(".\\\"();@$", c)) return false;
      text[n++] = (char)c;
    }
  }
  text[n] = '\0';
  return true;
}

/* Presentation form (RFC 1035 5.1) of whatever is in it, as far as there is room. */
static size_t name_escaped(const struct wire_name *name, char *to, size_t size) {
  size_t n = 0;
  for (size_t p = 0; p < name->n && name->b[p]; p += name->b[p] + 1u) {
    for (unsigned i = 1; i <= name->b[p] && n + 6 <= size; i++) {
      unsigned char c = name->b[p + i];
      if (c <= ' ' || c >= 127) {
        to[n++] = '\\';
        to[n++] = (char)('0' + c / 100);
        to[n++] = (char)('0' + c / 10 % 10);
        c = (unsigned char)('0' + c % 10);
      } else if (strchr(".\\\"();@$", c)) {
        to[n++] = '\\';
      }
      to[n++] = (char)c;
    }
    if (p + name->b[p] + 1u < name->n && name->b[p + name->b[p] + 1u] && n + 2 <= size) to[n++] = '.';
  }
  to[n] = '\0';
  return n;
}

static bool record_at(struct wire *w, struct record *record) {
  if (!name_at(w, &w->at, &record->owner) || w->n - w->at < 10) return false;
  record->type = u16_at(w, w->at);
  record->class = u16_at(w, w->at + 2);
  record->ttl = u32_at(w, w->at + 4);
  if (record->ttl > INT32_MAX) record->ttl = 0; /* RFC 2181 8 */
  size_t length = u16_at(w, w->at + 8);
  record->data = w->at + 10;
  if (length > w->n - record->data) return false;
  record->end = w->at = record->data + length;
  return true;
}

static void fail(struct dns_reply *reply, enum mts_err err, const char *why) {
  reply->answer.err = err;
  reply->why = why;
}

static void malformed(struct dns_reply *reply, const char *why) { fail(reply, MTS_ERR_DNS_MALFORMED, why); }

static void less_ttl(struct dns_reply *reply, uint32_t ttl) {
  if (ttl < reply->answer.ttl_s) reply->answer.ttl_s = ttl;
}

/* Header and question must be the reply to what was asked. false: the verdict is in reply. */
static bool begin(struct wire *w, const char *name, enum mts_rrtype type, struct dns_reply *reply, struct wire_name *asked) {
  struct wire_name question;
  if (w->n < HEADER_BYTES) return malformed(reply, "the message is too short"), false;
  unsigned flags = u16_at(w, 2);
  reply->rcode = flags & 15;
  reply->authentic = flags & 0x20;
  if (!(flags & 0x8000)) return malformed(reply, "the message is not a reply"), false;
  if (flags & 0x7800) return malformed(reply, "the reply has a wrong opcode"), false;
  w->at = HEADER_BYTES;
  bool refuses = reply->rcode != RCODE_OK && reply->rcode != RCODE_NXDOMAIN;
  if (u16_at(w, 4) == 0 && refuses) return true; /* some servers leave the question out when they refuse */
  if (u16_at(w, 4) != 1) return malformed(reply, "the reply has not exactly one question"), false;
  if (!name_at(w, &w->at, &question) || w->n - w->at < 4) return malformed(reply, "the question is cut off"), false;
  if (!name_from_text(name, asked) || !name_equals(&question, asked) || u16_at(w, w->at) != (unsigned)type ||
      u16_at(w, w->at + 2) != CLASS_IN)
    return malformed(reply, "the reply is to another question"), false;
  w->at += 4;
  reply->truncated = flags & 0x200;
  return !reply->truncated;
}

static bool refused(struct dns_reply *reply) {
  switch (reply->rcode) {
    case RCODE_OK:
    case RCODE_NXDOMAIN:
      return false;
    case RCODE_SERVFAIL:
      return fail(reply, MTS_ERR_DNS_SERVFAIL, "SERVFAIL"), true;
    case RCODE_REFUSED:
      return fail(reply, MTS_ERR_DNS_REFUSED, "REFUSED"), true;
    default:
      return malformed(reply, "an unexpected response code"), true;
  }
}

/* Where the chain led, if a look wants to know. false: it was there before, or there is no memory. */
static bool note_hop(const char *asked, const struct wire_name *name, struct dns_reply *reply) {
  if (!reply->looks) return true;
  if (!reply->hops) reply->hops = calloc(MTS_DNS_MAX_CNAMES, sizeof *reply->hops);
  if (!reply->hops) return fail(reply, MTS_ERR_NO_MEMORY, "out of memory"), false;
  struct mts_dns_answer *answer = &reply->answer;
  char *hop = reply->hops[answer->hop_count];
  name_escaped(name, hop, MTS_NAME_SIZE);
  answer->loops = strcmp(hop, asked) == 0;
  for (size_t i = 0; i < answer->hop_count; i++) answer->loops |= strcmp(reply->hops[i], hop) == 0;
  if (answer->loops) return fail(reply, MTS_ERR_DNS_LIMIT, "the CNAME chain loops"), false;
  answer->hops = (const char(*)[MTS_NAME_SIZE])reply->hops;
  answer->hop_count++;
  return true;
}

/* Follows the chain of CNAMEs in whatever order they stand; name becomes its end. */
static bool follow(const struct wire *from, unsigned count, struct wire_name *name, const char *asked, struct dns_reply *reply) {
  for (;;) {
    struct wire w = *from;
    struct record record;
    bool found = false;
    for (unsigned i = 0; i < count && !found; i++) {
      if (!record_at(&w, &record)) return malformed(reply, "fewer records than announced"), false;
      found = record.type == TYPE_CNAME && record.class == CLASS_IN && name_equals(&record.owner, name);
    }
    if (!found) return true;
    if (++reply->answer.cname_count > MTS_DNS_MAX_CNAMES)
      return fail(reply, MTS_ERR_DNS_LIMIT, "the CNAME chain is too long or loops"), false;
    size_t at = record.data;
    if (!name_at(from, &at, name) || at != record.end) return malformed(reply, "a CNAME is malformed"), false;
    less_ttl(reply, record.ttl);
    if (!note_hop(asked, name, reply)) return false;
  }
}

/* The strings of a TXT record joined (RFC 8461 3.1). */
static bool read_txt(const struct wire *w, const struct record *record, struct mts_rr *rr, char *text, size_t *used) {
  size_t begin_at = *used;
  if (record->data == record->end) return false;
  for (size_t p = record->data; p < record->end; p += w->p[p] + 1u) {
    size_t length = w->p[p];
    if (length + 1 > record->end - p) return false;
    memcpy(text + *used, w->p + p + 1, length);
    *used += length;
    rr->strings++;
  }
  rr->u.txt = (struct mts_span){text + begin_at, *used - begin_at};
  return true;
}

/* raw: NULL, or where a name goes that cannot be used. */
static bool read_mx(const struct wire *w, const struct record *record, struct mts_rr *rr, char *raw, size_t *used) {
  struct wire_name host;
  char text[MTS_NAME_SIZE];
  if (record->end - record->data < 3) return false;
  size_t at = record->data + 2;
  if (!name_at(w, &at, &host) || at != record->end) return false;
  rr->u.mx.preference = (uint16_t)u16_at(w, record->data);
  rr->u.mx.host[0] = '\0';
  if (host.n == 1) {
    rr->u.mx.host[0] = '.'; /* RFC 7505 */
    rr->u.mx.host[1] = '\0';
  } else if (!name_to_text(&host, text) ||
             mts_name_normalise_host((struct mts_span){text, strlen(text)}, rr->u.mx.host) != MTS_OK) {
    rr->u.mx.host[0] = '\0';
    if (raw) {
      rr->u.mx.raw = (struct mts_span){raw + *used, name_escaped(&host, raw + *used, RAW_NAME_BYTES)};
      *used += rr->u.mx.raw.n;
    }
  }
  return true;
}

static bool read_data(const struct wire *w, const struct record *record, struct mts_rr *rr, char *text, size_t *used) {
  size_t n = record->end - record->data;
  const unsigned char *data = w->p + record->data;
  switch ((enum mts_rrtype)record->type) {
    case MTS_RR_A:
    case MTS_RR_AAAA:
      if (n != (record->type == MTS_RR_A ? 4 : 16)) return false;
      rr->u.address.family = record->type == MTS_RR_A ? AF_INET : AF_INET6;
      memcpy(rr->u.address.bytes, data, n);
      return true;
    case MTS_RR_MX:
      return read_mx(w, record, rr, text, used);
    case MTS_RR_TXT:
      return read_txt(w, record, rr, text, used);
    case MTS_RR_TLSA:
      if (n < 3) return false;
      rr->u.tlsa.usage = data[0];
      rr->u.tlsa.selector = data[1];
      rr->u.tlsa.matching = data[2];
      memcpy(text + *used, data + 3, n - 3);
      rr->u.tlsa.data = (struct mts_span){text + *used, n - 3};
      *used += n - 3;
      return true;
  }
  return false;
}

static bool wanted(const struct record *record, const struct wire_name *name, enum mts_rrtype type) {
  return record->type == (unsigned)type && record->class == CLASS_IN && name_equals(&record->owner, name);
}

/* Counts first, so that a hostile reply costs no memory, then reads. w is moved behind the answer section. */
static enum mts_err read_answers(struct wire *w, unsigned count, const struct wire_name *name, enum mts_rrtype type,
                                 struct dns_reply *reply) {
  struct wire start = *w;
  struct record record;
  size_t found = 0;
  size_t used = 0;
  for (unsigned i = 0; i < count; i++) {
    if (!record_at(w, &record)) return malformed(reply, "fewer records than announced"), MTS_OK;
    if (!wanted(&record, name, type)) continue;
    found++;
    if (type == MTS_RR_TXT && record.end - record.data > MTS_DNS_MAX_TXT_BYTES)
      return fail(reply, MTS_ERR_DNS_LIMIT, "a TXT record is too long"), MTS_OK;
  }
  if (found > MTS_DNS_MAX_RECORDS) return fail(reply, MTS_ERR_DNS_LIMIT, "too many records"), MTS_OK;
  if (found == 0) return MTS_OK;
  reply->records = calloc(found, sizeof *reply->records);
  bool raw = reply->looks && type == MTS_RR_MX;
  if (raw || type != MTS_RR_MX) reply->text = malloc(raw ? found * RAW_NAME_BYTES : w->n);
  if (!reply->records || (!reply->text && (raw || type != MTS_RR_MX))) return MTS_ERR_NO_MEMORY;
  for (unsigned i = 0; i < count && record_at(&start, &record); i++) {
    if (!wanted(&record, name, type)) continue;
    if (!read_data(&start, &record, &reply->records[reply->answer.count], reply->text, &used))
      return malformed(reply, "a record is malformed"), MTS_OK;
    reply->answer.count++;
    less_ttl(reply, record.ttl);
  }
  reply->answer.records = reply->records;
  return MTS_OK;
}

/* RFC 2308 5: the TTL of a negative answer is the lesser of the SOA's own and its last field. */
static void read_negative(struct wire *w, unsigned count, struct dns_reply *reply) {
  struct record record;
  bool soa = false, ns = false;
  for (unsigned i = 0; i < count; i++) {
    if (!record_at(w, &record)) {
      malformed(reply, "fewer records than announced");
      return;
    }
    ns |= record.type == TYPE_NS;
    if (record.type != TYPE_SOA || record.class != CLASS_IN || soa) continue;
    if (record.end - record.data < 22) {
      malformed(reply, "the SOA is malformed");
      return;
    }
    soa = true;
    uint32_t minimum = u32_at(w, record.end - 4);
    less_ttl(reply, record.ttl);
    less_ttl(reply, minimum > INT32_MAX ? 0 : minimum);
  }
  if (!soa) reply->answer.ttl_s = 0;
  /* RFC 2308 2.2: NS without SOA is a referral, so this server does not resolve for us. */
  if (reply->rcode == RCODE_OK && ns && !soa) {
    fail(reply, MTS_ERR_DNS_REFUSED, "a referral instead of an answer");
    return;
  }
  if (reply->rcode == RCODE_NXDOMAIN)
    fail(reply, MTS_ERR_DNS_NXDOMAIN, "no such name");
  else
    fail(reply, MTS_ERR_DNS_NODATA, "no such record");
}

enum mts_err dns_wire_read(struct mts_span packet, const char *name, enum mts_rrtype type, struct dns_reply *reply) {
  struct wire w = {(const unsigned char *)packet.p, packet.n, 0};
  struct wire_name current;
  reply->answer.err = MTS_OK;
  reply->answer.ttl_s = UINT32_MAX;
  reply->why = "";
  if (!begin(&w, name, type, reply, &current) || refused(reply)) goto out;
  unsigned answers = u16_at(&w, 6);
  if (!follow(&w, answers, &current, name, reply)) goto out;
  if (!name_to_text(&current, reply->answer.canonical)) {
    malformed(reply, "a CNAME leads to an impossible name");
    goto out;
  }
  enum mts_err err = read_answers(&w, answers, &current, type, reply);
  if (err != MTS_OK) return err;
  if (reply->answer.err != MTS_OK) goto out;
  if (reply->answer.count && reply->rcode == RCODE_NXDOMAIN)
    malformed(reply, "records under a name said not to exist");
  else if (!reply->answer.count)
    read_negative(&w, u16_at(&w, 8), reply);
out:
  if (reply->answer.ttl_s == UINT32_MAX) reply->answer.ttl_s = 0;
  if (reply->answer.err != MTS_OK) {
    reply->answer.count = 0;
    reply->answer.records = NULL;
  }
  return MTS_OK;
}

bool dns_wire_can_ask(const char *name) {
  struct wire_name wire;
  return *name && name_from_text(name, &wire);
}

void dns_reply_free(struct dns_reply *reply) {
  free(reply->records);
  free(reply->text);
  free(reply->hops);
  *reply = (struct dns_reply){0};
}
