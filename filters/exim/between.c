/* SPDX-License-Identifier: ISC */
#include "between.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OLD_S 3600 /* a number of a process comes again */

struct head {
  char magic[8];
  uint8_t open, told, filtered, judged, listed, offered, failed;
  uint32_t dane_err, chain_count, chain_n[SESSION_CHAIN_MOST];
  char domain[256], host[MTS_NAME_SIZE], address[64], helo[256], reason[SESSION_REASON_SIZE], failed_address[64],
      failed_domain[256];
};
static const char magic[8] = "mtasess2";

static bool path_of(const char *store, pid_t exim, char path[PATH_MAX]) {
  const char *slash = strrchr(store, '/');
  if (!slash) return false;
  int n = snprintf(path, PATH_MAX, "%.*s/exim-%ld.session", (int)(slash - store), store, (long)exim);
  return n > 0 && n < PATH_MAX;
}

/* true: it ends in a NUL. */
static bool take_text(char *to, const char *from, size_t size) {
  memcpy(to, from, size);
  return memchr(from, 0, size) != NULL;
}

static bool take(const struct head *head, struct exim_session *session) {
  if (memcmp(head->magic, magic, sizeof magic) != 0 || head->dane_err >= MTS_ERR_COUNT || head->chain_count > SESSION_CHAIN_MOST)
    return false;
  session->open = head->open != 0;
  session->told = head->told != 0;
  session->filtered = head->filtered != 0;
  session->judged = head->judged != 0;
  session->listed = head->listed != 0;
  session->offered = head->offered != 0;
  session->failed = head->failed != 0;
  session->dane_err = (enum mts_err)head->dane_err;
  bool whole = take_text(session->domain, head->domain, sizeof head->domain);
  whole &= take_text(session->host, head->host, sizeof head->host);
  whole &= take_text(session->address, head->address, sizeof head->address);
  whole &= take_text(session->helo, head->helo, sizeof head->helo);
  whole &= take_text(session->reason, head->reason, sizeof head->reason);
  whole &= take_text(session->failed_address, head->failed_address, sizeof head->failed_address);
  return whole & take_text(session->failed_domain, head->failed_domain, sizeof head->failed_domain);
}

static void put(const struct exim_session *session, struct head *head) {
  memset(head, 0, sizeof *head);
  memcpy(head->magic, magic, sizeof magic);
  head->open = session->open;
  head->told = session->told;
  head->filtered = session->filtered;
  head->judged = session->judged;
  head->listed = session->listed;
  head->offered = session->offered;
  head->failed = session->failed;
  head->dane_err = session->dane_err;
  head->chain_count = (uint32_t)session->chain_count;
  for (size_t i = 0; i < session->chain_count; i++) head->chain_n[i] = (uint32_t)session->chain[i].n;
  memcpy(head->domain, session->domain, sizeof head->domain);
  memcpy(head->host, session->host, sizeof head->host);
  memcpy(head->address, session->address, sizeof head->address);
  memcpy(head->helo, session->helo, sizeof head->helo);
  memcpy(head->reason, session->reason, sizeof head->reason);
  memcpy(head->failed_address, session->failed_address, sizeof head->failed_address);
  memcpy(head->failed_domain, session->failed_domain, sizeof head->failed_domain);
}

static bool read_chain(FILE *file, const struct head *head, struct exim_session *session) {
  char *bytes = malloc(SESSION_CERT_MAX);
  bool good = bytes != NULL;
  for (size_t i = 0; good && i < head->chain_count; i++) {
    size_t n = head->chain_n[i];
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
  bool good = is_ours(file) && fread(&head, sizeof head, 1, file) == 1 && take(&head, session) && read_chain(file, &head, session);
  if (!good) exim_session_clear(session);
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
  put(session, &head);
  bool good = fwrite(&head, sizeof head, 1, file) == 1;
  for (size_t i = 0; good && i < session->chain_count; i++)
    good = !session->chain[i].n || fwrite(session->chain[i].p, 1, session->chain[i].n, file) == session->chain[i].n;
  good = fclose(file) == 0 && good && rename(fresh, path) == 0;
  if (!good) unlink(fresh);
  return good;
}

/* Of sessions that never came to their end: a host that could not be reached, or an Exim that was killed. */
static void sweep(const char *store) {
  char path[PATH_MAX];
  const char *slash = strrchr(store, '/');
  int n = slash ? snprintf(path, sizeof path, "%.*s/", (int)(slash - store), store) : -1;
  DIR *folder = n > 0 && n < PATH_MAX ? opendir(path) : NULL;
  if (!folder) return;
  const struct dirent *entry;
  while ((entry = readdir(folder)) != NULL) {
    struct stat st;
    if (strncmp(entry->d_name, "exim-", 5) != 0 || !strstr(entry->d_name, ".session")) continue;
    bool old = fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && time(NULL) - st.st_mtime >= OLD_S;
    if (old && S_ISREG(st.st_mode)) unlinkat(dirfd(folder), entry->d_name, 0);
  }
  closedir(folder);
}

void between_save(const char *store, pid_t exim, const struct exim_session *session) {
  char path[PATH_MAX];
  if (!path_of(store, exim, path)) return;
  bool over = !session->open && !session->failed_address[0];
  if (over || !write_file(path, session)) unlink(path);
  if (!over) sweep(store);
}
