/* SPDX-License-Identifier: ISC */
#include "requests.h"

#include <stdlib.h>

#define REPLY_MAX ((size_t)1 << 20)
#define SPARE_MOST 256

struct request *requests_new(struct requests *requests) {
  struct request *made = requests->spare;
  if (made) {
    requests->spare = made->next;
    requests->spare_count--;
  } else if (!(made = malloc(sizeof *made))) {
    return NULL;
  }
  *made = (struct request){.reply.limit = REPLY_MAX};
  return made;
}

void requests_free(struct requests *requests, struct request *request) {
  requests_cancel(request);
  if (request->reply.p) mts_buf_free(&request->reply);
  if (requests->spare_count == SPARE_MOST) {
    free(request);
    return;
  }
  request->next = requests->spare;
  requests->spare = request;
  requests->spare_count++;
}

void requests_cancel(struct request *request) {
  if (request->lookup) mts_lookup_cancel(&request->lookup);
  if (request->call) rules_cancel(&request->call);
  if (request->kept) free(request->kept);
  request->kept = NULL;
}

static void link_last(struct requests_queue *queue, struct request *request) {
  if (queue->last)
    queue->last->next = request;
  else
    queue->first = request;
  queue->last = request;
  queue->count++;
}

void requests_wait(struct requests *requests, struct requests_queue *queue, struct request *request) {
  link_last(queue, request);
  request->older = requests->youngest;
  if (requests->youngest)
    requests->youngest->younger = request;
  else
    requests->oldest = request;
  requests->youngest = request;
  queue->under_way++;
  requests->under_way++;
}

void requests_wait_answered(struct requests_queue *queue, struct request *request) {
  request->answered = true;
  link_last(queue, request);
}

void requests_answered(struct requests *requests, struct requests_queue *queue, struct request *request) {
  if (request->older)
    request->older->younger = request->younger;
  else
    requests->oldest = request->younger;
  if (request->younger)
    request->younger->older = request->older;
  else
    requests->youngest = request->older;
  request->answered = true;
  queue->under_way--;
  requests->under_way--;
}

void requests_leave(struct requests_queue *queue, struct request *request) {
  struct request *before = NULL, *it = queue->first;
  for (; it != request; it = it->next) before = it;
  if (before)
    before->next = request->next;
  else
    queue->first = request->next;
  if (queue->last == request) queue->last = before;
  queue->count--;
}

void requests_clear(struct requests *requests) {
  while (requests->spare) {
    struct request *request = requests->spare;
    requests->spare = request->next;
    free(request);
  }
  requests->spare_count = 0;
}
