/* SPDX-License-Identifier: MIT */
#include "ip/host.h"

#include "wire/cursor.h"

#include <string.h>

/* What kind of address it is, which are ours, and which of ours to send from. */

#define V4_BITS 96 /* of the mapped form, before the IPv4 address begins */

unsigned ip_prefix_bits(const struct weir_ip *ip, unsigned prefix_len)
{
    return weir_ip_is_v4(ip) ? V4_BITS + prefix_len : prefix_len;
}

unsigned ip_equal_bits(const struct weir_ip *a, const struct weir_ip *b)
{
    for (unsigned i = 0; i < sizeof a->octet; i += 4) {
        const uint32_t differ = get_u32(a->octet + i) ^ get_u32(b->octet + i);
        if (differ != 0)
            return 8 * i + (unsigned)__builtin_clz(differ);
    }
    return 8 * sizeof a->octet;
}

bool ip_is_any(const struct weir_ip *ip)
{
    static const struct weir_ip any;
    static const struct weir_ip any4 = { { [10] = 0xff, [11] = 0xff } };
    return weir_ip_equal(ip, &any) || weir_ip_equal(ip, &any4);
}

bool ip_is_loopback(const struct weir_ip *ip)
{
    static const struct weir_ip loopback = { { [15] = 1 } };
    if (weir_ip_is_v4(ip))
        return ip->octet[12] == 127;
    return memcmp(ip, &loopback, sizeof loopback) == 0;
}

bool ip_is_multicast(const struct weir_ip *ip)
{
    return weir_ip_is_v4(ip) ? (ip->octet[12] & 0xf0) == 0xe0 : ip->octet[0] == 0xff;
}

bool ip_is_link_local(const struct weir_ip *ip)
{
    return ip->octet[0] == 0xfe && (ip->octet[1] & 0xc0) == 0x80;
}

bool ip_address_usable(const struct ip_address *address)
{
    return address->used && !address->tentative && !address->duplicate;
}

/* ---- ours ----
 *
 * Every packet asks for its two addresses. The table says where to begin: for one of ours at it,
 * for another hardly ever anywhere. A peer that chooses its address well has us look at all of
 * them. */

static unsigned place_of(const struct weir_ip *addr)
{
    uint64_t word[2]; /* of this machine's order: what is found does not depend on it */
    memcpy(word, addr->octet, sizeof word);
    return (unsigned)((word[0] ^ word[1]) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

static void place(struct ip_host *ip, const struct weir_ip *addr, unsigned i)
{
    uint16_t *first = &ip->address_first[place_of(addr)];
    if (i < *first)
        *first = (uint16_t)i;
}

void ip_address_places(struct ip_host *ip)
{
    for (unsigned i = 0; i < IP_ADDRESS_PLACES; i++)
        ip->address_first[i] = UINT16_MAX;
    for (unsigned i = 0; i < ip->address_top; i++) {
        const struct ip_address *address = &ip->address[i];
        if (!address->used)
            continue;
        place(ip, &address->ip, i);
        if (address->has_broadcast)
            place(ip, &address->broadcast, i);
    }
}

struct ip_address *ip_address_find(const struct ip_host *ip, unsigned iface,
                                   const struct weir_ip *addr)
{
    for (unsigned i = ip->address_first[place_of(addr)]; i < ip->address_top; i++) {
        struct ip_address *address = &ip->address[i];
        if (!ip_address_usable(address) || memcmp(&address->ip, addr, sizeof *addr) != 0)
            continue;
        if (iface == address->iface || !ip_is_link_local(addr))
            return address;
    }
    return NULL;
}

bool ip_is_own(const struct ip_host *ip, const struct weir_ip *addr)
{
    for (unsigned i = ip->address_first[place_of(addr)]; i < ip->address_top; i++)
        if (memcmp(&ip->address[i].ip, addr, sizeof *addr) == 0 &&
            ip_address_usable(&ip->address[i]))
            return true;
    return false;
}

bool ip_is_local(const struct ip_host *ip, const struct weir_ip *addr)
{
    return ip_is_own(ip, addr) || ip_is_loopback(addr);
}

bool ip_broadcast_of(const struct weir_ip *addr, unsigned prefix_len, struct weir_ip *broadcast)
{
    /* Prefixes of 31 and 32 bits have none (RFC 3021). */
    if (!weir_ip_is_v4(addr) || prefix_len > 30)
        return false;
    *broadcast = *addr;
    for (unsigned bit = V4_BITS + prefix_len; bit < 8 * sizeof addr->octet; bit++)
        broadcast->octet[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    return true;
}

bool ip_is_broadcast(const struct ip_host *ip, const struct weir_ip *addr)
{
    static const struct weir_ip all = {
        { [10] = 0xff, [11] = 0xff, [12] = 0xff, [13] = 0xff, [14] = 0xff, [15] = 0xff }
    };
    if (weir_ip_equal(addr, &all))
        return true;
    for (unsigned i = ip->address_first[place_of(addr)]; i < ip->address_top; i++) {
        const struct ip_address *address = &ip->address[i];
        if (memcmp(&address->broadcast, addr, sizeof *addr) == 0 && address->used &&
            address->has_broadcast)
            return true;
    }
    return false;
}

bool ip_is_group(const struct ip_host *ip, const struct weir_ip *addr)
{
    return ip_is_multicast(addr) || ip_is_broadcast(ip, addr);
}

/* ---- groups ---- */

struct weir_ip iface_solicited_node(const struct weir_ip *addr)
{
    struct weir_ip group = { { 0xff, 0x02, [11] = 1, [12] = 0xff } };
    memcpy(group.octet + 13, addr->octet + 13, 3);
    return group;
}

bool iface_has_group(const struct ip_host *ip, unsigned iface, const struct weir_ip *group)
{
    static const struct weir_ip all_nodes = { { 0xff, 0x02, [15] = 1 } };
    static const struct weir_ip all_nodes_here = { { 0xff, 0x01, [15] = 1 } };
    const struct weir_ip all_hosts = weir_ip_v4(224, 0, 0, 1);
    if (weir_ip_equal(group, &all_nodes) || weir_ip_equal(group, &all_nodes_here) ||
        weir_ip_equal(group, &all_hosts))
        return true;

    if (group_is_joined(ip, iface, group))
        return true;
    for (unsigned i = 0; i < ip->address_top; i++) {
        const struct ip_address *address = &ip->address[i];
        /* Also for an address that is still tentative: that is how its other owner is heard. */
        if (!address->used || address->iface != iface || weir_ip_is_v4(&address->ip))
            continue;
        const struct weir_ip ours = iface_solicited_node(&address->ip);
        if (weir_ip_equal(group, &ours))
            return true;
    }
    return false;
}

/* Whether packets to a group that we joined there go to this station. */
static bool hears_group(const struct ip_host *ip, unsigned iface, const uint8_t mac[ETH_ADDR])
{
    for (uint32_t i = 0; i < ip->groups.top; i++) {
        const struct group *group = &ip->groups.at[i];
        uint8_t station[ETH_ADDR];
        if (!group->used || group->refs == 0 || group->iface != iface)
            continue;
        output_group_mac(&group->ip, station);
        if (memcmp(station, mac, ETH_ADDR) == 0)
            return true;
    }
    return false;
}

bool iface_hears(const struct ip_host *ip, unsigned iface, const uint8_t mac[ETH_ADDR])
{
    static const uint8_t broadcast[ETH_ADDR] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    static const uint8_t all_hosts[ETH_ADDR] = { 0x01, 0x00, 0x5e, 0, 0, 1 };
    static const uint8_t all_nodes[ETH_ADDR] = { 0x33, 0x33, 0, 0, 0, 1 };
    if (memcmp(mac, ip->iface[iface].mac, ETH_ADDR) == 0)
        return true;
    if (memcmp(mac, broadcast, ETH_ADDR) == 0 || memcmp(mac, all_hosts, ETH_ADDR) == 0 ||
        memcmp(mac, all_nodes, ETH_ADDR) == 0)
        return true;
    if (eth_is_group(mac) && hears_group(ip, iface, mac))
        return true;
    if (mac[0] != 0x33 || mac[1] != 0x33 || mac[2] != 0xff)
        return false;

    for (unsigned i = 0; i < ip->address_top; i++) {
        const struct ip_address *address = &ip->address[i];
        if (address->used && address->iface == iface && !weir_ip_is_v4(&address->ip) &&
            memcmp(mac + 3, address->ip.octet + 13, 3) == 0)
            return true;
    }
    return false;
}

/* ---- source selection ---- */

enum scope {
    SCOPE_LINK = 2,
    SCOPE_GLOBAL = 14
};

static int scope_of(const struct weir_ip *addr)
{
    if (!weir_ip_is_v4(addr) && ip_is_multicast(addr))
        return addr->octet[1] & 0x0f;
    return ip_is_link_local(addr) ? SCOPE_LINK : SCOPE_GLOBAL;
}

/* Whether `a` is the better source (RFC 6724, section 5: the rules that matter for one host without
 * policy). */
static bool is_better(const struct ip_address *a, const struct ip_address *b, unsigned iface,
                      const struct weir_ip *dst, weir_time now)
{
    /* Rule 2: the smallest scope that reaches. */
    const int want = scope_of(dst);
    const int scope_a = scope_of(&a->ip);
    const int scope_b = scope_of(&b->ip);
    if (scope_a != scope_b)
        return scope_a < scope_b ? scope_a >= want : scope_b < want;
    /* Rule 3: not a deprecated one. */
    const bool fresh_a = a->preferred_until > now;
    const bool fresh_b = b->preferred_until > now;
    if (fresh_a != fresh_b)
        return fresh_a;
    /* Rule 5: of the outgoing interface. */
    if ((a->iface == iface) != (b->iface == iface))
        return a->iface == iface;
    /* Rule 8: the longest matching prefix; the first added of equals. */
    unsigned match_a = ip_equal_bits(&a->ip, dst);
    unsigned match_b = ip_equal_bits(&b->ip, dst);
    const unsigned bits_a = ip_prefix_bits(&a->ip, a->prefix_len);
    const unsigned bits_b = ip_prefix_bits(&b->ip, b->prefix_len);
    match_a = match_a < bits_a ? match_a : bits_a;
    match_b = match_b < bits_b ? match_b : bits_b;
    return match_a > match_b;
}

const struct ip_address *iface_source(const struct ip_host *ip, unsigned iface,
                                      const struct weir_ip *dst, weir_time now)
{
    const struct ip_address *best = NULL;
    const bool v4 = weir_ip_is_v4(dst);
    for (unsigned i = 0; i < ip->address_top; i++) {
        const struct ip_address *address = &ip->address[i];
        if (!ip_address_usable(address) || weir_ip_is_v4(&address->ip) != v4)
            continue;
        if (address->iface != iface && ip_is_link_local(&address->ip))
            continue; /* means nothing on another link */
        if (best == NULL || is_better(address, best, iface, dst, now))
            best = address;
    }
    return best;
}
