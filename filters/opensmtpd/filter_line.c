/* SPDX-License-Identifier: ISC */
#include "filter_line.h"

#include <stddef.h>
#include <string.h>

#define ORDER_CHANGED 6 /* 0.6: result before address */
#define TOKEN_FIRST 5   /* before 0.5: filter-result|TOKEN|SESSION */

const char filter_ready[] = "register|ready\n";

struct name {
  const char *text;
  size_t n;
};
static const struct name phases[] = {[FILTER_PHASE_UNKNOWN] = {NULL, 0},
#define X(code, name) [FILTER_PHASE_##code] = {(name), sizeof(name) - 1},
                                     FILTER_PHASES(X)
#undef X
};
static const struct name events[] = {[FILTER_EVENT_UNKNOWN] = {NULL, 0},
#define X(code, name) [FILTER_EVENT_##code] = {(name), sizeof(name) - 1},
                                     FILTER_EVENTS(X)
#undef X
};
#define COUNT(array) (sizeof(array) / sizeof *(array))

const char *filter_phase_name(enum filter_phase phase) { return phases[phase].text; }
const char *filter_event_name(enum filter_event event) { return events[event].text; }

static size_t find(const struct name *names, size_t count, struct mts_span name) {
  char first = name.n ? name.p[0] : 0;
  for (size_t i = 1; i < count; i++) {
    if (names[i].n == name.n && names[i].text[0] == first && memcmp(names[i].text, name.p, name.n) == 0) return i;
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

#define EACH_BYTE(value) ((value) * (uint64_t)0x0101010101010101)

/* Of which of eight ASCII characters this is at least: the highest bit of each byte tells, and none carries into the next. */
static uint64_t at_least(uint64_t eight, unsigned char least) { return eight + EACH_BYTE(0x80u - least); }

static bool are_hexadecimal(const char *p) {
  uint64_t eight;
  memcpy(&eight, p, sizeof eight);
  uint64_t lower = eight | EACH_BYTE(0x20u);
  uint64_t digit = at_least(eight, '0') & ~at_least(eight, '9' + 1), letter = at_least(lower, 'a') & ~at_least(lower, 'f' + 1);
  return ((~eight & (digit | letter)) & EACH_BYTE(0x80u)) == EACH_BYTE(0x80u);
}

/* An id is given back to smtpd as it came: nothing in it may break a line or a field. The bytes that begin one; 0: none does. */
static size_t id_length(const char *p, const char *end) {
  static const bool hexadecimal[256] = {
      ['0'] = true, ['1'] = true, ['2'] = true, ['3'] = true, ['4'] = true, ['5'] = true, ['6'] = true, ['7'] = true,
      ['8'] = true, ['9'] = true, ['a'] = true, ['b'] = true, ['c'] = true, ['d'] = true, ['e'] = true, ['f'] = true,
      ['A'] = true, ['B'] = true, ['C'] = true, ['D'] = true, ['E'] = true, ['F'] = true};
  size_t n = 0;
  while (end - p >= (ptrdiff_t)(n + sizeof(uint64_t)) && are_hexadecimal(p + n)) n += sizeof(uint64_t);
  while (p + n < end && hexadecimal[(unsigned char)p[n]]) n++;
  return n <= FILTER_ID_MAX && (p + n == end || p[n] == '|') ? n : 0;
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

enum { VERSION, TIME, DIRECTION, NAME, FIELDS };

/* VERSION|TIME|DIRECTION|NAME|SESSION, then the TOKEN of a request. */
static bool parse_event(struct mts_span rest, struct filter_line *found) {
  struct mts_span field[FIELDS];
  const char *p = rest.p, *end = p + rest.n;
  for (int i = 0; i < FIELDS; i++) {
    const char *bar = p < end ? memchr(p, '|', (size_t)(end - p)) : NULL;
    if (!bar) return false;
    field[i] = mts_span(p, (size_t)(bar - p));
    p = bar + 1;
  }
  found->session = mts_span(p, id_length(p, end));
  p += found->session.n;
  if (!found->session.n || !take_version(field[VERSION], &found->version)) return false;
  found->outgoing = mts_span_equals(field[DIRECTION], "smtp-out");
  if (found->kind == FILTER_REQUEST) {
    if (p++ == end) return false;
    found->token = mts_span(p, id_length(p, end));
    p += found->token.n;
    if (!found->token.n) return false;
    found->phase = (enum filter_phase)find(phases, COUNT(phases), field[NAME]);
  } else {
    found->event = (enum filter_event)find(events, COUNT(events), field[NAME]);
  }
  found->rest = p < end ? mts_span(p + 1, (size_t)(end - p) - 1) : mts_span(NULL, 0);
  return true;
}

#define WORD_LENGTH 6 /* all three have as many letters */

bool filter_line_parse(struct mts_span line, struct filter_line *found) {
  struct filter_line made = {.kind = FILTER_REPORT};
  if (line.n <= WORD_LENGTH || line.p[WORD_LENGTH] != '|') return false;
  struct mts_span word = mts_span(line.p, WORD_LENGTH), rest = mts_span(line.p + WORD_LENGTH + 1, line.n - WORD_LENGTH - 1);
  bool is_filter = mts_span_equals(word, "filter"), well = false;
  if (is_filter) made.kind = FILTER_REQUEST;
  if (is_filter || mts_span_equals(word, "report"))
    well = parse_event(rest, &made);
  else if (mts_span_equals(word, "config"))
    well = parse_config(rest, &made);
  if (well) *found = made;
  return well;
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

/* Put together by hand: this is the most frequent thing the filter does. All parts have limits that together fit. */
static char *append(char *to, struct mts_span part) { return mempcpy(to, part.p, part.n); }
static char *append_text(char *to, const char *text) { return append(to, mts_span_of(text)); }

static char *append_refusal(char *to, const char *word, const char *text) {
  char reply[FILTER_REPLY_MAX / 2];
  filter_reply_text(text, reply, sizeof reply);
  return append_text(append_text(to, word), reply);
}

size_t filter_answer(const struct filter_line *request, enum filter_decision decision, const char *text,
                     char line[FILTER_REPLY_MAX]) {
  if (request->kind != FILTER_REQUEST || request->session.n > FILTER_ID_MAX || request->token.n > FILTER_ID_MAX) return 0;
  bool token_first = request->version < TOKEN_FIRST;
  char *to = append_text(line, "filter-result|");
  to = append(to, token_first ? request->token : request->session);
  *to++ = '|';
  to = append(to, token_first ? request->session : request->token);
  *to++ = '|';
  switch (decision) {
    case FILTER_PROCEED:
      to = append_text(to, "proceed");
      break;
    case FILTER_JUNK:
      to = append_text(to, "junk");
      break;
    case FILTER_REJECT:
      to = append_refusal(to, "reject|", text);
      break;
    case FILTER_DISCONNECT:
      to = append_refusal(to, "disconnect|", text);
      break;
  }
  *to++ = '\n';
  return (size_t)(to - line);
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
