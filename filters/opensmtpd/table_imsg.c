/* SPDX-License-Identifier: ISC
 * The binary protocol of tables: imsg frames in the byte order of the host. smtpd reads an answer's type as 0, whatever it says. */
#include <stdint.h>
#include <string.h>

#include "request.h"

#define TABLE_VERSION 2

enum imsg_type { IMSG_OK, IMSG_FAIL, IMSG_OPEN, IMSG_CLOSE, IMSG_UPDATE, IMSG_CHECK, IMSG_LOOKUP, IMSG_FETCH };
enum { SERVICE_DOMAIN = 0x2, SERVICE_RELAYHOST = 0x200 };

struct head {
  uint32_t type;
  uint16_t length; /* with this head */
  uint16_t flags;
  uint32_t peer, pid;
};
_Static_assert(sizeof(struct head) == 16, "an imsg head has 16 bytes");

static enum table_service service_of(uint32_t service) {
  if (service == SERVICE_DOMAIN) return TABLE_SERVICE_DOMAIN;
  if (service == SERVICE_RELAYHOST) return TABLE_SERVICE_RELAYHOST;
  return TABLE_SERVICE_OTHER;
}

/* body: uint32_t service, size_t count of parameters (always 0), NUL-terminated key */
static bool take_question(struct mts_span body, struct table_request *request) {
  uint32_t service;
  size_t parameters;
  if (body.n < sizeof service + sizeof parameters) return false;
  memcpy(&service, body.p, sizeof service);
  memcpy(&parameters, body.p + sizeof service, sizeof parameters);
  request->service = service_of(service);
  struct mts_span key = mts_span(body.p + sizeof service + sizeof parameters, body.n - sizeof service - sizeof parameters);
  const char *nul = key.n ? memchr(key.p, 0, key.n) : NULL;
  request->key = mts_span(key.p, nul ? (size_t)(nul - key.p) : 0);
  return nul && parameters == 0;
}

static bool take_fetch(struct mts_span body, struct table_request *request) {
  uint32_t service;
  if (body.n < sizeof service) return false;
  memcpy(&service, body.p, sizeof service);
  request->service = service_of(service);
  return true;
}

static bool take_version(struct mts_span body) {
  uint32_t version;
  if (body.n < sizeof version) return false;
  memcpy(&version, body.p, sizeof version);
  return version == TABLE_VERSION;
}

enum mts_err table_imsg_parse(struct mts_span bytes, struct table_request *request, size_t *used) {
  struct head head;
  struct table_request found = {.op = TABLE_NOTHING};
  *used = 0;
  *request = found;
  if (bytes.n < sizeof head) return MTS_OK;
  memcpy(&head, bytes.p, sizeof head);
  if (head.length < sizeof head || head.length > TABLE_IMSG_MAX) return MTS_ERR_ARGUMENT;
  if (bytes.n < head.length) return MTS_OK;
  *used = head.length;
  struct mts_span body = mts_span(bytes.p + sizeof head, head.length - sizeof head);
  bool good = true;
  switch (head.type) {
    case IMSG_OPEN:
      found.op = TABLE_OPEN;
      good = take_version(body);
      break;
    case IMSG_CLOSE:
      found.op = TABLE_CLOSE;
      break;
    case IMSG_UPDATE:
      found.op = TABLE_UPDATE;
      break;
    case IMSG_CHECK:
    case IMSG_LOOKUP:
      found.op = head.type == IMSG_CHECK ? TABLE_CHECK : TABLE_LOOKUP;
      good = take_question(body, &found);
      break;
    case IMSG_FETCH:
      found.op = TABLE_FETCH;
      good = take_fetch(body, &found);
      break;
    default:
      good = false;
  }
  *request = found; /* a question that is not understood still waits for its answer */
  return good ? MTS_OK : MTS_ERR_ARGUMENT;
}

enum mts_err table_imsg_answer(const struct table_request *request, enum table_result result, const char *value,
                               struct mts_buf *out) {
  if (request->op == TABLE_NOTHING || request->op == TABLE_READY || request->op == TABLE_CLOSE) return MTS_ERR_ARGUMENT;
  char clean[TABLE_VALUE_MAX], frame[sizeof(struct head) + sizeof(int32_t) + sizeof clean];
  struct head head = {.type = IMSG_OK};
  size_t n = sizeof head;
  int32_t status = result == TABLE_FOUND ? 1 : result == TABLE_NOT_FOUND ? 0 : -1;
  if (request->op != TABLE_OPEN) {
    memcpy(frame + n, &status, sizeof status);
    n += sizeof status;
  }
  if (status == 1 && (request->op == TABLE_LOOKUP || request->op == TABLE_FETCH)) {
    mts_text_clean(clean, sizeof clean, mts_span_of(value));
    memcpy(frame + n, clean, strlen(clean) + 1);
    n += strlen(clean) + 1;
  }
  head.length = (uint16_t)n;
  memcpy(frame, &head, sizeof head);
  return mts_buf_add(out, frame, n);
}
