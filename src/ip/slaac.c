/* SPDX-License-Identifier: MIT */
#include "ip/host.h"

#include "wire/icmp6.h"

#include <string.h>

/* What a router advertisement gives us: a default router, prefixes on the link, addresses (RFC
 * 4861, 6.3.4; RFC 4862, 5.5.3). Everything is bounded, and a value that would harm us is not taken
 * (attack N-4). */

#define PREFIX_BITS      64 /* the only length that leaves room for an identifier */
#define TWO_HOURS        (7200 * WEIR_SECOND)
#define REACHABLE_MS_MAX 3600000u /* RFC 4861, 6.2.1 */
#define ROUTER_METRIC    1024     /* what is configured comes first */

static weir_time until(weir_time now, uint32_t seconds)
{
    return seconds == UINT32_MAX ? WEIR_NEVER : now + (weir_time)seconds * WEIR_SECOND;
}

struct weir_ip slaac_address(const struct ip_host *ip, unsigned iface, const struct weir_ip *prefix,
                             unsigned tries)
{
    /* RFC 7217: stable on one link, and without relation to the address on another. */
    uint8_t text[8 + ETH_ADDR + 1];
    memcpy(text, prefix->octet, 8);
    memcpy(text + 8, ip->iface[iface].mac, ETH_ADDR);
    text[8 + ETH_ADDR] = (uint8_t)tries;
    const uint64_t id = siphash24(&ip->iid_key, text, sizeof text);
    struct weir_ip addr = *prefix;
    for (unsigned i = 0; i < 8; i++)
        addr.octet[8 + i] = (uint8_t)(id >> 8 * i);
    return addr;
}

static void take_router(struct ip_host *ip, const struct ip_packet *packet,
                        const struct nd_message *ra, weir_time now)
{
    const struct ip_route route = {
        .gateway = packet->src,
        .iface = (uint8_t)packet->iface,
        .kind = IP_ROUTE_ROUTER,
        .has_gateway = true,
        .metric = ROUTER_METRIC,
        .expires = until(now, ra->lifetime_s),
    };
    for (unsigned i = 0; i < ip->route_count; i++) {
        const struct ip_route *at = &ip->route[i];
        if (at->kind != IP_ROUTE_ROUTER || at->iface != packet->iface ||
            !weir_ip_equal(&at->gateway, &packet->src))
            continue;
        if (ra->lifetime_s == 0)
            route_remove(ip, i);
        else
            (void)route_put(ip, &route);
        return;
    }
    if (ra->lifetime_s > 0 && route_count_kind(ip, IP_ROUTE_ROUTER) < IP_ROUTER_MAX)
        (void)route_put(ip, &route);
}

static void take_on_link(struct ip_host *ip, unsigned iface, const struct nd_prefix *prefix,
                         weir_time now)
{
    const struct ip_route route = {
        .prefix = prefix->prefix,
        .bits = prefix->len,
        .iface = (uint8_t)iface,
        .kind = IP_ROUTE_PREFIX,
        .metric = ROUTER_METRIC,
        .expires = until(now, prefix->valid_s),
    };
    for (unsigned i = 0; i < ip->route_count; i++) {
        const struct ip_route *at = &ip->route[i];
        if (at->kind != IP_ROUTE_PREFIX || at->iface != iface || at->bits != prefix->len ||
            ip_equal_bits(&at->prefix, &prefix->prefix) < prefix->len)
            continue;
        if (prefix->valid_s == 0)
            route_remove(ip, i);
        else
            (void)route_put(ip, &route);
        return;
    }
    if (prefix->valid_s > 0 && route_count_kind(ip, IP_ROUTE_PREFIX) < IP_PREFIX_MAX)
        (void)route_put(ip, &route);
}

/* RFC 4862, 5.5.3 e: one advertisement cannot take an address away at once. It may bring the end
 * nearer only down to two hours, or a forger could cut us off. */
static void renew(struct ip_host *ip, struct ip_address *address, const struct nd_prefix *prefix,
                  weir_time now)
{
    const weir_time valid = until(now, prefix->valid_s);
    address->preferred_until = until(now, prefix->preferred_s);
    if (valid > now + TWO_HOURS || valid > address->valid_until)
        address->valid_until = valid;
    else if (address->valid_until > now + TWO_HOURS)
        address->valid_until = now + TWO_HOURS;
    iface_address_timer(ip, address);
}

static void take_address(struct ip_host *ip, unsigned iface, const struct nd_prefix *prefix,
                         weir_time now)
{
    unsigned count = 0;
    bool found = false;
    for (unsigned i = 0; i < ip->address_top; i++) {
        struct ip_address *address = &ip->address[i];
        if (!address->used || !address->from_router)
            continue;
        count++;
        if (address->iface != iface || ip_equal_bits(&address->ip, &prefix->prefix) < PREFIX_BITS)
            continue;
        found = true;
        renew(ip, address, prefix, now);
    }
    if (found || count >= IP_PREFIX_MAX || prefix->valid_s == 0)
        return;

    const struct weir_ip addr = slaac_address(ip, iface, &prefix->prefix, 0);
    struct ip_address *address;
    if (iface_address_add(ip, iface, &addr, PREFIX_BITS, &address, now) != WEIR_OK)
        return;
    address->from_router = true;
    address->preferred_until = until(now, prefix->preferred_s);
    address->valid_until = until(now, prefix->valid_s);
    iface_address_timer(ip, address);
}

static void take_prefix(struct ip_host *ip, unsigned iface, const struct nd_prefix *prefix,
                        weir_time now)
{
    if (ip_is_link_local(&prefix->prefix) || ip_is_multicast(&prefix->prefix) ||
        weir_ip_is_v4(&prefix->prefix) || prefix->preferred_s > prefix->valid_s)
        return;
    /* A prefix of nothing would put the whole world on this link. */
    if (prefix->on_link && prefix->len > 0)
        take_on_link(ip, iface, prefix, now);
    if (prefix->autonomous && prefix->len == PREFIX_BITS && !ip_is_any(&prefix->prefix))
        take_address(ip, iface, prefix, now);
}

void slaac_advertised(struct ip_host *ip, const struct ip_packet *packet,
                      const struct nd_message *ra, weir_time now)
{
    struct ip_iface *iface = &ip->iface[packet->iface];
    iface->rs_left = 0;
    ip_timer_set(ip, IP_TIMER_IFACE + packet->iface, WEIR_NEVER);
    if (ra->hop_limit != 0)
        iface->hop_limit = ra->hop_limit;
    if (ra->reachable_ms != 0 && ra->reachable_ms <= REACHABLE_MS_MAX)
        iface->reachable = (weir_time)ra->reachable_ms * WEIR_MS;
    if ((ra->has & ND_HAS_MTU) != 0 && ra->mtu >= IP6_MTU_MIN && ra->mtu <= iface->mtu &&
        ra->mtu != iface->mtu6) {
        iface->mtu6 = (uint16_t)ra->mtu;
        ip->version++;
    }
    if ((ra->has & ND_HAS_SLLA) != 0 && !eth_is_group(ra->slla))
        neigh_claimed(ip, packet->iface, &packet->src, ra->slla, now);
    take_router(ip, packet, ra, now);
    for (unsigned i = 0; i < ra->prefix_count && i < ND_PREFIX_MAX; i++)
        take_prefix(ip, packet->iface, &ra->prefix[i], now);
}
