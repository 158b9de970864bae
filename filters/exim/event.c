/* SPDX-License-Identifier: ISC */
#include "event.h"

#include <string.h>

#include "base/buf.h"
#include "reporters.h"

enum { EVENT_NAME, EVENT_DATA, EVENT_ERRNO, EVENT_DOMAIN, EVENT_HOST, EVENT_ADDRESS, EVENT_INFO };

/* The value of key in "key=value key=value …"; empty: none. */
static struct mts_span value_of(const char *info, const char *key) {
  size_t n = strlen(key);
  for (const char *at = info; *at; at += strspn(at, " ")) {
    size_t length = strcspn(at, " ");
    if (length > n && at[n] == '=' && strncmp(at, key, n) == 0) return mts_span(at + n + 1, length - n - 1);
    at += length;
  }
  return mts_span(NULL, 0);
}

/* $tls_out_certificate_verified is a number whose lowest bit counts. */
static bool is_odd(struct mts_span number) { return number.n && (number.p[number.n - 1] & 1); }

void exim_event_read(int argc, const char *const *argv, struct exim_event *event) {
  const char *info = exim_argument(argc, argv, EVENT_INFO);
  struct mts_span dane = value_of(info, "dane");
  *event = (struct exim_event){
      .name = exim_argument(argc, argv, EVENT_NAME),
      .data = exim_argument(argc, argv, EVENT_DATA),
      .domain = exim_argument(argc, argv, EVENT_DOMAIN),
      .host = exim_argument(argc, argv, EVENT_HOST),
      .address = exim_argument(argc, argv, EVENT_ADDRESS),
      .filtered = mts_span_equals(value_of(info, "mode"), "enforce"),
      .judged = mts_span_equals(value_of(info, "mode"), "enforce") || mts_span_equals(value_of(info, "mode"), "testing"),
      .tls = value_of(info, "cipher").n > 0,
      .verified = is_odd(value_of(info, "cv")),
      .dane = mts_span_equals(dane, "yes"),
      .report = mts_span_equals(value_of(info, "report"), "yes"),
      .sender = value_of(info, "sender"),
      .certificate = value_of(info, "cert")};
  mts_text_clean(event->source, sizeof event->source, value_of(info, "source"));
}

void exim_event_know_reports(struct exim_event *event, const char *senders) {
  event->report |= reporters_have(senders, event->sender);
}
