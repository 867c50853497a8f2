/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IP_HOST_H
#define WEIR_IP_HOST_H

/* The network layer's own state, and what its files offer each other. ip.h is what others may use;
 * the instance includes this only to embed struct ip_host.
 *
 * All timers are in one wheel, told apart by index: see enum ip_timer. A change of addresses,
 * routes, path MTU or of a neighbour that a path names raises `version`, and every cached path is
 * then found again. */

#include "base/wheel.h"
#include "ip/frag.h"
#include "ip/frameq.h"
#include "ip/group.h"
#include "ip/ip.h"
#include "ip/neigh.h"

#define IP_TTL             64
#define IP_MTU_MIN         576
#define IP6_MTU_MIN        1280
#define IP_PREFIX_MAX      16 /* on-link prefixes, and addresses, taken from routers (attack N-4) */
#define IP_ROUTER_MAX      8  /* default routers */
#define IP_LOOP_MTU        65535
#define IP_SEND_HEAD_MAX   64 /* octets of a transport header */
#define IP_DAD_TRIES       3  /* interface identifiers tried before SLAAC gives up (attack N-6) */
#define IP_DAD_TIME        (1 * WEIR_SECOND)
#define IP_ANNOUNCE_COUNT  2 /* RFC 5227, 1.1 */
#define IP_ANNOUNCE_TIME   (2 * WEIR_SECOND)
#define IP_DEFEND_INTERVAL (10 * WEIR_SECOND)
#define IP_RS_COUNT        3 /* RFC 4861, 10 */
#define IP_RS_INTERVAL     (4 * WEIR_SECOND)
#define IP_REDIRECT_TIME   (600 * WEIR_SECOND)
#define IP_ID_COUNTERS     256
#define IP_ADDRESS_PLACES  256 /* of the table that says where to look for one of ours */

enum ip_timer {
    IP_TIMER_FRAG4,
    IP_TIMER_FRAG6,
    IP_TIMER_PMTU,
    IP_TIMER_ROUTE,
    IP_TIMER_IFACE,
    IP_TIMER_ADDRESS = IP_TIMER_IFACE + IP_IFACE_MAX, /* address_max of them, then neighbours, then
                                                         groups */
};

struct ip_iface {
    uint8_t mac[ETH_ADDR];
    uint8_t medium; /* enum weir_medium */
    uint8_t hop_limit;
    uint16_t mtu;
    uint16_t mtu6; /* lowered by router advertisements; 0: no IPv6 here */
    bool csum_offload, tso, no_dad, slaac;
    uint8_t rs_left;     /* router solicitations still to be sent */
    weir_time reachable; /* how long a neighbour's answer is good for */
    weir_time igmp1_until, igmp2_until,
        mld1_until; /* until then an old querier is believed there */
    struct frameq out;
};

struct ip_address {
    struct weir_ip ip;
    uint8_t iface;
    uint8_t prefix_len; /* bits of the family's own address */
    bool used;
    bool has_broadcast;
    struct weir_ip broadcast; /* of its prefix */
    bool tentative;           /* asked about, not to be used yet */
    bool duplicate;           /* another station has it: never to be used */
    bool from_router;         /* by SLAAC */
    bool in_group;            /* a member of its solicited-node group */
    uint8_t dad_tries;
    uint8_t announce_left;
    weir_time step_at; /* duplicate detection is through, or the next announcement is due */
    weir_time defended_at;
    weir_time preferred_until, valid_until;
};

enum ip_route_kind {
    IP_ROUTE_STATIC,
    IP_ROUTE_ADDRESS,
    IP_ROUTE_PREFIX,
    IP_ROUTE_ROUTER,
    IP_ROUTE_REDIRECT
};

struct ip_route {
    struct weir_ip prefix, gateway;
    uint8_t bits; /* of 128: IPv4 prefixes count the 96 in front */
    uint8_t iface;
    uint8_t kind; /* enum ip_route_kind */
    bool v4, has_gateway;
    uint32_t metric;
    weir_time expires;
};

struct pmtu {
    struct weir_ip ip;
    uint16_t mtu;
    uint32_t hash_next;
    struct list_node order;
    weir_time set_at;
};

struct pmtu_table {
    struct pool pool;
    uint32_t *bucket;
    uint32_t bucket_mask;
    struct list order; /* oldest first */
};

/* How many ICMP errors may leave: attack P-10. */
#define ICMP_LIMIT_BUCKETS 256
struct icmp_bucket {
    weir_time next; /* when the next token comes */
    uint32_t tokens;
};
struct icmp_limit {
    struct icmp_bucket to[ICMP_LIMIT_BUCKETS]; /* by a keyed hash of the destination */
    weir_time at;                              /* global: refilled until then */
    uint32_t tokens;
    struct prng random;
};

WEIR_STATIC_ASSERT(IP_IFACE_MAX <= 64, "each interface has a bit of `lent`");

struct ip_host {
    struct trace *trace;
    struct ring_pool *rings;
    uint32_t version;
    unsigned iface_max, iface_count, address_max, route_max, route_count;
    unsigned address_top; /* addresses from here on were never used */
    /* By a hash of an address: before this one of ours none is it, or has it for its broadcast. */
    uint16_t address_first[IP_ADDRESS_PLACES];
    uint32_t reply_octets;
    uint16_t loop_mtu;
    bool accept_redirects, verify, take_foreign;
    struct ip_iface *iface;
    struct frameq *out_queue; /* one an interface, lent to it when it is added */
    uint64_t lent;            /* a bit an interface whose driver has frames of its queue */
    struct ip_address *address;
    struct ip_route *route;
    struct siphash_key table_key; /* where things lie in hash tables */
    struct siphash_key id_key;    /* identifications of fragments */
    struct siphash_key iid_key;   /* interface identifiers (RFC 7217) */
    struct prng jitter;
    uint32_t id_counter[IP_ID_COUNTERS];
    struct neigh_table neigh;
    struct frag_table frag;
    struct pmtu_table pmtu;
    struct icmp_limit limit;
    struct group_table groups;
    uint32_t neigh_max;
    struct frameq loop;
    struct wheel wheel;
};

/* ---- host.c ---- */

/* The smallest power of two that is at least `count`, for hash tables; count <= 2^31. */
uint32_t ip_bucket_count(uint32_t count);

/* A hash table's heads, all empty; NULL while counting. */
uint32_t *ip_buckets_take(struct arena *arena, uint32_t count);

/* A keyed hash of an address, the same for all tables. */
uint64_t ip_hash(const struct ip_host *ip, const struct weir_ip *addr, uint32_t salt);
void ip_timer_set(struct ip_host *ip, uint32_t timer, weir_time when);
uint32_t ip_timer_group(const struct ip_host *ip, uint32_t group);
uint32_t ip_timer_neigh(const struct ip_host *ip, uint32_t neigh);

/* ---- address.c ---- */

/* Bits of the mapped 128 that a prefix of the family's own counts. */
unsigned ip_prefix_bits(const struct weir_ip *ip, unsigned prefix_len);

/* Octets equal from the left, in bits. */
unsigned ip_equal_bits(const struct weir_ip *a, const struct weir_ip *b);
bool ip_is_any(const struct weir_ip *ip); /* of either family */
bool ip_is_loopback(const struct weir_ip *ip);
bool ip_is_link_local(const struct weir_ip *ip); /* fe80::/10; IPv4 has no scopes here */

/* The address of ours that equals `ip` and may be used on `iface` (link-local addresses only on
 * their own), or NULL. */
struct ip_address *ip_address_find(const struct ip_host *ip, unsigned iface,
                                   const struct weir_ip *addr);
bool ip_address_usable(const struct ip_address *address);
/* After every change of an address, or of which there are: where each is found. */
void ip_address_places(struct ip_host *ip);

/* The broadcast address of an IPv4 prefix; false if it has none. */
bool ip_broadcast_of(const struct weir_ip *addr, unsigned prefix_len, struct weir_ip *broadcast);
bool ip_is_own(const struct ip_host *ip,
               const struct weir_ip *addr); /* ip_is_local less loopback */

/* 255.255.255.255 or the last address of one of our IPv4 prefixes. */
bool ip_is_broadcast(const struct ip_host *ip, const struct weir_ip *addr);

/* Whether packets to this group are for us on `iface`: all nodes, and the solicited-node groups of
 * our addresses. */
bool iface_has_group(const struct ip_host *ip, unsigned iface, const struct weir_ip *group);
struct weir_ip iface_solicited_node(const struct weir_ip *addr);
bool iface_hears(const struct ip_host *ip, unsigned iface, const uint8_t mac[ETH_ADDR]);

/* The address to send from (RFC 6724, section 5): NULL if there is none of the family. */
const struct ip_address *iface_source(const struct ip_host *ip, unsigned iface,
                                      const struct weir_ip *dst, weir_time now);

/* ---- iface.c ---- */

/* Adds an address; `address` may be NULL. */
enum weir_error iface_address_add(struct ip_host *ip, unsigned iface, const struct weir_ip *addr,
                                  unsigned prefix_len, struct ip_address **address, weir_time now);
void iface_address_drop(struct ip_host *ip, struct ip_address *address, weir_time now);

/* Another station has, or wants, our address. */
void iface_address_duplicate(struct ip_host *ip, struct ip_address *address, weir_time now);
void iface_address_defend(struct ip_host *ip, struct ip_address *address, weir_time now);
void iface_address_timeout(struct ip_host *ip, uint32_t index, weir_time now);
void iface_address_timer(struct ip_host *ip, struct ip_address *address);
void iface_timeout(struct ip_host *ip, unsigned iface, weir_time now);

/* ---- route.c ---- */

/* The best route to `dst`, through `scope_iface` - 1 only if that is not 0; NULL if there is none.
 */
const struct ip_route *route_find(const struct ip_host *ip, const struct weir_ip *dst,
                                  unsigned scope_iface);
struct ip_route *route_put(struct ip_host *ip, const struct ip_route *route);
void route_remove(struct ip_host *ip, unsigned index);
unsigned route_count_kind(const struct ip_host *ip, enum ip_route_kind kind);
void route_timer(struct ip_host *ip);
void route_timeout(struct ip_host *ip, weir_time now);

/* A redirect: `dst` is better reached through `gateway`. False if it is not to be believed. */
bool route_redirect(struct ip_host *ip, const struct ip_packet *from, const struct weir_ip *dst,
                    const struct weir_ip *gateway, weir_time now);

/* ---- ip4.c, ip6.c: one IP packet; `packet` has iface, when, csum_ok, gso_size, group and loopback
 * filled in ---- */

enum weir_drop ip4_arrives(struct ip_host *ip, const uint8_t *p, size_t len,
                           struct ip_packet *packet, weir_time now);
enum weir_drop ip6_arrives(struct ip_host *ip, const uint8_t *p, size_t len,
                           struct ip_packet *packet, weir_time now);

/* ---- igmp.c, mld.c ---- */

enum weir_drop igmp_arrives(struct ip_host *ip, struct ip_packet *packet, weir_time now);
enum weir_drop mld_arrives(struct ip_host *ip, struct ip_packet *packet,
                           const struct icmp6_head *icmp, weir_time now);

/* ---- icmp.c ---- */

enum weir_drop icmp4_arrives(struct ip_host *ip, struct ip_packet *packet, weir_time now);
enum weir_drop icmp6_arrives(struct ip_host *ip, struct ip_packet *packet, weir_time now);

/* Sends an error about a packet, if the rules and the limits allow. `rest` is octets 4..7 of the
 * message. */
struct icmp_about {
    uint8_t type, code;
    uint32_t rest;
    bool group_too; /* also about a packet to a group (RFC 4443, 2.4 e.3) */
};
void icmp_error(struct ip_host *ip, const struct ip_packet *packet, const struct icmp_about *about,
                weir_time now);
void icmp_limit_init(struct ip_host *ip, weir_time now);

/* ---- output.c ---- */

/* Queues a frame for an interface's driver; false, and counted, if its queue is full. */
bool output_frame(struct ip_host *ip, unsigned iface, const struct ip_frame *frame, weir_time now);

/* Starts a frame with its link header, if the medium has one. `mac` may be NULL: zeros. */
void output_link_head(const struct ip_host *ip, unsigned iface, const uint8_t *mac, uint16_t type,
                      struct ip_frame *frame);

/* The station a group's packets go to. */
void output_group_mac(const struct weir_ip *group, uint8_t mac[ETH_ADDR]);

/* ---- pmtu.c ---- */

void pmtu_init(struct ip_host *ip, struct arena *arena, const struct weir_config *config);
void pmtu_timeout(struct ip_host *ip, weir_time now);

/* ---- slaac.c ---- */

struct nd_message;
void slaac_advertised(struct ip_host *ip, const struct ip_packet *packet,
                      const struct nd_message *message, weir_time now);

/* The address of a prefix on an interface by RFC 7217; `tries`: how often it was a duplicate
 * before. */
struct weir_ip slaac_address(const struct ip_host *ip, unsigned iface, const struct weir_ip *prefix,
                             unsigned tries);

#endif
