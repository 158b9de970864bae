/* SPDX-License-Identifier: ISC */
#include "net/world.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/cert_chain.h"
#include "net/dns.h"
#include "net/dns_join.h"
#include "net/https.h"
#include "net/https_look.h"
#include "net/redis.h"
#include "net/starttls.h"
#include "net/starttls_look.h"
#include "net/trust.h"

static struct world *world_of(struct mts_net *net) { return (struct world *)net; }

static enum mts_err set_timer(struct mts_net *net, uint32_t ms, mts_timer_fn done, void *arg, struct mts_job **job) {
  return timer_start(world_of(net), ms, done, arg, job);
}

static enum mts_err ask_dns(struct mts_net *net, const char *name, enum mts_rrtype type, uint32_t deadline_ms, mts_dns_fn done,
                            void *arg, struct mts_job **job) {
  return dns_join_start(world_of(net), name, type, deadline_ms, done, arg, job);
}

static enum mts_err fetch(struct mts_net *net, const struct mts_https_request *request, mts_https_fn done, void *arg,
                          struct mts_job **job) {
  return https_start(world_of(net), request, done, arg, job);
}

static enum mts_err probe(struct mts_net *net, const struct mts_probe_request *request, mts_tls_fn done, void *arg,
                          struct mts_job **job) {
  return starttls_start(world_of(net), request, done, arg, job);
}

static enum mts_err look_dns(struct mts_net *net, const char *name, enum mts_rrtype type, uint32_t deadline_ms, mts_dns_fn done,
                             void *arg, struct mts_job **job) {
  return dns_look_start(world_of(net), name, type, deadline_ms, done, arg, job);
}

static enum mts_err look_https(struct mts_net *net, const struct mts_https_look *look, mts_https_seen_fn done, void *arg,
                               struct mts_job **job) {
  return https_look_start(world_of(net), look, done, arg, job);
}

static enum mts_err look_smtp(struct mts_net *net, const struct mts_smtp_look *look, mts_smtp_seen_fn done, void *arg,
                              struct mts_job **job) {
  return starttls_look_start(world_of(net), look, done, arg, job);
}

static enum mts_err certificate(struct mts_net *net, const char *host, const struct mts_span *chain, size_t count,
                                struct mts_tls *tls) {
  return cert_chain_judge(world_of(net), host, chain, count, tls);
}

static enum mts_err ask_shared(struct mts_net *net, const struct mts_span *words, size_t count, uint32_t deadline_ms,
                               mts_shared_fn done, void *arg, struct mts_job **job) {
  return redis_start(world_of(net), words, count, deadline_ms, done, arg, job);
}

static void cancel(struct mts_net *net, struct mts_job **job) {
  (void)net;
  if (!*job) return;
  job_end(*job);
  *job = NULL;
}

static void wake(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  (void)arg;
}

static bool busy(const struct world *world) { return world->jobs.next != &world->jobs; }

static bool turn(struct mts_net *net, int max_wait_ms) {
  struct world *world = world_of(net);
  if (!busy(world)) return false;
  if (max_wait_ms == 0) {
    event_base_loop(world->base, EVLOOP_NONBLOCK);
  } else if (max_wait_ms < 0) {
    event_base_loop(world->base, EVLOOP_ONCE);
  } else {
    struct timeval wait = {.tv_sec = max_wait_ms / 1000, .tv_usec = (suseconds_t)(max_wait_ms % 1000) * 1000};
    /* Without memory for the timer rather too short than for ever. */
    event_base_loop(world->base, evtimer_add(world->wake, &wait) == 0 ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
    evtimer_del(world->wake);
  }
  return busy(world);
}

#define CONFIG_TEXTS 10
static void config_texts(struct mts_net_config *config, const char **texts[CONFIG_TEXTS]) {
  const char **const all[CONFIG_TEXTS] = {&config->nameservers,     &config->trust_anchors,        &config->ca_file,
                                          &config->ca_path,         &config->https_proxy,          &config->helo,
                                          &config->shared_store,    &config->shared_password_file, &config->shared_ca_file,
                                          &config->shared_cert_file};
  memcpy(texts, all, sizeof all);
}

static void release(struct world *world) {
  const char **texts[CONFIG_TEXTS];
  config_texts(&world->config, texts);
  for (size_t i = 0; i < CONFIG_TEXTS; i++) free((void *)(uintptr_t)*texts[i]);
  free(world->dns_joined);
  free(world);
}

static void world_free(struct mts_net *net) {
  struct world *world = world_of(net);
  redis_close(&world->redis);
  while (world->jobs.next != &world->jobs) job_end(world->jobs.next);
  https_close(&world->https);
  dns_close(&world->dns);
  trust_close(&world->trust);
  event_free(world->wake);
  if (world->own_base) event_base_free(world->base);
  release(world);
}

struct descriptors {
  int *fd;
  size_t count, room;
};

static int note_descriptor(const struct event_base *base, const struct event *event, void *arg) {
  (void)base;
  struct descriptors *all = arg;
  int fd = event_get_fd(event);
  if (fd < 0) return 0;
  if (all->count == all->room) {
    size_t room = all->room ? all->room * 2 : 64;
    int *more = realloc(all->fd, room * sizeof *more);
    if (!more) return 1;
    all->fd = more;
    all->room = room;
  }
  all->fd[all->count++] = fd;
  return 0;
}

/* In a forked child the sockets and the epoll set are the parent's too. Taking an event off the shared set would take it from the
 * parent: event_reinit first gives the child a set of its own, without a word to the old one. Closing is harmless, but freeing a TLS
 * connection may send something on it, so transfers and probes only lose their sockets here. */
static void world_forget(struct mts_net *net) {
  struct world *world = world_of(net);
  world->forgotten = true;
  dns_mute(world);
  /* A lent base is its owner's to reinitialise, and until then not to be touched. */
  if (!world->own_base || event_reinit(world->base) != 0) return;
  redis_close(&world->redis);
  timers_end(world);
  dns_join_forget(world);
  dns_forget(world);
  event_free(world->wake);
  struct descriptors left = {0};
  event_base_foreach_event(world->base, note_descriptor, &left);
  event_base_free(world->base);
  for (size_t i = 0; i < left.count; i++) close(left.fd[i]);
  free(left.fd);
  release(world);
}

static const struct mts_net_ops real_ops = {
    .free = world_free,
    .forget = world_forget,
    .dns = ask_dns,
    .https = fetch,
    .probe = probe,
    .look_dns = look_dns,
    .look_https = look_https,
    .look_smtp = look_smtp,
    .certificate = certificate,
    .shared = ask_shared,
    .timer = set_timer,
    .cancel = cancel,
    .turn = turn,
};

static bool own(struct mts_net_config *config) {
  const char **texts[CONFIG_TEXTS];
  bool owned = true;
  config_texts(config, texts);
  for (size_t i = 0; i < CONFIG_TEXTS; i++) {
    *texts[i] = strdup(*texts[i] ? *texts[i] : "");
    owned &= *texts[i] != NULL;
  }
  return owned;
}

enum mts_err mts_net_open_4(const struct mts_net_config *config, const struct mts_clock *clock, struct mts_net **net) {
  struct world *world = calloc(1, sizeof *world);
  if (!world) return MTS_ERR_NO_MEMORY;
  world->config = *config;
  bool owned = own(&world->config);
  world->net.ops = &real_ops;
  world->net.clock = *clock;
  world->jobs.next = world->jobs.previous = &world->jobs;
  world->own_base = config->event_base == NULL;
  world->base = owned ? (world->own_base ? event_base_new() : config->event_base) : NULL;
  world->wake = world->base ? evtimer_new(world->base, wake, NULL) : NULL;
  if (!world->wake) {
    if (world->own_base && world->base) event_base_free(world->base);
    release(world);
    return MTS_ERR_NO_MEMORY;
  }
  *net = &world->net;
  return MTS_OK;
}
