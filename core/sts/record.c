/* SPDX-License-Identifier: ISC
 * The TXT record _mta-sts (RFC 8461 3.1). */
#include <string.h>

#include "base/fields.h"

#define VERSION "v=STSv1"

static bool id_fits(struct mts_fields *f) {
  size_t column = f->column + f->name.n + 1;
  if (f->value.n < 1 || f->value.n >= MTS_ID_SIZE) {
    mts_note(f->notes, "record-id", true, 1, column, "the id has %zu characters, 1 to 32 are allowed", f->value.n);
    return false;
  }
  for (size_t i = 0; i < f->value.n; i++) {
    if (mts_is_alnum(f->value.p[i])) continue;
    mts_note(f->notes, "record-id", true, 1, column + i, "the id may have letters and digits only, not byte 0x%02x",
             (unsigned)(unsigned char)f->value.p[i]);
    return false;
  }
  return true;
}

static bool parse(struct mts_span text, struct mts_record *record, struct mts_notes *notes) {
  struct mts_fields f;
  struct mts_record r = {{0}};
  if (!mts_fields_begin(&f, text, VERSION, "record-syntax", notes)) return false;
  while (mts_fields_next(&f)) {
    /* A second id that is no id still fits sts-extension. */
    if (mts_span_equals(f.name, "id")) {
      if (r.id[0]) {
        mts_note(notes, "record-repeated-field", false, 1, f.column, "a second id: only the first one counts");
        if (!mts_fields_ext_value(&f)) return false;
        continue;
      }
      if (!id_fits(&f)) return false;
      memcpy(r.id, f.value.p, f.value.n);
      continue;
    }
    if (!mts_fields_ext_value(&f)) return false;
  }
  if (!notes->strict) return false;
  if (!r.id[0]) {
    mts_note(notes, "record-id", true, 1, text.n + 1, "no id: add \"id=\" with letters and digits, and change it with each policy");
    return false;
  }
  *record = r;
  return true;
}

enum mts_err mts_record_parse(struct mts_span text, struct mts_record *record, struct mts_findings *findings) {
  struct mts_notes notes;
  mts_notes_begin(&notes, findings);
  bool fits = parse(text, record, &notes);
  mts_notes_end(&notes);
  return fits ? MTS_OK : MTS_ERR_RECORD_SYNTAX;
}

enum mts_err mts_record_select(const struct mts_span *texts, size_t count, struct mts_record *record,
                               struct mts_findings *findings) {
  struct mts_span only = {0};
  /* RFC 8461 3.1: exactly "v=STSv1;", without blanks. */
  size_t left = mts_fields_pick(texts, count, VERSION ";", &only);
  if (left == 1 && !(count == 1 && !mts_span_begins(only, VERSION))) return mts_record_parse(only, record, findings);
  struct mts_notes notes;
  mts_notes_begin(&notes, findings);
  if (left > 1) mts_note(&notes, "record-several", true, 1, 1, "%zu records begin with \"v=STSv1;\": keep one", left);
  if (left <= 1) mts_note(&notes, "record-none", true, 1, 1, "no record begins with \"v=STSv1;\"");
  mts_notes_end(&notes);
  return left > 1 ? MTS_ERR_RECORD_SEVERAL : MTS_ERR_RECORD_NONE;
}
