/* SPDX-License-Identifier: ISC
 * The network module lies beside libmtasts (build tree) or in the folder mtasts/ beside it (installed). */
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "resolve/context.h"

#define MODULE_FILE "mtasts-net.so"

/* Relative to the file this code was loaded from: a program or library of the build tree, or an installed one. */
static const char *const places[] = {"", "mtasts/", "lib/", "../lib/", "../lib/mtasts/", "../../../mtasts/", "../../../"};

/* The main program's own name is what its caller chose to say, so the kernel is asked instead. */
static bool own_file(char path[PATH_MAX]) {
  static const char here = 0;
  Dl_info info;
  struct link_map *map = NULL;
  if (dladdr1(&here, &info, (void **)&map, RTLD_DL_LINKMAP) != 0 && map && map->l_name[0] == '/')
    return realpath(map->l_name, path) != NULL;
  ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
  if (n <= 0) return false;
  path[n] = 0;
  return true;
}

static void *open_module(struct mts_log *log) {
  char path[PATH_MAX], file[PATH_MAX + 64];
  if (own_file(path)) {
    char *slash = strrchr(path, '/');
    if (slash) slash[1] = 0;
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
