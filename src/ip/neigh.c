/* SPDX-License-Identifier: MIT */
#include "ip/neigh.h"

#include "ip/host.h"

#include <string.h>

/* What is kept with a frame that waits: it stands before the frame in the neighbour's ring. */
struct parked {
    uint32_t len;
    uint16_t why;
    uint8_t packet; /* frames of one packet have the same number */
    uint8_t unused;
};

WEIR_STATIC_ASSERT(sizeof(struct parked) == 8, "no padding: it is copied as octets");

static struct neigh *entry(const struct ip_host *ip, uint32_t index)
{
    return pool_at(&ip->neigh.pool, index);
}

void neigh_named(struct ip_host *ip, uint32_t index)
{
    entry(ip, index)->in_path = true;
}

void neigh_mac(const struct ip_host *ip, uint32_t index, uint8_t mac[ETH_ADDR])
{
    memcpy(mac, entry(ip, index)->mac, ETH_ADDR);
}

static struct list_nodes order_nodes(const struct ip_host *ip)
{
    return (struct list_nodes){ ip->neigh.pool.memory + offsetof(struct neigh, order),
                                ip->neigh.pool.item_size };
}

static struct list_nodes tell_nodes(const struct ip_host *ip)
{
    return (struct list_nodes){ ip->neigh.pool.memory + offsetof(struct neigh, tell),
                                ip->neigh.pool.item_size };
}

static struct list_nodes waiter_nodes(const struct ip_host *ip)
{
    return (struct list_nodes){ (uint8_t *)ip->neigh.waiter, sizeof *ip->neigh.waiter };
}

static uint32_t *bucket_of(const struct ip_host *ip, unsigned iface, const struct weir_ip *addr)
{
    return &ip->neigh.bucket[ip_hash(ip, addr, iface) & ip->neigh.bucket_mask];
}

void neigh_init(struct ip_host *ip, struct arena *arena, const struct weir_config *config)
{
    struct neigh_table *table = &ip->neigh;
    const uint32_t buckets = ip_bucket_count(config->neigh_max);
    void *memory = arena_take(arena, pool_size(config->neigh_max, sizeof(struct neigh)));
    table->bucket = ip_buckets_take(arena, buckets);
    table->bucket_mask = buckets - 1;
    table->waiter_max = config->tcp_max;
    table->waiter = arena_take(arena, sizeof *table->waiter * config->tcp_max);
    table->waiter_of = arena_take(arena, sizeof *table->waiter_of * config->tcp_max);
    list_init(&table->order);
    list_init(&table->telling);
    pool_init(&table->pool, memory, config->neigh_max, sizeof(struct neigh), config->verify);
}

uint32_t neigh_find(const struct ip_host *ip, unsigned iface, const struct weir_ip *addr)
{
    uint32_t i = *bucket_of(ip, iface, addr);
    while (i != POOL_NONE) {
        const struct neigh *neigh = entry(ip, i);
        if (neigh->iface == iface && memcmp(&neigh->ip, addr, sizeof *addr) == 0)
            return i;
        i = neigh->hash_next;
    }
    return POOL_NONE;
}

/* ---- what waits ---- */

static struct parked queue_head(const struct ip_host *ip, const struct neigh *neigh)
{
    uint8_t octets[sizeof(struct parked)];
    ring_get(ip->rings, &neigh->queue, neigh->queue_start, octets, sizeof octets);
    struct parked parked;
    memcpy(&parked, octets, sizeof parked);
    return parked;
}

static void queue_advance(struct ip_host *ip, struct neigh *neigh, uint32_t frame_len)
{
    neigh->queue_start += (uint32_t)sizeof(struct parked) + frame_len;
    if (neigh->queue_start == neigh->queue_end) {
        ring_clear(ip->rings, &neigh->queue);
        neigh->queue_packets = 0;
    } else {
        ring_drop_before(ip->rings, &neigh->queue, neigh->queue_start);
    }
}

/* Drops the oldest packet that waits, with all its frames: RFC 1122, 2.3.2.2 wants the latest kept.
 */
static void queue_drop_packet(struct ip_host *ip, struct neigh *neigh, enum weir_drop why,
                              weir_time now)
{
    const struct parked first = queue_head(ip, neigh);
    uint32_t octets = 0;
    while (neigh->queue_start != neigh->queue_end) {
        const struct parked parked = queue_head(ip, neigh);
        if (parked.packet != first.packet)
            break;
        octets += parked.len;
        queue_advance(ip, neigh, parked.len);
    }
    if (neigh->queue_packets > 0)
        neigh->queue_packets--;
    trace_drop(ip->trace, now, why, &(struct weir_record){ .conn = UINT32_MAX, .value = octets });
}

static void queue_drop_all(struct ip_host *ip, struct neigh *neigh, enum weir_drop why,
                           weir_time now)
{
    while (neigh->queue_start != neigh->queue_end)
        queue_drop_packet(ip, neigh, why, now);
}

void neigh_park(struct ip_host *ip, uint32_t index, const struct ip_frame *frame, bool first,
                weir_time now)
{
    struct neigh *neigh = entry(ip, index);
    const uint32_t len = ip_frame_len(frame);
    const uint32_t need = (uint32_t)sizeof(struct parked) + len;
    while (first && neigh->queue_start != neigh->queue_end &&
           (neigh->queue_packets >= NEIGH_QUEUE_PACKETS ||
            neigh->queue_end - neigh->queue_start + need > NEIGH_QUEUE_OCTETS))
        queue_drop_packet(ip, neigh, WEIR_DROP_NEIGH_QUEUE, now);
    if (first) {
        neigh->packet_number++;
        neigh->queue_packets++;
    }

    const uint32_t at = neigh->queue_end;
    const bool fits = at + need - neigh->queue_start <= NEIGH_QUEUE_OCTETS;
    if (!fits || ring_attach(ip->rings, &neigh->queue, at, need) < need) {
        ring_drop_after(ip->rings, &neigh->queue, at);
        if (neigh->queue_start == neigh->queue_end) {
            ring_clear(ip->rings, &neigh->queue);
            neigh->queue_packets = 0;
        }
        if (first && neigh->queue_packets > 0)
            neigh->queue_packets--;
        trace_drop(ip->trace, now, WEIR_DROP_NEIGH_QUEUE,
                   &(struct weir_record){ .conn = UINT32_MAX, .value = len });
        return;
    }
    const struct parked parked = { .len = len, .why = frame->why, .packet = neigh->packet_number };
    uint8_t octets[sizeof parked];
    memcpy(octets, &parked, sizeof parked);
    ring_put(ip->rings, &neigh->queue, at, octets, sizeof octets);
    uint32_t to = at + (uint32_t)sizeof octets;
    ring_put(ip->rings, &neigh->queue, to, frame->head, frame->head_len);
    to += frame->head_len;
    for (unsigned i = 0; i < 2; i++) {
        if (frame->part_len[i] > 0)
            ring_put(ip->rings, &neigh->queue, to, frame->part[i], frame->part_len[i]);
        to += frame->part_len[i];
    }
    neigh->queue_end = to;
}

/* The link address is known: all that waits goes to the driver's queue. */
static void queue_flush(struct ip_host *ip, struct neigh *neigh, weir_time now)
{
    struct frameq *out = &ip->iface[neigh->iface].out;
    while (neigh->queue_start != neigh->queue_end) {
        const struct parked parked = queue_head(ip, neigh);
        uint8_t *frame = frameq_reserve(out, parked.len);
        if (frame == NULL) {
            queue_drop_all(ip, neigh, WEIR_DROP_REPLY_FULL, now);
            return;
        }
        ring_get(ip->rings, &neigh->queue, neigh->queue_start + (uint32_t)sizeof parked, frame,
                 parked.len);
        memcpy(frame, neigh->mac, ETH_ADDR); /* the first field of the link header */
        frameq_commit(out, &(struct frameq_info){ .len = parked.len, .why = parked.why });
        queue_advance(ip, neigh, parked.len);
    }
}

/* ---- who waits ---- */

/* Those who wait now are told, through ip_waiter_next; who comes later waits for the next time. */
static void tell(struct ip_host *ip, uint32_t index, bool failed)
{
    struct neigh *neigh = entry(ip, index);
    neigh->tell_failed = failed;
    if (neigh->tell_count == 0 && neigh->waiters.count > 0)
        list_push_tail(&ip->neigh.telling, tell_nodes(ip), index);
    neigh->tell_count = neigh->waiters.count;
}

static void told(struct ip_host *ip, uint32_t index, uint32_t count)
{
    struct neigh *neigh = entry(ip, index);
    const bool over = neigh->tell_count > 0 && count == 0;
    neigh->tell_count = count;
    if (over)
        list_remove(&ip->neigh.telling, tell_nodes(ip), index);
}

void ip_waiter_forget(struct ip_host *ip, uint32_t waiter)
{
    struct neigh_table *table = &ip->neigh;
    if (waiter >= table->waiter_fresh || table->waiter_of[waiter] == POOL_NONE)
        return;
    const uint32_t index = table->waiter_of[waiter];
    struct neigh *neigh = entry(ip, index);
    list_remove(&neigh->waiters, waiter_nodes(ip), waiter);
    table->waiter_of[waiter] = POOL_NONE;
    if (neigh->tell_count > neigh->waiters.count)
        told(ip, index, neigh->waiters.count);
}

void neigh_wait(struct ip_host *ip, uint32_t index, uint32_t waiter)
{
    struct neigh_table *table = &ip->neigh;
    WEIR_ASSERT(waiter < table->waiter_max);
    for (; table->waiter_fresh <= waiter; table->waiter_fresh++)
        table->waiter_of[table->waiter_fresh] = POOL_NONE;
    if (table->waiter_of[waiter] == index)
        return;
    ip_waiter_forget(ip, waiter);
    table->waiter_of[waiter] = index;
    list_push_tail(&entry(ip, index)->waiters, waiter_nodes(ip), waiter);
}

bool ip_waiter_told(const struct ip_host *ip)
{
    return ip->neigh.telling.head != LIST_NONE;
}

uint32_t ip_waiter_next(struct ip_host *ip, bool *failed)
{
    const uint32_t index = ip->neigh.telling.head;
    if (index == LIST_NONE)
        return POOL_NONE;
    const struct neigh *neigh = entry(ip, index);
    const uint32_t waiter = neigh->waiters.head;
    const uint32_t left = neigh->tell_count - 1;
    *failed = neigh->tell_failed;
    ip_waiter_forget(ip, waiter);
    if (neigh->tell_count > left)
        told(ip, index, left);
    return waiter;
}

/* ---- birth and death ---- */

static bool may_go(const struct neigh *neigh, weir_time now)
{
    if (neigh->waiters.count > 0 || neigh->queue_start != neigh->queue_end)
        return false;
    return neigh->state == NEIGH_FAILED || now - neigh->used_at >= NEIGH_IDLE;
}

static void forget(struct ip_host *ip, uint32_t index, weir_time now)
{
    struct neigh *neigh = entry(ip, index);
    WEIR_ASSERT(neigh->waiters.count == 0);
    queue_drop_all(ip, neigh, WEIR_DROP_NEIGH_FAILED, now);
    uint32_t *link = bucket_of(ip, neigh->iface, &neigh->ip);
    while (*link != index)
        link = &entry(ip, *link)->hash_next;
    *link = neigh->hash_next;
    list_remove(&ip->neigh.order, order_nodes(ip), index);
    ip_timer_set(ip, ip_timer_neigh(ip, index), WEIR_NEVER);
    if (neigh->in_path)
        ip->version++;
    pool_give(&ip->neigh.pool, index);
}

/* The table is full: an entry nobody has used for a while goes, if there is one near the idle end.
 */
static void make_room(struct ip_host *ip, weir_time now)
{
    uint32_t i = ip->neigh.order.head;
    for (unsigned n = 0; n < NEIGH_EVICT_LOOK && i != LIST_NONE; n++) {
        if (may_go(entry(ip, i), now)) {
            forget(ip, i, now);
            return;
        }
        i = entry(ip, i)->order.next;
    }
}

/* A new entry. One that nobody here has asked for (`wanted` false) is the first to go again. */
static uint32_t make(struct ip_host *ip, unsigned iface, const struct weir_ip *addr, bool wanted,
                     weir_time now)
{
    struct neigh_table *table = &ip->neigh;
    if (pool_free_count(&table->pool) == 0)
        make_room(ip, now);
    const uint32_t index = pool_take(&table->pool);
    if (index == POOL_NONE)
        return POOL_NONE;

    uint32_t *bucket = bucket_of(ip, iface, addr);
    struct neigh *neigh = entry(ip, index);
    *neigh = (struct neigh){
        .ip = *addr,
        .iface = (uint8_t)iface,
        .state = NEIGH_INCOMPLETE,
        .hash_next = *bucket,
        .used_at = wanted ? now : now - NEIGH_IDLE,
    };
    *bucket = index;
    list_init(&neigh->waiters);
    ring_init(&neigh->queue);
    if (wanted)
        list_push_tail(&table->order, order_nodes(ip), index);
    else
        list_push_head(&table->order, order_nodes(ip), index);
    return index;
}

/* ---- states (RFC 4861, 7.3.2) ---- */

static void ask(struct ip_host *ip, const struct neigh *neigh, weir_time now)
{
    const uint8_t *to = neigh->state == NEIGH_PROBE ? neigh->mac : NULL;
    if (weir_ip_is_v4(&neigh->ip))
        arp_ask(ip, neigh->iface, &neigh->ip, to, now);
    else
        nd_ask(ip, neigh->iface, &neigh->ip, to, now);
}

static void enter(struct ip_host *ip, uint32_t index, enum neigh_state state, weir_time now)
{
    struct neigh *neigh = entry(ip, index);
    weir_time until = now;
    neigh->state = (uint8_t)state;
    switch (state) {
    case NEIGH_INCOMPLETE:
    case NEIGH_PROBE:
        neigh->probes = 1;
        until += NEIGH_RETRANS;
        ask(ip, neigh, now);
        break;
    case NEIGH_REACHABLE:
        until += ip->iface[neigh->iface].reachable;
        break;
    case NEIGH_STALE:
        until += NEIGH_GARBAGE;
        break;
    case NEIGH_DELAY:
        until += NEIGH_DELAY_TIME;
        break;
    case NEIGH_FAILED:
        until += NEIGH_FAILED_HOLD;
        queue_drop_all(ip, neigh, WEIR_DROP_NEIGH_FAILED, now);
        list_remove(&ip->neigh.order, order_nodes(ip), index);
        list_push_head(&ip->neigh.order, order_nodes(ip), index);
        tell(ip, index, true);
        break;
    }
    neigh->until = until;
    ip_timer_set(ip, ip_timer_neigh(ip, index), until);
}

static void asked_in_vain(struct ip_host *ip, uint32_t index, weir_time now)
{
    struct neigh *neigh = entry(ip, index);
    if (neigh->probes >= NEIGH_PROBE_MAX) {
        enter(ip, index, NEIGH_FAILED, now);
        return;
    }
    neigh->probes++;
    neigh->until = now + NEIGH_RETRANS;
    ip_timer_set(ip, ip_timer_neigh(ip, index), neigh->until);
    ask(ip, neigh, now);
}

void neigh_timeout(struct ip_host *ip, uint32_t index, weir_time now)
{
    struct neigh *neigh = entry(ip, index);
    if (neigh->until > now) { /* confirmed since the timer was set */
        ip_timer_set(ip, ip_timer_neigh(ip, index), neigh->until);
        return;
    }
    switch ((enum neigh_state)neigh->state) {
    case NEIGH_INCOMPLETE:
    case NEIGH_PROBE:
        asked_in_vain(ip, index, now);
        break;
    case NEIGH_REACHABLE:
        enter(ip, index, NEIGH_STALE, now);
        break;
    case NEIGH_DELAY:
        enter(ip, index, NEIGH_PROBE, now);
        break;
    case NEIGH_STALE:
    case NEIGH_FAILED:
        if (neigh->waiters.count == 0)
            forget(ip, index, now);
        else /* not told yet: the caller will ask before long */
            ip_timer_set(ip, ip_timer_neigh(ip, index), now + NEIGH_GARBAGE);
        break;
    }
}

/* A link address is there: what waits may leave. */
static void resolved(struct ip_host *ip, uint32_t index, const uint8_t mac[ETH_ADDR],
                     enum neigh_state state, weir_time now)
{
    struct neigh *neigh = entry(ip, index);
    memcpy(neigh->mac, mac, ETH_ADDR);
    enter(ip, index, state, now);
    queue_flush(ip, neigh, now);
    tell(ip, index, false);
}

void neigh_confirm(struct ip_host *ip, uint32_t index, weir_time now)
{
    struct neigh *neigh = entry(ip, index);
    if (neigh->state == NEIGH_INCOMPLETE || neigh->state == NEIGH_FAILED)
        return;
    if (neigh->state != NEIGH_REACHABLE)
        enter(ip, index, NEIGH_REACHABLE, now);
    else /* the timer finds out when it fires: this is called for every ACK */
        neigh->until = now + ip->iface[neigh->iface].reachable;
}

uint32_t neigh_want(struct ip_host *ip, unsigned iface, const struct weir_ip *addr, weir_time now)
{
    uint32_t index = neigh_find(ip, iface, addr);
    if (index != POOL_NONE)
        return index;
    index = make(ip, iface, addr, true, now);
    if (index != POOL_NONE)
        enter(ip, index, NEIGH_INCOMPLETE, now);
    return index;
}

static void touch(struct ip_host *ip, uint32_t index, weir_time now)
{
    struct neigh *neigh = entry(ip, index);
    if (now - neigh->used_at < NEIGH_TOUCH_INTERVAL)
        return;
    neigh->used_at = now;
    list_remove(&ip->neigh.order, order_nodes(ip), index);
    list_push_tail(&ip->neigh.order, order_nodes(ip), index);
}

enum ip_ready neigh_use(struct ip_host *ip, uint32_t index, weir_time now)
{
    struct neigh *neigh = entry(ip, index);
    touch(ip, index, now);
    switch ((enum neigh_state)neigh->state) {
    case NEIGH_FAILED:
        if (now < neigh->until)
            return IP_UNREACHABLE;
        enter(ip, index, NEIGH_INCOMPLETE, now);
        return IP_RESOLVING;
    case NEIGH_INCOMPLETE:
        return IP_RESOLVING;
    case NEIGH_STALE:
        enter(ip, index, NEIGH_DELAY, now);
        return IP_READY;
    case NEIGH_REACHABLE:
        if (now >= neigh->until)
            enter(ip, index, NEIGH_DELAY, now);
        return IP_READY;
    case NEIGH_DELAY:
    case NEIGH_PROBE:
        break;
    }
    return IP_READY;
}

/* ---- what neighbours say ---- */

void neigh_claimed(struct ip_host *ip, unsigned iface, const struct weir_ip *addr,
                   const uint8_t mac[ETH_ADDR], weir_time now)
{
    uint32_t index = neigh_find(ip, iface, addr);
    if (index == POOL_NONE) {
        index = make(ip, iface, addr, false, now);
        if (index != POOL_NONE)
            resolved(ip, index, mac, NEIGH_STALE, now);
        return;
    }
    const struct neigh *neigh = entry(ip, index);
    if (neigh->state == NEIGH_INCOMPLETE || neigh->state == NEIGH_FAILED) {
        resolved(ip, index, mac, NEIGH_STALE, now);
        return;
    }
    /* Another station than we know: not believed, but reason enough to ask the one we know. */
    if (memcmp(neigh->mac, mac, ETH_ADDR) != 0 && neigh->state == NEIGH_REACHABLE)
        enter(ip, index, NEIGH_STALE, now);
}

bool neigh_answered(struct ip_host *ip, unsigned iface, const struct weir_ip *addr,
                    const uint8_t mac[ETH_ADDR], enum neigh_answer kind, weir_time now)
{
    const uint32_t index = neigh_find(ip, iface, addr);
    if (index == POOL_NONE)
        return false;
    const struct neigh *neigh = entry(ip, index);
    if (neigh->state == NEIGH_INCOMPLETE) {
        resolved(ip, index, mac, kind == NEIGH_ANSWER_UNSOLICITED ? NEIGH_STALE : NEIGH_REACHABLE,
                 now);
        return true;
    }
    if (neigh->state == NEIGH_PROBE && kind != NEIGH_ANSWER_UNSOLICITED) {
        resolved(ip, index, mac, NEIGH_REACHABLE, now);
        return true;
    }
    if (memcmp(neigh->mac, mac, ETH_ADDR) != 0 && neigh->state == NEIGH_REACHABLE)
        enter(ip, index, NEIGH_STALE, now);
    return false;
}
