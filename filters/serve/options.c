/* SPDX-License-Identifier: ISC */
#include "options.h"

#include <stdio.h>
#include <unistd.h>

#include "program.h"

#define EXIT_SETTINGS 1
#define EXIT_USAGE 64
#define OPTIONS "ns:"

/* Its stderr is a journal or a terminal; it lives long. */
static const char *const defaults[][2] = {{"background", "yes"}, {"log", "stderr"}, {NULL, NULL}};

static int usage(void) {
  fputs("usage: mtasts-serve [-n] [-s NAME=VALUE] [settings]\nstarted by mtasts serve, or by systemd\n", stderr);
  return EXIT_USAGE;
}

int options_read(int argc, char **argv, bool *only_check, struct mts_settings **settings) {
  struct mts_settings *made = NULL;
  char why[CONF_WHY_SIZE] = "out of memory";
  int option, wrong = 0;
  opterr = 0;
  while ((option = getopt(argc, argv, OPTIONS)) != -1) {
    if (option == 'n') *only_check = true;
    if (option == '?') wrong = 1;
  }
  if (wrong || argc - optind > 1) return usage();
  enum mts_err err = mts_settings_new(&made);
  if (!err) err = program_set_defaults(defaults, made);
  const char *file = optind < argc ? argv[optind] : NULL;
  if (!err) err = conf_read_path(file ? file : MTASTS_CONF_FILE, !file, made, why);
  /* The file first, whatever the order: what is said with -s counts more. */
  optind = 1;
  while (!err && (option = getopt(argc, argv, OPTIONS)) != -1) {
    if (option == 's') err = program_set_pair(optarg, made, why);
  }
  if (!err) {
    *settings = made;
    return 0;
  }
  fprintf(stderr, "mtasts-serve: %s\n", why);
  if (made) mts_settings_free(&made);
  return EXIT_SETTINGS;
}
