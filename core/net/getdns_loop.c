/* SPDX-License-Identifier: ISC */
#include "net/getdns_loop.h"

#include <stdbool.h>
#include <stdlib.h>

struct loop_event {
  struct getdns_loop *loop;
  struct loop_event *previous, *next;
  struct event *event;
  getdns_eventloop_event *theirs; /* NULL once cleared */
  bool running;                   /* inside its own callback: freed behind it */
};

static void event_release(struct loop_event *e) {
  event_free(e->event);
  if (e->previous)
    e->previous->next = e->next;
  else
    e->loop->events = e->next;
  if (e->next) e->next->previous = e->previous;
  free(e);
}

/* A callback may clear any event, its own included, and free what theirs points at. */
static void event_fires(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  struct loop_event *e = arg;
  if (e->loop->forgotten) {
    event_del(e->event);
    return;
  }
  e->running = true;
  if ((what & EV_READ) && e->theirs && e->theirs->read_cb) e->theirs->read_cb(e->theirs->userarg);
  if ((what & EV_WRITE) && e->theirs && e->theirs->write_cb) e->theirs->write_cb(e->theirs->userarg);
  if ((what & EV_TIMEOUT) && e->theirs && e->theirs->timeout_cb) e->theirs->timeout_cb(e->theirs->userarg);
  e->running = false;
  if (!e->theirs) event_release(e);
}

static struct getdns_loop *loop_of(getdns_eventloop *ext) { return ((struct getdns_door *)ext)->loop; }

static bool event_begin(struct loop_event *e, int fd, uint64_t timeout, bool at_once) {
  short what = EV_PERSIST;
  if (fd >= 0 && e->theirs->read_cb) what |= EV_READ;
  if (fd >= 0 && e->theirs->write_cb) what |= EV_WRITE;
  e->event = event_new(e->loop->base, what & (EV_READ | EV_WRITE) ? fd : -1, what, event_fires, e);
  if (!e->event) return false;
  if (at_once) {
    event_active(e->event, EV_WRITE, 0);
    return true;
  }
  /* UINT64_MAX means without end; a day is as good as that and overflows nothing. */
  struct timeval after = {.tv_sec = timeout < 86400000 ? (time_t)(timeout / 1000) : 86400,
                          .tv_usec = (suseconds_t)(timeout % 1000) * 1000};
  bool timed = timeout != UINT64_MAX && e->theirs->timeout_cb;
  if (event_add(e->event, timed ? &after : NULL) == 0) return true;
  event_free(e->event);
  return false;
}

static getdns_return_t schedule(getdns_eventloop *ext, int fd, uint64_t timeout, getdns_eventloop_event *theirs) {
  struct getdns_loop *loop = loop_of(ext);
  struct loop_event *e = calloc(1, sizeof *e);
  if (!e) return GETDNS_RETURN_MEMORY_ERROR;
  e->loop = loop;
  e->theirs = theirs;
  bool at_once = ((struct getdns_door *)ext)->may_send && fd >= 0 && theirs->write_cb && !theirs->read_cb;
  if (!event_begin(e, fd, timeout, at_once)) {
    free(e);
    return GETDNS_RETURN_MEMORY_ERROR;
  }
  e->next = loop->events;
  if (e->next) e->next->previous = e;
  loop->events = e;
  theirs->ev = e;
  return GETDNS_RETURN_GOOD;
}

static getdns_return_t clear(getdns_eventloop *ext, getdns_eventloop_event *theirs) {
  (void)ext;
  struct loop_event *e = theirs->ev;
  theirs->ev = NULL;
  if (!e) return GETDNS_RETURN_GOOD;
  e->theirs = NULL;
  event_del(e->event);
  if (!e->running) event_release(e);
  return GETDNS_RETURN_GOOD;
}

static void cleanup(getdns_eventloop *ext) { (void)ext; } /* several contexts share the loop */

static void run_once(getdns_eventloop *ext, int blocking) {
  event_base_loop(loop_of(ext)->base, blocking ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
}

static void run(getdns_eventloop *ext) {
  while (loop_of(ext)->events) run_once(ext, 1);
}

void getdns_loop_init(struct getdns_loop *loop, struct event_base *base) {
  static getdns_eventloop_vmt vmt = {cleanup, schedule, clear, run, run_once};
  loop->udp = (struct getdns_door){{&vmt}, loop, true};
  loop->tcp = (struct getdns_door){{&vmt}, loop, false};
  loop->base = base;
  loop->events = NULL;
}

void getdns_loop_end(struct getdns_loop *loop) {
  while (loop->events) event_release(loop->events);
}
