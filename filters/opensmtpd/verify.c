/* SPDX-License-Identifier: ISC */
#include "verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/name.h"

struct waiter {
  struct waiter *next;
  verify_fn done;
  void *arg;
};

struct checked {
  struct verify *verify;
  char host[MTS_NAME_SIZE], address[MTS_ADDRESS_SIZE];
  struct mts_probe *probe;
  struct waiter *waiters;
  int64_t until_ms;
  enum mts_err err;
  char detail[160];
};

struct verify {
  struct mts *m;
  size_t under_way;
  struct checked at[VERIFY_HOSTS_MAX];
};

static int64_t mono(void) { return mts_clock_mono_ms(&mts_clock_real); }

enum mts_err verify_new(struct mts *m, struct verify **verify) {
  struct verify *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  made->m = m;
  *verify = made;
  return MTS_OK;
}

static void tell(struct checked *checked) {
  struct waiter *waiter = checked->waiters;
  checked->waiters = NULL;
  while (waiter) {
    struct waiter *next = waiter->next;
    waiter->done(waiter->arg, checked->err, checked->detail);
    free(waiter);
    waiter = next;
  }
}

void verify_free(struct verify **verify) {
  struct verify *it = *verify;
  if (!it) return;
  for (size_t i = 0; i < VERIFY_HOSTS_MAX; i++) {
    mts_probe_cancel(&it->at[i].probe);
    it->at[i].err = MTS_ERR_CANCELLED;
    tell(&it->at[i]);
  }
  free(it);
  *verify = NULL;
}

static void probed(void *arg, enum mts_err err, const struct mts_tls *tls) {
  struct checked *checked = arg;
  checked->probe = NULL;
  checked->verify->under_way--;
  checked->until_ms = mono() + VERIFY_KNOWN_MS;
  checked->err = err ? err : tls->err;
  checked->detail[0] = 0;
  if (!err) memccpy(checked->detail, tls->detail, 0, sizeof checked->detail);
  tell(checked);
}

/* The place of this host, or the one that is known for longest; NULL: all are being probed. */
static struct checked *place(struct verify *verify, const char *host, const char *address) {
  struct checked *oldest = NULL;
  for (size_t i = 0; i < VERIFY_HOSTS_MAX; i++) {
    struct checked *at = &verify->at[i];
    if (strcmp(at->host, host) == 0 && strcmp(at->address, address) == 0) return at;
    if (!at->probe && (!oldest || at->until_ms < oldest->until_ms)) oldest = at;
  }
  if (!oldest) return NULL;
  *oldest = (struct checked){.verify = verify};
  memccpy(oldest->host, host, 0, sizeof oldest->host - 1);
  memccpy(oldest->address, address, 0, sizeof oldest->address - 1);
  return oldest;
}

static enum mts_err wait(struct checked *checked, verify_fn done, void *arg) {
  struct verify *verify = checked->verify;
  struct waiter *waiter = calloc(1, sizeof *waiter);
  if (!waiter) return MTS_ERR_NO_MEMORY;
  if (!checked->probe) {
    const struct mts_probe_opts opts = {.address = checked->address};
    enum mts_err err = verify->under_way < VERIFY_AT_ONCE
                           ? mts_probe_start(verify->m, checked->host, &opts, probed, checked, &checked->probe)
                           : MTS_ERR_NO_MEMORY;
    if (err) {
      free(waiter);
      return err;
    }
    verify->under_way++;
  }
  *waiter = (struct waiter){.next = checked->waiters, .done = done, .arg = arg};
  checked->waiters = waiter;
  return MTS_OK;
}

void verify_host(struct verify *verify, const char *host, const char *address, verify_fn done, void *arg) {
  struct checked *checked = place(verify, host, address);
  if (checked && !checked->probe && mono() < checked->until_ms) {
    done(arg, checked->err, checked->detail);
    return;
  }
  enum mts_err err = checked ? wait(checked, done, arg) : MTS_ERR_NO_MEMORY;
  if (err) done(arg, err, "");
}
