/* SPDX-License-Identifier: ISC
 * Times as RFC 3339 5.6 writes them, and as others do where they cannot be misread. */
#include "tlsrpt/report.h"

struct cursor {
  struct mts_span rest;
};

static bool digits(struct cursor *c, size_t n, int *value) {
  if (c->rest.n < n) return false;
  *value = 0;
  for (size_t i = 0; i < n; i++) {
    if (c->rest.p[i] < '0' || c->rest.p[i] > '9') return false;
    *value = *value * 10 + (c->rest.p[i] - '0');
  }
  c->rest.p += n;
  c->rest.n -= n;
  return true;
}

static char next(const struct cursor *c) { return c->rest.n ? c->rest.p[0] : '\0'; }

static bool sign(struct cursor *c, char wanted) {
  if (next(c) != wanted) return false;
  c->rest.p++;
  c->rest.n--;
  return true;
}

/* Days since 1970-01-01 in the Gregorian calendar; false: there is no such day. */
static bool day_of(int year, int month, int day, int64_t *days) {
  static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  if (month < 1 || month > 12 || day < 1 || day > lengths[month - 1] + (leap && month == 2 ? 1 : 0)) return false;
  int shifted = month <= 2 ? year - 1 : year, of_era = shifted % 400;
  int of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  *days = (int64_t)(shifted / 400) * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
  return true;
}

/* Z, or how far the zone is ahead of UTC, in seconds. */
static bool zone(struct cursor *c, int *ahead, const char **code, const char **why) {
  int hours = 0, minutes = 0;
  *ahead = 0;
  if (c->rest.n == 0) {
    *code = "report-time-zone";
    *why = "the zone is missing, UTC is meant: write Z behind it";
    return true;
  }
  if (sign(c, 'Z') || sign(c, 'z')) return true;
  bool west = next(c) == '-';
  if (!sign(c, '+') && !sign(c, '-')) return false;
  if (!digits(c, 2, &hours)) return false;
  if (!sign(c, ':')) *code = "report-time", *why = "a zone is written +hh:mm";
  if (!digits(c, 2, &minutes) || hours > 23 || minutes > 59) return false;
  *ahead = (hours * 60 + minutes) * (west ? -60 : 60);
  return true;
}

static bool clock_time(struct cursor *c, int64_t *seconds) {
  int hour = 0, minute = 0, second = 0, fraction = 0;
  if (!digits(c, 2, &hour) || !sign(c, ':') || !digits(c, 2, &minute) || !sign(c, ':') || !digits(c, 2, &second)) return false;
  if (hour == 24 && (minute || second)) return false;
  if (hour > 24 || minute > 59 || second > 60) return false;
  if (sign(c, '.')) {
    if (!digits(c, 1, &fraction)) return false;
    while (digits(c, 1, &fraction)) continue;
  }
  *seconds = hour * 3600 + minute * 60 + second;
  return true;
}

bool report_time_parse(struct mts_span text, bool is_end, int64_t *at, const char **code, const char **why) {
  struct cursor c = {text};
  int year = 0, month = 0, day = 0, ahead = 0;
  int64_t days = 0, seconds = 0;
  uint64_t unix_seconds = 0;
  *code = *why = NULL;
  if (text.n >= 9 && mts_number_parse(text, INT64_C(253402300799), &unix_seconds)) {
    *at = (int64_t)unix_seconds;
    *code = "report-time";
    *why = "Unix seconds: write YYYY-MM-DDThh:mm:ssZ";
    return true;
  }
  if (!digits(&c, 4, &year) || !sign(&c, '-') || !digits(&c, 2, &month) || !sign(&c, '-') || !digits(&c, 2, &day)) return false;
  if (year < 1970 || !day_of(year, month, day, &days)) return false;
  if (c.rest.n == 0) {
    *at = days * 86400 + (is_end ? 86399 : 0);
    *code = "report-time";
    *why = "a day without a time of day: write YYYY-MM-DDThh:mm:ssZ";
    return true;
  }
  if (!sign(&c, 'T') && !sign(&c, 't')) {
    if (!sign(&c, ' ')) return false;
    *code = "report-time";
    *why = "a T stands between day and time";
  }
  if (!clock_time(&c, &seconds)) return false;
  if (seconds == 86400) *code = "report-time", *why = "an hour 24 does not exist in RFC 3339";
  while (next(&c) == ' ') sign(&c, ' '), *code = "report-time", *why = "blanks have no place in a time";
  if (!zone(&c, &ahead, code, why) || c.rest.n) return false;
  *at = days * 86400 + seconds - ahead;
  return *at > 0;
}
