/* SPDX-License-Identifier: ISC */
#include "net/multi.h"

#include <stdlib.h>

#include "net/attempt.h"
#include "net/https.h"

struct https {
  struct event_base *base;
  CURLM *multi;
  struct event *timer;
};

static void reap(struct https *https) {
  CURLMsg *message;
  int left;
  /* A callback may add and remove other handles; curl drops the messages of those it removes. */
  while ((message = curl_multi_info_read(https->multi, &left))) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL *easy = message->easy_handle;
    CURLcode result = message->data.result; /* dead once the handle is removed */
    char *private = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
    struct multi_end *end = (void *)private;
    struct hush hush;
    hush_begin(&hush);
    curl_multi_remove_handle(https->multi, easy);
    hush_end(&hush);
    end->ended(end->arg, result);
  }
}

static void act(struct https *https, curl_socket_t fd, int what) {
  int running;
  struct hush hush;
  hush_begin(&hush);
  curl_multi_socket_action(https->multi, fd, what, &running);
  hush_end(&hush);
  reap(https);
}

static void socket_ready(evutil_socket_t fd, short what, void *arg) {
  act(arg, fd, ((what & EV_READ) ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0));
}

static void wake_after(struct https *https, long timeout_ms) {
  struct timeval after = {.tv_sec = timeout_ms / 1000, .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
  /* Out of memory: at once and again, for without the timer a transfer might never end. */
  if (evtimer_add(https->timer, &after) != 0) event_active(https->timer, EV_TIMEOUT, 1);
}

static void time_ready(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct https *https = arg;
  act(https, CURL_SOCKET_TIMEOUT, 0);
  /* curl tells a time only once, even if it came too early. */
  long left_ms = -1;
  if (!evtimer_pending(https->timer, NULL) && curl_multi_timeout(https->multi, &left_ms) == CURLM_OK && left_ms >= 0) {
    wake_after(https, left_ms);
  }
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *watched) {
  (void)easy;
  struct https *https = arg;
  if (watched) event_free(watched);
  curl_multi_assign(https->multi, fd, NULL);
  if (what == CURL_POLL_REMOVE) return 0;
  short events = (short)(EV_PERSIST | ((what & CURL_POLL_IN) ? EV_READ : 0) | ((what & CURL_POLL_OUT) ? EV_WRITE : 0));
  struct event *event = event_new(https->base, fd, events, socket_ready, https);
  /* Without its event the transfer ends at its deadline; an error here would end all the others too. */
  if (!event) return 0;
  if (event_add(event, NULL) != 0 || curl_multi_assign(https->multi, fd, event) != CURLM_OK) event_free(event);
  return 0;
}

static int watch_time(CURLM *multi, long timeout_ms, void *arg) {
  (void)multi;
  struct https *https = arg;
  if (timeout_ms < 0) {
    evtimer_del(https->timer);
  } else {
    wake_after(https, timeout_ms);
  }
  return 0;
}

static enum mts_err open_multi(struct world *world) {
  struct https *https = calloc(1, sizeof *https);
  if (!https) return MTS_ERR_NO_MEMORY;
  https->base = world->base;
  /* Never undone: curl's global state lives as long as the process, as this module does. */
  if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) https->multi = curl_multi_init();
  https->timer = evtimer_new(world->base, time_ready, https);
  if (!https->multi || !https->timer) {
    https_close(&https);
    return MTS_ERR_NO_MEMORY;
  }
  curl_multi_setopt(https->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
  curl_multi_setopt(https->multi, CURLMOPT_SOCKETDATA, https);
  curl_multi_setopt(https->multi, CURLMOPT_TIMERFUNCTION, watch_time);
  curl_multi_setopt(https->multi, CURLMOPT_TIMERDATA, https);
  world->https = https;
  return MTS_OK;
}

enum mts_err multi_add(struct world *world, CURL *easy, struct multi_end *end) {
  enum mts_err err = world->https ? MTS_OK : open_multi(world);
  if (err != MTS_OK) return err;
  curl_easy_setopt(easy, CURLOPT_PRIVATE, end);
  return curl_multi_add_handle(world->https->multi, easy) == CURLM_OK ? MTS_OK : MTS_ERR_NO_MEMORY;
}

void multi_remove(struct world *world, CURL *easy) {
  struct hush hush;
  hush_begin(&hush);
  curl_multi_remove_handle(world->https->multi, easy);
  hush_end(&hush);
}

void https_close(struct https **https) {
  if (!*https) return;
  struct hush hush;
  hush_begin(&hush);
  if ((*https)->multi) curl_multi_cleanup((*https)->multi);
  hush_end(&hush);
  if ((*https)->timer) event_free((*https)->timer);
  free(*https);
  *https = NULL;
}
