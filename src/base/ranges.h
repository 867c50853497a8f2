/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_RANGES_H
#define WEIR_BASE_RANGES_H

/* A bounded set of sequence numbers, kept as sorted ranges with gaps between them.
 *
 * The receiver notes here which octets beyond RCV.NXT have already arrived (the octets themselves
 * lie in the receive ring, at their place). It stores no data and never grows beyond its bound:
 * that is what a hostile sender of one-octet segments can make us remember. Eight ranges are
 * inline; more take one chunk of the ring pool as a sorted array, found by binary search, moved by
 * one memmove.
 *
 * All numbers in a set, and those passed in, must lie within 2^31 of each other. A window does. */

#include "base/ring.h"

#define RANGES_INLINE 8
#define RANGES_MAX    1024

struct range {
    seq32 start;
    seq32 end; /* one past the last; never equal to the next range's start */
};

struct ranges {
    struct range inline_at[RANGES_INLINE];
    uint32_t chunk; /* RING_NONE while the ranges are inline */
    uint16_t count;
    uint16_t max; /* at most RANGES_MAX, and what a chunk holds */
};

/* `max` is the bound, 1..RANGES_MAX; it is lowered to what one chunk of `pool` can hold. */
void ranges_init(struct ranges *set, const struct ring_pool *pool, unsigned max);

/* Adds [start, start + len), which may overlap what is there; len > 0, < 2^31.
 *
 * Returns false, with the set unchanged, if that would take more than `max` ranges or no chunk was
 * to be had. The caller then drops the segment; the peer will send it again. */
bool ranges_add(struct ranges *set, struct ring_pool *pool, seq32 start, uint32_t len)
    __attribute__((warn_unused_result));

/* Forgets everything before `s`, cutting a range that straddles it. Gives the chunk back when eight
 * suffice. */
void ranges_drop_before(struct ranges *set, struct ring_pool *pool, seq32 s);

/* Empties the set and gives the chunk back. */
void ranges_clear(struct ranges *set, struct ring_pool *pool);

/* The i-th range, from the lowest; i < count. */
struct range ranges_at(const struct ranges *set, const struct ring_pool *pool, unsigned i);

/* The index of the range that holds `s`, or set->count if none does. */
unsigned ranges_find(const struct ranges *set, const struct ring_pool *pool, seq32 s);

/* The index of the first range whose end lies after `s` (so: that holds `s` or starts beyond it),
 * or count. */
unsigned ranges_after(const struct ranges *set, const struct ring_pool *pool, seq32 s);

/* Sum of all lengths. */
uint32_t ranges_total(const struct ranges *set, const struct ring_pool *pool);

void ranges_check(const struct ranges *set, const struct ring_pool *pool);

#endif
