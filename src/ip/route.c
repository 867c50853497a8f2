/* SPDX-License-Identifier: MIT */
#include "ip/host.h"

#include <string.h>

/* Routes: a short array, searched from the front. The longest prefix wins, then the lowest metric,
 * then the first added. Connections keep what was found (struct ip_path), so this is not on the way
 * of every packet. */

static bool leads_to(const struct ip_route *route, const struct weir_ip *dst, bool v4)
{
    return route->v4 == v4 && ip_equal_bits(&route->prefix, dst) >= route->bits;
}

const struct ip_route *route_find(const struct ip_host *ip, const struct weir_ip *dst,
                                  unsigned scope_iface)
{
    const bool v4 = weir_ip_is_v4(dst);
    const struct ip_route *best = NULL;
    for (unsigned i = 0; i < ip->route_count; i++) {
        const struct ip_route *route = &ip->route[i];
        if (scope_iface != 0 && route->iface != scope_iface - 1)
            continue;
        if (!leads_to(route, dst, v4))
            continue;
        if (best == NULL || route->bits > best->bits ||
            (route->bits == best->bits && route->metric < best->metric))
            best = route;
    }
    return best;
}

static bool is_same(const struct ip_route *a, const struct ip_route *b)
{
    return a->v4 == b->v4 && a->bits == b->bits && a->iface == b->iface && a->kind == b->kind &&
           a->has_gateway == b->has_gateway && ip_equal_bits(&a->prefix, &b->prefix) >= a->bits &&
           weir_ip_equal(&a->gateway, &b->gateway);
}

struct ip_route *route_put(struct ip_host *ip, const struct ip_route *route)
{
    for (unsigned i = 0; i < ip->route_count; i++) {
        struct ip_route *at = &ip->route[i];
        if (!is_same(at, route))
            continue;
        if (at->metric != route->metric)
            ip->version++;
        at->metric = route->metric;
        at->expires = route->expires;
        route_timer(ip);
        return at;
    }
    if (ip->route_count == ip->route_max)
        return NULL;
    struct ip_route *to = &ip->route[ip->route_count++];
    *to = *route;
    ip->version++;
    route_timer(ip);
    return to;
}

void route_remove(struct ip_host *ip, unsigned index)
{
    WEIR_ASSERT(index < ip->route_count);
    ip->route_count--;
    memmove(&ip->route[index], &ip->route[index + 1],
            (ip->route_count - index) * sizeof ip->route[0]);
    ip->version++;
    route_timer(ip);
}

unsigned route_count_kind(const struct ip_host *ip, enum ip_route_kind kind)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ip->route_count; i++)
        if (ip->route[i].kind == kind)
            count++;
    return count;
}

void route_timer(struct ip_host *ip)
{
    weir_time first = WEIR_NEVER;
    for (unsigned i = 0; i < ip->route_count; i++)
        if (ip->route[i].expires < first)
            first = ip->route[i].expires;
    ip_timer_set(ip, IP_TIMER_ROUTE, first);
}

void route_timeout(struct ip_host *ip, weir_time now)
{
    for (unsigned i = ip->route_count; i-- > 0;)
        if (ip->route[i].expires <= now)
            route_remove(ip, i);
    route_timer(ip);
}

static enum weir_error make_static(const struct ip_host *ip, struct ip_route *made,
                                   const struct weir_ip *prefix, unsigned prefix_len,
                                   const struct weir_ip *gateway, unsigned iface)
{
    if (iface >= ip->iface_count)
        return WEIR_INVALID;
    struct ip_route route = {
        .prefix = *prefix,
        .iface = (uint8_t)iface,
        .kind = IP_ROUTE_STATIC,
        .v4 = weir_ip_is_v4(prefix),
        .has_gateway = gateway != NULL,
        .expires = WEIR_NEVER,
    };
    /* All zero is "any" of either family; the gateway says of which. */
    if (!route.v4 && prefix_len == 0 && gateway != NULL && weir_ip_is_v4(gateway)) {
        route.prefix = weir_ip_v4(0, 0, 0, 0);
        route.v4 = true;
    }
    if (prefix_len > (route.v4 ? 32u : 128u))
        return WEIR_INVALID;
    if (!route.v4 && ip->iface[iface].mtu6 == 0)
        return WEIR_INVALID;
    if (gateway != NULL) {
        if (weir_ip_is_v4(gateway) != route.v4 || ip_is_any(gateway) || ip_is_multicast(gateway))
            return WEIR_INVALID;
        route.gateway = *gateway;
    }
    route.bits = (uint8_t)ip_prefix_bits(&route.prefix, prefix_len);
    *made = route;
    return WEIR_OK;
}

enum weir_error ip_route_add(struct ip_host *ip, const struct weir_ip *prefix, unsigned prefix_len,
                             const struct weir_ip *gateway, unsigned iface, unsigned metric)
{
    struct ip_route route;
    const enum weir_error error = make_static(ip, &route, prefix, prefix_len, gateway, iface);
    if (error != WEIR_OK)
        return error;
    route.metric = metric;
    return route_put(ip, &route) != NULL ? WEIR_OK : WEIR_NO_MEMORY;
}

void ip_route_remove(struct ip_host *ip, const struct weir_ip *prefix, unsigned prefix_len,
                     const struct weir_ip *gateway, unsigned iface)
{
    struct ip_route route;
    if (make_static(ip, &route, prefix, prefix_len, gateway, iface) != WEIR_OK)
        return;
    for (unsigned i = 0; i < ip->route_count; i++)
        if (is_same(&ip->route[i], &route)) {
            route_remove(ip, i);
            return;
        }
}

bool route_redirect(struct ip_host *ip, const struct ip_packet *from, const struct weir_ip *dst,
                    const struct weir_ip *gateway, weir_time now)
{
    if (!ip->accept_redirects || ip_is_group(ip, dst) || ip_is_local(ip, dst) || ip_is_any(dst))
        return false;
    /* RFC 1122, 3.2.2.2; RFC 4861, 8.1: only from the gateway in use, on its own link. */
    const struct ip_route *now_used = route_find(ip, dst, 0);
    if (now_used == NULL || !now_used->has_gateway || now_used->iface != from->iface ||
        !weir_ip_equal(&now_used->gateway, &from->src))
        return false;

    const bool on_link = weir_ip_equal(gateway, dst);
    const struct ip_route *to_gateway = route_find(ip, gateway, from->iface + 1);
    if (!on_link && (ip_is_group(ip, gateway) || ip_is_local(ip, gateway) || to_gateway == NULL ||
                     to_gateway->has_gateway))
        return false;
    const struct ip_route route = {
        .prefix = *dst,
        .gateway = *gateway,
        .bits = 128,
        .iface = (uint8_t)from->iface,
        .kind = IP_ROUTE_REDIRECT,
        .v4 = weir_ip_is_v4(dst),
        .has_gateway = !on_link,
        .expires = now + IP_REDIRECT_TIME,
    };
    return route_put(ip, &route) != NULL;
}
