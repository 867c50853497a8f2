/* SPDX-License-Identifier: MIT */
#include "ip/frag.h"

#include "ip/host.h"

#include "wire/cursor.h"
#include "wire/icmp6.h"
#include "wire/ip4.h"
#include "wire/ip6.h"

#include <string.h>

/* The octets of a datagram lie in a ring at their own offsets, `have` says which are there, and
 * `mark` where pieces begin: with no overlaps in the set, that is enough to tell an exact duplicate
 * from anything else. */

#define IP6_LENGTH_OFF 4 /* where the payload length lies */

static struct frag *entry(const struct ip_host *ip, uint32_t index)
{
    return pool_at(&ip->frag.pool, index);
}

static struct list_nodes nodes(const struct ip_host *ip)
{
    return (struct list_nodes){ ip->frag.pool.memory + offsetof(struct frag, order),
                                ip->frag.pool.item_size };
}

static uint32_t *bucket_of(const struct ip_host *ip, const struct frag_key *key)
{
    const uint64_t hash = siphash13(&ip->table_key, key, sizeof *key);
    return &ip->frag.bucket[hash & ip->frag.bucket_mask];
}

static bool is_v4(const struct frag *frag)
{
    return weir_ip_is_v4(&frag->key.dst);
}

static struct list *order_of(struct ip_host *ip, bool v4)
{
    return &ip->frag.order[v4 ? 0 : 1];
}

void frag_init(struct ip_host *ip, struct arena *arena, const struct weir_config *config)
{
    struct frag_table *table = &ip->frag;
    const uint32_t buckets = ip_bucket_count(config->frag_max);
    void *memory = arena_take(arena, pool_size(config->frag_max, sizeof(struct frag)));
    table->bucket = ip_buckets_take(arena, buckets);
    table->bucket_mask = buckets - 1;
    table->assembly = arena_take(arena, FRAG_ASSEMBLY);
    table->octets_max = config->frag_octets_max;
    list_init(&table->order[0]);
    list_init(&table->order[1]);
    pool_init(&table->pool, memory, config->frag_max, sizeof(struct frag), config->verify);
}

uint32_t frag_held(const struct ip_host *ip, const struct frag *frag)
{
    const uint32_t chunks =
        (uint32_t)frag->data.attached + frag->data.big + (frag->have.chunk != RING_NONE ? 1 : 0);
    return chunks << ip->rings->chunk_shift;
}

static void set_timer(struct ip_host *ip, bool v4)
{
    const uint32_t oldest = order_of(ip, v4)->head;
    weir_time when = WEIR_NEVER;
    if (oldest != LIST_NONE)
        when = entry(ip, oldest)->when + (v4 ? FRAG_TIME_V4 : FRAG_TIME_V6);
    ip_timer_set(ip, v4 ? IP_TIMER_FRAG4 : IP_TIMER_FRAG6, when);
}

static void release_data(struct ip_host *ip, struct frag *frag)
{
    ip->frag.octets -= frag_held(ip, frag);
    ring_clear(ip->rings, &frag->data);
    ranges_clear(&frag->have, ip->rings);
}

static void forget(struct ip_host *ip, uint32_t index)
{
    struct frag *frag = entry(ip, index);
    const bool v4 = is_v4(frag);
    release_data(ip, frag);
    uint32_t *link = bucket_of(ip, &frag->key);
    while (*link != index)
        link = &entry(ip, *link)->hash_next;
    *link = frag->hash_next;
    list_remove(order_of(ip, v4), nodes(ip), index);
    pool_give(&ip->frag.pool, index);
    set_timer(ip, v4);
}

/* The datagram that came first, of either family; POOL_NONE if there is none. */
static uint32_t oldest(const struct ip_host *ip)
{
    const uint32_t a = ip->frag.order[0].head;
    const uint32_t b = ip->frag.order[1].head;
    if (a == LIST_NONE || b == LIST_NONE)
        return a == LIST_NONE ? b : a;
    return entry(ip, a)->when <= entry(ip, b)->when ? a : b;
}

static void evict(struct ip_host *ip, uint32_t index, weir_time now)
{
    struct frag *frag = entry(ip, index);
    if (!frag->dead)
        trace_drop(ip->trace, now, WEIR_DROP_FRAG_EVICTED,
                   &(struct weir_record){ .conn = UINT32_MAX,
                                          .value = ranges_total(&frag->have, ip->rings) });
    forget(ip, index);
}

static uint32_t find(const struct ip_host *ip, const struct frag_key *key)
{
    uint32_t i = *bucket_of(ip, key);
    while (i != POOL_NONE && memcmp(&entry(ip, i)->key, key, sizeof *key) != 0)
        i = entry(ip, i)->hash_next;
    return i;
}

static uint32_t make(struct ip_host *ip, const struct frag_piece *piece, weir_time now)
{
    if (pool_free_count(&ip->frag.pool) == 0 && oldest(ip) != POOL_NONE)
        evict(ip, oldest(ip), now);
    const uint32_t index = pool_take(&ip->frag.pool);
    if (index == POOL_NONE)
        return POOL_NONE;
    uint32_t *bucket = bucket_of(ip, &piece->key);
    struct frag *frag = entry(ip, index);
    memset(frag, 0, sizeof *frag);
    frag->key = piece->key;
    frag->hash_next = *bucket;
    frag->when = now;
    frag->iface = (uint8_t)piece->iface;
    ring_init(&frag->data);
    ranges_init(&frag->have, ip->rings, RANGES_MAX);
    *bucket = index;
    list_push_tail(order_of(ip, piece->v4), nodes(ip), index);
    set_timer(ip, piece->v4);
    return index;
}

/* ---- one piece ---- */

static bool is_marked(const struct frag *frag, uint32_t off)
{
    return off < FRAG_LEN_MAX &&
           (frag->mark[off / FRAG_UNIT / 64] >> off / FRAG_UNIT % 64 & 1) != 0;
}

enum overlap {
    OVERLAP_NONE,
    OVERLAP_DUPLICATE,
    OVERLAP_BAD
};

static enum overlap compare(const struct ip_host *ip, const struct frag *frag,
                            const struct frag_piece *piece)
{
    const uint32_t end = piece->off + piece->len;
    const unsigned i = ranges_after(&frag->have, ip->rings, piece->off);
    if (i == frag->have.count)
        return OVERLAP_NONE;
    const struct range range = ranges_at(&frag->have, ip->rings, i);
    if (range.start >= end)
        return OVERLAP_NONE;

    if (!is_marked(frag, piece->off) || end > range.end)
        return OVERLAP_BAD;
    for (uint32_t off = piece->off + FRAG_UNIT; off < end; off += FRAG_UNIT)
        if (is_marked(frag, off))
            return OVERLAP_BAD;
    const bool same_end = end == range.end || (end % FRAG_UNIT == 0 && is_marked(frag, end));
    const bool same_last = piece->more == (frag->total == 0 || end != frag->total);
    return same_end && same_last ? OVERLAP_DUPLICATE : OVERLAP_BAD;
}

/* Whether the piece agrees with what is known of the datagram's end. */
static bool fits_total(const struct ip_host *ip, const struct frag *frag,
                       const struct frag_piece *piece)
{
    const uint32_t end = piece->off + piece->len;
    if (frag->total != 0)
        return piece->more ? end < frag->total : end == frag->total;
    if (piece->more || frag->have.count == 0)
        return true;
    return ranges_at(&frag->have, ip->rings, frag->have.count - 1u).end <= piece->off;
}

/* RFC 5722: the datagram is given up, and what still comes of it is refused until its time is over.
 */
static void kill(struct ip_host *ip, struct frag *frag)
{
    release_data(ip, frag);
    frag->dead = true;
}

/* Keeps the octets. False if memory is short, with nothing kept of the piece. */
static bool keep(struct ip_host *ip, uint32_t index, const struct frag_piece *piece, weir_time now)
{
    struct frag *frag = entry(ip, index);
    const uint32_t before = frag_held(ip, frag);
    const bool kept = ring_attach(ip->rings, &frag->data, piece->off, piece->len) == piece->len &&
                      ranges_add(&frag->have, ip->rings, piece->off, piece->len);
    ip->frag.octets = ip->frag.octets - before + frag_held(ip, frag);

    /* Chunks are what is limited, so the excess is known only now. */
    while (ip->frag.octets > ip->frag.octets_max && oldest(ip) != index)
        evict(ip, oldest(ip), now);
    if (!kept || ip->frag.octets > ip->frag.octets_max)
        return false;
    ring_put(ip->rings, &frag->data, piece->off, piece->data, piece->len);
    frag->mark[piece->off / FRAG_UNIT / 64] |= UINT64_C(1) << piece->off / FRAG_UNIT % 64;
    return true;
}

static void note_ends(struct frag *frag, const struct frag_piece *piece)
{
    if (!piece->more)
        frag->total = piece->off + piece->len;
    if (piece->off != 0)
        return;
    memcpy(frag->head, piece->head, piece->head_len);
    frag->head_len = (uint16_t)piece->head_len;
    frag->first_len = piece->len;
    frag->next_off = (uint16_t)piece->next_off;
    frag->next_proto = piece->next_proto;
}

/* ---- the whole ---- */

/* The first fragment as it came, for an error message, in the assembly buffer; returns its octets.
 */
static uint32_t rebuild_first(const struct ip_host *ip, const struct frag *frag)
{
    uint8_t *to = ip->frag.assembly;
    memcpy(to, frag->head, frag->head_len);
    ring_get(ip->rings, &frag->data, 0, to + frag->head_len, frag->first_len);
    return frag->head_len + frag->first_len;
}

static uint32_t assemble_v4(const struct ip_host *ip, const struct frag *frag)
{
    uint8_t *to = ip->frag.assembly;
    struct ip4_head head;
    const enum wire_error error = wire_ip4_parse(to, rebuild_first(ip, frag), &head);
    WEIR_ASSERT(error == WIRE_OK); /* it was, when it came */
    head.options = frag->head + IP4_HEAD_MIN;
    head.mf = false;
    head.frag_off = 0;
    head.len = frag->total;
    const size_t head_len = wire_ip4_emit(to, FRAG_ASSEMBLY, &head);
    WEIR_ASSERT(head_len == frag->head_len);
    ring_get(ip->rings, &frag->data, 0, to + head_len, frag->total);
    return (uint32_t)head_len + frag->total;
}

static uint32_t assemble_v6(const struct ip_host *ip, const struct frag *frag)
{
    uint8_t *to = ip->frag.assembly;
    const uint32_t head_len = frag->head_len - IP6_FRAG_HEAD;
    memcpy(to, frag->head, head_len);
    struct wr w = wr_begin(to + IP6_LENGTH_OFF, 2);
    wr_u16(&w, (uint16_t)(head_len - IP6_HEAD + frag->total));
    w = wr_begin(to + frag->next_off, 1);
    wr_u8(&w, (uint8_t)frag->next_proto);
    ring_get(ip->rings, &frag->data, 0, to + head_len, frag->total);
    return head_len + frag->total;
}

static bool is_complete(const struct ip_host *ip, const struct frag *frag)
{
    if (frag->head_len == 0 || frag->total == 0 || frag->have.count != 1)
        return false;
    const struct range all = ranges_at(&frag->have, ip->rings, 0);
    return all.start == 0 && all.end == frag->total;
}

/* What is wrong with a piece whatever came before it. */
static enum weir_drop judge(const struct frag_piece *piece)
{
    if (piece->len == 0 || (piece->more && piece->len % FRAG_UNIT != 0))
        return WEIR_DROP_FRAG_BAD;
    if (piece->head_len > FRAG_HEAD_MAX)
        return WEIR_DROP_IP_EXT_MANY;
    const uint32_t head_len =
        piece->v4 ? piece->head_len : piece->head_len - IP6_HEAD - IP6_FRAG_HEAD;
    if (head_len + piece->off + piece->len > FRAG_LEN_MAX)
        return WEIR_DROP_FRAG_BAD;
    return WEIR_DROP_NONE;
}

static enum weir_drop finish(struct ip_host *ip, uint32_t index, uint32_t *whole)
{
    const struct frag *frag = entry(ip, index);
    const bool v4 = is_v4(frag);
    /* The header of the first fragment decides whether it all fits: the other pieces may have had
     * shorter ones. */
    const uint32_t head_len = frag->head_len - (v4 ? 0u : IP6_HEAD + IP6_FRAG_HEAD);
    if (head_len + frag->total <= FRAG_LEN_MAX)
        *whole = v4 ? assemble_v4(ip, frag) : assemble_v6(ip, frag);
    forget(ip, index);
    if (*whole == 0)
        return WEIR_DROP_FRAG_BAD;
    ip->trace->count.reassembled++;
    return WEIR_DROP_NONE;
}

enum weir_drop frag_arrives(struct ip_host *ip, const struct frag_piece *piece, uint32_t *whole,
                            weir_time now)
{
    *whole = 0;
    const enum weir_drop bad = judge(piece);
    if (bad != WEIR_DROP_NONE)
        return bad;
    uint32_t index = find(ip, &piece->key);
    if (index == POOL_NONE)
        index = make(ip, piece, now);
    if (index == POOL_NONE)
        return WEIR_DROP_FRAG_LIMIT;
    struct frag *frag = entry(ip, index);
    if (frag->dead)
        return WEIR_DROP_FRAG_OVERLAP;

    switch (compare(ip, frag, piece)) {
    case OVERLAP_DUPLICATE:
        return WEIR_DROP_FRAG_DUPLICATE;
    case OVERLAP_BAD:
        kill(ip, frag);
        return WEIR_DROP_FRAG_OVERLAP;
    case OVERLAP_NONE:
        break;
    }
    if (!fits_total(ip, frag, piece)) {
        kill(ip, frag);
        return WEIR_DROP_FRAG_BAD;
    }
    if (!keep(ip, index, piece, now)) {
        /* Without this piece it will never be whole; holding the others would only keep memory from
         * those that will. */
        forget(ip, index);
        return WEIR_DROP_FRAG_LIMIT;
    }
    note_ends(frag, piece);
    return is_complete(ip, frag) ? finish(ip, index, whole) : WEIR_DROP_NONE;
}

/* ---- time ---- */

static void expire(struct ip_host *ip, uint32_t index, weir_time now)
{
    const struct frag *frag = entry(ip, index);
    if (!frag->dead)
        trace_drop(ip->trace, now, WEIR_DROP_FRAG_TIMEOUT,
                   &(struct weir_record){ .conn = UINT32_MAX,
                                          .value = ranges_total(&frag->have, ip->rings) });
    /* RFC 792; RFC 8200, 4.5: the sender is told only if the first fragment is here to be quoted.
     */
    if (!frag->dead && frag->head_len > 0) {
        const bool v4 = is_v4(frag);
        const struct ip_packet packet = {
            .src = frag->key.src,
            .dst = frag->key.dst,
            .iface = frag->iface,
            .proto = (uint8_t)frag->next_proto,
            .v4 = v4,
            .group = ip_is_group(ip, &frag->key.dst),
            .packet = ip->frag.assembly,
            .packet_len = rebuild_first(ip, frag),
        };
        const struct icmp_about about = {
            .type = v4 ? (uint8_t)ICMP4_TIME_EXCEEDED : (uint8_t)ICMP6_TIME_EXCEEDED,
            .code = 1,
        };
        icmp_error(ip, &packet, &about, now);
    }
    forget(ip, index);
}

void frag_timeout(struct ip_host *ip, bool v4, weir_time now)
{
    const weir_time time = v4 ? FRAG_TIME_V4 : FRAG_TIME_V6;
    const struct list *order = order_of(ip, v4);
    while (order->head != LIST_NONE && entry(ip, order->head)->when + time <= now)
        expire(ip, order->head, now);
    set_timer(ip, v4);
}
