/* SPDX-License-Identifier: MIT */
#include "ip/host.h"

#include <string.h>

/* Frames that arrive: which are for this station, and which protocol they carry. */

#define FRAME_MAX (65535 + 18) /* the largest IP packet, a link header and a VLAN tag */

/* One IP packet without a link header: the version says which family. */
static enum weir_drop bare_packet(struct ip_host *ip, const uint8_t *p, size_t len,
                                  struct ip_packet *packet, weir_time now)
{
    if (len == 0)
        return WEIR_DROP_FRAME_SHORT;
    switch (p[0] >> 4) {
    case 4:
        return ip4_arrives(ip, p, len, packet, now);
    case 6:
        return ip6_arrives(ip, p, len, packet, now);
    default:
        return WEIR_DROP_IP_BAD_HEADER;
    }
}

static enum weir_drop ethernet_frame(struct ip_host *ip, const struct weir_frame *frame,
                                     struct ip_packet *packet, weir_time now)
{
    struct eth_head head;
    if (wire_eth_parse(frame->data, frame->len, &head) != WIRE_OK)
        return WEIR_DROP_FRAME_SHORT;
    const struct ip_iface *iface = &ip->iface[packet->iface];
    if (eth_is_group(head.src))
        return WEIR_DROP_FRAME_BAD_SOURCE;
    if (memcmp(head.src, iface->mac, ETH_ADDR) == 0)
        return WEIR_DROP_FRAME_OWN_MAC;
    if (!iface_hears(ip, packet->iface, head.dst))
        return WEIR_DROP_FRAME_OTHER_MAC;

    packet->group = eth_is_group(head.dst);
    const uint8_t *p = frame->data + ETH_HEAD;
    const size_t len = frame->len - ETH_HEAD;
    switch (head.type) {
    case ETH_IP4:
        return ip4_arrives(ip, p, len, packet, now);
    case ETH_IP6:
        return iface->mtu6 > 0 ? ip6_arrives(ip, p, len, packet, now) : WEIR_DROP_FRAME_TYPE;
    case ETH_ARP:
        return arp_arrives(ip, packet->iface, p, len, now);
    default:
        return WEIR_DROP_FRAME_TYPE;
    }
}

enum weir_drop ip_frame_arrives(struct ip_host *ip, unsigned iface, const struct weir_frame *frame,
                                weir_time now, struct ip_packet *packet)
{
    if (iface >= ip->iface_count)
        return WEIR_DROP_IFACE_UNKNOWN;
    if (frame->len > FRAME_MAX)
        return WEIR_DROP_FRAME_LONG;
    *packet = (struct ip_packet){
        .kind = IP_CONSUMED,
        .iface = iface,
        .csum_ok = frame->csum_ok,
        .gso_size = frame->gso_size,
        .when = frame->when,
    };
    if (ip->iface[iface].medium == WEIR_IP_ONLY)
        return bare_packet(ip, frame->data, frame->len, packet, now);
    return ethernet_frame(ip, frame, packet, now);
}

void ip_loop_release(struct ip_host *ip)
{
    frameq_release(&ip->loop);
}

bool ip_loop_next(struct ip_host *ip, struct ip_packet *packet, weir_time now)
{
    frameq_release(&ip->loop);
    struct frameq_info info;
    const uint8_t *p;
    /* What is answered here puts at most one packet in for one taken out, and an answer is never
     * answered. */
    while ((p = frameq_take(&ip->loop, &info)) != NULL) {
        *packet = (struct ip_packet){
            .kind = IP_CONSUMED,
            .csum_ok = info.csum_ok != 0,
            .gso_size = info.gso_size,
            .when = now,
            .loopback = true,
        };
        const enum weir_drop drop = bare_packet(ip, p, info.len, packet, now);
        if (drop != WEIR_DROP_NONE)
            trace_drop(ip->trace, now, drop,
                       &(struct weir_record){ .conn = UINT32_MAX, .value = info.len });
        else if (packet->kind != IP_CONSUMED)
            return true;
        frameq_release(&ip->loop);
    }
    return false;
}
