/* SPDX-License-Identifier: MIT */
#include "lane.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MILLION 1000000u

/* xorshift64*: the seed is never 0. */
static bool befalls(struct lane *lane, uint32_t per_million)
{
    lane->state ^= lane->state >> 12;
    lane->state ^= lane->state << 25;
    lane->state ^= lane->state >> 27;
    const uint32_t draw = (uint32_t)((lane->state * UINT64_C(0x2545F4914F6CDD1D)) >> 32);
    return draw % MILLION < per_million;
}

static void append(struct lane *lane, struct lane_queue *queue, const uint8_t *octets, size_t len,
                   int64_t due)
{
    struct lane_frame *frame = lane->count < LANE_FRAMES_MAX ? malloc(sizeof *frame + len) : NULL;
    if (frame == NULL) {
        lane->overflowed++;
        return;
    }
    frame->next = NULL;
    frame->due = due;
    frame->len = len;
    memcpy(frame->octet, octets, len);
    if (queue->tail != NULL)
        queue->tail->next = frame;
    else
        queue->head = frame;
    queue->tail = frame;
    lane->count++;
}

void lane_put(struct lane *lane, const uint8_t *octets, size_t len, int64_t now)
{
    /* Always the same draws for a frame, so that one probability does not shift the others. */
    const bool lost = befalls(lane, lane->loss);
    const bool twice = befalls(lane, lane->duplicate);
    const bool late = befalls(lane, lane->reorder);
    if (lane->cut || lost) {
        lane->lost++;
        return;
    }
    lane->duplicated += twice;
    lane->reordered += late;
    for (unsigned copies = twice ? 2 : 1; copies > 0; copies--) {
        if (late)
            append(lane, &lane->late, octets, len, now + lane->delay * LANE_LATE_FACTOR);
        else
            append(lane, &lane->in_time, octets, len, now + lane->delay);
    }
}

static struct lane_queue *first_due(const struct lane *lane)
{
    const struct lane_frame *a = lane->in_time.head, *b = lane->late.head;
    if (a == NULL && b == NULL)
        return NULL;
    const bool in_time = b == NULL || (a != NULL && a->due <= b->due);
    return (struct lane_queue *)(in_time ? &lane->in_time : &lane->late);
}

int64_t lane_due(const struct lane *lane)
{
    const struct lane_queue *queue = first_due(lane);
    return queue != NULL && !lane->held ? queue->head->due : LANE_NEVER;
}

void lane_move(struct lane *lane, int64_t now)
{
    while (lane_due(lane) <= now) {
        struct lane_queue *queue = first_due(lane);
        struct lane_frame *frame = queue->head;
        queue->head = frame->next;
        if (queue->head == NULL)
            queue->tail = NULL;
        lane->count--;
        if (send(lane->to, frame->octet, frame->len, 0) == (ssize_t)frame->len)
            lane->passed++;
        else
            lane->overflowed++;
        free(frame);
    }
}
