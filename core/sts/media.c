/* SPDX-License-Identifier: ISC
 * The media type of a policy (RFC 8461 3.2, RFC 9110 8.3.1). */
#include <string.h>
#include <strings.h>

#include "mtasts.h"

bool mts_media_type_is_text(const char *content_type) {
  static const char want[] = "text/plain";
  if (!content_type) return false;
  const char *p = content_type + strspn(content_type, " \t");
  if (strncasecmp(p, want, sizeof want - 1) != 0) return false;
  p += sizeof want - 1;
  p += strspn(p, " \t");
  return *p == '\0' || *p == ';';
}
