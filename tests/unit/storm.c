/* SPDX-License-Identifier: ISC
 * Thousands of random events from a seed in a told world: two contexts on one store, lookups of all kinds, failures, clock jumps,
 * restarts, forks. After each the promises are checked. STORM_SEED and STORM_STEPS repeat a run or lengthen it. */
#include <sqlite3.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "resolve/life.h"
#include "store/internal.h"
#include "told_world.h"

#define DOMAINS 3
#define CONTEXTS 2
#define WALKERS 24
#define NEVER INT64_MIN
#define FLIGHT_MS 150000 /* a flight, and another one that it waits for */

static const char *const names[DOMAINS] = {"a.test", "b.test", "c.test"};

/* What the storm knows of one domain. */
struct known {
  char record[40]; /* the id of the last TXT answer; "" none */
  int64_t asked_ms, fetched_at, since_ms;
  bool unsure; /* the last TXT question failed, was lost, or clocks jumped: it may be asked again at any time */
  struct {
    char id[40];
    int64_t at_ms;
  } failed[CONTEXTS];                            /* the last GET that failed, as far as each context can know */
  int64_t forced_ms;                             /* the last lookup that may ask at any time was under way then */
  unsigned forced;                               /* lookups under way that may ask at any time */
  int64_t own_fetch[CONTEXTS], own_ms[CONTEXTS]; /* the latest policy each context has answered with */
};

struct spy {
  struct mts_net net; /* first */
  int context;
};
struct call {
  struct call *next;
  int context, domain;
  struct mts_job *job;
  mts_dns_fn dns;
  mts_https_fn https;
  void *arg;
  char id[40];
};
struct walker {
  bool busy;
  int context, domain;
  struct mts_lookup *lookup;
  bool forces;
  int64_t began_ms, most_ms, paused_ms;
};

static struct told told; /* its m is not used: there are two */
static struct mts *contexts[CONTEXTS];
static struct spy spies[CONTEXTS];
static bool read_only[CONTEXTS];
static struct call *calls;
static struct walker walkers[WALKERS];
static struct known known[DOMAINS];
static struct mts_store *eye;
static struct mts_log *eye_log;
static int64_t turned_ms, paused_ms, calm_ms; /* before calm_ms a process stood still longer than its lease, or clocks jumped */
static uint64_t random_state;
static unsigned serial, answers, answers_enforced, gets, depth;
static char folder[64], path[96];

static uint32_t rnd(uint32_t below) {
  random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(random_state >> 33) % below;
}
static bool chance(uint32_t in) { return rnd(in) == 0; }
static struct mts_net *under(void) { return mts_fake_net(told.fake); }
static int64_t mono(void) { return mts_clock_mono_ms(&under()->clock); }
static int64_t wall(void) { return mts_clock_now_s(&under()->clock); }

static int domain_of(const char *name, const char *prefix) {
  size_t n = strlen(prefix);
  for (int i = 0; i < DOMAINS; i++)
    if (strncmp(name, prefix, n) == 0 && strcmp(name + n, names[i]) == 0) return i;
  return -1;
}

static bool stored(int domain, struct mts_entry *entry) { return mts_store_get(eye, names[domain], entry) == MTS_OK; }

/* ---- what goes through the seam ---- */

static void forget_call(struct call *call) {
  struct call **place = &calls;
  while (*place != call) place = &(*place)->next;
  *place = call->next;
}

static struct call *new_call(int context, int domain, void *arg) {
  struct call *call = calloc(1, sizeof *call);
  assert_non_null(call);
  *call = (struct call){.next = calls, .context = context, .domain = domain, .arg = arg};
  calls = call;
  return call;
}

static void dns_done(void *arg, const struct mts_dns_answer *answer) {
  struct call call = *(struct call *)arg;
  forget_call(arg);
  free(arg);
  struct known *k = &known[call.domain];
  struct mts_record record = {0};
  k->unsure = answer->err > MTS_ERR_DNS_NODATA;
  if (answer->err == MTS_OK && mts_record_parse(answer->records[0].u.txt, &record, NULL) != MTS_OK) record.id[0] = 0;
  memcpy(k->record, record.id, sizeof record.id);
  call.dns(call.arg, answer);
}

static enum mts_err spy_dns(struct mts_net *net, const char *name, enum mts_rrtype type, uint32_t ms, mts_dns_fn done, void *arg,
                            struct mts_job **job) {
  const struct spy *spy = (const struct spy *)net;
  int domain = type == MTS_RR_TXT ? domain_of(name, "_mta-sts.") : -1;
  if (domain < 0) return under()->ops->dns(under(), name, type, ms, done, arg, job);
  struct known *k = &known[domain];
  struct mts_entry entry = {0};
  bool due = stored(domain, &entry) && entry.policy && (entry.refresh_at <= wall() || !life_policy_holds(&entry, wall()));
  mts_entry_clear(&entry);
  bool forced = k->forced || (k->forced_ms != NEVER && mono() - k->forced_ms < FLIGHT_MS);
  bool free_to_ask = due || k->unsure || forced || mono() < calm_ms || k->asked_ms == NEVER || read_only[0] || read_only[1];
  if (!free_to_ask && mono() - k->asked_ms < 60000) fail_msg("%s: TXT asked again after %d ms", name, (int)(mono() - k->asked_ms));
  k->asked_ms = mono();
  k->unsure = true; /* until it is answered */
  struct call *call = new_call(spy->context, domain, arg);
  call->dns = done;
  enum mts_err err = under()->ops->dns(under(), name, type, ms, dns_done, call, job);
  call->job = *job;
  return err;
}

static void https_done(void *arg, const struct mts_https_answer *answer) {
  struct call call = *(struct call *)arg;
  forget_call(arg);
  free(arg);
  struct known *k = &known[call.domain];
  bool failed = answer->err || answer->body.n < 20;
  for (int i = 0; i < CONTEXTS; i++) {
    if (i != call.context && (read_only[call.context] || read_only[i])) continue;
    if (failed) {
      memcpy(k->failed[i].id, call.id, sizeof call.id);
      k->failed[i].at_ms = call.id[0] && mono() > calm_ms ? mono() : NEVER;
    } else if (strcmp(k->failed[i].id, call.id) == 0) {
      k->failed[i].at_ms = NEVER;
    }
  }
  call.https(call.arg, answer);
}

static enum mts_err spy_https(struct mts_net *net, const struct mts_https_request *request, mts_https_fn done, void *arg,
                              struct mts_job **job) {
  const struct spy *spy = (const struct spy *)net;
  int domain = domain_of(request->host, "mta-sts.");
  assert_true(domain >= 0);
  const struct known *k = &known[domain];
  gets++;
  bool forced = domain == DOMAINS - 1; /* the only one asked with MTS_CHECK_ALWAYS */
  bool same = k->record[0] && strcmp(k->failed[spy->context].id, k->record) == 0 && k->failed[spy->context].at_ms != NEVER;
  if (same && !forced && mono() - k->failed[spy->context].at_ms < 300000)
    fail_msg("%s: GET of id %s again %d ms after it failed", request->host, k->record,
             (int)(mono() - k->failed[spy->context].at_ms));
  struct call *call = new_call(spy->context, domain, arg);
  call->https = done;
  memcpy(call->id, k->record, sizeof call->id);
  enum mts_err err = under()->ops->https(under(), request, https_done, call, job);
  call->job = *job;
  return err;
}

static enum mts_err spy_probe(struct mts_net *net, const struct mts_probe_request *request, mts_tls_fn done, void *arg,
                              struct mts_job **job) {
  (void)net;
  return under()->ops->probe(under(), request, done, arg, job);
}
static enum mts_err spy_timer(struct mts_net *net, uint32_t ms, mts_timer_fn done, void *arg, struct mts_job **job) {
  (void)net;
  return under()->ops->timer(under(), ms, done, arg, job);
}
static void spy_cancel(struct mts_net *net, struct mts_job **job) {
  (void)net;
  struct call *call = calls;
  while (call && call->job != *job) call = call->next;
  if (call) {
    forget_call(call);
    free(call);
  }
  under()->ops->cancel(under(), job);
}
static bool spy_turn(struct mts_net *net, int ms) {
  (void)net;
  return under()->ops->turn(under(), ms);
}
static void spy_leave(struct mts_net *net) { (void)net; }

static const struct mts_net_ops spy_ops = {
    .free = spy_leave,
    .forget = spy_leave,
    .dns = spy_dns,
    .https = spy_https,
    .probe = spy_probe,
    .timer = spy_timer,
    .cancel = spy_cancel,
    .turn = spy_turn,
};

/* ---- lookups ---- */

static void start_lookup(void);

static void unforce(int domain) {
  known[domain].forced--;
  known[domain].forced_ms = mono();
}

static void ended(void *arg, enum mts_err err, struct mts_answer *answer) {
  struct walker *walker = arg;
  assert_true(walker->busy); /* exactly once */
  assert_int_equal(err, MTS_OK);
  walker->busy = false;
  walker->lookup = NULL;
  struct known *k = &known[walker->domain];
  if (walker->forces) unforce(walker->domain);
  answers++;
  answers_enforced += answer->mode == MTS_MODE_ENFORCE;
  int64_t took = mono() - walker->began_ms - (paused_ms - walker->paused_ms);
  if (took > walker->most_ms) fail_msg("a lookup took %d ms of %d", (int)took, (int)walker->most_ms);
  assert_int_equal(answer->mode, answer->policy ? answer->policy->mode : MTS_MODE_NONE);
  /* Never weaker: what was known ten seconds before it began (memory is believed that long) is the least it says. */
  struct mts_entry entry = {0};
  bool holds = stored(walker->domain, &entry) && life_policy_holds(&entry, wall());
  if (holds && k->since_ms != NEVER && k->since_ms + 10001 < walker->began_ms) {
    if (!answer->policy)
      fail_msg("%s: the policy in the store was not applied%s", answer->domain, read_only[walker->context] ? " (read-only)" : "");
    if (answer->fetched_at < k->fetched_at && k->fetched_at <= wall())
      fail_msg("%s: an older policy applied%s", answer->domain, read_only[walker->context] ? " (read-only)" : "");
  }
  mts_entry_clear(&entry);
  int c = walker->context;
  if (k->own_ms[c] != NEVER && k->own_ms[c] < walker->began_ms && k->own_fetch[c] + 604800 > wall() && k->own_fetch[c] <= wall())
    if (!answer->policy || answer->fetched_at < k->own_fetch[c])
      fail_msg("%s: context %d%s answered %d s older than before, from %d", answer->domain, c, read_only[c] ? " (read-only)" : "",
               (int)(k->own_fetch[c] - answer->fetched_at), (int)answer->from);
  if (answer->policy && answer->fetched_at <= wall() && (k->own_ms[c] == NEVER || answer->fetched_at > k->own_fetch[c])) {
    k->own_fetch[c] = answer->fetched_at;
    k->own_ms[c] = mono();
  }
  mts_answer_free(&answer);
  if (depth < 3 && chance(4)) start_lookup();
  struct walker *other = &walkers[rnd(WALKERS)];
  if (other->busy && other->lookup && chance(8)) {
    if (other->forces) unforce(other->domain);
    other->busy = false;
    mts_lookup_cancel(&other->lookup);
  }
}

static void start_lookup(void) {
  struct walker *walker = &walkers[rnd(WALKERS)];
  if (walker->busy) return;
  struct mts_lookup_opts opts = {.depth = (enum mts_depth)rnd(3), .freshness = (enum mts_freshness)rnd(4)};
  int domain = (int)rnd(DOMAINS);
  if (opts.freshness == MTS_CHECK_ALWAYS && (domain != DOMAINS - 1 || !chance(4))) opts.freshness = MTS_CHECK_DUE;
  if (chance(4)) opts.deadline_ms = 1 + rnd(12000);
  bool forces = opts.freshness == MTS_CHECK_ALWAYS || opts.depth != MTS_DEPTH_POLICY; /* or may check again */
  *walker = (struct walker){.busy = true, .context = (int)rnd(CONTEXTS), .domain = domain, .forces = forces};
  walker->began_ms = mono();
  walker->paused_ms = paused_ms;
  walker->most_ms = opts.deadline_ms ? opts.deadline_ms : opts.depth == MTS_DEPTH_TLS ? 25000 : 10000;
  if (forces) known[walker->domain].forced++;
  depth++;
  struct mts_lookup *lookup = NULL;
  assert_int_equal(mts_lookup_start(contexts[walker->context], names[walker->domain], &opts, ended, walker, &lookup), MTS_OK);
  if (lookup) walker->lookup = lookup;
  depth--;
}

static void cancel_of(int context) {
  for (int i = 0; i < WALKERS; i++) {
    struct walker *walker = &walkers[i];
    if (!walker->busy || (context >= 0 && walker->context != context)) continue;
    if (walker->forces) unforce(walker->domain);
    walker->busy = false;
    mts_lookup_cancel(&walker->lookup);
    if (context < 0) return;
  }
}

/* ---- events ---- */

static void tell_record(int domain) {
  char name[64], text[64];
  struct mts_span record;
  snprintf(name, sizeof name, "_mta-sts.%s", names[domain]);
  static const enum mts_err errs[] = {MTS_ERR_DNS_NXDOMAIN, MTS_ERR_DNS_SERVFAIL, MTS_ERR_DNS_TIMEOUT, MTS_ERR_DNS_BOGUS};
  uint32_t delay = chance(3) ? rnd(7000) : 0;
  if (chance(4)) {
    mts_fake_dns(told.fake, name, MTS_RR_TXT, errs[rnd(4)], NULL, 0, 1 + rnd(4000), MTS_DNSSEC_INSECURE, delay);
    return;
  }
  unsigned id = chance(3) ? ++serial : serial;
  snprintf(text, sizeof text, chance(10) ? "v=STSv1; broken" : "v=STSv1; id=%u", id);
  record = mts_span_of(text);
  mts_fake_dns(told.fake, name, MTS_RR_TXT, MTS_OK, &record, 1, 1 + rnd(4000), MTS_DNSSEC_INSECURE, delay);
}

static void tell_host(int domain) {
  char host[64], body[200];
  static const char *const modes[] = {"enforce", "enforce", "testing", "none"};
  snprintf(host, sizeof host, "mta-sts.%s", names[domain]);
  uint32_t delay = chance(3) ? rnd(70000) : 0;
  if (chance(2)) {
    mts_fake_https(told.fake, host, MTS_ERR_HTTPS_CONNECT, 0, NULL, mts_span_of(""), delay);
    return;
  }
  snprintf(body, sizeof body, "version: STSv1\nmode: %s\nmx: mx%u.%s\nmax_age: 604800\n", modes[rnd(4)], rnd(3), names[domain]);
  mts_fake_https(told.fake, host, MTS_OK, 200, "text/plain", mts_span_of(chance(8) ? "garbage" : body), delay);
}

static void tell_mail_hosts(int domain) {
  char mx[96], host[64];
  snprintf(host, sizeof host, "mx%u.%s", rnd(3), names[domain]);
  snprintf(mx, sizeof mx, "10 %s", host);
  tell_records(&told, names[domain], MTS_RR_MX, chance(2) ? MTS_DNSSEC_SECURE : MTS_DNSSEC_INSECURE, (const char *[]){mx, NULL});
  mts_fake_smtp(told.fake, host, chance(2) ? MTS_OK : MTS_ERR_CERT_NAME, rnd(20000));
}

static void forget_times(void) {
  calm_ms = mono() + FLIGHT_MS;
  for (int i = 0; i < DOMAINS; i++) {
    known[i].unsure = true;
    known[i].since_ms = NEVER;
    for (int c = 0; c < CONTEXTS; c++) known[i].failed[c].at_ms = known[i].own_ms[c] = NEVER;
  }
}

static void open_context(int i) {
  contexts[i] = told_context(&told, (const char *[]){"store", path, "background", i ? "yes" : "no", NULL});
  spies[i] = (struct spy){.net = {.ops = &spy_ops, .clock = under()->clock}, .context = i};
  mts_lend_net(contexts[i], &spies[i].net);
  read_only[i] = false;
}

static void restart(int context) {
  cancel_of(context);
  mts_free(&contexts[context]);
  open_context(context);
  for (int i = 0; i < DOMAINS; i++) {
    known[i].unsure = true; /* a question may be lost */
    known[i].failed[context].at_ms = known[i].own_ms[context] = NEVER;
  }
}

static void fork_one(int context) {
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    struct mts_answer *answer = NULL;
    struct mts_lookup_opts opts = {.freshness = MTS_CACHE_ONLY};
    bool fine = mts_lookup(contexts[context], names[0], &opts, &answer) == MTS_OK;
    mts_answer_free(&answer);
    mts_free(&contexts[context]);
    _exit(fine ? 0 : 1);
  }
  int status = 1;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

static void toggle_read_only(int context) {
  struct mts_store *store = contexts[context]->store;
  if (!store || !store->db) return;
  read_only[context] = !read_only[context];
  sqlite3_exec(store->db, read_only[context] ? "PRAGMA query_only=1" : "PRAGMA query_only=0", NULL, NULL, NULL);
  for (int i = 0; i < DOMAINS; i++) {
    known[i].unsure = true;
    for (int c = 0; c < CONTEXTS; c++) known[i].failed[c].at_ms = NEVER;
  }
}

static void stand_still(int64_t ms) {
  mts_fake_advance(told.fake, ms);
  paused_ms += ms;
  bool under_way = contexts[0]->flights || contexts[1]->flights;
  if (under_way && mono() - turned_ms > 2900) {
    calm_ms = mono() + FLIGHT_MS;
    for (int i = 0; i < DOMAINS; i++)
      for (int c = 0; c < CONTEXTS; c++) known[i].failed[c].at_ms = NEVER;
  }
}

static void one_event(void) {
  uint32_t event = rnd(1000);
  int domain = (int)rnd(DOMAINS), context = (int)rnd(CONTEXTS);
  if (event < 300) {
    start_lookup();
  } else if (event < 700) {
    mts_turn(contexts[context], (int)rnd(3000));
    turned_ms = mono();
  } else if (event < 800) {
    bool under_way = contexts[0]->flights || contexts[1]->flights;
    stand_still(under_way && !chance(30) ? rnd(2900) : chance(20) ? (int64_t)rnd(90000) * 1000 : (int64_t)rnd(90000));
  } else if (event < 850) {
    tell_record(domain);
  } else if (event < 900) {
    tell_host(domain);
  } else if (event < 920) {
    tell_mail_hosts(domain);
  } else if (event < 950) {
    cancel_of(-1);
  } else if (event < 980) {
    assert_int_equal(mts_refresh_due(contexts[context], 0, NULL), MTS_OK);
  } else if (event < 988) {
    restart(context);
  } else if (event < 994) {
    toggle_read_only(context);
  } else if (event < 997) {
    int64_t days = (int64_t)rnd(60) - 30;
    mts_fake_set_now(told.fake, (wall() + days * DAY_S + rnd(7200)) * 1000);
    forget_times();
  } else {
    fork_one(context);
  }
}

/* The store never loses a policy, nor gets an older one. */
static void check_store(void) {
  for (int i = 0; i < DOMAINS; i++) {
    struct known *k = &known[i];
    struct mts_entry entry = {0};
    bool has = stored(i, &entry) && entry.policy;
    if (k->fetched_at && !has) fail_msg("%s: its policy was lost from the store", names[i]);
    if (has && entry.fetched_at != k->fetched_at) {
      if (entry.fetched_at < k->fetched_at && k->fetched_at <= wall()) fail_msg("%s: an older policy came back", names[i]);
      k->fetched_at = entry.fetched_at;
      k->since_ms = mono();
    }
    mts_entry_clear(&entry);
  }
}

static int remove_folder(void **state) {
  (void)state;
  static const char *const endings[] = {"", "-wal", "-shm"};
  for (size_t i = 0; i < 3; i++) {
    char file[128];
    snprintf(file, sizeof file, "%s%s", path, endings[i]);
    unlink(file);
  }
  return rmdir(folder);
}

static void a_storm_breaks_no_promise(void **state) {
  (void)state;
  const char *seed = getenv("STORM_SEED"), *steps = getenv("STORM_STEPS");
  uint64_t number = 1;
  if (seed) mts_number_parse(mts_span_of(seed), UINT64_MAX, &number);
  uint64_t most = 0;
  if (steps) mts_number_parse(mts_span_of(steps), UINT64_MAX, &most);
  random_state = number * 2654435761u + 1;
  print_message("STORM_SEED=%llu\n", (unsigned long long)number);
  snprintf(folder, sizeof folder, "/tmp/mtasts-test-XXXXXX");
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/mtasts.db", folder);
  assert_int_equal(mts_fake_new(START_MS, &told.fake), MTS_OK);
  for (int i = 0; i < DOMAINS; i++) {
    known[i].asked_ms = known[i].forced_ms = NEVER;
    tell_mail_hosts(i);
  }
  forget_times();
  for (int i = 0; i < CONTEXTS; i++) open_context(i);
  assert_int_equal(mts_log_new(MTS_LOG_TO_NONE, MTS_LOG_ERROR, &under()->clock, &eye_log), MTS_OK);
  assert_int_equal(mts_store_open(path, &under()->clock, eye_log, &eye), MTS_OK);
  time_t end = time(NULL) + 3;
  uint64_t step = 0;
  for (; most ? step < most : step < 3000 && time(NULL) < end; step++) {
    one_event();
    check_store();
  }
  for (int i = 0; i < WALKERS; i++)
    for (int turns = 0; walkers[i].busy; turns++) assert_true(mts_turn(contexts[walkers[i].context], -1) && turns < 10000);
  print_message("%llu steps, %u answers (%u enforce), %u GETs\n", (unsigned long long)step, answers, answers_enforced, gets);
  assert_true(answers > 0);
  mts_store_close(&eye);
  mts_log_free(&eye_log);
  for (int i = 0; i < CONTEXTS; i++) mts_free(&contexts[i]);
  assert_null(calls);
  mts_fake_free(&told.fake);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(a_storm_breaks_no_promise, remove_folder)};
  return cmocka_run_group_tests_name("storm", tests, NULL, NULL);
}
