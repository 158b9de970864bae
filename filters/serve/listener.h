/* SPDX-License-Identifier: ISC
 * Sockets on which clients are waited for. */
#ifndef MTASTS_SERVE_LISTENER_H
#define MTASTS_SERVE_LISTENER_H

#include "address.h"
#include "connections.h"

#define LISTENER_WHY_SIZE 300

struct listeners;
/* connections, base and log are lent and outlive the listeners. mode: of the files of Unix sockets. */
enum mts_err listeners_new(struct connections *connections, struct event_base *base, struct mts_log *log, unsigned mode,
                           struct listeners **listeners);
/* Closes all; the files of Unix sockets that it made are removed. */
void listeners_free(struct listeners **listeners);
/* Listens. A file of a socket on which nobody listens any more is replaced; any other is an error. On SETTING why tells. */
enum mts_err listeners_open(struct listeners *listeners, const struct address *address, const struct service *service, void *arg,
                            char why[LISTENER_WHY_SIZE]);
/* The same with a socket that listens already; it becomes the listeners'. */
enum mts_err listeners_adopt(struct listeners *listeners, int fd, const struct service *service, void *arg,
                             char why[LISTENER_WHY_SIZE]);
size_t listeners_count(const struct listeners *listeners);
/* There is room for a connection again. */
void listeners_room(struct listeners *listeners);

#endif
