/* SPDX-License-Identifier: ISC
 * Domain names and destinations, normalised once. */
#include "base/name.h"

#include <idn2.h>
#include <string.h>

#include "base/buf.h"

#define NAME_MAX_BYTES 253 /* RFC 1035 2.3.4, as text without the last dot */
#define LABEL_MAX_BYTES 63
#define UNICODE_MAX_BYTES 1024 /* longest text worth handing to libidn2 */

enum { LDH = 1, UPPER = 2, DIGIT = 4, UNDERSCORE = 8, HIGH = 16 };

static unsigned class_of(unsigned char c) {
  if (c >= 'a' && c <= 'z') return LDH;
  if (c >= '0' && c <= '9') return LDH | DIGIT;
  if (c == '-') return LDH;
  if (c >= 'A' && c <= 'Z') return LDH | UPPER;
  if (c == '_') return UNDERSCORE;
  return c >= 0x80 ? HIGH : 0;
}

static bool is_a_label(const char *p, size_t n) {
  return n >= 4 && (p[0] | 0x20) == 'x' && (p[1] | 0x20) == 'n' && p[2] == '-' && p[3] == '-';
}

struct shape {
  bool upper, a_label;
};

/* ASCII without the last dot: are these labels of letters, digits and hyphens (RFC 5321 4.1.2)? */
static enum mts_err check_labels(struct mts_span t, bool underscore, struct shape *shape) {
  *shape = (struct shape){false, false};
  size_t begin = 0;
  bool numeric = true;
  for (size_t i = 0; i <= t.n; i++) {
    if (i < t.n && t.p[i] != '.') {
      unsigned class = class_of((unsigned char)t.p[i]);
      if (!(class & LDH) && !(underscore && class == UNDERSCORE)) return MTS_ERR_NAME_SYNTAX;
      if (class & UPPER) shape->upper = true;
      if (!(class & DIGIT)) numeric = false;
      continue;
    }
    size_t n = i - begin;
    if (n == 0 || t.p[begin] == '-' || t.p[i - 1] == '-') return MTS_ERR_NAME_SYNTAX;
    if (n > LABEL_MAX_BYTES) return MTS_ERR_NAME_LONG;
    if (is_a_label(t.p + begin, n)) shape->a_label = true;
    if (i == t.n && numeric) return MTS_ERR_NAME_SYNTAX; /* RFC 3696 2: not all digits, else it reads like an address */
    begin = i + 1;
    numeric = true;
  }
  return t.n > NAME_MAX_BYTES ? MTS_ERR_NAME_LONG : MTS_OK;
}

static void copy_lower(char name[MTS_NAME_SIZE], struct mts_span t) {
  for (size_t i = 0; i < t.n; i++) name[i] = (char)(class_of((unsigned char)t.p[i]) & UPPER ? t.p[i] | 0x20 : t.p[i]);
  name[t.n] = '\0';
}

static enum mts_err idn_error(int rc) {
  if (rc == IDN2_MALLOC) return MTS_ERR_NO_MEMORY;
  return rc == IDN2_TOO_BIG_LABEL || rc == IDN2_TOO_BIG_DOMAIN ? MTS_ERR_NAME_LONG : MTS_ERR_NAME_SYNTAX;
}

/* U-labels to A-labels: IDNA 2008 with the mappings of UTS 46, non-transitional. */
static enum mts_err to_a_labels(const char *text, bool underscore, char name[MTS_NAME_SIZE], struct shape *shape) {
  uint8_t *ascii = NULL;
  int rc = idn2_lookup_u8((const uint8_t *)text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
  if (rc != IDN2_OK) return idn_error(rc);
  struct mts_span t = mts_span_of((const char *)ascii);
  if (t.n && t.p[t.n - 1] == '.') t.n--; /* an ideographic full stop at the end */
  enum mts_err err = t.n == 0 ? MTS_ERR_NAME_EMPTY : check_labels(t, underscore, shape);
  if (!err) copy_lower(name, t);
  idn2_free(ascii);
  return err;
}

/* Each A-label must be what its U-label gives again (RFC 5890 2.3.2.1). */
static enum mts_err check_a_labels(const char name[MTS_NAME_SIZE]) {
  char *unicode = NULL, again[MTS_NAME_SIZE];
  int rc = idn2_to_unicode_8z8z(name, &unicode, 0);
  if (rc != IDN2_OK) return idn_error(rc);
  struct shape shape;
  enum mts_err err = to_a_labels(unicode, true, again, &shape);
  if (!err && strcmp(name, again) != 0) err = MTS_ERR_NAME_SYNTAX;
  idn2_free(unicode);
  return err;
}

static enum mts_err normalise(struct mts_span text, bool host, char name[MTS_NAME_SIZE]) {
  struct mts_span t = text;
  if (t.n && t.p[t.n - 1] == '.') t.n--;
  if (t.n == 0) return MTS_ERR_NAME_EMPTY;
  char result[MTS_NAME_SIZE];
  struct shape shape;
  bool high = false;
  for (size_t i = 0; i < t.n && !high; i++) high = (unsigned char)t.p[i] >= 0x80;
  enum mts_err err;
  if (high) {
    char copy[UNICODE_MAX_BYTES + 1];
    if (t.n > UNICODE_MAX_BYTES) return MTS_ERR_NAME_LONG;
    if (memchr(t.p, '\0', t.n)) return MTS_ERR_NAME_SYNTAX;
    memcpy(copy, t.p, t.n);
    copy[t.n] = '\0';
    err = to_a_labels(copy, host, result, &shape);
  } else {
    err = check_labels(t, host, &shape);
    if (!err) copy_lower(result, t);
  }
  if (!err && shape.a_label && !host) err = check_a_labels(result);
  if (!err) memcpy(name, result, strlen(result) + 1);
  return err;
}

enum mts_err mts_name_normalise(struct mts_span text, char name[MTS_NAME_SIZE]) { return normalise(text, false, name); }
enum mts_err mts_name_normalise_host(struct mts_span text, char name[MTS_NAME_SIZE]) { return normalise(text, true, name); }

bool mts_name_is_normal(struct mts_span text) {
  struct shape shape;
  if (text.n == 0 || text.n > NAME_MAX_BYTES || check_labels(text, false, &shape) != MTS_OK || shape.upper) return false;
  if (!shape.a_label) return true;
  char name[MTS_NAME_SIZE];
  copy_lower(name, text);
  return check_a_labels(name) == MTS_OK;
}
