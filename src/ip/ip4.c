/* SPDX-License-Identifier: MIT */
#include "ip/host.h"

#include "base/cold.h"
#include "wire/icmp4.h"
#include "wire/ip4.h"

/* IPv4 packets that arrive (RFC 791; RFC 1122, 3.2.1). */

/* RFC 1122, 3.2.1.3 and RFC 6890: what no packet comes from. */
static bool is_martian(const struct ip_host *ip, const struct weir_ip *src)
{
    const uint8_t first = src->octet[12];
    if (first == 0 || first == 127 || first >= 224)
        return true;
    return ip_is_own(ip, src) || ip_is_broadcast(ip, src);
}

static enum weir_drop judge_addresses(const struct ip_host *ip, struct ip_packet *packet)
{
    if (packet->loopback)
        return ip_is_local(ip, &packet->dst) ? WEIR_DROP_NONE : WEIR_DROP_IP_NOT_OURS;
    const uint8_t first = packet->dst.octet[12];
    if (is_martian(ip, &packet->src) || first == 127)
        return WEIR_DROP_IP_MARTIAN;
    const bool link_group = packet->group;
    if (first >= 224 && first < 240) {
        packet->group = true;
        return iface_has_group(ip, packet->iface, &packet->dst) ? WEIR_DROP_NONE
                                                                : WEIR_DROP_IP_NOT_OURS;
    }
    /* RFC 1122, 3.3.6: sent to all stations, but for one host: not what it seems. */
    if (ip_is_own(ip, &packet->dst))
        return link_group ? WEIR_DROP_IP_NOT_OURS : WEIR_DROP_NONE;
    if (!ip_is_broadcast(ip, &packet->dst)) {
        packet->foreign = ip->take_foreign && !link_group && first != 0 && first < 224 &&
                          (packet->proto == IP_PROTO_TCP || packet->proto == IP_PROTO_ICMP);
        return packet->foreign ? WEIR_DROP_NONE : WEIR_DROP_IP_NOT_OURS;
    }
    packet->group = true;
    return WEIR_DROP_NONE;
}

WEIR_COLD static enum weir_drop judge_options(struct ip_host *ip, const struct ip4_head *head,
                                              const struct ip_packet *packet, weir_time now)
{
    uint8_t pointer = 0;
    switch (wire_ip4_options(head->options, head->options_len, &pointer)) {
    case IP4_OPTIONS_OK:
        return WEIR_DROP_NONE;
    case IP4_OPTIONS_SOURCE_ROUTE:
        return WEIR_DROP_IP_SOURCE_ROUTE;
    case IP4_OPTIONS_BAD:
        break;
    }
    if (packet->foreign)
        return WEIR_DROP_IP_BAD_OPTION;
    const struct icmp_about about = { .type = ICMP4_PARAM, .rest = (uint32_t)pointer << 24 };
    icmp_error(ip, packet, &about, now);
    return WEIR_DROP_IP_BAD_OPTION;
}

static void set_payload(struct ip_packet *packet, const uint8_t *p, const struct ip4_head *head)
{
    packet->payload = head->payload;
    packet->len = head->len;
    packet->packet = p;
    packet->packet_len = (uint32_t)(head->payload - p) + head->len;
}

/* A fragment: WEIR_DROP_NONE with packet->reassembled if that was the last that was missing. */
WEIR_COLD static enum weir_drop take_fragment(struct ip_host *ip, const struct ip4_head *head,
                                              struct ip_packet *packet, weir_time now)
{
    const struct frag_piece piece = {
        .key = { packet->src, packet->dst, head->id, head->proto },
        .v4 = true,
        .more = head->mf,
        .off = head->frag_off,
        .data = head->payload,
        .len = head->len,
        .head = packet->packet,
        .head_len = packet->packet_len - packet->len,
        .next_proto = head->proto,
        .iface = packet->iface,
    };
    uint32_t whole;
    const enum weir_drop drop = frag_arrives(ip, &piece, &whole, now);
    if (drop != WEIR_DROP_NONE || whole == 0)
        return drop;
    struct ip4_head all;
    if (wire_ip4_parse(ip->frag.assembly, whole, &all) != WIRE_OK)
        return WEIR_DROP_FRAG_BAD;
    set_payload(packet, ip->frag.assembly, &all);
    packet->reassembled = true;
    packet->csum_ok = packet->loopback; /* a device's word was about the fragment */
    packet->gso_size = 0;
    return WEIR_DROP_NONE;
}

enum weir_drop ip4_arrives(struct ip_host *ip, const uint8_t *p, size_t len,
                           struct ip_packet *packet, weir_time now)
{
    struct ip4_head head;
    switch (wire_ip4_parse(p, len, &head)) {
    case WIRE_OK:
        break;
    case WIRE_CSUM:
        return WEIR_DROP_IP_BAD_CSUM;
    default:
        return WEIR_DROP_IP_BAD_HEADER;
    }
    packet->v4 = true;
    packet->src = head.src;
    packet->dst = head.dst;
    packet->proto = head.proto;
    packet->ttl = head.ttl;
    packet->tos = head.tos;
    set_payload(packet, p, &head);

    enum weir_drop drop = judge_addresses(ip, packet);
    if (drop == WEIR_DROP_NONE && head.options_len > 0)
        drop = judge_options(ip, &head, packet, now);
    if (drop != WEIR_DROP_NONE)
        return drop;
    if (head.mf || head.frag_off != 0) {
        drop = take_fragment(ip, &head, packet, now);
        if (drop != WEIR_DROP_NONE || !packet->reassembled)
            return drop;
    }

    switch (packet->proto) {
    case IP_PROTO_TCP:
        packet->kind = IP_TCP;
        return WEIR_DROP_NONE;
    case IP_PROTO_UDP:
        packet->kind = IP_UDP;
        return WEIR_DROP_NONE;
    case IP_PROTO_IGMP:
        return igmp_arrives(ip, packet, now);
    case IP_PROTO_ICMP:
        return icmp4_arrives(ip, packet, now);
    default:
        icmp_error(ip, packet, &(struct icmp_about){ .type = ICMP4_UNREACH, .code = 2 }, now);
        return WEIR_DROP_IP_PROTO;
    }
}
