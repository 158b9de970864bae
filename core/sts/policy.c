/* SPDX-License-Identifier: ISC
 * A policy as a value. Its syntax is in policy_syntax.c. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "sts/match.h"
#include "sts/policy.h"

#define STRINGS_MAX_BYTES (2 * MTS_POLICY_MAX_BYTES)

const char *mts_mode_name(enum mts_mode mode) {
  switch (mode) {
    case MTS_MODE_NONE:
      return "none";
    case MTS_MODE_TESTING:
      return "testing";
    case MTS_MODE_ENFORCE:
      return "enforce";
  }
  return "none";
}

bool mts_mode_from_name(const char *name, enum mts_mode *mode) {
  static const enum mts_mode all[] = {MTS_MODE_NONE, MTS_MODE_TESTING, MTS_MODE_ENFORCE};
  for (size_t i = 0; name && i < sizeof all / sizeof *all; i++) {
    if (strcmp(name, mts_mode_name(all[i])) != 0) continue;
    *mode = all[i];
    return true;
  }
  return false;
}

struct mts_policy *mts_policy_build(enum mts_mode mode, uint64_t max_age_s, const char *strings, size_t bytes, size_t mx_count) {
  if (mx_count > bytes || bytes > SIZE_MAX / 16) return NULL; /* each string has a NUL at least */
  struct mts_policy *p = calloc(1, sizeof *p + mx_count * sizeof(char *) + bytes);
  if (!p) return NULL;
  const char **list = (const char **)(void *)(p + 1);
  char *to = (char *)(void *)(list + mx_count);
  if (bytes) memcpy(to, strings, bytes);
  for (size_t i = 0; i < mx_count; i++) {
    list[i] = to;
    to += strlen(to) + 1;
  }
  p->refs = 1;
  p->mode = mode;
  p->max_age_s = max_age_s > MTS_POLICY_MAX_AGE_S ? MTS_POLICY_MAX_AGE_S : (uint32_t)max_age_s; /* RFC 8461 3.2 */
  p->mx = list;
  p->mx_count = mx_count;
  return p;
}

enum mts_err mts_policy_new(enum mts_mode mode, uint32_t max_age_s, const char *const *mx, size_t mx_count,
                            struct mts_policy **policy) {
  if ((unsigned)mode > MTS_MODE_ENFORCE) return MTS_ERR_POLICY_MODE;
  if (mode != MTS_MODE_NONE && mx_count == 0) return MTS_ERR_POLICY_MX; /* RFC 8461 3.2: at least once */
  struct mts_buf strings = {.limit = STRINGS_MAX_BYTES};
  enum mts_err err = MTS_OK;
  for (size_t i = 0; i < mx_count && !err; i++) {
    char name[MTS_NAME_SIZE];
    err = mts_pattern_normalise(mts_span_of(mx[i]), name);
    if (!err) err = mts_buf_add(&strings, name, strlen(name) + 1);
  }
  struct mts_policy *p = err ? NULL : mts_policy_build(mode, max_age_s, strings.p, strings.n, mx_count);
  if (!err && !p) err = MTS_ERR_NO_MEMORY;
  mts_buf_free(&strings);
  if (!err) *policy = p;
  return err == MTS_ERR_ARGUMENT ? MTS_ERR_POLICY_SIZE : err;
}

struct mts_policy *mts_policy_ref(struct mts_policy *policy) {
  if (policy) policy->refs++;
  return policy;
}

void mts_policy_free(struct mts_policy **policy) {
  if (!policy || !*policy) return;
  if (--(*policy)->refs == 0) free(*policy);
  *policy = NULL;
}
