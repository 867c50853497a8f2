/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TRACE_RING_H
#define WEIR_TRACE_RING_H

/* The flight recorder of one instance: two rings of records, the counters, and the count of every
 * drop reason.
 *
 * The writer fills the record, then publishes it by storing `head`; a reader on another thread
 * copies, then reads `head` again and discards what was overtaken. trace.c and this header are the
 * only places in the core with an atomic. */

#include "base/arena.h"
#include "base/cold.h"
#include "weir/trace.h"

struct trace_ring {
    struct weir_record *record;
    uint64_t head; /* number of the next record; the ring holds the `mask + 1` before it */
    uint32_t mask;
};

struct trace {
    struct trace_ring ring[2]; /* by enum weir_trace_ring */
    uint64_t drops[WEIR_DROP_COUNT];
    struct weir_counters count;
};

/* `flow` and `story` are powers of two. With an arena that only counts, it only counts. */
void trace_init(struct trace *trace, struct arena *arena, uint32_t flow, uint32_t story);

/* Where the next record goes: fill every field, then publish. */
static inline struct weir_record *trace_slot(struct trace *trace, enum weir_trace_ring ring)
{
    struct trace_ring *r = &trace->ring[ring];
    return &r->record[r->head & r->mask];
}

static inline void trace_publish(struct trace *trace, enum weir_trace_ring ring)
{
    struct trace_ring *r = &trace->ring[ring];
    __atomic_store_n(&r->head, r->head + 1, __ATOMIC_RELEASE);
    /* Nothing of the next record is seen before this head: the reader relies on it. Free on x86. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

/* One record into the story. */
void trace_story(struct trace *trace, const struct weir_record *record);

/* Counts a drop and writes its record into the story. Every dropped packet passes here exactly
 * once. Of `about` conn, flags, seq, ack and value (octets) are used. */
WEIR_COLD void trace_drop(struct trace *trace, weir_time when, enum weir_drop drop,
                          const struct weir_record *about);

/* weir_trace_read, which stack gives to the public, for one ring. A reader gets at most `mask` of
 * the kept records: the slot of the oldest is the one that the writer may be filling at this
 * moment. */
unsigned trace_read(const struct trace *trace, enum weir_trace_ring ring, uint64_t *cursor,
                    struct weir_record *out, unsigned count, uint64_t *lost);

#endif
