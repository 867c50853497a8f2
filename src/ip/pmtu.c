/* SPDX-License-Identifier: MIT */
#include "ip/host.h"

/* Destinations whose path takes less than the interface (RFC 1191, RFC 8201). Who calls has made
 * sure that the message is about a packet in flight (RFC 5927). An entry is forgotten after ten
 * minutes, so that a path that grew is found out. All live equally long: the list by age is the
 * list by deadline. */

#define PMTU_FLOOR_V4 552 /* as Linux: below it, fragments are better than an attacker's wish */
#define PMTU_TIME     (600 * WEIR_SECOND)
#define PMTU_SALT     UINT32_C(0x706d7475)

static struct pmtu *entry(const struct ip_host *ip, uint32_t index)
{
    return pool_at(&ip->pmtu.pool, index);
}

static struct list_nodes nodes(const struct ip_host *ip)
{
    return (struct list_nodes){ ip->pmtu.pool.memory + offsetof(struct pmtu, order),
                                ip->pmtu.pool.item_size };
}

static uint32_t *bucket_of(const struct ip_host *ip, const struct weir_ip *dst)
{
    return &ip->pmtu.bucket[ip_hash(ip, dst, PMTU_SALT) & ip->pmtu.bucket_mask];
}

void pmtu_init(struct ip_host *ip, struct arena *arena, const struct weir_config *config)
{
    const uint32_t buckets = ip_bucket_count(config->pmtu_max);
    void *memory = arena_take(arena, pool_size(config->pmtu_max, sizeof(struct pmtu)));
    ip->pmtu.bucket = ip_buckets_take(arena, buckets);
    ip->pmtu.bucket_mask = buckets - 1;
    list_init(&ip->pmtu.order);
    pool_init(&ip->pmtu.pool, memory, config->pmtu_max, sizeof(struct pmtu), config->verify);
}

static uint32_t find(const struct ip_host *ip, const struct weir_ip *dst)
{
    uint32_t i = *bucket_of(ip, dst);
    while (i != POOL_NONE && !weir_ip_equal(&entry(ip, i)->ip, dst))
        i = entry(ip, i)->hash_next;
    return i;
}

static void drop(struct ip_host *ip, uint32_t index)
{
    uint32_t *link = bucket_of(ip, &entry(ip, index)->ip);
    while (*link != index)
        link = &entry(ip, *link)->hash_next;
    *link = entry(ip, index)->hash_next;
    list_remove(&ip->pmtu.order, nodes(ip), index);
    pool_give(&ip->pmtu.pool, index);
    ip->version++;
}

static void set_timer(struct ip_host *ip)
{
    const uint32_t oldest = ip->pmtu.order.head;
    ip_timer_set(ip, IP_TIMER_PMTU,
                 oldest == LIST_NONE ? WEIR_NEVER : entry(ip, oldest)->set_at + PMTU_TIME);
}

void pmtu_timeout(struct ip_host *ip, weir_time now)
{
    while (ip->pmtu.order.head != LIST_NONE &&
           entry(ip, ip->pmtu.order.head)->set_at + PMTU_TIME <= now)
        drop(ip, ip->pmtu.order.head);
    set_timer(ip);
}

uint16_t ip_pmtu(const struct ip_host *ip, const struct weir_ip *dst, unsigned iface)
{
    if (iface >= ip->iface_count) /* a path to ourselves has none */
        return ip->loop_mtu;
    const uint16_t link = weir_ip_is_v4(dst) ? ip->iface[iface].mtu : ip->iface[iface].mtu6;
    if (ip->pmtu.pool.used == 0)
        return link;
    const uint32_t i = find(ip, dst);
    return i == POOL_NONE || entry(ip, i)->mtu > link ? link : entry(ip, i)->mtu;
}

static uint32_t make(struct ip_host *ip, const struct weir_ip *dst)
{
    if (pool_free_count(&ip->pmtu.pool) == 0 && ip->pmtu.order.head != LIST_NONE)
        drop(ip, ip->pmtu.order.head);
    const uint32_t index = pool_take(&ip->pmtu.pool);
    if (index == POOL_NONE)
        return POOL_NONE;
    uint32_t *bucket = bucket_of(ip, dst);
    *entry(ip, index) = (struct pmtu){ .ip = *dst, .hash_next = *bucket };
    *bucket = index;
    list_push_tail(&ip->pmtu.order, nodes(ip), index);
    return index;
}

uint16_t ip_pmtu_lower(struct ip_host *ip, const struct weir_ip *dst, uint32_t mtu, weir_time now)
{
    const struct ip_route *route = route_find(ip, dst, 0);
    if (route == NULL || ip_is_local(ip, dst) || ip_is_group(ip, dst))
        return ip->loop_mtu;
    const uint16_t used = ip_pmtu(ip, dst, route->iface);
    const bool v4 = weir_ip_is_v4(dst);
    if (v4 && mtu < PMTU_FLOOR_V4)
        mtu = PMTU_FLOOR_V4;
    if (mtu >= used || (!v4 && mtu < IP6_MTU_MIN)) /* RFC 8201, 4: no link is so small */
        return used;

    uint32_t index = find(ip, dst);
    if (index == POOL_NONE)
        index = make(ip, dst);
    if (index == POOL_NONE)
        return used;
    struct pmtu *pmtu = entry(ip, index);
    pmtu->mtu = (uint16_t)mtu;
    pmtu->set_at = now;
    list_remove(&ip->pmtu.order, nodes(ip), index);
    list_push_tail(&ip->pmtu.order, nodes(ip), index);
    set_timer(ip);
    ip->version++;
    return pmtu->mtu;
}

void ip_pmtu_raise(struct ip_host *ip, const struct weir_ip *dst, uint16_t mtu, weir_time now)
{
    const uint32_t index = find(ip, dst);
    if (index == POOL_NONE || entry(ip, index)->mtu >= mtu)
        return;
    struct pmtu *pmtu = entry(ip, index);
    pmtu->mtu = mtu;
    pmtu->set_at = now;
    list_remove(&ip->pmtu.order, nodes(ip), index);
    list_push_tail(&ip->pmtu.order, nodes(ip), index);
    set_timer(ip);
    ip->version++;
}
