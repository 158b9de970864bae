/* SPDX-License-Identifier: ISC
 * What a fake world is told of policy hosts and mail hosts. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "fake/inside.h"

#define DAY_S INT64_C(86400)
#define DAYS_LEFT 60

static bool is_cert_error(enum mts_err err) { return fake_between(err, MTS_ERR_CERT_NAME, MTS_ERR_CERT_INVALID); }

static bool can_be_shown(const struct mts_fake_tls *tls) {
  return (!tls->err || is_cert_error(tls->err)) &&
         (!tls->no_sni || is_cert_error(tls->no_sni) || tls->no_sni == MTS_ERR_TLS_HANDSHAKE) && tls->count <= MTS_SEEN_CERTS;
}

static bool is_key(enum mts_fake_only only, const char *key, char normal[MTS_FAKE_KEY_BYTES]) {
  struct mts_address address;
  normal[0] = '\0';
  switch (only) {
    case MTS_FAKE_ALL:
      return true;
    case MTS_FAKE_ADDRESS:
      if (!mts_address_parse(mts_span_of(key), &address)) return false;
      mts_address_format(&address, normal); /* there are several ways to write one */
      return true;
    case MTS_FAKE_PATH:
    case MTS_FAKE_AGENT:
      if (!key[0] || strlen(key) >= MTS_FAKE_KEY_BYTES || (only == MTS_FAKE_PATH && key[0] != '/')) return false;
      memcpy(normal, key, strlen(key) + 1);
      return true;
  }
  return false;
}

/* Takes the told over. */
static enum mts_err add_variant(struct mts_fake *fake, enum subject subject, const char *host, struct told *told) {
  struct topic *topic = topics_get(&fake->topics, subject, 0, host);
  if (!topic || !topic->told) {
    told_free(&told);
    return topic ? MTS_ERR_ARGUMENT : MTS_ERR_NO_MEMORY;
  }
  struct told **at = &topic->told->variants;
  while (*at && ((*at)->only != told->only || strcmp((*at)->key, told->key) != 0)) at = &(*at)->next;
  struct told *before = *at;
  told->next = before ? before->next : NULL;
  *at = told;
  told_free(&before);
  return MTS_OK;
}

static enum mts_err take(struct mts_fake *fake, enum subject subject, const char *host, struct told *told) {
  if (told->only != MTS_FAKE_ALL) return add_variant(fake, subject, host, told);
  enum mts_err err = fake_tell(fake, subject, 0, host, told);
  return err ? err : fake_give_address(fake, host);
}

/* ---- policy hosts ---- */

static enum mts_err fill_site(struct told *told, const struct mts_fake_site *site) {
  told->tls = malloc(sizeof *told->tls);
  if (!told->tls) return MTS_ERR_NO_MEMORY;
  *told->tls = site->tls;
  told->err = site->err;
  /* An ordinary request goes no further than the certificate. */
  if (!told->err && site->tls.err)
    told->err = (enum mts_err)(MTS_ERR_HTTPS_CERT_NAME + (int)site->tls.err - (int)MTS_ERR_CERT_NAME);
  told->status = site->status;
  told->delay_ms = site->delay_ms;
  if (site->content_type) memcpy(told->content_type, site->content_type, strlen(site->content_type) + 1);
  if (site->body.n) memcpy(told->bytes, site->body.p, site->body.n);
  told->body_n = site->body.n;
  if (site->headers.n) memcpy(told->bytes + site->body.n, site->headers.p, site->headers.n);
  told->headers = mts_span(told->bytes + site->body.n, site->headers.n);
  return MTS_OK;
}

enum mts_err mts_fake_site(struct mts_fake *fake, const char *host, enum mts_fake_only only, const char *key,
                           const struct mts_fake_site *site) {
  char normal[MTS_NAME_SIZE], normal_key[MTS_FAKE_KEY_BYTES];
  if (fake_name_of(host, normal) || !is_key(only, key, normal_key) || !can_be_shown(&site->tls)) return MTS_ERR_ARGUMENT;
  if (site->content_type && strlen(site->content_type) >= sizeof((struct told *)0)->content_type) return MTS_ERR_ARGUMENT;
  if (site->err && !fake_between(site->err, MTS_ERR_HTTPS_ADDRESS, MTS_ERR_HTTPS_PROTOCOL)) return MTS_ERR_ARGUMENT;
  if ((!site->err || site->status) && (site->status < 100 || site->status > 599)) return MTS_ERR_ARGUMENT;
  struct told *told = NULL;
  enum mts_err err = told_new(0, site->body.n + site->headers.n, &told);
  if (err) return err;
  told->only = only;
  memcpy(told->key, normal_key, sizeof normal_key);
  err = fill_site(told, site);
  if (err) {
    told_free(&told);
    return err;
  }
  return take(fake, ABOUT_HTTPS, normal, told);
}

enum mts_err mts_fake_https(struct mts_fake *fake, const char *host, enum mts_err err, unsigned status, const char *content_type,
                            struct mts_span body, uint32_t delay_ms) {
  struct mts_fake_site site = {
      .err = err, .status = err ? 0 : status, .content_type = content_type, .body = body, .delay_ms = delay_ms};
  return mts_fake_site(fake, host, MTS_FAKE_ALL, "", &site);
}

/* ---- mail hosts ---- */

static bool offers_starttls(const struct mts_fake_mailer *mailer) {
  static const char word[] = "STARTTLS";
  if (!mailer->has_ehlo) return true;
  for (size_t at = 0; at < mailer->ehlo.n; at += strlen(mailer->ehlo.p + at) + 1) {
    const char *line = mailer->ehlo.p + at;
    if (strncasecmp(line, word, sizeof word - 1) == 0 && (line[sizeof word - 1] == '\0' || line[sizeof word - 1] == ' '))
      return true;
  }
  return false;
}

static bool refuses(unsigned code, unsigned good) { return code && code != good; }

/* How far an ordinary probe comes. */
static enum mts_err probe_error(const struct mts_fake_mailer *mailer) {
  if (mailer->err) return mailer->err;
  if (refuses(mailer->banner_code, 220) || mailer->ehlo_code / 100 == 4) return MTS_ERR_SMTP_PROTOCOL;
  if (refuses(mailer->ehlo_code, 250) || !offers_starttls(mailer)) return MTS_ERR_STARTTLS_MISSING;
  if (refuses(mailer->starttls_code, 220)) return MTS_ERR_STARTTLS_REFUSED;
  return mailer->tls.err;
}

static bool is_code(unsigned code) { return code == 0 || (code >= 200 && code < 600); }

enum mts_err mts_fake_mailer(struct mts_fake *fake, const char *host, enum mts_fake_only only, const char *key,
                             const struct mts_fake_mailer *mailer) {
  char normal[MTS_NAME_SIZE], normal_key[MTS_FAKE_KEY_BYTES];
  if (fake_name_of(host, normal) || !is_key(only, key, normal_key) || !can_be_shown(&mailer->tls)) return MTS_ERR_ARGUMENT;
  if (mailer->err && !fake_between(mailer->err, MTS_ERR_SMTP_CONNECT, MTS_ERR_TLSA_INVALID)) return MTS_ERR_ARGUMENT;
  if (!is_code(mailer->banner_code) || !is_code(mailer->ehlo_code) || !is_code(mailer->starttls_code)) return MTS_ERR_ARGUMENT;
  if (only != MTS_FAKE_ALL && only != MTS_FAKE_ADDRESS) return MTS_ERR_ARGUMENT;
  struct told *told = NULL;
  enum mts_err err = told_new(0, mailer->ehlo.n, &told);
  if (err) return err;
  told->only = only;
  memcpy(told->key, normal_key, sizeof normal_key);
  told->err = probe_error(mailer);
  told->delay_ms = mailer->delay_ms;
  told->mailer = malloc(sizeof *told->mailer);
  if (!told->mailer) {
    told_free(&told);
    return MTS_ERR_NO_MEMORY;
  }
  *told->mailer = *mailer;
  if (mailer->ehlo.n) memcpy(told->bytes, mailer->ehlo.p, mailer->ehlo.n);
  told->mailer->ehlo = mts_span(told->bytes, mailer->ehlo.n);
  return take(fake, ABOUT_SMTP, normal, told);
}

enum mts_err mts_fake_smtp(struct mts_fake *fake, const char *host, enum mts_err err, uint32_t delay_ms) {
  struct mts_fake_mailer mailer = {.err = err, .delay_ms = delay_ms};
  return mts_fake_mailer(fake, host, MTS_FAKE_ALL, "", &mailer);
}

/* ---- certificates ---- */

/* Of what is told as one word a certificate shows the reason, too. */
static void default_leaf(const char *host, enum mts_err err, int64_t now_s, struct mts_cert *cert) {
  const char *name = err == MTS_ERR_CERT_NAME ? "other.invalid" : host;
  int64_t left_s = err == MTS_ERR_CERT_EXPIRED ? -DAY_S : DAYS_LEFT * DAY_S;
  *cert = (struct mts_cert){.not_before = now_s - 30 * DAY_S, .not_after = now_s + left_s, .key_bits = 2048};
  cert->self_issued = err == MTS_ERR_CERT_UNTRUSTED;
  mts_text_format(cert->subject, sizeof cert->subject, "CN=%s", name);
  mts_text_format(cert->issuer, sizeof cert->issuer, "%s", cert->self_issued ? cert->subject : "CN=Told CA");
  mts_text_format(cert->names, sizeof cert->names, "%s", name);
}

static void default_issuer(int64_t now_s, struct mts_cert *cert) {
  *cert = (struct mts_cert){.not_before = now_s - 365 * DAY_S, .not_after = now_s + 3650 * DAY_S, .key_bits = 4096};
  mts_text_format(cert->subject, sizeof cert->subject, "CN=Told CA");
  mts_text_format(cert->issuer, sizeof cert->issuer, "CN=Told Root");
}

static void set_default(char *to, size_t size, const char *text) {
  if (!to[0]) mts_text_format(to, size, "%s", text);
}

static void fill_in(struct mts_cert *cert, const struct mts_cert *usual) {
  set_default(cert->subject, sizeof cert->subject, usual->subject);
  set_default(cert->issuer, sizeof cert->issuer, usual->issuer);
  set_default(cert->names, sizeof cert->names, usual->names);
  if (!cert->not_before) cert->not_before = usual->not_before;
  if (!cert->not_after) cert->not_after = usual->not_after;
  set_default(cert->key, sizeof cert->key, cert->curve[0] ? "EC" : "RSA");
  bool curved = strcmp(cert->key, "EC") == 0;
  if (curved) set_default(cert->curve, sizeof cert->curve, "P-256");
  if (!cert->key_bits) cert->key_bits = strcmp(cert->key, "RSA") == 0 ? usual->key_bits : 256;
  set_default(cert->signature, sizeof cert->signature, "sha256WithRSAEncryption");
  cert->self_issued |= strcmp(cert->subject, cert->issuer) == 0;
  /* No digests, but the same for what looks the same. */
  uint32_t hash = mts_span_hash(mts_span_of(cert->names)) ^ mts_span_hash(mts_span_of(cert->subject)) ^ (uint32_t)cert->not_after;
  char text[65];
  mts_text_format(text, sizeof text, "%08x%056x", hash, cert->key_bits);
  set_default(cert->fingerprint, sizeof cert->fingerprint, text);
  set_default(cert->spki, sizeof cert->spki, text);
}

void fake_tls_seen(const struct told *told, const char *host, bool no_sni, int64_t now_s, struct mts_tls_seen *seen) {
  static const struct mts_fake_tls usual;
  const struct mts_fake_tls *tls = told->mailer ? &told->mailer->tls : told->tls ? told->tls : &usual;
  seen->err = tls->err;
  if (!seen->err && is_cert_error(told->err)) seen->err = told->err;
  if (!seen->err && fake_between(told->err, MTS_ERR_HTTPS_CERT_NAME, MTS_ERR_HTTPS_CERT_INVALID))
    seen->err = (enum mts_err)(MTS_ERR_CERT_NAME + (int)told->err - (int)MTS_ERR_HTTPS_CERT_NAME);
  if (no_sni && is_cert_error(tls->no_sni)) seen->err = tls->no_sni;
  if (seen->err) mts_text_format(seen->detail, sizeof seen->detail, "fake world: %s", mts_err_message(seen->err));
  mts_text_format(seen->protocol, sizeof seen->protocol, "%s", tls->protocol[0] ? tls->protocol : "TLSv1.3");
  mts_text_format(seen->cipher, sizeof seen->cipher, "%s", tls->cipher[0] ? tls->cipher : "TLS_AES_256_GCM_SHA384");
  seen->count = tls->count ? tls->count : 1;
  memcpy(seen->chain, tls->chain, sizeof seen->chain);
  for (size_t i = 0; i < seen->count; i++) {
    struct mts_cert cert;
    if (i == 0)
      default_leaf(host, seen->err, now_s, &cert);
    else
      default_issuer(now_s, &cert);
    fill_in(&seen->chain[i], &cert);
  }
}
