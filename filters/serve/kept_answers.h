/* SPDX-License-Identifier: ISC
 * Answers to Postfix that are kept as they leave, found by the request's own bytes.
 *
 * One that is kept stops to count:
 * - when the entry of memory that it was made of is no longer there, or was put anew: another policy, a refresh, a flush;
 * - when memory may no longer be believed, because another process may have changed the store (setting memory_s);
 * - when something of the policy is due, or the policy expires, or the clock is set back;
 * - when what DNS said of the hosts is too old, DANE included, and after an hour in any case;
 * - when there are rules, which are asked each time, and while the log tells each decision.
 * The first three and the last are at_once_holds. Where they do not hold, but the lookup finds the same policy, an answer that took
 * questions about the hosts still saves them: within the time that DNS allows, unless the policy is a rule's or a rule judges the hosts. */
#ifndef MTASTS_SERVE_KEPT_ANSWERS_H
#define MTASTS_SERVE_KEPT_ANSWERS_H

#include "base/buf.h"
#include "resolve/at_once.h"
#include "tls_policy.h"

#define KEPT_KEY_SIZE (MTS_NAME_SIZE + sizeof "[]:65535")

struct kept_answers;
struct kept_answer {
  struct at_once basis;      /* zero: it was not made of memory alone, or has to be told anew each time */
  int64_t until_ms;          /* on the monotonic clock */
  struct mts_policy *policy; /* NULL: there is none */
  enum tls_policy kind;
  uint32_t hash, chain;                     /* not for others */
  uint16_t key_n, reply_n, text_at, text_n; /* of bytes */
  char bytes[];                             /* key; reply as it leaves; within that the text of tls_policy_make */
};
static inline struct mts_span kept_reply(const struct kept_answer *kept) {
  return mts_span(kept->bytes + kept->key_n, kept->reply_n);
}
static inline struct mts_span kept_text(const struct kept_answer *kept) {
  return mts_span(kept->bytes + kept->text_at, kept->text_n);
}

/* The request's key as it is normalised: "domain", "[host]", either with ":port" if one is named. */
struct mts_span kept_key(const char *domain, bool smarthost, uint16_t port, char key[KEPT_KEY_SIZE]);

/* entries: how many domains are asked for at a time, more or less; the memory is bounded by it. */
enum mts_err kept_answers_new(size_t entries, struct kept_answers **answers);
void kept_answers_free(struct kept_answers **answers);
/* By all bytes of the key; lent until the next keep. NULL: none. */
struct kept_answer *kept_answers_find(const struct kept_answers *answers, struct mts_span key);
/* Takes the place of the one that has this key, or of one that was kept long ago. reply: copied; text stands within it. Lent likewise, without
 * basis. NULL: it is not kept, for want of memory or because it is long. */
struct kept_answer *kept_answers_keep(struct kept_answers *answers, struct mts_span key, const struct mts_policy *policy,
                                      enum tls_policy kind, int64_t until_ms, struct mts_span reply, struct mts_span text);

#endif
