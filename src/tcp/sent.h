/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TCP_SENT_H
#define WEIR_TCP_SENT_H

/* What is in flight: a queue of records, each one run of up to 64 segments that were first sent
 * together.
 *
 * A record holds no payload (that lies in the send ring) and a bit a segment for what is known of
 * it. SACKs and losses set bits; nothing a peer sends, and no retransmission, ever splits, inserts
 * or allocates a record. New data leaves in sequence order, so the order of sequence is the order
 * of first transmission: records are appended at the right, released at the left, and found by
 * binary search. Two records are inline; more lie in blocks of 14, listed in a small table or in
 * one ring chunk.
 *
 * A FIN counts as the octet after the last; a SYN is never in the map (timer.c says what
 * retransmits it). */

#include "base/pool.h"
#include "base/ring.h"
#include "weir/base.h"

#define SENT_RUN           64 /* segments a record holds */
#define SENT_BLOCK         14 /* records a block holds */
#define SENT_INLINE        2
#define SENT_BLOCKS_INLINE 4

struct sent {
    seq32 seq;
    uint32_t len;    /* octets, FIN included; over segments of mss octets but the last */
    weir_time at;    /* first sent */
    uint64_t sacked; /* a bit a segment: reported by a SACK block */
    uint64_t lost;   /* taken for lost, not sacked */
    uint64_t rtx;    /* retransmitted since it was last taken for lost */
    uint64_t ever;   /* ever retransmitted: no round trip of it can be told (Karn) */
    /* For the rate sample, as of when it was first sent (rate.c). */
    uint32_t delivered;      /* octets delivered, modulo 2^32 */
    uint32_t lost_before;    /* octets taken for lost, modulo 2^32 */
    uint32_t sent_before_us; /* since the run left that was acknowledged last */
    uint32_t told_before_us; /* since that was acknowledged */
    uint16_t mss;
    uint16_t flags; /* enum sent_flag */
    uint32_t skip;  /* from this record on so many are sacked whole, and not the last; 0: unknown */
};

enum sent_flag {
    SENT_APP_LIMITED = 1 << 0,
    SENT_CLOSED = 1 << 1, /* nothing may be appended: its last segment is short, or ends a record */
    SENT_PUSH = 1 << 2,   /* a write ends with its last octet */
    SENT_FRAME = 1 << 8,  /* from here up: how many segments left in a frame */
};

struct sent_map {
    struct sent inline_at[SENT_INLINE];
    uint32_t block[SENT_BLOCKS_INLINE]; /* pool indices by (number / 14) & 3; POOL_NONE */
    uint32_t table;                     /* ring chunk that replaces block[], or RING_NONE */
    uint32_t first;                     /* number of the leftmost record */
    uint32_t next;                      /* number of the record after the last */
    bool inlined;                       /* records are in inline_at, by number & 1 */
};

struct sent_memory {
    struct pool *blocks;
    struct ring_pool *rings;
};

void sent_init(struct sent_map *map);

static inline uint32_t sent_count(const struct sent_map *map)
{
    return map->next - map->first;
}

/* The i-th record from the left; i < sent_count. */
struct sent *sent_at(const struct sent_map *map, const struct sent_memory *memory, uint32_t i);

/* Whether sent_push would succeed. */
bool sent_can_push(const struct sent_map *map, const struct sent_memory *memory);

/* A new record at the right, zeroed; NULL if no memory is to be had. */
struct sent *sent_push(struct sent_map *map, const struct sent_memory *memory);

/* Releases the leftmost record. */
void sent_pop(struct sent_map *map, const struct sent_memory *memory);

/* Releases all. */
void sent_clear(struct sent_map *map, const struct sent_memory *memory);

/* The record that holds `s`, which must lie within the map: its place from the left. */
uint32_t sent_find(const struct sent_map *map, const struct sent_memory *memory, seq32 s);

/* Segments in a record, and the octets of the i-th. */
static inline uint32_t sent_segments(const struct sent *r)
{
    return r->len <= r->mss ? 1 : (r->len + r->mss - 1) / r->mss;
}

#endif
