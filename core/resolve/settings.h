/* SPDX-License-Identifier: ISC
 * Settings as text, and as the typed values that a context works with. */
#ifndef MTASTS_RESOLVE_SETTINGS_H
#define MTASTS_RESOLVE_SETTINGS_H

#include "mtasts.h"

enum setting {
#define X(name, type, fallback, meaning) SETTING_##name,
  MTS_SETTING_LIST(X)
#undef X
      SETTING_COUNT
};

enum mts_err settings_copy(const struct mts_settings *from, struct mts_settings **to); /* from NULL: all fallbacks */
const char *settings_text(const struct mts_settings *settings, enum setting which);
uint32_t settings_number(const struct mts_settings *settings, enum setting which);
bool settings_bool(const struct mts_settings *settings, enum setting which);
/* The store's own file, "" for the default place, or "none"; and the URL of the shared one, "" for none. */
const char *settings_store(const struct mts_settings *settings);
const char *settings_shared_store(const struct mts_settings *settings);
/* The file of rules that counts: the one that is named, else the system's if it is there; NULL: none. */
const char *settings_rules_file(const struct mts_settings *settings);
/* The same, whether the system's file is there or not; NULL: the settings want none. */
const char *settings_rules_place(const struct mts_settings *settings);
/* Envelope senders of reports, separated by commas or blanks. */
const char *settings_reporters(const struct mts_settings *settings);
unsigned settings_choice(const struct mts_settings *settings, enum setting which); /* index into the words of its table */

enum { DNSSEC_CHOICE_AUTO, DNSSEC_CHOICE_AD, DNSSEC_CHOICE_VALIDATE, DNSSEC_CHOICE_OFF };
enum { DNS_FAILURE_CHOICE_DELIVER, DNS_FAILURE_CHOICE_DEFER };

#endif
