/* SPDX-License-Identifier: ISC
 * A probe of one mail host by its name. */

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "resolve/addresses.h"

struct mts_probe {
  struct work work; /* first */
  struct mts *m;
  struct mts_probe_opts opts;
  char host[MTS_NAME_SIZE];
  mts_probe_fn done;
  void *arg;
  struct addresses addresses;
  bool asking_addresses;
  struct mts_job *job;
};

static void finish(struct mts_probe *probe, enum mts_err err, const struct mts_tls *tls) {
  mts_probe_fn done = probe->done;
  void *arg = probe->arg;
  context_end(&probe->work);
  free(probe);
  done(arg, err, tls);
}

static void probed(void *arg, const struct mts_tls *tls) { finish(arg, MTS_OK, tls); }

static enum mts_err connect_to(struct mts_probe *probe, const struct mts_address *addresses, size_t count) {
  struct mts *m = probe->m;
  struct mts_probe_request request = {
      .host = probe->host,
      .port = probe->opts.port ? probe->opts.port : m->smtp_port,
      .addresses = addresses,
      .address_count = count,
      .deadline_ms = probe->opts.deadline_ms ? probe->opts.deadline_ms : m->probe_deadline_ms,
  };
  return m->net->ops->probe(m->net, &request, probed, probe, &probe->job);
}

static void got_addresses(void *arg, struct addresses *addresses) {
  struct mts_probe *probe = arg;
  probe->asking_addresses = false;
  enum mts_err err = addresses->err ? addresses->err : connect_to(probe, addresses->list, addresses->count);
  if (err) finish(probe, err, NULL);
}

static void drop(struct work *work) {
  struct mts_probe *probe = (struct mts_probe *)work;
  if (probe->asking_addresses) addresses_cancel(&probe->addresses);
  context_cancel(probe->m, &probe->job);
  free(probe);
}

enum mts_err mts_probe_start(struct mts *m, const char *host, const struct mts_probe_opts *opts, mts_probe_fn done, void *arg,
                             struct mts_probe **probe) {
  context_after_fork(m);
  char name[MTS_NAME_SIZE];
  struct mts_address only;
  bool has_address = opts && opts->address;
  enum mts_err err = mts_name_normalise(mts_span_of(host), name);
  if (!err && has_address && !mts_address_parse(mts_span_of(opts->address), &only)) err = MTS_ERR_ARGUMENT;
  if (!err) err = context_net(m);
  if (err) return err;
  struct mts_probe *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  made->m = m;
  if (opts) made->opts = *opts;
  made->done = done;
  made->arg = arg;
  memccpy(made->host, name, 0, sizeof made->host);
  made->opts.address = NULL; /* lent */
  err = has_address ? connect_to(made, &only, 1) : addresses_start(m, made->host, got_addresses, made, &made->addresses);
  if (err) {
    free(made);
    return err;
  }
  made->asking_addresses = !has_address;
  context_begin(m, &made->work, drop);
  *probe = made;
  return MTS_OK;
}

void mts_probe_cancel(struct mts_probe **probe) {
  if (*probe) context_drop(&(*probe)->work);
  *probe = NULL;
}

enum mts_err mts_certificate_check(struct mts *m, const char *host, const struct mts_span *chain, size_t count,
                                   struct mts_tls *tls) {
  context_after_fork(m);
  char name[MTS_NAME_SIZE];
  enum mts_err err = mts_name_normalise(mts_span_of(host), name);
  if (!err) err = context_net(m);
  return err ? err : m->net->ops->certificate(m->net, name, chain, count, tls);
}
