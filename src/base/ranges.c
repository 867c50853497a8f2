/* SPDX-License-Identifier: MIT */
#include "base/ranges.h"

#include <string.h>

/* The ranges are in a chunk exactly when they are more than RANGES_INLINE. `drop_front` and
 * `splice` are the only functions that change their number. */

WEIR_STATIC_ASSERT(sizeof(struct range) == 8, "RANGES_MAX of them fit a chunk of 8 KiB");

static struct range *ranges_of(struct ranges *set, const struct ring_pool *pool)
{
    if (set->chunk == RING_NONE)
        return set->inline_at;
    return (struct range *)(void *)ring_chunk_at(pool, set->chunk);
}

static const struct range *const_ranges_of(const struct ranges *set, const struct ring_pool *pool)
{
    if (set->chunk == RING_NONE)
        return set->inline_at;
    return (const struct range *)(const void *)ring_chunk_at(pool, set->chunk);
}

static void go_inline_if_few(struct ranges *set, struct ring_pool *pool)
{
    if (set->chunk == RING_NONE || set->count > RANGES_INLINE)
        return;
    memcpy(set->inline_at, ring_chunk_at(pool, set->chunk), set->count * sizeof(struct range));
    ring_chunk_give(pool, set->chunk);
    set->chunk = RING_NONE;
}

void ranges_init(struct ranges *set, const struct ring_pool *pool, unsigned max)
{
    WEIR_ASSERT(max > 0);
    WEIR_ASSERT(max <= RANGES_MAX);
    const size_t chunk_holds = ((size_t)1 << pool->chunk_shift) / sizeof(struct range);
    if (max > RANGES_INLINE && max > chunk_holds)
        max = chunk_holds > RANGES_INLINE ? (unsigned)chunk_holds : RANGES_INLINE;
    *set = (struct ranges){ .chunk = RING_NONE, .max = (uint16_t)max };
}

/* The first range whose end is not before `s`, or count; if `touching` is false, whose end lies
 * after it. */
static unsigned first_ending(const struct ranges *set, const struct ring_pool *pool, seq32 s,
                             bool touching)
{
    const struct range *at = const_ranges_of(set, pool);
    unsigned low = 0;
    unsigned high = set->count;
    while (low < high) {
        const unsigned middle = low + (high - low) / 2;
        if (touching ? seq_lt(at[middle].end, s) : seq_leq(at[middle].end, s))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first range from `low` on that starts after `s`, or count. */
static unsigned first_starting_after(const struct ranges *set, const struct ring_pool *pool,
                                     unsigned low, seq32 s)
{
    const struct range *at = const_ranges_of(set, pool);
    unsigned high = set->count;
    while (low < high) {
        const unsigned middle = low + (high - low) / 2;
        if (seq_leq(at[middle].start, s))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Puts `range` in place of [first, last). False, with nothing changed, if there is no room. */
static bool splice(struct ranges *set, struct ring_pool *pool, unsigned first, unsigned last,
                   struct range range)
{
    const unsigned count = set->count - (last - first) + 1;
    if (count > set->max)
        return false;
    if (count > RANGES_INLINE && set->chunk == RING_NONE) {
        const uint32_t chunk = ring_chunk_take(pool);
        if (chunk == RING_NONE)
            return false;
        memcpy(ring_chunk_at(pool, chunk), set->inline_at, set->count * sizeof(struct range));
        set->chunk = chunk;
    }

    struct range *at = ranges_of(set, pool);
    if (last != first + 1)
        memmove(&at[first + 1], &at[last], (set->count - last) * sizeof(struct range));
    at[first] = range;
    set->count = (uint16_t)count;
    go_inline_if_few(set, pool);
    return true;
}

bool ranges_add(struct ranges *set, struct ring_pool *pool, seq32 start, uint32_t len)
{
    WEIR_ASSERT(len > 0);
    WEIR_ASSERT(len < UINT32_C(1) << 31);
    const seq32 end = start + len;

    /* [first, last) are the ranges that the new one overlaps or touches; it absorbs them. */
    const unsigned first = first_ending(set, pool, start, true);
    const unsigned last = first_starting_after(set, pool, first, end);
    struct range range = { start, end };
    if (first < last) {
        const struct range *at = const_ranges_of(set, pool);
        range.start = seq_min(start, at[first].start);
        range.end = seq_max(end, at[last - 1].end);
    }
    return splice(set, pool, first, last, range);
}

void ranges_drop_before(struct ranges *set, struct ring_pool *pool, seq32 s)
{
    const unsigned gone = ranges_after(set, pool, s);
    struct range *at = ranges_of(set, pool);
    if (gone < set->count)
        at[gone].start = seq_max(at[gone].start, s);
    if (gone == 0)
        return;
    memmove(at, &at[gone], (set->count - gone) * sizeof(struct range));
    set->count = (uint16_t)(set->count - gone);
    go_inline_if_few(set, pool);
}

void ranges_clear(struct ranges *set, struct ring_pool *pool)
{
    set->count = 0;
    go_inline_if_few(set, pool);
}

struct range ranges_at(const struct ranges *set, const struct ring_pool *pool, unsigned i)
{
    WEIR_ASSERT(i < set->count);
    return const_ranges_of(set, pool)[i];
}

unsigned ranges_find(const struct ranges *set, const struct ring_pool *pool, seq32 s)
{
    const unsigned i = ranges_after(set, pool, s);
    if (i < set->count && seq_leq(const_ranges_of(set, pool)[i].start, s))
        return i;
    return set->count;
}

unsigned ranges_after(const struct ranges *set, const struct ring_pool *pool, seq32 s)
{
    return first_ending(set, pool, s, false);
}

uint32_t ranges_total(const struct ranges *set, const struct ring_pool *pool)
{
    const struct range *at = const_ranges_of(set, pool);
    uint32_t total = 0;
    for (unsigned i = 0; i < set->count; i++)
        total += at[i].end - at[i].start;
    return total;
}

void ranges_check(const struct ranges *set, const struct ring_pool *pool)
{
    WEIR_ASSERT(set->max > 0);
    WEIR_ASSERT(set->count <= set->max);
    WEIR_ASSERT((set->chunk != RING_NONE) == (set->count > RANGES_INLINE));

    const struct range *at = const_ranges_of(set, pool);
    for (unsigned i = 0; i < set->count; i++) {
        WEIR_ASSERT(seq_lt(at[i].start, at[i].end));
        WEIR_ASSERT(i == 0 || seq_lt(at[i - 1].end, at[i].start));
    }
    /* All within 2^31, or the order above means nothing. */
    WEIR_ASSERT(set->count == 0 || seq_lt(at[0].start, at[set->count - 1].end));
}
