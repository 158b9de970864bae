/* SPDX-License-Identifier: ISC */
#include "program.h"

#include <string.h>

#include "base/buf.h"
#include "resolve/settings.h"

enum mts_err program_set_defaults(const char *const (*defaults)[2], struct mts_settings *settings) {
  enum mts_err err = MTS_OK;
  for (size_t i = 0; !err && defaults[i][0]; i++) err = mts_settings_set(settings, defaults[i][0], defaults[i][1]);
  return err;
}

enum mts_err program_set_pair(const char *pair, struct mts_settings *settings, char why[CONF_WHY_SIZE]) {
  char name[64];
  const char *equals = strchr(pair, '=');
  if (!equals || (size_t)(equals - pair) >= sizeof name) {
    mts_text_format(why, CONF_WHY_SIZE, "-s %s: wants NAME=VALUE", pair);
    return MTS_ERR_SETTING;
  }
  memcpy(name, pair, (size_t)(equals - pair));
  name[equals - pair] = 0;
  enum mts_err err = mts_settings_set(settings, name, equals + 1);
  if (err) mts_text_format(why, CONF_WHY_SIZE, "%s", err == MTS_ERR_SETTING ? mts_settings_why(settings) : mts_err_message(err));
  return err;
}

enum mts_err program_log(const struct mts_settings *settings, struct mts_log **log) {
  return mts_log_new((enum mts_log_to)settings_choice(settings, SETTING_log),
                     (enum mts_log_level)settings_choice(settings, SETTING_log_level), NULL, log);
}

volatile sig_atomic_t program_hung_up;
static void (*tell_loop)(int); /* libevent's */

static void note_hangup(int number) {
  program_hung_up = 1;
  tell_loop(number);
}

struct event *program_hangup(struct event_base *base, event_callback_fn called, void *arg) {
  struct event *made = evsignal_new(base, SIGHUP, called, arg);
  struct sigaction action;
  if (made && event_add(made, NULL) == 0 && sigaction(SIGHUP, NULL, &action) == 0) {
    tell_loop = action.sa_handler;
    action.sa_handler = note_hangup;
    action.sa_flags &= ~SA_RESTART;
    if (sigaction(SIGHUP, &action, NULL) == 0) return made;
  }
  if (made) event_free(made);
  return NULL;
}
