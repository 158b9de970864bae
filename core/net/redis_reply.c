/* SPDX-License-Identifier: ISC */
#include "net/redis_reply.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct redis_reader {
  redisReader *reader;
  struct mts_buf bytes; /* of all texts, each with its NUL */
  size_t count, room;
  size_t *ends; /* of each text in bytes */
  struct mts_span *texts;
  bool is_error, broken;
  bool handed; /* the last reply is dropped with the next call */
};

#if HIREDIS_MAJOR < 1
typedef int elements_t;
#else
typedef size_t elements_t;
#endif

static struct redis_reader *reader_of(const redisReadTask *task) { return task->privdata; }

/* hiredis only asks whether an object is there. */
static void *object(struct redis_reader *it, bool good) {
  if (!good) it->broken = true;
  return good ? it : NULL;
}

static bool grow(struct redis_reader *it) {
  size_t room = it->room ? 2 * it->room : 32;
  size_t *ends = realloc(it->ends, room * sizeof *ends);
  if (ends) it->ends = ends;
  struct mts_span *texts = ends ? realloc(it->texts, room * sizeof *texts) : NULL;
  if (!texts) return false;
  it->texts = texts;
  it->room = room;
  return true;
}

static bool add_text(struct redis_reader *it, const char *p, size_t n) {
  if (it->count >= MTS_SHARED_ITEMS_MAX || (it->count == it->room && !grow(it))) return false;
  if (mts_buf_add(&it->bytes, p, n) || mts_buf_add(&it->bytes, "", 1)) return false;
  it->ends[it->count++] = it->bytes.n;
  return true;
}

static void *on_text(const redisReadTask *task, char *p, size_t n) {
  struct redis_reader *it = reader_of(task);
  bool error = task->type == REDIS_REPLY_ERROR;
  if (error && task->parent) return object(it, false); /* none of our commands has one within */
  it->is_error = error;
  return object(it, add_text(it, p, n));
}

/* Memory is taken as texts come, whatever number is announced. */
static void *on_list(const redisReadTask *task, elements_t elements) {
  bool nested = task->parent != NULL, fits = (uint64_t)elements <= MTS_SHARED_ITEMS_MAX;
  return object(reader_of(task), task->type == REDIS_REPLY_ARRAY && !nested && fits);
}

static void *on_number(const redisReadTask *task, long long number) {
  char text[32];
  int n = snprintf(text, sizeof text, "%lld", number);
  return object(reader_of(task), add_text(reader_of(task), text, (size_t)n));
}

static void *on_nothing(const redisReadTask *task) { return object(reader_of(task), add_text(reader_of(task), "", 0)); }

static void on_free(void *it) { (void)it; }

static redisReplyObjectFunctions functions = {
    .createString = on_text, .createArray = on_list, .createInteger = on_number, .createNil = on_nothing, .freeObject = on_free};

struct redis_reader *redis_reader_new(void) {
  struct redis_reader *it = calloc(1, sizeof *it);
  if (!it) return NULL;
  it->bytes.limit = MTS_SHARED_BYTES_MAX;
  it->reader = redisReaderCreateWithFunctions(&functions);
  if (!it->reader) {
    free(it);
    return NULL;
  }
  it->reader->privdata = it;
  return it;
}

void redis_reader_free(struct redis_reader **reader) {
  struct redis_reader *it = *reader;
  if (!it) return;
  redisReaderFree(it->reader);
  mts_buf_free(&it->bytes);
  free(it->ends);
  free(it->texts);
  free(it);
  *reader = NULL;
}

bool redis_reader_feed(struct redis_reader *it, const char *bytes, size_t n) {
  if (it->reader->len - it->reader->pos + n > MTS_SHARED_BYTES_MAX) return false;
  return redisReaderFeed(it->reader, bytes, n) == REDIS_OK;
}

static void forget(struct redis_reader *it) {
  mts_buf_reset(&it->bytes);
  it->count = 0;
  it->is_error = it->handed = false;
}

enum redis_read redis_reader_next(struct redis_reader *it, struct redis_reply *reply) {
  void *got = NULL;
  if (it->handed) forget(it);
  if (it->broken || redisReaderGetReply(it->reader, &got) != REDIS_OK || it->broken) {
    it->broken = true;
    return REDIS_READ_BROKEN;
  }
  if (!got) return REDIS_READ_MORE;
  size_t at = 0;
  for (size_t i = 0; i < it->count; i++) {
    it->texts[i] = mts_span(it->bytes.p + at, it->ends[i] - at - 1);
    at = it->ends[i];
  }
  it->handed = true;
  *reply = (struct redis_reply){.is_error = it->is_error, .count = it->count, .texts = it->texts};
  return REDIS_READ_REPLY;
}

enum mts_err redis_command_add(struct mts_buf *to, const struct mts_span *words, size_t count) {
  const char **texts = calloc(count, sizeof *texts);
  size_t *sizes = calloc(count, sizeof *sizes);
  char *command = NULL;
  long long n = -1; /* an int in older releases */
  for (size_t i = 0; texts && sizes && i < count; i++) {
    texts[i] = words[i].p ? words[i].p : "";
    sizes[i] = words[i].n;
  }
  if (texts && sizes && count <= INT32_MAX) n = redisFormatCommandArgv(&command, (int)count, texts, sizes);
  enum mts_err err = n < 0 ? MTS_ERR_NO_MEMORY : mts_buf_add(to, command, (size_t)n);
  if (n >= 0) redisFreeCommand(command);
  free((void *)texts);
  free(sizes);
  return err;
}
