/* SPDX-License-Identifier: ISC
 * Domain names, normalised once. */
#include "base/name.h"

#include <idn2.h>
#include <string.h>

#include "base/buf.h"

#define NAME_MAX_BYTES 253 /* RFC 1035 2.3.4, as text without the last dot */
#define LABEL_MAX_BYTES 63
#define UNICODE_MAX_BYTES 1024 /* longest text worth handing to libidn2 */

enum { LDH = 1, UPPER = 2, DIGIT = 4, IN_HOSTS = 8 };

/* A table: each byte of each name is looked up in it. */
#define L (LDH | IN_HOSTS)
#define U (LDH | IN_HOSTS | UPPER)
#define D (LDH | IN_HOSTS | DIGIT)
static const unsigned char classes[256] = {
    ['a'] = L, ['b'] = L, ['c'] = L, ['d'] = L, ['e'] = L, ['f'] = L, ['g'] = L, ['h'] = L, ['i'] = L,       ['j'] = L, ['k'] = L,
    ['l'] = L, ['m'] = L, ['n'] = L, ['o'] = L, ['p'] = L, ['q'] = L, ['r'] = L, ['s'] = L, ['t'] = L,       ['u'] = L, ['v'] = L,
    ['w'] = L, ['x'] = L, ['y'] = L, ['z'] = L, ['A'] = U, ['B'] = U, ['C'] = U, ['D'] = U, ['E'] = U,       ['F'] = U, ['G'] = U,
    ['H'] = U, ['I'] = U, ['J'] = U, ['K'] = U, ['L'] = U, ['M'] = U, ['N'] = U, ['O'] = U, ['P'] = U,       ['Q'] = U, ['R'] = U,
    ['S'] = U, ['T'] = U, ['U'] = U, ['V'] = U, ['W'] = U, ['X'] = U, ['Y'] = U, ['Z'] = U, ['0'] = D,       ['1'] = D, ['2'] = D,
    ['3'] = D, ['4'] = D, ['5'] = D, ['6'] = D, ['7'] = D, ['8'] = D, ['9'] = D, ['-'] = L, ['_'] = IN_HOSTS};
#undef L
#undef U
#undef D
static unsigned class_of(unsigned char c) { return classes[c]; }

/* ASCII without the last dot: are these labels of letters, digits and hyphens (RFC 5321 4.1.2)? An A-label is one as it stands: mail
 * goes to names that IDNA 2008 does not know (emoji), and refusing them would only mean no protection. */
static enum mts_err check_labels(struct mts_span t, bool underscore, bool *upper) {
  const unsigned wanted = underscore ? IN_HOSTS : LDH;
  unsigned any = 0;
  for (size_t i = 0;; i++) {
    size_t begin = i;
    unsigned all = ~0u;
    for (; i < t.n && t.p[i] != '.'; i++) {
      unsigned class = class_of((unsigned char)t.p[i]);
      any |= class;
      all &= class;
    }
    size_t n = i - begin;
    if (n == 0 || !(all & wanted) || t.p[begin] == '-' || t.p[i - 1] == '-') return MTS_ERR_NAME_SYNTAX;
    if (n > LABEL_MAX_BYTES) return MTS_ERR_NAME_LONG;
    if (i < t.n) continue;
    if (all & DIGIT) return MTS_ERR_NAME_SYNTAX; /* RFC 3696 2: not all digits, else it reads like an address */
    *upper = any & UPPER;
    return t.n > NAME_MAX_BYTES ? MTS_ERR_NAME_LONG : MTS_OK;
  }
}

static void copy_lower(char name[MTS_NAME_SIZE], struct mts_span t) {
  for (size_t i = 0; i < t.n; i++) name[i] = (char)(class_of((unsigned char)t.p[i]) & UPPER ? t.p[i] | 0x20 : t.p[i]);
  name[t.n] = '\0';
}

static enum mts_err idn_error(int rc) {
  if (rc == IDN2_MALLOC) return MTS_ERR_NO_MEMORY;
  bool is_long = rc == IDN2_TOO_BIG_LABEL || rc == IDN2_TOO_BIG_DOMAIN || rc == IDN2_PUNYCODE_BIG_OUTPUT;
  return is_long ? MTS_ERR_NAME_LONG : MTS_ERR_NAME_SYNTAX;
}

/* Length of the full stop at p: ASCII or one of those UTS 46 maps to it (U+3002, U+FF0E, U+FF61); 0 if there is none. */
static size_t dot_length(struct mts_span t) {
  static const char *const dots[] = {".", "\xe3\x80\x82", "\xef\xbc\x8e", "\xef\xbd\xa1"};
  for (size_t i = 0; i < sizeof dots / sizeof *dots; i++)
    if (mts_span_begins(t, dots[i])) return strlen(dots[i]);
  return 0;
}

/* Adds one label: ASCII as it stands, a U-label by IDNA 2008 with the mappings of UTS 46, non-transitional. */
static enum mts_err add_label(struct mts_span label, struct mts_buf *to) {
  char copy[UNICODE_MAX_BYTES + 1];
  bool high = false;
  for (size_t i = 0; i < label.n && !high; i++) high = (unsigned char)label.p[i] >= 0x80;
  enum mts_err err;
  if (!high) {
    err = mts_buf_add(to, label.p, label.n);
  } else {
    uint8_t *ascii = NULL;
    memcpy(copy, label.p, label.n);
    copy[label.n] = '\0';
    int rc = idn2_lookup_u8((const uint8_t *)copy, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (rc != IDN2_OK) return idn_error(rc);
    err = mts_buf_add(to, ascii, strlen((const char *)ascii));
    idn2_free(ascii);
  }
  return err;
}

/* Whatever stands between dots becomes ASCII; what libidn2 gives is checked like any other name. */
static enum mts_err to_a_labels(struct mts_span t, bool underscore, char name[MTS_NAME_SIZE]) {
  struct mts_buf ascii = {.limit = NAME_MAX_BYTES + 1}; /* and a last dot */
  if (t.n > UNICODE_MAX_BYTES) return MTS_ERR_NAME_LONG;
  if (memchr(t.p, '\0', t.n)) return MTS_ERR_NAME_SYNTAX;
  enum mts_err err = MTS_OK;
  for (size_t begin = 0, i = 0; i <= t.n && !err; i++) {
    size_t dot = i < t.n ? dot_length(mts_span(t.p + i, t.n - i)) : 0;
    if (i < t.n && dot == 0) continue;
    err = add_label(mts_span(t.p + begin, i - begin), &ascii);
    if (!err && dot) err = mts_buf_add(&ascii, ".", 1);
    begin = i + dot;
    if (dot) i = begin - 1;
  }
  struct mts_span a = mts_span(ascii.p, ascii.n);
  if (a.n && a.p[a.n - 1] == '.') a.n--; /* the one at the end */
  bool upper;
  if (err == MTS_ERR_ARGUMENT) err = MTS_ERR_NAME_LONG;
  if (!err) err = a.n == 0 ? MTS_ERR_NAME_EMPTY : check_labels(a, underscore, &upper);
  if (!err) copy_lower(name, a);
  mts_buf_free(&ascii);
  return err;
}

static enum mts_err normalise(struct mts_span text, bool host, char name[MTS_NAME_SIZE]) {
  struct mts_span t = text;
  if (t.n && t.p[t.n - 1] == '.') t.n--;
  if (t.n == 0) return MTS_ERR_NAME_EMPTY;
  bool upper = false;
  enum mts_err err = check_labels(t, host, &upper);
  if (!err && !upper) { /* most names are as they should be */
    memcpy(name, t.p, t.n);
    name[t.n] = '\0';
    return MTS_OK;
  }
  for (size_t i = 0; i < t.n; i++)
    if ((unsigned char)t.p[i] >= 0x80) return to_a_labels(text, host, name);
  if (!err) copy_lower(name, t);
  return err;
}

enum mts_err mts_name_normalise(struct mts_span text, char name[MTS_NAME_SIZE]) { return normalise(text, false, name); }
enum mts_err mts_name_normalise_host(struct mts_span text, char name[MTS_NAME_SIZE]) { return normalise(text, true, name); }

bool mts_name_is_normal(struct mts_span text) {
  bool upper;
  return text.n != 0 && text.n <= NAME_MAX_BYTES && check_labels(text, false, &upper) == MTS_OK && !upper;
}
