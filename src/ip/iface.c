/* SPDX-License-Identifier: MIT */
#include "ip/host.h"

#include <string.h>

/* Interfaces and the life of an address: asked about (RFC 4862, 5.4), announced and defended (RFC
 * 5227), removed.
 *
 * DEVIATION: RFC 5227, 2.1 probes for an IPv4 address before it is used, for six seconds. Ours are
 * configured, not drawn, so they are used at once, announced, and defended, as Linux does. */

static struct weir_ip link_local_from_mac(const uint8_t mac[ETH_ADDR])
{
    /* RFC 4291, appendix A: modified EUI-64. */
    return (struct weir_ip){ { 0xfe,
                               0x80, [8] = mac[0] ^ 2, [9] = mac[1], [10] = mac[2], [11] = 0xff,
                               [12] = 0xfe, [13] = mac[3], [14] = mac[4], [15] = mac[5] } };
}

static bool makes_sense(const struct weir_iface_config *config)
{
    if (config->mtu < IP_MTU_MIN)
        return false;
    if (config->medium == WEIR_IP_ONLY)
        return true;
    static const uint8_t none[ETH_ADDR];
    return config->medium == WEIR_ETHERNET && !eth_is_group(config->mac) &&
           memcmp(config->mac, none, ETH_ADDR) != 0;
}

enum weir_error ip_iface_add(struct ip_host *ip, const struct weir_iface_config *config,
                             unsigned *iface, weir_time now)
{
    if (!makes_sense(config))
        return WEIR_INVALID;
    if (ip->iface_count == ip->iface_max)
        return WEIR_NO_MEMORY;

    const unsigned number = ip->iface_count++;
    struct ip_iface *to = &ip->iface[number];
    *to = (struct ip_iface){
        .medium = (uint8_t)config->medium,
        .hop_limit = IP_TTL,
        .mtu = config->mtu,
        .mtu6 = config->mtu >= IP6_MTU_MIN ? config->mtu : 0,
        .csum_offload = config->csum_offload,
        .tso = config->tso,
        .no_dad = config->no_dad || config->medium == WEIR_IP_ONLY,
        .slaac = config->slaac && config->mtu >= IP6_MTU_MIN && config->medium == WEIR_ETHERNET,
        .reachable = NEIGH_REACHABLE_TIME,
        .out = ip->out_queue[number],
    };
    memcpy(to->mac, config->mac, ETH_ADDR);
    *iface = number;
    ip->version++;

    /* Without one, no router would answer: what is learnt from it is for the link-local address to
     * use. */
    if ((config->link_local || to->slaac) && to->mtu6 > 0 && to->medium == WEIR_ETHERNET) {
        const struct weir_ip addr = link_local_from_mac(to->mac);
        const enum weir_error error = iface_address_add(ip, number, &addr, 64, NULL, now);
        if (error != WEIR_OK) {
            ip->iface_count--;
            return error;
        }
    }
    if (to->slaac) {
        to->rs_left = IP_RS_COUNT;
        const weir_time delay = (weir_time)prng_below(&ip->jitter, (uint32_t)WEIR_SECOND);
        ip_timer_set(ip, IP_TIMER_IFACE + number, now + IP_DAD_TIME + delay);
    }
    return WEIR_OK;
}

unsigned ip_iface_count(const struct ip_host *ip)
{
    return ip->iface_count;
}

void iface_timeout(struct ip_host *ip, unsigned iface, weir_time now)
{
    struct ip_iface *to = &ip->iface[iface];
    if (to->rs_left == 0)
        return;
    to->rs_left--;
    nd_router_ask(ip, iface, now);
    if (to->rs_left > 0)
        ip_timer_set(ip, IP_TIMER_IFACE + iface, now + IP_RS_INTERVAL);
}

/* ---- addresses ---- */

static bool address_makes_sense(const struct ip_iface *iface, const struct weir_ip *addr,
                                unsigned prefix_len)
{
    const bool v4 = weir_ip_is_v4(addr);
    if (prefix_len > (v4 ? 32u : 128u) || (!v4 && iface->mtu6 == 0))
        return false;
    const struct weir_ip broadcast = weir_ip_v4(255, 255, 255, 255);
    return !ip_is_any(addr) && !ip_is_loopback(addr) && !ip_is_multicast(addr) &&
           !weir_ip_equal(addr, &broadcast);
}

static struct ip_address *address_slot(struct ip_host *ip, unsigned iface,
                                       const struct weir_ip *addr, bool *taken)
{
    struct ip_address *slot = NULL;
    *taken = false;
    for (unsigned i = 0; i < ip->address_top; i++) {
        struct ip_address *address = &ip->address[i];
        if (!address->used) {
            slot = slot == NULL ? address : slot;
            continue;
        }
        if (weir_ip_equal(&address->ip, addr) &&
            (address->iface == iface || !ip_is_link_local(addr)))
            *taken = true;
    }
    if (slot == NULL && ip->address_top < ip->address_max)
        slot = &ip->address[ip->address_top];
    return slot;
}

static bool route_to_prefix(struct ip_host *ip, unsigned iface, const struct weir_ip *addr,
                            unsigned prefix_len)
{
    const struct ip_route route = {
        .prefix = *addr,
        .bits = (uint8_t)ip_prefix_bits(addr, prefix_len),
        .iface = (uint8_t)iface,
        .kind = IP_ROUTE_ADDRESS,
        .v4 = weir_ip_is_v4(addr),
        .expires = WEIR_NEVER,
    };
    return route_put(ip, &route) != NULL;
}

/* Starts what an address must go through before it is used, or after. */
static void address_begin(struct ip_host *ip, struct ip_address *address, weir_time now)
{
    const struct ip_iface *iface = &ip->iface[address->iface];
    address->step_at = WEIR_NEVER;
    if (iface->no_dad)
        return;
    if (weir_ip_is_v4(&address->ip)) {
        address->announce_left = IP_ANNOUNCE_COUNT - 1;
        address->step_at = now + IP_ANNOUNCE_TIME;
        arp_announce(ip, address->iface, &address->ip, now);
        return;
    }
    address->tentative = true;
    address->step_at = now + IP_DAD_TIME;
    nd_probe(ip, address->iface, &address->ip, now);
}

/* The group in which others ask for the address (RFC 4291, 2.8): switches that watch who is a
 * member of what pass the questions on only to those who say so. A full table costs no more than
 * that. */
static void solicited_join(struct ip_host *ip, struct ip_address *address, weir_time now)
{
    if (weir_ip_is_v4(&address->ip) || ip->iface[address->iface].medium != WEIR_ETHERNET)
        return;
    const struct weir_ip group = iface_solicited_node(&address->ip);
    address->in_group = group_join(ip, address->iface, &group, now);
}

static void solicited_leave(struct ip_host *ip, struct ip_address *address, weir_time now)
{
    if (!address->in_group)
        return;
    const struct weir_ip group = iface_solicited_node(&address->ip);
    address->in_group = false;
    group_leave(ip, address->iface, &group, now);
}

enum weir_error iface_address_add(struct ip_host *ip, unsigned iface, const struct weir_ip *addr,
                                  unsigned prefix_len, struct ip_address **address, weir_time now)
{
    if (iface >= ip->iface_count || !address_makes_sense(&ip->iface[iface], addr, prefix_len))
        return WEIR_INVALID;
    bool taken;
    struct ip_address *to = address_slot(ip, iface, addr, &taken);
    if (taken)
        return WEIR_IN_USE;
    if (to == NULL)
        return WEIR_NO_MEMORY;
    /* Routers say by themselves which of their prefixes are on the link (RFC 4862, 5.5.3). */
    if (address == NULL && !route_to_prefix(ip, iface, addr, prefix_len))
        return WEIR_NO_MEMORY;

    *to = (struct ip_address){
        .ip = *addr,
        .iface = (uint8_t)iface,
        .prefix_len = (uint8_t)prefix_len,
        .used = true,
        .defended_at = now - IP_DEFEND_INTERVAL,
        .preferred_until = WEIR_NEVER,
        .valid_until = WEIR_NEVER,
    };
    to->has_broadcast = ip_broadcast_of(addr, prefix_len, &to->broadcast);
    if (to == &ip->address[ip->address_top])
        ip->address_top++;
    ip_address_places(ip);
    if (address != NULL)
        *address = to;
    ip->version++;
    solicited_join(ip, to, now);
    address_begin(ip, to, now);
    iface_address_timer(ip, to);
    return WEIR_OK;
}

enum weir_error ip_address_add(struct ip_host *ip, unsigned iface, const struct weir_ip *addr,
                               unsigned prefix_len, weir_time now)
{
    return iface_address_add(ip, iface, addr, prefix_len, NULL, now);
}

void iface_address_timer(struct ip_host *ip, struct ip_address *address)
{
    weir_time when = address->step_at;
    if (address->valid_until < when)
        when = address->valid_until;
    ip_timer_set(ip, IP_TIMER_ADDRESS + (uint32_t)(address - ip->address), when);
}

/* The route to its prefix goes with it, unless another address has the same. */
static void drop_route(struct ip_host *ip, const struct ip_address *address)
{
    const unsigned bits = ip_prefix_bits(&address->ip, address->prefix_len);
    for (unsigned i = 0; i < ip->address_top; i++) {
        const struct ip_address *other = &ip->address[i];
        if (other != address && other->used && other->iface == address->iface &&
            other->prefix_len == address->prefix_len &&
            ip_equal_bits(&other->ip, &address->ip) >= bits)
            return;
    }
    for (unsigned i = 0; i < ip->route_count; i++) {
        const struct ip_route *route = &ip->route[i];
        if (route->kind == IP_ROUTE_ADDRESS && route->iface == address->iface &&
            route->bits == bits && ip_equal_bits(&route->prefix, &address->ip) >= bits) {
            route_remove(ip, i);
            return;
        }
    }
}

void iface_address_drop(struct ip_host *ip, struct ip_address *address, weir_time now)
{
    solicited_leave(ip, address, now);
    if (!address->from_router)
        drop_route(ip, address);
    address->used = false;
    ip_address_places(ip);
    ip_timer_set(ip, IP_TIMER_ADDRESS + (uint32_t)(address - ip->address), WEIR_NEVER);
    ip->version++;
}

enum weir_error ip_address_remove(struct ip_host *ip, unsigned iface, const struct weir_ip *addr,
                                  weir_time now)
{
    for (unsigned i = 0; i < ip->address_top; i++) {
        struct ip_address *address = &ip->address[i];
        if (address->used && address->iface == iface && weir_ip_equal(&address->ip, addr)) {
            iface_address_drop(ip, address, now);
            return WEIR_OK;
        }
    }
    return WEIR_NOT_LOCAL;
}

bool ip_address_info(const struct ip_host *ip, unsigned i, struct weir_address_info *info)
{
    for (unsigned at = 0; at < ip->address_top; at++) {
        const struct ip_address *address = &ip->address[at];
        if (!address->used || i-- > 0)
            continue;
        *info = (struct weir_address_info){
            .ip = address->ip,
            .iface = address->iface,
            .prefix_len = address->prefix_len,
            .tentative = address->tentative,
            .duplicate = address->duplicate,
            .from_router = address->from_router,
        };
        return true;
    }
    return false;
}

void iface_address_timeout(struct ip_host *ip, uint32_t index, weir_time now)
{
    struct ip_address *address = &ip->address[index];
    if (!address->used)
        return;
    if (address->valid_until <= now) {
        iface_address_drop(ip, address, now);
        return;
    }
    if (address->step_at <= now) {
        address->step_at = WEIR_NEVER;
        if (address->tentative) {
            address->tentative = false;
            ip->version++;
        } else if (address->announce_left > 0) {
            address->announce_left--;
            arp_announce(ip, address->iface, &address->ip, now);
            if (address->announce_left > 0)
                address->step_at = now + IP_ANNOUNCE_TIME;
        }
    }
    iface_address_timer(ip, address);
}

void iface_address_duplicate(struct ip_host *ip, struct ip_address *address, weir_time now)
{
    address->tentative = false;
    address->duplicate = true;
    address->step_at = WEIR_NEVER;
    iface_address_timer(ip, address);
    ip->version++;
    if (!address->from_router || ++address->dad_tries >= IP_DAD_TRIES)
        return;

    /* RFC 7217, 6: another interface identifier for the same prefix. */
    address->duplicate = false;
    solicited_leave(ip, address, now);
    address->ip = slaac_address(ip, address->iface, &address->ip, address->dad_tries);
    ip_address_places(ip);
    solicited_join(ip, address, now);
    address_begin(ip, address, now);
    iface_address_timer(ip, address);
}

void iface_address_defend(struct ip_host *ip, struct ip_address *address, weir_time now)
{
    if (now - address->defended_at < IP_DEFEND_INTERVAL)
        return;
    address->defended_at = now;
    arp_announce(ip, address->iface, &address->ip, now);
}
