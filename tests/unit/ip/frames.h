/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_IP_FRAMES_H
#define WEIR_TESTS_IP_FRAMES_H

/* What goes in and comes out of the bare network layer of net.h: frames that a neighbour would
 * send, and those that we sent, read back. Frames that arrive are copied into a block of exactly
 * their size, so that a sanitizer sees a read past their end. */

#include "net.h"

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
