/* SPDX-License-Identifier: ISC */
#include "resolve/look.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "resolve/addresses.h"

#define CONNECT_MAX_MS 4000 /* while other addresses wait for their turn */
#define DEFAULT_PATH "/.well-known/mta-sts.txt"

enum look_kind { LOOK_DNS, LOOK_HTTPS, LOOK_SMTP };

struct look {
  struct work work; /* first */
  struct mts *m;
  enum look_kind kind;
  char host[MTS_NAME_SIZE];
  struct look_opts opts; /* its texts are owned */
  int64_t began_ms, ends_ms;
  union {
    look_dns_fn dns;
    look_https_fn https;
    look_smtp_fn smtp;
  } done;
  void *arg;
  struct addresses addresses;
  bool asking_addresses;
  size_t index; /* of the address in addresses.list that is looked at */
  struct mts_job *job;
};

static int64_t mono(const struct look *look) { return mts_clock_mono_ms(&look->m->clock); }

static void look_free(struct look *look) {
  free((void *)(uintptr_t)look->opts.path);
  free((void *)(uintptr_t)look->opts.user_agent);
  free((void *)(uintptr_t)look->opts.media_type);
  free((void *)(uintptr_t)look->opts.post.p);
  free(look);
}

static void drop(struct work *work) {
  struct look *look = (struct look *)work;
  if (look->asking_addresses) addresses_cancel(&look->addresses);
  context_cancel(look->m, &look->job);
  look_free(look);
}

void look_cancel(struct look **look) {
  if (*look) context_drop(&(*look)->work);
  *look = NULL;
}

/* ---- the end ---- */

static uint16_t port_of(const struct look *look) {
  if (look->opts.port) return look->opts.port;
  return look->kind == LOOK_SMTP ? look->m->smtp_port : (uint16_t)settings_number(look->m->settings, SETTING_https_port);
}

static void address_of(const struct look *look, char text[MTS_ADDRESS_SIZE]) {
  text[0] = '\0';
  if (look->index < look->addresses.count) mts_address_format(&look->addresses.list[look->index], text);
}

/* What was seen is lent by who calls, and outlives the look. */
static void finish_https(struct look *look, const struct mts_https_seen *seen) {
  char address[MTS_ADDRESS_SIZE];
  uint16_t port = port_of(look);
  look_https_fn done = look->done.https;
  void *arg = look->arg;
  address_of(look, address);
  context_end(&look->work);
  look_free(look);
  done(arg, address, port, seen);
}

static void finish_smtp(struct look *look, const struct mts_smtp_seen *seen) {
  char address[MTS_ADDRESS_SIZE];
  uint16_t port = port_of(look);
  look_smtp_fn done = look->done.smtp;
  void *arg = look->arg;
  address_of(look, address);
  context_end(&look->work);
  look_free(look);
  done(arg, address, port, seen);
}

static void finish_badly(struct look *look, enum mts_err err, const char *detail) {
  int64_t took_ms = mono(look) - look->began_ms;
  if (look->kind == LOOK_HTTPS) {
    struct mts_https_seen seen = {.err = err, .ms = (uint32_t)took_ms};
    mts_text_format(seen.detail, sizeof seen.detail, "%s", detail);
    finish_https(look, &seen);
  } else {
    struct mts_smtp_seen seen = {.err = err, .ms = (uint32_t)took_ms};
    mts_text_format(seen.detail, sizeof seen.detail, "%s", detail);
    finish_smtp(look, &seen);
  }
}

/* ---- one address after the other, until one connects ---- */

static enum mts_err try_address(struct look *look);

/* true: another address is being tried. */
static bool try_next(struct look *look, bool connected) {
  look->job = NULL;
  if (connected || look->index + 1 >= look->addresses.count || mono(look) >= look->ends_ms) return false;
  look->index++;
  if (try_address(look) == MTS_OK) return true;
  look->index--;
  return false;
}

static void https_seen(void *arg, const struct mts_https_seen *seen) {
  if (!try_next(arg, seen->connected)) finish_https(arg, seen);
}

static void smtp_seen(void *arg, const struct mts_smtp_seen *seen) {
  if (!try_next(arg, seen->connected)) finish_smtp(arg, seen);
}

static uint32_t share_ms(const struct look *look, uint32_t left_ms) {
  size_t left = look->addresses.count - look->index;
  uint32_t share = left_ms / (uint32_t)left;
  return left > 1 && share > CONNECT_MAX_MS ? CONNECT_MAX_MS : share ? share : 1;
}

static enum mts_err try_address(struct look *look) {
  struct mts_net *net = look->m->net;
  const struct look_opts *opts = &look->opts;
  int64_t left = look->ends_ms - mono(look);
  uint32_t left_ms = left > 0 ? (uint32_t)left : 1;
  if (look->kind == LOOK_HTTPS) {
    struct mts_https_look request = {.host = look->host,
                                     .path = opts->path,
                                     .port = opts->port,
                                     .address = look->addresses.list[look->index],
                                     .connect_ms = share_ms(look, left_ms),
                                     .deadline_ms = left_ms,
                                     .max_bytes = opts->max_bytes,
                                     .user_agent = opts->user_agent,
                                     .head = opts->head,
                                     .no_sni = opts->no_sni,
                                     .post = opts->post,
                                     .media_type = opts->media_type};
    return net->ops->look_https(net, &request, https_seen, look, &look->job);
  }
  struct mts_smtp_look request = {.host = look->host,
                                  .port = port_of(look),
                                  .address = look->addresses.list[look->index],
                                  .connect_ms = share_ms(look, left_ms),
                                  .deadline_ms = left_ms,
                                  .newest_tls = opts->newest_tls,
                                  .no_sni = opts->no_sni,
                                  .inject = opts->inject};
  return net->ops->look_smtp(net, &request, smtp_seen, look, &look->job);
}

/* Who lets others look must not let them look at his own network: the setting is that for fetching policies. */
static bool keep_public(struct look *look) {
  struct addresses *addresses = &look->addresses;
  size_t count = 0;
  for (size_t i = 0; i < addresses->count; i++) {
    if (look->m->allow_private || mts_address_is_public(&addresses->list[i])) addresses->list[count++] = addresses->list[i];
  }
  bool kept = count > 0;
  if (kept) addresses->count = count;
  return kept;
}

static enum mts_err begin(struct look *look) {
  if (look->kind == LOOK_HTTPS && !keep_public(look)) return MTS_ERR_HTTPS_FORBIDDEN;
  return try_address(look);
}

static void got_addresses(void *arg, struct addresses *addresses) {
  struct look *look = arg;
  look->asking_addresses = false;
  enum mts_err err = addresses->err ? addresses->err : begin(look);
  if (err == MTS_ERR_MX_ADDRESS && look->kind == LOOK_HTTPS) err = MTS_ERR_HTTPS_ADDRESS;
  char detail[160];
  memcpy(detail, addresses->detail, sizeof detail);
  if (err) finish_badly(look, err, addresses->err ? detail : "");
}

/* ---- start ---- */

static bool own(const char **text) {
  if (!*text) return true;
  char *copy = mts_span_copy(mts_span_of(*text));
  *text = copy;
  return copy != NULL;
}

static bool own_bytes(struct mts_span *bytes) {
  if (!bytes->p) return true;
  char *copy = malloc(bytes->n + 1);
  if (copy) memcpy(copy, bytes->p, bytes->n);
  bytes->p = copy;
  return copy != NULL;
}

static enum mts_err look_new(struct mts *m, enum look_kind kind, const char *host, const struct look_opts *opts, void *arg,
                             struct look **look) {
  context_after_fork(m);
  char name[MTS_NAME_SIZE];
  /* Names out of MX records may have '_', those of records as well. */
  enum mts_err err =
      kind == LOOK_HTTPS ? mts_name_normalise(mts_span_of(host), name) : mts_name_normalise_host(mts_span_of(host), name);
  if (!err) err = context_net(m);
  if (err) return err;
  struct look *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  made->m = m;
  made->kind = kind;
  made->arg = arg;
  made->opts = *opts;
  memccpy(made->host, name, 0, sizeof made->host);
  if (kind == LOOK_HTTPS && !made->opts.path) made->opts.path = DEFAULT_PATH;
  bool owned = own(&made->opts.path);
  owned &= own(&made->opts.user_agent);
  owned &= own(&made->opts.media_type);
  owned &= own_bytes(&made->opts.post);
  if (!owned) {
    look_free(made);
    return MTS_ERR_NO_MEMORY;
  }
  made->began_ms = mono(made);
  made->ends_ms = made->began_ms + made->opts.deadline_ms;
  *look = made;
  return MTS_OK;
}

static enum mts_err start(struct look *made, struct look **look) {
  enum mts_err err;
  if (made->opts.address.family) {
    made->addresses.count = 1;
    made->addresses.list[0] = made->opts.address;
    err = begin(made);
  } else {
    made->asking_addresses = true;
    err = addresses_start(made->m, made->host, got_addresses, made, &made->addresses);
  }
  if (err) {
    look_free(made);
    return err;
  }
  context_begin(made->m, &made->work, drop);
  *look = made;
  return MTS_OK;
}

enum mts_err look_https_start(struct mts *m, const char *host, const struct look_opts *opts, look_https_fn done, void *arg,
                              struct look **look) {
  struct look_opts all = *opts;
  if (!all.deadline_ms) all.deadline_ms = m->fetch_deadline_ms;
  struct look *made = NULL;
  enum mts_err err = look_new(m, LOOK_HTTPS, host, &all, arg, &made);
  if (err) return err;
  made->done.https = done;
  return start(made, look);
}

enum mts_err look_smtp_start(struct mts *m, const char *host, const struct look_opts *opts, look_smtp_fn done, void *arg,
                             struct look **look) {
  struct look_opts all = *opts;
  if (!all.deadline_ms) all.deadline_ms = m->probe_deadline_ms;
  struct look *made = NULL;
  enum mts_err err = look_new(m, LOOK_SMTP, host, &all, arg, &made);
  if (err) return err;
  made->done.smtp = done;
  return start(made, look);
}

/* ---- DNS ---- */

static void dns_answered(void *arg, const struct mts_dns_answer *answer) {
  struct look *look = arg;
  look_dns_fn done = look->done.dns;
  void *done_arg = look->arg;
  uint32_t ms = (uint32_t)(mono(look) - look->began_ms);
  context_end(&look->work);
  look_free(look);
  done(done_arg, ms, answer);
}

enum mts_err look_dns_start(struct mts *m, const char *name, enum mts_rrtype type, uint32_t deadline_ms, look_dns_fn done,
                            void *arg, struct look **look) {
  struct look *made = NULL;
  struct look_opts opts = {.deadline_ms = deadline_ms ? deadline_ms : m->dns_deadline_ms};
  enum mts_err err = look_new(m, LOOK_DNS, name, &opts, arg, &made);
  if (err) return err;
  made->done.dns = done;
  err = m->net->ops->look_dns(m->net, made->host, type, opts.deadline_ms, dns_answered, made, &made->job);
  if (err) {
    look_free(made);
    return err;
  }
  context_begin(m, &made->work, drop);
  *look = made;
  return MTS_OK;
}
