/* SPDX-License-Identifier: ISC
 * What a pattern of Lua (manual 6.4.1) costs on a subject, without Lua: the same walk as that of string.find, with a count of its steps.
 * Nothing depends on its results but whether Lua's own function is called at all. */
#ifndef MTASTS_LUA_PATTERN_H
#define MTASTS_LUA_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pattern_job {
  const char *subject, *pattern; /* a NUL stands behind each */
  size_t subject_n, pattern_n;
  size_t from;      /* offset in the subject */
  bool once;        /* string.find, string.match; otherwise all matches */
  bool anchors;     /* ^ at the beginning is an anchor (not so for string.gmatch) */
  uint64_t matches; /* at most so many */
};

/* Steps until it is over, or a number above most as soon as there are more. */
uint64_t pattern_cost(const struct pattern_job *job, uint64_t most);
/* The same of looking for a plain text. */
uint64_t plain_cost(const struct pattern_job *job, uint64_t most);
/* Has it no magic characters? */
bool pattern_is_plain(const char *pattern, size_t n);

#endif
