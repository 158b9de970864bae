/* SPDX-License-Identifier: ISC */
#include "base/place.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The main program's own name is what its caller chose to say, so the kernel is asked instead. */
static bool own_file(char path[PATH_MAX]) {
  static const char here = 0;
  Dl_info info;
  struct link_map *map = NULL;
  if (dladdr1(&here, &info, (void **)&map, RTLD_DL_LINKMAP) != 0 && map && map->l_name[0] == '/')
    return realpath(map->l_name, path) != NULL;
  ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
  if (n <= 0 || n >= PATH_MAX - 1) return false;
  path[n] = 0;
  return true;
}

bool mts_own_folder(char folder[PATH_MAX]) {
  if (!own_file(folder)) return false;
  char *slash = strrchr(folder, '/');
  if (!slash) return false;
  slash[1] = 0;
  return true;
}
