/* SPDX-License-Identifier: ISC */
#include "fake/told.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"

/* ---- answers ---- */

enum mts_err told_new(size_t count, size_t bytes, struct told **told) {
  struct told *t = calloc(1, sizeof *t);
  if (!t) return MTS_ERR_NO_MEMORY;
  t->refs = 1;
  t->count = count;
  t->records = calloc(count ? count : 1, sizeof *t->records);
  t->bytes = malloc(bytes ? bytes : 1);
  if (!t->records || !t->bytes) {
    told_free(&t);
    return MTS_ERR_NO_MEMORY;
  }
  *told = t;
  return MTS_OK;
}

struct told *told_ref(struct told *told) {
  if (told) told->refs++;
  return told;
}

void told_free(struct told **told) {
  struct told *t = *told;
  *told = NULL;
  if (!t || --t->refs) return;
  while (t->variants) {
    struct told *variant = t->variants;
    t->variants = variant->next;
    told_free(&variant);
  }
  free(t->tls);
  free(t->mailer);
  free(t->records);
  free(t->bytes);
  free(t);
}

const struct told *told_variant(const struct told *told, enum mts_fake_only only, const char *key) {
  for (const struct told *each = told ? told->variants : NULL; each; each = each->next) {
    if (each->only == only && strcmp(each->key, key) == 0) return each;
  }
  return NULL;
}

/* ---- records ---- */

static bool blank(char c) { return c == ' ' || c == '\t'; }

/* The next word; empty at the end. */
static struct mts_span word(struct mts_span *text) {
  while (text->n && blank(*text->p)) *text = mts_span(text->p + 1, text->n - 1);
  size_t n = 0;
  while (n < text->n && !blank(text->p[n])) n++;
  struct mts_span found = mts_span(text->p, n);
  *text = mts_span(text->p + n, text->n - n);
  return found;
}

static bool number(struct mts_span *text, uint64_t max, uint64_t *value) { return mts_number_parse(word(text), max, value); }

static enum mts_err read_mx(struct mts_span text, struct mts_rr_mx *mx, char *to) {
  uint64_t preference = 0;
  if (!number(&text, UINT16_MAX, &preference)) return MTS_ERR_ARGUMENT;
  struct mts_span host = word(&text);
  if (!host.n || word(&text).n) return MTS_ERR_ARGUMENT;
  mx->preference = (uint16_t)preference;
  if (mts_span_equals(host, ".")) {
    mx->host[0] = '.';
    mx->host[1] = '\0';
  } else if (mts_name_normalise_host(host, mx->host) != MTS_OK) {
    mx->host[0] = '\0'; /* DNS can hold names that nobody can use */
    memcpy(to, host.p, host.n);
    mx->raw = mts_span(to, host.n);
  }
  return MTS_OK;
}

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

static enum mts_err read_tlsa(struct mts_span text, struct mts_rr_tlsa *tlsa, char *to) {
  uint64_t usage = 0, selector = 0, matching = 0;
  if (!number(&text, UINT8_MAX, &usage) || !number(&text, UINT8_MAX, &selector) || !number(&text, UINT8_MAX, &matching))
    return MTS_ERR_ARGUMENT;
  size_t digits = 0;
  for (struct mts_span part = word(&text); part.n; part = word(&text)) { /* RFC 6698 2.2: white space may stand within */
    for (size_t i = 0; i < part.n; i++, digits++) {
      int value = hex(part.p[i]);
      if (value < 0) return MTS_ERR_ARGUMENT;
      unsigned before = digits % 2 ? (unsigned char)to[digits / 2] : 0;
      to[digits / 2] = (char)(unsigned char)(before << 4 | (unsigned)value);
    }
  }
  if (!digits || digits % 2) return MTS_ERR_ARGUMENT;
  tlsa->usage = (uint8_t)usage;
  tlsa->selector = (uint8_t)selector;
  tlsa->matching = (uint8_t)matching;
  tlsa->data = mts_span(to, digits / 2);
  return MTS_OK;
}

static enum mts_err read_address(struct mts_span text, int family, struct mts_address *address) {
  struct mts_address found;
  if (!mts_address_parse(text, &found) || found.family != family) return MTS_ERR_ARGUMENT;
  *address = found;
  return MTS_OK;
}

enum mts_err told_record(struct told *told, size_t index, enum mts_rrtype type, struct mts_span text, size_t *used) {
  struct mts_rr *rr = &told->records[index];
  char *to = told->bytes + *used;
  switch (type) {
    case MTS_RR_A:
      return read_address(text, AF_INET, &rr->u.address);
    case MTS_RR_AAAA:
      return read_address(text, AF_INET6, &rr->u.address);
    case MTS_RR_MX: {
      enum mts_err err = read_mx(text, &rr->u.mx, to);
      if (!err) *used += rr->u.mx.raw.n;
      return err;
    }
    case MTS_RR_TXT:
      if (text.n) memcpy(to, text.p, text.n);
      rr->u.txt = mts_span(to, text.n);
      rr->strings = (uint16_t)(text.n ? (text.n + 254) / 255 : 1);
      *used += text.n;
      return MTS_OK;
    case MTS_RR_TLSA: {
      enum mts_err err = read_tlsa(text, &rr->u.tlsa, to);
      if (!err) *used += rr->u.tlsa.data.n;
      return err;
    }
  }
  return MTS_ERR_ARGUMENT;
}

/* ---- topics ---- */

static int compare(const void *one, const void *two) {
  const struct topic *a = one, *b = two;
  if (a->subject != b->subject) return a->subject < b->subject ? -1 : 1;
  if (a->type != b->type) return a->type < b->type ? -1 : 1;
  return strcmp(a->name, b->name);
}

static bool key_of(enum subject subject, unsigned type, const char *name, struct topic *key) {
  size_t n = strlen(name);
  if (n >= sizeof key->name) return false;
  key->subject = subject;
  key->type = type;
  memcpy(key->name, name, n + 1);
  return true;
}

const struct topic *topics_find(const struct topics *topics, enum subject subject, unsigned type, const char *name) {
  struct topic key;
  if (!key_of(subject, type, name, &key)) return NULL;
  struct topic *const *node = (struct topic *const *)tfind(&key, &topics->tree, compare);
  return node ? *node : NULL;
}

struct topic *topics_get(struct topics *topics, enum subject subject, unsigned type, const char *name) {
  struct topic *fresh = calloc(1, sizeof *fresh);
  if (!fresh || !key_of(subject, type, name, fresh)) {
    free(fresh);
    return NULL;
  }
  struct topic **node = (struct topic **)tsearch(fresh, &topics->tree, compare);
  if (!node || *node != fresh) free(fresh);
  return node ? *node : NULL;
}

static void topic_free(void *node) {
  struct topic *topic = node;
  told_free(&topic->told);
  free(topic);
}

void topics_free(struct topics *topics) {
  tdestroy(topics->tree, topic_free);
  topics->tree = NULL;
}
