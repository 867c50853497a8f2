/* SPDX-License-Identifier: MIT */
#include "weir/dev.h"

#include "dev/line.h"

#include <errno.h>
#include <stdlib.h>

/* Frames taken at a time, and the octets they are copied to, one behind the other: few enough to
 * stay in the cache. */
#define BATCH        32
#define ARENA_OCTETS ((size_t)8 << 16)
#define ARENA_ALIGN  64

struct weir_pair {
    struct weir_pair_end end[2];
    bool complete_sums;
    struct weir_out out[BATCH];
    struct weir_frame frame[BATCH];
    uint8_t arena[ARENA_OCTETS];
};

static void deliver(const struct weir_pair_end *to, const struct weir_frame *frames, size_t count,
                    weir_time now)
{
    if (count == 0)
        return;
    if (to->capture != NULL)
        weir_capture_input(to->capture, to->port, frames, count, now);
    else
        weir_input(to->weir, to->iface, frames, count, now);
}

/* Makes `out` one run of octets: in the arena from `*used` on, or where it is if it has only a
 * head. */
static void linearise(struct weir_pair *pair, const struct weir_out *out, struct weir_frame *frame,
                      size_t *used)
{
    const bool open_sum = out->csum_start != 0;
    frame->gso_size = out->gso_size;
    frame->landed = 0;
    frame->csum_ok = open_sum && !pair->complete_sums;
    if (out->span_count == 0 && !(open_sum && pair->complete_sums)) {
        frame->data = out->head;
        frame->len = out->head_len;
        return;
    }
    uint8_t *to = pair->arena + *used;
    frame->data = to;
    frame->len = weir_out_copy(out, to, ARENA_OCTETS - *used);
    if (pair->complete_sums)
        weir_out_complete(out, to, frame->len);
    *used += (frame->len + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

/* One batch from one end to the other; returns how many. The frames stay valid meanwhile: input
 * goes to the other instance. */
static size_t move_batch(struct weir_pair *pair, unsigned from, size_t most, weir_time now)
{
    const struct weir_pair_end *sender = &pair->end[from], *receiver = &pair->end[1 - from];
    const size_t count =
        weir_output(sender->weir, sender->iface, pair->out, most < BATCH ? most : BATCH, now);
    size_t ready = 0, used = 0;
    for (size_t i = 0; i < count; i++) {
        if (sender->capture != NULL)
            weir_capture_output(sender->capture, sender->port, &pair->out[i], now);
        if (used + WEIR_HEAD_MAX + WEIR_FRAME_MAX + ARENA_ALIGN > ARENA_OCTETS) {
            deliver(receiver, pair->frame, ready, now);
            ready = used = 0;
        }
        pair->frame[ready].when = now;
        linearise(pair, &pair->out[i], &pair->frame[ready], &used);
        ready++;
    }
    deliver(receiver, pair->frame, ready, now);
    return count;
}

size_t weir_pair_move(struct weir_pair *pair, size_t frames_max, weir_time now)
{
    size_t moved = 0, still = 0;
    for (unsigned from = 0; moved < frames_max && still < 2; from = 1 - from) {
        const size_t count = move_batch(pair, from, frames_max - moved, now);
        still = count == 0 ? still + 1 : 0;
        moved += count;
    }
    return moved;
}

int weir_pair_open(struct weir_pair **pair, const struct weir_pair_end end[2], bool complete_sums,
                   char why[WEIR_LINE_MAX])
{
    if (end[0].weir == end[1].weir)
        return line_fail(why, -EINVAL, "pair: joins two instances, not one with itself");
    struct weir_pair *made = malloc(sizeof *made);
    if (made == NULL)
        return line_fail(why, -ENOMEM, "pair: not enough memory");
    made->end[0] = end[0];
    made->end[1] = end[1];
    made->complete_sums = complete_sums;
    *pair = made;
    return 0;
}

void weir_pair_flush(struct weir_pair *pair)
{
    for (unsigned i = 0; i < 2; i++)
        if (pair->end[i].capture != NULL)
            weir_capture_flush(pair->end[i].capture);
}

void weir_pair_close(struct weir_pair *pair)
{
    free(pair);
}
