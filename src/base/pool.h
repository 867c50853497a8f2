/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_POOL_H
#define WEIR_BASE_POOL_H

/* Equal items from one block, named by index. Take and give are O(1); items never used are never
 * touched, so a pool of a million costs only address space. In verify builds a given item is filled
 * with POOL_POISON. */

#include "base/assert.h"

#include <stddef.h>
#include <stdint.h>

#define POOL_NONE   UINT32_MAX
#define POOL_POISON 0xA5

struct pool {
    uint8_t *memory;
    uint32_t item_size; /* rounded up to 8 */
    uint32_t item_count;
    uint32_t free_head; /* index of an item whose first four octets name the next; POOL_NONE */
    uint32_t fresh;     /* items from here on were never taken */
    uint32_t used;
    uint32_t used_max; /* high-water mark */
    uint32_t fail_at;  /* fault injection: the n-th take from now fails; 0 = off */
    uint32_t refused;  /* takes that found nothing */
    bool verify;       /* poison what is given back, and check it when taken */
};

size_t pool_size(uint32_t item_count, uint32_t item_size);
void pool_init(struct pool *pool, void *memory, uint32_t item_count, uint32_t item_size,
               bool verify);

/* An index, contents undefined, or POOL_NONE. */
uint32_t pool_take(struct pool *pool);
void pool_give(struct pool *pool, uint32_t index);

static inline uint32_t pool_free_count(const struct pool *pool)
{
    return pool->item_count - pool->used;
}

static inline void *pool_at(const struct pool *pool, uint32_t index)
{
    WEIR_ASSERT(index < pool->item_count);
    return pool->memory + (size_t)index * pool->item_size;
}

#endif
