/* SPDX-License-Identifier: ISC
 * A context that lives in a told world, for tests of lookups. Included by the tests only. */
#ifndef TOLD_WORLD_H
#define TOLD_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "base/buf.h"
#include "fake/fake.h"
#include "mtasts.h"
#include "resolve/context.h"

#define START_MS 1767225600000 /* 2026-01-01T00:00:00Z */
#define DAY_S 86400

struct told {
  struct mts_fake *fake;
  struct mts *m;
};

static inline struct mts *told_context(struct told *told, const char *const *settings) {
  struct mts_settings *s = NULL;
  struct mts *m = NULL;
  assert_int_equal(mts_settings_new(&s), MTS_OK);
  assert_int_equal(mts_settings_set(s, "store", "none"), MTS_OK);
  assert_int_equal(mts_settings_set(s, "log", "none"), MTS_OK);
  for (size_t i = 0; settings && settings[i]; i += 2) assert_int_equal(mts_settings_set(s, settings[i], settings[i + 1]), MTS_OK);
  assert_int_equal(mts_new(s, &m), MTS_OK);
  mts_lend_net(m, mts_fake_net(told->fake));
  mts_settings_free(&s);
  return m;
}

static inline void told_open(struct told *told, const char *const *settings) {
  assert_int_equal(mts_fake_new(START_MS, &told->fake), MTS_OK);
  told->m = told_context(told, settings);
}

static inline void told_close(struct told *told) {
  mts_free(&told->m);
  mts_fake_free(&told->fake);
}

static inline void tell_txt(struct told *told, const char *name, const char *text, uint32_t ttl_s) {
  struct mts_span record = mts_span_of(text);
  assert_int_equal(mts_fake_dns(told->fake, name, MTS_RR_TXT, MTS_OK, &record, 1, ttl_s, MTS_DNSSEC_INSECURE, 0), MTS_OK);
}

static inline void tell_dns_error(struct told *told, const char *name, enum mts_rrtype type, enum mts_err err) {
  assert_int_equal(mts_fake_dns(told->fake, name, type, err, NULL, 0, 60, MTS_DNSSEC_INSECURE, 0), MTS_OK);
}

static inline void tell_records(struct told *told, const char *name, enum mts_rrtype type, enum mts_dnssec dnssec,
                                const char *const *texts) {
  struct mts_span records[8];
  size_t count = 0;
  while (texts[count]) {
    records[count] = mts_span_of(texts[count]);
    count++;
  }
  assert_int_equal(mts_fake_dns(told->fake, name, type, MTS_OK, records, count, 300, dnssec, 0), MTS_OK);
}

static inline void tell_policy(struct told *told, const char *host, const char *body) {
  assert_int_equal(mts_fake_https(told->fake, host, MTS_OK, 200, "text/plain", mts_span_of(body), 0), MTS_OK);
}

static inline void tell_fetch_error(struct told *told, const char *host, enum mts_err err) {
  assert_int_equal(mts_fake_https(told->fake, host, err, 0, NULL, mts_span_of(""), 0), MTS_OK);
}

#define ENFORCE_MX1 "version: STSv1\nmode: enforce\nmx: mx1.a.test\nmax_age: 604800\n"
#define TESTING_MX1 "version: STSv1\nmode: testing\nmx: mx1.a.test\nmax_age: 604800\n"
#define NONE_POLICY "version: STSv1\nmode: none\nmax_age: 86400\n"

/* a.test: record id=1, an enforce policy for mx1, two MX hosts. */
static inline void tell_a_test(struct told *told) {
  tell_txt(told, "_mta-sts.a.test", "v=STSv1; id=1", 300);
  tell_policy(told, "mta-sts.a.test", ENFORCE_MX1);
  tell_records(told, "a.test", MTS_RR_MX, MTS_DNSSEC_INSECURE, (const char *[]){"10 mx1.a.test", "20 mx2.a.test", NULL});
  assert_int_equal(mts_fake_smtp(told->fake, "mx1.a.test", MTS_OK, 0), MTS_OK);
  assert_int_equal(mts_fake_smtp(told->fake, "mx2.a.test", MTS_OK, 0), MTS_OK);
}

static inline struct mts_answer *ask(struct told *told, const char *domain, enum mts_depth depth, enum mts_freshness freshness) {
  struct mts_answer *answer = NULL;
  struct mts_lookup_opts opts = {.depth = depth, .freshness = freshness};
  assert_int_equal(mts_lookup(told->m, domain, &opts, &answer), MTS_OK);
  assert_non_null(answer);
  return answer;
}

static inline struct mts_answer *ask_policy(struct told *told, const char *domain) {
  return ask(told, domain, MTS_DEPTH_POLICY, MTS_CHECK_DUE);
}

static inline void pass_s(struct told *told, int64_t seconds) { mts_fake_advance(told->fake, seconds * 1000); }
static inline size_t txt_count(const struct told *told) { return mts_fake_count_dns(told->fake, "_mta-sts.a.test", MTS_RR_TXT); }
static inline size_t get_count(const struct told *told) { return mts_fake_count_https(told->fake, "mta-sts.a.test"); }

static inline void run_out(struct told *told) {
  while (mts_turn(told->m, -1)) continue;
}

#endif
