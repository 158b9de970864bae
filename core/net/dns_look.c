/* SPDX-License-Identifier: ISC
 *
 * A look at DNS. Where a resolver only says SERVFAIL, a chain of CNAMEs that never ends may be the reason: resolvers give up on it without
 * showing it, but do tell each hop to who asks for the CNAME itself. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "net/dns.h"

#define TYPE_CNAME ((enum mts_rrtype)5)

struct dns_look {
  struct mts_job job; /* first; it stands before its question in the ring of jobs, so that it ends first */
  struct mts_job *question;
  int64_t ends_ms; /* mono */
  mts_dns_fn done;
  void *arg;
  char name[MTS_NAME_SIZE];
  struct mts_dns_answer answer; /* that to the question itself */
  char hops[MTS_DNS_MAX_CNAMES][MTS_NAME_SIZE];
};

static void look_end(struct mts_job *job) {
  struct dns_look *look = (struct dns_look *)job;
  if (look->question) job_end(look->question);
  free(look);
}

static void pass_on(struct dns_look *look, const struct mts_dns_answer *answer) {
  mts_dns_fn done = look->done;
  void *arg = look->arg;
  job_end(&look->job);
  done(arg, answer);
}

static void finish(struct dns_look *look) {
  char hops[MTS_DNS_MAX_CNAMES][MTS_NAME_SIZE];
  struct mts_dns_answer answer = look->answer;
  memcpy(hops, look->hops, sizeof hops);
  answer.hops = (const char(*)[MTS_NAME_SIZE])hops;
  answer.cname_count = answer.hop_count;
  if (answer.loops) {
    answer.err = MTS_ERR_DNS_LIMIT;
    mts_text_format(answer.detail, sizeof answer.detail, "the CNAME chain loops; the name server calls it SERVFAIL");
  }
  pass_on(look, &answer);
}

static bool was_here(const struct dns_look *look, const char *name) {
  for (size_t i = 0; i < look->answer.hop_count; i++) {
    if (strcmp(look->hops[i], name) == 0) return true;
  }
  return strcmp(look->name, name) == 0;
}

/* false: the chain ends here, or it is known to have no end. */
static bool add_hops(struct dns_look *look, const struct mts_dns_answer *hop) {
  struct mts_dns_answer *answer = &look->answer;
  answer->loops = hop->loops;
  for (size_t i = 0; i < hop->hop_count && !answer->loops; i++) {
    answer->loops = was_here(look, hop->hops[i]);
    if (answer->loops || answer->hop_count == MTS_DNS_MAX_CNAMES) return false;
    memcpy(look->hops[answer->hop_count++], hop->hops[i], MTS_NAME_SIZE);
  }
  return hop->hop_count > 0 && !answer->loops;
}

static bool ask_for_hop(struct dns_look *look);

static void hop_answered(void *arg, const struct mts_dns_answer *hop) {
  struct dns_look *look = arg;
  look->question = NULL;
  if (!add_hops(look, hop) || !ask_for_hop(look)) finish(look);
}

static bool ask_for_hop(struct dns_look *look) {
  int64_t left_ms = look->ends_ms - mts_clock_mono_ms(&look->job.world->net.clock);
  size_t count = look->answer.hop_count;
  const char *name = count ? look->hops[count - 1] : look->name;
  return left_ms > 0 &&
         dns_start(look->job.world, name, TYPE_CNAME, (uint32_t)left_ms, true, hop_answered, look, &look->question) == MTS_OK;
}

static void answered(void *arg, const struct mts_dns_answer *answer) {
  struct dns_look *look = arg;
  look->question = NULL;
  if (answer->err == MTS_ERR_DNS_SERVFAIL) {
    look->answer = *answer;
    look->answer.hops = NULL;
    look->answer.hop_count = 0;
    if (ask_for_hop(look)) return;
  }
  pass_on(look, answer);
}

enum mts_err dns_look_start(struct world *world, const char *name, enum mts_rrtype type, uint32_t deadline_ms, mts_dns_fn done,
                            void *arg, struct mts_job **job) {
  if (strlen(name) >= MTS_NAME_SIZE) return MTS_ERR_NAME_LONG;
  struct dns_look *look = calloc(1, sizeof *look);
  if (!look) return MTS_ERR_NO_MEMORY;
  look->done = done;
  look->arg = arg;
  look->ends_ms = mts_clock_mono_ms(&world->net.clock) + deadline_ms;
  memcpy(look->name, name, strlen(name) + 1);
  job_begin(world, &look->job, look_end);
  enum mts_err err = dns_start(world, name, type, deadline_ms, true, answered, look, &look->question);
  if (err != MTS_OK) {
    job_end(&look->job);
    return err;
  }
  *job = &look->job;
  return MTS_OK;
}
