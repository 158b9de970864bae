/* SPDX-License-Identifier: ISC */
#include "net/https.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "net/attempt.h"
#include "net/multi.h"
#include "net/trust.h"

#define HEADER_MAX_BYTES 32768 /* of all headers, interim answers and trailers too */
#define HEADER_MAX_LINES 200
#define HEADER_VALUE_SIZE 256

struct https_job {
  struct mts_job job;
  CURL *easy;
  bool running; /* in the multi */
  struct multi_end end;
  struct curl_slist *connect_to, *headers;
  char host[MTS_NAME_SIZE];
  char *url;
  struct mts_address *addresses;
  size_t address_count, index; /* index: of the address being tried */
  int64_t ends_ms;             /* mono */
  mts_https_fn done;
  void *arg;
  /* of the answer */
  struct mts_buf body;
  size_t header_bytes, header_lines;
  bool announced_too_long; /* by Content-Length */
  bool delimited;          /* by Content-Length or chunks: else the end of TLS is the end of the body */
  bool tls_closed;         /* by close_notify, not just by TCP */
  unsigned status;         /* of the newest status line */
  enum mts_err err;        /* why we broke the transfer off; MTS_OK: we did not */
  char why[120];
  char content_type[HEADER_VALUE_SIZE], location[HEADER_VALUE_SIZE];
  char curl_why[CURL_ERROR_SIZE];
};

static bool by_proxy(const struct https_job *https) { return https->job.world->config.https_proxy[0] != '\0'; }

static void https_end(struct mts_job *job) {
  struct https_job *https = (struct https_job *)job;
  if (https->running) multi_remove(job->world, https->easy);
  if (https->easy) curl_easy_cleanup(https->easy);
  curl_slist_free_all(https->connect_to);
  curl_slist_free_all(https->headers);
  mts_buf_free(&https->body);
  free(https->addresses);
  free(https->url);
  free(https);
}

/* ---- what comes in, called from inside of curl: only notes, never ends the job ---- */

/* Anything but n makes curl end the transfer with CURLE_WRITE_ERROR. */
static size_t break_off(struct https_job *https, enum mts_err err, const char *why) {
  https->err = err;
  mts_text_format(https->why, sizeof https->why, "%s", why);
  return 0;
}

bool https_header_is(struct mts_span line, const char *name, struct mts_span *value) {
  size_t n = strlen(name);
  if (line.n <= n || strncasecmp(line.p, name, n) != 0 || line.p[n] != ':') return false;
  *value = mts_span(line.p + n + 1, line.n - n - 1);
  while (value->n && (value->p[0] == ' ' || value->p[0] == '\t')) *value = mts_span(value->p + 1, value->n - 1);
  while (value->n && strchr("\r\n \t", value->p[value->n - 1])) value->n--;
  return true;
}

static size_t break_too_long(struct https_job *https) {
  char text[80];
  mts_text_format(text, sizeof text, "more than %zu bytes", https->body.limit);
  return break_off(https, MTS_ERR_HTTPS_SIZE, text);
}

static bool is_redirect(unsigned status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* The headers of the final answer are complete: whatever is not the policy ends here, before its body is read. */
static size_t judge_headers(struct https_job *https, size_t n) {
  if (https->status < 200) return n; /* interim; the final answer follows */
  char text[120];
  if (is_redirect(https->status)) {
    /* RFC 8461 3.3: HTTP 3xx redirects MUST NOT be followed. */
    mts_text_format(text, sizeof text, "HTTP status %u to %s", https->status, https->location[0] ? https->location : "nowhere");
    return break_off(https, MTS_ERR_HTTPS_REDIRECT, text);
  }
  if (https->status != 200) {
    mts_text_format(text, sizeof text, "HTTP status %u", https->status);
    return break_off(https, MTS_ERR_HTTPS_STATUS, text);
  }
  if (!mts_media_type_is_text(https->content_type)) {
    mts_text_format(text, sizeof text, "media type %s%s%s", https->content_type[0] ? "\"" : "",
                    https->content_type[0] ? https->content_type : "missing", https->content_type[0] ? "\"" : "");
    return break_off(https, MTS_ERR_HTTPS_TYPE, text);
  }
  return https->announced_too_long ? break_too_long(https) : n;
}

static void begin_answer(struct https_job *https) {
  long status = 0;
  curl_easy_getinfo(https->easy, CURLINFO_RESPONSE_CODE, &status);
  https->status = (unsigned)status;
  https->content_type[0] = https->location[0] = '\0';
  https->announced_too_long = https->delimited = false;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *arg) {
  struct https_job *https = arg;
  size_t n = size * count;
  struct mts_span line = mts_span(bytes, n), value;
  https->header_bytes += n;
  if (https->header_bytes > HEADER_MAX_BYTES || ++https->header_lines > HEADER_MAX_LINES) {
    return break_off(https, MTS_ERR_HTTPS_PROTOCOL, "too many HTTP headers");
  }
  bool in_body = https->body.n > 0; /* trailers decide nothing */
  if (in_body) return n;
  if (mts_span_begins(line, "HTTP/")) {
    begin_answer(https);
  } else if (https_header_is(line, "Content-Type", &value)) {
    if (!https->content_type[0]) mts_text_clean(https->content_type, sizeof https->content_type, value);
  } else if (https_header_is(line, "Content-Length", &value)) {
    uint64_t length; /* what is no number curl has refused already */
    https->delimited = true;
    https->announced_too_long |= !mts_number_parse(value, https->body.limit, &length);
  } else if (https_header_is(line, "Transfer-Encoding", &value)) {
    https->delimited = true;
  } else if (https_header_is(line, "Location", &value)) {
    if (!https->location[0]) mts_text_clean(https->location, sizeof https->location, value);
  } else if (https_header_is(line, "Content-Encoding", &value) && value.n && https->status == 200 &&
             !(value.n == 8 && strncasecmp(value.p, "identity", 8) == 0)) {
    return break_off(https, MTS_ERR_HTTPS_PROTOCOL, "compressed, which was not asked for");
  } else if (line.n && (line.p[0] == '\r' || line.p[0] == '\n')) {
    return judge_headers(https, n);
  }
  return n;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *arg) {
  struct https_job *https = arg;
  size_t n = size * count;
  enum mts_err err = mts_buf_add(&https->body, bytes, n);
  if (err == MTS_OK) return n;
  if (err == MTS_ERR_NO_MEMORY) return break_off(https, err, "out of memory");
  return break_too_long(https);
}

/* curl takes the end of TCP for the end of the body, so that anyone on the path could cut a policy short (RFC 8446 6.1). */
static void note_tls(const SSL *ssl, int where, int value) {
  struct https_job *https = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  if (where & SSL_CB_HANDSHAKE_DONE) SSL_set_read_ahead((SSL *)(uintptr_t)ssl, 0); /* curl waits for bytes at the socket alone */
  if (where == SSL_CB_READ_ALERT && (value & 0xff) == SSL_AD_CLOSE_NOTIFY) https->tls_closed = true;
}

static CURLcode set_trust(CURL *easy, void *context, void *arg) {
  (void)easy;
  struct https_job *https = arg;
  X509_STORE *store;
  if (trust_store(https->job.world, &store) != MTS_OK) return CURLE_SSL_CACERT_BADFILE;
  SSL_CTX_set1_cert_store(context, store);
  if (SSL_CTX_set_app_data((SSL_CTX *)context, https) != 1) return CURLE_OUT_OF_MEMORY;
  SSL_CTX_set_info_callback(context, note_tls);
  SSL_CTX_set_read_ahead((SSL_CTX *)context, 1); /* a flight of the server at once, not record by record in two parts */
  return trust_expect_host_of(context, https->host) == MTS_OK ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

/* ---- from curl's results to ours ---- */

static enum mts_err certificate_error(long verify) {
  switch (verify) {
    case X509_V_OK: /* OpenSSL was content, curl's own comparison of names was not */
    case X509_V_ERR_HOSTNAME_MISMATCH:
      return MTS_ERR_HTTPS_CERT_NAME;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return MTS_ERR_HTTPS_CERT_EXPIRED;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return MTS_ERR_HTTPS_CERT_UNTRUSTED;
    default:
      return MTS_ERR_HTTPS_CERT_INVALID;
  }
}

static long number_of(const struct https_job *https, CURLINFO info) {
  long number = 0;
  curl_easy_getinfo(https->easy, info, &number);
  return number;
}

/* curl has far too many codes to list: those not named here came after TLS was up. */
static enum mts_err error_of(const struct https_job *https, CURLcode result) {
  if (https->err != MTS_OK) return https->err;
  if (result == CURLE_OK) return https->status == 200 && (https->delimited || https->tls_closed) ? MTS_OK : MTS_ERR_HTTPS_PROTOCOL;
  if (result == CURLE_OUT_OF_MEMORY) return MTS_ERR_NO_MEMORY;
  if (result == CURLE_OPERATION_TIMEDOUT) return MTS_ERR_HTTPS_DEADLINE;
  if (result == CURLE_PEER_FAILED_VERIFICATION) return certificate_error(number_of(https, CURLINFO_SSL_VERIFYRESULT));
  if (result == CURLE_COULDNT_CONNECT || result == CURLE_COULDNT_RESOLVE_PROXY || result == CURLE_COULDNT_RESOLVE_HOST) {
    return MTS_ERR_HTTPS_CONNECT;
  }
  long tunnel = number_of(https, CURLINFO_HTTP_CONNECTCODE);
  if (by_proxy(https) && tunnel != 0 && tunnel / 100 != 2) return MTS_ERR_HTTPS_CONNECT;
  curl_off_t tls_up_us = 0;
  curl_easy_getinfo(https->easy, CURLINFO_APPCONNECT_TIME_T, &tls_up_us);
  if (result == CURLE_SSL_CONNECT_ERROR || tls_up_us == 0)
    return by_proxy(https) && tunnel == 0 ? MTS_ERR_HTTPS_CONNECT : MTS_ERR_HTTPS_TLS;
  return MTS_ERR_HTTPS_PROTOCOL;
}

static void name_peer(const struct https_job *https, char *text, size_t size) {
  if (by_proxy(https)) {
    mts_text_format(text, size, "proxy");
  } else {
    char address[MTS_ADDRESS_SIZE];
    mts_address_format(&https->addresses[https->index], address);
    mts_text_format(text, size, "%s", address);
  }
}

static void explain(const struct https_job *https, CURLcode result, struct mts_https_answer *answer) {
  const char *why = https->why;
  long verify = number_of(https, CURLINFO_SSL_VERIFYRESULT), os_error = number_of(https, CURLINFO_OS_ERRNO);
  if (!why[0] && result == CURLE_PEER_FAILED_VERIFICATION && verify != X509_V_OK) why = X509_verify_cert_error_string(verify);
  if (!why[0] && answer->err == MTS_ERR_HTTPS_CONNECT && os_error != 0 && !by_proxy(https)) why = strerror((int)os_error);
  if (!why[0] && answer->err == MTS_ERR_HTTPS_DEADLINE && https->status == 0) why = "no whole answer within the time allowed";
  if (!why[0] && result == CURLE_OK) why = "the end of the body is missing: the connection was cut";
  if (!why[0]) why = https->curl_why[0] ? https->curl_why : curl_easy_strerror(result);
  mts_text_format(answer->detail, sizeof answer->detail, "%s, asked at %s", why, answer->address);
}

/* ---- one address after the other ---- */

static void https_finish(struct https_job *https, CURLcode result) {
  struct mts_https_answer answer = {.err = error_of(https, result), .status = https->status};
  name_peer(https, answer.address, sizeof answer.address);
  mts_text_format(answer.content_type, sizeof answer.content_type, "%s", https->content_type);
  if (answer.err != MTS_OK) explain(https, result, &answer);
  struct mts_buf body = https->body; /* outlives the job, which is dead when the callback runs */
  https->body = (struct mts_buf){.limit = 0};
  if (answer.err == MTS_OK) answer.body = mts_span(body.p, body.n);
  mts_https_fn done = https->done;
  void *arg = https->arg;
  job_end(&https->job);
  done(arg, &answer);
  mts_buf_free(&body);
}

static enum mts_err try_address(struct https_job *https);

/* TLS was not up, so nothing was asked: another address may do better. A bad certificate is an answer, though. */
static bool may_try_next(const struct https_job *https, CURLcode result) {
  if (by_proxy(https) || https->index + 1 >= https->address_count) return false;
  if (https->err != MTS_OK || https->status != 0 || https->header_lines > 0) return false;
  if (mts_clock_mono_ms(&https->job.world->net.clock) >= https->ends_ms) return false;
  curl_off_t tls_up_us = 0;
  curl_easy_getinfo(https->easy, CURLINFO_APPCONNECT_TIME_T, &tls_up_us);
  return tls_up_us == 0 && result != CURLE_OK && result != CURLE_PEER_FAILED_VERIFICATION && result != CURLE_OUT_OF_MEMORY;
}

static void attempt_ended(void *arg, CURLcode result) {
  struct https_job *https = arg;
  https->running = false;
  if (may_try_next(https, result)) {
    https->index++;
    if (try_address(https) == MTS_OK) return;
    result = CURLE_OUT_OF_MEMORY;
  }
  https_finish(https, result);
}

/* CONNECT_TO instead of RESOLVE: it leaves nothing in curl's cache of names, and no resolver is started. Empty host and port:
 * whatever the URL says, this is where the connection goes. */
static enum mts_err set_connect_to(struct https_job *https) {
  char address[MTS_ADDRESS_SIZE], target[MTS_ADDRESS_SIZE + 16];
  mts_address_format(&https->addresses[https->index], address);
  unsigned port = https->job.world->config.https_port;
  bool six = strchr(address, ':') != NULL;
  mts_text_format(target, sizeof target, six ? "::[%s]:%u" : "::%s:%u", address, port);
  struct curl_slist *list = curl_slist_append(NULL, target);
  if (!list) return MTS_ERR_NO_MEMORY;
  curl_easy_setopt(https->easy, CURLOPT_CONNECT_TO, list);
  curl_slist_free_all(https->connect_to);
  https->connect_to = list;
  return MTS_OK;
}

static enum mts_err try_address(struct https_job *https) {
  int64_t remaining_ms = https->ends_ms - mts_clock_mono_ms(&https->job.world->net.clock);
  if (remaining_ms < 1) remaining_ms = 1;
  curl_easy_setopt(https->easy, CURLOPT_TIMEOUT_MS, (long)remaining_ms);
  long connect_ms = (long)remaining_ms;
  if (!by_proxy(https)) {
    if (set_connect_to(https) != MTS_OK) return MTS_ERR_NO_MEMORY;
    connect_ms = (long)attempt_ms(remaining_ms, https->address_count - https->index);
  }
  curl_easy_setopt(https->easy, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
  https->curl_why[0] = '\0';
  enum mts_err err = multi_add(https->job.world, https->easy, &https->end);
  https->running = err == MTS_OK;
  return err;
}

/* ---- start ---- */

void https_set_rules(void *easy) {
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https"); /* RFC 8461 3.3 */
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);                        /* RFC 8461 3.3 */
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2); /* RFC 8461 7.2; RFC 8996 */
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  curl_easy_setopt(easy, CURLOPT_CAINFO, NULL); /* our store instead, see set_trust */
  curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
  curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "mtasts/" MTS_VERSION);
}

static enum mts_err set_request(struct https_job *https) {
  CURL *easy = https->easy;
  https_set_rules(easy);
  /* No If-None-Match, no If-Modified-Since, and Cache-Control is not heard (RFC 8461 3.3). */
  https->headers = curl_slist_append(NULL, "Accept: text/plain");
  if (!https->headers) return MTS_ERR_NO_MEMORY;
  /* Empty, not unset: else curl obeys the environment. */
  bool good = curl_easy_setopt(easy, CURLOPT_PROXY, https->job.world->config.https_proxy) == CURLE_OK;
  good &= curl_easy_setopt(easy, CURLOPT_NOPROXY, "") == CURLE_OK;
  good &= curl_easy_setopt(easy, CURLOPT_URL, https->url) == CURLE_OK;
  good &= curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, set_trust) == CURLE_OK;
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, https);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, https->headers);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, https);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, https);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, https->curl_why);
  return good ? MTS_OK : MTS_ERR_NO_MEMORY;
}

/* Letters, digits, hyphens and dots, and no number last: curl takes "127.1" and "0x7f.1" for addresses. */
static bool is_host(const char *host) {
  size_t n = strlen(host);
  if (n == 0 || n >= MTS_NAME_SIZE || strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-.") != n) return false;
  const char *dot = strrchr(host, '.');
  const char *last = dot ? dot + 1 : host;
  return last[0] >= 'a' && last[0] <= 'z';
}

static bool is_path(const char *path) {
  if (path[0] != '/') return false;
  for (const char *p = path; *p; p++) {
    if (*p <= ' ' || *p >= 127 || *p == '#') return false;
  }
  return true;
}

bool https_can_ask(const char *host, const char *path) { return is_host(host) && is_path(path); }

static bool copy_request(struct https_job *https, const struct mts_https_request *request) {
  unsigned port = https->job.world->config.https_port;
  mts_text_format(https->host, sizeof https->host, "%s", request->host);
  https->body.limit = request->max_bytes;
  struct mts_buf url = {.limit = 4096};
  enum mts_err err = port == 443 ? mts_buf_addf(&url, "https://%s%s", request->host, request->path)
                                 : mts_buf_addf(&url, "https://%s:%u%s", request->host, port, request->path);
  https->url = url.p;
  https->address_count = request->address_count;
  https->addresses = calloc(request->address_count + 1, sizeof *https->addresses);
  https->easy = curl_easy_init();
  if (err != MTS_OK || !https->addresses || !https->easy) return false;
  if (request->address_count) memcpy(https->addresses, request->addresses, request->address_count * sizeof *https->addresses);
  return true;
}

enum mts_err https_start(struct world *world, const struct mts_https_request *request, mts_https_fn done, void *arg,
                         struct mts_job **job) {
  if (!https_can_ask(request->host, request->path) || world->config.https_port == 0) return MTS_ERR_ARGUMENT;
  if (request->address_count == 0 && !world->config.https_proxy[0]) return MTS_ERR_HTTPS_ADDRESS;
  X509_STORE *store;
  enum mts_err err = trust_store(world, &store);
  if (err != MTS_OK) return err;
  struct https_job *https = calloc(1, sizeof *https);
  if (!https) return MTS_ERR_NO_MEMORY;
  https->done = done;
  https->arg = arg;
  https->end = (struct multi_end){attempt_ended, https};
  https->ends_ms = mts_clock_mono_ms(&world->net.clock) + request->deadline_ms;
  job_begin(world, &https->job, https_end);
  err = copy_request(https, request) ? set_request(https) : MTS_ERR_NO_MEMORY;
  if (err == MTS_OK) err = try_address(https);
  if (err != MTS_OK) {
    job_end(&https->job);
    return err;
  }
  *job = &https->job;
  return MTS_OK;
}
