/* SPDX-License-Identifier: ISC
 * Any bytes: no crash, and what is taken holds its promises. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "mtasts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Without control characters, and not longer than \xNN makes it. */
static void check_text(const char *text) {
  if (!text) return;
  if (!*text || strlen(text) > 4 * (size_t)MTS_REPORT_MAX_TEXT) abort();
  for (; *text; text++)
    if ((unsigned char)*text < 0x20 || *text == 0x7f) abort();
}

static void check_count(int64_t count) {
  if (count < MTS_REPORT_UNKNOWN || count > MTS_REPORT_COUNT_MAX) abort();
}

static void check_policy(const struct mts_report_policy *p) {
  const char *const texts[] = {p->type, p->domain};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check_text(texts[i]);
  for (size_t i = 0; i < p->line_count; i++) check_text(p->lines[i]);
  for (size_t i = 0; i < p->pattern_count; i++) check_text(p->patterns[i]);
  check_count(p->successful);
  check_count(p->failed);
  for (size_t i = 0; i < p->failure_count; i++) {
    const struct mts_report_failure *f = &p->failures[i];
    const char *const all[] = {f->result, f->source, f->mx, f->helo, f->address, f->info, f->reason};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) check_text(all[k]);
    check_count(f->count);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const struct mts_span in = mts_span((const char *)data, size);
  struct mts_report *r = NULL;
  struct mts_findings findings = {0};
  enum mts_err strict = mts_report_parse(in, MTS_PROFILE_STRICT, &r, &findings);
  if ((strict == MTS_OK) != findings.strict) abort(); /* the two say the same */
  mts_report_free(&r);
  enum mts_err err = mts_report_parse(in, MTS_PROFILE_DEFAULT, &r, &findings);
  if (strict == MTS_OK && err != MTS_OK) abort();    /* the default never refuses what strict takes */
  if (err != MTS_OK && findings.count == 0) abort(); /* and tells why */
  if (r) {
    check_text(r->organization);
    check_text(r->contact);
    check_text(r->id);
    if (r->begins_at < 0 || r->ends_at < 0) abort();
    for (size_t i = 0; i < r->policy_count; i++) check_policy(&r->policies[i]);
  }
  mts_report_free(&r);
  mts_findings_free(&findings);
  return 0;
}
