/* SPDX-License-Identifier: ISC */
#include "filter_line.h"

#include <string.h>

#define ORDER_CHANGED 6 /* 0.6: result before address */
#define TOKEN_FIRST 5   /* before 0.5: filter-result|TOKEN|SESSION */

const char filter_ready[] = "register|ready\n";

static const char *const phases[] = {[FILTER_PHASE_UNKNOWN] = NULL,
#define X(code, name) [FILTER_PHASE_##code] = (name),
                                     FILTER_PHASES(X)
#undef X
};
static const char *const events[] = {[FILTER_EVENT_UNKNOWN] = NULL,
#define X(code, name) [FILTER_EVENT_##code] = (name),
                                     FILTER_EVENTS(X)
#undef X
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

const char *filter_phase_name(enum filter_phase phase) { return phases[phase]; }
const char *filter_event_name(enum filter_event event) { return events[event]; }

static size_t find(const char *const *names, size_t count, struct mts_span name) {
  char first = name.n ? name.p[0] : 0;
  for (size_t i = 1; i < count; i++) {
    if (names[i][0] == first && mts_span_equals(name, names[i])) return i;
  }
  return 0;
}

bool filter_field(struct mts_span *rest, struct mts_span *field) {
  if (!rest->p) return false;
  const char *bar = rest->n ? memchr(rest->p, '|', rest->n) : NULL;
  *field = bar ? mts_span(rest->p, (size_t)(bar - rest->p)) : *rest;
  *rest = bar ? mts_span(bar + 1, rest->n - field->n - 1) : mts_span(NULL, 0);
  return true;
}

/* An id is given back to smtpd as it came: nothing in it may break a line or a field. */
static bool is_id(struct mts_span id) {
  if (id.n == 0 || id.n > FILTER_ID_MAX) return false;
  static const bool hexadecimal[256] = {
      ['0'] = true, ['1'] = true, ['2'] = true, ['3'] = true, ['4'] = true, ['5'] = true, ['6'] = true, ['7'] = true,
      ['8'] = true, ['9'] = true, ['a'] = true, ['b'] = true, ['c'] = true, ['d'] = true, ['e'] = true, ['f'] = true,
      ['A'] = true, ['B'] = true, ['C'] = true, ['D'] = true, ['E'] = true, ['F'] = true};
  for (size_t i = 0; i < id.n; i++) {
    if (!hexadecimal[(unsigned char)id.p[i]]) return false;
  }
  return true;
}

static bool take_version(struct mts_span text, unsigned *minor) {
  uint64_t number;
  if (!mts_span_begins(text, "0.") || !mts_number_parse(mts_span(text.p + 2, text.n - 2), 999, &number)) return false;
  *minor = (unsigned)number;
  return true;
}

static bool parse_config(struct mts_span rest, struct filter_line *found) {
  if (!filter_field(&rest, &found->key)) return false;
  found->kind = mts_span_equals(found->key, "ready") ? FILTER_READY : FILTER_CONFIG;
  found->value = rest;
  return true;
}

bool filter_line_parse(struct mts_span line, struct filter_line *found) {
  struct filter_line made = {.kind = FILTER_REPORT};
  struct mts_span rest = line, word, version, field, direction;
  if (!line.n || !filter_field(&rest, &word)) return false;
  if (mts_span_equals(word, "config")) {
    if (!parse_config(rest, &made)) return false;
    *found = made;
    return true;
  }
  bool request = mts_span_equals(word, "filter");
  if (!request && !mts_span_equals(word, "report")) return false;
  /* VERSION|TIME|DIRECTION|NAME|SESSION */
  if (!filter_field(&rest, &version) || !take_version(version, &made.version) || !filter_field(&rest, &field)) return false;
  if (!filter_field(&rest, &direction) || !filter_field(&rest, &word) || !filter_field(&rest, &made.session)) return false;
  made.outgoing = mts_span_equals(direction, "smtp-out");
  if (!is_id(made.session)) return false;
  if (request) {
    made.kind = FILTER_REQUEST;
    made.phase = (enum filter_phase)find(phases, COUNT(phases), word);
    if (!filter_field(&rest, &made.token) || !is_id(made.token)) return false;
  } else {
    made.event = (enum filter_event)find(events, COUNT(events), word);
  }
  made.rest = rest;
  *found = made;
  return true;
}

bool filter_tx_address(const struct filter_line *line, struct mts_span *message, struct mts_span *result,
                       struct mts_span *address) {
  struct mts_span rest = line->rest, id, outcome, who;
  if (!filter_field(&rest, &id)) return false;
  if (line->version >= ORDER_CHANGED) {
    if (!filter_field(&rest, &outcome) || !rest.p) return false;
    who = rest;
  } else {
    /* The result stands last, and the address before it may hold bars. */
    const char *bar = rest.n ? memrchr(rest.p, '|', rest.n) : NULL;
    if (!bar) return false;
    who = mts_span(rest.p, (size_t)(bar - rest.p));
    outcome = mts_span(bar + 1, rest.n - who.n - 1);
  }
  *message = id;
  *result = outcome;
  *address = who;
  return true;
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* RFC 5321 4.2: 4yz or 5yz, then a blank and text. */
static bool is_refusal(const char *text) {
  return (text[0] == '4' || text[0] == '5') && text[1] >= '0' && text[1] <= '5' && is_digit(text[2]) && text[3] == ' ' && text[4];
}

#define REPLY_LINE 500 /* RFC 5321 4.5.3.1.5: 512 with CRLF; smtpd may add to it */

void filter_reply_text(const char *text, char *to, size_t size) {
  if (size > REPLY_LINE) size = REPLY_LINE;
  const char *said = text ? text : "";
  while (is_blank(*said)) said++;
  char line[FILTER_REPLY_MAX];
  size_t n = 0;
  for (; n < sizeof line - 1 && said[n]; n++) line[n] = (char)(is_blank(said[n]) ? ' ' : said[n]);
  line[n] = 0;
  mts_text_format(to, size, "%s%s", is_refusal(line) ? "" : "451 4.7.1 ", n ? line : "please try again later");
}

/* All parts have limits that together fit. */
static void append(char line[FILTER_REPLY_MAX], size_t *n, const char *part, size_t part_n) {
  memcpy(line + *n, part, part_n);
  *n += part_n;
}

enum mts_err filter_answer(const struct filter_line *request, enum filter_decision decision, const char *text,
                           struct mts_buf *out) {
  if (request->kind != FILTER_REQUEST || request->session.n > FILTER_ID_MAX || request->token.n > FILTER_ID_MAX)
    return MTS_ERR_ARGUMENT;
  bool token_first = request->version < TOKEN_FIRST;
  struct mts_span first = token_first ? request->token : request->session, second = token_first ? request->session : request->token;
  const char *word = "proceed";
  char reply[FILTER_REPLY_MAX / 2];
  reply[0] = 0;
  switch (decision) {
    case FILTER_PROCEED:
      break;
    case FILTER_JUNK:
      word = "junk";
      break;
    case FILTER_REJECT:
    case FILTER_DISCONNECT:
      word = decision == FILTER_REJECT ? "reject|" : "disconnect|";
      filter_reply_text(text, reply, sizeof reply);
      break;
  }
  /* Put together by hand: this is the most frequent thing the filter does. */
  char line[FILTER_REPLY_MAX];
  size_t n = 0;
  append(line, &n, "filter-result|", strlen("filter-result|"));
  append(line, &n, first.p, first.n);
  append(line, &n, "|", 1);
  append(line, &n, second.p, second.n);
  append(line, &n, "|", 1);
  append(line, &n, word, strlen(word));
  append(line, &n, reply, strlen(reply));
  append(line, &n, "\n", 1);
  return mts_buf_add(out, line, n);
}

enum mts_err filter_register(bool outgoing_event, enum filter_event event, struct mts_buf *out) {
  if (!filter_event_name(event)) return MTS_ERR_ARGUMENT;
  return mts_buf_addf(out, "register|report|smtp-%s|%s\n", outgoing_event ? "out" : "in", filter_event_name(event));
}

enum mts_err filter_register_phase(enum filter_phase phase, struct mts_buf *out) {
  /* There is no filter for smtp-out: registering one kills smtpd. */
  if (!filter_phase_name(phase)) return MTS_ERR_ARGUMENT;
  return mts_buf_addf(out, "register|filter|smtp-in|%s\n", filter_phase_name(phase));
}
