/* SPDX-License-Identifier: ISC
 *
 * mtasts-serve: one resolver for all programs of a machine. It answers Postfix, Exim's ${readsocket}, scripts and Prometheus, each on sockets
 * of its own, from one context with the operator's rules.
 */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/buf.h"
#include "base/clock.h"
#include "listener.h"
#include "notify.h"
#include "options.h"
#include "policy_map.h"
#include "program.h"
#include "queries.h"
#include "resolve/cache.h"
#include "resolve/settings.h"
#include "scrapes.h"

#define TICK_MS 500
#define REFRESH_EVERY_S 600
#define REFRESH_AT_ONCE 4
#define LEAVE_SLACK_MS 3000 /* beyond the deadline of a lookup nobody is waited for */
#define FILES_OF_OUR_OWN 128

struct server {
  const struct mts_settings *settings;
  struct mts_log *log;
  struct event_base *base;
  struct rules *rules;
  struct connections *connections;
  struct listeners *listeners;
  struct policy_map *map;
  struct metrics *metrics;
  struct events *events;
  struct functions functions;
  struct scrapes scrapes;
  struct event *tick, *refresh, *hangup, *terminate, *interrupt;
  int64_t watchdog_ms, fed_ms; /* how often systemd wants to hear of us; 0: never */
  int64_t leave_until_ms;      /* 0: it serves */
};

/* ---- where it listens ---- */

struct door {
  const char *name; /* of a socket that systemd hands over */
  enum setting setting;
  const char *fallback; /* NULL: none */
  const struct service *service;
};

static const struct door doors[] = {
    {"socketmap", SETTING_serve_socketmap, "unix:/run/mtasts/socketmap", &policy_map_service},
    {"lines", SETTING_serve_lines, "unix:/run/mtasts/lines", &functions_service},
    {"json", SETTING_serve_json, "unix:/run/mtasts/json", &queries_service},
    {"metrics", SETTING_serve_metrics, NULL, &scrapes_service},
};
#define DOORS (sizeof doors / sizeof *doors)

static void *arg_of(struct server *server, const struct door *door) {
  if (door->service == &policy_map_service) return server->map;
  if (door->service == &scrapes_service) return &server->scrapes;
  return &server->functions;
}

static bool open_one(struct server *server, const struct door *door, struct mts_span text, char why[RULES_WHY_SIZE]) {
  struct address address;
  char reason[LISTENER_WHY_SIZE] = "is none of unix:/PATH, inet:ADDRESS:PORT, inet:[ADDRESS]:PORT";
  bool well = address_parse(text, &address) &&
              listeners_open(server->listeners, &address, door->service, arg_of(server, door), reason) == MTS_OK;
  if (!well) mts_text_format(why, RULES_WHY_SIZE, "%s: %.*s: %s", door->name, (int)(text.n < 200 ? text.n : 200), text.p, reason);
  return well;
}

static bool open_list(struct server *server, const struct door *door, const char *list, char why[RULES_WHY_SIZE]) {
  bool well = true;
  for (const char *p = list + strspn(list, " \t,"); well && *p; p += strspn(p, " \t,")) {
    size_t n = strcspn(p, " \t,");
    well = open_one(server, door, mts_span(p, n), why);
    p += n;
  }
  return well;
}

static bool adopt(struct server *server, size_t index, char why[RULES_WHY_SIZE]) {
  char name[80], reason[LISTENER_WHY_SIZE];
  notify_socket_name(index, name, sizeof name);
  for (size_t i = 0; i < DOORS; i++) {
    if (strcmp(doors[i].name, name) != 0) continue;
    enum mts_err err =
        listeners_adopt(server->listeners, NOTIFY_FIRST_FD + (int)index, doors[i].service, arg_of(server, &doors[i]), reason);
    if (err) mts_text_format(why, RULES_WHY_SIZE, "%s: %s", name, reason);
    return !err;
  }
  mts_text_format(why, RULES_WHY_SIZE, "a socket that was handed over is named \"%s\", which is no FileDescriptorName of ours",
                  name);
  return false;
}

static bool open_doors(struct server *server, char why[RULES_WHY_SIZE]) {
  size_t given = notify_sockets();
  bool named = false;
  for (size_t i = 0; i < given; i++)
    if (!adopt(server, i, why)) return false;
  for (size_t i = 0; i < DOORS; i++) {
    const char *list = settings_text(server->settings, doors[i].setting);
    named = named || list[0];
    if (!open_list(server, &doors[i], list, why)) return false;
  }
  for (size_t i = 0; !given && !named && i < DOORS; i++)
    if (doors[i].fallback && !open_list(server, &doors[i], doors[i].fallback, why)) return false;
  return true;
}

/* ---- what goes on beside requests ---- */

static int64_t now_ms(void) { return mts_clock_mono_ms(&mts_clock_real); }

static void room(void *arg) {
  const struct server *server = arg;
  if (server->listeners) listeners_room(server->listeners);
}

static void tick(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct server *server = arg;
  connections_tick(server->connections);
  if (server->watchdog_ms && now_ms() - server->fed_ms >= server->watchdog_ms / 3) {
    notify("WATCHDOG=1");
    server->fed_ms = now_ms();
  }
  if (!server->leave_until_ms)
    rules_look(server->rules, false);
  else if (connections_count(server->connections) == 0 || now_ms() >= server->leave_until_ms)
    event_base_loopbreak(server->base);
}

static void refresh(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  const struct server *server = arg;
  mts_refresh_due(rules_context(server->rules), REFRESH_AT_ONCE, NULL); /* RFC 8461 10.2; its failures are logged and tried again */
}

static void hangup(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  const struct server *server = arg;
  program_hung_up = 0;
  notify_reloading();
  rules_look(server->rules, true);
  notify("READY=1");
}

/* What is under way is answered, for a time; nobody else is let in. */
static void leave(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct server *server = arg;
  if (server->leave_until_ms) { /* asked twice */
    event_base_loopbreak(server->base);
    return;
  }
  notify("STOPPING=1");
  const struct timeval soon = {.tv_usec = 10000};
  server->leave_until_ms = now_ms() + settings_number(server->settings, SETTING_mail_deadline_ms) + LEAVE_SLACK_MS;
  listeners_free(&server->listeners);
  connections_leave(server->connections);
  event_add(server->tick, &soon);
}

/* ---- beginning and end ---- */

/* Each connection is a file. How many there may be: clients must not take those with which the store is opened and DNS is asked, for what
 * cannot be learned is delivered without a policy. */
static size_t connections_allowed(const struct server *server) {
  struct rlimit limit;
  size_t connections = settings_number(server->settings, SETTING_serve_connections);
  rlim_t wanted = connections + FILES_OF_OUR_OWN;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return connections;
  limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return connections;
  connections = limit.rlim_cur > 2 * FILES_OF_OUR_OWN ? limit.rlim_cur - FILES_OF_OUR_OWN : limit.rlim_cur / 2;
  mts_log_write(server->log, MTS_LOG_WARNING, NULL, "the limit of open files is %llu, so only %zu connections are let in at once",
                (unsigned long long)limit.rlim_cur, connections);
  return connections;
}

static void answered(void *arg, const struct service *service, enum served served, size_t count, int64_t us) {
  const struct server *server = arg;
  metrics_request(server->metrics, service->name, served, count, us);
}

static bool start_events(struct server *server) {
  const struct timeval often = {.tv_usec = TICK_MS * 1000}, seldom = {.tv_sec = REFRESH_EVERY_S};
  server->tick = event_new(server->base, -1, EV_PERSIST, tick, server);
  server->refresh = event_new(server->base, -1, EV_PERSIST, refresh, server);
  server->hangup = program_hangup(server->base, hangup, server);
  server->terminate = evsignal_new(server->base, SIGTERM, leave, server);
  server->interrupt = evsignal_new(server->base, SIGINT, leave, server);
  bool made = server->tick && server->refresh && server->hangup && server->terminate && server->interrupt;
  return made && event_add(server->tick, &often) == 0 && event_add(server->terminate, NULL) == 0 &&
         event_add(server->interrupt, NULL) == 0 &&
         (!settings_bool(server->settings, SETTING_background) || event_add(server->refresh, &seldom) == 0);
}

static bool start_connections(struct server *server) {
  const struct mts_settings *settings = server->settings;
  const struct connections_config config = {.base = server->base,
                                            .log = server->log,
                                            .connections_most = connections_allowed(server),
                                            .requests_most = settings_number(settings, SETTING_serve_requests),
                                            .per_connection_most = settings_number(settings, SETTING_serve_pipeline),
                                            .idle_ms = (int64_t)settings_number(settings, SETTING_serve_idle_s) * 1000,
                                            .deadline_ms = settings_number(settings, SETTING_mail_deadline_ms),
                                            .answered = answered,
                                            .room = room,
                                            .arg = server};
  return connections_new(&config, &server->connections) == MTS_OK;
}

static bool start(struct server *server, char why[RULES_WHY_SIZE]) {
  memccpy(why, "out of memory", 0, RULES_WHY_SIZE);
  const struct mts_settings *settings = server->settings;
  unsigned mode = (unsigned)strtoul(settings_text(settings, SETTING_serve_mode), NULL, 8);
  server->base = event_base_new();
  if (!server->base || program_log(settings, &server->log)) return false;
  if (rules_new(settings, &functions_kind, server->base, server->log, false, why, &server->rules)) return false;
  memccpy(why, "out of memory", 0, RULES_WHY_SIZE);
  cache_store(rules_context(server->rules)); /* what is wrong with it is better known now than with the first mail */
  if (metrics_new(&server->metrics) || !start_connections(server)) return false;
  if (policy_map_new(server->rules, settings, server->log, server->metrics, &server->map)) return false;
  if (events_new(server->rules, settings, server->log, &server->events)) return false;
  server->functions =
      (struct functions){.rules = server->rules, .log = server->log, .metrics = server->metrics, .events = server->events};
  server->scrapes = (struct scrapes){.metrics = server->metrics,
                                     .connections = server->connections,
                                     .rules = server->rules,
                                     .started_at = mts_clock_now_s(&mts_clock_real)};
  if (listeners_new(server->connections, server->base, server->log, mode, &server->listeners)) return false;
  server->watchdog_ms = notify_watchdog_ms();
  return start_events(server) && open_doors(server, why);
}

static void stop(struct server *server) {
  struct event *events[] = {server->tick, server->refresh, server->hangup, server->terminate, server->interrupt};
  listeners_free(&server->listeners);
  connections_free(&server->connections);
  policy_map_free(&server->map);
  events_free(&server->events);
  metrics_free(&server->metrics);
  rules_free(&server->rules);
  for (size_t i = 0; i < sizeof events / sizeof *events; i++)
    if (events[i]) event_free(events[i]);
  if (server->base) event_base_free(server->base);
  mts_log_free(&server->log);
}

int main(int argc, char **argv) {
  bool only_check = false;
  struct mts_settings *settings = NULL;
  int code = options_read(argc, argv, &only_check, &settings);
  if (code) return code;
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  sigaction(SIGPIPE, &ignore, NULL);
  if (only_check) {
    code = rules_check("mtasts-serve", &functions_kind, settings);
    mts_settings_free(&settings);
    return code;
  }
  struct server server = {.settings = settings};
  char why[RULES_WHY_SIZE];
  if (start(&server, why)) {
    notify("READY=1");
    event_base_loop(server.base, EVLOOP_NO_EXIT_ON_EMPTY);
  } else {
    fprintf(stderr, "mtasts-serve: cannot start: %s\n", why);
    code = 1;
  }
  stop(&server);
  mts_settings_free(&settings);
  return code;
}
