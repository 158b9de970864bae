/* SPDX-License-Identifier: ISC
 * Any bytes: no crash, and what is taken holds its promises. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/name.h"
#include "mtasts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const struct mts_span in = mts_span((const char *)data, size);
  struct mts_policy *p = NULL;
  struct mts_findings findings = {0};
  enum mts_err strict = mts_policy_parse(in, MTS_PROFILE_STRICT, &p, &findings);
  if ((strict == MTS_OK) != findings.strict) abort(); /* the two say the same */
  mts_policy_free(&p);
  enum mts_err err = mts_policy_parse(in, MTS_PROFILE_DEFAULT, &p, &findings);
  if (strict == MTS_OK && err != MTS_OK) abort(); /* the default never refuses what strict takes */
  if (p)
    for (size_t i = 0; i < p->mx_count; i++)
      if (p->mx[i][0] != 0x2a && !mts_mx_matches(p->mx[i], p->mx[i])) abort();
  mts_policy_free(&p);
  mts_findings_free(&findings);
  return 0;
}
