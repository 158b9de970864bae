/* SPDX-License-Identifier: ISC */
#include "process.h"

#include <errno.h>
#include <paths.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/shared_url.h"

static struct process the;
static char settings_file[PATH_MAX]; /* empty: the one that was built in */

/* Not syslog(3): that waits for a daemon that stands still, and Exim with it; and it would leave a socket to all of Exim's children. */
static void send_line(const char *line, size_t n) {
  static const int kinds[] = {SOCK_DGRAM, SOCK_STREAM};
  const struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = _PATH_LOG};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    int fd = socket(AF_UNIX, kinds[i] | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    bool connected = connect(fd, (const struct sockaddr *)&to, sizeof to) == 0;
    if (connected) send(fd, line, n + (kinds[i] == SOCK_STREAM), MSG_NOSIGNAL); /* records in a stream end in a NUL */
    bool other_kind = !connected && errno == EPROTOTYPE;
    close(fd);
    if (!other_kind) return;
  }
}

static void to_syslog(void *arg, enum mts_log_level level, const char *text) {
  (void)arg;
  bool named = strcmp(program_invocation_short_name, "mtasts") == 0; /* the command line */
  static const int priorities[] = {
      [MTS_LOG_ERROR] = LOG_ERR, [MTS_LOG_WARNING] = LOG_WARNING, [MTS_LOG_INFO] = LOG_INFO, [MTS_LOG_DEBUG] = LOG_DEBUG};
  char line[4096], when[32] = "";
  time_t now = time(NULL);
  struct tm tm;
  if (localtime_r(&now, &tm)) strftime(when, sizeof when, "%h %e %T ", &tm);
  int n = snprintf(line, sizeof line, "<%d>%s%s[%ld]: %s%s", LOG_MAIL | priorities[level], when, program_invocation_short_name,
                   (long)getpid(), named ? "" : "mtasts: ", text);
  if (n > 0) send_line(line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

void process_take_log(const struct process *process, struct mts *m) {
  if (settings_choice(process->settings, SETTING_log) == MTS_LOG_TO_SYSLOG) mts_log_redirect(m->log, to_syslog, NULL);
}

/* What the file does not say: nobody looks at Exim's stderr, a policy is checked again after mail has its answer, and all of Exim's processes
 * share one store: without its folder none of them looks for another one at home. */
static enum mts_err set_defaults(struct mts_settings *settings) {
  enum mts_err err = mts_settings_set(settings, "log", "syslog");
  if (!err) err = mts_settings_set(settings, "store", MTS_STORE_SYSTEM_FOLDER "/mtasts.db");
  return err ? err : mts_settings_set(settings, "background", "yes");
}

void process_use_file(const char *path) { mts_text_format(settings_file, sizeof settings_file, "%s", path); }

/* A URL in store means the default place, too. */
static enum mts_err settle_store(struct mts_settings *settings) {
  if (!mts_shared_url_is(settings_text(settings, SETTING_store))) return MTS_OK;
  enum mts_err err = mts_settings_set(settings, "shared_store", settings_shared_store(settings));
  return err ? err : mts_settings_set(settings, "store", MTS_STORE_SYSTEM_FOLDER "/mtasts.db");
}

static void note_store(struct process *process) {
  const char *store = settings_text(process->settings, SETTING_store);
  if (strcmp(store, "none") == 0) return;
  mts_text_format(process->store, sizeof process->store, "%s", store[0] ? store : MTS_STORE_SYSTEM_FOLDER "/mtasts.db");
}

const struct process *process_get(const char **why) {
  static char text[CONF_WHY_SIZE];
  if (the.m) return &the;
  memccpy(text, "out of memory", 0, sizeof text);
  *why = text;
  enum mts_err err = mts_settings_new(&the.settings);
  if (!err) err = set_defaults(the.settings);
  bool named = settings_file[0] != 0;
  if (!err) err = conf_read_path(named ? settings_file : MTASTS_CONF_FILE, !named, the.settings, text);
  if (!err) err = settle_store(the.settings);
  if (!err) err = mts_new(the.settings, &the.m);
  if (err) {
    static bool said; /* not once for each recipient, and not by each event */
    if (!said) to_syslog(NULL, MTS_LOG_ERROR, text);
    said = true;
    mts_settings_free(&the.settings);
    return NULL;
  }
  note_store(&the);
  process_take_log(&the, the.m);
  return &the;
}

void process_end(void) {
  mts_free(&the.m);
  mts_settings_free(&the.settings);
}
