/* SPDX-License-Identifier: ISC
 * What hosts of a fake world show to looks: all that an ordinary request sees, and what comes after its end. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "fake/inside.h"

static const struct told *lent(const struct told *variant, const struct told *else_this) { return variant ? variant : else_this; }

/* ---- policy hosts ---- */

struct https_look_job {
  struct mts_job job;
  struct mts_fake *fake;
  struct told *told; /* NULL: nobody is there */
  bool elsewhere;    /* another path than that of the policy, of which nothing was told */
  bool head, no_sni, posts;
  enum mts_err err;
  uint32_t ms;
  size_t max_bytes;
  char host[MTS_NAME_SIZE];
  mts_https_seen_fn done;
  void *arg;
};

static void https_release(struct mts_job *job) {
  struct https_look_job *https = (struct https_look_job *)job;
  told_free(&https->told);
  free(https);
}

/* What answers was told as an error of ordinary requests, perhaps: then this is what makes them fail. */
static unsigned status_of(const struct told *told) {
  if (told->err == MTS_ERR_HTTPS_STATUS && !told->status) return 404;
  if (told->err == MTS_ERR_HTTPS_REDIRECT && !told->status) return 301;
  return told->status ? told->status : 200;
}

static bool add_header(struct mts_buf *headers, size_t *count, const char *name, const char *value) {
  if (mts_buf_add(headers, name, strlen(name) + 1) || mts_buf_add(headers, value, strlen(value) + 1)) return false;
  ++*count;
  return true;
}

static bool collect_headers(const struct told *told, struct mts_buf *headers, size_t *count) {
  const char *type = told->err == MTS_ERR_HTTPS_TYPE && !told->content_type[0] ? "text/html" : told->content_type;
  bool has_type = !type[0], good = true;
  for (size_t at = 0; good && at < told->headers.n && *count < MTS_SEEN_HEADERS - 1;) {
    const char *name = told->headers.p + at;
    const char *value = name + strlen(name) + 1;
    at += strlen(name) + strlen(value) + 2;
    has_type |= strcmp(name, "content-type") == 0;
    good = add_header(headers, count, name, value);
  }
  return good && (has_type || add_header(headers, count, "content-type", type));
}

static bool is_answer(enum mts_err err) { return !err || fake_between(err, MTS_ERR_HTTPS_CERT_NAME, MTS_ERR_HTTPS_SIZE); }

static void show_page(const struct https_look_job *https, struct mts_https_seen *seen, struct mts_buf *headers) {
  const struct told *told = https->told;
  seen->first_byte_ms = https->ms;
  seen->status = https->elsewhere ? 404 : status_of(told);
  seen->posted = https->posts;
  if (https->elsewhere) return;
  if (!collect_headers(told, headers, &seen->header_count)) seen->err = MTS_ERR_NO_MEMORY;
  seen->headers = mts_span(headers->p, headers->n);
  if (https->head) return;
  seen->body = mts_span(told->bytes, told->body_n);
  seen->body_bytes = told->body_n;
  seen->truncated = told->err == MTS_ERR_HTTPS_SIZE || told->body_n > https->max_bytes;
  if (seen->body.n > https->max_bytes) seen->body.n = https->max_bytes;
}

static void https_fire(struct mts_job *job) {
  const struct https_look_job *https = (const struct https_look_job *)job;
  struct mts_https_seen seen = {.err = https->err, .ms = https->ms};
  struct mts_tls_seen *tls = calloc(1, sizeof *tls);
  struct mts_buf headers = {.limit = MTS_SEEN_HEADERS * (2 * MTS_SEEN_HEADER_BYTES)};
  bool up = is_answer(https->err) || https->err == MTS_ERR_HTTPS_PROTOCOL;
  seen.connected = up || https->err == MTS_ERR_HTTPS_TLS || (https->err == MTS_ERR_HTTPS_DEADLINE && https->told);
  if (!tls) seen.err = MTS_ERR_NO_MEMORY;
  if (up && tls) {
    fake_tls_seen(https->told, https->host, https->no_sni, mts_clock_now_s(&https->fake->net.clock), tls);
    seen.tls = tls;
  }
  if (tls && is_answer(https->err)) {
    seen.err = MTS_OK;
    show_page(https, &seen, &headers);
  }
  if (seen.err) mts_text_format(seen.detail, sizeof seen.detail, "fake world: %s", mts_err_message(seen.err));
  https->done(https->arg, &seen);
  mts_buf_free(&headers);
  free(tls);
}

static const struct told *choose_page(const struct told *told, const struct mts_https_look *look, const char *address,
                                      bool *elsewhere) {
  const struct told *there = told_variant(told, MTS_FAKE_PATH, look->path);
  *elsewhere = !there && strcmp(look->path, FAKE_POLICY_PATH) != 0;
  if (there) return there;
  const struct told *agent = look->user_agent ? told_variant(told, MTS_FAKE_AGENT, look->user_agent) : NULL;
  return lent(agent, lent(told_variant(told, MTS_FAKE_ADDRESS, address), told));
}

enum mts_err fake_look_https(struct mts_net *net, const struct mts_https_look *look, mts_https_seen_fn done, void *arg,
                             struct mts_job **job) {
  struct mts_fake *fake = fake_of(net);
  char address[MTS_ADDRESS_SIZE];
  struct topic *topic = topics_get(&fake->topics, ABOUT_HTTPS, 0, look->host);
  struct https_look_job *https = calloc(1, sizeof *https);
  if (!topic || !https) {
    free(https);
    return MTS_ERR_NO_MEMORY;
  }
  topic->asked++;
  fake->asked_https++;
  mts_address_format(&look->address, address);
  const struct told *told = choose_page(topic->told, look, address, &https->elsewhere);
  https->fake = fake;
  https->told = told_ref((struct told *)(uintptr_t)told);
  memcpy(https->host, topic->name, sizeof https->host);
  https->head = look->head;
  https->no_sni = look->no_sni;
  https->posts = look->post.p != NULL;
  https->max_bytes = look->max_bytes;
  https->done = done;
  https->arg = arg;
  https->err = told ? told->err : MTS_ERR_HTTPS_CONNECT;
  if (told && told->tls && look->no_sni && told->tls->no_sni == MTS_ERR_TLS_HANDSHAKE) https->err = MTS_ERR_HTTPS_TLS;
  https->ms = fake_due_in(told ? told->delay_ms : 0, look->deadline_ms, MTS_ERR_HTTPS_DEADLINE, &https->err);
  event_start(&fake->events, &https->job, https->ms, https_fire, https_release);
  *job = &https->job;
  return MTS_OK;
}

/* ---- mail hosts ---- */

struct smtp_look_job {
  struct mts_job job;
  struct mts_fake *fake;
  struct told *told;
  enum mts_newest_tls newest_tls;
  bool no_sni, inject;
  bool late; /* the answer comes after the deadline */
  uint32_t ms;
  char host[MTS_NAME_SIZE];
  mts_smtp_seen_fn done;
  void *arg;
};

static void smtp_release(struct mts_job *job) {
  struct smtp_look_job *smtp = (struct smtp_look_job *)job;
  told_free(&smtp->told);
  free(smtp);
}

static unsigned code_of(unsigned told, unsigned usual) { return told ? told : usual; }

/* The replies up to the handshake; what was told as an error of ordinary probes shows where it arises. */
static enum mts_err show_dialogue(const struct smtp_look_job *smtp, struct mts_smtp_seen *seen) {
  static const char with[] = "PIPELINING\0SIZE 52428800\0STARTTLS\0008BITMIME";
  static const char without[] = "PIPELINING\0SIZE 52428800\0008BITMIME";
  const struct mts_fake_mailer *mailer = smtp->told->mailer;
  enum mts_err err = smtp->told->err;
  if (err == MTS_ERR_SMTP_CONNECT || err == MTS_ERR_SMTP_TIMEOUT) return err;
  seen->connected = true;
  seen->banner_code = code_of(mailer->banner_code, mailer->err == MTS_ERR_SMTP_PROTOCOL ? 554 : 220);
  mts_text_format(seen->banner, sizeof seen->banner, "%u %s ESMTP", seen->banner_code, smtp->host);
  if (mailer->banner[0]) memcpy(seen->banner, mailer->banner, sizeof seen->banner);
  if (seen->banner_code != 220) return MTS_ERR_SMTP_PROTOCOL;
  seen->ehlo_code = code_of(mailer->ehlo_code, 250);
  if (seen->ehlo_code != 250) return err;
  bool none = mailer->err == MTS_ERR_STARTTLS_MISSING;
  seen->ehlo = mailer->has_ehlo ? mailer->ehlo : none ? mts_span(without, sizeof without) : mts_span(with, sizeof with);
  for (size_t i = 0; i < seen->ehlo.n; i++) seen->ehlo_count += seen->ehlo.p[i] == '\0';
  if (err == MTS_ERR_STARTTLS_MISSING) return err;
  seen->starttls_code = code_of(mailer->starttls_code, mailer->err == MTS_ERR_STARTTLS_REFUSED ? 454 : 220);
  mts_text_format(seen->starttls_reply, sizeof seen->starttls_reply, "%u %s", seen->starttls_code,
                  seen->starttls_code == 220 ? "ready" : "not now");
  seen->tried_injection = smtp->inject;
  if (err == MTS_ERR_STARTTLS_REFUSED || err == MTS_ERR_STARTTLS_INJECTION || err == MTS_ERR_TLS_HANDSHAKE) return err;
  if (smtp->no_sni && mailer->tls.no_sni == MTS_ERR_TLS_HANDSHAKE) return MTS_ERR_TLS_HANDSHAKE;
  return smtp->newest_tls == MTS_TLS_1_0 || (smtp->newest_tls == MTS_TLS_1_1 && !mailer->old_tls) ? MTS_ERR_TLS_HANDSHAKE : MTS_OK;
}

static void smtp_fire(struct mts_job *job) {
  const struct smtp_look_job *smtp = (const struct smtp_look_job *)job;
  struct mts_smtp_seen seen = {.ms = smtp->ms};
  struct mts_tls_seen *tls = calloc(1, sizeof *tls);
  seen.err = smtp->late ? MTS_ERR_SMTP_TIMEOUT : smtp->told ? show_dialogue(smtp, &seen) : MTS_ERR_SMTP_CONNECT;
  if (!tls) seen.err = MTS_ERR_NO_MEMORY;
  if (!seen.err) {
    fake_tls_seen(smtp->told, smtp->host, smtp->no_sni, mts_clock_now_s(&smtp->fake->net.clock), tls);
    if (smtp->newest_tls == MTS_TLS_1_1) mts_text_format(tls->protocol, sizeof tls->protocol, "TLSv1.1");
    if (smtp->newest_tls == MTS_TLS_1_2) mts_text_format(tls->protocol, sizeof tls->protocol, "TLSv1.2");
    if (smtp->newest_tls) mts_text_format(tls->cipher, sizeof tls->cipher, "ECDHE-RSA-AES256-SHA");
    seen.tls = tls;
    seen.injected = smtp->inject && smtp->told->mailer->injectable;
  }
  if (seen.err) mts_text_format(seen.detail, sizeof seen.detail, "fake world: %s", mts_err_message(seen.err));
  smtp->done(smtp->arg, &seen);
  free(tls);
}

enum mts_err fake_look_smtp(struct mts_net *net, const struct mts_smtp_look *look, mts_smtp_seen_fn done, void *arg,
                            struct mts_job **job) {
  struct mts_fake *fake = fake_of(net);
  char address[MTS_ADDRESS_SIZE];
  struct topic *topic = topics_get(&fake->topics, ABOUT_SMTP, 0, look->host);
  struct smtp_look_job *smtp = calloc(1, sizeof *smtp);
  if (!topic || !smtp) {
    free(smtp);
    return MTS_ERR_NO_MEMORY;
  }
  topic->asked++;
  fake->asked_smtp++;
  mts_address_format(&look->address, address);
  const struct told *told = lent(told_variant(topic->told, MTS_FAKE_ADDRESS, address), topic->told);
  smtp->fake = fake;
  smtp->told = told_ref((struct told *)(uintptr_t)told);
  memcpy(smtp->host, topic->name, sizeof smtp->host);
  smtp->newest_tls = look->newest_tls;
  smtp->no_sni = look->no_sni;
  smtp->inject = look->inject;
  smtp->done = done;
  smtp->arg = arg;
  enum mts_err err = told ? told->err : MTS_ERR_SMTP_CONNECT;
  smtp->ms = fake_due_in(told ? told->delay_ms : 0, look->deadline_ms, MTS_ERR_SMTP_TIMEOUT, &err);
  smtp->late = err == MTS_ERR_SMTP_TIMEOUT;
  event_start(&fake->events, &smtp->job, smtp->ms, smtp_fire, smtp_release);
  *job = &smtp->job;
  return MTS_OK;
}
