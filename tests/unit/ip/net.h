/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_IP_NET_H
#define WEIR_TESTS_IP_NET_H

/* A bare network layer in memory, with one Ethernet interface, and the frames a neighbour would
 * send it.
 *
 * We are 192.0.2.1/24 and 2001:db8::1/64; the neighbour is .2 and ::2, a router is .254 and ::fe.
 * Time is a variable. Frames that arrive are copied into a block of exactly their size, so that a
 * sanitizer sees a read past their end. */

#include "ip/host.h"
#include "tap.h"
#include "wire/arp.h"
#include "wire/cursor.h"
#include "wire/icmp6.h"
#include "wire/ip4.h"
#include "wire/ip6.h"

#include <stdlib.h>

#define NET_MTU      1500
#define NET_FRAME    70000
#define NET_CHUNK_SH 14

struct net {
    struct ip_host *ip;
    struct trace trace;
    struct ring_pool rings;
    struct weir_config config;
    void *memory, *ring_memory;
    weir_time now;
    struct ip_packet packet; /* of the last frame that arrived */
    uint8_t *arrived;        /* that frame */
    uint8_t out[NET_FRAME];  /* the last frame taken */
    size_t out_len;
    unsigned why;
};

static const uint8_t net_mac[ETH_ADDR] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t net_peer_mac[ETH_ADDR] = { 2, 0, 0, 0, 0, 2 };
static const uint8_t net_router_mac[ETH_ADDR] = { 2, 0, 0, 0, 0, 0xfe };
static const uint8_t net_other_mac[ETH_ADDR] = { 2, 0, 0, 0, 0, 0x66 };
static const uint8_t net_broadcast[ETH_ADDR] = { 255, 255, 255, 255, 255, 255 };

static inline struct weir_ip net_ip(const char *text)
{
    struct weir_ip ip;
    if (!weir_ip_parse(text, &ip))
        abort();
    return ip;
}

#define US    net_ip("192.0.2.1")
#define PEER  net_ip("192.0.2.2")
#define US6   net_ip("2001:db8::1")
#define PEER6 net_ip("2001:db8::2")

static inline void net_config(struct weir_config *config)
{
    *config = (struct weir_config){
        .tcp_max = 16,
        .neigh_max = 16,
        .route_max = 64,
        .address_max = 32,
        .iface_max = 2,
        .frag_max = 8,
        .frag_octets_max = 1 << 20,
        .pmtu_max = 4,
        .reply_octets = 1 << 19,
        .verify = true,
        .seed = 1,
        .secret = { 1, 2, 3, 4, 5, 6, 7, 8 },
    };
}

static inline struct net *net_begin(const struct weir_config *config)
{
    struct net *net = calloc(1, sizeof *net);
    net->config = *config;
    net->now = 1000 * WEIR_SECOND;
    net->ip = malloc(sizeof *net->ip);
    net->ring_memory = aligned_alloc(64, (ring_pool_size(256, NET_CHUNK_SH) + 63) & ~(size_t)63);
    ring_pool_init(&net->rings, net->ring_memory, 256, NET_CHUNK_SH);

    struct arena arena = { 0 };
    trace_init(&net->trace, &arena, 64, 64);
    ip_host_init(net->ip, &arena, config, &net->rings, &net->trace, net->now);
    const size_t size = (arena.used + 63) & ~(size_t)63;
    net->memory = aligned_alloc(64, size);
    memset(net->memory, 0xa5, size); /* "zeroed or not" */
    memset(net->ip, 0xa5, sizeof *net->ip);
    arena = (struct arena){ .base = net->memory, .size = size };
    trace_init(&net->trace, &arena, 64, 64);
    ip_host_init(net->ip, &arena, config, &net->rings, &net->trace, net->now);
    if (arena.used > size)
        abort();
    return net;
}

/* `dad`: addresses go through what they must; else they are there at once. */
static inline unsigned net_iface(struct net *net, bool dad, bool slaac)
{
    struct weir_iface_config config = {
        .medium = WEIR_ETHERNET, .mtu = NET_MTU, .no_dad = !dad, .slaac = slaac
    };
    memcpy(config.mac, net_mac, ETH_ADDR);
    unsigned iface = 99;
    if (ip_iface_add(net->ip, &config, &iface, net->now) != WEIR_OK)
        abort();
    return iface;
}

static inline void net_address(struct net *net, const char *text, unsigned prefix_len)
{
    const struct weir_ip ip = net_ip(text);
    if (ip_address_add(net->ip, 0, &ip, prefix_len, net->now) != WEIR_OK)
        abort();
}

/* The usual: both addresses, no duplicate detection. */
static inline struct net *net_start(void)
{
    struct weir_config config;
    net_config(&config);
    struct net *net = net_begin(&config);
    (void)net_iface(net, false, false);
    net_address(net, "192.0.2.1", 24);
    net_address(net, "2001:db8::1", 64);
    return net;
}

static inline void net_end(struct net *net)
{
    ip_check(net->ip);
    ring_pool_check(&net->rings);
    free(net->arrived);
    free(net->memory);
    free(net->ring_memory);
    free(net->ip);
    free(net);
}

/* ---- in ---- */

static inline enum weir_drop net_arrives_on(struct net *net, unsigned iface, const uint8_t *frame,
                                            size_t len)
{
    free(net->arrived);
    net->arrived = malloc(len > 0 ? len : 1);
    memcpy(net->arrived, frame, len);
    const struct weir_frame in = { .data = net->arrived, .len = len, .when = net->now };
    const enum weir_drop drop = ip_frame_arrives(net->ip, iface, &in, net->now, &net->packet);
    ip_check(net->ip);
    return drop;
}

static inline enum weir_drop net_arrives(struct net *net, const uint8_t *frame, size_t len)
{
    return net_arrives_on(net, 0, frame, len);
}

static inline size_t net_eth(uint8_t *p, const uint8_t *src, const uint8_t *dst, uint16_t type)
{
    struct eth_head head = { .type = type };
    memcpy(head.dst, dst, ETH_ADDR);
    memcpy(head.src, src, ETH_ADDR);
    return wire_eth_emit(p, ETH_HEAD, &head);
}

static inline enum weir_drop net_arp(struct net *net, uint16_t op, const uint8_t *sha,
                                     const char *spa, const char *tpa)
{
    uint8_t p[ETH_HEAD + ARP_HEAD];
    struct arp_head arp = { .op = op, .spa = net_ip(spa), .tpa = net_ip(tpa) };
    memcpy(arp.sha, sha, ETH_ADDR);
    if (op == ARP_REPLY)
        memcpy(arp.tha, net_mac, ETH_ADDR);
    const size_t len = net_eth(p, sha, op == ARP_REPLY ? net_mac : net_broadcast, ETH_ARP);
    (void)wire_arp_emit(p + len, ARP_HEAD, &arp);
    return net_arrives(net, p, sizeof p);
}

/* An IPv4 packet of `head`, whose payload and len say what it carries. */
static inline enum weir_drop net_ip4(struct net *net, const struct ip4_head *head)
{
    static uint8_t p[NET_FRAME];
    const bool group = head->dst.octet[15] == 255 || head->dst.octet[12] == 224;
    const uint8_t all_hosts[ETH_ADDR] = { 1, 0, 0x5e, 0, 0, 1 };
    size_t len = net_eth(p, net_peer_mac,
                         !group                       ? net_mac
                         : head->dst.octet[12] == 224 ? all_hosts
                                                      : net_broadcast,
                         ETH_IP4);
    const size_t ip = wire_ip4_emit(p + len, sizeof p - len, head);
    if (ip == 0)
        abort();
    len += ip;
    if (head->len > 0)
        memcpy(p + len, head->payload, head->len);
    return net_arrives(net, p, len + head->len);
}

static inline enum weir_drop net_ip6(struct net *net, const struct ip6_head *head)
{
    static uint8_t p[NET_FRAME];
    uint8_t mac[ETH_ADDR];
    memcpy(mac, net_mac, ETH_ADDR);
    if (head->dst.octet[0] == 0xff)
        output_group_mac(&head->dst, mac);
    size_t len = net_eth(p, net_peer_mac, mac, ETH_IP6);
    len += wire_ip6_emit(p + len, sizeof p - len, head);
    if (head->len > 0)
        memcpy(p + len, head->payload, head->len);
    return net_arrives(net, p, len + head->len);
}

static inline void net_put_sum(uint8_t *p, size_t len, csum32 sum)
{
    p[2] = p[3] = 0;
    const uint16_t csum = csum_fold(csum_add(sum, p, len));
    p[2] = (uint8_t)(csum >> 8);
    p[3] = (uint8_t)csum;
}

/* An ICMP message in `p`, its checksum still to be filled in. */
static inline enum weir_drop net_icmp4(struct net *net, const char *src, const char *dst,
                                       uint8_t *p, uint32_t len)
{
    net_put_sum(p, len, 0);
    return net_ip4(net, &(struct ip4_head){ .src = net_ip(src),
                                            .dst = net_ip(dst),
                                            .ttl = 64,
                                            .proto = IP_PROTO_ICMP,
                                            .payload = p,
                                            .len = len });
}

static inline enum weir_drop net_icmp6(struct net *net, const char *src, const char *dst,
                                       uint8_t hop_limit, uint8_t *p, uint32_t len)
{
    const struct weir_ip from = net_ip(src);
    const struct weir_ip to = net_ip(dst);
    net_put_sum(p, len, ip_pseudo_sum(&from, &to, IP_PROTO_ICMP6, len));
    return net_ip6(net, &(struct ip6_head){ .src = from,
                                            .dst = to,
                                            .next = IP_PROTO_ICMP6,
                                            .hop_limit = hop_limit,
                                            .payload = p,
                                            .len = len });
}

static inline enum weir_drop net_nd(struct net *net, const char *src, const char *dst,
                                    const struct nd_message *message)
{
    uint8_t p[1500];
    const size_t len = wire_nd_emit(p, sizeof p, message);
    if (len == 0)
        abort();
    return net_icmp6(net, src, dst, 255, p, (uint32_t)len);
}

/* The neighbour makes itself known in both families. */
static inline void net_know_peer(struct net *net)
{
    struct nd_message ns = { .type = ICMP6_NS, .target = US6, .has = ND_HAS_SLLA };
    memcpy(ns.slla, net_peer_mac, ETH_ADDR);
    if (net_arp(net, ARP_REQUEST, net_peer_mac, "192.0.2.2", "192.0.2.1") != WEIR_DROP_NONE ||
        net_nd(net, "2001:db8::2", "ff02::1:ff00:1", &ns) != WEIR_DROP_NONE)
        abort();
    struct weir_out out;
    while (ip_reply_next(net->ip, 0, &out))
        ;
    ip_call_begins(net->ip);
}

/* ---- out ---- */

static inline size_t net_head(const struct net *net, const struct ip_path *path,
                              const struct weir_ip *src, const struct weir_ip *dst, uint32_t len,
                              uint8_t head[WEIR_HEAD_MAX])
{
    const struct ip_head what = { .src = src, .dst = dst, .proto = 6, .payload_len = len };
    return ip_head_build(net->ip, path, &what, head);
}

static inline bool net_take(struct net *net)
{
    struct weir_out out;
    net->out_len = 0;
    if (!ip_reply_next(net->ip, 0, &out))
        return false;
    memcpy(net->out, out.head, out.head_len);
    net->out_len = out.head_len;
    for (unsigned i = 0; i < out.span_count; i++) {
        memcpy(net->out + net->out_len, out.span[i].base, out.span[i].len);
        net->out_len += out.span[i].len;
    }
    net->why = out.why;
    ip_call_begins(net->ip);
    return true;
}

static inline unsigned net_drain(struct net *net)
{
    unsigned count = 0;
    while (net_take(net))
        count++;
    return count;
}

static inline bool net_out_arp(const struct net *net, struct arp_head *arp)
{
    struct eth_head eth;
    return wire_eth_parse(net->out, net->out_len, &eth) == WIRE_OK && eth.type == ETH_ARP &&
           wire_arp_parse(net->out + ETH_HEAD, net->out_len - ETH_HEAD, arp) == WIRE_OK;
}

static inline bool net_out_ip4(const struct net *net, struct ip4_head *head)
{
    return wire_ip4_parse(net->out + ETH_HEAD, net->out_len - ETH_HEAD, head) == WIRE_OK;
}

static inline bool net_out_icmp4(const struct net *net, struct ip4_head *head,
                                 struct icmp4_head *icmp)
{
    return net_out_ip4(net, head) && head->proto == IP_PROTO_ICMP &&
           wire_icmp4_parse(head->payload, head->len, icmp) == WIRE_OK;
}

static inline bool net_out_icmp6(const struct net *net, struct ip6_head *head,
                                 struct icmp6_head *icmp)
{
    if (wire_ip6_parse(net->out + ETH_HEAD, net->out_len - ETH_HEAD, head) != WIRE_OK ||
        head->next != IP_PROTO_ICMP6)
        return false;
    return wire_icmp6_parse(head->payload, head->len,
                            ip_pseudo_sum(&head->src, &head->dst, IP_PROTO_ICMP6, head->len),
                            icmp) == WIRE_OK;
}

static inline bool net_out_nd(const struct net *net, struct ip6_head *head, struct nd_message *nd)
{
    struct icmp6_head icmp;
    return net_out_icmp6(net, head, &icmp) && wire_nd_parse(&icmp, nd) == WIRE_OK;
}

/* Lets time pass, timer by timer, as a loop would. */
static inline void net_pass(struct net *net, weir_time span)
{
    const weir_time until = net->now + span;
    while (ip_deadline(net->ip) <= until) {
        if (ip_deadline(net->ip) > net->now)
            net->now = ip_deadline(net->ip);
        ip_timeout(net->ip, net->now);
        ip_check(net->ip);
    }
    net->now = until;
}

/* A UDP-like packet of ours with `len` octets of payload. */
static inline enum weir_error net_send(struct net *net, const char *dst, uint32_t len)
{
    static const uint8_t head[8];
    static uint8_t data[NET_FRAME];
    for (unsigned i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    return ip_packet_send(net->ip,
                          &(struct ip_send){ .dst = net_ip(dst),
                                             .proto = IP_PROTO_UDP,
                                             .why = WEIR_WHY_DATAGRAM,
                                             .head = head,
                                             .head_len = sizeof head,
                                             .data = data,
                                             .len = len,
                                             .csum_offset = 6,
                                             .udp_zero_rule = true },
                          net->now);
}

#endif
