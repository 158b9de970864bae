/* SPDX-License-Identifier: ISC */
#include "setup.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/buf.h"
#include "conf.h"
#include "resolve/settings.h"

#define EXIT_SETTINGS 1
#define EXIT_USAGE 64
#define OPTIONS "nr:s:"

void setup_fail(const char *program, const char *why) {
  char line[800];
  size_t n = 0;
  fprintf(stderr, "%s: cannot start: %s\n", program, why);
  for (; n < sizeof line - 1 && why[n]; n++) line[n] = (char)(why[n] == '\n' || why[n] == '\t' ? ' ' : why[n]);
  line[n] = 0;
  syslog(LOG_MAIL | LOG_ERR, "cannot start, and smtpd ends with it: %s", line);
}

/* NAME=VALUE of -s */
static enum mts_err set_pair(const char *pair, struct mts_settings *settings, char why[CONF_WHY_SIZE]) {
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

static int refuse(const struct setup_words *words) {
  fprintf(stderr, "usage: %s\n", words->usage);
  return EXIT_USAGE;
}

int setup_read(const struct setup_words *words, int argc, char **argv, struct mts_settings **settings) {
  struct mts_settings *made = NULL;
  char why[CONF_WHY_SIZE] = "out of memory";
  enum mts_err err = mts_settings_new(&made);
  for (size_t i = 0; !err && words->defaults[i][0]; i++) err = mts_settings_set(made, words->defaults[i][0], words->defaults[i][1]);
  /* The file first, whatever the order: what is said with -s counts more. */
  int option, code = 0;
  opterr = 0;
  openlog(words->program, LOG_PID, LOG_MAIL);
  while (!err && (option = getopt(argc, argv, OPTIONS)) != -1) {
    if (option == 'r' && words->replay)
      *words->replay = optarg;
    else if (option == 'n')
      *words->only_check = true;
    else if (option != 's')
      code = EXIT_USAGE;
  }
  if (!err && (code || argc - optind > 1)) {
    mts_settings_free(&made);
    return refuse(words);
  }
  if (!err && optind < argc) err = conf_read_path(argv[optind], false, made, why);
  optind = 1;
  while (!err && (option = getopt(argc, argv, OPTIONS)) != -1) {
    if (option == 's') err = set_pair(optarg, made, why);
  }
  if (!err) {
    *settings = made;
    return 0;
  }
  if (*words->only_check)
    fprintf(stderr, "%s: %s\n", words->program, why);
  else
    setup_fail(words->program, why);
  mts_settings_free(&made);
  return EXIT_SETTINGS;
}

enum mts_err setup_log(const struct mts_settings *settings, struct mts_log **log) {
  return mts_log_new((enum mts_log_to)settings_choice(settings, SETTING_log),
                     (enum mts_log_level)settings_choice(settings, SETTING_log_level), NULL, log);
}

bool setup_channels(int *in, int *out) {
  int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  *in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  *out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  bool well = nothing >= 0 && *in >= 0 && *out >= 0 && dup2(nothing, STDIN_FILENO) >= 0;
  if (nothing > STDERR_FILENO) close(nothing);
  /* Without a stderr what is printed is lost, which is better than where it must not go. */
  if (well && dup2(STDERR_FILENO, STDOUT_FILENO) < 0) well = dup2(STDIN_FILENO, STDOUT_FILENO) >= 0;
  setvbuf(stdout, NULL, _IOLBF, 0); /* what a rule prints stands in the log where it belongs */
  return well;
}

volatile sig_atomic_t setup_hung_up;
static void (*tell_loop)(int); /* libevent's */

static void note_hangup(int number) {
  setup_hung_up = 1;
  tell_loop(number);
}

struct event *setup_hangup(struct event_base *base, event_callback_fn called, void *arg) {
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
