/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

/* Carves one block of memory into aligned parts. With `base` NULL it only counts, so the same code
 * says how much is needed and hands it out: the two can never disagree. */

#include <stddef.h>
#include <stdint.h>

#define ARENA_ALIGN 64

struct arena {
    uint8_t *base; /* NULL: count only */
    size_t used;
    size_t size;
};

static inline void *arena_take(struct arena *arena, size_t size)
{
    const size_t start = (arena->used + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    arena->used = start + size;
    if (arena->base == NULL || arena->used > arena->size)
        return NULL;
    return arena->base + start;
}

#endif
