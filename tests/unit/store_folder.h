/* SPDX-License-Identifier: ISC
 * A folder with a store of its own for each test that wants one. Included by the tests only. */
#ifndef STORE_FOLDER_H
#define STORE_FOLDER_H

#include <stdio.h>
#include <unistd.h>

#include "told_world.h"

static char folder[64], store_path[96];

static inline int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/mtasts-test-XXXXXX");
  if (!mkdtemp(folder)) return -1;
  snprintf(store_path, sizeof store_path, "%s/mtasts.db", folder);
  return 0;
}

static inline int remove_folder(void **state) {
  (void)state;
  static const char *const endings[] = {"", "-wal", "-shm"};
  for (size_t i = 0; i < 3; i++) {
    char path[128];
    snprintf(path, sizeof path, "%s%s", store_path, endings[i]);
    unlink(path);
  }
  return rmdir(folder);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

#endif
