/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STACK_DEMUX_H
#define WEIR_STACK_DEMUX_H

/* A table from a keyed hash to references, in eight octets a slot: open addressing, probed in a
 * line, without tombstones.
 *
 * It does not know what its references name, so it cannot compare keys: it gives every reference
 * with the same 32 bits of hash, and the caller looks whether it is the one. The table is never
 * more than two thirds full; nothing that is sent or recorded may depend on its order. */

#include "base/arena.h"
#include "base/assert.h"

#define DEMUX_NONE 0 /* no reference */

struct demux_slot {
    uint32_t hash;
    uint32_t ref; /* DEMUX_NONE: empty */
};

struct demux {
    struct demux_slot *slot;
    uint32_t mask;  /* slots less one */
    uint32_t count; /* references in it */
};

/* Room for `max` references. With an arena that only counts, it only counts. */
void demux_init(struct demux *demux, struct arena *arena, uint32_t max);

/* A reference must not be in the table twice under one hash. */
void demux_add(struct demux *demux, uint32_t hash, uint32_t ref);
void demux_remove(struct demux *demux, uint32_t hash, uint32_t ref);
void demux_replace(struct demux *demux, uint32_t hash, uint32_t ref, uint32_t by);
bool demux_has(const struct demux *demux, uint32_t hash, uint32_t ref);

static inline uint32_t demux_from(const struct demux *demux, uint32_t hash, uint32_t *at)
{
    for (; demux->slot[*at].ref != DEMUX_NONE; *at = (*at + 1) & demux->mask)
        if (demux->slot[*at].hash == hash)
            return demux->slot[*at].ref;
    return DEMUX_NONE;
}

/* The first reference with this hash, or DEMUX_NONE. `*at` is where demux_next goes on; the table
 * must not change in between. */
static inline uint32_t demux_first(const struct demux *demux, uint32_t hash, uint32_t *at)
{
    *at = hash & demux->mask;
    return demux_from(demux, hash, at);
}

static inline uint32_t demux_next(const struct demux *demux, uint32_t hash, uint32_t *at)
{
    *at = (*at + 1) & demux->mask;
    return demux_from(demux, hash, at);
}

static inline void demux_prefetch(const struct demux *demux, uint32_t hash)
{
    __builtin_prefetch(&demux->slot[hash & demux->mask]);
}

#endif
