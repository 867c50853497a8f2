/* SPDX-License-Identifier: MIT */
#ifndef WEIR_IP_IP_H
#define WEIR_IP_IP_H

/* The network layer of one instance: interfaces, addresses, routes, neighbours (ARP, ND),
 * fragments, ICMP, path MTU, and the ring of frames that wait for output without a connection.
 *
 * It knows no transport: a packet for TCP or UDP, and an ICMP error about one, come out of
 * ip_frame_arrives as values; what it can answer itself (ARP, ND, echo) it answers into the reply
 * ring. Both families go the same way; addresses are struct weir_ip. */

#include "base/arena.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/prng.h"
#include "base/ring.h"
#include "base/siphash.h"
#include "trace/trace.h"
#include "weir/stack.h"

#define IP_IFACE_MAX   16
#define IP_PROTO_ICMP  1
#define IP_PROTO_IGMP  2
#define IP_PROTO_TCP   6
#define IP_PROTO_UDP   17
#define IP_PROTO_ICMP6 58

struct ip_host; /* ip/host.h; embedded in the instance */

/* ---- Birth ---- */

/* Lays the layer out in `arena` and starts it. With an arena that only counts, it only counts and
 * touches nothing of `ip`. Keeps `rings` and `trace`; of `config` it keeps nothing. iface_max is at
 * most IP_IFACE_MAX, reply_octets a power of two. */
void ip_host_init(struct ip_host *ip, struct arena *arena, const struct weir_config *config,
                  struct ring_pool *rings, struct trace *trace, weir_time now);

/* To be called first in every call on the instance: frames that ip_reply_next handed out are the
 * driver's no longer. */
void ip_call_begins(struct ip_host *ip);

/* What stack.h says of weir_iface_add, weir_address_add and so on: the same arguments, the same
 * results. */
enum weir_error ip_iface_add(struct ip_host *ip, const struct weir_iface_config *config,
                             unsigned *iface, weir_time now);
unsigned ip_iface_count(const struct ip_host *ip);
enum weir_error ip_address_add(struct ip_host *ip, unsigned iface, const struct weir_ip *addr,
                               unsigned prefix_len, weir_time now);
enum weir_error ip_address_remove(struct ip_host *ip, unsigned iface, const struct weir_ip *addr,
                                  weir_time now);
enum weir_error ip_route_add(struct ip_host *ip, const struct weir_ip *prefix, unsigned prefix_len,
                             const struct weir_ip *gateway, unsigned iface, unsigned metric);
void ip_route_remove(struct ip_host *ip, const struct weir_ip *prefix, unsigned prefix_len,
                     const struct weir_ip *gateway, unsigned iface);
bool ip_address_info(const struct ip_host *ip, unsigned i, struct weir_address_info *info);

/* The pools, for listings and fault injection: NULL beyond the last. */
struct pool *ip_pool(struct ip_host *ip, unsigned i, const char **name);

/* All invariants; panics if one is broken. */
void ip_check(const struct ip_host *ip);

/* From now on TCP segments to addresses that are not ours, but were sent to this station, are taken
 * too (not those to groups, and over IPv6 none behind extension headers), and paths are found from
 * such addresses. Nothing else of theirs is: no ARP or ND answers, no echo, no ICMP errors. */
void ip_take_foreign(struct ip_host *ip);

/* ---- In ---- */

enum ip_kind {
    IP_CONSUMED,   /* handled here (ARP, ND, echo request, a fragment kept) */
    IP_TCP,        /* payload is a TCP segment */
    IP_UDP,        /* payload is a UDP datagram */
    IP_ICMP_ERROR, /* an ICMP error that quotes a TCP or UDP packet of ours, or an echo request
                      (then echo_id, echo_seq too) */
    IP_ECHO_REPLY, /* payload is what follows the echo header; echo_id, echo_seq */
};

/* ICMP errors, told apart as transports need them (RFC 1122, 4.2.3.9; RFC 5461). The comments give
 * ICMPv4 and ICMPv6 type/code. */
enum ip_icmp {
    IP_ICMP_NET_UNREACH,   /* 3/0 3/6 3/11, v6 1/0 */
    IP_ICMP_HOST_UNREACH,  /* 3/1 3/5 3/7 3/8 3/12, v6 1/2 1/3 */
    IP_ICMP_PROTO_UNREACH, /* 3/2, v6 4/1 */
    IP_ICMP_PORT_UNREACH,  /* 3/3, v6 1/4 */
    IP_ICMP_TOO_BIG,       /* 3/4, v6 2/0; mtu */
    IP_ICMP_PROHIBITED,    /* 3/9 3/10 3/13.., v6 1/1 1/5 1/6 */
    IP_ICMP_TIME_EXCEEDED, /* 11, v6 3 */
    IP_ICMP_PARAM,         /* 12, v6 4/0 4/2 */
};

struct ip_packet {
    enum ip_kind kind;
    struct weir_ip src,
        dst; /* for IP_ICMP_ERROR: of the quoted packet (src is us), not of the message */
    unsigned iface;
    uint8_t proto, ttl, tos;
    bool v4;
    bool group;   /* dst is broadcast or multicast */
    bool csum_ok; /* transport sum need not be checked */
    bool reassembled;
    bool loopback; /* never was on a wire: from ip_loop_next */
    bool foreign;  /* dst is not ours: TCP and errors about it, after ip_take_foreign */
    uint16_t gso_size;
    const uint8_t *payload; /* in the frame, or in the reassembly buffer until the next call */
    uint32_t len;
    weir_time when;
    /* to answer with an ICMP error: the whole IP packet as it came */
    const uint8_t *packet;
    uint32_t packet_len;
    /* IP_ICMP_ERROR: payload/len are the quoted transport octets (at least 8) */
    enum ip_icmp icmp;
    struct weir_ip reporter;
    uint32_t mtu;
    uint16_t echo_id, echo_seq;
};

/* Parses and handles one frame. WEIR_DROP_NONE: `packet` says what it is. Otherwise the reason; the
 * caller records it. */
enum weir_drop ip_frame_arrives(struct ip_host *ip, unsigned iface, const struct weir_frame *frame,
                                weir_time now, struct ip_packet *packet);

/* Sum of the pseudo header (not folded), for checking and for filling in. len = octets of the
 * transport packet. */
uint64_t ip_pseudo_sum(const struct weir_ip *src, const struct weir_ip *dst, uint8_t proto,
                       uint32_t len);

/* Answers a packet with an ICMP error, if the rules of RFC 1122 3.2.2 and RFC 4443 2.4 allow one
 * and the rate limit has room. */
void ip_error_port_unreachable(struct ip_host *ip, const struct ip_packet *about, weir_time now);

/* ---- Out: a path that a connection caches ---- */

struct ip_path {
    uint32_t version; /* of the tables when it was found; ip_path_valid compares */
    uint32_t neigh;   /* pool index, or POOL_NONE where no neighbour is needed */
    uint16_t mtu;     /* of the path: the interface's, or what ICMP said */
    uint8_t iface;
    uint8_t loopback; /* the destination is our own address */
};

/* Finds the way to `dst`. `src` all zero or v4-any: chosen (RFC 6724, the rules that matter for one
 * host) and stored. WEIR_NET_UNREACH, also if `src` is an IPv4 address that is not ours (any more);
 * one of IPv6 is not looked at. WEIR_NOT_LOCAL: it cannot go there, whoever has it. Never fails for
 * want of a neighbour entry alone: then neigh is POOL_NONE and ip_path_ready says no. */
enum weir_error ip_path_find(struct ip_host *ip, struct weir_ip *src, const struct weir_ip *dst,
                             unsigned scope_iface, struct ip_path *path, weir_time now);
bool ip_path_valid(const struct ip_host *ip, const struct ip_path *path);

enum ip_ready {
    IP_READY,
    IP_RESOLVING,
    IP_UNREACHABLE
};

/* Whether a frame could leave on this path now. IP_RESOLVING starts (or goes on with) resolution;
 * `waiter` (an index of the caller's; POOL_NONE for none) is told through ip_waiter_next when it is
 * over. */
enum ip_ready ip_path_ready(struct ip_host *ip, struct ip_path *path, const struct weir_ip *dst,
                            uint32_t waiter, weir_time now);

/* The waiter waits for nothing any more: its connection is gone. Harmless if it did not wait. */
void ip_waiter_forget(struct ip_host *ip, uint32_t waiter);

/* Takes the next waiter whose neighbour was resolved, failed or changed since; POOL_NONE if there
 * is none. */
uint32_t ip_waiter_next(struct ip_host *ip, bool *failed);
bool ip_waiter_told(const struct ip_host *ip); /* whether there is one */

/* Upper layers saw the neighbour alive (an ACK of new data came): RFC 4861, 7.3.1. */
void ip_path_confirm(struct ip_host *ip, const struct ip_path *path, weir_time now);

/* What a header says. */
struct ip_head {
    const struct weir_ip *src, *dst;
    uint8_t proto, ttl, tos; /* ttl 0: the default */
    uint32_t payload_len;    /* octets behind the IP header, also if they will be cut */
};

/* Writes link and IP header; returns their octets. The path must be ready. IPv4: DF set,
 * identification 0 (RFC 6864). */
size_t ip_head_build(const struct ip_host *ip, const struct ip_path *path,
                     const struct ip_head *what, uint8_t head[WEIR_HEAD_MAX]);

/* Whether the interface of the path completes sums and cuts segments. */
bool ip_path_csum_offload(const struct ip_host *ip, const struct ip_path *path);
bool ip_path_tso(const struct ip_host *ip, const struct ip_path *path);

/* ---- Out: whole packets ---- */

struct ip_send {
    struct weir_ip src, dst; /* src may be any: chosen */
    unsigned scope_iface;    /* iface + 1 of a link-local destination, or 0 */
    uint8_t proto, ttl, tos; /* ttl 0: the default (64; 255 for ND) */
    bool broadcast_ok;
    bool dont_fragment;
    enum weir_why why;
    const uint8_t *head; /* transport header */
    uint32_t head_len;
    const uint8_t *data; /* payload, may be NULL if len is 0 */
    uint32_t len;
    uint16_t csum_offset; /* where the transport sum lies in `head`; UINT16_MAX: none to fill */
    bool udp_zero_rule;   /* a computed sum of 0 is sent as 0xffff */
};

/* Sends one packet: route, sum, fragment if it must, resolve; the frames go to the reply ring or
 * wait with the neighbour. */
enum weir_error ip_packet_send(struct ip_host *ip, const struct ip_send *send, weir_time now);

/* Takes the next waiting frame for `iface`; its span points into the reply ring and stays valid
 * until ip_call_begins (the next call on the instance). Frames are whole: head_len is 0, the span
 * has everything, sums are done. */
bool ip_reply_next(struct ip_host *ip, unsigned iface, struct weir_out *out);
bool ip_reply_waits(const struct ip_host *ip, unsigned iface); /* whether there is one */

/* Packets to our own addresses, whoever sent them (ip_packet_send does it by itself): they are kept
 * in a ring of their own and come back through ip_loop_next as if received. `out` has no link
 * header (ip_head_build writes none on a loopback path). A transport sum that is not done
 * (csum_start) is never looked at. False: no room, counted. What ip_loop_next gives points into the
 * ring and is valid until its next call. */
bool ip_loop_put(struct ip_host *ip, const struct weir_out *out, weir_time now);
bool ip_loop_next(struct ip_host *ip, struct ip_packet *packet, weir_time now);
void ip_loop_release(struct ip_host *ip); /* what it gave last is not needed any more */

/* ---- Time ---- */

weir_time ip_deadline(const struct ip_host *ip);
void ip_timeout(struct ip_host *ip, weir_time now);

/* ---- Addresses and path MTU ---- */

bool ip_is_local(const struct ip_host *ip,
                 const struct weir_ip *addr); /* usable as a source; loopback too */
bool ip_is_group(const struct ip_host *ip, const struct weir_ip *addr); /* multicast or broadcast */
bool ip_is_multicast(const struct weir_ip *ip);

/* Membership of a group on an interface: once for each who wants it. False: no room. Only what was
 * joined may be left. */
bool ip_group_join(struct ip_host *ip, unsigned iface, const struct weir_ip *addr, weir_time now)
    __attribute__((warn_unused_result));
void ip_group_leave(struct ip_host *ip, unsigned iface, const struct weir_ip *addr, weir_time now);
bool ip_group_is_joined(const struct ip_host *ip, unsigned iface, const struct weir_ip *addr);

/* An ICMP TOO_BIG that a transport has vetted (the quoted packet really is in flight): lowers the
 * path MTU (RFC 1191, RFC 8201; floor 552 for IPv4 as Linux; what is below IPv6's 1,280 is not
 * believed), which is forgotten after 10 minutes. Returns the path MTU now in force. */
uint16_t ip_pmtu_lower(struct ip_host *ip, const struct weir_ip *dst, uint32_t mtu, weir_time now);
/* A packet that long has got through. */
void ip_pmtu_raise(struct ip_host *ip, const struct weir_ip *dst, uint16_t mtu, weir_time now);
uint16_t ip_pmtu(const struct ip_host *ip, const struct weir_ip *dst, unsigned iface);

#endif
