/* SPDX-License-Identifier: ISC */
#include "net/smtp.h"

#include <string.h>
#include <strings.h>

static enum smtp_progress bad(struct smtp_reply *reply, const char *why) {
  reply->why = why;
  return SMTP_BAD;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* As far as there is room: it is kept for people to see. */
static void keep_line(struct smtp_reply *reply) {
  char line[SMTP_KEPT_BYTES] = "";
  size_t n = reply->n < sizeof line ? reply->n : sizeof line - 1;
  memcpy(line, reply->line, n);
  mts_buf_add(reply->kept, line, n + 1); /* whole, or not at all */
}

/* Reply-line: 3 digits, then '-' when more lines follow, then text (RFC 5321 4.2). */
static enum smtp_progress take_line(struct smtp_reply *reply) {
  const char *line = reply->line;
  size_t n = reply->n;
  if (n < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2]) ||
      (n > 3 && line[3] != ' ' && line[3] != '-')) {
    if (!reply->text[0]) mts_text_clean(reply->text, sizeof reply->text, mts_span(line, n));
    return bad(reply, "a line that is no SMTP reply");
  }
  unsigned code = (unsigned)(line[0] - '0') * 100 + (unsigned)(line[1] - '0') * 10 + (unsigned)(line[2] - '0');
  if (reply->lines > 0 && code != reply->code) return bad(reply, "a reply with changing codes");
  reply->code = code;
  if (reply->lines == 0) mts_text_clean(reply->text, sizeof reply->text, mts_span(line, n));
  struct mts_span text = n > 4 ? mts_span(line + 4, n - 4) : mts_span(line, 0);
  /* The first line is the greeting, not a keyword (RFC 5321 4.1.1.1). */
  if (reply->lines > 0 && text.n >= 8 && strncasecmp(text.p, "STARTTLS", 8) == 0 && (text.n == 8 || text.p[8] == ' ')) {
    reply->starttls = true;
  }
  if (reply->kept) keep_line(reply);
  reply->lines++;
  reply->n = 0;
  if (n <= 3 || line[3] == ' ') return SMTP_DONE;
  return reply->lines < SMTP_MAX_LINES ? SMTP_MORE : bad(reply, "a reply of more than 100 lines");
}

enum smtp_progress smtp_reply_feed(struct smtp_reply *reply, struct mts_span bytes, size_t *used) {
  for (size_t i = 0; i < bytes.n; i++) {
    char c = bytes.p[i];
    *used = i + 1;
    if (c == '\0') return bad(reply, "a NUL in a reply");
    if (c != '\n') {
      if (reply->n == sizeof reply->line) return bad(reply, "a line of more than 2048 bytes");
      reply->line[reply->n++] = c;
      continue;
    }
    if (reply->n && reply->line[reply->n - 1] == '\r') reply->n--;
    enum smtp_progress progress = take_line(reply);
    if (progress != SMTP_MORE) return progress;
  }
  *used = bytes.n;
  return SMTP_MORE;
}
