/* SPDX-License-Identifier: ISC
 * What systemd is told (sd_notify), and sockets that it hands over (sd_listen_fds): protocols of two variables of the environment each, for
 * which no library is needed. */
#ifndef MTASTS_SERVE_NOTIFY_H
#define MTASTS_SERVE_NOTIFY_H

#include <stddef.h>
#include <stdint.h>

/* A state as sd_notify(3) has it, "READY=1". Nobody listening is no error. */
void notify(const char *state);
/* The same for the begin of a reload, with the time that Type=notify-reload wants. */
void notify_reloading(void);
/* How often WATCHDOG=1 has to come at least, in milliseconds; 0: nobody waits for it. */
int64_t notify_watchdog_ms(void);

#define NOTIFY_FIRST_FD 3
/* How many sockets were handed over to this very process, from NOTIFY_FIRST_FD on; each is closed on exec from now on. */
size_t notify_sockets(void);
/* The name of one of them, at most size - 1 bytes; empty: it has none. */
void notify_socket_name(size_t index, char *name, size_t size);

#endif
