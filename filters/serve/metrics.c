/* SPDX-License-Identifier: ISC */
#include "metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "resolve/answer.h"

/* Upper bounds in microseconds: from an answer of memory to one that had to wait for the network. */
static const int64_t bounds_us[] = {50, 100, 250, 1000, 10000, 100000, 500000, 1000000, 2500000, 5000000, 10000000};
#define BOUNDS (sizeof bounds_us / sizeof *bounds_us)

struct of_protocol {
  const char *name;
  uint64_t served[SERVED_COUNT];
  uint64_t took[BOUNDS + 1]; /* each by itself */
  uint64_t total_us;
};

struct metrics {
  struct of_protocol protocols[METRICS_SERVICES_MOST];
  uint64_t from[MTS_FROM_RULE + 1];
  uint64_t lookups[2]; /* that had to wait; that were answered at once */
};

enum mts_err metrics_new(struct metrics **metrics) {
  struct metrics *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  *metrics = made;
  return MTS_OK;
}

void metrics_free(struct metrics **metrics) {
  free(*metrics);
  *metrics = NULL;
}

void metrics_request(struct metrics *metrics, const char *protocol, enum served served, size_t count, int64_t us) {
  struct of_protocol *of = metrics->protocols, *end = of + METRICS_SERVICES_MOST;
  while (of < end && of->name && of->name != protocol && strcmp(of->name, protocol) != 0) of++;
  if (of == end) return;
  of->name = protocol;
  size_t i = 0;
  while (i < BOUNDS && us > bounds_us[i]) i++;
  of->took[i] += count;
  of->total_us += us > 0 ? (uint64_t)us * count : 0;
  of->served[served] += count;
}

void metrics_answer(struct metrics *metrics, enum mts_from from) { metrics->from[from]++; }

void metrics_lookup(struct metrics *metrics, bool at_once) { metrics->lookups[at_once]++; }

/* ---- writing ---- */

struct writing {
  struct mts_buf *text;
  enum mts_err err;
};

static void head(struct writing *out, const char *name, const char *type, const char *help) {
  if (!out->err) out->err = mts_buf_addf(out->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void line(struct writing *out, const char *name, const char *label, const char *value, uint64_t number) {
  if (out->err) return;
  out->err = label ? mts_buf_addf(out->text, "%s{%s=\"%s\"} %" PRIu64 "\n", name, label, value, number)
                   : mts_buf_addf(out->text, "%s %" PRIu64 "\n", name, number);
}

static void single(struct writing *out, const char *name, const char *type, const char *help, uint64_t number) {
  head(out, name, type, help);
  line(out, name, NULL, NULL, number);
}

static void write_requests(struct writing *out, const struct metrics *metrics) {
  static const char name[] = "mtasts_requests_total";
  static const char *const results[] = {
      [SERVED_FOUND] = "found", [SERVED_NOT_FOUND] = "not_found", [SERVED_TEMPORARY] = "temporary", [SERVED_ERROR] = "error"};
  head(out, name, "counter", "Requests that were answered, by protocol and result.");
  for (size_t i = 0; i < METRICS_SERVICES_MOST && metrics->protocols[i].name; i++) {
    const struct of_protocol *of = &metrics->protocols[i];
    for (size_t j = 0; j < SERVED_COUNT && !out->err; j++)
      out->err =
          mts_buf_addf(out->text, "%s{protocol=\"%s\",result=\"%s\"} %" PRIu64 "\n", name, of->name, results[j], of->served[j]);
  }
}

static void write_latencies(struct writing *out, const struct metrics *metrics) {
  static const char name[] = "mtasts_request_duration_seconds";
  head(out, name, "histogram", "Time from when a request was read to its answer, by protocol.");
  for (size_t i = 0; i < METRICS_SERVICES_MOST && metrics->protocols[i].name; i++) {
    const struct of_protocol *of = &metrics->protocols[i];
    uint64_t sum = 0;
    for (size_t j = 0; j < BOUNDS && !out->err; j++) {
      sum += of->took[j];
      out->err = mts_buf_addf(out->text, "%s_bucket{protocol=\"%s\",le=\"%g\"} %" PRIu64 "\n", name, of->name,
                              (double)bounds_us[j] / 1e6, sum);
    }
    sum += of->took[BOUNDS];
    if (!out->err)
      out->err = mts_buf_addf(out->text,
                              "%s_bucket{protocol=\"%s\",le=\"+Inf\"} %" PRIu64
                              "\n%s_sum{protocol=\"%s\"} %.6f\n"
                              "%s_count{protocol=\"%s\"} %" PRIu64 "\n",
                              name, of->name, sum, name, of->name, (double)of->total_us / 1e6, name, of->name, sum);
  }
}

static void write_store(struct writing *out, const struct metrics_now *now) {
  static const char policies[] = "mtasts_policies";
  if (!now->store) return;
  head(out, policies, "gauge", "Unexpired policies in the store, by mode.");
  line(out, policies, "mode", "enforce", now->enforce);
  line(out, policies, "mode", "testing", now->testing);
  line(out, policies, "mode", "none", now->none);
  single(out, "mtasts_domains_without_policy", "gauge", "Domains of the store that are known to have no policy.", now->absent);
  single(out, "mtasts_policies_failing", "gauge", "Policies in the store whose last refresh failed.", now->failing);
}

enum mts_err metrics_write(const struct metrics *metrics, const struct metrics_now *now, struct mts_buf *text) {
  static const char answers[] = "mtasts_policy_answers_total";
  struct writing out = {.text = text};
  head(&out, "mtasts_build_info", "gauge", "The version that runs.");
  line(&out, "mtasts_build_info", "version", MTS_VERSION, 1);
  single(&out, "mtasts_start_time_seconds", "gauge", "When the server began, in Unix seconds.", (uint64_t)now->started_at);
  single(&out, "mtasts_connections", "gauge", "Connections that are open.", now->connections);
  single(&out, "mtasts_requests_under_way", "gauge", "Requests that wait for their answer.", now->requests);
  write_requests(&out, metrics);
  write_latencies(&out, metrics);
  head(&out, "mtasts_lookups_total", "counter",
       "Lookups, by whether what is known answered them at once (hit) or they had to wait (miss).");
  line(&out, "mtasts_lookups_total", "cache", "hit", metrics->lookups[true]);
  line(&out, "mtasts_lookups_total", "cache", "miss", metrics->lookups[false]);
  head(&out, answers, "counter", "Where the policy of an answer came from; nothing: there is none.");
  for (int from = 0; from <= MTS_FROM_RULE; from++)
    line(&out, answers, "from", answer_from_name((enum mts_from)from), metrics->from[from]);
  single(&out, "mtasts_policy_fetches_total", "counter", "Policies that were fetched.", now->fetches);
  single(&out, "mtasts_policy_fetch_failures_total", "counter", "Attempts to fetch a policy that failed.", now->failures);
  single(&out, "mtasts_refresh_alarms_total", "counter", "Alarms: policies whose refresh keeps failing before they expire.",
         now->alarms);
  write_store(&out, now);
  return out.err;
}
