/* SPDX-License-Identifier: ISC */
#include "protocol.h"

const char *refusal_text(enum refusal refusal) {
  static const char *const texts[] = {[REFUSAL_BROKEN] = "this is no request",
                                      [REFUSAL_BUSY] = "too many requests are under way",
                                      [REFUSAL_OVERDUE] = "the deadline passed",
                                      [REFUSAL_MEMORY] = "out of memory"};
  return refusal < REFUSAL_COUNT ? texts[refusal] : "";
}
