/* SPDX-License-Identifier: ISC
 * What the protocols of the server have in common: requests are taken off a stream one by one. */
#ifndef MTASTS_SERVE_PROTOCOL_H
#define MTASTS_SERVE_PROTOCOL_H

#include "mtasts.h"

enum take {
  TAKE_MORE,    /* no whole request yet */
  TAKE_REQUEST, /* one; *used bytes of the input are done with */
  TAKE_BROKEN,  /* the stream cannot be read any further */
};
/* in: what came so far, never empty; eof: no more will come. request: lent, points into it. */
typedef enum take (*take_fn)(struct mts_span in, bool eof, size_t *used, struct mts_span *request);

/* Why a request gets no answer of its own. */
enum refusal {
  REFUSAL_BROKEN,  /* it is none */
  REFUSAL_BUSY,    /* too many are under way */
  REFUSAL_OVERDUE, /* the deadline passed */
  REFUSAL_MEMORY,  /* out of memory */
  REFUSAL_COUNT,
};
const char *refusal_text(enum refusal refusal);

/* How a request ended, for the metrics. */
enum served {
  SERVED_FOUND,     /* with a policy that binds */
  SERVED_NOT_FOUND, /* no such policy */
  SERVED_TEMPORARY, /* mail has to wait */
  SERVED_ERROR,     /* the request is wrong */
  SERVED_COUNT,
};

#endif
