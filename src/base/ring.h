/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_RING_H
#define WEIR_BASE_RING_H

/* Octets of a stream, each at the place its 32-bit offset names, in chunks from one pool.
 *
 * A ring has no size of its own: octet s lies at offset `s & (chunk - 1)` of the chunk that the
 * table lists for `s >> chunk_shift`. Two table entries are in the ring; when octets more than two
 * chunks apart must be held, the table itself becomes one chunk. Nothing is ever copied to grow. A
 * chunk is attached when the first octet is put into it and given back when its last octet is
 * dropped, so an empty ring holds no memory.
 *
 * Credit is the promise that a chunk will be there: a ring with credit for n chunks can always
 * attach n (its table counts as one), whatever others do. The sum of credits never exceeds the
 * pool. Rings without credit (what waits to be sent, datagrams) take what no credit is set aside
 * for.
 *
 * The caller knows the offsets: every call says which octets it means. All live octets of a ring
 * lie within `ring_reach(pool)` of each other. */

#include "base/assert.h"
#include "base/seq.h"

#include <stddef.h>
#include <stdint.h>

#define RING_NONE UINT32_MAX

struct ring_pool {
    uint8_t *memory;      /* chunk_count chunks; untouched until used */
    uint32_t *next;       /* free list, last in first out; chunk numbers */
    uint32_t free_head;   /* RING_NONE if empty */
    uint32_t free_count;  /* chunks on the free list, and those never used */
    uint32_t fresh;       /* chunks from here on were never used: not on the list */
    uint32_t chunk_count; /* all of them */
    uint32_t credit_free; /* chunks no ring has credit for */
    uint32_t uncredited;  /* chunks attached to rings beyond their credit */
    uint8_t chunk_shift;  /* log2 of the chunk's octets */
    uint32_t fail_at;     /* fault injection: the n-th chunk taken from now fails; 0 = off */
};

/* 20 bytes: it is in every connection twice. */
struct ring {
    uint32_t at[2]; /* chunk numbers by slot; if `big`, at[0] is the table chunk, at[1] unused */
    uint32_t slot;  /* lowest attached slot number (s >> chunk_shift); meaningful if attached > 0 */
    uint16_t attached; /* data chunks attached, the table not counted */
    uint16_t credit;   /* chunks set aside for this ring, attached or not */
    uint16_t span;     /* slots from `slot` to the highest attached one, inclusive; 0 if empty */
    uint16_t big;      /* 1: the table is a chunk of its own */
};

/* Octets that `chunk_count` chunks need: for the chunks, and for the free list. */
size_t ring_pool_size(uint32_t chunk_count, uint8_t chunk_shift);

/* `memory` holds ring_pool_size octets, aligned to 64, and stays the pool's. */
void ring_pool_init(struct ring_pool *pool, void *memory, uint32_t chunk_count,
                    uint8_t chunk_shift);

/* Chunks that may be attached without credit. Includes never-used ones. */
uint32_t ring_pool_available(const struct ring_pool *pool);

/* The widest span of live octets a ring may hold: table entries x chunk, minus one chunk. */
uint32_t ring_reach(const struct ring_pool *pool);

/* Chunks to be credited so that any `len` octets, starting anywhere, surely fit (architecture, 8):
 * (len - 1) / chunk + 2, and one for the table if that is more than two. 0 for len 0. */
uint32_t ring_credit_for(const struct ring_pool *pool, uint32_t len);

void ring_init(struct ring *ring);

/* Sets the ring's credit to `chunks`. Growing fails, with nothing changed, if the pool has not that
 * much credit free or free chunks; shrinking always succeeds, also below what is attached (the
 * surplus is then counted `uncredited`). */
bool ring_set_credit(struct ring_pool *pool, struct ring *ring, uint32_t chunks)
    __attribute__((warn_unused_result));

/* Attaches what [s, s + len) needs. Returns how many octets from `s` on are now backed by chunks:
 * `len`, or fewer (also 0) when no chunk was to be had. Chunks already attached for the run stay.
 * len <= ring_reach. */
uint32_t ring_attach(struct ring_pool *pool, struct ring *ring, uint32_t s, uint32_t len)
    __attribute__((warn_unused_result));

/* The places of [s, s + len), which must be attached. Fills at most `max` spans; returns how many
 * and, in
 * `*covered`, the octets they cover. 64 KiB in 16 KiB chunks are at most five spans. */
struct weir_span;
unsigned ring_spans(const struct ring_pool *pool, const struct ring *ring, uint32_t s, uint32_t len,
                    struct weir_span *span, unsigned max, uint32_t *covered);

/* Copies into / out of attached octets. */
void ring_put(struct ring_pool *pool, struct ring *ring, uint32_t s, const uint8_t *data,
              uint32_t len);
void ring_get(const struct ring_pool *pool, const struct ring *ring, uint32_t s, uint8_t *data,
              uint32_t len);

/* Octets before `s` are not needed any more: gives back the chunks wholly below it. */
void ring_drop_before(struct ring_pool *pool, struct ring *ring, uint32_t s);

/* Octets from `s` on are not needed (room that was attached and not used): gives back the chunks
 * wholly at or above it. */
void ring_drop_after(struct ring_pool *pool, struct ring *ring, uint32_t s);

/* Gives back every chunk and the table; credit stays. */
void ring_clear(struct ring_pool *pool, struct ring *ring);

/* A bare chunk for a table of the caller's (ranges, the sent map): its number, or RING_NONE. Never
 * one that is set aside as credit. */
uint32_t ring_chunk_take(struct ring_pool *pool);
void ring_chunk_give(struct ring_pool *pool, uint32_t chunk);

static inline uint8_t *ring_chunk_at(const struct ring_pool *pool, uint32_t chunk)
{
    WEIR_ASSERT(chunk < pool->chunk_count);
    return pool->memory + ((size_t)chunk << pool->chunk_shift);
}

/* All invariants of a pool and of one ring; panics if one is broken. For verify builds and tests.
 */
void ring_pool_check(const struct ring_pool *pool);
void ring_check(const struct ring_pool *pool, const struct ring *ring);

#endif
