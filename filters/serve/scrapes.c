/* SPDX-License-Identifier: ISC */
#include "scrapes.h"

#include "http.h"
#include "resolve/cache.h"
#include "resolve/context.h"

static void look_at_store(struct mts *m, struct metrics_now *now) {
  struct mts_store *store = cache_store(m);
  struct mts_store_stats stats;
  if (!store || mts_store_stats(store, mts_now(m), &stats)) return;
  now->store = true;
  now->enforce = stats.enforce;
  now->testing = stats.testing;
  now->none = stats.none;
  now->absent = stats.absent;
  now->failing = stats.failing;
}

static enum mts_err write_metrics(const struct scrapes *scrapes, struct mts_buf *text) {
  struct mts *m = rules_context(scrapes->rules);
  struct metrics_now now = {.connections = connections_count(scrapes->connections),
                            .requests = connections_requests(scrapes->connections),
                            .fetches = m->counted.fetches,
                            .failures = m->counted.failures,
                            .alarms = m->counted.alarms,
                            .started_at = scrapes->started_at};
  look_at_store(m, &now);
  return metrics_write(scrapes->metrics, &now, text);
}

static void serve(void *arg, struct request *request, struct mts_span line) {
  struct mts_buf text = {.limit = METRICS_TEXT_MAX};
  bool head;
  enum http_status status = http_read(line, "/metrics", &head);
  if (status == HTTP_OK && write_metrics(arg, &text)) status = HTTP_UNAVAILABLE;
  struct mts_buf *out = request_scratch(request);
  request_is_last(request);
  if (http_reply(status, mts_span(text.p, text.n), head, out)) mts_buf_reset(out);
  mts_buf_free(&text);
  request_answer(request, mts_span(out->p ? out->p : "", out->n), status == HTTP_OK ? SERVED_FOUND : SERVED_ERROR);
}

static void refuse(enum refusal refusal, struct request *request, struct mts_buf *out) {
  enum http_status status = refusal == REFUSAL_BROKEN ? HTTP_BAD_REQUEST : HTTP_UNAVAILABLE;
  request_is_last(request);
  if (http_reply(status, mts_span(NULL, 0), false, out)) mts_buf_reset(out);
}

const struct service scrapes_service = {
    .name = "metrics", .in_order = true, .request_most = HTTP_REQUEST_MAX + 1, .take = http_take, .serve = serve, .refuse = refuse};
