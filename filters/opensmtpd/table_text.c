/* SPDX-License-Identifier: ISC
 * The text protocol of tables: a line per request, fields between bars, only the last field may hold a bar. */
#include <string.h>

#include "request.h"

#define ID_MAX 64 /* smtpd's ids have 8 or 16 digits */

const char table_text_register[] = "register|domain\nregister|relayhost\nregister|ready\n";

static const char text_begin[] = "config|";

bool table_is_text(struct mts_span bytes, bool *is_text) {
  size_t n = bytes.n < sizeof text_begin - 1 ? bytes.n : sizeof text_begin - 1;
  bool same = n == 0 || memcmp(bytes.p, text_begin, n) == 0;
  if (same && n < sizeof text_begin - 1) return false;
  *is_text = same;
  return true;
}

/* Takes the next field off line; the last one is taken whole by the caller. */
static bool take(struct mts_span *line, struct mts_span *field) {
  const char *bar = line->n ? memchr(line->p, '|', line->n) : NULL;
  if (!bar) return false;
  *field = mts_span(line->p, (size_t)(bar - line->p));
  *line = mts_span(bar + 1, line->n - field->n - 1);
  return true;
}

static enum table_service service_of(struct mts_span name) {
  if (mts_span_equals(name, "domain")) return TABLE_SERVICE_DOMAIN;
  if (mts_span_equals(name, "relayhost")) return TABLE_SERVICE_RELAYHOST;
  return TABLE_SERVICE_OTHER;
}

/* It is given back to smtpd as it came: nothing in it may break a line or a field. */
static bool valid_id(struct mts_span id) {
  for (size_t i = 0; i < id.n; i++) {
    if (id.p[i] <= ' ' || id.p[i] > '~' || id.p[i] == '|') return false;
  }
  return id.n > 0 && id.n <= ID_MAX;
}

/* rest: SERVICE|ID|KEY */
static bool take_question(struct mts_span rest, struct table_request *request) {
  struct mts_span service;
  if (!take(&rest, &service) || !take(&rest, &request->id)) return false;
  request->service = service_of(service);
  request->key = rest;
  return valid_id(request->id);
}

/* rest: SERVICE|ID, and what later versions may add */
static bool take_fetch(struct mts_span rest, struct table_request *request) {
  struct mts_span service, id;
  if (!take(&rest, &service)) return false;
  request->service = service_of(service);
  request->id = take(&rest, &id) ? id : rest;
  return valid_id(request->id);
}

bool table_text_parse(struct mts_span line, struct table_request *request) {
  struct mts_span rest = line, word, field;
  *request = (struct table_request){.op = TABLE_NOTHING};
  if (!take(&rest, &word)) return false;
  if (mts_span_equals(word, "config")) {
    if (mts_span_equals(rest, "ready")) request->op = TABLE_READY;
    return true;
  }
  /* table|VERSION|TIME|NAME|OPERATION|... */
  if (!mts_span_equals(word, "table") || !take(&rest, &field) || !take(&rest, &field) || !take(&rest, &field)) return false;
  if (!take(&rest, &word)) return false;
  struct table_request found = {.op = TABLE_NOTHING};
  bool good = false;
  if (mts_span_equals(word, "check") || mts_span_equals(word, "lookup")) {
    found.op = mts_span_equals(word, "check") ? TABLE_CHECK : TABLE_LOOKUP;
    good = take_question(rest, &found);
  } else if (mts_span_equals(word, "fetch")) {
    found.op = TABLE_FETCH;
    good = take_fetch(rest, &found);
  } else if (mts_span_equals(word, "update")) {
    found.op = TABLE_UPDATE;
    found.id = take(&rest, &field) ? field : rest;
    good = valid_id(found.id);
  }
  if (good) *request = found;
  return good;
}

static const char *answer_word(enum table_op op) {
  switch (op) {
    case TABLE_CHECK:
      return "check";
    case TABLE_LOOKUP:
      return "lookup";
    case TABLE_FETCH:
      return "fetch";
    case TABLE_UPDATE:
      return "update";
    case TABLE_NOTHING:
    case TABLE_READY:
    case TABLE_OPEN:
    case TABLE_CLOSE:
      break;
  }
  return NULL;
}

enum mts_err table_text_answer(const struct table_request *request, enum table_result result, const char *value,
                               struct mts_buf *out) {
  if (request->op == TABLE_READY) return mts_buf_add(out, table_text_register, strlen(table_text_register));
  const char *word = answer_word(request->op);
  if (!word) return MTS_ERR_ARGUMENT;
  char clean[TABLE_VALUE_MAX];
  mts_text_clean(clean, sizeof clean, mts_span_of(value));
  int id = (int)request->id.n;
  if (result == TABLE_ERROR) {
    return mts_buf_addf(out, "%s-result|%.*s|error|%s\n", word, id, request->id.p, clean[0] ? clean : "temporary failure");
  }
  if (request->op == TABLE_UPDATE) return mts_buf_addf(out, "update-result|%.*s|ok\n", id, request->id.p);
  if (result == TABLE_NOT_FOUND) return mts_buf_addf(out, "%s-result|%.*s|not-found\n", word, id, request->id.p);
  if (request->op == TABLE_CHECK) return mts_buf_addf(out, "check-result|%.*s|found\n", id, request->id.p);
  return mts_buf_addf(out, "%s-result|%.*s|found|%s\n", word, id, request->id.p, clean);
}
