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
  struct mts_destination d, again;
  char host[MTS_NAME_SIZE];
  if (mts_destination_parse(in, &d) == MTS_OK && d.kind != MTS_DEST_LITERAL) {
    if (!mts_name_is_normal(mts_span_of(d.domain))) abort();
    if (mts_destination_parse(mts_span_of(d.domain), &again) != MTS_OK || strcmp(d.domain, again.domain) != 0) abort();
  }
  mts_name_normalise_host(in, host);
  return 0;
}
