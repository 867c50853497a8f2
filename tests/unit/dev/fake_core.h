/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TESTS_FAKE_CORE_H
#define WEIR_TESTS_FAKE_CORE_H

/* A stand-in for the core: what drivers, capture and loop call, doing what a test tells it to.
 *
 * It notes what it was given and plays back what was put into it. A program that links it must not
 * need the real core's objects; the linker says so if it does. */

#include "weir/stack.h"
#include "weir/trace.h"

#define FAKE_FRAMES_MAX  256
#define FAKE_RECORDS_MAX 256
#define FAKE_OCTETS_MAX  2048

struct fake_ring {
    struct weir_record record[FAKE_RECORDS_MAX];
    unsigned count;
};

struct weir {
    /* Frames that came in: the first octets of each, and how they were marked. */
    unsigned in_count, in_calls;
    uint8_t in_octets[FAKE_FRAMES_MAX][64];
    struct weir_frame in[FAKE_FRAMES_MAX];

    /* Called for each frame, to record what becomes of it. */
    void (*on_frame)(struct weir *weir, const struct weir_frame *frame);

    const struct weir_landing *landing; /* what is offered; NULL: nothing */

    /* Frames that weir_output gives, in order. */
    struct weir_out out[FAKE_FRAMES_MAX];
    unsigned out_count, out_at, out_calls;

    struct fake_ring ring[2]; /* by enum weir_trace_ring */

    weir_time deadline, timeout_at, deadline_next; /* the next one, once this was kept */
    unsigned timeouts, deadlines_asked;

    struct weir_event event[8];
    unsigned event_count, event_at;

    uint8_t state;  /* of every connection asked for */
    char order[64]; /* i t e o: the order of the calls, without repetition */
};

void fake_reset(struct weir *weir);
void fake_put_out(struct weir *weir, const void *octets, size_t len);
void fake_record(struct weir *weir, enum weir_trace_ring ring, struct weir_record record);

#endif
