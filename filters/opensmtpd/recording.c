/* SPDX-License-Identifier: ISC */
#include "recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "filter_line.h"

struct recording {
  int fd;
  off_t size;
  struct mts_log *log;
};

/* It will hold who writes to whom. */
static const char *unfit(const struct stat *stat) {
  if (!S_ISREG(stat->st_mode)) return "not a regular file";
  if (stat->st_uid != geteuid()) return "the file is another user's";
  return stat->st_mode & 077 ? "others can read the file" : NULL;
}

void recording_new(const char *path, struct mts_log *log, struct recording **recording) {
  *recording = NULL;
  if (!path[0]) return;
  struct recording *made = calloc(1, sizeof *made);
  struct stat stat = {0};
  if (!made) return;
  made->log = log;
  made->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  const char *wrong = made->fd < 0 || fstat(made->fd, &stat) != 0 ? strerror(errno) : unfit(&stat);
  if (wrong) {
    mts_log_write(log, MTS_LOG_ERROR, NULL, "nothing is recorded: %s: %s (user %u)", path, wrong, (unsigned)geteuid());
    recording_free(&made);
    return;
  }
  made->size = stat.st_size;
  mts_log_write(log, MTS_LOG_WARNING, NULL, "what smtpd says is recorded in %s, addresses included", path);
  *recording = made;
}

void recording_free(struct recording **recording) {
  if (!*recording) return;
  if ((*recording)->fd >= 0) close((*recording)->fd);
  free(*recording);
  *recording = NULL;
}

/* Neither is ever asked for, but whatever smtpd says: a password has no place in a file. */
static bool is_secret(struct mts_span line) {
  struct filter_line parsed;
  if (!filter_line_parse(line, &parsed)) return !mts_span_begins(line, "filter-result|") && !mts_span_begins(line, "register|");
  return parsed.phase == FILTER_PHASE_AUTH || parsed.event == FILTER_EVENT_PROTOCOL_CLIENT;
}

static void stop(struct recording *recording, const char *why) {
  mts_log_write(recording->log, MTS_LOG_ERROR, NULL, "nothing more is recorded: %s", why);
  close(recording->fd);
  recording->fd = -1;
}

void recording_add(struct recording *recording, struct mts_span lines) {
  if (!recording || recording->fd < 0 || !lines.n || is_secret(lines)) return;
  if (lines.p[lines.n - 1] == '\n') lines.n--;
  static char lf[] = "\n";
  const struct iovec parts[] = {{.iov_base = (void *)(uintptr_t)lines.p, .iov_len = lines.n}, {.iov_base = lf, .iov_len = 1}};
  ssize_t n = writev(recording->fd, parts, 2);
  recording->size += (off_t)lines.n + 1;
  if (n != (ssize_t)lines.n + 1)
    stop(recording, n < 0 ? strerror(errno) : "no space is left");
  else if (recording->size > RECORDING_MOST)
    stop(recording, "the file is large enough");
}
