/* SPDX-License-Identifier: ISC */
#include "conf.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

/* Without blanks at both ends; ends in NUL. */
static char *trimmed(char *begin, char *end) {
  while (begin < end && strchr(" \t\r\n", *begin)) begin++;
  while (end > begin && strchr(" \t\r\n", end[-1])) end--;
  *end = 0;
  return begin;
}

static enum mts_err set_line(char *line, size_t n, struct mts_settings *settings, const char **wrong) {
  char *text = trimmed(line, line + n);
  if (!text[0] || text[0] == '#') return MTS_OK;
  char *equals = strchr(text, '=');
  *wrong = "a line is NAME = VALUE";
  if (!equals) return MTS_ERR_SETTING;
  const char *value = trimmed(equals + 1, equals + 1 + strlen(equals + 1));
  const char *name = trimmed(text, equals);
  enum mts_err err = mts_settings_set(settings, name, value);
  *wrong = err == MTS_ERR_SETTING ? mts_settings_why(settings) : mts_err_message(err);
  return err;
}

enum mts_err conf_read(FILE *file, const char *name, struct mts_settings *settings, char why[CONF_WHY_SIZE]) {
  char line[CONF_LINE_MAX];
  for (unsigned number = 1; fgets(line, sizeof line, file); number++) {
    size_t n = strlen(line);
    const char *wrong = "the line is too long, or holds a NUL";
    bool whole = (n > 0 && line[n - 1] == '\n') || feof(file);
    enum mts_err err = whole ? set_line(line, n, settings, &wrong) : MTS_ERR_SETTING;
    if (err) {
      mts_text_format(why, CONF_WHY_SIZE, "%s:%u: %s", name, number, wrong);
      return err;
    }
  }
  if (!ferror(file)) return MTS_OK;
  mts_text_format(why, CONF_WHY_SIZE, "%s: cannot be read: %s", name, strerror(errno));
  return MTS_ERR_SETTING;
}

enum mts_err conf_read_path(const char *path, bool may_be_missing, struct mts_settings *settings, char why[CONF_WHY_SIZE]) {
  FILE *file = fopen(path, "re");
  if (!file && errno == ENOENT && may_be_missing) return MTS_OK;
  if (!file) {
    mts_text_format(why, CONF_WHY_SIZE, "%s: cannot be opened: %s", path, strerror(errno));
    return MTS_ERR_SETTING;
  }
  enum mts_err err = conf_read(file, path, settings, why);
  fclose(file);
  return err;
}
