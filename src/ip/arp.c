/* SPDX-License-Identifier: MIT */
#include "ip/host.h"

#include "wire/arp.h"

#include <string.h>

/* Address resolution for IPv4 (RFC 826, RFC 5227). */

static void send(struct ip_host *ip, unsigned iface, const struct arp_head *head, const uint8_t *to,
                 weir_time now)
{
    static const uint8_t broadcast[ETH_ADDR] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    if (ip->iface[iface].medium != WEIR_ETHERNET)
        return;
    struct ip_frame frame;
    output_link_head(ip, iface, to != NULL ? to : broadcast, ETH_ARP, &frame);
    frame.why = WEIR_WHY_ARP;
    frame.head_len += (uint32_t)wire_arp_emit(frame.head + frame.head_len,
                                              sizeof frame.head - frame.head_len, head);
    (void)output_frame(ip, iface, &frame, now);
}

void arp_ask(struct ip_host *ip, unsigned iface, const struct weir_ip *target, const uint8_t *to,
             weir_time now)
{
    /* Without an address of ours the question is a probe (RFC 5227, 1.1), which is answered all the
     * same. */
    const struct ip_address *source = iface_source(ip, iface, target, now);
    struct arp_head head = {
        .op = ARP_REQUEST,
        .spa = source != NULL ? source->ip : weir_ip_v4(0, 0, 0, 0),
        .tpa = *target,
    };
    memcpy(head.sha, ip->iface[iface].mac, ETH_ADDR);
    send(ip, iface, &head, to, now);
}

void arp_announce(struct ip_host *ip, unsigned iface, const struct weir_ip *addr, weir_time now)
{
    struct arp_head head = { .op = ARP_REQUEST, .spa = *addr, .tpa = *addr };
    memcpy(head.sha, ip->iface[iface].mac, ETH_ADDR);
    send(ip, iface, &head, NULL, now);
}

static void answer(struct ip_host *ip, unsigned iface, const struct arp_head *request,
                   weir_time now)
{
    struct arp_head head = { .op = ARP_REPLY, .spa = request->tpa, .tpa = request->spa };
    memcpy(head.sha, ip->iface[iface].mac, ETH_ADDR);
    memcpy(head.tha, request->sha, ETH_ADDR);
    send(ip, iface, &head, request->sha, now);
}

/* What cannot be a sender: a group or zero as station, a group or loopback as address. */
static bool sender_makes_sense(const struct ip_host *ip, const struct arp_head *arp)
{
    static const uint8_t none[ETH_ADDR];
    return !eth_is_group(arp->sha) && memcmp(arp->sha, none, ETH_ADDR) != 0 &&
           !ip_is_group(ip, &arp->spa) && !ip_is_loopback(&arp->spa);
}

enum weir_drop arp_arrives(struct ip_host *ip, unsigned iface, const uint8_t *p, size_t len,
                           weir_time now)
{
    struct arp_head arp;
    if (wire_arp_parse(p, len, &arp) != WIRE_OK || !sender_makes_sense(ip, &arp))
        return WEIR_DROP_ARP_BAD;
    if (memcmp(arp.sha, ip->iface[iface].mac, ETH_ADDR) == 0)
        return WEIR_DROP_FRAME_OWN_MAC;

    /* Somebody else sends from our address: request or reply, it is a conflict (RFC 5227, 2.4). */
    struct ip_address *claimed = ip_address_find(ip, iface, &arp.spa);
    if (claimed != NULL && claimed->iface == iface) {
        iface_address_defend(ip, claimed, now);
        return WEIR_DROP_ARP_CONFLICT;
    }
    const struct ip_address *ours = ip_address_find(ip, iface, &arp.tpa);
    const bool for_us = ours != NULL && ours->iface == iface;
    const bool probe = ip_is_any(&arp.spa);
    if (arp.op == ARP_REPLY) {
        if (!for_us)
            return probe ? WEIR_DROP_ARP_BAD : WEIR_DROP_ARP_UNSOLICITED;
        return neigh_answered(ip, iface, &arp.spa, arp.sha, NEIGH_ANSWER_ARP, now)
                   ? WEIR_DROP_NONE
                   : WEIR_DROP_ARP_UNSOLICITED;
    }
    if (!for_us) {
        /* Of what others say only this is of use: a station we know may have moved. */
        if (!probe && neigh_find(ip, iface, &arp.spa) != POOL_NONE)
            (void)neigh_answered(ip, iface, &arp.spa, arp.sha, NEIGH_ANSWER_UNSOLICITED, now);
        return WEIR_DROP_ARP_NOT_OURS;
    }
    if (!probe)
        neigh_claimed(ip, iface, &arp.spa, arp.sha, now);
    answer(ip, iface, &arp, now);
    return WEIR_DROP_NONE;
}
