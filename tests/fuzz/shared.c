/* SPDX-License-Identifier: ISC
 * Whatever stands in the shared store, or in its URL: no crash, no time beyond our own rules, nothing that cannot be printed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"
#include "base/shared_url.h"
#include "resolve/life.h"
#include "resolve/shared_delivery.h"
#include "resolve/shared_entry.h"

#define NOW INT64_C(1800000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
  if (!holds) abort();
}

static bool is_printable(const char *text) {
  for (; *text; text++)
    if (*text < 0x20 || *text > 0x7e) return false;
  return true;
}

static void read_entry(const struct mts_span fields[SHARED_FIELDS]) {
  struct mts_entry entry = {.domain = "a.test"};
  if (shared_entry_read(fields, MTS_PROFILE_DEFAULT, NOW, &entry) == MTS_OK) {
    check(entry.fetched_at <= NOW && entry.checked_at <= NOW && entry.failed_at <= NOW && entry.check_at <= NOW + LIFE_FAR_S);
    check(!entry.policy || entry.expires_at == entry.fetched_at + entry.policy->max_age_s);
    check(entry.refresh_at <= NOW + LIFE_FAR_S && is_printable(entry.detail) && is_printable(entry.id));
    struct mts_buf bytes = {.limit = 1 << 20};
    struct mts_span again[SHARED_FIELDS];
    struct mts_entry read = {.domain = "a.test"};
    check(shared_entry_write(&entry, &bytes, again) == MTS_OK);
    enum mts_err err = shared_entry_read(again, MTS_PROFILE_DEFAULT, NOW, &read);
    check(err == MTS_OK || again[SHARED_ATTEMPT].n == 0 || !entry.policy);
    mts_entry_clear(&read);
    mts_buf_free(&bytes);
  }
  mts_entry_clear(&entry);
}

static void read_delivery(struct mts_span text) {
  struct mts_delivery delivery, again;
  struct mts_buf written = {.limit = 4096};
  shared_delivery_read(text, 20000, "a.test", &delivery);
  check(strcmp(delivery.domain, "a.test") == 0 && is_printable(delivery.owner) && is_printable(delivery.uri) &&
        is_printable(delivery.detail) && is_printable(delivery.id));
  check(shared_delivery_write(&delivery, &written) == MTS_OK);
  shared_delivery_read(mts_span(written.p, written.n), 20000, "a.test", &again);
  check(again.state == delivery.state && again.until_ms == delivery.until_ms && strcmp(again.uri, delivery.uri) == 0);
  mts_buf_free(&written);
}

static void read_url(struct mts_span text) {
  struct mts_shared_url url;
  char *copy = mts_span_copy(text), shown[64];
  if (!copy) return;
  if (!mts_shared_url_parse(copy, &url)) {
    check((url.path[0] == '/') != (url.host[0] != 0) && (url.path[0] || url.port));
    mts_shared_url_show(copy, shown, sizeof shown);
  }
  free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mts_span fields[SHARED_FIELDS] = {{"", 0}}, rest = mts_span((const char *)data, size);
  for (size_t i = 0; i < SHARED_FIELDS; i++) {
    const char *end = rest.n ? memchr(rest.p, 1, rest.n) : NULL;
    fields[i] = mts_span(rest.p ? rest.p : "", end ? (size_t)(end - rest.p) : rest.n);
    rest = end ? mts_span(end + 1, rest.n - fields[i].n - 1) : mts_span("", 0);
  }
  read_entry(fields);
  read_delivery(mts_span(size ? (const char *)data : "", size));
  read_url(mts_span((const char *)data, size));
  return 0;
}
