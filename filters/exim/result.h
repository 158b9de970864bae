/* SPDX-License-Identifier: ISC
 * What the module's functions return to Exim: the only codes that its dlfunc takes without a word to its panic log. */
#ifndef MTASTS_EXIM_RESULT_H
#define MTASTS_EXIM_RESULT_H

enum exim_result {
  EXIM_OK = 0,   /* the text is the expansion */
  EXIM_FAIL = 2, /* the expansion fails, and the text says why: address_data then defers */
};

#endif
