/* SPDX-License-Identifier: ISC */
#include "setup.h"

#include <fcntl.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "program.h"

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

static int refuse(const struct setup_words *words) {
  fprintf(stderr, "usage: %s\n", words->usage);
  return EXIT_USAGE;
}

int setup_read(const struct setup_words *words, int argc, char **argv, struct mts_settings **settings) {
  struct mts_settings *made = NULL;
  char why[CONF_WHY_SIZE] = "out of memory";
  enum mts_err err = mts_settings_new(&made);
  if (!err) err = program_set_defaults(words->defaults, made);
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
    if (option == 's') err = program_set_pair(optarg, made, why);
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
