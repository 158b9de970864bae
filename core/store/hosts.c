/* SPDX-License-Identifier: ISC
 * The MX hosts of a domain as last learned from DNS, one row each.
 *
 * The text of a row: hosts separated by ";", each "PREFERENCE NAME" and what is known of its addresses, separated by one blank: the
 * addresses; nothing when it surely has none; "?" when DNS did not say. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/name.h"
#include "store/internal.h"

#define HOSTS_MAX 256               /* no answer of DNS that counts has more records */
#define HOST_ADDRESSES_MAX 64       /* of one host */
#define HOSTS_TEXT_MAX (128 * 1024) /* all of them with their longest names */
#define AGAIN_S 3600
#define UNKNOWN "?"

static void discard(const void *memory) { free((void *)(uintptr_t)memory); }

void mts_store_hosts_clear(struct mts_store_hosts *hosts) {
  for (size_t i = 0; i < hosts->count; i++) {
    struct mts_host *host = &hosts->list[i];
    for (size_t a = 0; a < host->address_count; a++) discard(host->addresses[a]);
    discard(host->addresses);
    discard(host->name);
  }
  free(hosts->list);
  memset(hosts, 0, sizeof *hosts);
}

/* ---- text -> hosts ---- */

/* Takes the part before the first separator off the text. */
static struct mts_span cut(struct mts_span *text, char separator) {
  const char *end = text->n ? memchr(text->p, separator, text->n) : NULL;
  size_t n = end ? (size_t)(end - text->p) : text->n;
  struct mts_span part = mts_span(text->p, n);
  *text = end ? mts_span(end + 1, text->n - n - 1) : mts_span(text->p + n, 0);
  return part;
}

static size_t count_of(struct mts_span text, char c) {
  size_t count = 0;
  for (size_t i = 0; i < text.n; i++) count += text.p[i] == c;
  return count;
}

static bool is_name(struct mts_span text) {
  char name[MTS_NAME_SIZE];
  return text.n > 0 && mts_name_normalise_host(text, name) == MTS_OK && mts_span_equals(text, name);
}

/* text: separated by single blanks. NO_MEMORY, or ARGUMENT for what is no address. */
static enum mts_err read_addresses(struct mts_span text, struct mts_host *host) {
  if (text.n == 0 || mts_span_equals(text, UNKNOWN)) return MTS_OK;
  size_t count = count_of(text, ' ') + 1;
  if (count > HOST_ADDRESSES_MAX) return MTS_ERR_ARGUMENT;
  const char **list = calloc(count, sizeof *list);
  if (!list) return MTS_ERR_NO_MEMORY;
  host->addresses = list;
  for (size_t i = 0; i < count; i++) {
    struct mts_address address;
    char clean[MTS_ADDRESS_SIZE];
    if (!mts_address_parse(cut(&text, ' '), &address)) return MTS_ERR_ARGUMENT;
    mts_address_format(&address, clean);
    if (!(list[i] = strdup(clean))) return MTS_ERR_NO_MEMORY;
    host->address_count++;
  }
  return MTS_OK;
}

/* What is made of it belongs to host, whatever the result. */
static enum mts_err read_host(struct mts_span text, struct mts_host *host) {
  uint64_t preference;
  bool surely_none = count_of(text, ' ') == 1;
  if (!mts_number_parse(cut(&text, ' '), UINT16_MAX, &preference)) return MTS_ERR_ARGUMENT;
  struct mts_span name = cut(&text, ' ');
  if (!is_name(name)) return MTS_ERR_ARGUMENT;
  *host = (struct mts_host){.name = mts_span_copy(name), .preference = (uint16_t)preference, .permitted = true};
  if (!host->name) return MTS_ERR_NO_MEMORY;
  if (surely_none) host->err = MTS_ERR_MX_ADDRESS;
  return read_addresses(text, host);
}

/* ARGUMENT: damaged. */
static enum mts_err read_text(struct mts_span text, struct mts_store_hosts *hosts) {
  size_t count = count_of(text, ';') + 1;
  if (count > HOSTS_MAX) return MTS_ERR_ARGUMENT;
  hosts->list = calloc(count, sizeof *hosts->list);
  if (!hosts->list) return MTS_ERR_NO_MEMORY;
  enum mts_err err = MTS_OK;
  for (size_t i = 0; !err && i < count; i++) {
    hosts->count++;
    err = read_host(cut(&text, ';'), &hosts->list[i]);
  }
  return err;
}

/* ---- hosts -> text ---- */

static enum mts_err add_host(struct mts_buf *text, const struct mts_host *host) {
  if (host->address_count > HOST_ADDRESSES_MAX || !is_name(mts_span_of(host->name))) return MTS_ERR_ARGUMENT;
  enum mts_err err = mts_buf_addf(text, "%s%u %s", text->n ? ";" : "", host->preference, host->name);
  for (size_t i = 0; !err && i < host->address_count; i++) {
    struct mts_address address;
    bool is_address = mts_address_parse(mts_span_of(host->addresses[i]), &address);
    err = is_address ? mts_buf_addf(text, " %s", host->addresses[i]) : MTS_ERR_ARGUMENT;
  }
  if (!err && host->address_count == 0 && host->err != MTS_ERR_MX_ADDRESS) err = mts_buf_addf(text, " " UNKNOWN);
  return err;
}

static enum mts_err make_text(const struct mts_store_hosts *hosts, struct mts_buf *text) {
  enum mts_err err = hosts->count > HOSTS_MAX ? MTS_ERR_ARGUMENT : MTS_OK;
  for (size_t i = 0; !err && i < hosts->count; i++)
    if (hosts->list[i].name[0]) err = add_host(text, &hosts->list[i]);
  return err ? err : text->n ? MTS_OK : MTS_ERR_ARGUMENT;
}

/* ---- rows ---- */

static uint64_t sum_of(struct mts_span domain, struct mts_span text, int64_t learned_at, int64_t expires_at) {
  uint64_t sum = store_sum_text(store_sum_text(STORE_SUM_START, domain), text);
  return store_sum_number(store_sum_number(sum, learned_at), expires_at);
}

/* The row at hand; its domain is lent. STORE_NONE: nothing usable in it. hosts is cleared on failure. */
static enum mts_err read_row(struct mts_store *store, sqlite3_stmt *statement, struct mts_span *domain,
                             struct mts_store_hosts *hosts) {
  struct mts_span text;
  int64_t sum;
  bool named = store_text_at(statement, 0, MTS_NAME_SIZE - 1, domain) && mts_name_is_normal(*domain);
  bool sound = named && store_text_at(statement, 1, HOSTS_TEXT_MAX, &text) && store_number_at(statement, 2, &hosts->learned_at) &&
               store_number_at(statement, 3, &hosts->expires_at) && store_number_at(statement, 4, &sum) &&
               (uint64_t)sum == sum_of(*domain, text, hosts->learned_at, hosts->expires_at);
  enum mts_err err = sound ? read_text(text, hosts) : MTS_ERR_ARGUMENT;
  if (err) mts_store_hosts_clear(hosts);
  if (err != MTS_ERR_ARGUMENT) return err;
  store_row_report(store, named ? domain->p : NULL, "hosts");
  return MTS_ERR_STORE_NONE;
}

enum mts_err mts_store_hosts_get(struct mts_store *store, const char *domain, struct mts_store_hosts *hosts) {
  sqlite3_stmt *statement = NULL;
  struct mts_span named;
  bool row = false;
  if (!domain || !mts_name_is_normal(mts_span_of(domain))) return MTS_ERR_ARGUMENT;
  enum mts_err err = store_ready(store);
  if (!err) err = store_statement(store, STORE_SQL_HOSTS_GET, &statement);
  if (err) return err;
  store_bind_text(statement, 1, domain);
  err = store_step(store, statement, "reading MX hosts", &row);
  if (err || !row) return err ? err : MTS_ERR_STORE_NONE;
  struct mts_store_hosts found = {0};
  err = read_row(store, statement, &named, &found);
  enum mts_err end = store_run(store, statement, "reading MX hosts");
  if (!err) err = end;
  if (err)
    mts_store_hosts_clear(&found);
  else
    *hosts = found;
  return err;
}

static bool has_address(const struct mts_host *host, const char *address) {
  for (size_t i = 0; i < host->address_count; i++)
    if (strcmp(host->addresses[i], address) == 0) return true;
  return false;
}

static bool same_host(const struct mts_host *a, const struct mts_host *b) {
  if (a->preference != b->preference || a->address_count != b->address_count || a->err != b->err || strcmp(a->name, b->name) != 0)
    return false;
  for (size_t i = 0; i < a->address_count; i++)
    if (!has_address(b, a->addresses[i])) return false;
  return true;
}

/* DNS gives hosts of one preference, and addresses, in an order that changes with each answer: that is no news. */
static bool same_hosts(const struct mts_store_hosts *a, const struct mts_store_hosts *b) {
  if (a->count != b->count) return false;
  for (size_t i = 0; i < a->count; i++) {
    bool found = false;
    for (size_t j = 0; !found && j < b->count; j++) found = same_host(&a->list[i], &b->list[j]);
    if (!found) return false;
  }
  return true;
}

struct job {
  const char *domain, *text;
  int64_t learned_at, expires_at;
};

static enum mts_err put(struct mts_store *store, void *arg) {
  const struct job *job = arg;
  sqlite3_stmt *statement = NULL;
  enum mts_err err = store_statement(store, STORE_SQL_HOSTS_PUT, &statement);
  if (err) return err;
  store_bind_text(statement, 1, job->domain);
  store_bind_text(statement, 2, job->text);
  sqlite3_bind_int64(statement, 3, job->learned_at);
  sqlite3_bind_int64(statement, 4, job->expires_at);
  uint64_t sum = sum_of(mts_span_of(job->domain), mts_span_of(job->text), job->learned_at, job->expires_at);
  sqlite3_bind_int64(statement, 5, (int64_t)sum);
  return store_run(store, statement, "writing MX hosts");
}

/* Need a row that says the same not be written again? Not while it counts; and one that expires at once, as the last did, only now and
 * then. One from the future was dated by a clock that was wrong. */
static bool is_recent(const struct mts_store *store, const struct mts_store_hosts *before, const struct job *job) {
  bool at_once = job->expires_at <= job->learned_at && job->learned_at - before->learned_at < AGAIN_S;
  return before->learned_at <= mts_clock_now_s(store->clock) && (before->expires_at > job->learned_at || at_once);
}

static bool is_news(struct mts_store *store, const struct job *job) {
  struct mts_store_hosts before = {0}, now = {0};
  bool known = mts_store_hosts_get(store, job->domain, &before) == MTS_OK && is_recent(store, &before, job) &&
               read_text(mts_span_of(job->text), &now) == MTS_OK && same_hosts(&before, &now);
  mts_store_hosts_clear(&before);
  mts_store_hosts_clear(&now);
  return !known;
}

enum mts_err mts_store_hosts_put(struct mts_store *store, const char *domain, const struct mts_store_hosts *hosts) {
  if (!domain || !mts_name_is_normal(mts_span_of(domain))) return MTS_ERR_ARGUMENT;
  struct mts_buf text = {.limit = HOSTS_TEXT_MAX};
  enum mts_err err = store_ready(store);
  if (!err && sqlite3_db_readonly(store->db, "main") == 1) err = MTS_ERR_STORE_IO;
  if (!err) err = make_text(hosts, &text);
  if (!err) {
    struct job job = {.domain = domain, .text = text.p, .learned_at = hosts->learned_at, .expires_at = hosts->expires_at};
    if (is_news(store, &job)) err = store_write(store, put, &job, "writing MX hosts");
  }
  mts_buf_free(&text);
  return err;
}

/* ---- which hosts have an address ---- */

enum mts_err mts_store_hosts_of_address(struct mts_store *store, const char *address,
                                        bool (*each)(void *arg, const char *domain, const char *host, int64_t learned_at),
                                        void *arg) {
  struct mts_address parsed;
  char text[MTS_ADDRESS_SIZE];
  sqlite3_stmt *statement = NULL;
  if (!address || !mts_address_parse(mts_span_of(address), &parsed)) return MTS_ERR_ARGUMENT;
  mts_address_format(&parsed, text);
  enum mts_err err = store_ready(store);
  if (!err) err = store_statement(store, STORE_SQL_HOSTS_OF_ADDRESS, &statement);
  if (err) return err;
  store_bind_text(statement, 1, text);
  size_t left = MTS_STORE_HOSTS_MAX;
  while (!err && left > 0) {
    struct mts_store_hosts hosts = {0};
    struct mts_span domain;
    bool row = false;
    err = store_step(store, statement, "reading MX hosts", &row);
    if (err || !row) return err;
    err = read_row(store, statement, &domain, &hosts);
    for (size_t i = 0; !err && left > 0 && i < hosts.count; i++) {
      if (!has_address(&hosts.list[i], text)) continue;
      left = each(arg, domain.p, hosts.list[i].name, hosts.learned_at) ? left - 1 : 0;
    }
    mts_store_hosts_clear(&hosts);
    if (err == MTS_ERR_STORE_NONE) err = MTS_OK;
  }
  store_reset(store, statement);
  sqlite3_clear_bindings(statement); /* the text ends here */
  return err;
}
