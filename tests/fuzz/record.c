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
  struct mts_record r = {{0}};
  struct mts_findings findings = {0};
  enum mts_err err = mts_record_parse(in, &r, &findings);
  if ((err == MTS_OK) != findings.strict || (err == MTS_OK && !r.id[0])) abort();
  mts_record_select(&in, 1, &r, &findings);
  mts_findings_free(&findings);
  return 0;
}
