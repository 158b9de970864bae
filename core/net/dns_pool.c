/* SPDX-License-Identifier: ISC */
#include "net/dns_pool.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"

#define FAILED_FOR_MS 60000 /* a silent server goes to the end for so long */
#define RESOLV_CONF "/etc/resolv.conf"
#define DNS_PORT 53
#define UDP_PAYLOAD 1232         /* not fragmented anywhere */
#define CLOCK_SKEW_S 300         /* a signature made a moment ago is not bogus because our clock is slow */
#define CONTEXT_TIMEOUT_MS 60000 /* never reached: our own timers are shorter */

static bool server_parse(struct mts_span text, struct dns_server *server) {
  char shown[MTS_ADDRESS_SIZE];
  server->port = DNS_PORT;
  if (!mts_endpoint_parse(text, &server->address, &server->port)) return false;
  mts_address_format(&server->address, shown);
  mts_text_format(server->text, sizeof server->text, server->address.family == AF_INET6 ? "[%s]:%u" : "%s:%u", shown,
                  (unsigned)server->port);
  return true;
}

static enum mts_err servers_from_setting(struct world *world, struct dns_pool *pool) {
  const char *p = world->config.nameservers;
  for (;;) {
    p += strspn(p, " \t,");
    size_t n = strcspn(p, " \t,");
    if (n == 0) return MTS_OK;
    if (pool->count == DNS_MAX_SERVERS) {
      mts_log_write(world->config.log, MTS_LOG_WARNING, NULL, "nameservers: only the first %d are used", DNS_MAX_SERVERS);
      return MTS_OK;
    }
    if (!server_parse((struct mts_span){p, n}, &pool->servers[pool->count])) {
      mts_log_write(world->config.log, MTS_LOG_ERROR, NULL,
                    "nameservers: \"%.*s\" is not an address; write 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53", (int)n, p);
      return MTS_ERR_SETTING;
    }
    pool->count++;
    p += n;
  }
}

/* resolv.conf(5): "nameserver ADDRESS"; with none, the local machine. Addresses with a zone are passed over. */
static void servers_from_system(struct dns_pool *pool) {
  FILE *file = fopen(RESOLV_CONF, "re");
  char line[512];
  while (file && pool->count < DNS_MAX_SERVERS && fgets(line, sizeof line, file)) {
    if (strncmp(line, "nameserver", 10) != 0 || (line[10] != ' ' && line[10] != '\t')) continue;
    const char *p = line + 10 + strspn(line + 10, " \t");
    struct mts_address address;
    struct mts_span text = {p, strcspn(p, " \t\r\n#;")};
    if (mts_address_parse(text, &address) && server_parse(text, &pool->servers[pool->count])) pool->count++;
  }
  if (file) fclose(file);
  if (pool->count == 0 && server_parse(mts_span_of("127.0.0.1"), &pool->servers[0])) pool->count = 1;
}

static bool is_loopback(const struct mts_address *address) {
  static const unsigned char one[16] = {[15] = 1};
  return address->family == AF_INET ? address->bytes[0] == 127 : !memcmp(address->bytes, one, sizeof one);
}

static bool covers_all(getdns_list *anchors) {
  getdns_dict *record = NULL;
  getdns_bindata *owner = NULL;
  for (size_t i = 0; getdns_list_get_dict(anchors, i, &record) == GETDNS_RETURN_GOOD; i++) {
    if (getdns_dict_get_bindata(record, "name", &owner) == GETDNS_RETURN_GOOD && owner->size == 1) return true;
  }
  return false;
}

/* Without anchors of ours getdns would fetch some from the internet and write into ~/.getdns. */
static void read_anchors(struct world *world, struct dns_pool *pool) {
  static const char *const places[] = {"/usr/share/dns/root.key", "/etc/unbound/root.key", "/var/lib/unbound/root.key"};
  const char *set = world->config.trust_anchors;
  for (size_t i = 0; i < (*set ? 1 : sizeof places / sizeof *places) && !pool->anchors; i++) {
    FILE *file = fopen(*set ? set : places[i], "re");
    size_t count = 0;
    if (!file) continue;
    /* No origin means the root. With a name given, getdns 1.6 takes a length it never set and fails now and then. */
    if (getdns_fp2rr_list(file, &pool->anchors, NULL, 3600) != GETDNS_RETURN_GOOD) pool->anchors = NULL;
    fclose(file);
    if (pool->anchors && (getdns_list_get_length(pool->anchors, &count) != GETDNS_RETURN_GOOD || count == 0)) {
      getdns_list_destroy(pool->anchors);
      pool->anchors = NULL;
    }
  }
  pool->root_anchor = pool->anchors && covers_all(pool->anchors);
  if (!pool->anchors)
    mts_log_write(world->config.log, MTS_LOG_ERROR, NULL,
                  "DNSSEC: no trust anchors in %s; answers are not validated. Install dns-root-data or set trust_anchors",
                  *set ? set : "/usr/share/dns/root.key");
}

static enum mts_err set_dnssec(struct world *world, struct dns_pool *pool) {
  pool->extensions = getdns_dict_create();
  if (!pool->extensions) return MTS_ERR_NO_MEMORY;
  bool local = true;
  for (size_t i = 0; i < pool->count; i++) local &= is_loopback(&pool->servers[i].address);
  pool->ad = world->config.dnssec == MTS_NET_DNSSEC_AD || (world->config.dnssec == MTS_NET_DNSSEC_AUTO && local);
  if (world->config.dnssec == MTS_NET_DNSSEC_VALIDATE) read_anchors(world, pool);
  getdns_return_t bad = GETDNS_RETURN_GOOD;
  if (pool->ad) bad = getdns_dict_set_int(pool->extensions, "/header/ad", 1);
  /* The plain "dnssec" withholds what is bogus or not covered by an anchor: then the two cannot be told apart. */
  if (pool->anchors) bad = getdns_dict_set_int(pool->extensions, "dnssec_return_all_statuses", GETDNS_EXTENSION_TRUE);
  return bad == GETDNS_RETURN_GOOD ? MTS_OK : MTS_ERR_NO_MEMORY;
}

enum mts_err dns_pool_new(struct world *world, struct getdns_loop *loop, struct dns_pool **result) {
  struct dns_pool *pool = calloc(1, sizeof *pool);
  if (!pool) return MTS_ERR_NO_MEMORY;
  pool->refs = 1;
  pool->loop = loop;
  enum mts_err err = servers_from_setting(world, pool);
  if (err == MTS_OK && pool->count == 0) servers_from_system(pool);
  if (err == MTS_OK) err = set_dnssec(world, pool);
  if (err != MTS_OK) {
    dns_pool_release(&pool);
    return err;
  }
  *result = pool;
  return MTS_OK;
}

void dns_pool_release(struct dns_pool **pool_at) {
  struct dns_pool *pool = *pool_at;
  *pool_at = NULL;
  if (!pool || --pool->refs) return;
  for (size_t i = 0; i < pool->count; i++) getdns_context_destroy(pool->servers[i].udp);
  getdns_list_destroy(pool->anchors);
  getdns_dict_destroy(pool->extensions);
  getdns_dict_destroy(pool->unchecked);
  free(pool);
}

static getdns_return_t set_upstream(getdns_context *context, const struct dns_server *server) {
  unsigned char bytes[16];
  memcpy(bytes, server->address.bytes, sizeof bytes);
  bool v4 = server->address.family == AF_INET;
  char type4[] = "IPv4", type6[] = "IPv6";
  getdns_bindata type = {4, (uint8_t *)(v4 ? type4 : type6)};
  getdns_bindata data = {v4 ? 4 : 16, bytes};
  getdns_dict *upstream = getdns_dict_create();
  getdns_list *list = getdns_list_create();
  getdns_return_t bad = upstream && list ? GETDNS_RETURN_GOOD : GETDNS_RETURN_MEMORY_ERROR;
  if (!bad) bad = getdns_dict_set_bindata(upstream, "address_type", &type);
  if (!bad) bad = getdns_dict_set_bindata(upstream, "address_data", &data);
  if (!bad) bad = getdns_dict_set_int(upstream, "port", server->port);
  if (!bad) bad = getdns_list_set_dict(list, 0, upstream);
  if (!bad) bad = getdns_context_set_upstream_recursive_servers(context, list);
  getdns_dict_destroy(upstream);
  getdns_list_destroy(list);
  return bad;
}

/* getdns 1.6 reads one transport behind the last when a reply is truncated, and would go on over TCP by itself if what is there looks
 * like it; so there shall never be old data. */
static void *zeroed(size_t n) { return calloc(1, n); }

enum mts_err dns_pool_context(struct dns_pool *pool, struct dns_server *server, bool tcp, getdns_context **result) {
  getdns_context *context = NULL;
  getdns_namespace_t space = GETDNS_NAMESPACE_DNS;
  getdns_transport_list_t transport = tcp ? GETDNS_TRANSPORT_TCP : GETDNS_TRANSPORT_UDP;
  getdns_return_t bad = getdns_context_create_with_memory_functions(&context, 0, zeroed, realloc, free);
  if (bad) return MTS_ERR_NO_MEMORY;
  bad = getdns_context_set_resolution_type(context, GETDNS_RESOLUTION_STUB);
  if (!bad) bad = getdns_context_set_namespaces(context, 1, &space);
  if (!bad) bad = getdns_context_set_append_name(context, GETDNS_APPEND_NAME_NEVER);
  if (!bad) bad = getdns_context_set_dns_transport_list(context, 1, &transport);
  if (!bad) bad = getdns_context_set_edns_maximum_udp_payload_size(context, UDP_PAYLOAD);
  if (!bad) bad = getdns_context_set_timeout(context, CONTEXT_TIMEOUT_MS);
  if (!bad && pool->anchors) bad = getdns_context_set_dnssec_trust_anchors(context, pool->anchors);
  if (!bad) bad = getdns_context_set_dnssec_allowed_skew(context, CLOCK_SKEW_S);
  if (!bad) bad = set_upstream(context, server);
  if (!bad) bad = getdns_context_set_eventloop(context, tcp ? &pool->loop->tcp.ext : &pool->loop->udp.ext);
  if (bad) {
    getdns_context_destroy(context);
    return MTS_ERR_INTERNAL;
  }
  *result = context;
  return MTS_OK;
}

void dns_pool_order(const struct dns_pool *pool, int64_t now_ms, unsigned char order[DNS_MAX_SERVERS]) {
  size_t n = 0;
  for (int failed = 0; failed < 2; failed++) {
    for (size_t i = 0; i < pool->count; i++) {
      size_t at = (pool->first + i) % pool->count;
      int64_t when = pool->servers[at].failed_ms;
      if ((when != 0 && now_ms - when < FAILED_FOR_MS) == (failed == 1)) order[n++] = (unsigned char)at;
    }
  }
}

getdns_dict *dns_pool_unchecked(struct dns_pool *pool) {
  if (pool->unchecked) return pool->unchecked;
  pool->unchecked = getdns_dict_create();
  if (pool->unchecked && getdns_dict_set_int(pool->unchecked, "/header/cd", 1) == GETDNS_RETURN_GOOD) return pool->unchecked;
  getdns_dict_destroy(pool->unchecked);
  pool->unchecked = NULL;
  return NULL;
}
