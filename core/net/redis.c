/* SPDX-License-Identifier: ISC */
#include "net/redis.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/name.h"
#include "net/dns.h"
#include "net/redis_link.h"
#include "net/redis_reply.h"

#define COMMAND_BYTES_MAX (4u << 20)
#define SLOTS_MAX 4096
#define ADDRESSES_MAX 8
#define REST_LEAST_MS 1000 /* after a failure the server is not asked for so long; doubles with each */
#define REST_MOST_MS 60000

/* Who waits for one answer. */
struct call {
  struct mts_job job; /* first */
  struct slot *slot;  /* NULL: it has been answered */
  mts_shared_fn done;
  void *arg;
};

/* One command, in the order in which they are sent and answered. */
struct slot {
  struct slot *next;
  struct call *call; /* NULL: nobody waits (any more) */
  int64_t ends_ms;   /* mono */
  struct mts_buf command;
};

struct redis {
  struct world *world;
  struct mts_shared_url url;
  char shown[300]; /* the URL without its password */
  struct redis_link *link;
  bool up;
  unsigned greetings; /* answers to AUTH and SELECT that are to come */
  bool authenticates; /* the first of them is that to AUTH */
  struct redis_reader *reader;
  struct mts_job *asking; /* DNS */
  enum mts_rrtype asked;
  size_t address_count, next_address;
  struct mts_address addresses[ADDRESSES_MAX];
  struct slot *first, **last;
  size_t slots;
  struct event *timer;
  unsigned failures;
  int64_t rests_until_ms;
  uint32_t deadline_ms; /* of the last command, for the log */
};

static void fail(struct redis *redis, const char *why);
static bool connect_next(struct redis *redis, char why[REDIS_WHY_SIZE]);

static int64_t now_ms(const struct redis *redis) { return mts_clock_mono_ms(&redis->world->net.clock); }

/* ---- commands that wait ---- */

static void slot_free(struct slot *slot) {
  mts_buf_free(&slot->command);
  free(slot);
}

static struct slot *slot_take(struct redis *redis) {
  struct slot *slot = redis->first;
  redis->first = slot->next;
  if (!redis->first) redis->last = &redis->first;
  redis->slots--;
  return slot;
}

/* A call that is cancelled leaves its place: the answer to it still comes. */
static void call_end(struct mts_job *job) {
  struct call *call = (struct call *)job;
  if (call->slot) call->slot->call = NULL;
  free(call);
}

static void answer(struct slot *slot, const struct mts_shared_answer *answer) {
  struct call *call = slot->call;
  slot_free(slot);
  if (!call) return;
  mts_shared_fn done = call->done;
  void *arg = call->arg;
  call->slot = NULL;
  job_end(&call->job);
  done(arg, answer);
}

static int64_t earliest_end(const struct redis *redis) {
  int64_t ends = redis->first->ends_ms;
  for (const struct slot *slot = redis->first; slot; slot = slot->next)
    if (slot->ends_ms < ends) ends = slot->ends_ms;
  return ends;
}

static void arm(struct redis *redis) {
  if (!redis->first) {
    evtimer_del(redis->timer);
    return;
  }
  int64_t left = earliest_end(redis) - now_ms(redis);
  if (left < 0) left = 0;
  struct timeval after = {.tv_sec = (time_t)(left / 1000), .tv_usec = (suseconds_t)(left % 1000) * 1000};
  evtimer_add(redis->timer, &after);
}

/* ---- failing ---- */

static void hang_up(struct redis *redis) {
  redis_link_close(&redis->link);
  redis_reader_free(&redis->reader);
  if (redis->asking) {
    job_end(redis->asking);
    redis->asking = NULL;
  }
  redis->up = false;
  redis->greetings = 0;
  redis->authenticates = false;
  redis->address_count = redis->next_address = 0;
}

/* Doubles with each failure, spread upwards by up to a half, so that machines do not come back all at once. */
static void rest(struct redis *redis) {
  uint32_t doublings = redis->failures < 6 ? redis->failures : 6, value = 0;
  int64_t ms = (int64_t)REST_LEAST_MS << doublings;
  if (ms > REST_MOST_MS) ms = REST_MOST_MS;
  if (getrandom(&value, sizeof value, GRND_NONBLOCK) < 0) value = 0;
  redis->failures++;
  redis->rests_until_ms = now_ms(redis) + ms + value % (uint32_t)(ms / 2);
}

static void note_failure(struct redis *redis, const char *why) {
  hang_up(redis);
  rest(redis);
  mts_log_seldom(redis->world->config.log, MTS_LOG_WARNING, "shared", NULL,
                 "shared store %s: %s; nothing is shared with other machines until it answers", redis->shown, why);
}

/* All that wait are told; what their callbacks ask anew is refused meanwhile. */
static void fail(struct redis *redis, const char *why) {
  struct mts_shared_answer failed = {.err = MTS_ERR_STORE_SHARED};
  struct slot *slot = redis->first;
  mts_text_format(failed.detail, sizeof failed.detail, "%s", why);
  redis->first = NULL;
  redis->last = &redis->first;
  redis->slots = 0;
  arm(redis);
  note_failure(redis, failed.detail);
  while (slot) {
    struct slot *next = slot->next;
    answer(slot, &failed);
    slot = next;
  }
}

static void too_late(evutil_socket_t fd, short what, void *arg) {
  (void)fd;
  (void)what;
  struct redis *redis = arg;
  char why[REDIS_WHY_SIZE];
  if (redis->world->forgotten || !redis->first) return;
  if (earliest_end(redis) > now_ms(redis)) { /* the loop's own idea of the time was old when it was set */
    arm(redis);
    return;
  }
  mts_text_format(why, sizeof why, "no answer within %u ms", redis->deadline_ms);
  fail(redis, why);
}

/* ---- answers ---- */

/* Without the right to ask at all. */
static bool is_shut_out(const char *text) { return strncmp(text, "NOAUTH", 6) == 0 || strncmp(text, "WRONGPASS", 9) == 0; }

/* false: the connection is over. */
static bool take_greeting(struct redis *redis, const struct redis_reply *reply) {
  char why[REDIS_WHY_SIZE];
  bool of_auth = redis->authenticates;
  redis->authenticates = false;
  redis->greetings--;
  if (!reply->is_error) return true;
  /* Of AUTH its first word alone: who does not know the command answers with what it was given. */
  int n = of_auth ? (int)strcspn(reply->texts[0].p, " ") : (int)strlen(reply->texts[0].p);
  mts_text_format(why, sizeof why, "it does not let us in: %.*s", n < 40 || !of_auth ? n : 0, reply->texts[0].p);
  fail(redis, why);
  return false;
}

static void take_answer(struct redis *redis, const struct redis_reply *reply) {
  struct mts_shared_answer it = {.count = reply->count, .texts = reply->texts};
  if (reply->is_error) {
    it = (struct mts_shared_answer){.err = MTS_ERR_STORE_SHARED};
    mts_text_clean(it.detail, sizeof it.detail, reply->texts[0]);
    mts_log_seldom(redis->world->config.log, MTS_LOG_WARNING, "shared-error", NULL, "shared store %s: %s", redis->shown, it.detail);
  } else if (redis->failures) {
    redis->failures = 0;
    mts_log_write(redis->world->config.log, MTS_LOG_INFO, NULL, "shared store %s: it answers again", redis->shown);
  }
  struct slot *slot = slot_take(redis);
  arm(redis);
  answer(slot, &it);
}

static void on_bytes(void *arg, const char *p, size_t n) {
  struct redis *redis = arg;
  struct redis_reply reply;
  bool good = redis_reader_feed(redis->reader, p, n);
  while (good && redis->reader) {
    enum redis_read read = redis_reader_next(redis->reader, &reply);
    if (read == REDIS_READ_MORE) return;
    good = read == REDIS_READ_REPLY && (redis->greetings || redis->first);
    if (good && redis->greetings) {
      if (!take_greeting(redis, &reply)) return;
    } else if (good && reply.is_error && is_shut_out(reply.texts[0].p)) {
      char why[REDIS_WHY_SIZE];
      mts_text_clean(why, sizeof why, reply.texts[0]);
      fail(redis, why);
      return;
    } else if (good) {
      take_answer(redis, &reply);
    }
  }
  if (!good) fail(redis, "what it answers is no answer of Redis to what it was asked");
}

/* ---- connecting ---- */

/* The first line. It may be changed while the program runs. */
static bool read_password(struct redis *redis, char password[MTS_SHARED_PASSWORD_SIZE], char why[REDIS_WHY_SIZE]) {
  const char *file = redis->world->config.shared_password_file;
  memcpy(password, redis->url.password, MTS_SHARED_PASSWORD_SIZE);
  if (!file[0]) return true;
  struct stat st;
  int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  ssize_t n = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, password, MTS_SHARED_PASSWORD_SIZE) : -1;
  if (fd >= 0) close(fd);
  if (n > 0 && (st.st_mode & S_IROTH))
    mts_log_seldom(redis->world->config.log, MTS_LOG_WARNING, "shared-password", NULL,
                   "shared_password_file %s: every user of this machine can read it", file);
  size_t length = n > 0 ? (size_t)n : 0;
  const char *end = memchr(password, '\n', length);
  if (end) length = (size_t)(end - password);
  if (length && length < MTS_SHARED_PASSWORD_SIZE && password[length - 1] == '\r') length--;
  if (length == 0 || length >= MTS_SHARED_PASSWORD_SIZE) {
    mts_text_format(why, REDIS_WHY_SIZE, "shared_password_file %s has no password that can be read", file);
    return false;
  }
  password[length] = '\0';
  return true;
}

static bool greet(struct redis *redis, struct mts_buf *out, char why[REDIS_WHY_SIZE]) {
  char password[MTS_SHARED_PASSWORD_SIZE], db[16];
  enum mts_err err = MTS_OK;
  if (!read_password(redis, password, why)) return false;
  if (password[0]) {
    const struct mts_span words[] = {mts_span_of("AUTH"), mts_span_of(redis->url.user), mts_span_of(password)};
    const struct mts_span plain[] = {words[0], words[2]};
    err = redis->url.user[0] ? redis_command_add(out, words, 3) : redis_command_add(out, plain, 2);
    redis->greetings++;
    redis->authenticates = true;
  }
  if (!err && redis->url.db) {
    snprintf(db, sizeof db, "%u", redis->url.db);
    const struct mts_span words[] = {mts_span_of("SELECT"), mts_span_of(db)};
    err = redis_command_add(out, words, 2);
    redis->greetings++;
  }
  explicit_bzero(password, sizeof password);
  if (err) mts_text_format(why, REDIS_WHY_SIZE, "out of memory");
  return !err;
}

static void on_up(void *arg) {
  struct redis *redis = arg;
  char why[REDIS_WHY_SIZE] = "out of memory";
  struct mts_buf out = {.limit = COMMAND_BYTES_MAX};
  redis->reader = redis_reader_new();
  bool good = redis->reader && greet(redis, &out, why) && redis_link_send(redis->link, out.p ? out.p : "", out.n);
  if (out.p) explicit_bzero(out.p, out.n);
  mts_buf_free(&out);
  redis->up = good;
  for (struct slot *slot = redis->first; good && slot; slot = slot->next) {
    good = redis_link_send(redis->link, slot->command.p, slot->command.n);
    mts_buf_free(&slot->command);
  }
  if (!good) fail(redis, why);
}

static void on_down(void *arg, bool early, const char *why) {
  struct redis *redis = arg;
  char next[REDIS_WHY_SIZE];
  if (!early && !redis->first && !redis->greetings) {
    hang_up(redis); /* nobody asks anything: the server ends who is idle, or was started anew */
    return;
  }
  redis_link_close(&redis->link);
  if (early && redis->next_address < redis->address_count) {
    if (!connect_next(redis, next)) fail(redis, next);
  } else {
    fail(redis, why);
  }
}

static bool connect_next(struct redis *redis, char why[REDIS_WHY_SIZE]) {
  static const struct redis_link_calls calls = {.up = on_up, .bytes = on_bytes, .down = on_down};
  bool is_path = redis->url.path[0] != 0;
  enum mts_err err = MTS_ERR_STORE_SHARED;
  do {
    const struct mts_address *address = is_path ? NULL : &redis->addresses[redis->next_address++];
    err = redis_link_open(redis->world, &redis->url, address, &calls, redis, why, &redis->link);
  } while (err == MTS_ERR_STORE_SHARED && redis->next_address < redis->address_count);
  if (err == MTS_ERR_NO_MEMORY) mts_text_format(why, REDIS_WHY_SIZE, "out of memory");
  return !err;
}

static bool ask(struct redis *redis, enum mts_rrtype type, char why[REDIS_WHY_SIZE]);

static void got_addresses(void *arg, const struct mts_dns_answer *answer) {
  struct redis *redis = arg;
  char why[REDIS_WHY_SIZE];
  redis->asking = NULL;
  for (size_t i = 0; !answer->err && i < answer->count && redis->address_count < ADDRESSES_MAX; i++)
    redis->addresses[redis->address_count++] = answer->records[i].u.address;
  bool goes_on = redis->address_count ? connect_next(redis, why) : redis->asked == MTS_RR_A && ask(redis, MTS_RR_AAAA, why);
  if (goes_on) return;
  if (!redis->address_count) mts_text_format(why, sizeof why, "no address of its host: %s", mts_err_message(answer->err));
  fail(redis, why);
}

static bool ask(struct redis *redis, enum mts_rrtype type, char why[REDIS_WHY_SIZE]) {
  redis->asked = type;
  enum mts_err err =
      dns_start(redis->world, redis->url.host, type, redis->deadline_ms, false, got_addresses, redis, &redis->asking);
  if (err) mts_text_format(why, REDIS_WHY_SIZE, "%s", mts_err_message(err));
  return !err;
}

static bool connect_first(struct redis *redis, char why[REDIS_WHY_SIZE]) {
  const char *host = redis->url.host;
  if (redis->url.path[0]) return connect_next(redis, why);
  if (strcmp(host, "localhost") == 0) { /* RFC 6761 6.3 */
    redis->address_count = 2;
    mts_address_parse(mts_span_of("127.0.0.1"), &redis->addresses[0]);
    mts_address_parse(mts_span_of("::1"), &redis->addresses[1]);
    return connect_next(redis, why);
  }
  redis->address_count = mts_address_parse(mts_span_of(host), &redis->addresses[0]) ? 1 : 0;
  return redis->address_count ? connect_next(redis, why) : ask(redis, MTS_RR_A, why);
}

/* ---- asking ---- */

static enum mts_err open_redis(struct world *world, struct redis **opened) {
  struct mts_shared_url url;
  if (mts_shared_url_parse(world->config.shared_store, &url)) return MTS_ERR_SETTING;
  struct redis *redis = calloc(1, sizeof *redis);
  if (!redis) return MTS_ERR_NO_MEMORY;
  redis->world = world;
  redis->url = url;
  redis->last = &redis->first;
  mts_shared_url_show(world->config.shared_store, redis->shown, sizeof redis->shown);
  redis->timer = evtimer_new(world->base, too_late, redis);
  if (!redis->timer) {
    free(redis);
    return MTS_ERR_NO_MEMORY;
  }
  *opened = redis;
  return MTS_OK;
}

static struct slot *slot_new(const struct mts_span *words, size_t count) {
  struct slot *slot = calloc(1, sizeof *slot);
  if (!slot) return NULL;
  slot->command.limit = COMMAND_BYTES_MAX;
  if (redis_command_add(&slot->command, words, count)) {
    slot_free(slot);
    return NULL;
  }
  return slot;
}

/* Only now, when nothing else can fail. */
static void enqueue(struct redis *redis, struct slot *slot, struct call *call) {
  slot->call = call;
  *redis->last = slot;
  redis->last = &slot->next;
  redis->slots++;
  if (call) {
    call->slot = slot;
    job_begin(redis->world, &call->job, call_end);
  }
  arm(redis);
}

static enum mts_err launch(struct redis *redis, struct slot *slot) {
  char why[REDIS_WHY_SIZE];
  if (redis->up) {
    bool sent = redis_link_send(redis->link, slot->command.p, slot->command.n);
    mts_buf_free(&slot->command);
    return sent ? MTS_OK : MTS_ERR_NO_MEMORY;
  }
  if (redis->link || redis->asking || connect_first(redis, why)) return MTS_OK;
  note_failure(redis, why);
  return MTS_ERR_STORE_SHARED;
}

enum mts_err redis_start(struct world *world, const struct mts_span *words, size_t count, uint32_t deadline_ms, mts_shared_fn done,
                         void *arg, struct mts_job **job) {
  enum mts_err err = world->redis ? MTS_OK : open_redis(world, &world->redis);
  if (err) return err;
  struct redis *redis = world->redis;
  if (now_ms(redis) < redis->rests_until_ms || redis->slots >= SLOTS_MAX) return MTS_ERR_STORE_SHARED;
  struct call *call = done ? calloc(1, sizeof *call) : NULL;
  struct slot *slot = slot_new(words, count);
  redis->deadline_ms = deadline_ms;
  err = slot && (call || !done) ? launch(redis, slot) : MTS_ERR_NO_MEMORY;
  if (err) {
    if (slot) slot_free(slot);
    free(call);
    return err;
  }
  slot->ends_ms = now_ms(redis) + deadline_ms;
  if (call) {
    call->done = done;
    call->arg = arg;
  }
  enqueue(redis, slot, call);
  if (call) *job = &call->job;
  return MTS_OK;
}

void redis_close(struct redis **redis) {
  struct redis *it = *redis;
  if (!it) return;
  hang_up(it);
  while (it->first) {
    struct slot *slot = slot_take(it);
    if (slot->call) slot->call->slot = NULL;
    slot_free(slot);
  }
  event_free(it->timer);
  free(it);
  *redis = NULL;
}
