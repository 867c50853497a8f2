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
    memset(tuple + 36, 0, 4);
}

uint32_t flow_hash(const struct weir *weir, const struct flow *flow)
{
    uint8_t tuple[FLOW_TUPLE];
    uint64_t word[FLOW_TUPLE / 8];
    flow_tuple(flow, tuple);
    memcpy(word, tuple, sizeof word); /* of this machine's order: hashes never leave it */
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
                             uint16_t lport, uint16_t rport)
{
    WEIR_ASSERT(local < weir->local_used);
    struct flow flow = { .local = weir->local[local].ip, .lport = lport, .rport = rport };
    memcpy(flow.peer.octet, peer, sizeof flow.peer.octet);
    return flow;
}

struct flow flow_of_conn(const struct weir *weir, const struct conn *conn)
{
    return flow_from(weir, conn->local, conn->peer.octet, conn->lport, conn->rport);
}

struct flow flow_of_synq(const struct weir *weir, const struct synq_entry *entry)
{
    return flow_from(weir, entry->local, entry->peer, entry->lport, entry->rport);
}

struct flow flow_of_tw(const struct weir *weir, const struct tw_entry *entry)
{
    return flow_from(weir, entry->local, entry->peer, entry->lport, entry->rport);
}

static bool is_flow(const struct weir *weir, uint32_t ref, const struct flow *flow)
{
    const uint8_t *peer;
    uint16_t local, lport, rport;
    if (flow_ref_tag(ref) == FLOW_CONN) {
        const struct conn *conn = pool_at(&weir->conns, flow_ref_index(ref));
        peer = conn->peer.octet, local = conn->local, lport = conn->lport, rport = conn->rport;
    } else if (flow_ref_tag(ref) == FLOW_SYNQ) {
        const struct synq_entry *entry = pool_at(&weir->synq, flow_ref_index(ref));
        peer = entry->peer, local = entry->local, lport = entry->lport, rport = entry->rport;
    } else {
        const struct tw_entry *entry = pool_at(&weir->tw, flow_ref_index(ref));
        peer = entry->peer, local = entry->local, lport = entry->lport, rport = entry->rport;
    }
    return lport == flow->lport && rport == flow->rport &&
           memcmp(peer, flow->peer.octet, sizeof flow->peer.octet) == 0 &&
           memcmp(weir->local[local].ip.octet, flow->local.octet, sizeof flow->local.octet) == 0;
}

uint32_t flow_find(const struct weir *weir, const struct flow *flow, uint32_t hash)
{
    uint32_t at;
    uint32_t ref = demux_first(&weir->flows, hash, &at);
    while (ref != DEMUX_NONE && !is_flow(weir, ref, flow))
        ref = demux_next(&weir->flows, hash, &at);
    return ref;
}

/* Every segment touches all lines of a connection: the last ones count it. With its wheel node, its
 * cookie (the event tells it) and its slot in the table these are ten lines on four pages. */
#define PREFETCH_LINES (sizeof(struct conn) / 64)

void flow_prefetch(const struct weir *weir, uint32_t hash)
{
    uint32_t at;
    const uint32_t ref = demux_first(&weir->flows, hash, &at);
    if (ref == DEMUX_NONE)
        return;
    if (flow_ref_tag(ref) == FLOW_CONN) {
        const uint8_t *conn = pool_at(&weir->conns, flow_ref_index(ref));
        for (unsigned i = 0; i < PREFETCH_LINES; i++)
            __builtin_prefetch(conn + 64 * i);
        __builtin_prefetch(&weir->wheel.node[flow_ref_index(ref)]);
        __builtin_prefetch(&weir->conn_cookie[flow_ref_index(ref)]);
        return;
    }
    const struct pool *pool = flow_ref_tag(ref) == FLOW_SYNQ ? &weir->synq : &weir->tw;
    __builtin_prefetch(pool_at(pool, flow_ref_index(ref)));
}

/* ---- local addresses by number ---- */

uint16_t local_take(struct weir *weir, const struct weir_ip *ip)
{
    uint32_t unused = LOCAL_NONE;
    for (uint32_t i = 0; i < weir->local_used; i++) {
        if (weir->local[i].refs == 0) {
            if (unused == LOCAL_NONE)
                unused = i;
        } else if (weir_ip_equal(&weir->local[i].ip, ip)) {
            weir->local[i].refs++;
            return (uint16_t)i;
        }
    }
    if (unused == LOCAL_NONE) {
        if (weir->local_used == weir->local_max)
            return LOCAL_NONE;
        unused = weir->local_used++;
    }
    weir->local[unused] = (struct local_addr){ *ip, 1 };
    return (uint16_t)unused;
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
    weir->local[number].refs--;
}
