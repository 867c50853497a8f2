/* SPDX-License-Identifier: MIT */
#include "sim/queue.h"

#include <stdlib.h>

/* Wake-ups come last, by host: how often one was set anew may not show in the order of things. */
static unsigned rank(const struct sim_event *event)
{
    return event->kind == SIM_EV_WAKE ? 1 + event->index : 0;
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    if (a->at != b->at)
        return a->at < b->at;
    const unsigned x = rank(a), y = rank(b);
    return x != y ? x < y : a->serial < b->serial;
}

static void add(struct sim_queue *queue, struct sim_event event)
{
    if (queue->count == queue->room) {
        queue->room = queue->room * 2 + 64;
        queue->heap = realloc(queue->heap, queue->room * sizeof queue->heap[0]);
        if (queue->heap == NULL)
            abort(); /* the simulator is a test program: without memory it has nothing to say */
    }
    event.serial = queue->serial++;
    size_t i = queue->count++;
    for (; i > 0 && before(&event, &queue->heap[(i - 1) / 2]); i = (i - 1) / 2)
        queue->heap[i] = queue->heap[(i - 1) / 2];
    queue->heap[i] = event;
}

void sim_queue_add(struct sim_queue *queue, weir_time at, enum sim_event_kind kind, unsigned index)
{
    add(queue, (struct sim_event){ .at = at, .kind = kind, .index = index });
}

void sim_queue_add_frame(struct sim_queue *queue, weir_time at, unsigned host,
                         struct sim_frame *frame)
{
    add(queue, (struct sim_event){ .at = at, .kind = SIM_EV_FRAME, .index = host, .frame = frame });
}

void sim_queue_add_wake(struct sim_queue *queue, weir_time at, unsigned host, uint64_t generation)
{
    add(queue, (struct sim_event){
                   .at = at, .kind = SIM_EV_WAKE, .index = host, .generation = generation });
}

bool sim_queue_take(struct sim_queue *queue, struct sim_event *event)
{
    if (queue->count == 0)
        return false;
    *event = queue->heap[0];
    const struct sim_event last = queue->heap[--queue->count];
    size_t i = 0;
    for (size_t child = 1; child < queue->count; child = i * 2 + 1) {
        if (child + 1 < queue->count && before(&queue->heap[child + 1], &queue->heap[child]))
            child++;
        if (!before(&queue->heap[child], &last))
            break;
        queue->heap[i] = queue->heap[child];
        i = child;
    }
    if (queue->count > 0)
        queue->heap[i] = last;
    return true;
}
