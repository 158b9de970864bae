/* SPDX-License-Identifier: ISC */
#include "pattern.h"

#include <ctype.h>
#include <limits.h>
#include <string.h>

#define CAPTURES 32 /* LUA_MAXCAPTURES */
#define DEPTH 250   /* beyond 200 Lua says "pattern too complex" */
#define OPEN (-1)
#define POSITION (-2)
#define PLAIN_BYTES 16 /* compared or passed over in one step */

struct walk {
  const char *s, *s_end, *p, *p_end;
  uint64_t steps, most;
  bool over; /* too many steps, or the pattern is malformed and Lua will say so */
  int depth;
  int level;
  struct {
    const char *at;
    ptrdiff_t n;
  } captures[CAPTURES];
};

/* Where a match ends; NULL: there is none. */
static const char *walk(struct walk *w, const char *s, const char *p);

static const char *give_up(struct walk *w) {
  w->over = true;
  return NULL;
}

static bool step(struct walk *w, uint64_t n) {
  w->steps += n;
  if (w->steps > w->most) w->over = true;
  return !w->over;
}

/* ---- one character ---- */

/* Behind the class that begins at p. */
static const char *class_end(struct walk *w, const char *p) {
  if (p >= w->p_end) return give_up(w);
  char c = *p++;
  if (c == '%') return p < w->p_end ? p + 1 : give_up(w);
  if (c != '[') return p;
  if (p < w->p_end && *p == '^') p++;
  do {
    if (p >= w->p_end) return give_up(w);
    c = *p++;
    if (c == '%' && p < w->p_end) p++; /* a ] behind it counts for nothing */
  } while (p >= w->p_end || *p != ']');
  return p + 1;
}

static bool in_class(int c, int class) {
  bool is;
  switch (tolower(class)) {
    case 'a':
      is = isalpha(c) != 0;
      break;
    case 'c':
      is = iscntrl(c) != 0;
      break;
    case 'd':
      is = isdigit(c) != 0;
      break;
    case 'g':
      is = isgraph(c) != 0;
      break;
    case 'l':
      is = islower(c) != 0;
      break;
    case 'p':
      is = ispunct(c) != 0;
      break;
    case 's':
      is = isspace(c) != 0;
      break;
    case 'u':
      is = isupper(c) != 0;
      break;
    case 'w':
      is = isalnum(c) != 0;
      break;
    case 'x':
      is = isxdigit(c) != 0;
      break;
    default:
      return class == c;
  }
  return isupper(class) ? !is : is;
}

/* The set from p to its ] at end. */
static bool in_set(struct walk *w, int c, const char *p, const char *end) {
  bool found = true;
  const char *begin = p;
  if (*++p == '^') {
    found = false;
    p++;
  }
  for (; p < end; p++) {
    bool hit;
    if (*p == '%') {
      p++;
      hit = in_class(c, (unsigned char)*p);
    } else if (p[1] == '-' && p + 2 < end) {
      hit = (unsigned char)p[0] <= c && c <= (unsigned char)p[2];
      p += 2;
    } else {
      hit = (unsigned char)*p == c;
    }
    if (hit) {
      step(w, (uint64_t)(p - begin) / 4);
      return found;
    }
  }
  step(w, (uint64_t)(end - begin) / 4);
  return !found;
}

static bool single(struct walk *w, const char *s, const char *p, const char *end) {
  if (!step(w, 1) || s >= w->s_end) return false;
  int c = (unsigned char)*s;
  switch (*p) {
    case '.':
      return true;
    case '%':
      return in_class(c, (unsigned char)p[1]);
    case '[':
      return in_set(w, c, p, end - 1);
    default:
      return (unsigned char)*p == c;
  }
}

/* ---- items ---- */

static const char *most_first(struct walk *w, const char *s, const char *p, const char *end) {
  ptrdiff_t i = 0;
  while (single(w, s + i, p, end)) i++;
  for (; i >= 0 && !w->over; i--) {
    const char *to = walk(w, s + i, end + 1);
    if (to) return to;
  }
  return NULL;
}

static const char *least_first(struct walk *w, const char *s, const char *p, const char *end) {
  while (!w->over) {
    const char *to = walk(w, s, end + 1);
    if (to) return to;
    if (!single(w, s, p, end)) break;
    s++;
  }
  return NULL;
}

static const char *balance(struct walk *w, const char *s, const char *p) {
  if (p + 1 >= w->p_end) return give_up(w);
  if (s >= w->s_end || *s != *p) return NULL;
  for (int open = 1; ++s < w->s_end && step(w, 1);) {
    if (*s == p[1]) {
      if (--open == 0) return s + 1;
    } else if (*s == p[0]) {
      open++;
    }
  }
  return NULL;
}

static const char *begin_capture(struct walk *w, const char *s, const char *p, ptrdiff_t what) {
  if (w->level >= CAPTURES) return give_up(w);
  w->captures[w->level].at = s;
  w->captures[w->level].n = what;
  w->level++;
  const char *to = walk(w, s, p);
  if (!to) w->level--;
  return to;
}

static const char *end_capture(struct walk *w, const char *s, const char *p) {
  int i = w->level - 1;
  while (i >= 0 && w->captures[i].n != OPEN) i--;
  if (i < 0) return give_up(w);
  w->captures[i].n = s - w->captures[i].at;
  const char *to = walk(w, s, p);
  if (!to) w->captures[i].n = OPEN;
  return to;
}

static const char *again(struct walk *w, const char *s, char digit) {
  int i = digit - '1';
  if (i < 0 || i >= w->level || w->captures[i].n == OPEN) return give_up(w);
  size_t n = (size_t)w->captures[i].n; /* a position: too long for any subject, as in Lua */
  if ((size_t)(w->s_end - s) < n || !step(w, n / PLAIN_BYTES)) return NULL;
  return memcmp(w->captures[i].at, s, n) == 0 ? s + n : NULL;
}

/* %f[set] holds: end is behind the set. */
static bool at_frontier(struct walk *w, const char *s, const char *p, const char *end) {
  int before = s == w->s ? 0 : (unsigned char)s[-1], here = s < w->s_end ? (unsigned char)*s : 0;
  return !in_set(w, before, p, end - 1) && in_set(w, here, p, end - 1);
}

/* Items of their own kind: %b, %f, %1. Returns whether it is one; then *s and *p are behind it, or *s is NULL. */
static bool special(struct walk *w, const char **s, const char **p) {
  const char *at = *p;
  if (*at != '%' || at + 1 >= w->p_end) return false;
  if (at[1] == 'b') {
    *s = balance(w, *s, at + 2);
    *p = at + 4;
  } else if (at[1] == 'f') {
    if (at[2] != '[') {
      *s = give_up(w);
      return true;
    }
    const char *end = class_end(w, at + 2);
    if (w->over || !at_frontier(w, *s, at + 2, end)) *s = NULL;
    *p = end;
  } else if (at[1] >= '0' && at[1] <= '9') {
    *s = again(w, *s, at[1]);
    *p = at + 2;
  } else {
    return false;
  }
  return true;
}

static const char *items(struct walk *w, const char *s, const char *p) {
  while (p != w->p_end && step(w, 1)) {
    if (*p == '(') return p[1] == ')' ? begin_capture(w, s, p + 2, POSITION) : begin_capture(w, s, p + 1, OPEN);
    if (*p == ')') return end_capture(w, s, p + 1);
    if (*p == '$' && p + 1 == w->p_end) return s == w->s_end ? s : NULL;
    if (special(w, &s, &p)) {
      if (!s || w->over) return NULL;
      continue;
    }
    const char *end = class_end(w, p);
    if (w->over) return NULL;
    bool fits = single(w, s, p, end);
    switch (end < w->p_end ? *end : '\0') {
      case '*':
        return most_first(w, s, p, end);
      case '+':
        return fits ? most_first(w, s + 1, p, end) : NULL;
      case '-':
        return least_first(w, s, p, end);
      case '?': {
        const char *to = fits ? walk(w, s + 1, end + 1) : NULL;
        if (to) return to;
        p = end + 1;
        break;
      }
      default:
        if (!fits) return NULL;
        s++;
        p = end;
    }
  }
  return w->over ? NULL : s;
}

static const char *walk(struct walk *w, const char *s, const char *p) {
  if (w->over || w->depth >= DEPTH) return give_up(w);
  w->depth++;
  const char *to = items(w, s, p);
  w->depth--;
  return to;
}

/* ---- a whole search ---- */

uint64_t pattern_cost(const struct pattern_job *job, uint64_t most) {
  if (!job->subject || !job->pattern) return 0;
  struct walk w = {.s = job->subject,
                   .s_end = job->subject + job->subject_n,
                   .p = job->pattern,
                   .p_end = job->pattern + job->pattern_n,
                   .most = most};
  bool anchored = job->anchors && job->pattern[0] == '^';
  if (anchored) w.p++;
  const char *last = NULL;
  uint64_t matches = 0;
  for (const char *s = w.s + job->from; matches < job->matches;) {
    w.level = 0;
    const char *to = walk(&w, s, w.p);
    if (w.over) break;
    if (to && job->once) break;
    if (to && to != last) {
      matches++;
      s = last = to;
    } else if (s < w.s_end) {
      s++;
    } else {
      break;
    }
    if (anchored) break;
  }
  return w.steps;
}

bool pattern_is_plain(const char *pattern, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (pattern[i] && strchr("^$*+?.([%-", pattern[i])) return false;
  }
  return true;
}

uint64_t plain_cost(const struct pattern_job *job, uint64_t most) {
  const char *s = job->subject + job->from;
  size_t n = job->subject_n - job->from, m = job->pattern_n;
  uint64_t bytes = n;
  if (m < 2 || m > n) return bytes / PLAIN_BYTES;
  while (n >= m && bytes / PLAIN_BYTES <= most) {
    const char *hit = memchr(s, job->pattern[0], n - m + 1);
    if (!hit) break;
    size_t same = 1;
    while (same < m && hit[same] == job->pattern[same]) same++;
    if (same == m) break;
    bytes += same + PLAIN_BYTES;
    n -= (size_t)(hit + 1 - s);
    s = hit + 1;
  }
  return bytes / PLAIN_BYTES;
}
