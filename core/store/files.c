/* SPDX-License-Identifier: ISC
 * Where the store's file is, how it is made, and whether it is still the one that was opened.
 *
 * An existing file is never opened here: closing any descriptor of it would drop SQLite's POSIX locks in this process. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "store/internal.h"

#define FILE_MODE 0660
#define FOLDER_MODE 0700

/* ---- the default place ---- */

static bool is_writable_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) == 0;
}

static bool make_folders(char *path) {
  for (char *p = path + 1;; p++) {
    if (*p != '/' && *p != '\0') continue;
    char end = *p;
    *p = '\0';
    bool there = mkdir(path, FOLDER_MODE) == 0 || errno == EEXIST;
    *p = end;
    if (!there) return false;
    if (end == '\0') return true;
  }
}

/* The user's own folder for state. A set-id program believes no environment: secure_getenv. */
static bool state_folder(char *folder, size_t size) {
  int n;
  const char *state = secure_getenv("XDG_STATE_HOME");
  if (state && state[0] == '/') {
    n = snprintf(folder, size, "%s/mtasts", state);
    return n > 0 && (size_t)n < size;
  }
  const char *home = secure_getenv("HOME");
  struct passwd entry, *found = NULL;
  char text[4096];
  if (!home || home[0] != '/') {
    if (getpwuid_r(geteuid(), &entry, text, sizeof text, &found) != 0 || !found || found->pw_dir[0] != '/') return false;
    home = found->pw_dir;
  }
  n = snprintf(folder, size, "%s/.local/state/mtasts", home);
  return n > 0 && (size_t)n < size;
}

enum mts_err store_default_path(const char *system_folder, struct mts_log *log, char **path) {
  char folder[PATH_MAX];
  if (is_writable_folder(system_folder)) {
    if (asprintf(path, "%s/mtasts.db", system_folder) < 0) return MTS_ERR_NO_MEMORY;
    return MTS_OK;
  }
  if (!state_folder(folder, sizeof folder)) {
    mts_log_seldom(log, MTS_LOG_ERROR, "store-folder", NULL,
                   "no place for the store: user %u cannot write %s and has no home folder, so policies are forgotten when the "
                   "program ends; give it that folder, or set \"store\" to a file",
                   (unsigned)geteuid(), system_folder);
    return MTS_ERR_STORE_OPEN;
  }
  if (!make_folders(folder)) {
    mts_log_seldom(log, MTS_LOG_ERROR, "store-folder", NULL,
                   "no place for the store: user %u can neither write %s nor create %s (%s), so policies are forgotten when the "
                   "program ends; give it the first, or set \"store\" to a file",
                   (unsigned)geteuid(), system_folder, folder, strerror(errno));
    return MTS_ERR_STORE_OPEN;
  }
  if (access(system_folder, F_OK) == 0) {
    mts_log_seldom(log, MTS_LOG_WARNING, "store-own", NULL,
                   "the store of the mail server, in %s, is not for user %u; this is another one, in %s", system_folder,
                   (unsigned)geteuid(), folder);
  }
  char *made;
  if (asprintf(&made, "%s/mtasts.db", folder) < 0) return MTS_ERR_NO_MEMORY;
  *path = made;
  return MTS_OK;
}

/* ---- the file ---- */

static enum mts_err refuse(struct mts_store *store, enum mts_err err, const char *why) {
  mts_log_seldom(store->log, MTS_LOG_ERROR, mts_err_name(err), NULL, "store %s: %s", store->path, why);
  return err;
}

static enum mts_err refuse_errno(struct mts_store *store, int number, const char *why) {
  enum mts_err err = number == ENOSPC || number == EDQUOT ? MTS_ERR_STORE_FULL : MTS_ERR_STORE_OPEN;
  mts_log_seldom(store->log, MTS_LOG_ERROR, mts_err_name(err), NULL, "store %s: %s: %s", store->path, why, strerror(number));
  return err;
}

/* real_folder receives the folder without symbolic links (SQLite refuses them anywhere in the path), name points into path. */
static enum mts_err split_path(struct mts_store *store, char real_folder[PATH_MAX], const char **name) {
  char folder[PATH_MAX];
  const char *slash = strrchr(store->path, '/');
  size_t n = slash ? (size_t)(slash - store->path) : 0;
  if (n >= sizeof folder) return refuse(store, MTS_ERR_STORE_OPEN, "the path is too long");
  memcpy(folder, store->path, n);
  folder[n] = '\0';
  if (!slash) memcpy(folder, ".", 2);
  if (slash && n == 0) memcpy(folder, "/", 2);
  *name = slash ? slash + 1 : store->path;
  if (**name == '\0') return refuse(store, MTS_ERR_STORE_OPEN, "this is a folder; give the path of a file in it");
  if (!realpath(folder, real_folder))
    return refuse_errno(store, errno,
                        errno == ENOENT ? "its folder does not exist, create it or change the setting \"store\""
                                        : "its folder cannot be used, see to its rights or change the setting \"store\"");
  return MTS_OK;
}

static bool lock_folder(int folder) {
  const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
  for (int i = 0; i < STORE_BUSY_MS / 10; i++) {
    if (flock(folder, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK && errno != EINTR) return false;
    nanosleep(&pause, NULL);
  }
  return false;
}

/* A -wal or -shm whose database was taken away would be read as if it belonged to the new one. */
static void remove_stale(int folder, const char *name) {
  char other[NAME_MAX + 8];
  static const char *const ends[] = {"-wal", "-shm", "-journal"};
  for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
    int n = snprintf(other, sizeof other, "%s%s", name, ends[i]);
    if (n > 0 && (size_t)n < sizeof other) unlinkat(folder, other, 0);
  }
}

static enum mts_err make_file(struct mts_store *store, int folder, const char *name) {
  struct stat st;
  if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0) return MTS_OK; /* another process was faster */
  remove_stale(folder, name);
  int fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
  if (fd < 0) {
    if (errno == EEXIST) return MTS_OK;
    return refuse_errno(store, errno, "cannot be created, give this user the right to write in its folder");
  }
  bool fits = fstat(folder, &st) == 0;
  if (fits && geteuid() == 0 && !store->owner.is_other)
    fits = fchown(fd, st.st_uid, st.st_gid) == 0; /* for the mail server's own user */
  if (fits) fits = fchmod(fd, FILE_MODE) == 0;    /* whatever the umask */
  int number = errno;
  if (!fits) unlinkat(folder, name, 0);
  close(fd);
  return fits ? MTS_OK : refuse_errno(store, number, "owner and mode cannot be set");
}

static enum mts_err create(struct mts_store *store, const char *real_folder, const char *name) {
  int folder = open(real_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return refuse_errno(store, errno, "cannot be created, this user cannot read its folder");
  enum mts_err err = lock_folder(folder) ? make_file(store, folder, name)
                                         : refuse(store, MTS_ERR_STORE_BUSY, "another process holds the lock of its folder");
  close(folder); /* and with it the lock */
  return err;
}

enum mts_err store_file_find(struct mts_store *store, struct store_place *place) {
  enum mts_err err = split_path(store, place->folder, &place->name);
  if (err) return err;
  int n = snprintf(place->file, PATH_MAX, "%s/%s", strcmp(place->folder, "/") == 0 ? "" : place->folder, place->name);
  if (n < 0 || n >= PATH_MAX || strlen(place->name) > NAME_MAX) return refuse(store, MTS_ERR_STORE_OPEN, "the path is too long");
  return MTS_OK;
}

enum mts_err store_file_ensure(struct mts_store *store, const struct store_place *place) {
  struct stat st;
  if (lstat(place->file, &st) != 0) {
    if (errno != ENOENT) return refuse_errno(store, errno, "cannot be looked at");
    enum mts_err err = create(store, place->folder, place->name);
    if (err) return err;
    if (lstat(place->file, &st) != 0) return refuse_errno(store, errno, "cannot be looked at");
  }
  if (S_ISLNK(st.st_mode)) return refuse(store, MTS_ERR_STORE_OPEN, "is a symbolic link, which is refused; give the file itself");
  if (!S_ISREG(st.st_mode)) return refuse(store, MTS_ERR_STORE_OPEN, "is not a regular file");
  if (st.st_mode & S_IWOTH)
    mts_log_seldom(store->log, MTS_LOG_WARNING, "store-mode", NULL,
                   "store %s: every user of this machine can change it and so weaken the protection of mail; run chmod o-rwx on it",
                   store->path);
  return MTS_OK;
}

bool store_file_is_same(const struct mts_store *store) {
  struct stat st;
  return lstat(store->path, &st) == 0 && st.st_dev == store->device && st.st_ino == store->inode;
}

void store_file_remember(struct mts_store *store) {
  struct stat st;
  if (lstat(store->path, &st) != 0) memset(&st, 0, sizeof st);
  store->device = st.st_dev;
  store->inode = st.st_ino;
  store->looked_ms = mts_clock_mono_ms(store->clock);
}
