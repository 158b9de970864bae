/* SPDX-License-Identifier: ISC
 *
 * The same rules as for fetching a policy but one: certificates are verified by OpenSSL and not by curl, so that the request goes on and the
 * result of verification is only noted. Nothing that comes this way is a policy for mail. */
#include "net/https_look.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "net/cert_seen.h"
#include "net/https.h"
#include "net/multi.h"
#include "net/trust.h"

#define HEADER_MAX_BYTES 131072 /* of all headers, interim answers and trailers too */
#define HEADER_MAX_LINES 1000

struct look {
  struct mts_job job; /* first */
  CURL *easy;
  bool running; /* in the multi */
  struct multi_end end;
  struct curl_slist *connect_to, *headers;
  char host[MTS_NAME_SIZE];
  char *url, *user_agent;
  struct mts_https_look request;
  mts_https_seen_fn done;
  void *arg;
  /* of the answer */
  struct mts_buf kept, body; /* kept: headers */
  size_t header_bytes, header_lines;
  bool delimited;                            /* by Content-Length or chunks: else the end of TLS is the end of the body */
  bool bodiless;                             /* a status that has no body, or HEAD */
  bool tls_closed;                           /* by close_notify, not just by TCP */
  bool broken_off;                           /* by us */
  int64_t began_ms, connected_ms, tls_up_ms; /* mono: curl knows the times of what succeeded alone */
  enum mts_err err;
  char why[120];
  struct mts_tls_seen *tls;
  struct mts_https_seen seen;
  char curl_why[CURL_ERROR_SIZE];
};

static void look_end(struct mts_job *job) {
  struct look *look = (struct look *)job;
  if (look->running) multi_remove(job->world, look->easy);
  if (look->easy) curl_easy_cleanup(look->easy);
  curl_slist_free_all(look->connect_to);
  curl_slist_free_all(look->headers);
  mts_buf_free(&look->kept);
  mts_buf_free(&look->body);
  free(look->tls);
  free(look->url);
  free(look->user_agent);
  free(look);
}

/* ---- what comes in, called from inside of curl: only notes, never ends the job ---- */

static int64_t now_ms(const struct look *look) { return mts_clock_mono_ms(&look->job.world->net.clock); }

static uint32_t passed(const struct look *look, int64_t since_ms) {
  int64_t ms = now_ms(look) - since_ms;
  return ms > 0 ? (uint32_t)ms : 0;
}

/* Anything but the number of bytes makes curl end the transfer. */
static size_t break_off(struct look *look, enum mts_err err, const char *why) {
  look->broken_off = true;
  look->err = err;
  mts_text_format(look->why, sizeof look->why, "%s", why);
  return 0;
}

static void begin_answer(struct look *look) {
  long status = 0;
  if (look->header_lines == 1) look->seen.first_byte_ms = passed(look, look->tls_up_ms);
  curl_easy_getinfo(look->easy, CURLINFO_RESPONSE_CODE, &status);
  look->seen.status = (unsigned)status;
  look->seen.header_count = 0;
  mts_buf_reset(&look->kept);
  look->delimited = false;
  look->bodiless = look->request.head || status == 204 || status == 304;
}

static bool is_token(char c) { return c > ' ' && c < 127 && !strchr("()<>@,;:\\\"/[]?={}", c); }

static bool has_header(const struct look *look, const char *name) {
  for (size_t at = 0; at < look->kept.n;) {
    const char *each = look->kept.p + at, *value = each + strlen(each) + 1;
    if (strcmp(each, name) == 0) return true;
    at += strlen(each) + strlen(value) + 2;
  }
  return false;
}

/* The first of each name; what is no header, is too long or too many is only counted. */
static void keep_header(struct look *look, struct mts_span line) {
  char pair[MTS_SEEN_HEADER_BYTES + 2];
  size_t n = 0;
  while (n < line.n && n < 128 && is_token(line.p[n])) n++;
  if (n == 0 || n == line.n || line.p[n] != ':' || look->seen.header_count == MTS_SEEN_HEADERS) return;
  for (size_t i = 0; i < n; i++) pair[i] = (char)(line.p[i] >= 'A' && line.p[i] <= 'Z' ? line.p[i] + 32 : line.p[i]);
  pair[n] = '\0';
  struct mts_span value;
  if (has_header(look, pair) || !https_header_is(line, pair, &value)) return;
  size_t room = sizeof pair - n - 2, value_n = 0;
  for (; value_n < value.n && value_n < room && value.p[value_n]; value_n++) pair[n + 1 + value_n] = value.p[value_n];
  pair[n + 1 + value_n] = '\0';
  if (mts_buf_add(&look->kept, pair, n + value_n + 2) == MTS_OK) look->seen.header_count++;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *arg) {
  struct look *look = arg;
  size_t n = size * count;
  struct mts_span line = mts_span(bytes, n), value;
  look->header_bytes += n;
  if (look->header_bytes > HEADER_MAX_BYTES || ++look->header_lines > HEADER_MAX_LINES)
    return break_off(look, MTS_ERR_HTTPS_PROTOCOL, "too many HTTP headers");
  if (look->seen.body_bytes > 0) return n; /* trailers decide nothing */
  if (mts_span_begins(line, "HTTP/")) {
    begin_answer(look);
    return n;
  }
  look->delimited |= https_header_is(line, "Content-Length", &value) || https_header_is(line, "Transfer-Encoding", &value);
  keep_header(look, line);
  return n;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *arg) {
  struct look *look = arg;
  size_t n = size * count, room = look->body.limit - look->body.n;
  look->seen.body_bytes += n;
  enum mts_err err = mts_buf_add(&look->body, bytes, n < room ? n : room);
  if (err) return break_off(look, err, "out of memory");
  if (n <= room) return n;
  look->seen.truncated = true;
  return break_off(look, MTS_OK, "");
}

/* The chain is there to be seen when the handshake is done, and not much longer. */
static void note_tls(const SSL *ssl, int where, int value) {
  struct look *look = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  if (where == SSL_CB_READ_ALERT && (value & 0xff) == SSL_AD_CLOSE_NOTIFY) look->tls_closed = true;
  if (!look->seen.connected) {
    look->seen.connected = true;
    look->connected_ms = now_ms(look);
    look->seen.connect_ms = passed(look, look->began_ms);
  }
  if (!(where & SSL_CB_HANDSHAKE_DONE) || look->seen.tls) return;
  look->tls_up_ms = now_ms(look);
  look->seen.tls_ms = passed(look, look->connected_ms);
  if (!look->tls) look->tls = malloc(sizeof *look->tls);
  if (look->tls && cert_seen(ssl, look->tls)) look->seen.tls = look->tls;
}

static CURLcode set_trust(CURL *easy, void *context, void *arg) {
  (void)easy;
  struct look *look = arg;
  X509_STORE *store;
  if (trust_store(look->job.world, &store) != MTS_OK) return CURLE_SSL_CACERT_BADFILE;
  SSL_CTX_set1_cert_store(context, store);
  if (SSL_CTX_set_app_data((SSL_CTX *)context, look) != 1) return CURLE_OUT_OF_MEMORY;
  SSL_CTX_set_info_callback(context, note_tls);
  return trust_expect_host_of(context, look->host) == MTS_OK ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

/* ---- from curl's results to ours ---- */

static enum mts_err error_of(const struct look *look, CURLcode result) {
  if (look->broken_off) return look->err;
  if (result == CURLE_OK) return look->bodiless || look->delimited || look->tls_closed ? MTS_OK : MTS_ERR_HTTPS_PROTOCOL;
  if (result == CURLE_OUT_OF_MEMORY) return MTS_ERR_NO_MEMORY;
  if (result == CURLE_COULDNT_CONNECT || result == CURLE_COULDNT_RESOLVE_PROXY) return MTS_ERR_HTTPS_CONNECT;
  if (!look->seen.connected) return result == CURLE_OPERATION_TIMEDOUT ? MTS_ERR_HTTPS_DEADLINE : MTS_ERR_HTTPS_CONNECT;
  if (result == CURLE_OPERATION_TIMEDOUT) return MTS_ERR_HTTPS_DEADLINE;
  return look->seen.tls && result != CURLE_SSL_CONNECT_ERROR ? MTS_ERR_HTTPS_PROTOCOL : MTS_ERR_HTTPS_TLS;
}

static void explain(struct look *look, CURLcode result) {
  const char *why = look->why;
  long os_error = 0;
  curl_easy_getinfo(look->easy, CURLINFO_OS_ERRNO, &os_error);
  if (!why[0] && look->seen.err == MTS_ERR_HTTPS_CONNECT && os_error != 0) why = strerror((int)os_error);
  if (!why[0] && result == CURLE_OK) why = "the end of the body is missing: the connection was cut";
  if (!why[0]) why = look->curl_why[0] ? look->curl_why : curl_easy_strerror(result);
  mts_text_format(look->seen.detail, sizeof look->seen.detail, "%s", why);
}

static void note_posted(struct look *look) {
  curl_off_t sent = 0;
  if (look->request.post.p && curl_easy_getinfo(look->easy, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK)
    look->seen.posted = sent == (curl_off_t)look->request.post.n;
}

static void ended(void *arg, CURLcode result) {
  struct look *look = arg;
  look->running = false;
  look->seen.ms = passed(look, look->began_ms);
  look->seen.err = error_of(look, result);
  if (look->seen.err) explain(look, result);
  note_posted(look);
  struct mts_https_seen seen = look->seen;
  struct mts_buf kept = look->kept, body = look->body; /* they outlive it until the callback has returned */
  struct mts_tls_seen *tls = look->tls;
  look->kept = look->body = (struct mts_buf){.limit = 0};
  look->tls = NULL;
  seen.headers = mts_span(kept.p, kept.n);
  seen.body = mts_span(body.p, body.n);
  mts_https_seen_fn done = look->done;
  void *done_arg = look->arg;
  job_end(&look->job);
  done(done_arg, &seen);
  mts_buf_free(&kept);
  mts_buf_free(&body);
  free(tls);
}

/* ---- start ---- */

static enum mts_err add_line(struct curl_slist **list, const char *format, const char *text) {
  struct mts_buf line = {.limit = 4096};
  enum mts_err err = MTS_ERR_NO_MEMORY;
  if (mts_buf_addf(&line, "%s%s", format, text) == MTS_OK) {
    struct curl_slist *longer = curl_slist_append(*list, line.p);
    if (longer) {
      *list = longer;
      err = MTS_OK;
    }
  }
  mts_buf_free(&line);
  return err;
}

static unsigned port_of(const struct look *look) {
  return look->request.port ? look->request.port : look->job.world->config.https_port;
}

/* Without SNI the URL has the address, for which curl sends none, and the name stands in Host alone. */
static enum mts_err set_url(struct look *look) {
  char address[MTS_ADDRESS_SIZE], place[MTS_ADDRESS_SIZE + 16], host[MTS_NAME_SIZE + 16];
  mts_address_format(&look->request.address, address);
  bool six = strchr(address, ':') != NULL;
  unsigned port = port_of(look);
  mts_text_format(place, sizeof place, six ? "[%s]:%u" : "%s:%u", address, port);
  mts_text_format(host, sizeof host, port == 443 ? "%s" : "%s:%u", look->host, port);
  struct mts_buf url = {.limit = 4096};
  enum mts_err err = mts_buf_addf(&url, "https://%s%s", look->request.no_sni ? place : host, look->request.path);
  look->url = url.p;
  if (!err && look->request.no_sni) err = add_line(&look->headers, "Host: ", host);
  return err ? err : add_line(&look->connect_to, "::", place); /* whatever the URL says, this is where it goes */
}

/* At once, without asking first whether it may (Expect): the other side may not know that. curl makes a copy of its own. */
static enum mts_err set_post(struct look *look) {
  const struct mts_https_look *request = &look->request;
  enum mts_err err = add_line(&look->headers, "Content-Type: ", request->media_type);
  if (!err) err = add_line(&look->headers, "Expect:", "");
  if (err) return err;
  curl_easy_setopt(look->easy, CURLOPT_POST, 1L);
  curl_easy_setopt(look->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->post.n);
  bool good = curl_easy_setopt(look->easy, CURLOPT_COPYPOSTFIELDS, request->post.p) == CURLE_OK;
  return good ? MTS_OK : MTS_ERR_NO_MEMORY;
}

static enum mts_err set_request(struct look *look) {
  CURL *easy = look->easy = curl_easy_init();
  if (!easy) return MTS_ERR_NO_MEMORY;
  https_set_rules(easy);
  /* OpenSSL verifies all the same: see note_tls. */
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  enum mts_err err = set_url(look);
  if (!err) err = look->request.post.p ? set_post(look) : add_line(&look->headers, "Accept: ", "text/plain");
  if (err) return err;
  bool good = curl_easy_setopt(easy, CURLOPT_PROXY, look->job.world->config.https_proxy) == CURLE_OK;
  good &= curl_easy_setopt(easy, CURLOPT_NOPROXY, "") == CURLE_OK;
  good &= curl_easy_setopt(easy, CURLOPT_URL, look->url) == CURLE_OK;
  good &= curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, set_trust) == CURLE_OK;
  if (look->user_agent) good &= curl_easy_setopt(easy, CURLOPT_USERAGENT, look->user_agent) == CURLE_OK;
  uint32_t connect_ms = look->request.connect_ms;
  if (connect_ms == 0 || connect_ms > look->request.deadline_ms) connect_ms = look->request.deadline_ms;
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)look->request.deadline_ms);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
  if (look->request.head) curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECT_TO, look->connect_to);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, look);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, look->headers);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, look);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, look);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, look->curl_why);
  return good ? MTS_OK : MTS_ERR_NO_MEMORY;
}

/* Printable, so that no second header can stand in it. */
static bool is_value(const char *text) {
  for (; *text; text++) {
    if (*text < ' ' || *text >= 127) return false;
  }
  return true;
}

enum mts_err https_look_start(struct world *world, const struct mts_https_look *request, mts_https_seen_fn done, void *arg,
                              struct mts_job **job) {
  if (!https_can_ask(request->host, request->path)) return MTS_ERR_ARGUMENT;
  if (request->user_agent && !is_value(request->user_agent)) return MTS_ERR_ARGUMENT;
  if (request->post.p && (request->head || !request->media_type || !is_value(request->media_type))) return MTS_ERR_ARGUMENT;
  X509_STORE *store;
  enum mts_err err = trust_store(world, &store);
  if (err != MTS_OK) return err;
  struct look *look = calloc(1, sizeof *look);
  if (!look) return MTS_ERR_NO_MEMORY;
  look->done = done;
  look->arg = arg;
  look->request = *request;
  look->began_ms = mts_clock_mono_ms(&world->net.clock);
  if (look->request.deadline_ms == 0) look->request.deadline_ms = 1;
  mts_text_format(look->host, sizeof look->host, "%s", request->host);
  look->kept.limit = (size_t)MTS_SEEN_HEADERS * (MTS_SEEN_HEADER_BYTES + 2);
  look->body.limit = request->max_bytes;
  look->end = (struct multi_end){ended, look};
  job_begin(world, &look->job, look_end);
  if (request->user_agent) look->user_agent = mts_span_copy(mts_span_of(request->user_agent));
  if (request->user_agent && !look->user_agent) err = MTS_ERR_NO_MEMORY;
  if (err == MTS_OK) err = set_request(look);
  if (err == MTS_OK) err = multi_add(world, look->easy, &look->end);
  look->running = err == MTS_OK;
  if (err != MTS_OK) {
    job_end(&look->job);
    return err;
  }
  *job = &look->job;
  return MTS_OK;
}
