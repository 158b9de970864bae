/* SPDX-License-Identifier: ISC */
#include "json.h"

#include <jansson.h>
#include <string.h>

#include "resolve/answer.h"

#define DUMP (JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII | JSON_ENCODE_ANY)
#define DEPTH_MOST 16 /* jansson goes down by recursion */

/* For jansson. DEL is the one control character that it lets through. */
static int add_bytes(const char *bytes, size_t n, void *arg) {
  struct mts_buf *out = arg;
  for (size_t i = 0, plain = 0; i <= n; i++) {
    if (i < n && bytes[i] != 0x7f) continue;
    if (mts_buf_add(out, bytes + plain, i - plain) || (i < n && mts_buf_add(out, "\\u007F", 6))) return -1;
    plain = i + 1;
  }
  return 0;
}

/* ---- requests ---- */

/* Brackets that are open at once; those in texts count as well, which harms nobody. */
static bool is_deep(struct mts_span line) {
  size_t depth = 0;
  for (size_t i = 0; i < line.n; i++) {
    if (line.p[i] == '[' || line.p[i] == '{') depth++;
    if ((line.p[i] == ']' || line.p[i] == '}') && depth) depth--;
    if (depth > DEPTH_MOST) return true;
  }
  return false;
}

static const char *read_member(const char *key, const json_t *value, struct json_request *request) {
  if (strcmp(key, "id") == 0) return NULL;
  if (strcmp(key, "domain") == 0) {
    if (!json_is_string(value)) return "\"domain\" is no text";
    const char *text = json_string_value(value);
    size_t n = json_string_length(value);
    if (strlen(text) != n || n >= sizeof request->domain) return "\"domain\" is no domain";
    memcpy(request->domain, text, n + 1);
    return NULL;
  }
  if (strcmp(key, "depth") == 0) {
    const char *word = json_is_string(value) ? json_string_value(value) : "";
    if (strcmp(word, "policy") != 0 && strcmp(word, "hosts") != 0) return "\"depth\" is neither \"policy\" nor \"hosts\"";
    request->depth = strcmp(word, "policy") == 0 ? MTS_DEPTH_POLICY : MTS_DEPTH_HOSTS;
    return NULL;
  }
  bool probe = strcmp(key, "probe") == 0;
  if (!probe && strcmp(key, "trace") != 0) return "there is a member that is none of: id, domain, depth, probe, trace";
  if (!json_is_boolean(value)) return probe ? "\"probe\" is neither true nor false" : "\"trace\" is neither true nor false";
  if (probe && json_is_true(value)) request->depth = MTS_DEPTH_TLS;
  if (!probe) request->trace = json_is_true(value);
  return NULL;
}

static const char *read_object(const json_t *object, struct json_request *request) {
  const char *key, *wrong = NULL;
  json_t *value;
  if (!json_is_object(object)) return "it is no object";
  const json_t *id = json_object_get(object, "id");
  struct mts_buf text = {.limit = JSON_ID_MAX};
  if (id && json_dump_callback(id, add_bytes, &text, DUMP) != 0) {
    mts_buf_free(&text);
    return "\"id\" is too long";
  }
  request->id = text.p;
  bool probes = false;
  json_object_foreach((json_t *)(uintptr_t)object, key, value) {
    if (!wrong) wrong = read_member(key, value, request);
    if (strcmp(key, "probe") == 0 && json_is_true(value)) probes = true;
  }
  if (probes) request->depth = MTS_DEPTH_TLS; /* whatever the order */
  if (!wrong && !request->domain[0]) wrong = "there is no \"domain\"";
  return wrong;
}

enum mts_err json_read(struct mts_span line, struct json_request *request, const char **why) {
  *request = (struct json_request){.depth = MTS_DEPTH_HOSTS};
  *why = "it is nested too deep";
  if (is_deep(line)) return MTS_ERR_ARGUMENT;
  json_error_t error;
  json_t *object = json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
  *why = "it is no JSON, or has a member twice";
  if (!object) return MTS_ERR_ARGUMENT;
  *why = read_object(object, request);
  json_decref(object);
  return *why ? MTS_ERR_ARGUMENT : MTS_OK;
}

/* ---- answers ---- */

static void set(json_t *object, const char *key, json_t *value) { json_object_set_new(object, key, value); }

/* Texts of ours are ASCII; what is not is left out. */
static void set_text(json_t *object, const char *key, const char *text) {
  if (text && text[0]) set(object, key, json_string(text));
}

static void set_time(json_t *object, const char *key, int64_t at) {
  if (at) set(object, key, json_integer(at));
}

static json_t *error_object(enum mts_err err, const char *detail, int64_t at) {
  json_t *made = json_object();
  set_text(made, "code", mts_err_name(err));
  set_text(made, "message", mts_err_message(err));
  set(made, "temporary", json_boolean(mts_err_temporary(err)));
  set_text(made, "detail", detail);
  set_time(made, "at", at);
  return made;
}

/* As Lua has it: an error in a session tells its stage, domain and result type as well. */
static json_t *tls_object(const struct mts_tls *tls) {
  json_t *made = json_object();
  set(made, "ok", json_boolean(tls->err == MTS_OK));
  if (tls->err) {
    json_t *error = error_object(tls->err, tls->detail, 0);
    set_text(error, "result_type", mts_err_result_type(tls->err));
    set(made, "error", error);
  }
  set_text(made, "address", tls->address);
  set_text(made, "protocol", tls->protocol);
  set_text(made, "cipher", tls->cipher);
  set_text(made, "subject", tls->subject);
  set_text(made, "issuer", tls->issuer);
  set_text(made, "names", tls->names);
  set_time(made, "not_before", tls->not_before);
  set_time(made, "not_after", tls->not_after);
  set_text(made, "fingerprint", tls->fingerprint);
  set_text(made, "banner", tls->banner);
  set(made, "ms", json_integer(tls->ms));
  return made;
}

static json_t *host_object(const struct mts_host *host) {
  json_t *made = json_object(), *addresses = json_array();
  set_text(made, "name", host->name);
  set(made, "preference", json_integer(host->preference));
  set(made, "permitted", json_boolean(host->permitted));
  set_text(made, "guard", answer_guard_name(host->guard));
  set_text(made, "dnssec", answer_dnssec_name(host->dnssec));
  for (size_t i = 0; i < host->address_count; i++) json_array_append_new(addresses, json_string(host->addresses[i]));
  set(made, "addresses", addresses);
  if (host->err) {
    const char *detail = host->tls && host->tls->err == host->err ? host->tls->detail : NULL;
    set(made, "error", error_object(host->err, detail, 0));
  }
  if (host->tls) set(made, "tls", tls_object(host->tls));
  return made;
}

static json_t *trace_array(const struct mts_answer *answer) {
  json_t *made = json_array();
  for (size_t i = 0; i < answer->step_count; i++) {
    const struct mts_step *step = &answer->trace[i];
    json_t *object = json_object();
    set_text(object, "what", step->what);
    set_text(object, "outcome", step->outcome);
    if (step->err) set_text(object, "code", mts_err_name(step->err));
    set(object, "at_ms", json_integer(step->at_ms));
    set(object, "ms", json_integer(step->ms));
    json_array_append_new(made, object);
  }
  return made;
}

static void add_policy(json_t *object, const struct mts_answer *answer) {
  json_t *patterns = json_array();
  if (answer->policy || answer->from == MTS_FROM_RULE) set_text(object, "mode", mts_mode_name(answer->mode));
  set_text(object, "id", answer->id);
  set_text(object, "from", answer_from_name(answer->from));
  if (answer->policy) set(object, "max_age", json_integer(answer->policy->max_age_s));
  for (size_t i = 0; answer->policy && i < answer->policy->mx_count; i++)
    json_array_append_new(patterns, json_string(answer->policy->mx[i]));
  set(object, "patterns", patterns);
  set_time(object, "fetched_at", answer->fetched_at);
  set_time(object, "expires_at", answer->expires_at);
  set_time(object, "checked_at", answer->checked_at);
  const struct mts_failure *failure = &answer->refresh_error;
  if (failure->err) set(object, "refresh_error", error_object(failure->err, failure->detail, failure->at));
  set_text(object, "reason", answer->reason);
  set_time(object, "exception_until", answer->exception_until);
}

static json_t *answer_object(const struct mts_answer *answer, bool trace) {
  json_t *made = json_object(), *hosts = json_array();
  set_text(made, "domain", answer->domain);
  set(made, "smarthost", json_boolean(answer->smarthost));
  set_text(made, "action", mts_action_name(answer->action));
  add_policy(made, answer);
  set_text(made, "dnssec", answer_dnssec_name(answer->dnssec));
  set_text(made, "dane", answer_dane(answer));
  set(made, "hosts_known", json_boolean(answer->hosts_known));
  if (answer->hosts_err) set(made, "hosts_error", error_object(answer->hosts_err, NULL, 0));
  for (size_t i = 0; i < answer->host_count; i++) json_array_append_new(hosts, host_object(&answer->hosts[i]));
  set(made, "hosts", hosts);
  if (trace) set(made, "trace", trace_array(answer));
  return made;
}

static enum mts_err write_line(const char *id, const char *name, json_t *value, struct mts_buf *out) {
  size_t before = out->n;
  enum mts_err err = value ? mts_buf_addf(out, "{\"id\":%s,\"%s\":", id ? id : "null", name) : MTS_ERR_NO_MEMORY;
  if (!err && json_dump_callback(value, add_bytes, out, DUMP) != 0) err = MTS_ERR_NO_MEMORY;
  if (!err) err = mts_buf_add(out, "}\n", 2);
  json_decref(value);
  if (err) out->n = before;
  return err;
}

enum mts_err json_write_answer(const char *id, const struct mts_answer *answer, bool trace, struct mts_buf *out) {
  return write_line(id, "answer", answer_object(answer, trace), out);
}

enum mts_err json_write_error(const char *id, const char *domain, enum mts_err error, const char *detail, struct mts_buf *out) {
  json_t *object = error_object(error, detail, 0);
  set_text(object, "domain", domain);
  return write_line(id, "error", object, out);
}
