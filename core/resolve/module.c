/* SPDX-License-Identifier: ISC
 * The network module lies beside libmtasts (build tree) or in the folder mtasts/ beside it (installed). */
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#include "base/place.h"
#include "resolve/context.h"

#define MODULE_FILE "mtasts-net.so"

/* Relative to the file this code was loaded from: a program or library of the build tree, or an installed one. */
static const char *const places[] = {"", "mtasts/", "lib/", "../lib/", "../lib/mtasts/", "../../../mtasts/", "../../../"};

static void *open_module(struct mts_log *log) {
  char path[PATH_MAX], file[PATH_MAX + 64];
  if (mts_own_folder(path)) {
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
      snprintf(file, sizeof file, "%s%s%s", path, places[i], MODULE_FILE);
      if (access(file, R_OK) != 0) continue;
      void *module = dlopen(file, RTLD_NOW | RTLD_LOCAL);
      if (module) return module;
      mts_log_seldom(log, MTS_LOG_ERROR, "module", NULL, "cannot load the network module: %s", dlerror());
      return NULL;
    }
  }
#ifdef MTASTS_MODULE_DIR
  void *module = dlopen(MTASTS_MODULE_DIR "/" MODULE_FILE, RTLD_NOW | RTLD_LOCAL);
  if (module) return module;
#endif
  mts_log_seldom(log, MTS_LOG_ERROR, "module", NULL, "cannot find the network module %s near %s; is mtasts installed completely?",
                 MODULE_FILE, path);
  return NULL;
}

enum mts_err module_open(const struct mts_net_config *config, const struct mts_clock *clock, struct mts_log *log,
                         struct mts_net **net) {
  void *module = open_module(log); /* stays loaded as long as the process lives */
  if (!module) return MTS_ERR_NET_MODULE;
  union {
    void *symbol;
    mts_net_open_fn open;
  } entry = {.symbol = dlsym(module, MTS_NET_OPEN_SYMBOL)};
  if (!entry.symbol) {
    mts_log_seldom(log, MTS_LOG_ERROR, "module", NULL, "the network module %s is of another version of mtasts", MODULE_FILE);
    return MTS_ERR_NET_MODULE;
  }
  return entry.open(config, clock, net);
}
