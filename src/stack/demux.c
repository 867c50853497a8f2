/* SPDX-License-Identifier: MIT */
#include "stack/demux.h"

#include <string.h>

/* Two thirds full at most: then a look-up that finds nothing passes four slots on average. */
static uint32_t most_in(uint32_t slots)
{
    return slots / 3 * 2;
}

static uint32_t slot_count(uint32_t max)
{
    uint32_t slots = 4;
    while (most_in(slots) < max)
        slots *= 2;
    return slots;
}

void demux_init(struct demux *demux, struct arena *arena, uint32_t max)
{
    WEIR_ASSERT(max > 0 && max <= UINT32_C(1) << 30);
    const uint32_t slots = slot_count(max);
    const size_t size = (size_t)slots * sizeof(struct demux_slot);
    *demux = (struct demux){ arena_take(arena, size), slots - 1, 0 };
    if (demux->slot != NULL)
        memset(demux->slot, 0, size);
}

/* Where the reference is, or where the line ends without it. */
static uint32_t place_of(const struct demux *demux, uint32_t hash, uint32_t ref)
{
    uint32_t at = hash & demux->mask;
    while (demux->slot[at].ref != DEMUX_NONE &&
           (demux->slot[at].ref != ref || demux->slot[at].hash != hash))
        at = (at + 1) & demux->mask;
    return at;
}

void demux_add(struct demux *demux, uint32_t hash, uint32_t ref)
{
    WEIR_ASSERT(ref != DEMUX_NONE);
    WEIR_ASSERT(demux->count < most_in(demux->mask + 1));
    const uint32_t at = place_of(demux, hash, ref);
    WEIR_ASSERT(demux->slot[at].ref == DEMUX_NONE);
    demux->slot[at] = (struct demux_slot){ hash, ref };
    demux->count++;
}

void demux_remove(struct demux *demux, uint32_t hash, uint32_t ref)
{
    uint32_t hole = place_of(demux, hash, ref);
    WEIR_ASSERT(demux->slot[hole].ref == ref);
    WEIR_ASSERT(demux->count > 0);

    /* Those behind the hole move up, unless that would put one before its home. */
    uint32_t at = hole;
    for (;;) {
        at = (at + 1) & demux->mask;
        if (demux->slot[at].ref == DEMUX_NONE)
            break;
        const uint32_t home = demux->slot[at].hash & demux->mask;
        if (((at - home) & demux->mask) < ((at - hole) & demux->mask))
            continue;
        demux->slot[hole] = demux->slot[at];
        hole = at;
    }
    demux->slot[hole].ref = DEMUX_NONE;
    demux->count--;
}

void demux_replace(struct demux *demux, uint32_t hash, uint32_t ref, uint32_t by)
{
    WEIR_ASSERT(by != DEMUX_NONE);
    const uint32_t at = place_of(demux, hash, ref);
    WEIR_ASSERT(demux->slot[at].ref == ref);
    demux->slot[at].ref = by;
}

bool demux_has(const struct demux *demux, uint32_t hash, uint32_t ref)
{
    return demux->slot[place_of(demux, hash, ref)].ref == ref;
}
