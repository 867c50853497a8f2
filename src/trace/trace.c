/* SPDX-License-Identifier: MIT */
#include "trace/trace.h"

#include "base/assert.h"

#include <string.h>

static void ring_init(struct trace_ring *ring, struct arena *arena, uint32_t count)
{
    WEIR_ASSERT(count > 1 && (count & (count - 1)) == 0);
    const size_t size = count * sizeof(struct weir_record);
    struct weir_record *record = arena_take(arena, size);
    if (arena->base == NULL)
        return;
    WEIR_ASSERT(record != NULL); /* not cleared: what has not been written is never read */
    *ring = (struct trace_ring){ .record = record, .mask = count - 1 };
}

void trace_init(struct trace *trace, struct arena *arena, uint32_t flow, uint32_t story)
{
    if (arena->base != NULL)
        *trace = (struct trace){ 0 };
    ring_init(&trace->ring[WEIR_TRACE_FLOW], arena, flow);
    ring_init(&trace->ring[WEIR_TRACE_STORY], arena, story);
}

void trace_story(struct trace *trace, const struct weir_record *record)
{
    *trace_slot(trace, WEIR_TRACE_STORY) = *record;
    trace_publish(trace, WEIR_TRACE_STORY);
}

void trace_drop(struct trace *trace, weir_time when, enum weir_drop drop,
                const struct weir_record *about)
{
    WEIR_ASSERT(drop > WEIR_DROP_NONE && drop < WEIR_DROP_COUNT);
    trace->drops[drop]++;
    struct weir_record record = *about;
    record.when = when;
    record.type = WEIR_REC_DROP;
    record.code = (uint16_t)drop;
    trace_story(trace, &record);
}

/* The oldest record that the writer, having published `head`, cannot be about to overwrite. */
static uint64_t oldest(const struct trace_ring *ring, uint64_t head)
{
    return head > ring->mask ? head - ring->mask : 0;
}

/* The copy may race with the writer; that is seen afterwards, and then it is thrown away. */
__attribute__((no_sanitize("thread"))) static void copy(const struct trace_ring *ring,
                                                        uint64_t from, struct weir_record *out,
                                                        unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        out[i] = ring->record[(from + i) & ring->mask];
}

unsigned trace_read(const struct trace *trace, enum weir_trace_ring which, uint64_t *cursor,
                    struct weir_record *out, unsigned count, uint64_t *lost)
{
    const struct trace_ring *ring = &trace->ring[which];
    const uint64_t wanted = *cursor;
    uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
    uint64_t from = wanted > oldest(ring, head) ? wanted : oldest(ring, head);
    if (from > head)
        from = head; /* a cursor of another instance, or from before a restart */
    unsigned copied = head - from < count ? (unsigned)(head - from) : count;
    copy(ring, from, out, copied);

    /* What the writer may have reached since then is not what was there. */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
    uint64_t stale = oldest(ring, head) > from ? oldest(ring, head) - from : 0;
    if (stale > copied)
        stale = copied;
    copied -= (unsigned)stale;
    from += stale;
    memmove(out, out + stale, copied * sizeof *out);

    if (lost != NULL)
        *lost = from > wanted ? from - wanted : 0;
    *cursor = from + copied;
    return copied;
}
