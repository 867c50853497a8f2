/* SPDX-License-Identifier: MIT */
#include "stack/parts.h"

#include <string.h>

/* ---- tuples and hashes ---- */

void flow_tuple(const struct flow *flow, uint8_t tuple[FLOW_TUPLE])
{
    memcpy(tuple, flow->local.octet, 16);
    memcpy(tuple + 16, flow->peer.octet, 16);
    tuple[32] = (uint8_t)(flow->lport >> 8);
    tuple[33] = (uint8_t)flow->lport;
    tuple[34] = (uint8_t)(flow->rport >> 8);
    tuple[35] = (uint8_t)flow->rport;
    tuple[36] = (uint8_t)(flow->scope >> 8);
    tuple[37] = (uint8_t)flow->scope;
    memset(tuple + 38, 0, 2);
}

static inline uint64_t swapped(uint16_t value)
{
    return (uint16_t)(value << 8 | value >> 8);
}

/* Each segment asks. The words are the tuple's, addresses of this machine's order: hashes never
 * leave it. Of IPv4 they are without the twelve octets that all addresses have in common. */
uint32_t flow_hash(const struct weir *weir, const struct flow *flow)
{
    const uint64_t ports =
        swapped(flow->lport) | swapped(flow->rport) << 16 | swapped(flow->scope) << 32;
    if (weir_ip_is_v4(&flow->peer)) {
        uint64_t word[2];
        memcpy(word, flow->local.octet + 12, 4);
        memcpy((uint8_t *)word + 4, flow->peer.octet + 12, 4);
        word[1] = ports;
        return (uint32_t)siphash13_words2(&weir->table_key, word);
    }
    uint64_t word[FLOW_TUPLE / 8];
    memcpy(word, flow->local.octet, sizeof flow->local.octet);
    memcpy(word + 2, flow->peer.octet, sizeof flow->peer.octet);
    word[4] = ports;
    return (uint32_t)siphash13_words5(&weir->table_key, word);
}

uint64_t flow_share(const struct weir *weir, uint32_t hash, uint32_t member)
{
    uint8_t text[8];
    for (unsigned i = 0; i < 4; i++) {
        text[i] = (uint8_t)(hash >> 8 * i);
        text[4 + i] = (uint8_t)(member >> 8 * i);
    }
    return siphash13(&weir->table_key, text, sizeof text);
}

bool flow_is_ours(const struct weir *weir, const struct flow *flow)
{
    if (weir->config.shard_count <= 1)
        return true;
    uint8_t tuple[FLOW_TUPLE];
    flow_tuple(flow, tuple);
    const uint64_t hash = siphash13(&weir->table_key, tuple, sizeof tuple);
    return hash % weir->config.shard_count == weir->config.shard_index;
}

uint32_t port_hash(const struct weir *weir, uint16_t port)
{
    const uint8_t text[2] = { (uint8_t)(port >> 8), (uint8_t)port };
    return (uint32_t)siphash13(&weir->table_key, text, sizeof text);
}

/* ---- what a reference names ---- */

static struct flow flow_from(const struct weir *weir, uint16_t local, const uint8_t peer[16],
                             unsigned iface, uint16_t lport, uint16_t rport)
{
    WEIR_ASSERT(local < weir->local_used);
    struct flow flow = { .local = weir->local[local].ip, .lport = lport, .rport = rport };
    memcpy(flow.peer.octet, peer, sizeof flow.peer.octet);
    flow.scope = scope_of(&flow.peer, iface);
    return flow;
}

static uint32_t word_of(const struct weir_ip *ip, unsigned at)
{
    const uint8_t *octet = ip->octet + at;
    return (uint32_t)octet[0] << 24 | (uint32_t)octet[1] << 16 | (uint32_t)octet[2] << 8 | octet[3];
}

void flow_record(struct weir *weir, uint32_t conn, const struct flow *flow, weir_time now)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct weir_ip *ip = i == 0 ? &flow->local : &flow->peer;
        const uint32_t last = word_of(ip, 12);
        trace_story(&weir->trace, &(struct weir_record){
                                      .when = now,
                                      .conn = conn,
                                      .type = i == 0 ? WEIR_REC_LOCAL : WEIR_REC_REMOTE,
                                      .flags = (uint8_t)flow->scope,
                                      .code = i == 0 ? flow->lport : flow->rport,
                                      .seq = word_of(ip, 0),
                                      .ack = word_of(ip, 4),
                                      .value = word_of(ip, 8),
                                      .window = (uint16_t)(last >> 16),
                                      .extra = (uint16_t)last,
                                  });
    }
}

struct flow flow_of_conn(const struct weir *weir, const struct conn *conn)
{
    return flow_from(weir, conn->local, conn->peer.octet, conn->path.iface, conn->lport,
                     conn->rport);
}

struct flow flow_of_synq(const struct weir *weir, const struct synq_entry *entry)
{
    return flow_from(weir, entry->local, entry->peer, entry->iface, entry->lport, entry->rport);
}

struct flow flow_of_tw(const struct weir *weir, const struct tw_entry *entry)
{
    return flow_from(weir, entry->local, entry->peer, entry->iface, entry->lport, entry->rport);
}

static bool is_flow(const struct weir *weir, uint32_t ref, const struct flow *flow)
{
    const uint8_t *peer;
    uint16_t local, lport, rport, iface;
    if (flow_ref_tag(ref) == FLOW_CONN) {
        const struct conn *conn = pool_at(&weir->conns, flow_ref_index(ref));
        peer = conn->peer.octet, local = conn->local, lport = conn->lport, rport = conn->rport;
        iface = conn->path.iface;
    } else if (flow_ref_tag(ref) == FLOW_SYNQ) {
        const struct synq_entry *entry = pool_at(&weir->synq, flow_ref_index(ref));
        peer = entry->peer, local = entry->local, lport = entry->lport, rport = entry->rport;
        iface = entry->iface;
    } else {
        const struct tw_entry *entry = pool_at(&weir->tw, flow_ref_index(ref));
        peer = entry->peer, local = entry->local, lport = entry->lport, rport = entry->rport;
        iface = entry->iface;
    }
    return lport == flow->lport && rport == flow->rport &&
           memcmp(peer, flow->peer.octet, sizeof flow->peer.octet) == 0 &&
           memcmp(weir->local[local].ip.octet, flow->local.octet, sizeof flow->local.octet) == 0 &&
           (flow->scope == 0 || flow->scope == iface + 1);
}

uint32_t flow_find(const struct weir *weir, const struct flow *flow, uint32_t hash)
{
    uint32_t at;
    uint32_t ref = demux_first(&weir->flows, hash, &at);
    while (ref != DEMUX_NONE && !is_flow(weir, ref, flow))
        ref = demux_next(&weir->flows, hash, &at);
    return ref;
}

/* What a segment with text touches of its connection are five lines, its cookie, which the event
 * tells, and its slot in the table; if the acknowledgement may wait, its wheel node. One that
 * carries nothing acknowledges something, and whoever sends needs the rest, too. */
void flow_prefetch(const struct weir *weir, uint32_t hash, bool text)
{
    uint32_t at;
    const uint32_t ref = demux_first(&weir->flows, hash, &at);
    if (ref == DEMUX_NONE)
        return;
    if (flow_ref_tag(ref) == FLOW_CONN) {
        const uint8_t *conn = pool_at(&weir->conns, flow_ref_index(ref));
        const size_t hot = offsetof(struct conn, tcb) + TCB_HOT;
        for (size_t i = 0; i < hot; i += ARENA_ALIGN)
            __builtin_prefetch(conn + i);
        for (size_t i = hot; !text && i < sizeof(struct conn); i += ARENA_ALIGN)
            __builtin_prefetch(conn + i);
        __builtin_prefetch(&weir->wheel.node[flow_ref_index(ref)]);
        __builtin_prefetch(&weir->conn_cookie[flow_ref_index(ref)]);
        return;
    }
    const struct pool *pool = flow_ref_tag(ref) == FLOW_SYNQ ? &weir->synq : &weir->tw;
    __builtin_prefetch(pool_at(pool, flow_ref_index(ref)));
}

/* ---- local addresses by number ---- */

static uint32_t local_hash(const struct weir *weir, const struct weir_ip *ip)
{
    return (uint32_t)siphash13(&weir->table_key, ip->octet, sizeof ip->octet);
}

uint16_t local_take(struct weir *weir, const struct weir_ip *ip)
{
    /* Mostly it is the one that was taken last. */
    const struct local_addr *last = &weir->local[weir->local_last];
    if (weir->local_used > 0 && last->refs > 0 && weir_ip_equal(&last->ip, ip))
        return local_again(weir, (uint16_t)weir->local_last);
    const uint32_t hash = local_hash(weir, ip);
    uint32_t slot;
    for (uint32_t ref = demux_first(&weir->locals, hash, &slot); ref != DEMUX_NONE;
         ref = demux_next(&weir->locals, hash, &slot))
        if (weir_ip_equal(&weir->local[ref - 1].ip, ip)) {
            weir->local_last = ref - 1;
            return local_again(weir, (uint16_t)(ref - 1));
        }
    uint32_t number = weir->local_free;
    if (number != POOL_NONE)
        weir->local_free = weir->local[number].next;
    else if (weir->local_used < weir->local_max)
        number = weir->local_used++;
    else
        return LOCAL_NONE;
    weir->local[number] = (struct local_addr){ *ip, 1, POOL_NONE };
    demux_add(&weir->locals, hash, number + 1);
    weir->local_last = number;
    return (uint16_t)number;
}

uint16_t local_again(struct weir *weir, uint16_t number)
{
    WEIR_ASSERT(number < weir->local_used && weir->local[number].refs > 0);
    weir->local[number].refs++;
    return number;
}

void local_give(struct weir *weir, uint16_t number)
{
    WEIR_ASSERT(number < weir->local_used && weir->local[number].refs > 0);
    struct local_addr *local = &weir->local[number];
    if (--local->refs > 0)
        return;
    demux_remove(&weir->locals, local_hash(weir, &local->ip), number + 1u);
    local->next = weir->local_free;
    weir->local_free = number;
}
