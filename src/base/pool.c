/* SPDX-License-Identifier: MIT */
#include "base/pool.h"

#include <string.h>

#define ITEM_ALIGN 8

/* A free item begins with the index of the next one; the poison starts behind it. */
#define LINK_LEN sizeof(uint32_t)

static size_t rounded(uint32_t item_size)
{
    return ((size_t)item_size + ITEM_ALIGN - 1) & ~(size_t)(ITEM_ALIGN - 1);
}

static uint32_t link_get(const struct pool *pool, uint32_t index)
{
    uint32_t next;
    memcpy(&next, pool_at(pool, index), sizeof next);
    return next;
}

static bool is_poisoned(const struct pool *pool, uint32_t index)
{
    const uint8_t *item = pool_at(pool, index);
    for (size_t i = LINK_LEN; i < pool->item_size; i++)
        if (item[i] != POOL_POISON)
            return false;
    return true;
}

static bool is_free(const struct pool *pool, uint32_t index)
{
    for (uint32_t i = pool->free_head; i != POOL_NONE; i = link_get(pool, i))
        if (i == index)
            return true;
    return false;
}

size_t pool_size(uint32_t item_count, uint32_t item_size)
{
    return item_count * rounded(item_size);
}

void pool_init(struct pool *pool, void *memory, uint32_t item_count, uint32_t item_size,
               bool verify)
{
    WEIR_ASSERT(item_size > 0);
    WEIR_ASSERT(item_size <= UINT32_MAX - ITEM_ALIGN);
    WEIR_ASSERT(item_count < POOL_NONE);

    *pool = (struct pool){
        .memory = memory,
        .item_size = (uint32_t)rounded(item_size),
        .item_count = item_count,
        .free_head = POOL_NONE,
        .verify = verify,
    };
}

uint32_t pool_take(struct pool *pool)
{
    const bool fails = pool->fail_at > 0 && --pool->fail_at == 0;
    if (fails || pool->used == pool->item_count) {
        pool->refused++;
        return POOL_NONE;
    }

    uint32_t index = pool->free_head;
    if (index == POOL_NONE) {
        index = pool->fresh++;
    } else {
        /* Poison that has changed: somebody wrote to an item after giving it back. */
        WEIR_ASSERT(!pool->verify || is_poisoned(pool, index));
        pool->free_head = link_get(pool, index);
    }
    WEIR_ASSERT(index < pool->item_count);
    pool->used++;
    if (pool->used > pool->used_max)
        pool->used_max = pool->used;
    return index;
}

void pool_give(struct pool *pool, uint32_t index)
{
    WEIR_ASSERT(index < pool->fresh);
    WEIR_ASSERT(pool->used > 0);
    /* Only what looks like a free item is looked up among them, so this costs nothing until it is
     * right. */
    WEIR_ASSERT(!pool->verify || !is_poisoned(pool, index) || !is_free(pool, index));

    uint8_t *item = pool_at(pool, index);
    if (pool->verify)
        memset(item + LINK_LEN, POOL_POISON, pool->item_size - LINK_LEN);
    memcpy(item, &pool->free_head, sizeof pool->free_head);
    pool->free_head = index;
    pool->used--;
}
