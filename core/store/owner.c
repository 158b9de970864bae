/* SPDX-License-Identifier: ISC
 * Root at work in a folder where others write. They choose which files SQLite finds, a journal that names files to be deleted among them: so the
 * files are used with the rights of the folder's owner, or of its group, not with root's. */
#include <sys/fsuid.h>
#include <unistd.h>

#include "store/internal.h"

#define NOBODY 65534 /* what the kernel calls who has no number */

enum mts_err store_owner_find(struct mts_store *store, const char *real_folder) {
  struct stat st;
  store->owner = (struct store_owner){0};
  if (geteuid() != 0 || stat(real_folder, &st) != 0) return MTS_OK; /* without a folder, opening says what is wrong */
  if (st.st_uid == 0 && (st.st_mode & S_IWOTH)) {
    mts_log_seldom(store->log, MTS_LOG_ERROR, "store-shared", NULL,
                   "store %s: every user can write in its folder, and could have root change other files; use a folder of its own",
                   store->path);
    return MTS_ERR_STORE_OPEN;
  }
  bool for_group = st.st_uid == 0 && st.st_gid != 0 && (st.st_mode & S_IWGRP);
  if (st.st_uid != 0 || for_group)
    store->owner = (struct store_owner){.is_other = true, .user = for_group ? NOBODY : st.st_uid, .group = st.st_gid};
  return MTS_OK;
}

/* The calls return what was before, also when they fail; a number that is none changes nothing. */
static bool is_acting_as(uid_t user, gid_t group) {
  return (uid_t)setfsuid((uid_t)-1) == user && (gid_t)setfsgid((gid_t)-1) == group;
}

void store_owner_leave(const struct mts_store *store) {
  if (!store->owner.is_other) return;
  setfsuid(geteuid());
  setfsgid(getegid());
}

enum mts_err store_owner_enter(struct mts_store *store) {
  if (!store->owner.is_other) return MTS_OK;
  setfsgid(store->owner.group);
  setfsuid(store->owner.user); /* and with it the kernel takes root's rights over files away */
  if (is_acting_as(store->owner.user, store->owner.group)) return MTS_OK;
  store_owner_leave(store);
  mts_log_seldom(store->log, MTS_LOG_ERROR, "store-owner", NULL,
                 "store %s: its folder belongs to user %u, whose rights this process cannot take; start it as that user",
                 store->path, (unsigned)store->owner.user);
  return MTS_ERR_STORE_OPEN;
}
