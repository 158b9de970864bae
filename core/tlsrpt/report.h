/* SPDX-License-Identifier: ISC
 * Reading a report (RFC 8460): what its files have in common. */
#ifndef MTASTS_TLSRPT_REPORT_H
#define MTASTS_TLSRPT_REPORT_H

#include <jansson.h>

#include "base/findings.h"

#define PATH_SIZE 80

struct report_reader {
  struct mts_notes notes;
  enum mts_err err; /* the first that no profile forgives */
  struct mts_report *report;
  struct mts_span text; /* valid JSON once it was loaded */
  const char *counted;  /* up to here line is known */
  size_t line;
  char path[PATH_SIZE];
  size_t path_length; /* as if path had no end */
  size_t failures;    /* of all policies so far */
};

/* A value and where it stands in the text; at NULL: nobody knows. */
struct report_node {
  json_t *value; /* NULL: not there */
  const char *at;
};

/* How much a field is missed. */
enum report_need {
  REPORT_REQUIRED, /* strict refuses a report without it */
  REPORT_EXPECTED, /* noted */
  REPORT_OPTIONAL,
};

/* report_bytes.c */
/* The text out of bytes, in a buffer of its own if they were gzip data or no UTF-8: *text is then that buffer's. Notes and limits. */
enum mts_err report_text(struct report_reader *r, struct mts_span bytes, struct mts_buf *own);
/* Nesting and number of values, before anything is built of them. */
enum mts_err report_measure(struct report_reader *r);

/* report_memory.c: freed with the report. NULL: no memory */
struct mts_report *report_new(void);
void *report_take(struct mts_report *report, size_t size); /* zeroed */

/* report_node.c */
void report_note(struct report_reader *r, const char *code, bool strict_refuses, const char *clause, const char *at,
                 const char *format, ...) __attribute__((format(printf, 6, 7)));
void report_fail(struct report_reader *r, enum mts_err err);
/* The path is told a step; what is returned takes it back. */
size_t report_enter(struct report_reader *r, const char *key);
size_t report_enter_index(struct report_reader *r, size_t index);
void report_leave(struct report_reader *r, size_t length);
/* A field by its name, or by what was meant (noted). */
struct report_node report_field(struct report_reader *r, struct report_node object, const char *key);
bool report_has(struct report_node object, const char *key);
struct report_node report_element(struct report_reader *r, struct report_node array, size_t index, const char **from);
/* Fields that no name of the list stands for are noted. */
void report_unknown_fields(struct report_reader *r, struct report_node object, const char *const *known);

/* report_value.c: NULL or what the field says; a field that is not there or no such value is noted. */
const char *report_keep(struct report_reader *r, struct mts_span text);
const char *report_read_text(struct report_reader *r, struct report_node object, const char *key, enum report_need need,
                             struct report_node *where);
int64_t report_read_count(struct report_reader *r, struct report_node object, const char *key, enum report_need need);
int64_t report_read_time(struct report_reader *r, struct report_node object, const char *key, bool is_end);
const char **report_read_lines(struct report_reader *r, struct report_node object, const char *key, enum report_need need,
                               size_t *count);
/* Absent or null, which is noted? */
bool report_absent(struct report_reader *r, struct report_node field, const char *key, enum report_need need,
                   const char *parent_at);

/* report_time.c: RFC 3339 5.6 and near it. form tells what deviates; NULL: nothing. */
bool report_time_parse(struct mts_span text, bool is_end, int64_t *at, const char **code, const char **why);

#endif
