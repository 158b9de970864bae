/* SPDX-License-Identifier: ISC */
#include "resolve/settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/name.h"
#include "base/nearest.h"

enum type { TYPE_text, TYPE_list, TYPE_number, TYPE_bool, TYPE_choice };

static const struct {
  const char *name;
  enum type type;
  const char *type_name, *fallback, *meaning;
} table[] = {
#define X(name, type, fallback, meaning) {#name, TYPE_##type, #type, fallback, meaning},
    MTS_SETTING_LIST(X)
#undef X
};

#define MAX_CHOICES 4
static const struct {
  enum setting which;
  const char *words[MAX_CHOICES];
} choices[] = {
    {SETTING_dnssec, {"auto", "ad", "validate", "off"}},
    {SETTING_on_dns_failure, {"deliver", "defer"}},
    {SETTING_log, {"stderr", "syslog", "json", "none"}},
    {SETTING_log_level, {"error", "warning", "info", "debug"}},
};

static const struct {
  enum setting which;
  uint32_t least, most;
} ranges[] = {
    {SETTING_https_port, 1, 65535},
    {SETTING_smtp_port, 1, 65535},
    {SETTING_dns_deadline_ms, 100, 60000},
    {SETTING_mail_deadline_ms, 100, 300000},
    {SETTING_fetch_deadline_ms, 100, 600000},
    {SETTING_probe_deadline_ms, 100, 600000},
    {SETTING_refresh_s, 60, 604800},
    /* RFC 8461 3.3: five minutes or longer. */
    {SETTING_retry_s, 300, 86400},
    {SETTING_report_delay_s, 0, 43200},
    {SETTING_memory_entries, 0, 10000000},
    {SETTING_memory_s, 0, 3600},
    {SETTING_serve_connections, 1, 100000},
    {SETTING_serve_requests, 1, 1000000},
    {SETTING_serve_pipeline, 1, 10000},
    {SETTING_serve_idle_s, 1, 604800},
};

struct mts_settings {
  char *values[SETTING_COUNT]; /* NULL: the fallback */
  char why[240];
};

enum mts_err mts_settings_new(struct mts_settings **settings) {
  struct mts_settings *made = calloc(1, sizeof *made);
  if (!made) return MTS_ERR_NO_MEMORY;
  *settings = made;
  return MTS_OK;
}

void mts_settings_free(struct mts_settings **settings) {
  if (!*settings) return;
  for (size_t i = 0; i < SETTING_COUNT; i++) free((*settings)->values[i]);
  free(*settings);
  *settings = NULL;
}

enum mts_err settings_copy(const struct mts_settings *from, struct mts_settings **to) {
  struct mts_settings *made = NULL;
  enum mts_err err = mts_settings_new(&made);
  for (size_t i = 0; !err && from && i < SETTING_COUNT; i++) {
    if (from->values[i] && !(made->values[i] = strdup(from->values[i]))) err = MTS_ERR_NO_MEMORY;
  }
  if (err) {
    if (made) mts_settings_free(&made);
    return err;
  }
  *to = made;
  return MTS_OK;
}

static __attribute__((format(printf, 2, 3))) enum mts_err refuse(struct mts_settings *settings, const char *format, ...) {
  char text[200];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  mts_text_clean(settings->why, sizeof settings->why, mts_span_of(text));
  return MTS_ERR_SETTING;
}

static bool read_bool(const char *text, bool *value) {
  static const char *const yes[] = {"yes", "true", "on", "1"}, *const no[] = {"no", "false", "off", "0"};
  for (size_t i = 0; i < 4; i++) {
    bool is_yes = strcasecmp(text, yes[i]) == 0;
    if (is_yes || strcasecmp(text, no[i]) == 0) {
      *value = is_yes;
      return true;
    }
  }
  return false;
}

static const char *const *words_of(enum setting which) {
  for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
    if (choices[i].which == which) return choices[i].words;
  }
  return NULL;
}

static bool find_choice(enum setting which, const char *text, unsigned *index) {
  const char *const *words = words_of(which);
  for (unsigned i = 0; words && i < MAX_CHOICES && words[i]; i++) {
    if (strcmp(words[i], text) == 0) {
      *index = i;
      return true;
    }
  }
  return false;
}

static enum mts_err check_number(struct mts_settings *settings, enum setting which, const char *value) {
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
    if (ranges[i].which != which) continue;
    uint64_t number;
    if (mts_number_parse(mts_span_of(value), ranges[i].most, &number) && number >= ranges[i].least) return MTS_OK;
    return refuse(settings, "%s: \"%.40s\" is not a number from %u to %u", table[which].name, value, ranges[i].least,
                  ranges[i].most);
  }
  return refuse(settings, "%s: has no range", table[which].name);
}

static enum mts_err check_choice(struct mts_settings *settings, enum setting which, const char *value) {
  unsigned index;
  if (find_choice(which, value, &index)) return MTS_OK;
  const char *const *words = words_of(which);
  char known[80] = "";
  size_t n = 0;
  for (unsigned i = 0; words && i < MAX_CHOICES && words[i]; i++) {
    int added = snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", words[i]);
    if (added > 0 && n + (size_t)added < sizeof known) n += (size_t)added;
  }
  return refuse(settings, "%s: \"%.40s\" is none of: %s", table[which].name, value, known);
}

/* A name server that cannot be asked would only be found out when mail waits. */
static enum mts_err check_nameservers(struct mts_settings *settings, const char *value) {
  for (const char *p = value + strspn(value, " \t,"); *p; p += strspn(p, " \t,")) {
    struct mts_address address;
    uint16_t port = 0;
    size_t n = strcspn(p, " \t,");
    if (!mts_endpoint_parse(mts_span(p, n), &address, &port)) {
      return refuse(settings, "nameservers: \"%.*s\" is not an address; write 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53",
                    n < 60 ? (int)n : 60, p);
    }
    p += n;
  }
  return MTS_OK;
}

/* A word that is misspelt must not look as if it allowed something. */
static enum mts_err check_rules_allow(struct mts_settings *settings, const char *value) {
  static const char *const known[] = {"execute", "popen", "loadlib", "debug", "all"};
  const size_t count = sizeof known / sizeof *known;
  for (const char *p = value + strspn(value, " \t,"); *p; p += strspn(p, " \t,")) {
    size_t n = strcspn(p, " \t,"), i = 0;
    while (i < count && (strlen(known[i]) != n || strncmp(known[i], p, n) != 0)) i++;
    if (i == count) {
      return refuse(settings, "rules_allow: \"%.*s\" is none of: execute, popen, loadlib, debug, all", n < 60 ? (int)n : 60, p);
    }
    p += n;
  }
  return MTS_OK;
}

static enum mts_err check_list(struct mts_settings *settings, enum setting which, const char *value) {
  if (which == SETTING_nameservers) return check_nameservers(settings, value);
  return which == SETTING_rules_allow ? check_rules_allow(settings, value) : MTS_OK;
}

static enum mts_err check_mode(struct mts_settings *settings, const char *value) {
  size_t n = strlen(value);
  bool octal = n >= 3 && n <= 4 && strspn(value, "01234567") == n && (n == 3 || value[0] == '0');
  return octal ? MTS_OK : refuse(settings, "serve_mode: \"%.40s\" is no mode such as 0660", value);
}

static enum mts_err check(struct mts_settings *settings, enum setting which, const char *value) {
  bool yes;
  for (const char *p = value; *p; p++) {
    if ((unsigned char)*p < 0x20 || *p == 0x7f) return refuse(settings, "%s: control character in the value", table[which].name);
  }
  switch (table[which].type) {
    case TYPE_text:
      return which == SETTING_serve_mode ? check_mode(settings, value) : MTS_OK;
    case TYPE_list:
      return check_list(settings, which, value);
    case TYPE_bool:
      return read_bool(value, &yes) ? MTS_OK : refuse(settings, "%s: \"%.40s\" is not yes or no", table[which].name, value);
    case TYPE_number:
      return check_number(settings, which, value);
    case TYPE_choice:
      return check_choice(settings, which, value);
  }
  return MTS_ERR_INTERNAL;
}

static bool find(const char *name, enum setting *which) {
  for (unsigned i = 0; i < SETTING_COUNT; i++) {
    if (strcmp(table[i].name, name) == 0) {
      *which = (enum setting)i;
      return true;
    }
  }
  return false;
}

enum mts_err mts_settings_set(struct mts_settings *settings, const char *name, const char *value) {
  enum setting which;
  if (!find(name, &which)) {
    const char *names[SETTING_COUNT];
    for (size_t i = 0; i < SETTING_COUNT; i++) names[i] = table[i].name;
    const char *nearest = mts_nearest(name, names, SETTING_COUNT);
    return nearest ? refuse(settings, "no setting \"%.60s\"; did you mean \"%s\"?", name, nearest)
                   : refuse(settings, "no setting \"%.60s\"", name);
  }
  enum mts_err err = check(settings, which, value);
  if (err) return err;
  char *copy = strdup(value);
  if (!copy) return MTS_ERR_NO_MEMORY;
  free(settings->values[which]);
  settings->values[which] = copy;
  return MTS_OK;
}

const char *settings_text(const struct mts_settings *settings, enum setting which) {
  return settings && settings->values[which] ? settings->values[which] : table[which].fallback;
}

const char *settings_rules_place(const struct mts_settings *settings) {
  const char *named = settings_text(settings, SETTING_rules);
  if (strcmp(named, "none") == 0) return NULL;
  return named[0] ? named : MTASTS_RULES_FILE;
}

const char *settings_rules_file(const struct mts_settings *settings) {
  const char *file = settings_rules_place(settings);
  bool named = settings_text(settings, SETTING_rules)[0] != 0;
  return !file || named || access(file, F_OK) == 0 ? file : NULL;
}

const char *mts_settings_get(const struct mts_settings *settings, const char *name) {
  enum setting which;
  return find(name, &which) ? settings_text(settings, which) : NULL;
}

const char *mts_settings_why(const struct mts_settings *settings) { return settings->why; }

bool mts_settings_describe(size_t index, const char **name, const char **type, const char **fallback, const char **meaning) {
  if (index >= SETTING_COUNT) return false;
  *name = table[index].name;
  *type = table[index].type_name;
  *fallback = table[index].fallback;
  *meaning = table[index].meaning;
  return true;
}

uint32_t settings_number(const struct mts_settings *settings, enum setting which) {
  uint64_t number = 0;
  return mts_number_parse(mts_span_of(settings_text(settings, which)), UINT32_MAX, &number) ? (uint32_t)number : 0;
}

bool settings_bool(const struct mts_settings *settings, enum setting which) {
  bool value = false;
  return read_bool(settings_text(settings, which), &value) && value;
}

const char *settings_reporters(const struct mts_settings *settings) {
  const char *named = settings_text(settings, SETTING_report_senders);
  return named[0] ? named : settings_text(settings, SETTING_report_contact);
}

unsigned settings_choice(const struct mts_settings *settings, enum setting which) {
  unsigned index = 0;
  return find_choice(which, settings_text(settings, which), &index) ? index : 0;
}
