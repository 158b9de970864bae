/* SPDX-License-Identifier: ISC */
#include "seen.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* Memory is counted first, then taken off in the same order. */
struct pile {
  char *p; /* NULL: only counting */
  size_t n;
};

static void *put(struct pile *pile, const void *bytes, size_t n) {
  pile->n = (pile->n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
  char *at = pile->p ? pile->p + pile->n : NULL;
  if (at && n) memcpy(at, bytes, n);
  pile->n += n;
  return at;
}

static void put_span(struct pile *pile, struct mts_span *span) {
  char *at = put(pile, span->p, span->n);
  if (at) span->p = at;
}

static void put_tls(struct pile *pile, const struct mts_tls_seen **tls) {
  if (!*tls) return;
  void *at = put(pile, *tls, sizeof **tls);
  if (at) *tls = at;
}

static void put_record(struct pile *pile, enum mts_rrtype type, struct mts_rr *record) {
  switch (type) {
    case MTS_RR_A:
    case MTS_RR_AAAA:
      return;
    case MTS_RR_MX:
      put_span(pile, &record->u.mx.raw);
      return;
    case MTS_RR_TXT:
      put_span(pile, &record->u.txt);
      return;
    case MTS_RR_TLSA:
      put_span(pile, &record->u.tlsa.data);
      return;
  }
}

static void put_dns(struct pile *pile, enum mts_rrtype type, struct mts_dns_answer *dns) {
  void *hops = put(pile, dns->hops, dns->hop_count * sizeof *dns->hops);
  struct mts_rr *records = put(pile, dns->records, dns->count * sizeof *dns->records);
  for (size_t i = 0; i < dns->count; i++) {
    struct mts_rr record = dns->records[i];
    put_record(pile, type, records ? &records[i] : &record);
  }
  if (!pile->p) return;
  dns->hops = hops;
  dns->records = records;
}

static void put_https(struct pile *pile, struct mts_https_seen *https) {
  put_span(pile, &https->headers);
  put_span(pile, &https->body);
  put_tls(pile, &https->tls);
}

static void put_smtp(struct pile *pile, struct mts_smtp_seen *smtp) {
  put_span(pile, &smtp->ehlo);
  put_tls(pile, &smtp->tls);
}

static struct seen *seen_new(size_t more, struct pile *pile) {
  struct seen *seen = calloc(1, sizeof *seen + alignof(max_align_t) + more);
  if (seen) *pile = (struct pile){.p = (char *)seen, .n = sizeof *seen};
  return seen;
}

struct seen *seen_dns(enum mts_rrtype type, uint32_t ms, const struct mts_dns_answer *answer) {
  struct mts_dns_answer copy = *answer;
  struct pile pile = {0};
  put_dns(&pile, type, &copy);
  struct seen *seen = seen_new(pile.n, &pile);
  if (!seen) return NULL;
  put_dns(&pile, type, &copy);
  seen->u.dns = copy;
  seen->ms = ms;
  return seen;
}

static void set_place(struct seen *seen, const char *address, uint16_t port) {
  mts_text_format(seen->address, sizeof seen->address, "%s", address);
  seen->port = port;
}

struct seen *seen_https(const char *address, uint16_t port, const struct mts_https_seen *https) {
  struct mts_https_seen copy = *https;
  struct pile pile = {0};
  put_https(&pile, &copy);
  struct seen *seen = seen_new(pile.n, &pile);
  if (!seen) return NULL;
  put_https(&pile, &copy);
  seen->u.https = copy;
  set_place(seen, address, port);
  return seen;
}

struct seen *seen_smtp(const char *address, uint16_t port, const struct mts_smtp_seen *smtp) {
  struct mts_smtp_seen copy = *smtp;
  struct pile pile = {0};
  put_smtp(&pile, &copy);
  struct seen *seen = seen_new(pile.n, &pile);
  if (!seen) return NULL;
  put_smtp(&pile, &copy);
  seen->u.smtp = copy;
  set_place(seen, address, port);
  return seen;
}

void seen_free(struct seen **seen) {
  free(*seen);
  *seen = NULL;
}
