/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_IP_NET_H
#define WEIR_TESTS_IP_NET_H

/* A bare network layer in memory, with one Ethernet interface, and the frames a neighbour would
 * send it.
 *
 * We are 192.0.2.1/24 and 2001:db8::1/64; the neighbour is .2 and ::2, a router is .254 and ::fe.
 * Time is a variable. */

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

#endif
