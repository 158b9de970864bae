/* SPDX-License-Identifier: ISC */
#include "fake/fake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "fake/inside.h"

/* ---- the clock ---- */

static int64_t clock_mono(void *arg) { return ((struct mts_fake *)arg)->events.mono_ms; }
static int64_t clock_now(void *arg) {
  const struct mts_fake *fake = arg;
  return fake->events.mono_ms + fake->events.unix_minus_mono_ms;
}

void mts_fake_advance(struct mts_fake *fake, int64_t ms) {
  if (ms > 0) fake->events.mono_ms += ms;
}
void mts_fake_set_now(struct mts_fake *fake, int64_t now_ms) { fake->events.unix_minus_mono_ms = now_ms - fake->events.mono_ms; }

/* ---- being told ---- */

enum mts_err fake_name_of(const char *text, char name[MTS_NAME_SIZE]) {
  return text && mts_name_normalise_host(mts_span_of(text), name) == MTS_OK ? MTS_OK : MTS_ERR_ARGUMENT;
}

enum mts_err fake_tell(struct mts_fake *fake, enum subject subject, unsigned type, const char *name, struct told *told) {
  struct topic *topic = topics_get(&fake->topics, subject, type, name);
  if (!topic) {
    told_free(&told);
    return MTS_ERR_NO_MEMORY;
  }
  told_free(&topic->told);
  topic->told = told;
  return MTS_OK;
}

const struct told *fake_told_of(const struct mts_fake *fake, enum subject subject, unsigned type, const char *name) {
  const struct topic *topic = topics_find(&fake->topics, subject, type, name);
  return topic ? topic->told : NULL;
}

/* Addresses for documentation (RFC 5737) are
 * not public, so a policy host there would be refused; 192.31.196.0/24 is public and nobody's host (AS112, RFC 7535). */
enum mts_err fake_give_address(struct mts_fake *fake, const char *host) {
  struct topic *topic = topics_get(&fake->topics, ABOUT_DNS, MTS_RR_A, host);
  if (!topic) return MTS_ERR_NO_MEMORY;
  if (topic->address.family == AF_INET) return MTS_OK;
  unsigned last = fake->addresses++ % 254 + 1;
  topic->address = (struct mts_address){.family = AF_INET, .bytes = {192, 31, 196, (unsigned char)last}};
  return MTS_OK;
}

static enum mts_err read_records(enum mts_rrtype type, const struct mts_span *records, size_t count, struct told **told) {
  size_t bytes = 0, used = 0;
  for (size_t i = 0; i < count; i++) bytes += records[i].n;
  struct told *fresh = NULL;
  enum mts_err err = told_new(count, bytes, &fresh);
  for (size_t i = 0; !err && i < count; i++) err = told_record(fresh, i, type, records[i], &used);
  if (err)
    told_free(&fresh);
  else
    *told = fresh;
  return err;
}

enum mts_err mts_fake_dns(struct mts_fake *fake, const char *name, enum mts_rrtype type, enum mts_err err,
                          const struct mts_span *records, size_t count, uint32_t ttl_s, enum mts_dnssec dnssec, uint32_t delay_ms) {
  char normal[MTS_NAME_SIZE];
  if (fake_name_of(name, normal)) return MTS_ERR_ARGUMENT;
  if (err ? count || !fake_between(err, MTS_ERR_DNS_NXDOMAIN, MTS_ERR_DNS_NETWORK) : !count) return MTS_ERR_ARGUMENT;
  struct told *told = NULL;
  enum mts_err failed = read_records(type, records, count, &told);
  if (failed) return failed;
  told->err = err;
  told->ttl_s = ttl_s ? ttl_s : FAKE_TTL_S;
  told->dnssec = dnssec;
  told->delay_ms = delay_ms;
  return fake_tell(fake, ABOUT_DNS, type, normal, told);
}

enum mts_err mts_fake_cname(struct mts_fake *fake, const char *name, const char *target) {
  char normal[MTS_NAME_SIZE], normal_target[MTS_NAME_SIZE];
  if (fake_name_of(name, normal)) return MTS_ERR_ARGUMENT;
  if (!target || !*target) return fake_tell(fake, ABOUT_CNAME, 0, normal, NULL);
  if (fake_name_of(target, normal_target)) return MTS_ERR_ARGUMENT;
  struct told *told = NULL;
  enum mts_err err = told_new(0, 0, &told);
  if (err) return err;
  memcpy(told->target, normal_target, sizeof told->target);
  told->ttl_s = FAKE_TTL_S;
  return fake_tell(fake, ABOUT_CNAME, 0, normal, told);
}

uint32_t fake_due_in(uint32_t delay_ms, uint32_t deadline_ms, enum mts_err timeout, enum mts_err *err) {
  if (delay_ms <= deadline_ms && *err != timeout) return delay_ms;
  *err = timeout;
  return deadline_ms;
}

/* ---- HTTPS ---- */

struct https_job {
  struct mts_job job;
  struct told *told;
  enum mts_err err;
  char address[MTS_ADDRESS_SIZE];
  mts_https_fn done;
  void *arg;
};

static void https_release(struct mts_job *job) {
  struct https_job *https = (struct https_job *)job;
  told_free(&https->told);
  free(https);
}

static void https_fire(struct mts_job *job) {
  const struct https_job *https = (const struct https_job *)job;
  struct mts_https_answer answer = {.err = https->err};
  memcpy(answer.address, https->address, sizeof https->address);
  /* A status came when the host answered, though perhaps not as it should. */
  const struct told *told = https->told;
  if (told && told->err == MTS_OK && https->err != MTS_ERR_HTTPS_DEADLINE) {
    answer.status = told->status;
    memcpy(answer.content_type, told->content_type, sizeof answer.content_type);
    if (https->err == MTS_OK) answer.body = mts_span(told->bytes, told->body_n);
  }
  if (https->err == MTS_ERR_HTTPS_STATUS || https->err == MTS_ERR_HTTPS_REDIRECT)
    mts_text_format(answer.detail, sizeof answer.detail, "fake world: status %u", answer.status);
  else if (https->err)
    mts_text_format(answer.detail, sizeof answer.detail, "fake world: %s", mts_err_message(https->err));
  https->done(https->arg, &answer);
}

/* RFC 8461 3.3: only 200 counts, and no redirect is followed; 3.2: the media type is text/plain. */
static enum mts_err judge(const struct told *told, const struct mts_https_request *request) {
  if (!request->address_count) return MTS_ERR_HTTPS_ADDRESS;
  if (!told) return MTS_ERR_HTTPS_CONNECT;
  if (told->err) return told->err;
  if (told->status >= 300 && told->status < 400) return MTS_ERR_HTTPS_REDIRECT;
  if (told->status != 200) return MTS_ERR_HTTPS_STATUS;
  if (!mts_media_type_is_text(told->content_type)) return MTS_ERR_HTTPS_TYPE;
  if (told->body_n > request->max_bytes) return MTS_ERR_HTTPS_SIZE;
  return MTS_OK;
}

static void first_address(const struct mts_address *addresses, size_t count, char text[MTS_ADDRESS_SIZE]) {
  if (count) mts_address_format(&addresses[0], text);
}

static enum mts_err fetch(struct mts_net *net, const struct mts_https_request *request, mts_https_fn done, void *arg,
                          struct mts_job **job) {
  struct mts_fake *fake = fake_of(net);
  if (strcmp(request->path, FAKE_POLICY_PATH) != 0) return MTS_ERR_ARGUMENT; /* the one thing it was told of */
  struct topic *topic = topics_get(&fake->topics, ABOUT_HTTPS, 0, request->host);
  struct https_job *https = calloc(1, sizeof *https);
  if (!topic || !https) {
    free(https);
    return MTS_ERR_NO_MEMORY;
  }
  topic->asked++;
  fake->asked_https++;
  https->done = done;
  https->arg = arg;
  first_address(request->addresses, request->address_count, https->address);
  const struct told *other = told_variant(topic->told, MTS_FAKE_ADDRESS, https->address);
  https->told = told_ref(other ? (struct told *)(uintptr_t)other : topic->told);
  https->err = judge(https->told, request);
  uint32_t delay_ms =
      fake_due_in(https->told ? https->told->delay_ms : 0, request->deadline_ms, MTS_ERR_HTTPS_DEADLINE, &https->err);
  event_start(&fake->events, &https->job, delay_ms, https_fire, https_release);
  *job = &https->job;
  return MTS_OK;
}

/* ---- SMTP ---- */

struct smtp_job {
  struct mts_job job;
  const struct mts_fake *fake;
  struct told *told; /* NULL: nobody is there */
  enum mts_err err;
  uint32_t ms;
  char host[MTS_NAME_SIZE];
  char address[MTS_ADDRESS_SIZE];
  mts_tls_fn done;
  void *arg;
};

static void smtp_release(struct mts_job *job) {
  struct smtp_job *smtp = (struct smtp_job *)job;
  told_free(&smtp->told);
  free(smtp);
}

/* The same certificate that a look sees. */
static void show_certificate(const struct smtp_job *smtp, struct mts_tls *tls) {
  struct mts_tls_seen *seen = calloc(1, sizeof *seen);
  if (!seen) {
    tls->err = MTS_ERR_NO_MEMORY;
    return;
  }
  fake_tls_seen(smtp->told, smtp->host, false, mts_clock_now_s(&smtp->fake->net.clock), seen);
  tls->not_before = seen->chain[0].not_before;
  tls->not_after = seen->chain[0].not_after;
  mts_text_format(tls->protocol, sizeof tls->protocol, "%s", seen->protocol);
  mts_text_format(tls->cipher, sizeof tls->cipher, "%s", seen->cipher);
  mts_text_format(tls->names, sizeof tls->names, "%s", seen->chain[0].names);
  free(seen);
}

static void smtp_fire(struct mts_job *job) {
  const struct smtp_job *smtp = (const struct smtp_job *)job;
  struct mts_tls tls = {.err = smtp->err, .ms = smtp->ms};
  memcpy(tls.address, smtp->address, sizeof smtp->address);
  if (smtp->err) {
    mts_text_format(tls.detail, sizeof tls.detail, "fake world: %s", mts_err_message(smtp->err));
  } else {
    show_certificate(smtp, &tls);
    mts_text_format(tls.banner, sizeof tls.banner, "220 %s ESMTP", smtp->host);
  }
  smtp->done(smtp->arg, &tls);
}

static enum mts_err probe(struct mts_net *net, const struct mts_probe_request *request, mts_tls_fn done, void *arg,
                          struct mts_job **job) {
  struct mts_fake *fake = fake_of(net);
  struct topic *topic = topics_get(&fake->topics, ABOUT_SMTP, 0, request->host);
  struct smtp_job *smtp = calloc(1, sizeof *smtp);
  if (!topic || !smtp) {
    free(smtp);
    return MTS_ERR_NO_MEMORY;
  }
  topic->asked++;
  fake->asked_smtp++;
  smtp->fake = fake;
  smtp->done = done;
  smtp->arg = arg;
  memcpy(smtp->host, topic->name, sizeof smtp->host);
  first_address(request->addresses, request->address_count, smtp->address);
  const struct told *other = told_variant(topic->told, MTS_FAKE_ADDRESS, smtp->address);
  smtp->told = told_ref(other ? (struct told *)(uintptr_t)other : topic->told);
  smtp->err = !request->address_count ? MTS_ERR_MX_ADDRESS : smtp->told ? smtp->told->err : MTS_ERR_SMTP_CONNECT;
  smtp->ms = fake_due_in(smtp->told ? smtp->told->delay_ms : 0, request->deadline_ms, MTS_ERR_SMTP_TIMEOUT, &smtp->err);
  event_start(&fake->events, &smtp->job, smtp->ms, smtp_fire, smtp_release);
  *job = &smtp->job;
  return MTS_OK;
}

/* ---- timers ---- */

struct timer_job {
  struct mts_job job;
  mts_timer_fn done;
  void *arg;
};

static void timer_release(struct mts_job *job) { free(job); }

static void timer_fire(struct mts_job *job) {
  const struct timer_job *timer = (const struct timer_job *)job;
  timer->done(timer->arg);
}

static enum mts_err timer_start(struct mts_net *net, uint32_t ms, mts_timer_fn done, void *arg, struct mts_job **job) {
  struct timer_job *timer = calloc(1, sizeof *timer);
  if (!timer) return MTS_ERR_NO_MEMORY;
  timer->done = done;
  timer->arg = arg;
  event_start(&fake_of(net)->events, &timer->job, ms, timer_fire, timer_release);
  *job = &timer->job;
  return MTS_OK;
}

/* ---- the table ---- */

/* What a host shows in a told world is told with the probe of it. */
static enum mts_err no_certificates(struct mts_net *net, const char *host, const struct mts_span *chain, size_t count,
                                    struct mts_tls *tls) {
  (void)net;
  (void)host;
  (void)chain;
  (void)count;
  (void)tls;
  return MTS_ERR_NET_MODULE;
}

static void leave(struct mts_net *net) { (void)net; } /* the fake outlives those it is lent to */

static void cancel(struct mts_net *net, struct mts_job **job) {
  (void)net;
  event_cancel(job);
}

static bool turn(struct mts_net *net, int max_wait_ms) { return events_turn(&fake_of(net)->events, max_wait_ms); }

static const struct mts_net_ops fake_ops = {
    .free = leave,
    .forget = leave,
    .dns = fake_ask_dns,
    .https = fetch,
    .probe = probe,
    .look_dns = fake_look_dns,
    .look_https = fake_look_https,
    .look_smtp = fake_look_smtp,
    .certificate = no_certificates,
    .timer = timer_start,
    .cancel = cancel,
    .turn = turn,
};

enum mts_err mts_fake_new(int64_t now_ms, struct mts_fake **fake) {
  struct mts_fake *fresh = calloc(1, sizeof *fresh);
  if (!fresh) return MTS_ERR_NO_MEMORY;
  fresh->net.ops = &fake_ops;
  fresh->net.clock = (struct mts_clock){.now_ms = clock_now, .mono_ms = clock_mono, .arg = fresh};
  events_init(&fresh->events, now_ms);
  *fake = fresh;
  return MTS_OK;
}

void mts_fake_free(struct mts_fake **fake) {
  struct mts_fake *gone = *fake;
  *fake = NULL;
  if (!gone) return;
  events_clear(&gone->events);
  topics_free(&gone->topics);
  free(gone);
}

struct mts_net *mts_fake_net(struct mts_fake *fake) {
  /* A loan: it goes with the fake. */
  return &fake->net;
}

/* ---- counts ---- */

static size_t asked(const struct mts_fake *fake, enum subject subject, unsigned type, const char *name) {
  char normal[MTS_NAME_SIZE];
  if (fake_name_of(name, normal)) return 0;
  const struct topic *topic = topics_find(&fake->topics, subject, type, normal);
  return topic ? topic->asked : 0;
}

size_t mts_fake_count_dns(const struct mts_fake *fake, const char *name, enum mts_rrtype type) {
  return name ? asked(fake, ABOUT_DNS, type, name) : fake->asked_dns;
}
size_t mts_fake_count_https(const struct mts_fake *fake, const char *host) {
  return host ? asked(fake, ABOUT_HTTPS, 0, host) : fake->asked_https;
}
size_t mts_fake_count_smtp(const struct mts_fake *fake, const char *host) {
  return host ? asked(fake, ABOUT_SMTP, 0, host) : fake->asked_smtp;
}
