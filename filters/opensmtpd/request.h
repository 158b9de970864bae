/* SPDX-License-Identifier: ISC
 * What smtpd asks of a table, whichever of its two protocols it speaks. */
#ifndef MTASTS_FILTERS_REQUEST_H
#define MTASTS_FILTERS_REQUEST_H

#include "base/buf.h"
#include "mtasts.h"

enum table_op {
  TABLE_NOTHING, /* needs no answer: configuration, or nothing we know */
  TABLE_READY,   /* the text protocol's "config|ready": smtpd waits for what we register */
  TABLE_OPEN,
  TABLE_CLOSE, /* smtpd goes away; it wants no answer */
  TABLE_UPDATE,
  TABLE_CHECK,
  TABLE_LOOKUP,
  TABLE_FETCH,
};

enum table_service { TABLE_SERVICE_OTHER, TABLE_SERVICE_DOMAIN, TABLE_SERVICE_RELAYHOST };

/* Spans are lent from the bytes that were parsed. */
struct table_request {
  enum table_op op;
  enum table_service service;
  struct mts_span id;  /* text protocol */
  struct mts_span key; /* of check and lookup */
};

enum table_result { TABLE_FOUND, TABLE_NOT_FOUND, TABLE_ERROR };

#define TABLE_VALUE_MAX 512   /* bytes of a value or an error text in an answer */
#define TABLE_ANSWER_MAX 1024 /* limit of the buffer an answer is built in */

/* Text protocol (OpenSMTPD 7.6 and later). false: not a line of the protocol, or one that cannot be answered. */
bool table_text_parse(struct mts_span line, struct table_request *request);
/* Adds the one answer to out. value: what was found, or an error's text; cleaned and cut to fit. */
enum mts_err table_text_answer(const struct table_request *request, enum table_result result, const char *value,
                               struct mts_buf *out);
extern const char table_text_register[];

/* Binary protocol (imsg, up to OpenSMTPD 7.5). *used 0: more bytes are needed. ARGUMENT: no frame begins here, or it holds no
 * request; with *used 0 there is no telling where the next one begins. */
#define TABLE_IMSG_MAX 16384
enum mts_err table_imsg_parse(struct mts_span bytes, struct table_request *request, size_t *used);
enum mts_err table_imsg_answer(const struct table_request *request, enum table_result result, const char *value,
                               struct mts_buf *out);

/* The first bytes tell the protocols apart. false: too few of them yet. */
bool table_is_text(struct mts_span bytes, bool *is_text);

#endif
