/* SPDX-License-Identifier: ISC */
#include "kept_answers.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES_MOST 65536
#define CHAIN_MOST 8    /* names that were chosen for one bucket put each other out, and cost no time */
#define REPLY_MOST 4096 /* bytes of one that is kept: policies are written by others */

struct place {
  struct kept_answer *answer; /* NULL: none yet */
  uint32_t hash, chain;       /* chain: index + 1 of the next one in the bucket; 0: none */
};

/* Numbers instead of pointers keep this so small that it stays in the processor's cache. */
struct kept_answers {
  size_t size, next;    /* of places; where the next one goes */
  struct place *places; /* in the order in which they were kept */
  size_t mask;
  uint32_t *buckets; /* as chain, of the first one */
};

struct mts_span kept_key(const char *domain, bool smarthost, uint16_t port, char key[KEPT_KEY_SIZE]) {
  mts_text_format(key, KEPT_KEY_SIZE, smarthost ? "[%s]" : "%s", domain);
  size_t n = strlen(key);
  if (port) mts_text_format(key + n, KEPT_KEY_SIZE - n, ":%u", port);
  return mts_span_of(key);
}

enum mts_err kept_answers_new(size_t entries, struct kept_answers **answers) {
  struct kept_answers *made = calloc(1, sizeof *made);
  size_t buckets = 1, size = entries < ENTRIES_MOST ? entries : ENTRIES_MOST;
  while (buckets < size) buckets *= 2;
  if (made) {
    made->size = size;
    made->mask = buckets - 1;
    made->places = calloc(size + 1, sizeof *made->places);
    made->buckets = calloc(buckets, sizeof *made->buckets);
  }
  if (!made || !made->places || !made->buckets) {
    kept_answers_free(&made);
    return MTS_ERR_NO_MEMORY;
  }
  *answers = made;
  return MTS_OK;
}

static void free_answer(struct kept_answer *answer) {
  if (answer) mts_policy_free(&answer->policy);
  free(answer);
}

void kept_answers_free(struct kept_answers **answers) {
  struct kept_answers *it = *answers;
  if (!it) return;
  for (size_t i = 0; it->places && i < it->size; i++) free_answer(it->places[i].answer);
  free(it->places);
  free(it->buckets);
  free(it);
  *answers = NULL;
}

static bool has_key(const struct place *place, uint32_t hash, struct mts_span key) {
  const struct kept_answer *kept = place->answer;
  return place->hash == hash && kept->key_n == key.n && memcmp(kept->bytes, key.p, key.n) == 0;
}

struct kept_answer *kept_answers_find(const struct kept_answers *answers, struct mts_span key) {
  uint32_t hash = mts_span_hash(key);
  const struct place *place;
  for (uint32_t i = answers->buckets[hash & answers->mask]; i; i = place->chain) {
    place = &answers->places[i - 1];
    if (has_key(place, hash, key)) return place->answer;
  }
  return NULL;
}

/* Its own place, or of a chain that is long enough the last; NULL: neither. */
static struct place *place_of(const struct kept_answers *answers, uint32_t hash, struct mts_span key) {
  size_t count = 0;
  struct place *place;
  for (uint32_t i = answers->buckets[hash & answers->mask]; i; i = place->chain) {
    place = &answers->places[i - 1];
    if (++count == CHAIN_MOST || has_key(place, hash, key)) return place;
  }
  return NULL;
}

/* At the head of its chain; the oldest makes room. */
static struct place *new_place(struct kept_answers *answers, uint32_t hash) {
  uint32_t number = (uint32_t)answers->next + 1, *from;
  struct place *place = &answers->places[answers->next];
  if (place->answer) {
    from = &answers->buckets[place->hash & answers->mask];
    while (*from != number) from = &answers->places[*from - 1].chain;
    *from = place->chain;
  }
  from = &answers->buckets[hash & answers->mask];
  place->chain = *from;
  *from = number;
  answers->next = number % answers->size;
  return place;
}

struct kept_answer *kept_answers_keep(struct kept_answers *answers, struct mts_span key, const struct mts_policy *policy,
                                      enum tls_policy kind, int64_t until_ms, struct mts_span reply, struct mts_span text) {
  bool may = answers->size && key.n < KEPT_KEY_SIZE && reply.n <= REPLY_MOST;
  struct kept_answer *made = may ? malloc(sizeof *made + key.n + reply.n) : NULL;
  if (!made) return NULL;
  *made = (struct kept_answer){.until_ms = until_ms,
                               .policy = policy ? mts_policy_ref((struct mts_policy *)(uintptr_t)policy) : NULL,
                               .kind = kind,
                               .key_n = (uint16_t)key.n,
                               .reply_n = (uint16_t)reply.n,
                               .text_at = (uint16_t)(key.n + (size_t)(text.p - reply.p)),
                               .text_n = (uint16_t)text.n};
  memcpy(made->bytes, key.p, key.n);
  memcpy(made->bytes + key.n, reply.p, reply.n);
  uint32_t hash = mts_span_hash(key);
  struct place *place = place_of(answers, hash, key);
  if (!place) place = new_place(answers, hash);
  free_answer(place->answer);
  place->answer = made;
  place->hash = hash;
  return made;
}
