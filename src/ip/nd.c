/* SPDX-License-Identifier: MIT */
#include "ip/host.h"

#include "wire/cursor.h"
#include "wire/icmp6.h"
#include "wire/ip6.h"

/* Neighbour discovery for IPv6 (RFC 4861, RFC 4862). Only what came straight from the link is
 * believed: hop limit 255, not put together from fragments (RFC 6980). */

#define ND_HOP_LIMIT 255

static const struct weir_ip all_nodes = { { 0xff, 0x02, [15] = 1 } };
static const struct weir_ip all_routers = { { 0xff, 0x02, [15] = 2 } };
static const struct weir_ip any;

/* From whom to whom; `mac` NULL: the group's. */
struct way {
    unsigned iface;
    const struct weir_ip *src, *dst;
    const uint8_t *mac;
};

static void send(struct ip_host *ip, struct way way, const struct nd_message *message,
                 weir_time now)
{
    uint8_t group_mac[ETH_ADDR];
    if (way.mac == NULL)
        output_group_mac(way.dst, group_mac);
    struct ip_frame frame;
    output_link_head(ip, way.iface, way.mac != NULL ? way.mac : group_mac, ETH_IP6, &frame);
    uint8_t *at = frame.head + frame.head_len;
    const size_t room = sizeof frame.head - frame.head_len;
    const size_t len = wire_nd_emit(at + IP6_HEAD, room - IP6_HEAD, message);
    WEIR_ASSERT(len > 0);
    const csum32 sum = ip_pseudo_sum(way.src, way.dst, IP_PROTO_ICMP6, (uint32_t)len);
    const uint16_t csum = csum_fold(csum_add(sum, at + IP6_HEAD, len));
    struct wr w = wr_begin(at + IP6_HEAD + ICMP_CSUM_OFF, 2);
    wr_u16(&w, csum);

    const struct ip6_head head = {
        .src = *way.src,
        .dst = *way.dst,
        .next = IP_PROTO_ICMP6,
        .hop_limit = ND_HOP_LIMIT,
        .len = (uint32_t)len,
    };
    frame.head_len += (uint32_t)(wire_ip6_emit(at, room, &head) + len);
    frame.why = WEIR_WHY_ND;
    if (output_frame(ip, way.iface, &frame, now))
        ip->trace->count.icmp_out++;
}

static void set_mac(const struct ip_host *ip, unsigned iface, uint8_t mac[ETH_ADDR])
{
    memcpy(mac, ip->iface[iface].mac, ETH_ADDR);
}

void nd_ask(struct ip_host *ip, unsigned iface, const struct weir_ip *target, const uint8_t *to,
            weir_time now)
{
    const struct ip_address *source = iface_source(ip, iface, target, now);
    if (source == NULL)
        return;
    struct nd_message message = { .type = ICMP6_NS, .target = *target, .has = ND_HAS_SLLA };
    set_mac(ip, iface, message.slla);
    const struct weir_ip group = iface_solicited_node(target);
    send(ip, (struct way){ iface, &source->ip, to != NULL ? target : &group, to }, &message, now);
}

void nd_probe(struct ip_host *ip, unsigned iface, const struct weir_ip *addr, weir_time now)
{
    const struct nd_message message = { .type = ICMP6_NS, .target = *addr };
    const struct weir_ip group = iface_solicited_node(addr);
    send(ip, (struct way){ iface, &any, &group, NULL }, &message, now);
}

void nd_router_ask(struct ip_host *ip, unsigned iface, weir_time now)
{
    struct nd_message message = { .type = ICMP6_RS };
    const struct ip_address *source = iface_source(ip, iface, &all_routers, now);
    if (source != NULL && ip_is_link_local(&source->ip)) {
        message.has = ND_HAS_SLLA;
        set_mac(ip, iface, message.slla);
        send(ip, (struct way){ iface, &source->ip, &all_routers, NULL }, &message, now);
    } else {
        send(ip, (struct way){ iface, &any, &all_routers, NULL }, &message, now);
    }
}

/* An address of ours on this interface in whatever condition, or NULL. */
static struct ip_address *own(struct ip_host *ip, unsigned iface, const struct weir_ip *addr)
{
    for (unsigned i = 0; i < ip->address_top; i++) {
        struct ip_address *address = &ip->address[i];
        if (address->used && address->iface == iface && weir_ip_equal(&address->ip, addr))
            return address;
    }
    return NULL;
}

static enum weir_drop solicited(struct ip_host *ip, const struct ip_packet *packet,
                                const struct nd_message *ns, weir_time now)
{
    const bool probe = ip_is_any(&packet->src);
    /* RFC 4861, 7.1.1: a probe goes to the solicited-node group and names no station. */
    if (probe && ((ns->has & ND_HAS_SLLA) != 0 || !packet->group))
        return WEIR_DROP_ND_BAD;
    struct ip_address *ours = own(ip, packet->iface, &ns->target);
    if (ours == NULL || ours->duplicate)
        return WEIR_DROP_ND_NOT_OURS;
    if (ours->tentative) {
        /* RFC 4862, 5.4.3: another station asks for it as we do. Who only wants to reach it is not
         * for us yet. */
        if (!probe)
            return WEIR_DROP_ND_NOT_OURS;
        iface_address_duplicate(ip, ours, now);
        return WEIR_DROP_ND_DUPLICATE;
    }

    struct nd_message na = {
        .type = ICMP6_NA,
        .solicited = !probe,
        .override = true,
        .target = ns->target,
        .has = ND_HAS_TLLA,
    };
    set_mac(ip, packet->iface, na.tlla);
    if (probe) {
        send(ip, (struct way){ packet->iface, &ns->target, &all_nodes, NULL }, &na, now);
        return WEIR_DROP_NONE;
    }
    if ((ns->has & ND_HAS_SLLA) == 0 || eth_is_group(ns->slla)) {
        /* The link address is the neighbour table's to know; without one we would have to ask in
         * turn. */
        const uint32_t index = neigh_find(ip, packet->iface, &packet->src);
        const struct neigh *neigh = index != POOL_NONE ? pool_at(&ip->neigh.pool, index) : NULL;
        if (neigh == NULL || neigh->state == NEIGH_INCOMPLETE || neigh->state == NEIGH_FAILED)
            return WEIR_DROP_ND_BAD;
        send(ip, (struct way){ packet->iface, &ns->target, &packet->src, neigh->mac }, &na, now);
        return WEIR_DROP_NONE;
    }
    neigh_claimed(ip, packet->iface, &packet->src, ns->slla, now);
    send(ip, (struct way){ packet->iface, &ns->target, &packet->src, ns->slla }, &na, now);
    return WEIR_DROP_NONE;
}

static enum weir_drop advertised(struct ip_host *ip, const struct ip_packet *packet,
                                 const struct nd_message *na, weir_time now)
{
    if (na->solicited && packet->group)
        return WEIR_DROP_ND_BAD; /* RFC 4861, 7.1.2 */
    struct ip_address *ours = own(ip, packet->iface, &na->target);
    if (ours != NULL) {
        if (ours->tentative)
            iface_address_duplicate(ip, ours, now);
        return WEIR_DROP_ND_DUPLICATE;
    }
    if ((na->has & ND_HAS_TLLA) == 0 || eth_is_group(na->tlla)) {
        /* Good enough for a probe of an address we know: its own station answered. */
        const uint32_t index = neigh_find(ip, packet->iface, &na->target);
        const struct neigh *neigh = index != POOL_NONE ? pool_at(&ip->neigh.pool, index) : NULL;
        if (neigh == NULL || neigh->state != NEIGH_PROBE || !na->solicited)
            return WEIR_DROP_ND_UNSOLICITED;
        neigh_confirm(ip, index, now);
        return WEIR_DROP_NONE;
    }
    const enum neigh_answer kind =
        na->solicited ? NEIGH_ANSWER_SOLICITED : NEIGH_ANSWER_UNSOLICITED;
    return neigh_answered(ip, packet->iface, &na->target, na->tlla, kind, now)
               ? WEIR_DROP_NONE
               : WEIR_DROP_ND_UNSOLICITED;
}

static enum weir_drop router_advertised(struct ip_host *ip, const struct ip_packet *packet,
                                        const struct nd_message *ra, weir_time now)
{
    if (!ip_is_link_local(&packet->src))
        return WEIR_DROP_ND_BAD; /* RFC 4861, 6.1.2 */
    if (!ip->iface[packet->iface].slaac)
        return WEIR_DROP_RA_IGNORED;
    slaac_advertised(ip, packet, ra, now);
    return WEIR_DROP_NONE;
}

static enum weir_drop redirected(struct ip_host *ip, const struct ip_packet *packet,
                                 const struct icmp6_head *icmp, weir_time now)
{
    struct rd r = rd_begin(icmp->body, icmp->len);
    const struct weir_ip target = rd_ip6(&r);
    const struct weir_ip dst = rd_ip6(&r);
    if (r.ran_out || icmp->code != 0 || !ip_is_link_local(&packet->src) || weir_ip_is_v4(&target) ||
        weir_ip_is_v4(&dst))
        return WEIR_DROP_ND_BAD;
    return route_redirect(ip, packet, &dst, &target, now) ? WEIR_DROP_NONE
                                                          : WEIR_DROP_REDIRECT_IGNORED;
}

enum weir_drop nd_arrives(struct ip_host *ip, const struct ip_packet *packet,
                          const struct icmp6_head *icmp, weir_time now)
{
    if (packet->ttl != ND_HOP_LIMIT || packet->reassembled || packet->loopback ||
        ip->iface[packet->iface].medium != WEIR_ETHERNET)
        return WEIR_DROP_ND_BAD;
    if (icmp->type == ICMP6_REDIRECT)
        return redirected(ip, packet, icmp, now);

    struct nd_message message;
    if (wire_nd_parse(icmp, &message) != WIRE_OK)
        return WEIR_DROP_ND_BAD;
    switch (message.type) {
    case ICMP6_NS:
        return solicited(ip, packet, &message, now);
    case ICMP6_NA:
        return advertised(ip, packet, &message, now);
    case ICMP6_RA:
        return router_advertised(ip, packet, &message, now);
    default:
        return WEIR_DROP_ND_NOT_OURS; /* a router solicitation: we are none */
    }
}
