/* SPDX-License-Identifier: MIT */
#include "ip/host.h"

/* The way to a destination: interface, next hop, source, MTU. What a connection keeps of it. */

void ip_take_foreign(struct ip_host *ip)
{
    ip->take_foreign = true;
}

static const struct weir_ip loopback6 = { { [15] = 1 } };

/* Whether a source that was given may stand in a packet: one of IPv4 must be ours now, of one of
 * IPv6 the caller knows that it was (as on Linux, where a socket goes on sending from an address
 * that was taken away). */
static bool may_be_source(const struct ip_host *ip, const struct weir_ip *src)
{
    return !weir_ip_is_v4(src) || ip_is_local(ip, src);
}

/* To ourselves: through no interface. The source is the destination's own kind. */
static enum weir_error to_ourselves(struct ip_host *ip, struct weir_ip *src,
                                    const struct weir_ip *dst, struct ip_path *path)
{
    path->mtu = ip->loop_mtu;
    path->loopback = 1;
    if (!ip_is_any(src))
        return may_be_source(ip, src) ? WEIR_OK : WEIR_NET_UNREACH;
    *src = *dst;
    if (ip_is_loopback(dst))
        *src = weir_ip_is_v4(dst) ? weir_ip_v4(127, 0, 0, 1) : loopback6;
    return WEIR_OK;
}

/* The interface of a link-local address or group that no route leads to: the one named, or the
 * first that has the family. */
static bool iface_for(const struct ip_host *ip, const struct weir_ip *dst, unsigned scope_iface,
                      weir_time now, unsigned *iface)
{
    if (scope_iface != 0) {
        *iface = scope_iface - 1;
        return true;
    }
    for (unsigned i = 0; i < ip->iface_count; i++) {
        const struct ip_address *source = iface_source(ip, i, dst, now);
        if (source != NULL && source->iface == i) {
            *iface = i;
            return true;
        }
    }
    return false;
}

static enum weir_error find_hop(struct ip_host *ip, const struct weir_ip *dst, unsigned scope_iface,
                                struct ip_path *path, struct weir_ip *hop, weir_time now)
{
    const struct weir_ip all = weir_ip_v4(255, 255, 255, 255);
    unsigned iface = 0;
    *hop = *dst;
    const bool here = ip_is_link_local(dst) || ip_is_multicast(dst) || weir_ip_equal(dst, &all);
    if (here) {
        if (!iface_for(ip, dst, scope_iface, now, &iface))
            return WEIR_NET_UNREACH;
    } else {
        const struct ip_route *route = route_find(ip, dst, scope_iface);
        if (route == NULL)
            return WEIR_NET_UNREACH;
        iface = route->iface;
        if (route->has_gateway)
            *hop = route->gateway;
    }
    if (!weir_ip_is_v4(dst) && ip->iface[iface].mtu6 == 0)
        return WEIR_NET_UNREACH;
    path->iface = (uint8_t)iface;
    path->mtu = ip_pmtu(ip, dst, iface);
    return WEIR_OK;
}

enum weir_error ip_path_find(struct ip_host *ip, struct weir_ip *src, const struct weir_ip *dst,
                             unsigned scope_iface, struct ip_path *path, weir_time now)
{
    *path = (struct ip_path){ .version = ip->version, .neigh = POOL_NONE };
    if (scope_iface > ip->iface_count || ip_is_any(dst))
        return WEIR_NET_UNREACH;
    if (!ip_is_any(src) && weir_ip_is_v4(src) != weir_ip_is_v4(dst))
        return WEIR_NOT_LOCAL;
    if (ip_is_local(ip, dst))
        return to_ourselves(ip, src, dst, path);

    struct weir_ip hop;
    const enum weir_error error = find_hop(ip, dst, scope_iface, path, &hop, now);
    if (error != WEIR_OK)
        return error;
    if (!ip_is_any(src)) {
        if (ip_is_loopback(src))
            return WEIR_NOT_LOCAL;
        if (!may_be_source(ip, src) && !ip->take_foreign)
            return WEIR_NET_UNREACH;
    } else {
        const struct ip_address *source = iface_source(ip, path->iface, dst, now);
        if (source == NULL)
            return WEIR_NET_UNREACH;
        *src = source->ip;
    }
    if (ip->iface[path->iface].medium == WEIR_ETHERNET && !ip_is_group(ip, dst)) {
        path->neigh = neigh_find(ip, path->iface, &hop);
        if (path->neigh != POOL_NONE)
            neigh_named(ip, path->neigh);
    }
    return WEIR_OK;
}

bool ip_path_valid(const struct ip_host *ip, const struct ip_path *path)
{
    return path->version == ip->version;
}

enum ip_ready ip_path_ready(struct ip_host *ip, struct ip_path *path, const struct weir_ip *dst,
                            uint32_t waiter, weir_time now)
{
    if (path->loopback || ip->iface[path->iface].medium == WEIR_IP_ONLY)
        return IP_READY;
    if (path->neigh == POOL_NONE || !ip_path_valid(ip, path)) {
        if (ip_is_group(ip, dst))
            return IP_READY;
        const struct ip_route *route = route_find(ip, dst, path->iface + 1u);
        const bool indirect = route != NULL && route->has_gateway && !ip_is_link_local(dst);
        path->neigh = neigh_want(ip, path->iface, indirect ? &route->gateway : dst, now);
        if (path->neigh == POOL_NONE)
            return IP_UNREACHABLE;
        neigh_named(ip, path->neigh);
    }
    const enum ip_ready ready = neigh_use(ip, path->neigh, now);
    if (ready == IP_RESOLVING && waiter != POOL_NONE)
        neigh_wait(ip, path->neigh, waiter);
    return ready;
}

void ip_path_confirm(struct ip_host *ip, const struct ip_path *path, weir_time now)
{
    if (path->neigh != POOL_NONE && ip_path_valid(ip, path))
        neigh_confirm(ip, path->neigh, now);
}

bool ip_path_csum_offload(const struct ip_host *ip, const struct ip_path *path)
{
    return path->loopback || ip->iface[path->iface].csum_offload;
}

bool ip_path_tso(const struct ip_host *ip, const struct ip_path *path)
{
    return !path->loopback && ip->iface[path->iface].tso;
}
