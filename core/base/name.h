/* SPDX-License-Identifier: ISC
 * Domain names, normalised once. */
#ifndef MTASTS_BASE_NAME_H
#define MTASTS_BASE_NAME_H

#include "mtasts.h"

/* A host or domain name as people or DNS write it -> A-labels, lower case, no trailing dot. LDH labels (RFC 5321 4.1.2), A-labels among
 * them as they stand; U-labels by IDNA 2008 with the mappings of UTS 46 (non-transitional). An all-numeric last label is refused (an
 * address). Errors: NAME_*, NO_MEMORY. */
enum mts_err mts_name_normalise(struct mts_span text, char name[MTS_NAME_SIZE]);
/* As above for names out of MX records, where labels may also have '_': what DNS says is compared, not judged. */
enum mts_err mts_name_normalise_host(struct mts_span text, char name[MTS_NAME_SIZE]);
/* Is name (ASCII) already what mts_name_normalise gives? Cheap. */
bool mts_name_is_normal(struct mts_span text);

/* Addresses. */
struct mts_address {
  int family; /* AF_INET or AF_INET6 */
  unsigned char bytes[16];
};
#define MTS_ADDRESS_SIZE 46                                                /* INET6_ADDRSTRLEN */
bool mts_address_parse(struct mts_span text, struct mts_address *address); /* no brackets, no zone */
void mts_address_format(const struct mts_address *address, char text[MTS_ADDRESS_SIZE]);
/* "192.0.2.1", "192.0.2.1:53", "2001:db8::1", "[2001:db8::1]:53". *port stays as it is where none is named. */
bool mts_endpoint_parse(struct mts_span text, struct mts_address *address, uint16_t *port);
/* Reachable on the public internet: neither loopback, private, link-local, shared (100.64/10), unique local, multicast, unspecified,
 * nor one of these mapped or translated into IPv6 (RFC 6890 and the address registries). */
bool mts_address_is_public(const struct mts_address *address);

#endif
