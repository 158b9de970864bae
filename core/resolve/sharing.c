/* SPDX-License-Identifier: ISC */
#include "resolve/sharing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "resolve/cache.h"
#include "resolve/life.h"
#include "resolve/newer.h"
#include "resolve/shared_entry.h"

#define LEASE_MS 5000          /* a machine that died delays the others by this much */
#define KEEP_S 3600            /* what is over is kept for so long: clocks differ */
#define ENTRY_BYTES_MAX 131072 /* of all fields */

/* KEYS: entry, lease. ARGV: token, ms. Without room for the lease each machine asks for itself. */
static const char ask_script[] =
    "local holder = redis.call('GET', KEYS[2])\n"
    "local ours = not holder or holder == ARGV[1]\n"
    "if ours then redis.pcall('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) end\n"
    "local entry = redis.call('HMGET', KEYS[1], 'policy', 'id', 'fetched', 'refresh', 'attempt')\n"
    "return {ours and '1' or '0', entry[1] or '', entry[2] or '', entry[3] or '', entry[4] or '', entry[5] or ''}";

/* KEYS: entry, lease. ARGV: token, now, latest, ms to keep, the fields. An older policy or attempt never replaces a newer one; what is dated in
 * the future by a wrong clock counts as old. */
static const char settle_script[] =
    "if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end\n"
    "if ARGV[3] == '' then return 'OK' end\n"
    "local now = tonumber(ARGV[2])\n"
    "local function stored(field)\n"
    "  local at = tonumber(redis.call('HGET', KEYS[1], field) or '') or 0\n"
    "  return at > now + 60 and 0 or at\n"
    "end\n"
    "local kept = false\n"
    "if ARGV[5] ~= '' and tonumber(ARGV[7]) >= stored('fetched') then\n"
    "  redis.call('HSET', KEYS[1], 'policy', ARGV[5], 'id', ARGV[6], 'fetched', ARGV[7], 'refresh', ARGV[8])\n"
    "  kept = true\n"
    "end\n"
    "if ARGV[9] ~= '' and tonumber(ARGV[3]) >= stored('latest') then\n"
    "  redis.call('HSET', KEYS[1], 'latest', ARGV[3], 'attempt', ARGV[9])\n"
    "  kept = true\n"
    "end\n"
    "if kept and redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end\n"
    "return 'OK'";

/* KEYS: lease. ARGV: token, ms. */
static const char renew_script[] =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end\nreturn 0";

struct keys {
  char entry[SHARING_KEY_SIZE], lease[SHARING_KEY_SIZE];
};

void sharing_entry_key(const char *domain, char key[SHARING_KEY_SIZE]) {
  snprintf(key, SHARING_KEY_SIZE, "mtasts:1:domain:%s", domain);
}

static struct keys keys_of(const char *domain) {
  struct keys keys;
  sharing_entry_key(domain, keys.entry);
  snprintf(keys.lease, sizeof keys.lease, "mtasts:1:lease:%s", domain);
  return keys;
}

static int64_t mono(const struct mts *m) { return mts_clock_mono_ms(&m->clock); }
static int64_t now(const struct mts *m) { return mts_clock_now_s(&m->clock); }

static bool is_there(const struct mts *m) { return m->has_shared && m->net && m->net->ops->shared; }

/* To another process, a moment ago. Who was answered itself knows better. */
static bool is_silent(struct mts *m) {
  struct mts_store *store = m->shared_answered ? NULL : cache_store(m);
  bool silent = false;
  return store && mts_store_silence_get(store, mts_clock_now_ms(&m->clock), &silent) == MTS_OK && silent;
}

/* A connection that is refused costs nothing, and a later process may well try. */
static void note(struct sharing *sharing, const struct mts_shared_answer *answer) {
  struct mts *m = sharing->m;
  if (!answer->err) m->shared_answered = true;
  if (!answer->err || mono(m) - sharing->asked_ms < m->shared_ms) return;
  struct mts_store *store = cache_store(m);
  if (store) mts_store_silence_put(store, mts_clock_now_ms(&m->clock));
}

/* Differs over all machines. */
static bool make_token(struct sharing *sharing) {
  unsigned char bytes[(SHARING_TOKEN_SIZE - 1) / 2];
  if (sharing->token[0]) return true;
  if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) return false;
  for (size_t i = 0; i < sizeof bytes; i++) snprintf(sharing->token + 2 * i, 3, "%02x", bytes[i]);
  return true;
}

/* ---- asking ---- */

static void asked(void *arg, const struct mts_shared_answer *answer) {
  struct sharing *sharing = arg;
  struct mts *m = sharing->m;
  sharing->job = NULL;
  note(sharing, answer);
  bool sound = answer->err == MTS_OK && answer->count == 1 + SHARED_FIELDS && answer->texts[0].n == 1;
  bool ours = sound && answer->texts[0].p[0] == '1';
  mts_entry_clear(&sharing->found);
  memccpy(sharing->found.domain, sharing->domain, 0, sizeof sharing->found.domain);
  if (sound) shared_entry_read(answer->texts + 1, m->strict ? MTS_PROFILE_STRICT : MTS_PROFILE_DEFAULT, now(m), &sharing->found);
  sharing->leased = ours;
  sharing->leased_until_ms = sharing->asked_ms + LEASE_MS;
  sharing->told(sharing->arg, sound && !ours ? SHARING_ANOTHER : SHARING_OURS);
}

bool sharing_ask(struct sharing *sharing, void (*told)(void *arg, enum sharing_turn turn)) {
  struct mts *m = sharing->m;
  if (!is_there(m) || is_silent(m) || !make_token(sharing)) return false;
  struct keys keys = keys_of(sharing->domain);
  char ms[16];
  snprintf(ms, sizeof ms, "%d", LEASE_MS);
  const struct mts_span words[] = {mts_span_of("EVAL"),     mts_span_of(ask_script),     mts_span_of("2"), mts_span_of(keys.entry),
                                   mts_span_of(keys.lease), mts_span_of(sharing->token), mts_span_of(ms)};
  sharing->told = told;
  sharing->leased = false;
  sharing->asked_ms = mono(m);
  return m->net->ops->shared(m->net, words, sizeof words / sizeof *words, m->shared_ms, asked, sharing, &sharing->job) == MTS_OK;
}

bool sharing_is_ours(const struct sharing *sharing) { return !sharing->leased || mono(sharing->m) < sharing->leased_until_ms; }

/* A lease that could not be renewed is found lost when it matters. */
static void renewed(void *arg, const struct mts_shared_answer *answer) {
  struct sharing *sharing = arg;
  sharing->renewal = NULL;
  bool kept = answer->err == MTS_OK && answer->count == 1 && mts_span_equals(answer->texts[0], "1");
  if (kept) sharing->leased_until_ms = sharing->renewed_ms + LEASE_MS;
}

void sharing_renew(struct sharing *sharing) {
  struct mts *m = sharing->m;
  if (!sharing->leased || !is_there(m) || sharing->renewal) return;
  struct keys keys = keys_of(sharing->domain);
  char ms[16];
  snprintf(ms, sizeof ms, "%d", LEASE_MS);
  const struct mts_span words[] = {mts_span_of("EVAL"),     mts_span_of(renew_script),   mts_span_of("1"),
                                   mts_span_of(keys.lease), mts_span_of(sharing->token), mts_span_of(ms)};
  sharing->renewed_ms = mono(m);
  m->net->ops->shared(m->net, words, sizeof words / sizeof *words, m->shared_ms, renewed, sharing, &sharing->renewal);
}

/* ---- settling ---- */

static void answered(void *arg, const struct mts_shared_answer *answer) {
  struct sharing *sharing = arg;
  (void)answer; /* what went wrong stands in the log */
  sharing->job = NULL;
  sharing->leased = false;
  sharing->settled(sharing->arg);
}

static int64_t later(int64_t a, int64_t b) { return a > b ? a : b; }

/* done NULL: nobody waits. */
static bool send(struct sharing *sharing, const struct mts_entry *learned, mts_shared_fn done) {
  struct mts *m = sharing->m;
  struct keys keys = keys_of(sharing->domain);
  struct mts_buf bytes = {.limit = ENTRY_BYTES_MAX};
  struct mts_span fields[SHARED_FIELDS] = {{NULL, 0}};
  char at[24] = "", latest[24] = "", keep[24] = "";
  bool written = learned && shared_entry_write(learned, &bytes, fields) == MTS_OK;
  if (written) {
    int64_t ends = later(learned->policy ? learned->expires_at : 0, later(learned->check_at, learned->retry_at));
    int64_t left = later(ends - now(m), 0) + KEEP_S;
    snprintf(latest, sizeof latest, "%" PRId64, newer_latest(learned, now(m)));
    snprintf(keep, sizeof keep, "%" PRId64, 1000 * left);
  }
  snprintf(at, sizeof at, "%" PRId64, now(m));
  const struct mts_span words[] = {mts_span_of("EVAL"),     mts_span_of(settle_script),  mts_span_of("2"),  mts_span_of(keys.entry),
                                   mts_span_of(keys.lease), mts_span_of(sharing->token), mts_span_of(at),   mts_span_of(latest),
                                   mts_span_of(keep),       fields[SHARED_POLICY],       fields[SHARED_ID], fields[SHARED_FETCHED],
                                   fields[SHARED_REFRESH],  fields[SHARED_ATTEMPT]};
  enum mts_err err =
      m->net->ops->shared(m->net, words, sizeof words / sizeof *words, m->shared_ms, done, sharing, done ? &sharing->job : NULL);
  mts_buf_free(&bytes);
  return err == MTS_OK;
}

bool sharing_settle(struct sharing *sharing, const struct mts_entry *learned, void (*settled)(void *arg)) {
  if (!is_there(sharing->m) || is_silent(sharing->m) || (!sharing->leased && !learned)) return false;
  sharing->settled = settled;
  return make_token(sharing) && send(sharing, learned, answered);
}

void sharing_drop(struct sharing *sharing) {
  context_cancel(sharing->m, &sharing->job);
  context_cancel(sharing->m, &sharing->renewal);
  if (sharing->leased && is_there(sharing->m)) send(sharing, NULL, NULL);
  sharing->leased = false;
  mts_entry_clear(&sharing->found);
}
