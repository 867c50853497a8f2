/* SPDX-License-Identifier: MIT */
#include "ip/host.h"

#include "wire/icmp6.h"
#include "wire/ip6.h"

/* IPv6 packets that arrive (RFC 8200). */

static enum weir_drop judge_addresses(const struct ip_host *ip, struct ip_packet *packet)
{
    if (packet->loopback)
        return ip_is_local(ip, &packet->dst) ? WEIR_DROP_NONE : WEIR_DROP_IP_NOT_OURS;
    if (ip_is_multicast(&packet->src) || ip_is_loopback(&packet->src) ||
        ip_is_loopback(&packet->dst) || ip_address_find(ip, packet->iface, &packet->src) != NULL)
        return WEIR_DROP_IP_MARTIAN;
    /* Only neighbour discovery has no source (RFC 4291, 2.5.2), and only to a group. */
    const bool to_group = ip_is_multicast(&packet->dst);
    if (ip_is_any(&packet->src) && !to_group)
        return WEIR_DROP_IP_MARTIAN;

    const bool link_group = packet->group;
    if (to_group) {
        packet->group = true;
        return iface_has_group(ip, packet->iface, &packet->dst) ? WEIR_DROP_NONE
                                                                : WEIR_DROP_IP_NOT_OURS;
    }
    if (!link_group && ip_address_find(ip, packet->iface, &packet->dst) != NULL)
        return WEIR_DROP_NONE;
    packet->foreign = ip->take_foreign && !link_group && !ip_is_link_local(&packet->dst) &&
                      (packet->proto == IP_PROTO_TCP || packet->proto == IP_PROTO_ICMP6);
    return packet->foreign ? WEIR_DROP_NONE : WEIR_DROP_IP_NOT_OURS;
}

static enum weir_drop walk_drop(enum ip6_walk_end end)
{
    switch (end) {
    case IP6_WALK_OK:
        return WEIR_DROP_NONE;
    case IP6_WALK_BAD:
        return WEIR_DROP_IP_EXT_BAD;
    case IP6_WALK_MANY:
        return WEIR_DROP_IP_EXT_MANY;
    case IP6_WALK_UNKNOWN:
        return WEIR_DROP_IP_EXT_UNKNOWN;
    case IP6_WALK_PROTO:
        return WEIR_DROP_IP_PROTO;
    case IP6_WALK_NO_NEXT:
        return WEIR_DROP_IP_NO_NEXT;
    case IP6_WALK_FRAG_BAD:
        return WEIR_DROP_FRAG_BAD;
    case IP6_WALK_FRAG_TINY:
        return WEIR_DROP_FRAG_TINY;
    }
    return WEIR_DROP_IP_EXT_BAD;
}

/* Walks the headers of packet->packet; what must be reported is. */
static enum weir_drop walk(struct ip_host *ip, struct ip_packet *packet, struct ip6_walk *walked,
                           weir_time now)
{
    const enum ip6_walk_end end =
        wire_ip6_walk(packet->packet, packet->packet_len, packet->reassembled, walked);
    if (end != IP6_WALK_OK && walked->report) {
        const struct icmp_about about = {
            .type = ICMP6_PARAM,
            .code = walked->code,
            .rest = walked->pointer,
            .group_too = walked->report_group,
        };
        icmp_error(ip, packet, &about, now);
    }
    if (end == IP6_WALK_OK) {
        packet->proto = walked->proto;
        packet->payload = packet->packet + walked->off;
        packet->len = walked->len;
    }
    return walk_drop(end);
}

static enum weir_drop take_fragment(struct ip_host *ip, const struct ip6_walk *walked,
                                    struct ip_packet *packet, weir_time now)
{
    const struct frag_piece piece = {
        .key = { packet->src, packet->dst, walked->frag_id, 0 },
        .more = walked->frag_more,
        .off = walked->frag_off,
        .data = packet->payload,
        .len = packet->len,
        .head = packet->packet,
        .head_len = walked->off,
        .next_off = walked->frag_next,
        .next_proto = walked->proto,
        .iface = packet->iface,
    };
    uint32_t whole;
    const enum weir_drop drop = frag_arrives(ip, &piece, &whole, now);
    if (drop != WEIR_DROP_NONE || whole == 0)
        return drop;
    packet->packet = ip->frag.assembly;
    packet->packet_len = whole;
    packet->reassembled = true;
    packet->csum_ok = packet->loopback; /* a device's word was about the fragment */
    packet->gso_size = 0;
    struct ip6_walk all;
    return walk(ip, packet, &all, now);
}

enum weir_drop ip6_arrives(struct ip_host *ip, const uint8_t *p, size_t len,
                           struct ip_packet *packet, weir_time now)
{
    struct ip6_head head;
    switch (wire_ip6_parse(p, len, &head)) {
    case WIRE_OK:
        break;
    case WIRE_UNKNOWN:
        return WEIR_DROP_IP_MARTIAN; /* IPv4 in disguise */
    default:
        return WEIR_DROP_IP_BAD_HEADER;
    }
    packet->src = head.src;
    packet->dst = head.dst;
    packet->proto = head.next;
    packet->ttl = head.hop_limit;
    packet->tos = head.tclass;
    packet->packet = p;
    packet->packet_len = IP6_HEAD + head.len;

    enum weir_drop drop = judge_addresses(ip, packet);
    if (drop != WEIR_DROP_NONE)
        return drop;
    struct ip6_walk walked;
    drop = walk(ip, packet, &walked, now);
    if (drop == WEIR_DROP_NONE && walked.fragment) {
        drop = take_fragment(ip, &walked, packet, now);
        if (drop == WEIR_DROP_NONE && !packet->reassembled)
            return drop; /* kept */
    }
    if (drop != WEIR_DROP_NONE)
        return drop;

    if (packet->proto == IP_PROTO_ICMP6)
        return icmp6_arrives(ip, packet, now);
    if (ip_is_any(&packet->src))
        return WEIR_DROP_IP_MARTIAN;
    packet->kind = packet->proto == IP_PROTO_TCP ? IP_TCP : IP_UDP;
    return WEIR_DROP_NONE;
}
