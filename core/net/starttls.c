/* SPDX-License-Identifier: ISC */
#include "net/starttls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "net/attempt.h"
#include "net/certificate.h"
#include "net/starttls_dialogue.h"

#define QUIT_MAX_MS 500 /* for the answer to QUIT, when all is known already */

struct probe {
  struct dialogue dialogue;
  bool dane;
  char host[MTS_NAME_SIZE], next_hop[MTS_NAME_SIZE];
  struct mts_probe_request request; /* points to the copies */
  size_t index;                     /* of the address being tried */
  int connect_errno;                /* of the last address; 0: it timed out */
  mts_tls_fn done;
  void *arg;
  struct mts_tls tls;
};

static void free_tlsa(struct mts_probe_request *request) {
  struct mts_rr_tlsa *list = (struct mts_rr_tlsa *)(uintptr_t)request->tlsa;
  for (size_t i = 0; list && i < request->tlsa_count; i++) free((void *)(uintptr_t)list[i].data.p);
  free(list);
}

static void probe_end(struct mts_job *job) {
  struct probe *probe = (struct probe *)job;
  dialogue_end(&probe->dialogue);
  free_tlsa(&probe->request);
  free((void *)(uintptr_t)probe->request.addresses);
  free(probe);
}

/* The probe is dead afterwards: callers return at once. */
static void finish(struct probe *probe) {
  struct mts_tls tls = probe->tls;
  mts_tls_fn done = probe->done;
  void *arg = probe->arg;
  job_end(&probe->dialogue.job);
  done(arg, &tls);
}

/* ms counts until the verdict, without QUIT. */
static void conclude(struct probe *probe, enum mts_err err) {
  probe->tls.err = err;
  int64_t took_ms = dialogue_now_ms(&probe->dialogue) - probe->dialogue.began_ms;
  probe->tls.ms = took_ms > 0 ? (uint32_t)took_ms : 0;
}

/* ---- connecting ---- */

static void try_addresses(struct dialogue *dialogue) {
  struct probe *probe = (struct probe *)dialogue;
  const struct mts_probe_request *request = &probe->request;
  for (; probe->index < request->address_count; probe->index++) {
    int64_t left_ms = dialogue_left_ms(dialogue);
    if (left_ms <= 0) break;
    const struct mts_address *address = &request->addresses[probe->index];
    mts_address_format(address, probe->tls.address);
    int error = dialogue_connect(dialogue, address, request->port, attempt_ms(left_ms, request->address_count - probe->index));
    if (error == 0) return;
    probe->connect_errno = error;
  }
  enum mts_err err = probe->connect_errno == 0 || probe->connect_errno == ETIMEDOUT ? MTS_ERR_SMTP_TIMEOUT : MTS_ERR_SMTP_CONNECT;
  dialogue_fail(dialogue, err, probe->connect_errno ? strerror(probe->connect_errno) : "no answer while connecting", NULL);
}

static void unreachable(struct dialogue *dialogue, int error) {
  struct probe *probe = (struct probe *)dialogue;
  probe->connect_errno = error;
  probe->index++;
  try_addresses(dialogue);
}

/* ---- the dialogue ---- */

static void heard(struct dialogue *dialogue) {
  struct probe *probe = (struct probe *)dialogue;
  if (dialogue->stage == DIALOGUE_BANNER) mts_text_format(probe->tls.banner, sizeof probe->tls.banner, "%s", dialogue->reply.text);
}

static enum mts_err prepare(struct dialogue *dialogue) {
  struct probe *probe = (struct probe *)dialogue;
  return certificate_expect(dialogue->ssl, &probe->request, &probe->dane);
}

static void secured(struct dialogue *dialogue) {
  struct probe *probe = (struct probe *)dialogue;
  certificate_judge(dialogue->ssl, probe->dane, &probe->tls);
  conclude(probe, probe->tls.err);
  dialogue_say(dialogue, DIALOGUE_QUIT, "QUIT\r\n", QUIT_MAX_MS);
}

/* Whatever comes after QUIT is enough: nobody can take the verdict away any more. */
static void answered(struct dialogue *dialogue, bool surplus) {
  (void)surplus;
  struct hush hush;
  hush_begin(&hush);
  SSL_shutdown(dialogue->ssl);
  hush_end(&hush);
  ERR_clear_error();
  finish((struct probe *)dialogue);
}

static void failed(struct dialogue *dialogue, enum mts_err err, const char *detail) {
  struct probe *probe = (struct probe *)dialogue;
  if (dialogue->stage != DIALOGUE_QUIT) {
    conclude(probe, err);
    mts_text_format(probe->tls.detail, sizeof probe->tls.detail, "%s", detail);
  }
  finish(probe);
}

static void lost(struct dialogue *dialogue, const char *why, int error) {
  dialogue_fail(dialogue, MTS_ERR_SMTP_PROTOCOL, error ? strerror(error) : why, dialogue_where(dialogue));
}

static const struct dialogue_ops ops = {
    .begin = try_addresses,
    .unreachable = unreachable,
    .heard = heard,
    .prepare = prepare,
    .secured = secured,
    .answered = answered,
    .lost = lost,
    .failed = failed,
};

/* ---- start ---- */

static bool copy_tlsa(struct probe *probe, const struct mts_probe_request *request) {
  struct mts_rr_tlsa *list = calloc(request->tlsa_count, sizeof *list);
  if (!list) return false;
  probe->request.tlsa = list;
  for (size_t i = 0; i < request->tlsa_count; i++) {
    char *bytes = malloc(request->tlsa[i].data.n + 1);
    if (!bytes) return false;
    if (request->tlsa[i].data.n) memcpy(bytes, request->tlsa[i].data.p, request->tlsa[i].data.n);
    list[i] = request->tlsa[i];
    list[i].data.p = bytes;
    probe->request.tlsa_count = i + 1;
  }
  return true;
}

static bool copy_request(struct probe *probe, const struct mts_probe_request *request) {
  mts_text_format(probe->host, sizeof probe->host, "%s", request->host);
  probe->request = (struct mts_probe_request){.host = probe->host, .port = request->port, .address_count = request->address_count};
  if (request->next_hop && dialogue_is_host(request->next_hop)) {
    mts_text_format(probe->next_hop, sizeof probe->next_hop, "%s", request->next_hop);
    probe->request.next_hop = probe->next_hop;
  }
  struct mts_address *addresses = calloc(request->address_count, sizeof *addresses);
  if (!addresses) return false;
  memcpy(addresses, request->addresses, request->address_count * sizeof *addresses);
  probe->request.addresses = addresses;
  return request->tlsa_count == 0 || copy_tlsa(probe, request);
}

enum mts_err starttls_start(struct world *world, const struct mts_probe_request *request, mts_tls_fn done, void *arg,
                            struct mts_job **job) {
  if (!dialogue_is_host(request->host) || request->port == 0) return MTS_ERR_ARGUMENT;
  if (request->address_count == 0) return MTS_ERR_MX_ADDRESS;
  enum mts_err err = dialogue_can_begin(world, request->host, request->port);
  if (err != MTS_OK) return err;
  struct probe *probe = calloc(1, sizeof *probe);
  if (!probe) return MTS_ERR_NO_MEMORY;
  probe->done = done;
  probe->arg = arg;
  if (!dialogue_begin(&probe->dialogue, world, probe_end, &ops, request->deadline_ms) || !copy_request(probe, request)) {
    job_end(&probe->dialogue.job);
    return MTS_ERR_NO_MEMORY;
  }
  *job = &probe->dialogue.job;
  return MTS_OK;
}
