/* SPDX-License-Identifier: MIT */
#include "ip/host.h"

#include <string.h>

/* Streams of random numbers and keys are told apart by these; they mean nothing else. */
enum purpose {
    PURPOSE_JITTER = 0x69700001,
    PURPOSE_ICMP_LIMIT,
    PURPOSE_TABLES,
    PURPOSE_ID,
    PURPOSE_INTERFACE_ID,
    PURPOSE_GROUPS,
};

uint32_t ip_bucket_count(uint32_t count)
{
    uint32_t buckets = 1;
    while (buckets < count)
        buckets *= 2;
    return buckets;
}

uint32_t *ip_buckets_take(struct arena *arena, uint32_t count)
{
    uint32_t *bucket = arena_take(arena, sizeof *bucket * count);
    for (uint32_t i = 0; bucket != NULL && i < count; i++)
        bucket[i] = POOL_NONE;
    return bucket;
}

uint64_t ip_hash(const struct ip_host *ip, const struct weir_ip *addr, uint32_t salt)
{
    uint8_t text[sizeof addr->octet + 4];
    memcpy(text, addr->octet, sizeof addr->octet);
    for (unsigned i = 0; i < 4; i++)
        text[sizeof addr->octet + i] = (uint8_t)(salt >> 8 * i);
    return siphash13(&ip->table_key, text, sizeof text);
}

/* One key a purpose from the instance's secrets, so that what one of them gives away says nothing
 * of the others. */
static struct siphash_key derive(const struct weir_config *config, uint32_t purpose)
{
    uint8_t text[9];
    for (unsigned i = 0; i < 8; i++)
        text[i] = (uint8_t)((uint64_t)purpose >> 8 * i);
    const struct siphash_key a = { config->secret[4], config->secret[5] };
    const struct siphash_key b = { config->secret[6], config->secret[7] };
    text[8] = 0;
    const uint64_t k0 = siphash24(&a, text, sizeof text) ^ siphash24(&b, text, sizeof text);
    text[8] = 1;
    const uint64_t k1 = siphash24(&a, text, sizeof text) ^ siphash24(&b, text, sizeof text);
    return (struct siphash_key){ k0, k1 };
}

static void start(struct ip_host *ip, const struct weir_config *config, struct ring_pool *rings,
                  struct trace *trace)
{
    memset(ip, 0, sizeof *ip);
    ip->trace = trace;
    ip->rings = rings;
    ip->version = 1;
    ip->iface_max = config->iface_max;
    ip->address_max = config->address_max;
    ip_address_places(ip);
    ip->neigh_max = config->neigh_max;
    ip->groups.max = config->group_max;
    ip->route_max = config->route_max;
    ip->reply_octets = config->reply_octets;
    ip->loop_mtu = IP_LOOP_MTU;
    if (config->reply_octets < 4 * IP_LOOP_MTU)
        ip->loop_mtu = (uint16_t)(config->reply_octets / 4);
    ip->accept_redirects = config->accept_redirects;
    ip->verify = config->verify;
    ip->table_key = derive(config, PURPOSE_TABLES);
    ip->id_key = derive(config, PURPOSE_ID);
    ip->iid_key = derive(config, PURPOSE_INTERFACE_ID);
    prng_init(&ip->jitter, config->seed, PURPOSE_JITTER, 0);
    prng_init(&ip->limit.random, config->seed, PURPOSE_ICMP_LIMIT, 0);
    prng_init(&ip->groups.random, config->seed, PURPOSE_GROUPS, 0);
}

void ip_host_init(struct ip_host *ip, struct arena *arena, const struct weir_config *config,
                  struct ring_pool *rings, struct trace *trace, weir_time now)
{
    /* While counting there is no host to write to: everything goes into this one, which nobody
     * reads. */
    struct ip_host counted;
    if (arena->base == NULL)
        ip = &counted;
    start(ip, config, rings, trace);

    ip->iface = arena_take(arena, sizeof *ip->iface * config->iface_max);
    ip->out_queue = arena_take(arena, sizeof *ip->out_queue * config->iface_max);
    ip->address = arena_take(arena, sizeof *ip->address * config->address_max);
    ip->route = arena_take(arena, sizeof *ip->route * config->route_max);
    for (unsigned i = 0; i < config->iface_max; i++)
        frameq_init(arena->base != NULL ? &ip->out_queue[i] : &counted.loop, arena,
                    config->reply_octets);
    frameq_init(&ip->loop, arena, config->reply_octets);
    neigh_init(ip, arena, config);
    frag_init(ip, arena, config);
    pmtu_init(ip, arena, config);

    ip->groups.at = arena_take(arena, sizeof *ip->groups.at * config->group_max);

    const uint32_t timers =
        IP_TIMER_ADDRESS + config->address_max + config->neigh_max + config->group_max;
    void *wheel = arena_take(arena, wheel_size(timers));
    if (wheel == NULL)
        return;
    memset(ip->address, 0, sizeof *ip->address * config->address_max);
    wheel_init(&ip->wheel, wheel, timers, now);
    icmp_limit_init(ip, now);
}

void ip_call_begins(struct ip_host *ip)
{
    for (; ip->lent != 0; ip->lent &= ip->lent - 1)
        frameq_release(&ip->iface[__builtin_ctzll(ip->lent)].out);
}

/* ---- time ---- */

void ip_timer_set(struct ip_host *ip, uint32_t timer, weir_time when)
{
    wheel_set(&ip->wheel, timer, when);
}

uint32_t ip_timer_neigh(const struct ip_host *ip, uint32_t neigh)
{
    return IP_TIMER_ADDRESS + ip->address_max + neigh;
}

uint32_t ip_timer_group(const struct ip_host *ip, uint32_t group)
{
    return IP_TIMER_ADDRESS + ip->address_max + ip->neigh_max + group;
}

weir_time ip_deadline(const struct ip_host *ip)
{
    return wheel_next(&ip->wheel);
}

static void fire(struct ip_host *ip, uint32_t timer, weir_time now)
{
    if (timer >= ip_timer_group(ip, 0)) {
        group_timeout(ip, timer - ip_timer_group(ip, 0), now);
        return;
    }
    if (timer >= IP_TIMER_ADDRESS + ip->address_max) {
        neigh_timeout(ip, timer - IP_TIMER_ADDRESS - ip->address_max, now);
        return;
    }
    if (timer >= IP_TIMER_ADDRESS) {
        iface_address_timeout(ip, timer - IP_TIMER_ADDRESS, now);
        return;
    }
    if (timer >= IP_TIMER_IFACE) {
        iface_timeout(ip, timer - IP_TIMER_IFACE, now);
        return;
    }
    if (timer == IP_TIMER_PMTU)
        pmtu_timeout(ip, now);
    else if (timer == IP_TIMER_ROUTE)
        route_timeout(ip, now);
    else
        frag_timeout(ip, timer == IP_TIMER_FRAG4, now);
}

void ip_timeout(struct ip_host *ip, weir_time now)
{
    /* What fires sets its next deadline after `now`, so this ends: at most once through all timers.
     */
    for (uint32_t i = 0; i < ip->wheel.count; i++) {
        const uint32_t timer = wheel_pop(&ip->wheel, now);
        if (timer == WHEEL_NONE)
            return;
        fire(ip, timer, now);
    }
}

/* ---- looking inside ---- */

struct pool *ip_pool(struct ip_host *ip, unsigned i, const char **name)
{
    static const char *const names[] = { "neigh", "frag", "pmtu" };
    struct pool *const pools[] = { &ip->neigh.pool, &ip->frag.pool, &ip->pmtu.pool };
    if (i >= sizeof pools / sizeof pools[0])
        return NULL;
    *name = names[i];
    return pools[i];
}

void ip_check(const struct ip_host *ip)
{
    WEIR_ASSERT(ip->neigh.order.count == ip->neigh.pool.used);
    WEIR_ASSERT(ip->frag.order[0].count + ip->frag.order[1].count == ip->frag.pool.used);
    WEIR_ASSERT(ip->pmtu.order.count == ip->pmtu.pool.used);
    WEIR_ASSERT(ip->frag.octets <= ip->frag.octets_max);
    WEIR_ASSERT(ip->route_count <= ip->route_max);

    const struct list_nodes frags = { ip->frag.pool.memory + offsetof(struct frag, order),
                                      ip->frag.pool.item_size };
    uint64_t octets = 0;
    for (unsigned f = 0; f < 2; f++) {
        weir_time before = INT64_MIN;
        for (uint32_t i = ip->frag.order[f].head; i != LIST_NONE;
             i = list_node_at(frags, i)->next) {
            const struct frag *frag = pool_at(&ip->frag.pool, i);
            WEIR_ASSERT(frag->when >= before);
            before = frag->when;
            ring_check(ip->rings, &frag->data);
            ranges_check(&frag->have, ip->rings);
            octets += frag_held(ip, frag);
        }
    }
    WEIR_ASSERT(octets == ip->frag.octets);
}
