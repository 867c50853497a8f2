/* SPDX-License-Identifier: MIT */
#include "tcp/sent.h"

#include <string.h>

WEIR_STATIC_ASSERT(sizeof(struct sent) == 72,
                   "a record is 72 octets: 14 and a little make a block of 1 KiB");
WEIR_STATIC_ASSERT((SENT_BLOCKS_INLINE & (SENT_BLOCKS_INLINE - 1)) == 0, "used as a mask");

/* Records are numbered as they come; numbers wrap long before a busy connection ends. A multiple of
 * every table's length in blocks (a chunk holds at most 2^16 octets of them) is taken off in time.
 */
#define SENT_REBASE (SENT_BLOCK * (UINT32_C(65536) / (uint32_t)sizeof(uint32_t)))

void sent_init(struct sent_map *map)
{
    map->table = RING_NONE;
    for (unsigned i = 0; i < SENT_BLOCKS_INLINE; i++)
        map->block[i] = POOL_NONE;
    map->first = map->next = 0;
    map->inlined = true;
}

/* How many blocks the map can list at most now. */
static uint32_t table_len(const struct sent_map *map, const struct sent_memory *memory)
{
    if (map->table == RING_NONE)
        return SENT_BLOCKS_INLINE;
    return (UINT32_C(1) << memory->rings->chunk_shift) / (uint32_t)sizeof(uint32_t);
}

static uint32_t *block_slot(const struct sent_map *map, const struct sent_memory *memory,
                            uint32_t block_number)
{
    if (map->table == RING_NONE)
        return (uint32_t *)&map->block[block_number & (SENT_BLOCKS_INLINE - 1)];
    uint32_t *table = (uint32_t *)(void *)ring_chunk_at(memory->rings, map->table);
    return &table[block_number & (table_len(map, memory) - 1)];
}

static struct sent *record(const struct sent_map *map, const struct sent_memory *memory,
                           uint32_t number)
{
    if (map->inlined)
        return (struct sent *)&map->inline_at[number & 1];
    struct sent *block = pool_at(memory->blocks, *block_slot(map, memory, number / SENT_BLOCK));
    return &block[number % SENT_BLOCK];
}

struct sent *sent_at(const struct sent_map *map, const struct sent_memory *memory, uint32_t i)
{
    WEIR_ASSERT(i < sent_count(map));
    return record(map, memory, map->first + i);
}

/* Blocks between the first record's and that of `number`, both counted. */
static uint32_t blocks_to(const struct sent_map *map, uint32_t number)
{
    return number / SENT_BLOCK - map->first / SENT_BLOCK + 1;
}

bool sent_can_push(const struct sent_map *map, const struct sent_memory *memory)
{
    if (map->inlined && sent_count(map) < SENT_INLINE)
        return true;
    if (!map->inlined && map->next % SENT_BLOCK != 0)
        return true;
    if (pool_free_count(memory->blocks) == 0)
        return false;
    if (blocks_to(map, map->next) <= table_len(map, memory))
        return true;
    return map->table == RING_NONE && ring_pool_available(memory->rings) > 0;
}

/* The table of four becomes a chunk. Block numbers keep their meaning: only the mask changes. */
static bool table_grow(struct sent_map *map, const struct sent_memory *memory)
{
    if (map->table != RING_NONE)
        return false;
    const uint32_t chunk = ring_chunk_take(memory->rings);
    if (chunk == RING_NONE)
        return false;
    const uint32_t first_block = map->first / SENT_BLOCK;
    uint32_t old[SENT_BLOCKS_INLINE];
    for (uint32_t i = 0; i < SENT_BLOCKS_INLINE; i++)
        old[i] = *block_slot(map, memory, first_block + i);
    map->table = chunk;
    for (uint32_t i = 0; i < SENT_BLOCKS_INLINE; i++)
        *block_slot(map, memory, first_block + i) = old[i];
    return true;
}

/* Makes room for the record `map->next`, which begins a block. */
static bool block_add(struct sent_map *map, const struct sent_memory *memory)
{
    if (blocks_to(map, map->next) > table_len(map, memory) && !table_grow(map, memory))
        return false;
    const uint32_t block = pool_take(memory->blocks);
    if (block == POOL_NONE)
        return false;
    *block_slot(map, memory, map->next / SENT_BLOCK) = block;
    return true;
}

/* The inline records move into a block, and are numbered from 0 there. */
static bool leave_inline(struct sent_map *map, const struct sent_memory *memory)
{
    const uint32_t block = pool_take(memory->blocks);
    if (block == POOL_NONE)
        return false;
    struct sent *to = pool_at(memory->blocks, block);
    const uint32_t count = sent_count(map);
    for (uint32_t i = 0; i < count; i++)
        to[i] = map->inline_at[(map->first + i) & 1];
    map->first = 0;
    map->next = count;
    map->block[0] = block;
    map->inlined = false;
    return true;
}

struct sent *sent_push(struct sent_map *map, const struct sent_memory *memory)
{
    if (map->inlined && sent_count(map) == SENT_INLINE && !leave_inline(map, memory))
        return NULL;
    if (!map->inlined && map->next % SENT_BLOCK == 0 && !block_add(map, memory))
        return NULL;
    struct sent *r = record(map, memory, map->next);
    map->next++;
    memset(r, 0, sizeof *r);
    return r;
}

void sent_pop(struct sent_map *map, const struct sent_memory *memory)
{
    WEIR_ASSERT(sent_count(map) > 0);
    const uint32_t gone = map->first++;
    if (map->inlined)
        return;
    const bool empty = sent_count(map) == 0;
    if (gone % SENT_BLOCK == SENT_BLOCK - 1 || empty)
        pool_give(memory->blocks, *block_slot(map, memory, gone / SENT_BLOCK));
    if (!empty) {
        if (map->first >= SENT_REBASE) {
            map->first -= SENT_REBASE;
            map->next -= SENT_REBASE;
        }
        return;
    }
    if (map->table != RING_NONE)
        ring_chunk_give(memory->rings, map->table);
    sent_init(map);
}

void sent_clear(struct sent_map *map, const struct sent_memory *memory)
{
    while (sent_count(map) > 0)
        sent_pop(map, memory);
}

/* The last of `count` records side by side that begins at or before `s`; the first one does, or is
 * the answer for want of another. */
static uint32_t last_before(const struct sent *r, uint32_t count, seq32 s)
{
    uint32_t low = 0;
    while (count - low > 1) {
        const uint32_t middle = low + (count - low) / 2;
        if (seq_leq(r[middle].seq, s))
            low = middle;
        else
            count = middle;
    }
    return low;
}

/* First the block, by the records that blocks begin with, then in it: a peer has this done for each
 * SACK block of each segment. */
uint32_t sent_find(const struct sent_map *map, const struct sent_memory *memory, seq32 s)
{
    const uint32_t count = sent_count(map);
    WEIR_ASSERT(count > 0);
    if (map->inlined)
        return count > 1 && seq_leq(record(map, memory, map->first + 1)->seq, s) ? 1 : 0;
    uint32_t low = map->first / SENT_BLOCK;
    uint32_t high = (map->next - 1) / SENT_BLOCK + 1;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (seq_leq(record(map, memory, middle * SENT_BLOCK)->seq, s))
            low = middle;
        else
            high = middle;
    }
    const uint32_t begin = low * SENT_BLOCK > map->first ? low * SENT_BLOCK : map->first;
    const uint32_t end = (low + 1) * SENT_BLOCK < map->next ? (low + 1) * SENT_BLOCK : map->next;
    return begin - map->first + last_before(record(map, memory, begin), end - begin, s);
}
