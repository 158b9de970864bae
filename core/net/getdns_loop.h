/* SPDX-License-Identifier: ISC
 * getdns on our libevent base. Debian's own adapters export no symbols. */
#ifndef MTASTS_NET_GETDNS_LOOP_H
#define MTASTS_NET_GETDNS_LOOP_H

#include <event2/event.h>
#include <getdns/getdns_extra.h>
#include <stdbool.h>

struct loop_event;
struct getdns_loop;
/* What a context is given. */
struct getdns_door {
  getdns_eventloop ext; /* first: getdns hands it back */
  struct getdns_loop *loop;
  bool may_send; /* each socket is a new one for one datagram, so that nothing has to be asked before it sends */
};
struct getdns_loop {
  struct getdns_door udp, tcp;
  struct event_base *base;
  struct loop_event *events;
  bool forgotten; /* after fork, on a lent base: the sockets are the parent's to read */
};
void getdns_loop_init(struct getdns_loop *loop, struct event_base *base);
void getdns_loop_end(struct getdns_loop *loop); /* after the last context is gone */

#endif
