/* SPDX-License-Identifier: ISC */
#include "queries.h"

#include "json.h"
#include "lines.h"

enum { WITH_TRACE = 1 }; /* a variant */

static enum take take(struct mts_span in, bool eof, size_t *used, struct mts_span *request) {
  enum take took = lines_take(in, eof, used, request);
  return took == TAKE_REQUEST && request->n > JSON_REQUEST_MAX ? TAKE_BROKEN : took;
}

static void reply(struct request *request, enum mts_err err, const struct mts_buf *out, enum served served) {
  if (err)
    request_refuse(request, REFUSAL_MEMORY);
  else
    request_answer(request, mts_span(out->p, out->n), served);
}

/* The error of a request of which nothing more is known than its id. */
static void fail(struct request *request, const char *domain, enum mts_err error, const char *detail, enum served served) {
  struct mts_buf *out = request_scratch(request);
  reply(request, json_write_error(request->kept, domain, error, detail, out), out, served);
}

static void refuse(enum refusal refusal, struct request *request, struct mts_buf *out) {
  static const enum mts_err errors[] = {[REFUSAL_BROKEN] = MTS_ERR_ARGUMENT,
                                        [REFUSAL_BUSY] = MTS_ERR_DEADLINE,
                                        [REFUSAL_OVERDUE] = MTS_ERR_DEADLINE,
                                        [REFUSAL_MEMORY] = MTS_ERR_NO_MEMORY};
  if (json_write_error(request->kept, NULL, errors[refusal], refusal_text(refusal), out)) mts_buf_reset(out);
}

static void known(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct request *request = arg;
  const struct functions *functions = request->arg;
  struct mts_buf *out = request_scratch(request);
  request->lookup = NULL;
  if (err) {
    request_refuse(request, REFUSAL_MEMORY);
    return;
  }
  metrics_answer(functions->metrics, answer->from);
  enum served served = answer->action == MTS_ACTION_DEFER ? SERVED_TEMPORARY
                       : answer->mode == MTS_MODE_ENFORCE ? SERVED_FOUND
                                                          : SERVED_NOT_FOUND;
  err = json_write_answer(request->kept, answer, request->variant == WITH_TRACE, out);
  mts_answer_free(&answer);
  reply(request, err, out, served);
}

static void serve(void *arg, struct request *request, struct mts_span text) {
  const struct functions *functions = arg;
  struct json_request asked;
  const char *why;
  enum mts_err err = json_read(text, &asked, &why);
  request->kept = asked.id;
  if (err) {
    fail(request, NULL, err, why, SERVED_ERROR);
    return;
  }
  request->variant = asked.trace ? WITH_TRACE : 0;
  const struct mts_lookup_opts opts = {.depth = asked.depth, .freshness = MTS_USE_CACHED, .no_trace = !asked.trace};
  struct mts_lookup *lookup = NULL;
  err = mts_lookup_start(rules_context(functions->rules), asked.domain, &opts, known, request, &lookup);
  if (err)
    fail(request, asked.domain, err, NULL, err == MTS_ERR_NO_MEMORY ? SERVED_TEMPORARY : SERVED_ERROR);
  else if (lookup)
    request->lookup = lookup;
  if (!err) metrics_lookup(functions->metrics, !lookup);
}

const struct service queries_service = {
    .name = "json", .in_order = false, .request_most = JSON_REQUEST_MAX + 2, .take = take, .serve = serve, .refuse = refuse};
