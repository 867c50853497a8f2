/* SPDX-License-Identifier: MIT */
#include "base/ring.h"

#include <string.h>

/* Three rules keep this file simple.
 *
 * The table is valid for the slots [slot, slot + span) and nowhere else, so an entry is written
 * before the span grows over it and a table chunk never has to be filled first. The first and the
 * last slot of the span are attached; between them there may be holes. And a ring is `big` exactly
 * when its span is over two slots: the table goes back as soon as two entries suffice, or a ring
 * whose credit has shrunk with its window would pay for a table that its credit does not count.
 *
 * Slot numbers are modulo 2^(32 - chunk_shift), as offsets are modulo 2^32. */

#define SMALL_SLOTS       2
#define CHUNK_SHIFT_MIN   6  /* a table of 16 entries */
#define CHUNK_SHIFT_MAX   16 /* beyond it, a table would name more than half of all slots */
#define TABLE_ENTRY_SHIFT 2

WEIR_STATIC_ASSERT(sizeof(uint32_t) == 1 << TABLE_ENTRY_SHIFT, "a table entry is a chunk number");
WEIR_STATIC_ASSERT(sizeof(struct ring) == 20, "it is in every connection twice");

static uint32_t chunk_len(const struct ring_pool *pool)
{
    return UINT32_C(1) << pool->chunk_shift;
}

static uint32_t table_slots(const struct ring_pool *pool)
{
    return chunk_len(pool) >> TABLE_ENTRY_SHIFT;
}

static uint32_t slot_mask(const struct ring_pool *pool)
{
    return UINT32_MAX >> pool->chunk_shift;
}

/* How many slots `b` lies after `a`; if it lies before, more than half of all slots. */
static uint32_t slots_from(const struct ring_pool *pool, uint32_t a, uint32_t b)
{
    return (b - a) & slot_mask(pool);
}

static bool slots_are_forward(const struct ring_pool *pool, uint32_t distance)
{
    return distance <= slot_mask(pool) / 2;
}

/* Chunks a ring has, with its table. */
static uint32_t held_count(const struct ring *ring)
{
    return (uint32_t)ring->attached + ring->big;
}

/* ---- the pool ---- */

size_t ring_pool_size(uint32_t chunk_count, uint8_t chunk_shift)
{
    return ((size_t)chunk_count << chunk_shift) + (size_t)chunk_count * sizeof(uint32_t);
}

void ring_pool_init(struct ring_pool *pool, void *memory, uint32_t chunk_count, uint8_t chunk_shift)
{
    WEIR_ASSERT(chunk_shift >= CHUNK_SHIFT_MIN);
    WEIR_ASSERT(chunk_shift <= CHUNK_SHIFT_MAX);
    WEIR_ASSERT(chunk_count < RING_NONE);

    *pool = (struct ring_pool){
        .memory = memory,
        .next = (uint32_t *)(void *)((uint8_t *)memory + ((size_t)chunk_count << chunk_shift)),
        .free_head = RING_NONE,
        .free_count = chunk_count,
        .chunk_count = chunk_count,
        .credit_free = chunk_count,
        .chunk_shift = chunk_shift,
    };
}

uint32_t ring_pool_available(const struct ring_pool *pool)
{
    WEIR_ASSERT(pool->uncredited <= pool->credit_free);
    return pool->credit_free - pool->uncredited;
}

uint32_t ring_reach(const struct ring_pool *pool)
{
    return (table_slots(pool) - 1) << pool->chunk_shift;
}

uint32_t ring_credit_for(const struct ring_pool *pool, uint32_t len)
{
    if (len == 0)
        return 0;
    const uint32_t slots = ((len - 1) >> pool->chunk_shift) + 2;
    return slots > SMALL_SLOTS ? slots + 1 : slots;
}

/* The only two functions that touch the free list; what the chunk is accounted to is their callers'
 * business. */
static uint32_t free_list_take(struct ring_pool *pool)
{
    if (pool->fail_at > 0 && --pool->fail_at == 0)
        return RING_NONE;

    WEIR_ASSERT(pool->free_count > 0);
    pool->free_count--;
    if (pool->free_head == RING_NONE)
        return pool->fresh++;
    const uint32_t chunk = pool->free_head;
    pool->free_head = pool->next[chunk];
    return chunk;
}

static void free_list_give(struct ring_pool *pool, uint32_t chunk)
{
    WEIR_ASSERT(chunk < pool->fresh);
    WEIR_ASSERT(pool->free_count < pool->chunk_count);
    pool->next[chunk] = pool->free_head;
    pool->free_head = chunk;
    pool->free_count++;
}

/* One more chunk for a ring that has `held` and credit for `credit`. */
static uint32_t chunk_take(struct ring_pool *pool, uint32_t credit, uint32_t held)
{
    const bool credited = held < credit;
    if (!credited && ring_pool_available(pool) == 0)
        return RING_NONE;

    const uint32_t chunk = free_list_take(pool);
    if (chunk != RING_NONE && !credited)
        pool->uncredited++;
    return chunk;
}

/* The reverse; `held` counts the chunk that is given. */
static void chunk_give(struct ring_pool *pool, uint32_t credit, uint32_t held, uint32_t chunk)
{
    if (held > credit) {
        WEIR_ASSERT(pool->uncredited > 0);
        pool->uncredited--;
    }
    free_list_give(pool, chunk);
}

uint32_t ring_chunk_take(struct ring_pool *pool)
{
    return chunk_take(pool, 0, 0);
}

void ring_chunk_give(struct ring_pool *pool, uint32_t chunk)
{
    chunk_give(pool, 0, 1, chunk);
}

/* ---- the table ---- */

/* Wherever the table is, the entry of a slot is at `slot & *mask`. */
static uint32_t *table_of(const struct ring_pool *pool, struct ring *ring, uint32_t *mask)
{
    *mask = ring->big ? table_slots(pool) - 1 : SMALL_SLOTS - 1;
    return ring->big ? (uint32_t *)(void *)ring_chunk_at(pool, ring->at[0]) : ring->at;
}

static const uint32_t *table_read(const struct ring_pool *pool, const struct ring *ring,
                                  uint32_t *mask)
{
    *mask = ring->big ? table_slots(pool) - 1 : SMALL_SLOTS - 1;
    return ring->big ? (const uint32_t *)(const void *)ring_chunk_at(pool, ring->at[0]) : ring->at;
}

static uint32_t *entry_at(const struct ring_pool *pool, struct ring *ring, uint32_t slot)
{
    uint32_t mask;
    uint32_t *table = table_of(pool, ring, &mask);
    return &table[slot & mask];
}

/* The chunk attached at `slot`, or RING_NONE. */
static uint32_t chunk_of(const struct ring_pool *pool, const struct ring *ring, uint32_t slot)
{
    if (slots_from(pool, ring->slot, slot) >= ring->span)
        return RING_NONE;
    uint32_t mask;
    const uint32_t *table = table_read(pool, ring, &mask);
    return table[slot & mask];
}

/* The place of octet `s`, which is attached, and how many of `len` lie there side by side. */
static inline uint8_t *place_of(const struct ring_pool *pool, const struct ring *ring, uint32_t s,
                                uint32_t len, uint32_t *run)
{
    const uint32_t off = s & (chunk_len(pool) - 1), room = chunk_len(pool) - off;
    *run = len < room ? len : room;
    return ring_chunk_at(pool, chunk_of(pool, ring, s >> pool->chunk_shift)) + off;
}

static void go_big(const struct ring_pool *pool, struct ring *ring, uint32_t table)
{
    const uint32_t at[SMALL_SLOTS] = { ring->at[0], ring->at[1] };
    ring->at[0] = table;
    ring->at[1] = RING_NONE;
    ring->big = 1;
    for (uint32_t i = 0; i < ring->span; i++)
        *entry_at(pool, ring, ring->slot + i) = at[(ring->slot + i) % SMALL_SLOTS];
}

/* After something was dropped: without the table, if two entries suffice. */
static void go_small_again(struct ring_pool *pool, struct ring *ring)
{
    if (!ring->big || ring->span > SMALL_SLOTS)
        return;

    uint32_t at[SMALL_SLOTS] = { RING_NONE, RING_NONE };
    for (uint32_t i = 0; i < ring->span; i++)
        at[(ring->slot + i) % SMALL_SLOTS] = *entry_at(pool, ring, ring->slot + i);
    chunk_give(pool, ring->credit, held_count(ring), ring->at[0]);
    ring->big = 0;
    ring->at[0] = at[0];
    ring->at[1] = at[1];
}

/* Makes the span reach from `start` over `span` slots. It grows at one end only. */
static void widen(const struct ring_pool *pool, struct ring *ring, uint32_t start, uint32_t span)
{
    const uint32_t first_new = start == ring->slot ? start + ring->span : start;
    for (uint32_t i = 0; i < span - ring->span; i++)
        *entry_at(pool, ring, first_new + i) = RING_NONE;
    ring->slot = start;
    ring->span = (uint16_t)span;
}

/* The usual case: the slot behind the last one of a big ring, which is not full. */
static bool append_slot(struct ring_pool *pool, struct ring *ring, uint32_t slot)
{
    const uint32_t chunk = chunk_take(pool, ring->credit, held_count(ring));
    if (chunk == RING_NONE)
        return false;
    *entry_at(pool, ring, slot) = chunk;
    ring->attached++;
    ring->span++;
    return true;
}

static bool attach_first(struct ring_pool *pool, struct ring *ring, uint32_t slot)
{
    const uint32_t chunk = chunk_take(pool, ring->credit, 0);
    if (chunk == RING_NONE)
        return false;
    ring->at[slot % SMALL_SLOTS] = chunk;
    ring->slot = slot;
    ring->attached = ring->span = 1;
    return true;
}

static bool attach_slot(struct ring_pool *pool, struct ring *ring, uint32_t slot)
{
    if (ring->span == 0)
        return attach_first(pool, ring, slot);
    if (ring->big && ring->span < table_slots(pool) &&
        slots_from(pool, ring->slot, slot) == ring->span)
        return append_slot(pool, ring, slot);
    const uint32_t up = slots_from(pool, ring->slot, slot);
    const bool forward = slots_are_forward(pool, up);
    const uint32_t start = forward ? ring->slot : slot;
    uint32_t span = ring->span;
    if (!forward)
        span += slots_from(pool, slot, ring->slot);
    else if (up >= span)
        span = up + 1;
    WEIR_ASSERT(span <= table_slots(pool));

    const uint32_t held = held_count(ring);
    const uint32_t chunk = chunk_take(pool, ring->credit, held);
    if (chunk == RING_NONE)
        return false;
    if (span > SMALL_SLOTS && !ring->big) {
        const uint32_t table = chunk_take(pool, ring->credit, held + 1);
        if (table == RING_NONE) {
            chunk_give(pool, ring->credit, held + 1, chunk);
            return false;
        }
        go_big(pool, ring, table);
    }
    if (span > ring->span)
        widen(pool, ring, start, span);
    *entry_at(pool, ring, slot) = chunk;
    ring->attached++;
    return true;
}

/* Gives back the chunks at `count` slots, as far as there are. The caller then mends the span. */
static void detach_slots(struct ring_pool *pool, struct ring *ring, uint32_t slot, uint32_t count)
{
    uint32_t mask;
    uint32_t *table = table_of(pool, ring, &mask);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t *entry = &table[(slot + i) & mask];
        if (*entry == RING_NONE)
            continue;
        chunk_give(pool, ring->credit, held_count(ring), *entry);
        *entry = RING_NONE;
        ring->attached--;
    }
}

/* ---- the ring ---- */

void ring_init(struct ring *ring)
{
    *ring = (struct ring){ .at = { RING_NONE, RING_NONE } };
}

bool ring_set_credit(struct ring_pool *pool, struct ring *ring, uint32_t chunks)
{
    const uint32_t held = held_count(ring);
    const uint32_t credit = ring->credit;
    const uint32_t surplus = held > credit ? held - credit : 0;
    const uint32_t new_surplus = held > chunks ? held - chunks : 0;
    if (chunks > credit) {
        const uint32_t growth = chunks - credit;
        const uint32_t covered = surplus - new_surplus;
        /* What the new credit covers is attached already; the rest must be there for the taking. */
        if (chunks > UINT16_MAX || growth > pool->credit_free ||
            growth - covered > ring_pool_available(pool))
            return false;
    }
    pool->credit_free = pool->credit_free + credit - chunks;
    pool->uncredited = pool->uncredited - surplus + new_surplus;
    ring->credit = (uint16_t)chunks;
    WEIR_ASSERT(pool->uncredited <= pool->credit_free);
    return true;
}

uint32_t ring_attach(struct ring_pool *pool, struct ring *ring, uint32_t s, uint32_t len)
{
    WEIR_ASSERT(len <= ring_reach(pool));

    const uint32_t first = s >> pool->chunk_shift;
    const uint32_t off = s & (chunk_len(pool) - 1);
    const uint32_t count = len == 0 ? 0 : ((off + len - 1) >> pool->chunk_shift) + 1;
    for (uint32_t i = 0; i < count; i++)
        if (chunk_of(pool, ring, first + i) == RING_NONE && !attach_slot(pool, ring, first + i))
            return i == 0 ? 0 : (i << pool->chunk_shift) - off;
    return len;
}

unsigned ring_spans(const struct ring_pool *pool, const struct ring *ring, uint32_t s, uint32_t len,
                    struct weir_span *span, unsigned max, uint32_t *covered)
{
    unsigned count = 0;
    uint32_t run;
    for (*covered = 0; *covered < len && count < max; *covered += run) {
        span[count].base = place_of(pool, ring, s + *covered, len - *covered, &run);
        span[count++].len = run;
    }
    return count;
}

void ring_put(struct ring_pool *pool, struct ring *ring, uint32_t s, const uint8_t *data,
              uint32_t len)
{
    uint32_t run;
    for (uint32_t done = 0; done < len; done += run) {
        uint8_t *place = place_of(pool, ring, s + done, len - done, &run);
        memcpy(place, data + done, run);
    }
}

void ring_get(const struct ring_pool *pool, const struct ring *ring, uint32_t s, uint8_t *data,
              uint32_t len)
{
    uint32_t run;
    for (uint32_t done = 0; done < len; done += run) {
        const uint8_t *place = place_of(pool, ring, s + done, len - done, &run);
        memcpy(data + done, place, run);
    }
}

void ring_drop_before(struct ring_pool *pool, struct ring *ring, uint32_t s)
{
    uint32_t gone = slots_from(pool, ring->slot, s >> pool->chunk_shift);
    if (ring->span == 0 || gone == 0 || !slots_are_forward(pool, gone))
        return;

    if (gone > ring->span)
        gone = ring->span;
    detach_slots(pool, ring, ring->slot, gone);
    while (gone < ring->span && *entry_at(pool, ring, ring->slot + gone) == RING_NONE)
        gone++;
    ring->slot = (ring->slot + gone) & slot_mask(pool);
    ring->span = (uint16_t)(ring->span - gone);
    go_small_again(pool, ring);
}

void ring_drop_after(struct ring_pool *pool, struct ring *ring, uint32_t s)
{
    /* The first slot that begins at or after `s`. */
    const uint32_t end = (s + chunk_len(pool) - 1) >> pool->chunk_shift;
    uint32_t kept = slots_from(pool, ring->slot, end);
    if (!slots_are_forward(pool, kept))
        kept = 0;
    if (kept >= ring->span)
        return;

    detach_slots(pool, ring, ring->slot + kept, ring->span - kept);
    while (kept > 0 && *entry_at(pool, ring, ring->slot + kept - 1) == RING_NONE)
        kept--;
    ring->span = (uint16_t)kept;
    go_small_again(pool, ring);
}

void ring_clear(struct ring_pool *pool, struct ring *ring)
{
    if (ring->span == 0)
        return;
    if (ring->span == 1) { /* and so without a table */
        chunk_give(pool, ring->credit, 1, ring->at[ring->slot % SMALL_SLOTS]);
        ring->attached = ring->span = 0;
        return;
    }
    detach_slots(pool, ring, ring->slot, ring->span);
    ring->span = 0;
    go_small_again(pool, ring);
    WEIR_ASSERT(ring->attached == 0);
}

/* ---- checks ---- */

void ring_pool_check(const struct ring_pool *pool)
{
    WEIR_ASSERT(pool->fresh <= pool->chunk_count);
    WEIR_ASSERT(pool->free_count <= pool->chunk_count);
    WEIR_ASSERT(pool->credit_free <= pool->chunk_count);
    WEIR_ASSERT(pool->uncredited <= pool->credit_free);
    /* What is free covers at least what may be taken by anybody. */
    WEIR_ASSERT(pool->free_count >= ring_pool_available(pool));

    uint32_t listed = 0;
    for (uint32_t i = pool->free_head; i != RING_NONE; i = pool->next[i]) {
        WEIR_ASSERT(i < pool->fresh);
        WEIR_ASSERT(listed < pool->fresh); /* else the list bites its tail */
        listed++;
    }
    WEIR_ASSERT(listed + (pool->chunk_count - pool->fresh) == pool->free_count);
}

void ring_check(const struct ring_pool *pool, const struct ring *ring)
{
    WEIR_ASSERT(ring->span <= table_slots(pool));
    WEIR_ASSERT(ring->attached <= ring->span);
    WEIR_ASSERT(ring->big == (ring->span > SMALL_SLOTS));
    WEIR_ASSERT((ring->span == 0) == (ring->attached == 0));
    if (ring->span == 0)
        return;

    WEIR_ASSERT(ring->slot <= slot_mask(pool));
    WEIR_ASSERT(chunk_of(pool, ring, ring->slot) != RING_NONE);
    WEIR_ASSERT(chunk_of(pool, ring, ring->slot + ring->span - 1u) != RING_NONE);
    uint32_t attached = 0;
    for (uint32_t i = 0; i < ring->span; i++) {
        const uint32_t chunk = chunk_of(pool, ring, ring->slot + i);
        WEIR_ASSERT(chunk == RING_NONE || chunk < pool->fresh);
        attached += chunk != RING_NONE;
    }
    WEIR_ASSERT(attached == ring->attached);
}
