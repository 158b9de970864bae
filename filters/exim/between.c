/* SPDX-License-Identifier: ISC */
#include "between.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OLD_S 3600 /* a number of a process comes again */

struct head {
  char magic[8];
  struct exim_session session; /* pointers do not count */
};
static const char magic[8] = "mtasess1";

static bool path_of(const char *store, pid_t exim, char path[PATH_MAX]) {
  const char *slash = strrchr(store, '/');
  if (!slash) return false;
  int n = snprintf(path, PATH_MAX, "%.*s/exim-%ld.session", (int)(slash - store), store, (long)exim);
  return n > 0 && n < PATH_MAX;
}

static bool terminated(const char *text, size_t size) { return memchr(text, 0, size) != NULL; }

static bool sound(const struct exim_session *session) {
  return terminated(session->domain, sizeof session->domain) && terminated(session->host, sizeof session->host) &&
         terminated(session->address, sizeof session->address) && terminated(session->helo, sizeof session->helo) &&
         terminated(session->reason, sizeof session->reason) &&
         terminated(session->failed_address, sizeof session->failed_address) &&
         terminated(session->failed_domain, sizeof session->failed_domain) && session->chain_count <= SESSION_CHAIN_MOST &&
         (unsigned)session->dane_err < MTS_ERR_COUNT;
}

static bool read_chain(FILE *file, const struct exim_session *from, struct exim_session *session) {
  session->chain_count = 0;
  memset(session->chain, 0, sizeof session->chain);
  char *bytes = malloc(SESSION_CERT_MAX);
  bool good = bytes != NULL;
  for (size_t i = 0; good && i < from->chain_count; i++) {
    size_t n = from->chain[i].n;
    good = n <= SESSION_CERT_MAX && fread(bytes, 1, n, file) == n;
    if (good && n) exim_session_keep(session, i, (struct mts_span){bytes, n});
  }
  free(bytes);
  return good;
}

static bool is_ours(FILE *file) {
  struct stat st;
  return fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && time(NULL) - st.st_mtime < OLD_S;
}

void between_load(const char *store, pid_t exim, struct exim_session *session) {
  char path[PATH_MAX];
  exim_session_clear(session);
  int fd = path_of(store, exim, path) ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
  FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
  if (!file) {
    if (fd >= 0) close(fd);
    return;
  }
  struct head head;
  bool good = is_ours(file) && fread(&head, sizeof head, 1, file) == 1 && memcmp(head.magic, magic, sizeof magic) == 0;
  if (good && sound(&head.session)) {
    *session = head.session;
    if (!read_chain(file, &head.session, session)) exim_session_clear(session);
  }
  fclose(file);
}

/* A file of its own that takes the name when it is whole. */
static bool write_file(const char *path, const struct exim_session *session) {
  char fresh[PATH_MAX];
  int n = snprintf(fresh, sizeof fresh, "%s.%ld", path, (long)getpid());
  if (n < 0 || n >= PATH_MAX) return false;
  int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
  if (!file) {
    if (fd >= 0) close(fd);
    return false;
  }
  struct head head;
  memset(&head, 0, sizeof head);
  memcpy(head.magic, magic, sizeof magic);
  head.session = *session;
  for (size_t i = 0; i < SESSION_CHAIN_MOST; i++) head.session.chain[i].p = NULL;
  bool good = fwrite(&head, sizeof head, 1, file) == 1;
  for (size_t i = 0; good && i < session->chain_count; i++)
    good = !session->chain[i].n || fwrite(session->chain[i].p, 1, session->chain[i].n, file) == session->chain[i].n;
  good = fclose(file) == 0 && good && rename(fresh, path) == 0;
  if (!good) unlink(fresh);
  return good;
}

void between_save(const char *store, pid_t exim, const struct exim_session *session) {
  char path[PATH_MAX];
  if (!path_of(store, exim, path)) return;
  bool over = !session->open && !session->failed_address[0];
  if (over || !write_file(path, session)) unlink(path);
}
