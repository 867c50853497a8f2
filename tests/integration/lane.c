/* SPDX-License-Identifier: MIT */
#include "lane.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MILLION    1000000u
#define NS_PER_MS  INT64_C(1000000)
#define OCTET_BITS 8

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

/* One loss takes as many frames as a burst has. */
static bool is_lost(struct lane *lane)
{
    if (befalls(lane, lane->loss) && lane->burst_left == 0)
        lane->burst_left = lane->burst > 0 ? lane->burst : 1;
    if (lane->burst_left == 0)
        return false;
    lane->burst_left--;
    return true;
}

/* When a frame that comes now has left the bottleneck; LANE_NEVER if it finds no room there. */
static int64_t pass_bottleneck(struct lane *lane, size_t len, int64_t now)
{
    if (lane->rate == 0)
        return now;
    const int64_t behind = lane->busy_until > now ? lane->busy_until - now : 0;
    if ((uint64_t)behind * lane->rate / OCTET_BITS / NS_PER_MS + len > lane->buffer) {
        lane->full++;
        return LANE_NEVER;
    }
    lane->busy_until = now + behind + (int64_t)len * OCTET_BITS * NS_PER_MS / lane->rate;
    return lane->busy_until;
}

void lane_put(struct lane *lane, const uint8_t *octets, size_t len, int64_t now)
{
    /* Always the same draws for a frame, so that one probability does not shift the others. */
    const bool lost = is_lost(lane);
    const bool twice = befalls(lane, lane->duplicate);
    const bool late = befalls(lane, lane->reorder);
    if (lane->cut || lost) {
        lane->lost++;
        return;
    }
    const int64_t left = pass_bottleneck(lane, len, now);
    if (left == LANE_NEVER)
        return;
    const int64_t by = lane->late_by > 0 ? lane->late_by : lane->delay * (LANE_LATE_FACTOR - 1);
    lane->duplicated += twice;
    lane->reordered += late;
    for (unsigned copies = twice ? 2 : 1; copies > 0; copies--) {
        if (late)
            append(lane, &lane->late, octets, len, left + lane->delay + by);
        else
            append(lane, &lane->in_time, octets, len, left + lane->delay);
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
