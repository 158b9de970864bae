/* SPDX-License-Identifier: ISC
 * The one list of errors, and what the loaded library is. */
#include "mtasts.h"

struct row {
  const char *name, *type, *message;
  bool temporary;
};

static const struct row rows[MTS_ERR_COUNT] = {
#define X(code, name, temporary, type, message) {name, type, message, temporary},
    MTS_ERR_LIST(X)
#undef X
};

static const struct row *row_of(enum mts_err err) { return (unsigned)err < MTS_ERR_COUNT ? &rows[err] : &rows[MTS_ERR_INTERNAL]; }

const char *mts_err_name(enum mts_err err) { return row_of(err)->name; }
const char *mts_err_message(enum mts_err err) { return row_of(err)->message; }
bool mts_err_temporary(enum mts_err err) { return row_of(err)->temporary; }
const char *mts_err_result_type(enum mts_err err) { return row_of(err)->type; }

const char *mts_version(void) { return MTS_VERSION; }
int mts_api(void) { return MTS_API; }
