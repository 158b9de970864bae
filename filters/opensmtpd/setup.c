/* SPDX-License-Identifier: ISC */
#include "setup.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "conf.h"
#include "resolve/settings.h"

struct mts_settings *setup_settings(const char *program, const char *path, const char *const defaults[][2]) {
  struct mts_settings *settings = NULL;
  char why[CONF_WHY_SIZE] = "out of memory";
  enum mts_err err = mts_settings_new(&settings);
  for (size_t i = 0; !err && defaults[i][0]; i++) err = mts_settings_set(settings, defaults[i][0], defaults[i][1]);
  if (!err && path) {
    FILE *file = fopen(path, "re");
    if (!file) {
      mts_text_format(why, sizeof why, "%s: cannot be opened: %s", path, strerror(errno));
      err = MTS_ERR_SETTING;
    } else {
      err = conf_read(file, path, settings, why);
      fclose(file);
    }
  }
  if (!err) return settings;
  fprintf(stderr, "%s: %s\n", program, why);
  mts_settings_free(&settings);
  return NULL;
}

enum mts_err setup_log(const struct mts_settings *settings, struct mts_log **log) {
  return mts_log_new((enum mts_log_to)settings_choice(settings, SETTING_log),
                     (enum mts_log_level)settings_choice(settings, SETTING_log_level), NULL, log);
}
